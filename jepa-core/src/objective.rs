//! D and the terms against collapse: from a [`Forward`] to one number.

use burn::prelude::*;
use burn::tensor::activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Named;
use crate::collapse::{Regulariser, RegulariserConfig};
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Forward, Role};
use crate::nn::normalise;

/// Distance between a predicted and a target embedding.
pub trait Distance: Send + Sync {
    /// Mean over every element of two tensors of one shape: a tensor of one value.
    fn mean(&self, predicted: Tensor<3>, target: Tensor<3>, memory: &Memory) -> Tensor<1>;
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
    /// Cross-entropy of two softmaxes over the width, the target's centred (S-JEPA, after DINO):
    /// −Σ q log p, p = softmax(predicted / τ_p), q = softmax((target − c) / τ_t). Summed over the width, averaged over
    /// tokens.
    CentredSoftmax {
        /// τ_p (S-JEPA: 0.1).
        predicted_temperature: f64,
        /// τ_t (S-JEPA: 0.06); lower than τ_p: sharpening.
        target_temperature: f64,
        /// c ← momentum · c + (1 − momentum) · mean, after every step (S-JEPA: 0.9).
        centre_momentum: f64,
        /// What the mean is over: `whole`, every token of the target encoder, or `target`, the hidden ones. The paper
        /// leaves it open.
        centre_on: Role,
    },
}

/// What an objective remembers from step to step; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// The centre of the targets, once a batch was seen.
    pub centre: Option<Vec<f32>>,
}

impl Memory {
    /// As tensors of a checkpoint; none when there is nothing to remember.
    pub fn named(&self) -> Named {
        self.centre.iter().map(|c| ("centre".to_owned(), (vec![c.len()], c.clone()))).collect()
    }

    /// Back from [`Self::named`].
    pub fn from_named(mut tensors: Named) -> Self {
        Self { centre: tensors.remove("centre").map(|(_, values)| values) }
    }
}

impl Distance for DistanceConfig {
    fn mean(&self, predicted: Tensor<3>, target: Tensor<3>, memory: &Memory) -> Tensor<1> {
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
            Self::CentredSoftmax { predicted_temperature, target_temperature, .. } => {
                let width = predicted.dims()[2];
                let target = match &memory.centre {
                    Some(centre) => {
                        let centre = TensorData::new(centre.clone(), [1, 1, width]);
                        target.clone() - Tensor::from_data(centre, &target.device())
                    }
                    None => target,
                };
                let q = activation::softmax(target / target_temperature, 2);
                let log_p = activation::log_softmax(predicted / predicted_temperature, 2);
                (q * log_p).mean() * -(width as f64)
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
    /// Which embeddings it reads, averaged over their tokens; several rows of one sample are several views of it.
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
        if let DistanceConfig::CentredSoftmax {
            predicted_temperature: p,
            target_temperature: t,
            centre_momentum: m,
            ..
        } = config.distance
            && !(p > 0.0 && t > 0.0 && p.is_finite() && t.is_finite() && (0.0..=1.0).contains(&m))
        {
            return Err(Error::config(
                "objective.distance",
                format!("temperatures {p} and {t} must be positive, centre_momentum {m} must lie in [0, 1]"),
            ));
        }
        let regularisers = config.regularisers.iter().map(|r| r.term.build()).collect();
        Ok(Self { config: config.clone(), regularisers })
    }

    /// The energy of this forward pass, without the terms that need statistics of the whole batch.
    pub fn energy(&self, forward: Forward, memory: &Memory) -> Result<Loss> {
        let Forward { pairs, terms: own, .. } = forward;
        let count = pairs.len().max(1) as f64;
        let mut energies = pairs.into_iter().map(|pair| {
            let target = match self.config.normalise_targets {
                Some(eps) => normalise(pair.target, eps),
                None => pair.target,
            };
            self.config.distance.mean(pair.predicted, target, memory)
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

    /// This shard's part of the mean that the centre follows, weighted by its share of the batch; none when no centre
    /// is kept.
    pub fn observe(&self, forward: &Forward, weight: f64) -> Result<Option<Vec<f64>>> {
        let DistanceConfig::CentredSoftmax { centre_on, .. } = self.config.distance else { return Ok(None) };
        let Some(embedding) = forward.embedding(centre_on) else {
            return Err(Error::config(
                "objective.distance.centre_on",
                format!("this variant's forward pass gives no embeddings of the role {centre_on:?}"),
            ));
        };
        let embedding = if embedding.is_autodiff() { embedding.clone().inner() } else { embedding.clone() };
        let mean = host::read(embedding.mean_dim(1).mean_dim(0))?;
        Ok(Some(mean.into_iter().map(|v| f64::from(v) * weight).collect()))
    }

    /// Moves the centre towards what the batch showed.
    pub fn remember(&self, memory: &mut Memory, observed: Option<Vec<f64>>) {
        let DistanceConfig::CentredSoftmax { centre_momentum: m, .. } = self.config.distance else { return };
        let Some(observed) = observed else { return };
        let centre = memory.centre.get_or_insert_with(|| vec![0.0; observed.len()]);
        for (c, mean) in centre.iter_mut().zip(observed) {
            *c = (m * f64::from(*c) + (1.0 - m) * mean) as f32;
        }
    }

    /// The inputs of the regularisers for one shard of the batch: for each its views, [samples, width] each.
    pub fn pooled(&self, forward: &Forward) -> Result<Vec<Vec<Tensor<2>>>> {
        let views = |r: &WeightedRegulariser| {
            let Some(embedding) = forward.embedding(r.on) else {
                return Err(Error::config(
                    "objective.regularisers",
                    format!("this variant's forward pass gives no embeddings of the role {:?}", r.on),
                ));
            };
            let [rows, _, width] = embedding.dims();
            let samples = forward.embedding(Role::Context).map_or(rows, |context| context.dims()[0]);
            // Blocks of one sample stand `samples` rows apart.
            let pooled = embedding.clone().mean_dim(1).reshape([rows, width]);
            Ok(if rows % samples == 0 { pooled.chunk(rows / samples, 0) } else { vec![pooled] })
        };
        self.config.regularisers.iter().map(views).collect()
    }

    /// Whether any term needs statistics of the whole batch.
    pub fn needs_statistics(&self) -> bool {
        !self.regularisers.is_empty()
    }

    /// The regularisers on embeddings of the whole batch, in the order of [`Self::pooled`]: their weighted
    /// sum and each by itself.
    pub fn penalty(&self, embeddings: &[Vec<Tensor<2>>]) -> Option<Loss> {
        let mut terms = Vec::new();
        let mut total: Option<Tensor<1>> = None;
        for ((weighted, term), views) in self.config.regularisers.iter().zip(&self.regularisers).zip(embeddings) {
            let value = term.penalty(views);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f32; 4]]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.concat(), [1, values.len(), 4]), &Device::flex())
    }

    #[test]
    fn smooth_l1_of_both_betas_equals_pytorchs() {
        let differences =
            Tensor::from_data(TensorData::new(vec![0f32, 0.5, 1.0, 3.0, -4.0], [1, 1, 5]), &Device::flex());
        for (beta, expected) in [(2.0, 1.0625), (1.0, 1.325)] {
            let zero = Tensor::zeros([1, 1, 5], &Device::flex());
            let mean = DistanceConfig::SmoothL1 { beta }.mean(differences.clone(), zero, &Memory::default());
            assert!((host::scalar(mean).unwrap() - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn the_centred_softmax_has_the_recorded_value_gradient_and_next_centre() {
        let objective = Objective::new(&ObjectiveConfig {
            distance: DistanceConfig::CentredSoftmax {
                predicted_temperature: 0.1,
                target_temperature: 0.06,
                centre_momentum: 0.9,
                centre_on: Role::Target,
            },
            normalise_targets: None,
            regularisers: Vec::new(),
        })
        .unwrap();
        let predicted = rows(&[[0.2, -0.1, 0.4, 0.0], [1.0, 0.5, -0.5, 0.25]]).autodiff().require_grad();
        let target = rows(&[[0.3, 0.0, 0.5, -0.2], [0.9, 0.6, -0.4, 0.1]]);
        let mut memory = Memory { centre: Some(vec![0.05, 0.1, -0.05, 0.0]) };
        let forward = Forward {
            embeddings: vec![(Role::Target, target.clone())],
            pairs: vec![crate::jepa::Pair { predicted: predicted.clone(), target }],
            ..Forward::default()
        };
        let observed = objective.observe(&forward, 1.0).unwrap();
        let loss = objective.energy(forward, &memory).unwrap().total;
        assert!((host::scalar(loss.clone().inner()).unwrap() - 0.092_072_52).abs() < 1e-6);
        let gradient = host::read(predicted.grad(&loss.backward()).unwrap()).unwrap();
        let recorded =
            [0.549_682_7, 0.028_935_15, -0.657_52, 0.078_901_77, -0.021_575_69, 0.018_847_15, 1.508e-6, 0.002_726_83];
        for (found, expected) in gradient.iter().zip(recorded) {
            assert!((found - expected).abs() < 2e-6, "{gradient:?}");
        }
        objective.remember(&mut memory, observed);
        for (found, expected) in memory.centre.clone().unwrap().iter().zip([0.105, 0.12, -0.04, -0.005]) {
            assert!((found - expected).abs() < 1e-6);
        }
        assert_eq!(Memory::from_named(memory.named()), memory);
    }
}
