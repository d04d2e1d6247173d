//! Probes and frozen features through the registry.

use std::path::PathBuf;
use std::sync::Arc;

use burn::module::Module as _;
use serde::Serialize;

use super::Variant;
use crate::data::{Source, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::Jepa as _;
use crate::probe::{self, Features, Frozen, LinearProbe, ProbeConfig, Spread};
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
    /// The linear probe with a few labels a class, and with shares of all labels.
    LowShot,
    /// A learned query over all tokens.
    Attentive,
    /// Every weight trained with a linear head, on shares of the labels.
    FineTune,
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
    /// The lines.
    pub rows: Vec<ProbeLine>,
}

/// One line of a [`ProbeReport`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProbeLine {
    /// Whose features.
    pub features: String,
    /// Labels a class, where only some are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
    /// Share of all labels, where only some may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Accuracy in percent.
    pub accuracy: f64,
    /// Standard deviation over draws, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// How often the two of a pair are told apart, in percent, where the data has pairs; chance is 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twins: Option<f64>,
}

impl ProbeLine {
    fn of(spread: Spread) -> Self {
        let deviation = Some(100.0 * spread.deviation);
        Self { accuracy: 100.0 * spread.mean, deviation, ..Self::default() }
    }
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

/// Two encoders and the data they are compared on.
struct Comparison<V: Variant> {
    encoders: [(&'static str, Frozen<V>); 2],
    train: Box<dyn Source<Sample = V::Sample>>,
    test: Box<dyn Source<Sample = V::Sample>>,
    config: ProbeConfig,
}

pub(super) fn run_probe<V: Variant>(request: &ProbeRequest) -> Result<ProbeReport> {
    let (stored, _) = probe::open_run::<V>(&request.path)?;
    let config = with_assignments(&stored, &request.assignments)?;
    let trained = Frozen::<V>::open(&request.path, request.engine.clone())?.pooled_by(config.pool);
    let fresh = V::new(&stored.model)?;
    let encoder = fresh.model(stored.run.seed, &request.engine.device).target().valid();
    let untrained = Frozen::<V>::from_parts(Arc::new(fresh), encoder, request.engine.clone(), trained.workers())?
        .pooled_by(config.pool);
    let data = request.data.as_ref().unwrap_or(&stored.data.source);
    let (train, test) = (trained.open_data(data, Split::Train)?, trained.open_data(data, Split::Test)?);
    let encoders = [("trained encoder", trained), ("untrained encoder", untrained)];
    let comparison = Comparison { encoders, train, test, config };
    let config = &comparison.config;
    let (counts, rows) = match request.kind {
        ProbeKind::Knn => comparison.of_pooled(|bank, queries| {
            Ok(vec![ProbeLine { accuracy: 100.0 * probe::knn_accuracy(bank, queries, config)?, ..Default::default() }])
        })?,
        ProbeKind::Linear => comparison.of_pooled(|bank, queries| {
            let linear = LinearProbe::fit(bank)?;
            let twins = linear.accuracy_between(queries, comparison.test.twins())?.map(|a| 100.0 * a);
            Ok(vec![ProbeLine { accuracy: 100.0 * linear.accuracy(queries)?, twins, ..Default::default() }])
        })?,
        ProbeKind::LowShot => comparison.of_pooled(|bank, queries| {
            let mut lines = Vec::new();
            for &shots in &config.shots {
                let spread = probe::few_a_class(bank, queries, shots, config)?;
                lines.push(ProbeLine { shots: Some(shots), ..ProbeLine::of(spread) });
            }
            for &share in &config.shares {
                let spread = probe::share_of_all(bank, queries, share, config)?;
                lines.push(ProbeLine { share: Some(share), ..ProbeLine::of(spread) });
            }
            Ok(lines)
        })?,
        ProbeKind::Attentive => comparison.of_tokens()?,
        ProbeKind::FineTune => comparison.of_weights()?,
    };
    let [train, test] = counts;
    let (trained_on, data) = (stored.data.source.clone(), comparison.train.describe());
    Ok(ProbeReport { kind: request.kind, trained_on, data, train, test, rows })
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

/// Numbers of training and test samples, and the lines.
type Figures = ([usize; 2], Vec<ProbeLine>);

impl<V: Variant> Comparison<V> {
    /// A probe of vectors: of both encoders and of every floor.
    fn of_pooled(&self, lines: impl Fn(&Features, &Features) -> Result<Vec<ProbeLine>>) -> Result<Figures> {
        let [(_, trained), (_, untrained)] = &self.encoders;
        let banks = probe::floors(trained, untrained, self.train.as_ref(), self.config.max_train)?;
        let queries = probe::floors(trained, untrained, self.test.as_ref(), self.config.max_test)?;
        let (mut rows, mut counts) = (Vec::new(), [0; 2]);
        for ((name, bank), (_, queries)) in banks.iter().zip(&queries) {
            counts = [bank.len(), queries.len()];
            rows.extend(lines(bank, queries)?.into_iter().map(|line| ProbeLine { features: name.clone(), ..line }));
        }
        Ok((counts, rows))
    }

    /// The attentive probe of both encoders; raw inputs have no tokens to look at.
    fn of_tokens(&self) -> Result<Figures> {
        let (mut rows, mut counts) = (Vec::new(), [0; 2]);
        let config = &self.config.attentive;
        for (name, frozen) in &self.encoders {
            let bank = frozen.token_table(self.train.as_ref(), config.max_train.min(self.config.max_train))?;
            let queries = frozen.token_table(self.test.as_ref(), self.config.max_test)?;
            counts = [bank.rows.len(), queries.rows.len()];
            let accuracy = 100.0 * probe::attentive_accuracy(&bank, &queries, config, frozen.replicas())?;
            rows.push(ProbeLine { features: (*name).to_owned(), accuracy, ..Default::default() });
        }
        Ok((counts, rows))
    }

    /// Fine-tuning from both encoders: from the untrained one it is supervised learning from the beginning.
    fn of_weights(&self) -> Result<Figures> {
        let config = &self.config.fine_tune;
        let limits = (config, self.config.max_test);
        let mut rows = Vec::new();
        for (name, frozen) in &self.encoders {
            for &share in &config.shares {
                let spread = probe::fine_tune(frozen, self.train.as_ref(), self.test.as_ref(), share, limits)?;
                let line = ProbeLine { features: (*name).to_owned(), share: Some(share), ..ProbeLine::of(spread) };
                let deviation = line.deviation.filter(|_| share < 1.0);
                rows.push(ProbeLine { deviation, ..line });
            }
        }
        let counts = [self.train.len().min(config.max_train), self.test.len().min(self.config.max_test)];
        Ok((counts, rows))
    }
}

pub(super) fn embed<V: Variant>(request: &EmbedRequest) -> Result<Features> {
    let frozen = Frozen::<V>::open(&request.path, request.engine.clone())?;
    let source = frozen.open_data(&request.data, request.split)?;
    frozen.features(source.as_ref(), usize::MAX)
}
