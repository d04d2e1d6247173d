//! Probes and frozen features through the registry.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::Variant;
use crate::data::Split;
use crate::device::Engine;
use crate::error::Result;
use crate::jepa::Jepa as _;
use crate::probe::{self, Features, Frozen, ProbeConfig};

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// Weighted k-NN.
    Knn,
    /// Logistic regression on pooled features.
    Linear,
    /// The linear probe with a few labels a class.
    LowShot,
    /// A learned query over all tokens.
    Attentive,
}

/// What `probe` is asked to do.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// A run or imported weights.
    pub path: PathBuf,
    /// Which probe.
    pub kind: ProbeKind,
    /// Labelled data; absent: what the run was trained on.
    pub data: Option<String>,
    /// Where tensors live.
    pub engine: Engine,
}

/// Accuracies in percent of trained features and their floors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Which probe.
    pub kind: ProbeKind,
    /// The data set in words.
    pub data: String,
    /// Labelled training samples.
    pub train: usize,
    /// Test samples.
    pub test: usize,
    /// The lines.
    pub rows: Vec<ProbeLine>,
}

/// One line of a [`ProbeReport`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeLine {
    /// Whose features.
    pub features: String,
    /// Labels a class, for the low-shot probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
    /// Accuracy in percent.
    pub accuracy: f64,
    /// Standard deviation over draws, for the low-shot probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
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

pub(super) fn run_probe<V: Variant>(request: &ProbeRequest) -> Result<ProbeReport> {
    let trained = Frozen::<V>::open(&request.path, request.engine.clone())?;
    let (config, _) = probe::open_run::<V>(&request.path)?;
    let data = request.data.clone().unwrap_or_else(|| config.data.source.clone());
    let fresh = V::new(&config.model)?;
    let encoder = {
        use burn::module::Module as _;
        fresh.model(config.run.seed, &request.engine.device).target().valid()
    };
    let untrained = Frozen::<V>::from_parts(Arc::new(fresh), encoder, request.engine.clone(), trained.workers())?
        .pooled_by(config.probe.pool);

    let train = trained.open_data(&data, Split::Train)?;
    let test = trained.open_data(&data, Split::Test)?;
    let limits = &config.probe;
    if request.kind == ProbeKind::Attentive {
        return attentive(&trained, &untrained, [train.as_ref(), test.as_ref()], limits);
    }
    let pairs = [
        (
            "trained encoder",
            [trained.features(train.as_ref(), limits.max_train)?, trained.features(test.as_ref(), limits.max_test)?],
        ),
        (
            "untrained encoder",
            [
                untrained.features(train.as_ref(), limits.max_train)?,
                untrained.features(test.as_ref(), limits.max_test)?,
            ],
        ),
        ("raw input", [trained.raw(train.as_ref(), limits.max_train)?, trained.raw(test.as_ref(), limits.max_test)?]),
    ];
    let mut rows = Vec::new();
    for (name, [bank, queries]) in &pairs {
        rows.extend(lines(name, bank, queries, request.kind, limits)?);
    }
    let [bank, queries] = &pairs[0].1;
    Ok(ProbeReport { kind: request.kind, data: train.describe(), train: bank.len(), test: queries.len(), rows })
}

/// The attentive probe of the trained and the untrained encoder; raw inputs have no tokens to look at.
fn attentive<V: Variant>(
    trained: &Frozen<V>,
    untrained: &Frozen<V>,
    [train, test]: [&dyn crate::data::Source<Sample = V::Sample>; 2],
    config: &ProbeConfig,
) -> Result<ProbeReport> {
    let mut rows = Vec::new();
    let mut counts = [0, 0];
    for (name, frozen) in [("trained encoder", trained), ("untrained encoder", untrained)] {
        let bank = frozen.token_table(train, config.attentive.max_train.min(config.max_train))?;
        let queries = frozen.token_table(test, config.max_test)?;
        counts = [bank.rows.len(), queries.rows.len()];
        let accuracy = probe::attentive_accuracy(&bank, &queries, &config.attentive, trained.replicas())?;
        rows.push(ProbeLine { features: name.to_owned(), shots: None, accuracy: 100.0 * accuracy, deviation: None });
    }
    let [bank, queries] = counts;
    Ok(ProbeReport { kind: ProbeKind::Attentive, data: train.describe(), train: bank, test: queries, rows })
}

fn lines(
    name: &str,
    bank: &Features,
    queries: &Features,
    kind: ProbeKind,
    config: &ProbeConfig,
) -> Result<Vec<ProbeLine>> {
    let line = |accuracy: f64| ProbeLine {
        features: name.to_owned(),
        shots: None,
        accuracy: 100.0 * accuracy,
        deviation: None,
    };
    Ok(match kind {
        ProbeKind::Knn => vec![line(probe::knn_accuracy(bank, queries, config)?)],
        ProbeKind::Linear => vec![line(probe::linear_accuracy(bank, queries)?)],
        // Pooled features have no tokens; see `attentive`.
        ProbeKind::Attentive => Vec::new(),
        ProbeKind::LowShot => config
            .shots
            .iter()
            .map(|&shots| {
                let (mean, deviation) = probe::low_shot(bank, queries, shots, config)?;
                Ok(ProbeLine { shots: Some(shots), deviation: Some(100.0 * deviation), ..line(mean) })
            })
            .collect::<Result<_>>()?,
    })
}

pub(super) fn embed<V: Variant>(request: &EmbedRequest) -> Result<Features> {
    let frozen = Frozen::<V>::open(&request.path, request.engine.clone())?;
    let source = frozen.open_data(&request.data, request.split)?;
    frozen.features(source.as_ref(), usize::MAX)
}
