//! LARS (You et al. 2017, arXiv 1708.03888): the length of a step follows the length of what it changes.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the published implementations do differently; θ a matrix, g its gradient, d the decay, η the trust.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LarsForm {
    /// VICReg, Barlow Twins, MAE, MoCo v3: the scale is η ‖θ‖ / ‖g + d θ‖, one where either length is zero.
    #[default]
    Official,
    /// solo-learn and eb_jepa: the scale is min(η ‖θ‖ / (‖g‖ + d ‖θ‖ + 1e-8) / rate, 1), one where either length is zero.
    Clipped,
}

/// One update of one tensor.
pub(super) struct Update {
    pub(super) momentum: f64,
    /// η; none for what is not scaled.
    pub(super) trust: Option<f64>,
    pub(super) form: LarsForm,
    pub(super) decay: f64,
    pub(super) lr: f64,
}

impl Update {
    /// The new value and the new buffer: μ ← m μ + scaled gradient; θ ← θ − rate μ.
    pub(super) fn apply(&self, value: Tensor<1>, gradient: Tensor<1>, buffer: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let length = |t: &Tensor<1>| t.clone().powi_scalar(2).sum().sqrt();
        let decayed = gradient.clone() + value.clone() * self.decay;
        let scaled = match self.trust {
            None => decayed,
            Some(trust) => {
                let own = length(&value);
                let (of, scale) = match self.form {
                    LarsForm::Official => {
                        let of = length(&decayed);
                        (of.clone(), own.clone() * trust / of.clamp_min(1e-30))
                    }
                    LarsForm::Clipped => {
                        let of = length(&gradient);
                        let all = of.clone() + own.clone() * self.decay + 1e-8;
                        (of, (own.clone() * trust / all / self.lr.max(1e-30)).clamp_max(1.0))
                    }
                };
                let scale = scale.mask_fill((own * of).equal_elem(0.0), 1.0);
                decayed * scale
            }
        };
        let buffer = buffer * self.momentum + scaled;
        (value - buffer.clone() * self.lr, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
    }

    #[test]
    fn two_steps_of_both_forms_equal_the_formula_worked_out_by_hand() {
        // θ = (3, 4), g = (0.6, 0.8): lengths 5 and 1, in one direction.
        for (form, decay, lr, steps) in [
            // g + dθ = 1.5 g: scaled to η · 5 = 0.005, so steps of lr · 0.005, then of lr · (0.9 · 0.005 + η · ‖θ‖).
            (LarsForm::Official, 0.1, 0.2, [0.001, 0.001_9 - 0.000_000_2]),
            // min(0.005 / (1 + 0.5) / 0.2, 1) · 1.5 = 0.025.
            (LarsForm::Clipped, 0.1, 0.2, [0.005, 0.009_5 - 0.000_005]),
        ] {
            let update = Update { momentum: 0.9, trust: Some(1e-3), form, decay, lr };
            let (mut value, mut buffer) = (tensor(&[3.0, 4.0]), tensor(&[0.0, 0.0]));
            let mut length = 5.0;
            for step in steps {
                (value, buffer) = update.apply(value, tensor(&[0.6, 0.8]), buffer);
                let found = host::scalar(value.clone().powi_scalar(2).sum().sqrt()).unwrap();
                assert!((length - found - step).abs() < 3e-6, "{form:?}: {} instead of {step}", length - found);
                length = found;
            }
        }
    }

    #[test]
    fn zeros_and_vectors_take_plain_steps() {
        for form in [LarsForm::Official, LarsForm::Clipped] {
            let update = Update { momentum: 0.9, trust: Some(1e-3), form, decay: 0.1, lr: 0.5 };
            let (value, _) = update.apply(tensor(&[0.0, 0.0]), tensor(&[0.6, 0.8]), tensor(&[0.0, 0.0]));
            assert_eq!(host::read(value).unwrap(), [-0.3, -0.4]);
            let update = Update { trust: None, decay: 0.0, ..update };
            let (value, _) = update.apply(tensor(&[1.0, 1.0]), tensor(&[0.6, 0.8]), tensor(&[1.0, 0.0]));
            assert!((host::read(value).unwrap()[0] - 0.25).abs() < 1e-6);
        }
    }
}
