//! Probes and frozen features through the registry.

use std::path::PathBuf;
use std::sync::Arc;

use burn::module::Module as _;
use serde::Serialize;

use super::comparison::{Comparison, Figures};
use super::{Variant, columns};
use crate::data::Split;
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::Jepa as _;
use crate::probe::{self, Features, Frozen, ProbeConfig};
use crate::train::RunConfig;
use crate::train::config::set;

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// Weighted k-NN.
    Knn,
    /// Logistic regression on pooled features.
    Linear,
    /// The same in the four ways of I-JEPA's paper: of the last block or of the last four, each feature scaled by itself or
    /// all alike.
    FourWay,
    /// The linear probe with a few labels a class, and with shares of all labels.
    LowShot,
    /// A learned query over all tokens.
    Attentive,
    /// Every weight trained with a linear head, on shares of the labels.
    FineTune,
    /// A linear support vector machine on pooled features, over several views.
    Svm,
    /// A linear support vector machine on a few classes with a few labels each.
    FewShot,
    /// The part of its object that each element belongs to: mean intersection over union.
    Parts,
}

/// What stands beside trained features.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Beside {
    /// The encoder as it was before training, raw inputs and shortcuts.
    #[default]
    Floors,
    /// The encoder as it was before training.
    Untrained,
    /// Nothing.
    Nothing,
}

/// What `probe` is asked to do.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// A run or imported weights.
    pub path: PathBuf,
    /// Which probes; features are made once for all of them that read one vector a sample.
    pub kinds: Vec<ProbeKind>,
    /// What is probed too.
    pub beside: Beside,
    /// Labelled data; absent: what the run was trained on.
    pub data: Option<String>,
    /// Column of labels, or `all`; absent: the class.
    pub label: Option<String>,
    /// Assignments laid over the run's configuration, all below `probe`.
    pub assignments: Vec<String>,
    /// Where tensors live.
    pub engine: Engine,
}

/// Accuracies in percent of trained features and their floors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Which probe.
    pub kind: ProbeKind,
    /// What the run was trained on, as it was given.
    pub trained_on: String,
    /// The data set that is probed, in words.
    pub data: String,
    /// Labelled training samples.
    pub train: usize,
    /// Test samples.
    pub test: usize,
    /// The lines of classes.
    pub rows: Vec<ProbeLine>,
    /// The lines of numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<NumbersLine>,
}

/// How well the numbers of a column can be read out of features.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumbersLine {
    /// The column.
    pub label: String,
    /// Whose features.
    pub features: String,
    /// Share of the variance that is explained, the mean over the numbers: 1 is perfect, 0 is the mean of the test samples.
    pub r2: f64,
    /// Root of the mean squared distance.
    pub rmse: f64,
    /// Its unit.
    pub unit: String,
}

/// One line of a [`ProbeReport`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProbeLine {
    /// Column of labels, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whose features.
    pub features: String,
    /// Which of the four ways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// Classes, of the few-shot probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ways: Option<usize>,
    /// Labels a class, where only some are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
    /// Share of all labels, where only some may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Accuracy in percent; of the part probe the mean intersection over union, averaged over samples.
    pub accuracy: f64,
    /// Standard deviation over draws or views, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// How often the two of a pair are told apart, in percent, where the data has pairs; chance is 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twins: Option<f64>,
    /// Mean intersection over union in percent, averaged over categories, of the part probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_iou: Option<f64>,
}

/// What `embed` is asked to do.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// A run or imported weights.
    pub path: PathBuf,
    /// What to embed.
    pub data: String,
    /// Which part of it.
    pub split: Split,
    /// Where tensors live.
    pub engine: Engine,
}

pub(super) fn run_probe<V: Variant>(request: &ProbeRequest) -> Result<Vec<ProbeReport>> {
    let (stored, bundle) = probe::open_run::<V>(&request.path)?;
    let config = with_assignments(&stored, &request.assignments)?;
    let trained = Frozen::<V>::of_bundle(&stored, &bundle, &config, request.engine.clone())?;
    let workers = trained.workers();
    let data = request.data.as_ref().unwrap_or(&stored.data.source);
    let (train, test) = (trained.open_data(data, Split::Train)?, trained.open_data(data, Split::Test)?);
    let mut encoders = vec![(probe::TRAINED, trained)];
    if request.beside != Beside::Nothing {
        let fresh = V::new(&stored.model)?;
        let encoder = fresh.model(stored.run.seed, &request.engine.device).target().valid();
        let untrained = Frozen::<V>::from_parts(Arc::new(fresh), encoder, request.engine.clone(), workers)?;
        encoders.push((probe::UNTRAINED, untrained.reading(config.pool, config.layers)));
    }
    let mut comparison = Comparison { encoders, raw: request.beside == Beside::Floors, config, tables: None };
    let sources = [train.as_ref(), test.as_ref()];
    let report = |kind: &ProbeKind| {
        let Figures { counts: [fitted, scored], rows, numbers } = match &request.label {
            Some(label) => columns::run(&mut comparison, *kind, sources, label)?,
            None => comparison.run(*kind, sources)?,
        };
        Ok(ProbeReport {
            kind: *kind,
            trained_on: stored.data.source.clone(),
            data: train.describe(),
            train: fitted,
            test: scored,
            rows,
            numbers,
        })
    };
    request.kinds.iter().map(report).collect()
}

/// The probe's part of a configuration after some assignments.
fn with_assignments<C>(stored: &RunConfig<C>, assignments: &[String]) -> Result<ProbeConfig>
where
    C: Serialize + serde::de::DeserializeOwned,
{
    let mut table = stored.to_table()?;
    for assignment in assignments {
        if !assignment.trim_start().starts_with("probe.") {
            let problem = "a run keeps its configuration; only what lies below `probe` can be set here";
            return Err(Error::config(assignment.clone(), problem));
        }
        set(&mut table, assignment)?;
    }
    Ok(RunConfig::<C>::from_table(table)?.probe)
}

pub(super) fn embed<V: Variant>(request: &EmbedRequest) -> Result<Features> {
    let frozen = Frozen::<V>::open(&request.path, request.engine.clone())?;
    let source = frozen.open_data(&request.data, request.split)?;
    frozen.features(source.as_ref(), usize::MAX)
}
