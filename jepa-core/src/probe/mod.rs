//! What frozen features are worth: k-NN, linear, support vector, attentive, low-shot, few-shot and part probes, with the
//! floors beside them.

mod attentive;
mod features;
mod few_shot;
mod file;
mod frozen;
mod knn;
mod linear;
mod parts;
mod svm;

pub use attentive::{AttentiveConfig, TokenTable, attentive_accuracy};
pub use features::Features;
pub use few_shot::{FewShotConfig, few_shot, mean_and_deviation};
pub use file::{check_features_file, write_features};
pub(crate) use frozen::open_run;
pub use frozen::{Frozen, readable};
pub use knn::knn_accuracy;
pub use linear::{LinearProbe, linear_accuracy, low_shot};
pub use parts::{PartScores, PartsConfig, part_scores, raw_part_scores};
pub use svm::{LinearSvm, SvmConfig, SvmLoss, svm_accuracy};

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{DataSpec, Source, Split};
use crate::error::{Error, Result};
use crate::plugin::Variant;

/// How features are probed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// Neighbours that vote (DINO: 20).
    pub neighbours: usize,
    /// Temperature of a vote, exp(cosine / t) (DINO: 0.07).
    pub temperature: f64,
    /// Most labelled training samples used.
    pub max_train: usize,
    /// Most test samples used.
    pub max_test: usize,
    /// Labels a class of the low-shot probe.
    pub shots: Vec<usize>,
    /// Draws of the low-shot probe.
    pub draws: usize,
    /// How the tokens of a sample become one vector.
    pub pool: Pool,
    /// Which copy of the encoder is probed.
    pub network: Network,
    /// The attentive probe.
    pub attentive: AttentiveConfig,
    /// The linear support vector machine.
    pub svm: SvmConfig,
    /// The few-shot tasks.
    pub few_shot: FewShotConfig,
    /// The part probe.
    pub parts: PartsConfig,
}

/// How the tokens of a sample become one vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// The mean over tokens.
    #[default]
    Mean,
    /// The largest value over tokens beside the mean: twice the width (Point-JEPA, point2vec).
    MaxMean,
}

impl Pool {
    /// [samples, tokens, width] to [samples, 1, width or twice the width].
    pub fn apply(self, tokens: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Mean => tokens.mean_dim(1),
            Self::MaxMean => Tensor::cat(vec![tokens.clone().max_dim(1), tokens.mean_dim(1)], 2),
        }
    }
}

/// Which copy of the encoder is probed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The target encoder (I-JEPA, S-JEPA).
    #[default]
    Target,
    /// The context encoder, which is trained (Point-JEPA).
    Student,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            neighbours: 20,
            temperature: 0.07,
            max_train: 20_000,
            max_test: 10_000,
            shots: vec![1, 5, 10, 50],
            draws: 5,
            pool: Pool::Mean,
            network: Network::Target,
            attentive: AttentiveConfig::default(),
            svm: SvmConfig::default(),
            few_shot: FewShotConfig::default(),
            parts: PartsConfig::default(),
        }
    }
}

impl ProbeConfig {
    pub(crate) fn check(&self) -> Result<()> {
        if self.neighbours == 0
            || self.max_train == 0
            || self.max_test == 0
            || self.draws == 0
            || !self.temperature.is_finite()
            || self.temperature <= 0.0
        {
            return Err(Error::config(
                "probe",
                "neighbours, temperature, max_train, max_test and draws must be positive",
            ));
        }
        self.attentive.check()?;
        self.svm.check()?;
        self.few_shot.check()?;
        self.parts.check()
    }
}

/// One line of a probe table: accuracies in percent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeRow {
    /// Whose features: "trained encoder", "untrained encoder", "raw input".
    pub features: String,
    /// Width of a feature vector.
    pub width: usize,
    /// k-NN accuracy.
    pub knn: f64,
    /// Linear accuracy.
    pub linear: f64,
}

/// Learned features beside their floors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeTable {
    /// Labelled training samples.
    pub train: usize,
    /// Test samples.
    pub test: usize,
    /// Number of classes.
    pub classes: usize,
    /// The lines.
    pub rows: Vec<ProbeRow>,
    /// Why there are no lines, when there are none.
    pub note: Option<String>,
}

impl std::fmt::Display for ProbeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(note) = &self.note {
            return write!(f, "no probes: {note}");
        }
        writeln!(f, "probes: {} classes, {} training and {} test samples", self.classes, self.train, self.test)?;
        writeln!(f, "{:<18} {:>6} {:>9} {:>9}", "features", "width", "k-NN %", "linear %")?;
        for (i, row) in self.rows.iter().enumerate() {
            let end = if i + 1 < self.rows.len() { "\n" } else { "" };
            write!(f, "{:<18} {:>6} {:>9.1} {:>9.1}{end}", row.features, row.width, row.knn, row.linear)?;
        }
        Ok(())
    }
}

/// Features of a data set's two parts, as far as the configuration wants them.
pub fn both_splits<V: Variant>(frozen: &Frozen<V>, spec: &str, config: &ProbeConfig) -> Result<[Features; 2]> {
    Ok([
        frozen.features(frozen.open_data(spec, Split::Train)?.as_ref(), config.max_train)?,
        frozen.features(frozen.open_data(spec, Split::Test)?.as_ref(), config.max_test)?,
    ])
}

/// k-NN and linear probes of a trained encoder beside the untrained one and the raw input.
pub fn compare<V: Variant>(
    trained: &Frozen<V>,
    untrained: &Frozen<V>,
    spec: &str,
    config: &ProbeConfig,
) -> Result<ProbeTable> {
    let mut table = ProbeTable { train: 0, test: 0, classes: 0, rows: Vec::new(), note: None };
    let parsed = DataSpec::parse(spec, V::FORMATS);
    let sources = trained
        .variant()
        .open(&parsed, Split::Train)
        .and_then(|a| Ok([a, trained.variant().open(&parsed, Split::Test)?]));
    let [train, test] = match sources {
        Ok(sources) => sources,
        Err(error) => {
            table.note = Some(error.to_string());
            return Ok(table);
        }
    };
    if train.label(0).is_none() || test.label(0).is_none() {
        table.note = Some(format!("{} has no labels", train.describe()));
        return Ok(table);
    }
    table.classes = train.classes().len();
    type Extract<'a, S> = Box<dyn Fn(&dyn Source<Sample = S>, usize) -> Result<Features> + 'a>;
    let kinds: [(&str, Extract<'_, V::Sample>); 3] = [
        ("trained encoder", Box::new(|source, limit| trained.features(source, limit))),
        ("untrained encoder", Box::new(|source, limit| untrained.features(source, limit))),
        ("raw input", Box::new(|source, limit| trained.raw(source, limit))),
    ];
    for (name, extract) in kinds {
        let bank = extract(train.as_ref(), config.max_train)?;
        let queries = extract(test.as_ref(), config.max_test)?;
        (table.train, table.test) = (bank.len(), queries.len());
        table.rows.push(ProbeRow {
            features: name.to_owned(),
            width: bank.width(),
            knn: 100.0 * knn_accuracy(&bank, &queries, config)?,
            linear: 100.0 * linear_accuracy(&bank, &queries)?,
        });
    }
    Ok(table)
}
