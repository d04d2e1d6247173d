//! VICReg's variance and covariance of the places of a level: without them a regression between levels makes all places
//! alike.
//!
//! Values and conventions are those of [`Variance`](jepa_core::collapse::Variance) and
//! [`Covariance`](jepa_core::collapse::Covariance), but every place of every frame is a sample. Both depend on the rows
//! by their sum and the sum of their squares alone, which the replicas add up: a shard sees the statistics of the whole
//! batch, and its gradient is that of the whole.

use burn::prelude::*;
use jepa_core::host;
use jepa_core::train::Exchange;

/// Added to every variance under the root, as in VICReg.
const EPS: f64 = 1e-4;

/// `weights[0]` · mean_j max(0, 1 − sqrt(Var_j + 1e-4)) + `weights[1]` · Σ_{i≠j} C_ij² / width, of the rows [rows, width]
/// of all replicas. All of them have to call it.
pub fn spread(rows: Tensor<2>, weights: [f64; 2], exchange: &Exchange) -> Tensor<1> {
    let [count, width] = rows.dims();
    let own = rows.clone().inner();
    // A read that fails gives numbers that are not: the run's guard sees them.
    let read = |x: Tensor<2>, values: usize| host::read_f64(x).unwrap_or_else(|_| vec![f64::NAN; values]);
    let mut sums = read(own.clone().sum_dim(0), width);
    sums.push(count as f64);
    exchange.sum(&mut sums);
    let all = sums.pop().unwrap_or(count as f64);
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / all) as f32).collect();
    let device = own.device();
    let centred = own - Tensor::from_data(TensorData::new(mean, [1, width]), &device);
    let mut moments = read(centred.clone().transpose().matmul(centred.clone()), width * width);
    exchange.sum(&mut moments);

    let Found { value, slope } = of_covariance(&moments, all, width, weights);
    // d value / d row = (row − mean) · slope; a shard's terms are weighted by its share of all rows, so that its slope is
    // divided by it.
    let slope: Vec<f32> = slope.into_iter().map(|v| (v * all / count as f64) as f32).collect();
    let slope = centred.matmul(Tensor::from_data(TensorData::new(slope, [width, width]), &device));
    let product = (rows * slope).sum();
    let offset = product.clone().inner();
    product - offset + value
}

struct Found {
    value: f64,
    /// [width, width]
    slope: Vec<f64>,
}

/// Penalty and its slope from the summed squares of centred rows.
fn of_covariance(moments: &[f64], rows: f64, width: usize, [variance, covariance]: [f64; 2]) -> Found {
    let scale = 1.0 / (rows - 1.0).max(1.0);
    let mut found = Found { value: 0.0, slope: vec![0.0; width * width] };
    for (at, (moment, slope)) in moments.iter().zip(&mut found.slope).enumerate() {
        let c = moment * scale;
        let (value, derivative) = if at / width == at % width {
            let deviation = (c + EPS).sqrt();
            let open = deviation.is_nan() || deviation < 1.0;
            let derivative = if open { -0.5 / deviation } else { 0.0 };
            (variance * if open { 1.0 - deviation } else { 0.0 }, variance * derivative)
        } else {
            (covariance * c * c, covariance * 2.0 * c)
        };
        found.value += value / width as f64;
        *slope = 2.0 * scale * derivative / width as f64;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::collapse::{Covariance, Moment, Regulariser as _, Variance, Views};

    fn rows(shape: [usize; 2]) -> Tensor<2> {
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| (0.7 * (i * i % 97) as f32).sin() * 0.6).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn difference(a: Tensor<2>, b: Tensor<2>) -> f64 {
        host::scalar((a - b).abs().max()).unwrap()
    }

    #[test]
    fn value_and_gradient_are_those_of_the_cores_variance_and_covariance() {
        let weights = [0.7, 0.3];
        let run = |penalty: &dyn Fn(Tensor<2>) -> Tensor<1>| {
            let x = rows([40, 6]).autodiff().require_grad();
            let value = penalty(x.clone());
            let gradients = value.backward();
            (host::scalar(value.inner()).unwrap(), x.grad(&gradients).unwrap())
        };
        let ours = run(&|x| spread(x, weights, &Exchange::default()));
        let theirs = run(&|x| {
            let views = Views::new(vec![x]);
            Variance::default().penalty(&views, &Moment::default()).unwrap() * weights[0]
                + Covariance::default().penalty(&views, &Moment::default()).unwrap() * weights[1]
        });
        assert!((ours.0 - theirs.0).abs() < 1e-6, "{} {}", ours.0, theirs.0);
        assert!(difference(ours.1.clone(), theirs.1) < 1e-7);
        assert!(difference(ours.1, run(&|x| spread(x, [0.7, 0.0], &Exchange::default())).1) > 1e-5);
    }
}
