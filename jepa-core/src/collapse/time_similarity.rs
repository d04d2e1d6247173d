//! Similarity over time, as world models have it (PLDM, Sobal et al. 2025, arXiv 2502.14819).

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Moment, Regulariser, Views};
use crate::error::Result;

/// mean (z_{t+1} − z_t)² over samples, dimensions and steps of views that follow each other in time: what one action
/// changes is to be little. Alone it is zero at a constant; beside variance and covariance it turns dimensions from what
/// flickers to what moves slowly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeSimilarity {}

impl Regulariser for TimeSimilarity {
    fn name(&self) -> &'static str {
        "time_similarity"
    }

    fn compares(&self) -> bool {
        true
    }

    fn penalty(&self, views: &Views, _: &Moment) -> Result<Tensor<1>> {
        let sequence = match views.of() {
            all if views.one_way() => Views::beside(all.to_vec(), views.against().to_vec()),
            [] | [_] => Views::new(views.of().to_vec()),
            all => Views::beside(all[1..].to_vec(), all[..all.len() - 1].to_vec()),
        };
        sequence.over_pairs(self.name(), |a, b| Ok((a.clone() - b.clone()).powi_scalar(2).mean()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    /// [4, 3, 5] by the formula of the reference scripts, amplitude 1: four times, three samples.
    fn recorded() -> Vec<Tensor<2>> {
        let mut s = "tsim".bytes().fold(2_166_136_261u32, |s, byte| (s ^ u32::from(byte)).wrapping_mul(16_777_619));
        let values: Vec<f32> = (0..60)
            .map(|_| {
                s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (2.0 * (f64::from(s >> 8) / f64::from(1 << 24)) - 1.0) as f32
            })
            .collect();
        let time = |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [3, 5]), &Device::flex());
        values.chunks(15).map(time).collect()
    }

    #[test]
    fn it_is_the_recorded_mean_over_consecutive_times() {
        let value = |views: Vec<Tensor<2>>| {
            TimeSimilarity {}.penalty(&Views::new(views), &Moment::default()).map(|v| host::scalar(v).unwrap())
        };
        let mut times = recorded();
        assert!((value(times.clone()).unwrap() - 0.709_6).abs() < 1e-5);
        // The control: in another order it is another number.
        times.swap(0, 2);
        assert!((value(times.clone()).unwrap() - 0.709_6).abs() > 1e-3);
        assert!(value(times[..1].to_vec()).is_err());
    }
}
