//! Training through the registry: a new run, or one that goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::settings::resolve;
use super::{Plugin, Settings, Variant};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::runlog::{self, Observer, RunState};
use crate::train::config::read_table;
use crate::train::{Outcome, RunConfig, Session};

/// What `train` is asked to do.
#[derive(Debug, Clone)]
pub struct TrainRequest {
    /// The configuration.
    pub settings: Settings,
    /// Run folder; absent: a new one under `runs`, or with `resume` the newest unfinished one there.
    pub out: Option<PathBuf>,
    /// Continue the run in that folder.
    pub resume: bool,
    /// Where tensors live.
    pub engine: Engine,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Set from outside to stop after the current step.
    pub stop: Arc<AtomicBool>,
    /// Whether to probe at the end.
    pub probes: bool,
}

impl TrainRequest {
    /// A new run in a folder, on the CPU, without probes at its end; nothing stops it.
    pub fn new(settings: Settings, out: impl Into<PathBuf>) -> Self {
        Self {
            settings,
            out: Some(out.into()),
            resume: false,
            engine: Engine::cpu(),
            command: Vec::new(),
            stop: Arc::default(),
            probes: false,
        }
    }
}

pub(super) fn train<V: Variant>(
    plugin: &Plugin,
    request: &TrainRequest,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let id = plugin.id();
    let settings = &request.settings;
    let (out, preset, config) = if request.resume {
        let out = match &request.out {
            Some(out) => out.clone(),
            None => newest_unfinished(Path::new("runs"), id)?,
        };
        let fixed = settings.preset.is_none()
            && settings.file.is_none()
            && settings.assignments.is_empty()
            && settings.data.is_none()
            && settings.steps.is_none()
            && settings.seed.is_none()
            && settings.from.is_none();
        if !fixed {
            return Err(Error::config(
                "--resume",
                "a run goes on with the configuration in its config.toml; only --device and --replicas can be given",
            ));
        }
        if !out.join("run.json").is_file() {
            return Err(Error::config(out.display().to_string(), "there is no run in this folder to resume"));
        }
        let info = runlog::read_info(&out)?;
        if info.variant != id {
            return Err(Error::config(
                out.display().to_string(),
                format!("is a run of `{}`, not of `{id}`", info.variant),
            ));
        }
        if info.state == RunState::Imported {
            return Err(Error::config(out.display().to_string(), "holds imported weights, there is no run to resume"));
        }
        let mut config = RunConfig::<V::Config>::from_table(read_table(&out.join("config.toml"))?)?;
        // As many as before, whatever this machine has: another number is another order of sums.
        let before = (info.engine == request.engine.name).then_some(info.replicas);
        config.run.replicas = settings.replicas.or(config.run.replicas).or(before);
        (out, info.preset, config)
    } else {
        let (preset, config) = resolve::<V>(plugin, settings)?;
        let out = request.out.clone().unwrap_or_else(|| {
            let name = |n: usize| Path::new("runs").join(format!("{id}-{preset}-{n}"));
            (1..).map(name).find(|p| !p.exists()).unwrap_or_else(|| name(0))
        });
        (out, preset, config)
    };
    let session = Session {
        variant: id.to_owned(),
        out,
        resume: request.resume,
        from: settings.from.clone(),
        engine: request.engine.clone(),
        preset,
        command: request.command.clone(),
        stop: request.stop.clone(),
        probes: request.probes,
    };
    crate::train::train::<V>(&config, &session, observer)
}

fn newest_unfinished(runs: &Path, variant: &str) -> Result<PathBuf> {
    let mut candidates: Vec<(u64, PathBuf)> = std::fs::read_dir(runs)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let info = runlog::read_info(&path).ok()?;
            let open = matches!(info.state, RunState::Running | RunState::Interrupted | RunState::Failed);
            (open && info.variant == variant).then_some((info.started, path))
        })
        .collect();
    candidates.sort();
    candidates.pop().map(|(_, path)| path).ok_or_else(|| {
        Error::config(
            "--resume",
            format!("there is no unfinished run of {variant} in `{}`; name its folder with --out", runs.display()),
        )
    })
}
