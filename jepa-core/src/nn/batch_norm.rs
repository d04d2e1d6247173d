//! Batch normalisation over rows, with statistics of the whole batch whatever the number of replicas, and an optional
//! ReLU behind it.
//!
//! On the CPU it is two passes over slices forward and two backward, between which the replicas add up their column
//! sums ([`Exchange`]). Other engines, which run one replica, get burn's operations.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::module::{Module, Param};
use burn::prelude::*;
use burn_flex::FlexTensor;
use multiversion::multiversion;

use super::Init;
use super::kernels::{contiguous, is_here, owned, shaped, tensor, tracked, values};
use crate::jepa::Step;
use crate::train::Exchange;

/// y = (x − mean) / sqrt(var + eps) · weight + bias over rows, as PyTorch's `BatchNorm1d`.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// `[width]`
    pub weight: Param<Tensor<1>>,
    /// `[width]`
    pub bias: Param<Tensor<1>>,
    /// Mean that evaluation uses, `[width]`; moves by a tenth towards that of every training batch.
    pub running_mean: Param<Tensor<1>>,
    /// Unbiased variance that evaluation uses, `[width]`.
    pub running_var: Param<Tensor<1>>,
    /// Added to the variance.
    #[module(skip)]
    pub eps: f64,
}

/// Mean and unbiased variance of a training batch, `[width]` each: what the running figures move towards.
#[derive(Debug, Clone)]
pub struct BatchStatistics {
    /// Mean of every column.
    pub mean: Tensor<1>,
    /// Unbiased variance of every column.
    pub variance: Tensor<1>,
}

impl BatchNorm {
    /// Share of a new batch in the running figures (PyTorch's default).
    pub const MOMENTUM: f64 = 0.1;

    /// Weight one, bias zero, running figures of a standard normal, epsilon 1e-5.
    pub fn new(init: &mut Init, width: usize) -> Self {
        Self {
            weight: init.constant(1.0, width),
            bias: init.constant(0.0, width),
            running_mean: init.constant(0.0, width).set_require_grad(false),
            running_var: init.constant(1.0, width).set_require_grad(false),
            eps: 1e-5,
        }
    }

    /// Evaluation: rows [rows, width] normalised by the running figures.
    pub fn evaluate(&self, x: Tensor<2>, relu: bool) -> Tensor<2> {
        let scale = self.weight.val() / (self.running_var.val() + self.eps).sqrt();
        let shift = self.bias.val() - self.running_mean.val() * scale.clone();
        let y = x * scale.unsqueeze::<2>() + shift.unsqueeze::<2>();
        if relu { burn::tensor::activation::relu(y) } else { y }
    }

    /// A pass in training: rows normalised by the figures of the rows of all replicas, which are returned, or by the
    /// running figures where the step says so.
    pub fn forward(&self, x: Tensor<2>, relu: bool, step: &Step) -> (Tensor<2>, Option<BatchStatistics>) {
        if !step.batch_statistics {
            return (self.evaluate(x, relu), None);
        }
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let plain = !x.is_autodiff() && !weight.is_autodiff();
        let exchange = &step.exchange;
        let fused = is_here(&x).then(|| on_slices(x.clone(), weight.clone(), bias.clone(), self.eps, relu, exchange));
        let (y, statistics) = fused.flatten().unwrap_or_else(|| composed(x, weight, bias, self.eps, relu));
        (if plain && y.is_autodiff() { y.inner() } else { y }, Some(statistics))
    }
}

fn composed(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, eps: f64, relu: bool) -> (Tensor<2>, BatchStatistics) {
    let rows = x.dims()[0];
    let mean = x.clone().mean_dim(0);
    let centred = x - mean.clone();
    let variance = centred.clone().powi_scalar(2).mean_dim(0);
    let y = centred / (variance.clone() + eps).sqrt() * weight.unsqueeze::<2>() + bias.unsqueeze::<2>();
    let plain = |t: Tensor<2>| {
        let t: Tensor<1> = t.squeeze_dim(0);
        if t.is_autodiff() { t.inner() } else { t }
    };
    let unbiased = rows as f64 / (rows.max(2) - 1) as f64;
    let statistics = BatchStatistics { mean: plain(mean), variance: plain(variance) * unbiased };
    (if relu { burn::tensor::activation::relu(y) } else { y }, statistics)
}

/// What the backward pass needs beside the input: of every column mean, 1 / deviation, weight and bias.
#[derive(Debug, Clone)]
struct Columns {
    mean: Vec<f32>,
    scale: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Rows of all replicas.
    rows: f64,
    relu: bool,
}

fn on_slices(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
    relu: bool,
    exchange: &Exchange,
) -> Option<(Tensor<2>, BatchStatistics)> {
    #[derive(Debug)]
    struct BatchNormBackward;

    impl Backward<Flex, 3> for BatchNormBackward {
        type State = (FlexTensor, Columns, Exchange);

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (x, columns, exchange) = ops.state;
            let width = columns.mean.len();
            let mut gradient = owned(grads.consume::<Flex>(&ops.node));
            let mut sums = vec![0f64; 2 * width];
            slope_sums(values(&x), &mut gradient, &columns, &mut sums);
            let own: Vec<f32> = sums.iter().map(|v| *v as f32).collect();
            exchange.sum(&mut sums);
            let means: Vec<f32> = sums.iter().map(|v| (v / columns.rows) as f32).collect();
            let [node_x, node_weight, node_bias] = ops.parents;
            if let Some(node) = node_x {
                input_slope(values(&x), &mut gradient, &columns, &means);
                grads.register::<Flex>(node.id, tensor(gradient, &x));
            }
            // Every replica hands over its own rows' part: the parts are added up with all other gradients.
            for (node, part) in [(node_weight, &own[width..]), (node_bias, &own[..width])] {
                if let Some(node) = node {
                    grads.register::<Flex>(node.id, shaped(part.to_vec(), [width]));
                }
            }
        }
    }

    let [rows, width] = x.dims();
    let (x, weight, bias) = (tracked(x)?, tracked(weight)?, tracked(bias)?);
    let [px, pw, pb] = [&x.primitive(), &weight.primitive(), &bias.primitive()].map(|t| contiguous((*t).clone()));

    let mut sums = vec![0f64; 2 * width + 1];
    column_sums(values(&px), &mut sums[..2 * width]);
    sums[2 * width] = rows as f64;
    exchange.sum(&mut sums);
    let count = sums[2 * width];
    let mean: Vec<f64> = sums[..width].iter().map(|s| s / count).collect();
    let variance: Vec<f64> =
        sums[width..2 * width].iter().zip(&mean).map(|(s, m)| (s / count - m * m).max(0.0)).collect();
    let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<f32>>();
    let columns = Columns {
        scale: variance.iter().map(|v| (1.0 / (v + eps).sqrt()) as f32).collect(),
        mean: narrow(&mean),
        weight: values(&pw).to_vec(),
        bias: values(&pb).to_vec(),
        rows: count,
        relu,
    };
    let unbiased: Vec<f64> = variance.iter().map(|v| v * count / (count - 1.0).max(1.0)).collect();
    let device = Device::flex();
    let host = |v: Vec<f32>| Tensor::<1>::from_data(TensorData::new(v, [width]), &device);
    let statistics = BatchStatistics { mean: host(narrow(&mean)), variance: host(narrow(&unbiased)) };

    let mut y = Vec::with_capacity(rows * width);
    normalise(values(&px), &columns, &mut y);
    let y = tensor(y, &px);
    let y = match BatchNormBackward
        .prepare::<NoCheckpointing>([x.node(), weight.node(), bias.node()])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((px, columns, exchange.clone()), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Some((Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(y), statistics))
}

/// Adds the sums and the sums of squares of every column.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn column_sums(x: &[f32], sums: &mut [f64]) {
    let (sum, squares) = sums.split_at_mut(sums.len() / 2);
    for row in x.chunks_exact(sum.len()) {
        for ((s, q), v) in sum.iter_mut().zip(squares.iter_mut()).zip(row) {
            let v = f64::from(*v);
            *s += v;
            *q += v * v;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn normalise(x: &[f32], columns: &Columns, y: &mut Vec<f32>) {
    let Columns { mean, scale, weight, bias, relu, .. } = columns;
    let floor = if *relu { 0.0 } else { f32::NEG_INFINITY };
    let mut row = vec![0f32; mean.len()];
    for x in x.chunks_exact(mean.len()) {
        for (((((y, x), m), s), w), b) in row.iter_mut().zip(x).zip(mean).zip(scale).zip(weight).zip(bias) {
            let value = (x - m) * s * w + b;
            *y = if value > floor { value } else { floor };
        }
        y.extend_from_slice(&row);
    }
}

/// Cuts the gradient where the ReLU was shut, and adds up, of every column, its values and its products with the
/// normalised input.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn slope_sums(x: &[f32], gradient: &mut [f32], columns: &Columns, sums: &mut [f64]) {
    let Columns { mean, scale, weight, bias, relu, .. } = columns;
    let floor = if *relu { 0.0 } else { f32::NEG_INFINITY };
    let width = mean.len();
    let (sum, products) = sums.split_at_mut(width);
    for (x, g) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
        for i in 0..width {
            let unit = (x[i] - mean[i]) * scale[i];
            let open = unit * weight[i] + bias[i] > floor;
            let slope = if open { g[i] } else { 0.0 };
            g[i] = slope;
            sum[i] += f64::from(slope);
            products[i] += f64::from(slope * unit);
        }
    }
}

/// dx = weight / deviation · (dy − mean dy − x̂ · mean (dy x̂)), over the gradient.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn input_slope(x: &[f32], gradient: &mut [f32], columns: &Columns, means: &[f32]) {
    let Columns { mean, scale, weight, .. } = columns;
    let width = mean.len();
    let (flat, along) = means.split_at(width);
    for (x, g) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
        for i in 0..width {
            let unit = (x[i] - mean[i]) * scale[i];
            g[i] = weight[i] * scale[i] * (g[i] - flat[i] - unit * along[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use crate::nn::InitScheme;

    fn ramp<const D: usize>(shape: [usize; D], k: f32) -> Tensor<D> {
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * k).sin() * 1.3 + 0.2).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f64 {
        host::scalar((a - b).abs().max()).unwrap()
    }

    #[test]
    fn passes_over_slices_give_the_numbers_and_gradients_of_burns_operations() {
        for relu in [false, true] {
            let leaf = |t: Tensor<2>| t.autodiff().require_grad();
            let inputs = [leaf(ramp([14, 5], 0.7)), leaf(ramp([1, 5], 0.9)), leaf(ramp([1, 5], 0.4))];
            let run = |fused: bool| {
                let [x, w, b] = inputs.clone();
                let (w, b) = (w.reshape([5]), b.reshape([5]));
                let (y, statistics) = if fused {
                    on_slices(x, w, b, 1e-5, relu, &Exchange::default()).unwrap()
                } else {
                    composed(x, w, b, 1e-5, relu)
                };
                let gradients = (y.clone() * ramp([14, 5], 0.31).autodiff()).sum().backward();
                (y.inner(), statistics, inputs.clone().map(|t| t.grad(&gradients).unwrap()))
            };
            let ((ya, sa, ga), (yb, sb, gb)) = (run(true), run(false));
            assert!(difference(ya, yb) < 1e-5);
            assert!(difference(sa.mean, sb.mean) < 1e-6 && difference(sa.variance, sb.variance) < 1e-5);
            for (a, b) in ga.into_iter().zip(gb) {
                assert!(difference(a, b) < 1e-5);
            }
        }
    }

    #[test]
    fn two_replicas_see_the_statistics_of_both_and_pass_back_the_same_gradient() {
        let x = ramp([14, 5], 0.7);
        let slope = ramp([14, 5], 0.31);
        let part = |rows: std::ops::Range<usize>, exchange: Exchange| {
            let _member = exchange.member();
            let mut init = Init::new(1, InitScheme::FanIn, &Device::flex());
            let layer = burn::module::Module::train(BatchNorm::new(&mut init, 5));
            let x = x.clone().slice(s![rows.clone(), ..]).autodiff().require_grad();
            let step =
                crate::jepa::Step { exchange: exchange.clone(), ..crate::jepa::Step::new(1, 1, 0, &Device::flex()) };
            let (y, statistics) = layer.forward(x.clone(), true, &step);
            let gradients = (y.clone() * slope.clone().slice(s![rows, ..]).autodiff()).sum().backward();
            (y.inner(), x.grad(&gradients).unwrap(), statistics.unwrap().variance)
        };
        let whole = part(0..14, Exchange::default());
        let [first, second]: [Exchange; 2] = Exchange::group(2).try_into().unwrap();
        let (a, b) = std::thread::scope(|scope| {
            let a = scope.spawn(|| part(0..6, first));
            let b = part(6..14, second);
            (a.join().unwrap(), b)
        });
        assert!(difference(whole.0, Tensor::cat(vec![a.0, b.0], 0)) < 1e-6);
        assert!(difference(whole.1, Tensor::cat(vec![a.1, b.1], 0)) < 1e-6);
        assert!(difference(whole.2, a.2) < 1e-6);
    }
}
