//! Weights of other projects, in and out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::variant::{Exported, Format, Imported};
use super::{Member, Plugin, Variant};
use crate::checkpoint::{self, Disk, Foreign, State};
use crate::data::Quarantine;
use crate::error::{Error, Result};
use crate::jepa::Jepa as _;
use crate::nn::params;
use crate::probe;
use crate::runlog::{self, RunInfo, RunState};
use crate::train::RunConfig;
use crate::train::config::set;

/// What `import` is asked to do.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The foreign weights.
    pub foreign: Foreign,
    /// Assignments laid over the configuration found with them.
    pub assignments: Vec<String>,
    /// Folder to write.
    pub out: PathBuf,
    /// The command line, for the record.
    pub command: Vec<String>,
}

pub(super) fn import<M: Member>(plugin: &Plugin, request: &ImportRequest) -> Result<usize> {
    let Imported { config, target, student } = M::Family::import(&request.foreign)?;
    write::<M::Family>(plugin, request, Imported { config: M::adopt(config), target, student })
}

fn write<V: Variant>(plugin: &Plugin, request: &ImportRequest, imported: Imported<V::Config>) -> Result<usize> {
    use burn::module::Module as _;
    let mut table = imported.config.to_table()?;
    for assignment in &request.assignments {
        set(&mut table, assignment)?;
    }
    let config = RunConfig::<V::Config>::from_table(table)?;
    let device = burn::prelude::Device::flex();
    let model = V::new(&config.model)?.model(0, &device);
    // Nothing is written before everything fits.
    let mut count = params::leaves(model.target()).len();
    let encoder = checkpoint::apply(model.target().valid(), &imported.target, &request.foreign.origin)?;
    let mut files =
        BTreeMap::from([("target.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&encoder)?)?)]);
    if let Some(student) = &imported.student {
        count += params::leaves(&model).len();
        let student = checkpoint::apply(model, student, &request.foreign.origin)?;
        files.insert("student.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&student)?)?);
    }
    let id = plugin.id();
    let state =
        State { variant: id.into(), step: 0, updates: 0, guard: Default::default(), quarantine: Quarantine::default() };
    files.insert("state.json".to_owned(), serde_json::to_vec_pretty(&state).map_err(|e| Error::Engine(e.to_string()))?);
    let text = config.to_toml()?;
    files.insert("config.toml".to_owned(), text.clone().into_bytes());
    let info = RunInfo {
        variant: id.to_owned(),
        preset: format!("imported from {}", request.foreign.origin),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: "none".into(),
        replicas: 0,
        seed: 0,
        state: RunState::Imported,
        command: request.command.clone(),
        from: None,
        started: runlog::now(),
    };
    let folder = runlog::RunFolder::create(&request.out, &text, &info)?;
    checkpoint::save(&Disk, &folder.checkpoints(), id, 0, &files, 1)?;
    Ok(count)
}

pub(super) fn export<V: Variant>(path: &Path, format: Format) -> Result<Vec<Exported>> {
    let (config, bundle) = probe::open_run::<V>(path)?;
    let tensors = |name: &str| checkpoint::decode(bundle.file(name)?, &bundle.path.join(name));
    let student = "student.safetensors";
    let student = bundle.files.contains_key(student).then(|| tensors(student)).transpose()?;
    V::new(&config.model)?.export(&tensors("target.safetensors")?, student.as_ref(), format)
}
