//! Figures that show a collapse the loss hides: an encoder may map everything to one point, to a few directions, or to
//! nothing but positions, while the loss looks excellent.

use burn::prelude::*;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::geometry::{deviations, uniformity};
use super::spectrum::{covariance_spectrum, entropy_rank, participation_ratio, rank_me};
use crate::error::Result;
use crate::host;

/// Collapse figures of a set of embeddings that cost little: those of every interval of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Mean over dimensions of the standard deviation of mean-pooled embeddings; towards 0: collapse to a point.
    pub std: f64,
    /// RankMe of the pooled embeddings (Garrido et al. 2023): effective number of directions, 1 to width.
    pub rank_me: f64,
    /// Participation ratio of the covariance of the pooled embeddings, 1 to width.
    pub participation: f64,
    /// Share of the token variance that lies between images at the same position, 0 to 1; towards 0: the features say
    /// where a token is and nothing of what it shows.
    pub content: f64,
    /// Entropy rank of the same covariance, 1 to width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy_rank: Option<f64>,
    /// Uniformity of the pooled embeddings on the sphere (Wang and Isola 2020); 0: collapse to a point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uniformity: Option<f64>,
    /// Share of dimensions whose deviation is under a hundredth of the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<f64>,
    /// ‖θ − θ'‖ / ‖θ‖ of student and target, where the target has weights of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_distance: Option<f64>,
}

impl Diagnostics {
    /// The figures of `[samples, tokens, width]` embeddings of clean samples (at least two samples); none when a value
    /// is not finite.
    pub fn of(tokens: Tensor<3>) -> Result<Option<Self>> {
        let [samples, _, width] = tokens.dims();
        let grand = tokens.clone().mean_dim(0).mean_dim(1);
        let total = (tokens.clone() - grand).powi_scalar(2).mean();
        let at_position = tokens.clone().mean_dim(0);
        let between = (tokens.clone() - at_position).powi_scalar(2).mean();
        let content = host::scalar(between)? / host::scalar(total)?.max(1e-12);

        let pooled = host::read_f64(tokens.mean_dim(1))?;
        if !content.is_finite() || pooled.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let pooled = DMatrix::from_row_slice(samples, width, &pooled);
        let eigenvalues = covariance_spectrum(&pooled);
        let deviations = deviations(&pooled);
        let std = deviations.iter().sum::<f64>() / width as f64;
        Ok(Some(Self {
            std,
            rank_me: rank_me(&pooled),
            participation: participation_ratio(&eigenvalues),
            content,
            entropy_rank: Some(entropy_rank(&eigenvalues)),
            uniformity: Some(uniformity(&pooled)),
            dead: Some(deviations.iter().filter(|d| **d < 0.01 * std).count() as f64 / width as f64),
            student_distance: None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_position_alone_have_no_content_and_a_collapsed_encoder_no_spread() {
        let device = Device::flex();
        let position: Vec<f32> = (0..8 * 6 * 4).map(|i| ((i % 24) as f32).sin()).collect();
        let tokens = Tensor::<3>::from_data(TensorData::new(position, [8, 6, 4]), &device);
        let figures = Diagnostics::of(tokens).unwrap().unwrap();
        assert!(figures.content < 1e-6 && figures.std < 1e-6, "{figures:?}");
        assert!(figures.uniformity.unwrap().abs() < 1e-6);
        let varied: Vec<f32> = (0..8 * 6 * 4).map(|i| ((i * i) as f32 * 0.137).sin()).collect();
        let tokens = Tensor::<3>::from_data(TensorData::new(varied, [8, 6, 4]), &device);
        let figures = Diagnostics::of(tokens).unwrap().unwrap();
        assert!(figures.content > 0.5 && figures.std > 0.1 && figures.rank_me > 2.0, "{figures:?}");
        let broken = Tensor::<3>::from_data(TensorData::new(vec![f32::NAN; 8], [2, 2, 2]), &device);
        assert_eq!(Diagnostics::of(broken).unwrap(), None);
    }

    #[test]
    fn figures_written_before_there_were_eight_are_still_read() {
        let old = r#"{"std":0.4,"rank_me":30.5,"participation":8.1,"content":0.7}"#;
        let read: Diagnostics = serde_json::from_str(old).unwrap();
        assert_eq!((read.rank_me, read.entropy_rank), (30.5, None));
    }
}
