//! Evaluations beside the probes: the collapse report that every variant has, and what only one offers, such as surprise
//! at impossible physics. Found by name, run by nobody who knows them.

use std::path::{Path, PathBuf};

use burn::module::Module as _;
use serde::Serialize;

use super::variant::{Evaluated, Evaluation, Networks};
use super::{Variant, collapse};
use crate::checkpoint;
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::Jepa as _;
use crate::probe;

/// An evaluation, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EvaluationInfo {
    /// Name in `probe --kind`.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
}

/// Which evaluation of a run.
#[derive(Debug, Clone)]
pub struct EvaluateRequest {
    /// A run or imported weights.
    pub path: PathBuf,
    /// Name of the evaluation.
    pub name: String,
    /// Other runs of the same variant for the same table, named by their folders.
    pub beside: Vec<PathBuf>,
    /// Data specification; absent: the evaluation's own default.
    pub data: Option<String>,
    /// Where tensors live.
    pub engine: Engine,
}

fn all<V: Variant>() -> Vec<Evaluation<V>> {
    let mut all = V::evaluations();
    all.push(collapse::evaluation());
    all
}

pub(super) fn evaluations<V: Variant>() -> Vec<EvaluationInfo> {
    all::<V>().iter().map(|e| EvaluationInfo { name: e.name, about: e.about }).collect()
}

pub(super) fn evaluate<V: Variant>(request: &EvaluateRequest) -> Result<Evaluated> {
    let evaluations = all::<V>();
    let Some(evaluation) = evaluations.iter().find(|e| e.name == request.name) else {
        let known: Vec<&str> = evaluations.iter().map(|e| e.name).collect();
        return Err(Error::unknown("evaluation", &request.name, &known));
    };
    let networks = open::<V>(&request.path, &request.engine)?;
    let beside = request.beside.iter().map(|path| {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        Ok((name, open::<V>(path, &request.engine)?))
    });
    (evaluation.run)(&networks, &beside.collect::<Result<Vec<_>>>()?, request.data.as_deref())
}

/// The networks of a run.
fn open<V: Variant>(path: &Path, engine: &Engine) -> Result<Networks<V>> {
    let (config, bundle) = probe::open_run::<V>(path)?;
    let variant = V::new(&config.model)?;
    let read = |name: &str| {
        let place = bundle.path.join(name);
        Ok::<_, Error>((checkpoint::decode(bundle.file(name)?, &place)?, place.display().to_string()))
    };
    let device = &engine.device;
    let (tensors, origin) = read("student.safetensors")?;
    let student = checkpoint::apply(variant.model(0, device), &tensors, &origin)?.valid();
    let (tensors, origin) = read("target.safetensors")?;
    let target = checkpoint::apply(variant.model(0, device).target().valid(), &tensors, &origin)?;
    let untrained = variant.model(config.run.seed, device).valid();
    Ok(Networks { variant, config, student, target, untrained, engine: engine.clone() })
}
