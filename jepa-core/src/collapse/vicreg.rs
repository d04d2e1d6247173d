//! Variance and covariance terms of VICReg (Bardes et al. 2022), normalised as in the official code.

use burn::prelude::*;

use super::Regulariser;

/// mean_j max(0, 1 − sqrt(Var z_j + 1e-4)), unbiased variance.
#[derive(Debug, Clone, Copy)]
pub struct Variance;

/// Σ_{i≠j} C_ij² / width, with C = ZᵀZ / (n − 1) of centred embeddings.
#[derive(Debug, Clone, Copy)]
pub struct Covariance;

fn centred(z: Tensor<2>) -> Tensor<2> {
    let mean = z.clone().mean_dim(0);
    z - mean
}

impl Regulariser for Variance {
    fn name(&self) -> &'static str {
        "variance"
    }

    fn penalty(&self, z: Tensor<2>) -> Tensor<1> {
        let n = z.dims()[0];
        let variance = centred(z).powi_scalar(2).sum_dim(0) / (n.max(2) - 1) as f64;
        ((variance + 1e-4).sqrt() * -1.0 + 1.0).clamp_min(0.0).mean()
    }
}

impl Regulariser for Covariance {
    fn name(&self) -> &'static str {
        "covariance"
    }

    fn penalty(&self, z: Tensor<2>) -> Tensor<1> {
        let [n, width] = z.dims();
        let z = centred(z);
        let scale = (n.max(2) - 1) as f64;
        let squares = (z.clone().transpose().matmul(z.clone()) / scale).powi_scalar(2).sum();
        let diagonal = (z.powi_scalar(2).sum_dim(0) / scale).powi_scalar(2).sum();
        (squares - diagonal) / width as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> [Tensor<2>; 2] {
        let value = |n: usize, d: usize| {
            let (n, d) = ((n + 1) as f64, (d + 1) as f64);
            let first = (0.7 * n + 1.9 * d + 0.31 * n * d).sin();
            (first, first + 0.1 * (2.3 * n * d).cos())
        };
        let cells = || (0..16).flat_map(|n| (0..8).map(move |d| (n, d)));
        let tensor = |values: Vec<f64>| {
            let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            Tensor::from_data(TensorData::new(values, [16, 8]), &Device::flex())
        };
        [tensor(cells().map(|(n, d)| value(n, d).0).collect()), tensor(cells().map(|(n, d)| value(n, d).1).collect())]
    }

    #[test]
    fn variance_and_covariance_of_two_views_equal_the_official_vicreg() {
        let [a, b] = fixture();
        let value = |t: Tensor<1>| t.into_scalar::<f32>() as f64;
        let variance = 0.5 * (value(Variance.penalty(a.clone())) + value(Variance.penalty(b.clone())));
        let covariance = value(Covariance.penalty(a)) + value(Covariance.penalty(b));
        assert!((variance - 0.335_716_99).abs() < 1e-6, "{variance}");
        assert!((covariance - 0.042_089_87).abs() < 1e-6, "{covariance}");
    }
}
