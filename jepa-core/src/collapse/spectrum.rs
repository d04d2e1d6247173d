//! How many directions embeddings use: figures of the singular values of Z, [samples n, width d], and of the eigenvalues
//! of its covariance.

use std::ops::RangeInclusive;

use nalgebra::DMatrix;

/// Rows less their mean.
pub fn centred(z: &DMatrix<f64>) -> DMatrix<f64> {
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

/// Eigenvalues of the unbiased covariance, largest first; at most min(n, d), the others are 0.
pub fn covariance_spectrum(z: &DMatrix<f64>) -> Vec<f64> {
    let scale = (z.nrows().max(2) - 1) as f64;
    spectrum(&centred(z)).into_iter().map(|v| v / scale).collect()
}

/// RankMe of the rows of `z` (Garrido et al. 2023, arXiv 2210.02885): the exponential of the entropy of the normalised
/// singular values, 1 to min(n, d). The paper's is uncentred; ε = 1e-7 is added to every share.
pub fn rank_me(z: &DMatrix<f64>) -> f64 {
    let singular: Vec<f64> = spectrum(z).into_iter().map(f64::sqrt).collect();
    let sum: f64 = singular.iter().sum();
    if sum <= 0.0 {
        return 1.0;
    }
    let entropy: f64 = singular.iter().map(|s| s / sum + 1e-7).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

/// Participation ratio (Σλ)² / Σλ² of covariance eigenvalues, 1 to d.
pub fn participation_ratio(eigenvalues: &[f64]) -> f64 {
    let sum: f64 = eigenvalues.iter().sum();
    let squares: f64 = eigenvalues.iter().map(|v| v * v).sum();
    if squares > 0.0 { sum * sum / squares } else { 1.0 }
}

/// Entropy rank exp(−Σ p ln p), p = λ / Σλ, of covariance eigenvalues, 1 to d.
pub fn entropy_rank(eigenvalues: &[f64]) -> f64 {
    let sum: f64 = eigenvalues.iter().sum();
    let shares = eigenvalues.iter().map(|v| v / sum).filter(|p| *p > 0.0);
    shares.map(|p| -p * p.ln()).sum::<f64>().exp()
}

/// α-ReQ (Agrawal et al. 2022): the exponent of λ_k ∝ k^−α, by least squares of ln λ against ln k over `ranks`, counted
/// from 1, each weighted by 1 / k or equally. Near 1 is good; far above, few directions dominate; below, the tail is
/// heavy. None with fewer than three positive eigenvalues there.
///
/// reptrix weights, over ranks 11 to 100.
pub fn power_law(eigenvalues: &[f64], ranks: RangeInclusive<usize>, weighted: bool) -> Option<f64> {
    let floor = eigenvalues.first()? * 1e-12;
    let points: Vec<[f64; 3]> = (1..)
        .zip(eigenvalues)
        .filter(|(k, v)| ranks.contains(k) && **v > floor)
        .map(|(k, v)| [if weighted { 1.0 / k as f64 } else { 1.0 }, (k as f64).ln(), v.ln()])
        .collect();
    if points.len() < 3 {
        return None;
    }
    let sum = |of: fn(&[f64; 3]) -> f64| points.iter().map(|p| p[0] * of(p)).sum::<f64>();
    let total = sum(|_| 1.0);
    let (x, y) = (sum(|p| p[1]) / total, sum(|p| p[2]) / total);
    let spread = sum(|p| p[1] * p[1]) - total * x * x;
    Some(-(sum(|p| p[1] * p[2]) - total * x * y) / spread)
}
