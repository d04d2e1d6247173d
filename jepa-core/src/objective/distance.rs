//! D: how far a predicted embedding is from its target.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collapse::{Memory, centring};
use crate::error::{Error, Result};
use crate::jepa::Role;

/// Distance between a predicted and a target embedding.
pub trait Distance: Send + Sync {
    /// Mean over every element of two tensors of one shape: a tensor of one value.
    fn mean(&self, predicted: Tensor<3>, target: Tensor<3>, memory: &Memory) -> Tensor<1>;

    /// The same for every token by itself, [rows, tokens, 1]; [`Self::mean`] is its mean.
    fn each(&self, predicted: Tensor<3>, target: Tensor<3>, memory: &Memory) -> Tensor<3>;
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
    /// Nothing: a regulariser that compares (`invariance`, `barlow-twins`, `info-nce`, ..) says what is minimised.
    None,
    /// Cross-entropy of two softmaxes over the width, the target's centred and sharpened (DINO, S-JEPA):
    /// [`centring`].
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
            Self::None => predicted.mean() * 0.0,
            Self::CentredSoftmax { predicted_temperature, target_temperature, .. } => {
                let temperatures = [predicted_temperature, target_temperature];
                centring::cross_entropy(predicted, target, memory.centre.as_deref(), temperatures)
            }
        }
    }

    fn each(&self, predicted: Tensor<3>, target: Tensor<3>, memory: &Memory) -> Tensor<3> {
        match *self {
            Self::SmoothL1 { beta } => {
                let d = (predicted - target).abs();
                let square = d.clone().clamp_max(beta);
                (square.clone() * (d - square * 0.5)).mean_dim(2) / beta
            }
            Self::L1 => (predicted - target).abs().mean_dim(2),
            Self::L2 => (predicted - target).powi_scalar(2).mean_dim(2),
            Self::Cosine => {
                let norm = |x: &Tensor<3>| x.clone().powi_scalar(2).sum_dim(2).sqrt().clamp_min(1e-8);
                let norms = norm(&predicted) * norm(&target);
                -((predicted * target).sum_dim(2) / norms) + 1.0
            }
            Self::None => predicted.mean_dim(2) * 0.0,
            Self::CentredSoftmax { predicted_temperature, target_temperature, .. } => {
                let temperatures = [predicted_temperature, target_temperature];
                centring::cross_entropies(predicted, target, memory.centre.as_deref(), temperatures)
            }
        }
    }
}

impl DistanceConfig {
    /// Checks the numbers.
    pub(super) fn check(&self) -> Result<()> {
        match *self {
            Self::SmoothL1 { beta } if !(beta > 0.0 && beta.is_finite()) => {
                Err(Error::config("objective.distance.beta", format!("{beta} must be positive")))
            }
            Self::CentredSoftmax { predicted_temperature: p, target_temperature: t, centre_momentum: m, .. }
                if !(p > 0.0 && t > 0.0 && p.is_finite() && t.is_finite() && (0.0..=1.0).contains(&m)) =>
            {
                let problem =
                    format!("temperatures {p} and {t} must be positive, centre_momentum {m} must lie in [0, 1]");
                Err(Error::config("objective.distance", problem))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

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
    fn the_energy_of_a_batch_is_the_mean_of_those_of_its_tokens() {
        let predicted = rows(&[[0.2, -0.1, 0.4, 0.0], [1.0, 0.5, -0.5, 0.25], [-3.0, 2.0, 0.0, 1.0]]);
        let target = rows(&[[0.3, 0.0, 0.5, -0.2], [0.9, 0.6, -0.4, 0.1], [1.0, 1.5, -1.0, 0.5]]);
        let memory = Memory { centre: Some(vec![0.05, 0.1, -0.05, 0.0]), ..Memory::default() };
        let softmax = DistanceConfig::CentredSoftmax {
            predicted_temperature: 0.1,
            target_temperature: 0.06,
            centre_momentum: 0.9,
            centre_on: Role::Target,
        };
        let smooth = DistanceConfig::SmoothL1 { beta: 0.5 };
        for distance in [smooth, DistanceConfig::L1, DistanceConfig::L2, DistanceConfig::Cosine, softmax] {
            let each = host::read(distance.each(predicted.clone(), target.clone(), &memory)).unwrap();
            let mean = host::scalar(distance.mean(predicted.clone(), target.clone(), &memory)).unwrap();
            assert!((each.iter().sum::<f32>() / 3.0 - mean as f32).abs() < 1e-5 * mean.abs() as f32, "{distance:?}");
            assert!(each[0] != each[1] && each[1] != each[2], "{distance:?}: {each:?}");
        }
    }
}
