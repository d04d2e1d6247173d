//! The terms of VICReg (Bardes et al. 2022), normalised as in the official code, for any number of views.
//!
//! The official loss is of two views: 25 invariance + 25 variance + 1 covariance.

use burn::prelude::*;

use super::Regulariser;

/// mean_j max(0, 1 − sqrt(Var z_j + 1e-4)), unbiased variance; the mean of all views.
#[derive(Debug, Clone, Copy)]
pub struct Variance;

/// Σ_{i≠j} C_ij² / width, with C = ZᵀZ / (n − 1) of centred embeddings; of two views the sum, of more the mean over
/// pairs of the two's sum.
#[derive(Debug, Clone, Copy)]
pub struct Covariance;

/// The mean of (a − b)² over samples, dimensions and pairs of views; 0 for one view.
#[derive(Debug, Clone, Copy)]
pub struct Invariance;

fn centred(z: &Tensor<2>) -> Tensor<2> {
    z.clone() - z.clone().mean_dim(0)
}

/// The sum of what `term` gives for every view.
fn over_views(views: &[Tensor<2>], term: impl Fn(&Tensor<2>) -> Tensor<1>) -> Tensor<1> {
    let sum = views.iter().map(term).reduce(|a, b| a + b);
    sum.unwrap_or_else(|| Tensor::zeros([1], &Device::flex()))
}

impl Regulariser for Variance {
    fn name(&self) -> &'static str {
        "variance"
    }

    fn penalty(&self, views: &[Tensor<2>]) -> Tensor<1> {
        let sum = over_views(views, |z| {
            let variance = centred(z).powi_scalar(2).sum_dim(0) / (z.dims()[0].max(2) - 1) as f64;
            ((variance + 1e-4).sqrt() * -1.0 + 1.0).clamp_min(0.0).mean()
        });
        sum / views.len().max(1) as f64
    }
}

impl Regulariser for Covariance {
    fn name(&self) -> &'static str {
        "covariance"
    }

    fn penalty(&self, views: &[Tensor<2>]) -> Tensor<1> {
        let sum = over_views(views, |z| {
            let [n, width] = z.dims();
            let z = centred(z);
            let scale = (n.max(2) - 1) as f64;
            let squares = (z.clone().transpose().matmul(z.clone()) / scale).powi_scalar(2).sum();
            let diagonal = (z.powi_scalar(2).sum_dim(0) / scale).powi_scalar(2).sum();
            (squares - diagonal) / width as f64
        });
        // Every view is in as many pairs as every other.
        if views.len() > 2 { sum * (2.0 / views.len() as f64) } else { sum }
    }
}

impl Regulariser for Invariance {
    fn name(&self) -> &'static str {
        "invariance"
    }

    fn penalty(&self, views: &[Tensor<2>]) -> Tensor<1> {
        // Over pairs, Σ (a − b)² is views times the spread around their mean: one pass a view instead of one a pair.
        let count = views.len() as f64;
        let Some(sum) = views.iter().cloned().reduce(|a, b| a + b) else {
            return over_views(views, |z| z.clone().sum());
        };
        let mean = sum / count;
        over_views(views, |z| (z.clone() - mean.clone()).powi_scalar(2).mean()) * (2.0 / (count - 1.0).max(1.0))
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
    fn the_terms_of_two_views_equal_the_official_vicreg() {
        let [a, b] = fixture();
        let value = |t: Tensor<1>| t.into_scalar::<f32>() as f64;
        let views = [a, b];
        let invariance = value(Invariance.penalty(&views));
        let variance = value(Variance.penalty(&views));
        let covariance = value(Covariance.penalty(&views));
        assert!((invariance - 0.004_995_35).abs() < 1e-7, "{invariance}");
        assert!((25.0 * invariance + 25.0 * variance + covariance - 8.559_898_16).abs() < 1e-5);
        assert!((variance - 0.335_716_99).abs() < 1e-6, "{variance}");
        assert!((covariance - 0.042_089_87).abs() < 1e-6, "{covariance}");
    }

    #[test]
    fn terms_of_many_views_are_means_over_their_pairs() {
        let [a, b] = fixture();
        let views = [a.clone(), b.clone(), a.clone() * 0.5 + b * 0.25];
        let value = |t: Tensor<1>| t.into_scalar::<f32>() as f64;
        let terms: [&dyn Regulariser; 3] = [&Invariance, &Variance, &Covariance];
        for term in terms {
            let pairs = [(0, 1), (0, 2), (1, 2)];
            let mean =
                pairs.map(|(i, j)| value(term.penalty(&[views[i].clone(), views[j].clone()]))).iter().sum::<f64>();
            assert!((value(term.penalty(&views)) - mean / 3.0).abs() < 1e-6, "{}", term.name());
        }
        assert_eq!(value(Invariance.penalty(&[a])), 0.0);
    }
}
