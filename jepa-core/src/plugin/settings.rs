//! The layers of a configuration, and what a preset is to those who do not know its type.

use std::path::PathBuf;

use serde::Serialize;

use super::{Member, Plugin, Variant};
use crate::error::{Error, Result};
use crate::train::RunConfig;
use crate::train::config::{overlay, read_table, set};

/// A preset in words, with its configuration as TOML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PresetInfo {
    /// Name in `--preset`.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// The configuration.
    pub config: String,
}

/// Layers of a configuration, lowest first: preset, file, assignments, and the flags that have a name of their own; and what a
/// run begins with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Preset to begin from; absent: the first.
    pub preset: Option<String>,
    /// TOML file laid over it.
    pub file: Option<PathBuf>,
    /// `a.b=value`, in order.
    pub assignments: Vec<String>,
    /// Data specification.
    pub data: Option<String>,
    /// Steps of the run.
    pub steps: Option<u64>,
    /// Seed of the run.
    pub seed: Option<u64>,
    /// Replicas.
    pub replicas: Option<usize>,
    /// A run or imported weights that a new run begins with, as a cooldown does with a pre-training.
    pub from: Option<PathBuf>,
}

pub(super) fn presets<M: Member>() -> Result<Vec<PresetInfo>> {
    M::presets()
        .into_iter()
        .map(|p| Ok(PresetInfo { name: p.name.into(), about: p.about.into(), config: p.config.to_toml()? }))
        .collect()
}

pub(super) fn schema<V: Variant>() -> Result<serde_json::Value> {
    serde_json::to_value(schemars::schema_for!(RunConfig<V::Config>)).map_err(|e| Error::Engine(e.to_string()))
}

/// Puts the layers of a configuration together; returns the name of the preset too.
pub(super) fn resolve<V: Variant>(plugin: &Plugin, settings: &Settings) -> Result<(String, RunConfig<V::Config>)> {
    let mut presets = plugin.presets()?;
    let at = match &settings.preset {
        None => 0,
        Some(name) => presets.iter().position(|p| p.name == *name).ok_or_else(|| {
            let known: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
            Error::unknown("preset", name, &known)
        })?,
    };
    let preset = presets.swap_remove(at);
    let unread = |e: toml::de::Error| Error::config(preset.name.clone(), e.message().to_owned());
    let mut table = preset.config.parse::<toml::Table>().map_err(unread)?;
    if let Some(file) = &settings.file {
        overlay(&mut table, read_table(file)?);
    }
    for assignment in &settings.assignments {
        set(&mut table, assignment)?;
    }
    let mut config = RunConfig::<V::Config>::from_table(table)?;
    if let Some(data) = &settings.data {
        config.data.source.clone_from(data);
    }
    config.run.steps = settings.steps.unwrap_or(config.run.steps);
    config.run.seed = settings.seed.unwrap_or(config.run.seed);
    config.run.replicas = settings.replicas.or(config.run.replicas);
    // The flags above pass through the same checks as everything else.
    Ok((preset.name, RunConfig::from_table(config.to_table()?)?))
}
