//! D and the terms against collapse: from a [`Forward`] to one number.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collapse::{Regulariser, RegulariserConfig};
use crate::error::{Error, Result};
use crate::jepa::{Forward, Role};
use crate::nn::normalise;

/// Distance between a predicted and a target embedding.
pub trait Distance: Send + Sync {
    /// Mean over every element of two tensors of one shape: a tensor of one value.
    fn mean(&self, predicted: Tensor<3>, target: Tensor<3>) -> Tensor<1>;
}

/// The distances that a configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum DistanceConfig {
    /// d²/2β below β, d − β/2 above (I-JEPA's code: β = 1).
    SmoothL1 {
        /// Where the square turns into a line.
        beta: f64,
    },
    /// |d| (V-JEPA).
    L1,
    /// d² (I-JEPA's paper).
    L2,
    /// 1 − cosine of the two vectors.
    Cosine,
}

impl Distance for DistanceConfig {
    fn mean(&self, predicted: Tensor<3>, target: Tensor<3>) -> Tensor<1> {
        match *self {
            Self::SmoothL1 { beta } => {
                let d = (predicted - target).abs();
                let square = d.clone().clamp_max(beta);
                // For d < β this is d²/2β, beyond it d − β/2, without a branch.
                (square.clone() * (d - square * 0.5)).mean() / beta
            }
            Self::L1 => (predicted - target).abs().mean(),
            Self::L2 => (predicted - target).powi_scalar(2).mean(),
            Self::Cosine => {
                let unit = |x: Tensor<3>| {
                    let norm = x.clone().powi_scalar(2).sum_dim(2).sqrt().clamp_min(1e-8);
                    x / norm
                };
                let width = predicted.dims()[2] as f64;
                (unit(predicted) * unit(target)).mean() * -width + 1.0
            }
        }
    }
}

/// D, target normalisation and the weighted regularisers: the same for every variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// D.
    pub distance: DistanceConfig,
    /// Layer-normalise targets over their width, without learned weights, with this epsilon (I-JEPA: 1e-5, PyTorch's
    /// default). Absent: targets as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise_targets: Option<f64>,
    /// Terms against collapse, on top of the distance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularisers: Vec<WeightedRegulariser>,
}

/// A term against collapse with its weight and what it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedRegulariser {
    /// Which term.
    pub term: RegulariserConfig,
    /// Factor in the total.
    pub weight: f64,
    /// Which embeddings it reads, averaged over their tokens.
    pub on: Role,
}

/// A checked [`ObjectiveConfig`].
pub struct Objective {
    config: ObjectiveConfig,
    regularisers: Vec<Box<dyn Regulariser>>,
}

/// Named values; the first is the total.
pub struct Loss {
    /// What is minimised: one value.
    pub total: Tensor<1>,
    /// Its parts, unweighted.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

impl Objective {
    /// Checks the numbers.
    pub fn new(config: &ObjectiveConfig) -> Result<Self> {
        if let DistanceConfig::SmoothL1 { beta } = config.distance
            && !(beta > 0.0 && beta.is_finite())
        {
            return Err(Error::config("objective.distance.beta", format!("{beta} must be positive")));
        }
        if let Some(eps) = config.normalise_targets
            && !(eps > 0.0 && eps < 1.0)
        {
            return Err(Error::config("objective.normalise_targets", format!("epsilon {eps} must lie in (0, 1)")));
        }
        let regularisers = config.regularisers.iter().map(|r| r.term.build()).collect();
        Ok(Self { config: config.clone(), regularisers })
    }

    /// The energy of this forward pass, without the terms that need statistics of the whole batch.
    pub fn energy(&self, forward: Forward) -> Result<Loss> {
        let Forward { pairs, terms: own, .. } = forward;
        let count = pairs.len().max(1) as f64;
        let mut energies = pairs.into_iter().map(|pair| {
            let target = match self.config.normalise_targets {
                Some(eps) => normalise(pair.target, eps),
                None => pair.target,
            };
            self.config.distance.mean(pair.predicted, target)
        });
        let mut terms = Vec::new();
        if let Some(first) = energies.next() {
            terms.push(("energy", energies.fold(first, |sum, e| sum + e) / count));
        }
        terms.extend(own);
        let total = terms.iter().map(|(_, t)| t.clone()).reduce(|a, b| a + b);
        let total = total.ok_or_else(|| Error::Engine("a forward pass with neither pairs nor terms".into()))?;
        Ok(Loss { total, terms })
    }

    /// The inputs of the regularisers for one shard of the batch: [samples, width] each.
    pub fn statistics_inputs(&self, forward: &Forward) -> Vec<Tensor<2>> {
        self.config
            .regularisers
            .iter()
            .filter_map(|r| forward.embedding(r.on).map(|e| e.clone().mean_dim(1).squeeze_dim(1)))
            .collect()
    }

    /// Whether any term needs statistics of the whole batch.
    pub fn needs_statistics(&self) -> bool {
        !self.regularisers.is_empty()
    }

    /// The regularisers on embeddings of the whole batch, in the order of [`Self::statistics_inputs`]: their weighted
    /// sum and each by itself.
    pub fn penalty(&self, embeddings: &[Tensor<2>]) -> Option<Loss> {
        let mut terms = Vec::new();
        let mut total: Option<Tensor<1>> = None;
        for ((weighted, term), embedding) in self.config.regularisers.iter().zip(&self.regularisers).zip(embeddings) {
            let value = term.penalty(embedding.clone());
            let part = value.clone() * weighted.weight;
            total = Some(match total {
                Some(sum) => sum + part,
                None => part,
            });
            terms.push((term.name(), value));
        }
        total.map(|total| Loss { total, terms })
    }
}
