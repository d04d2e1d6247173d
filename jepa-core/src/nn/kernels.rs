//! The operations a transformer is made of: linear maps, layer normalisation, GELU and attention.
//!
//! On the CPU engine each is one pass over slices with a backward pass written by hand ([`cpu`](super::cpu)); burn would
//! take a layer norm, for one, apart into a dozen tracked operations. Every other engine gets those of
//! [`composed`](super::composed), and tests hold all to the same numbers and gradients.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchDevice, Flex};
use burn::prelude::*;
use burn::tensor::{DType, activation};
use burn_flex::FlexTensor;

use super::composed;
use super::cpu::{self, AttentionShape, Kept};

pub(super) type Tracked = FloatTensor<Autodiff<Flex, NoCheckpointing>>;

/// Whether a tensor's values are f32 in host memory, tracked or not.
pub(super) fn is_here<const D: usize>(x: &Tensor<D>) -> bool {
    matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_)) && x.dtype() == DType::F32
}

pub(super) fn plain<const D: usize>(x: Tensor<D>) -> Option<FlexTensor> {
    x.try_into_primitive::<Flex>().ok()
}

pub(super) fn tracked<const D: usize>(x: Tensor<D>) -> Option<Tracked> {
    x.autodiff().try_into_primitive::<Autodiff<Flex, NoCheckpointing>>().ok()
}

/// The values as one slice, copied only when they are not contiguous.
pub(super) fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.as_slice::<f32>().is_some() { x } else { x.to_contiguous() }
}

pub(super) fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice().unwrap_or(&[])
}

/// Values to be overwritten: the tensor's own when nobody else holds them.
pub(super) fn owned(x: FlexTensor) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap_or_default()
}

pub(super) fn tensor(values: Vec<f32>, like: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, like.layout().shape().clone()))
}

pub(super) fn shaped(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

// --- linear --------------------------------------------------------------------------------------------------------

/// x W + b over the last dimension, W [inputs, outputs], in the number format of products; added to `onto` when that is
/// given.
pub(super) fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    onto: Option<Tensor<D>>,
) -> Tensor<D> {
    if !is_here(&x) {
        return composed::linear(x, weight, bias, onto);
    }
    let again = (x.clone(), weight.clone(), bias.clone(), onto.clone());
    let is_tracked = x.is_autodiff() || weight.is_autodiff();
    let fused = if is_tracked { linear_tracked(x, weight, bias, onto) } else { linear_plain(x, weight, bias, onto) };
    fused.unwrap_or_else(|| composed::linear(again.0, again.1, again.2, again.3))
}

fn apply_linear(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    onto: Option<&FlexTensor>,
) -> FlexTensor {
    let outputs = weight.layout().shape()[1];
    let y = cpu::linear(values(x), values(weight), outputs, bias.map(values), onto.map(values));
    let mut shape: Vec<usize> = x.layout().shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    shaped(y, shape)
}

fn linear_plain<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    onto: Option<Tensor<D>>,
) -> Option<Tensor<D>> {
    let [x, weight] = [plain(x)?, plain(weight)?].map(contiguous);
    let bias = bias.map(|bias| plain(bias).map(contiguous).ok_or(()));
    let onto = onto.map(|onto| plain(onto).map(contiguous).ok_or(()));
    let (bias, onto) = (bias.transpose().ok()?, onto.transpose().ok()?);
    Some(Tensor::from_primitive::<Flex>(apply_linear(&x, &weight, bias.as_ref(), onto.as_ref())))
}

fn linear_tracked<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    onto: Option<Tensor<D>>,
) -> Option<Tensor<D>> {
    #[derive(Debug)]
    struct LinearBackward;

    impl Backward<Flex, 4> for LinearBackward {
        type State = (FlexTensor, FlexTensor);

        fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (x, weight) = ops.state;
            let dy = contiguous(grads.consume::<Flex>(&ops.node));
            let [node_x, node_weight, node_bias, node_onto] = ops.parents;
            let outputs = weight.layout().shape()[1];
            let (dx, dweight) =
                cpu::linear_backward(values(&x), values(&weight), values(&dy), outputs, node_x.is_some());
            if let (Some(node), Some(dx)) = (node_x, dx) {
                grads.register::<Flex>(node.id, tensor(dx, &x));
            }
            if let Some(node) = node_weight {
                grads.register::<Flex>(node.id, tensor(dweight, &weight));
            }
            if let Some(node) = node_bias {
                grads.register::<Flex>(node.id, shaped(cpu::column_sums(values(&dy), outputs), [outputs]));
            }
            if let Some(node) = node_onto {
                grads.register::<Flex>(node.id, dy);
            }
        }
    }

    // What is not given has a constant in its place, which is not tracked and gets no gradient.
    let none = || Tensor::<1>::zeros([1], &Device::flex());
    let (has_bias, bias) = (bias.is_some(), tracked(bias.unwrap_or_else(none))?);
    let (has_onto, onto) = (onto.is_some(), if let Some(onto) = onto { tracked(onto)? } else { tracked(none())? });
    let (x, weight) = (tracked(x)?, tracked(weight)?);
    let [px, pw, pb, po] = [&x, &weight, &bias, &onto].map(|t| contiguous(t.primitive().clone()));
    let y = apply_linear(&px, &pw, has_bias.then_some(&pb), has_onto.then_some(&po));
    let y = match LinearBackward
        .prepare::<NoCheckpointing>([x.node(), weight.node(), bias.node(), onto.node()])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((px, pw), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(y))
}

// --- layer normalisation -------------------------------------------------------------------------------------------

/// Layer normalisation over the last dimension, biased variance.
pub(super) fn layer_norm(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<3> {
    if !is_here(&x) {
        return composed::layer_norm(x, weight, bias, eps);
    }
    let again = (x.clone(), weight.clone(), bias.clone());
    let fused = if x.is_autodiff() || weight.is_autodiff() {
        layer_norm_tracked(x, weight, bias, eps)
    } else {
        layer_norm_plain(x, weight, bias, eps)
    };
    fused.unwrap_or_else(|| composed::layer_norm(again.0, again.1, again.2, eps))
}

fn normalise(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor, eps: f64) -> (FlexTensor, Vec<[f32; 2]>) {
    let width = values(weight).len();
    let mut y = Vec::with_capacity(values(x).len());
    let mut kept = Vec::with_capacity(values(x).len().checked_div(width).unwrap_or(0));
    cpu::layer_norm(values(x), values(weight), values(bias), eps as f32, &mut y, &mut kept);
    (tensor(y, x), kept)
}

fn layer_norm_plain(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Option<Tensor<3>> {
    let [x, weight, bias] = [plain(x)?, plain(weight)?, plain(bias)?].map(contiguous);
    Some(Tensor::from_primitive::<Flex>(normalise(&x, &weight, &bias, eps).0))
}

fn layer_norm_tracked(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Option<Tensor<3>> {
    #[derive(Debug)]
    struct LayerNormBackward;

    impl Backward<Flex, 3> for LayerNormBackward {
        type State = (FlexTensor, FlexTensor, Vec<[f32; 2]>);

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (x, weight, kept) = ops.state;
            let dy = grads.consume::<Flex>(&ops.node);
            let mut dx = owned(dy);
            let width = values(&weight).len();
            let (mut dweight, mut dbias) = (vec![0f32; width], vec![0f32; width]);
            cpu::layer_norm_backward(values(&x), values(&weight), &kept, &mut dx, &mut dweight, &mut dbias);
            let [node_x, node_weight, node_bias] = ops.parents;
            if let Some(node) = node_x {
                grads.register::<Flex>(node.id, tensor(dx, &x));
            }
            for (node, gradient) in [(node_weight, dweight), (node_bias, dbias)] {
                if let Some(node) = node {
                    grads.register::<Flex>(node.id, shaped(gradient, [width]));
                }
            }
        }
    }

    let [x, weight, bias] = [tracked(x)?, tracked(weight)?, tracked(bias)?];
    let [px, pw, pb] = [&x, &weight, &bias].map(|t| contiguous(t.primitive().clone()));
    let (y, kept) = normalise(&px, &pw, &pb, eps);
    let y = match LayerNormBackward
        .prepare::<NoCheckpointing>([x.node(), weight.node(), bias.node()])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((px, pw, kept), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(y))
}

// --- GELU ----------------------------------------------------------------------------------------------------------

/// x Φ(x) with the exact error function.
pub(super) fn gelu(x: Tensor<3>) -> Tensor<3> {
    if !is_here(&x) {
        return composed::gelu(x);
    }
    let again = x.clone();
    let fused = if x.is_autodiff() { gelu_tracked(x) } else { gelu_plain(x) };
    fused.unwrap_or_else(|| activation::gelu(again))
}

fn apply_gelu(x: &FlexTensor) -> FlexTensor {
    let mut y = Vec::with_capacity(values(x).len());
    cpu::gelu(values(x), &mut y);
    tensor(y, x)
}

fn gelu_plain(x: Tensor<3>) -> Option<Tensor<3>> {
    Some(Tensor::from_primitive::<Flex>(apply_gelu(&contiguous(plain(x)?))))
}

fn gelu_tracked(x: Tensor<3>) -> Option<Tensor<3>> {
    #[derive(Debug)]
    struct GeluBackward;

    impl Backward<Flex, 1> for GeluBackward {
        type State = FlexTensor;

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let [node] = ops.parents;
            let mut gradient = owned(grads.consume::<Flex>(&ops.node));
            cpu::gelu_backward(values(&ops.state), &mut gradient);
            if let Some(node) = node {
                grads.register::<Flex>(node.id, tensor(gradient, &ops.state));
            }
        }
    }

    let x = tracked(x)?;
    let value = contiguous(x.primitive().clone());
    let y = apply_gelu(&value);
    let y = match GeluBackward.prepare::<NoCheckpointing>([x.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(value, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(y))
}

// --- attention -----------------------------------------------------------------------------------------------------

/// softmax(q kᵀ / sqrt(head width)) v for a fused [batch, tokens, 3 width], giving [batch, tokens, width].
pub(super) fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    if !is_here(&qkv) {
        return composed::attention(qkv, heads);
    }
    let again = qkv.clone();
    let [batch, tokens, fused] = qkv.dims();
    let shape = AttentionShape { batch, tokens, heads, head: fused / 3 / heads };
    let fused = if qkv.is_autodiff() { attention_tracked(qkv, shape) } else { attention_plain(qkv, shape) };
    fused.unwrap_or_else(|| composed::attention(again, heads))
}

fn out_shape(s: AttentionShape) -> [usize; 3] {
    [s.batch, s.tokens, s.heads * s.head]
}

fn attention_plain(qkv: Tensor<3>, shape: AttentionShape) -> Option<Tensor<3>> {
    let qkv = contiguous(plain(qkv)?);
    let (out, _) = cpu::attention(shape, values(&qkv), false);
    Some(Tensor::from_primitive::<Flex>(shaped(out, out_shape(shape))))
}

fn attention_tracked(qkv: Tensor<3>, shape: AttentionShape) -> Option<Tensor<3>> {
    #[derive(Debug)]
    struct AttentionBackward;

    impl Backward<Flex, 1> for AttentionBackward {
        type State = (AttentionShape, FlexTensor, Kept, FlexTensor);

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (shape, qkv, kept, out) = ops.state;
            let [node] = ops.parents;
            let dout = contiguous(grads.consume::<Flex>(&ops.node));
            let dqkv = cpu::attention_backward(shape, values(&qkv), &kept, values(&out), values(&dout));
            if let Some(node) = node {
                grads.register::<Flex>(node.id, tensor(dqkv, &qkv));
            }
        }
    }

    let qkv = tracked(qkv)?;
    let value = contiguous(qkv.primitive().clone());
    let (out, kept) = cpu::attention(shape, values(&value), true);
    let out = shaped(out, out_shape(shape));
    let out = match AttentionBackward.prepare::<NoCheckpointing>([qkv.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((shape, value, kept, out.clone()), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(out))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::host;

    pub(in crate::nn) fn ramp<const D: usize>(shape: [usize; D], k: f32) -> Tensor<D> {
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * k).sin() * 1.3).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex()).autodiff().require_grad()
    }

    pub(in crate::nn) fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f64 {
        host::scalar((a - b).abs().max()).unwrap()
    }

    /// Outputs and gradients of two forms of one operation, for inputs of odd sizes.
    fn compare<const N: usize>(
        inputs: [Tensor<3>; N],
        a: impl Fn(&[Tensor<3>; N]) -> Tensor<3>,
        b: impl Fn(&[Tensor<3>; N]) -> Tensor<3>,
    ) {
        let (ya, yb) = (a(&inputs), b(&inputs));
        assert!(difference(ya.clone().inner(), yb.clone().inner()) < 2e-6);
        let slope = ramp(ya.dims(), 0.77).inner();
        let (ga, gb) = ((ya * slope.clone()).sum().backward(), (yb * slope).sum().backward());
        for input in &inputs {
            let d = difference(input.grad(&ga).unwrap(), input.grad(&gb).unwrap());
            assert!(d < 2e-5, "gradients differ by {d}");
        }
    }

    #[test]
    fn passes_over_slices_give_the_numbers_and_gradients_of_burns_operations() {
        for width in [21, 48] {
            let inputs = [ramp([3, 5, width], 0.37), ramp([1, 1, width], 0.9), ramp([1, 1, width], 0.2)];
            let flat = |t: &Tensor<3>| t.clone().reshape([width]);
            compare(
                inputs,
                |[x, w, b]| layer_norm(x.clone(), flat(w), flat(b), 1e-6),
                |[x, w, b]| burn::tensor::module::layer_norm(x.clone(), flat(w), Some(flat(b)), 1e-6),
            );
        }
        compare([ramp([2, 7, 9], 0.31)], |[x]| gelu(x.clone()), |[x]| activation::gelu(x.clone()));
        let maps = |[x, w, b]: &[Tensor<3>; 3]| (x.clone(), w.clone().reshape([6, 11]), b.clone().reshape([11]));
        compare(
            [ramp([3, 5, 6], 0.37), ramp([1, 6, 11], 0.9), ramp([1, 1, 11], 0.2)],
            |inputs| {
                let (x, w, b) = maps(inputs);
                linear(x, w, Some(b), None)
            },
            |inputs| {
                let (x, w, b) = maps(inputs);
                burn::tensor::module::linear(x, w, Some(b))
            },
        );
        compare(
            [ramp([3, 5, 6], 0.37), ramp([1, 6, 11], 0.9), ramp([1, 1, 11], 0.2), ramp([3, 5, 11], 0.6)],
            |[x, w, b, onto]| {
                linear(x.clone(), w.clone().reshape([6, 11]), Some(b.clone().reshape([11])), Some(onto.clone()))
            },
            |[x, w, b, onto]| {
                let bias = Some(b.clone().reshape([11]));
                onto.clone() + burn::tensor::module::linear(x.clone(), w.clone().reshape([6, 11]), bias)
            },
        );
        compare(
            [ramp([3, 5, 6], 0.37), ramp([1, 6, 11], 0.9)],
            |[x, w]| linear(x.clone(), w.clone().reshape([6, 11]), None, None),
            |[x, w]| burn::tensor::module::linear(x.clone(), w.clone().reshape([6, 11]), None),
        );
        for (tokens, heads, head) in [(5, 2, 8), (19, 3, 24), (33, 1, 10)] {
            compare(
                [ramp([2, tokens, 3 * heads * head], 0.11)],
                |[x]| attention(x.clone(), heads),
                |[x]| composed::attention(x.clone(), heads),
            );
        }
    }

    #[test]
    fn tracked_and_plain_tensors_on_the_cpu_take_the_pass_over_slices() {
        let x = ramp([1, 2, 6], 0.3);
        assert!(is_here(&x) && is_here(&x.inner()));
    }

    #[test]
    fn plain_tensors_give_what_tracked_ones_give() {
        let x = ramp([2, 7, 3 * 16], 0.3);
        assert_eq!(difference(attention(x.clone(), 2).inner(), attention(x.clone().inner(), 2)), 0.0);
        assert_eq!(difference(gelu(x.clone()).inner(), gelu(x.inner())), 0.0);
    }

    #[test]
    fn the_form_for_other_engines_has_the_gradient_of_the_exact_gelu() {
        compare([ramp([2, 7, 9], 0.31)], |[x]| gelu(x.clone()), |[x]| composed::gelu(x.clone()));
    }
}
