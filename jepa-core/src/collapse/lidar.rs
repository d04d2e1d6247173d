//! LiDAR (Thilak et al. 2023, arXiv 2312.04000): how many directions tell samples apart, beside what varies between views
//! of one sample.

use nalgebra::{Cholesky, DMatrix, DVector};

/// Constants of LiDAR.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lidar {
    /// δ, added to the diagonal of the scatter within samples.
    pub delta: f64,
    /// ε, added to every share of the spectrum.
    pub epsilon: f64,
    /// Whether ε is added before the spectrum is normalised, or after.
    pub epsilon_first: bool,
}

impl Lidar {
    /// stable-pretraining's.
    pub const STABLE_PRETRAINING: Self = Self { delta: 1e-4, epsilon: 1e-8, epsilon_first: true };
    /// reptrix's; the order is the paper's.
    pub const REPTRIX: Self = Self { delta: 1e-6, epsilon: 1e-7, epsilon_first: false };
}

/// exp(−Σ p ln p), p the normalised eigenvalues of Σ_w^−½ Σ_b Σ_w^−½ with Σ_b the scatter of the samples' means and
/// Σ_w that within samples plus δ; from 1 to min(width, samples − 1). `views`: [samples · q, width], the `q` views of a
/// sample one after another (for a JEPA: contexts under different masks). Also the eigenvalues, largest first. None for
/// fewer than two samples or views, or where Σ_w has no Cholesky factor.
pub fn lidar(views: &DMatrix<f64>, q: usize, constants: Lidar) -> Option<(f64, Vec<f64>)> {
    let (rows, width) = views.shape();
    let samples = rows.checked_div(q)?;
    if q < 2 || samples < 2 || rows != samples * q {
        return None;
    }
    let means = DMatrix::from_fn(samples, width, |i, j| views.view((i * q, j), (q, 1)).sum() / q as f64);
    let within = DMatrix::from_fn(rows, width, |i, j| views[(i, j)] - means[(i / q, j)]);
    let scatter = within.transpose() * &within / (samples * (q - 1)) as f64;
    let factor = Cholesky::new(scatter + DMatrix::from_diagonal(&DVector::repeat(width, constants.delta)))?;
    // Σ_b = B Bᵀ has rank samples − 1 at most, and Bᵀ Σ_w⁻¹ B the same eigenvalues but for zeros.
    let between = super::spectrum::centred(&means).transpose() / ((samples - 1) as f64).sqrt();
    let whitened = factor.l().solve_lower_triangular(&between)?;
    let mut eigenvalues = super::spectrum::spectrum(&whitened);
    eigenvalues.resize(width, 0.0);
    let shares = |values: Vec<f64>| -> Vec<f64> {
        let sum: f64 = values.iter().sum();
        values.into_iter().map(|v| v / sum).collect()
    };
    let raised = |values: Vec<f64>| values.into_iter().map(|v| v + constants.epsilon).collect();
    let p =
        if constants.epsilon_first { shares(raised(eigenvalues.clone())) } else { raised(shares(eigenvalues.clone())) };
    Some((p.into_iter().filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum::<f64>().exp(), eigenvalues))
}
