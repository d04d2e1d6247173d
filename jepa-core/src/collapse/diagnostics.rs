//! Figures that show a collapse the loss hides: an encoder may map everything to one point, to a few directions, or to
//! nothing but positions, while the loss looks excellent.

use burn::prelude::*;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::host;

/// Collapse figures of a set of embeddings.
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

        let pooled = host::read(tokens.mean_dim(1))?;
        if !content.is_finite() || pooled.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let values: Vec<f64> = pooled.iter().map(|v| f64::from(*v)).collect();
        let pooled = DMatrix::from_row_slice(samples, width, &values);
        let eigenvalues = spectrum(&centred(&pooled));
        let scale = (samples.max(2) - 1) as f64;
        let std =
            (0..width).map(|j| (centred(&pooled).column(j).norm_squared() / scale).sqrt()).sum::<f64>() / width as f64;
        Ok(Some(Self { std, rank_me: rank_me(&pooled), participation: participation_ratio(&eigenvalues), content }))
    }
}

fn centred(z: &DMatrix<f64>) -> DMatrix<f64> {
    let mean = z.row_mean();
    DMatrix::from_fn(z.nrows(), z.ncols(), |i, j| z[(i, j)] - mean[j])
}

/// Squared singular values of a matrix, largest first.
pub fn spectrum(z: &DMatrix<f64>) -> Vec<f64> {
    let gram = if z.nrows() < z.ncols() { z * z.transpose() } else { z.transpose() * z };
    let mut values: Vec<f64> = gram.symmetric_eigenvalues().iter().map(|v| v.max(0.0)).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

/// RankMe of the rows of `z`, uncentred: exp of the entropy of the normalised singular values, ε = 1e-7.
pub fn rank_me(z: &DMatrix<f64>) -> f64 {
    let singular: Vec<f64> = spectrum(z).into_iter().map(f64::sqrt).collect();
    let sum: f64 = singular.iter().sum();
    if sum <= 0.0 {
        return 1.0;
    }
    let entropy: f64 = singular.iter().map(|s| s / sum + 1e-7).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

/// (Σλ)² / Σλ² of covariance eigenvalues.
pub fn participation_ratio(eigenvalues: &[f64]) -> f64 {
    let sum: f64 = eigenvalues.iter().sum();
    let squares: f64 = eigenvalues.iter().map(|v| v * v).sum();
    if squares > 0.0 { sum * sum / squares } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> DMatrix<f64> {
        DMatrix::from_fn(16, 8, |n, d| {
            let (n, d) = ((n + 1) as f64, (d + 1) as f64);
            (0.7 * n + 1.9 * d + 0.31 * n * d).sin()
        })
    }

    #[test]
    fn rank_and_participation_equal_the_recorded_values() {
        let z = fixture();
        assert!((rank_me(&z) - 7.586_360_96).abs() < 1e-6, "{}", rank_me(&z));
        let eigenvalues = spectrum(&centred(&z));
        assert!((eigenvalues[0] / 15.0 - 0.681_036_16).abs() < 1e-7);
        assert!((participation_ratio(&eigenvalues) - 6.647_018_38).abs() < 1e-6);
    }

    #[test]
    fn features_of_position_alone_have_no_content_and_a_collapsed_encoder_no_spread() {
        let device = Device::flex();
        let position: Vec<f32> = (0..8 * 6 * 4).map(|i| ((i % 24) as f32).sin()).collect();
        let tokens = Tensor::<3>::from_data(TensorData::new(position, [8, 6, 4]), &device);
        let figures = Diagnostics::of(tokens).unwrap().unwrap();
        assert!(figures.content < 1e-6 && figures.std < 1e-6, "{figures:?}");
        let varied: Vec<f32> = (0..8 * 6 * 4).map(|i| ((i * i) as f32 * 0.137).sin()).collect();
        let tokens = Tensor::<3>::from_data(TensorData::new(varied, [8, 6, 4]), &device);
        let figures = Diagnostics::of(tokens).unwrap().unwrap();
        assert!(figures.content > 0.5 && figures.std > 0.1 && figures.rank_me > 2.0, "{figures:?}");
        let broken = Tensor::<3>::from_data(TensorData::new(vec![f32::NAN; 8], [2, 2, 2]), &device);
        assert_eq!(Diagnostics::of(broken).unwrap(), None);
    }
}
