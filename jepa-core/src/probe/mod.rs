//! What features are worth: k-NN, linear, support vector, attentive, low-shot, few-shot and part probes of frozen ones,
//! fine-tuning, with the floors beside them.

mod attentive;
mod compare;
mod features;
mod few_shot;
mod file;
mod fine_tune;
mod frozen;
mod knn;
mod linear;
mod online;
mod parts;
mod regression;
mod scarce;
mod svm;

pub use attentive::{AttentiveConfig, AttentiveProbe, TokenTable};
pub use compare::{ProbeRow, ProbeTable, RAW, TRAINED, UNTRAINED, compare, floors};
pub use features::Features;
pub use few_shot::{FewShotConfig, few_shot};
pub use file::{check_features_file, write_features};
pub use fine_tune::{FineTuneConfig, fine_tune};
pub use frozen::{Frozen, readable};
pub(crate) use frozen::{chosen, open_run, sampled_tokens};
pub use knn::{knn_accuracy, knn_numbers};
pub use linear::{LinearProbe, Scaling, linear_accuracy};
pub use online::{OnlineConfig, OnlineFigures, OnlineProbe};
pub use parts::{PartScores, PartsConfig, part_scores, raw_part_scores};
pub use regression::{LinearRegression, RegressionFigures};
pub use scarce::{Spread, few_a_class, share_of_all};
pub use svm::{LinearSvm, SvmConfig, SvmLoss, svm_accuracy};

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

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
    /// Labels a class of the low-shot probe (MSN: 1, 2 and 5).
    pub shots: Vec<usize>,
    /// Shares of the training labels of the low-shot probe, drawn without regard to class (S-JEPA: 1 % and 10 %).
    pub shares: Vec<f64>,
    /// Draws of the low-shot probe.
    pub draws: usize,
    /// How the tokens of a sample become one vector.
    pub pool: Pool,
    /// Transformer blocks that are pooled side by side, the last ones (I-JEPA: 1, and 4).
    pub layers: usize,
    /// Which copy of the encoder is probed.
    pub network: Network,
    /// The attentive probe.
    pub attentive: AttentiveConfig,
    /// Fine-tuning.
    pub fine_tune: FineTuneConfig,
    /// The linear support vector machine.
    pub svm: SvmConfig,
    /// The few-shot tasks.
    pub few_shot: FewShotConfig,
    /// The part probe.
    pub parts: PartsConfig,
    /// The probe that learns beside the run.
    pub online: OnlineConfig,
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
            shots: vec![1, 2, 5, 12],
            shares: vec![0.01, 0.1],
            draws: 5,
            pool: Pool::Mean,
            layers: 1,
            network: Network::Target,
            attentive: AttentiveConfig::default(),
            fine_tune: FineTuneConfig::default(),
            svm: SvmConfig::default(),
            few_shot: FewShotConfig::default(),
            parts: PartsConfig::default(),
            online: OnlineConfig::default(),
        }
    }
}

impl ProbeConfig {
    pub(crate) fn check(&self) -> Result<()> {
        if self.neighbours == 0
            || self.max_train == 0
            || self.max_test == 0
            || self.draws == 0
            || self.layers == 0
            || !self.temperature.is_finite()
            || self.temperature <= 0.0
        {
            return Err(Error::config(
                "probe",
                "neighbours, temperature, max_train, max_test, draws and layers must be positive",
            ));
        }
        if !self.shares.iter().all(|share| *share > 0.0 && *share <= 1.0) {
            return Err(Error::config("probe.shares", format!("{:?} must lie above 0 and at most at 1", self.shares)));
        }
        self.attentive.check()?;
        self.fine_tune.check()?;
        self.svm.check()?;
        self.few_shot.check()?;
        self.parts.check()?;
        self.online.check()
    }
}
