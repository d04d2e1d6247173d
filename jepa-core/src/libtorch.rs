//! What libtorch does better than burn asks it to: the only file that calls it.
//!
//! On a fast card a step is as long as the host takes to name its operations. A transformer block, a layer norm and an
//! attention are each one node of burn's graph here, with libtorch's own graph and kernels inside (burn would take them
//! apart); parameters are updated in place.

#![allow(deprecated)] // burn-tch calls itself deprecated

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchDevice, LibTorch};
use burn::prelude::*;
use burn_tch::TchTensor;

type Tracked = FloatTensor<Autodiff<LibTorch, NoCheckpointing>>;

/// Whether libtorch holds a tensor.
pub(crate) fn holds<const D: usize>(x: &Tensor<D>) -> bool {
    matches!(x.device().inner().as_dispatch(), DispatchDevice::LibTorch(_))
}

fn plain<const D: usize>(x: Tensor<D>) -> Option<TchTensor> {
    x.try_into_primitive::<LibTorch>().ok()
}

/// What goes into a node: a value, and its place in burn's graph if it has one.
struct Input {
    value: TchTensor,
    node: Option<NodeGuard>,
}

fn input<const D: usize>(x: Tensor<D>) -> Option<Input> {
    if !x.is_autodiff() {
        return Some(Input { value: plain(x)?, node: None });
    }
    let x: Tracked = x.try_into_primitive::<Autodiff<LibTorch, NoCheckpointing>>().ok()?;
    let (value, node) = x.into_parts();
    Some(Input { value, node: Some(node) })
}

/// Layer normalisation over the last dimension.
pub(crate) fn layer_norm(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Option<Tensor<3>> {
    let inputs = [input(x)?, input(weight)?, input(bias)?];
    Some(differentiated(inputs, |[x, weight, bias]| normalised(x, weight, bias, eps)))
}

/// softmax(q kᵀ / sqrt(head width)) v for a fused [batch, tokens, 3 width], giving [batch, tokens, width].
pub(crate) fn attention(qkv: Tensor<3>, heads: usize) -> Option<Tensor<3>> {
    Some(differentiated([input(qkv)?], |[qkv]| mixed(qkv, heads)))
}

/// What a block is made of: weight and bias of its norm, fused projection and output projection, then of its second norm
/// and the two layers of its MLP.
pub(crate) struct BlockWeights {
    pub(crate) norms: [[Tensor<1>; 2]; 2],
    pub(crate) matrices: [Tensor<2>; 4],
    pub(crate) biases: [Tensor<1>; 4],
}

/// How a block computes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockForm {
    pub(crate) heads: usize,
    pub(crate) eps: f64,
    /// The first token whose output is asked for.
    pub(crate) first: usize,
    /// Whether products are in bf16.
    pub(crate) rounded: bool,
}

/// x + Attn(LN(x)), then x + MLP(LN(x)), for the tokens from `first` on.
pub(crate) fn block(x: Tensor<3>, weights: BlockWeights, form: BlockForm) -> Option<Tensor<3>> {
    let BlockWeights { norms: [[w1, b1], [w2, b2]], matrices: [qkv, proj, fc1, fc2], biases: [qb, pb, b3, b4] } =
        weights;
    let [w1, b1, w2, b2] = [input(w1)?, input(b1)?, input(w2)?, input(b2)?];
    let [qkv, proj, fc1, fc2] = [input(qkv)?, input(proj)?, input(fc1)?, input(fc2)?];
    let [qb, pb, b3, b4] = [input(qb)?, input(pb)?, input(b3)?, input(b4)?];
    let inputs = [input(x)?, w1, b1, qkv, qb, proj, pb, w2, b2, fc1, b3, fc2, b4];
    Some(differentiated(inputs, |inputs| block_of(inputs, form)))
}

fn block_of(inputs: [&tch::Tensor; 13], form: BlockForm) -> tch::Tensor {
    let [x, w1, b1, qkv, qb, proj, pb, w2, b2, fc1, b3, fc2, b4] = inputs;
    let kind = if form.rounded { tch::Kind::BFloat16 } else { x.kind() };
    let linear = |x: &tch::Tensor, weight: &tch::Tensor, bias: &tch::Tensor| {
        let (mut shape, inputs) = (x.size(), weight.size()[0]);
        let rows = x.to_kind(kind).reshape([-1, inputs]);
        let y = bias.to_kind(kind).addmm(&rows, &weight.to_kind(kind));
        if let Some(last) = shape.last_mut() {
            *last = weight.size()[1];
        }
        y.reshape(shape)
    };
    let tail = |x: tch::Tensor| match form.first as i64 {
        0 => x,
        first => x.narrow(1, first, x.size()[1] - first),
    };
    let heads = tail(mixed(&linear(&normalised(x, w1, b1, form.eps), qkv, qb), form.heads));
    let x = tail(x.shallow_clone()) + linear(&heads, proj, pb);
    let hidden = linear(&normalised(&x, w2, b2, form.eps), fc1, b3).gelu("none");
    x + linear(&hidden, fc2, b4)
}

fn normalised(x: &tch::Tensor, weight: &tch::Tensor, bias: &tch::Tensor, eps: f64) -> tch::Tensor {
    x.layer_norm(weight.size(), Some(weight), Some(bias), eps, true)
}

fn mixed(qkv: &tch::Tensor, heads: usize) -> tch::Tensor {
    let [batch, tokens, fused] = qkv.size()[..] else { return qkv.shallow_clone() };
    let (heads, width) = (heads as i64, fused / 3);
    let parts = qkv.reshape([batch, tokens, 3, heads, width / heads]).permute([2, 0, 3, 1, 4]).unbind(0);
    let [q, k, v] = [&parts[0], &parts[1], &parts[2]];
    let none: Option<&tch::Tensor> = None;
    // Named outright on a GPU: left to itself libtorch takes cuDNN's, which is compiled anew for every number of tokens, and
    // masks leave another number in every step. The named one wants rows of 16 bytes; for others none is compiled.
    let aligned = if q.kind() == tch::Kind::BFloat16 { 8 } else { 4 };
    let y = if q.device().is_cuda() && width / heads % aligned == 0 {
        tch::Tensor::internal_scaled_dot_product_efficient_attention(q, k, v, none, true, 0.0, false, None).0
    } else {
        tch::Tensor::scaled_dot_product_attention(q, k, v, none, 0.0, false, None, false)
    };
    y.transpose(1, 2).reshape([batch, tokens, width])
}

/// f(inputs), with libtorch's gradient; plain where all inputs are.
fn differentiated<const N: usize>(inputs: [Input; N], f: impl FnOnce([&tch::Tensor; N]) -> tch::Tensor) -> Tensor<3> {
    #[derive(Debug)]
    struct Differentiated;

    /// libtorch's graph, from `leaves` to `output`. What it kept must not be written over: burn works in place on what
    /// nobody else holds, so `held` holds it.
    #[derive(Debug, Clone)]
    struct Graph<const N: usize> {
        leaves: [TchTensor; N],
        output: TchTensor,
        held: Vec<TchTensor>,
    }

    impl<const N: usize> Backward<LibTorch, N> for Differentiated {
        type State = Graph<N>;

        fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
            let Graph { leaves, output, held } = ops.state;
            let slope = grads.consume::<LibTorch>(&ops.node);
            // libtorch's bindings begin a backward pass at a number: this one has the gradient that came in.
            let root = (&output.tensor * slope.tensor).sum(tch::Kind::Float);
            let found = tch::Tensor::run_backward(&[root], &leaves.each_ref().map(|l| &l.tensor), false, false);
            drop(held);
            for (node, gradient) in ops.parents.into_iter().zip(found) {
                if let Some(node) = node {
                    grads.register::<LibTorch>(node.id, TchTensor::new(gradient));
                }
            }
        }
    }

    if inputs.iter().all(|x| x.node.is_none()) {
        let y = tch::no_grad(|| f(inputs.each_ref().map(|x| &x.value.tensor)));
        return Tensor::from_primitive::<LibTorch>(TchTensor::new(y));
    }
    let mut held: Vec<TchTensor> = inputs.iter().map(|x| x.value.clone()).collect();
    let leaves = inputs.each_ref().map(|x| x.value.tensor.detach().set_requires_grad(true));
    let output = tch::with_grad(|| f(leaves.each_ref()));
    let plain = TchTensor::new(output.detach());
    held.push(plain.clone());
    let nodes = inputs.map(|x| x.node.unwrap_or_else(|| Tracked::new(x.value).node()));
    let y = match Differentiated.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let graph = Graph { leaves: leaves.map(TchTensor::new), output: TchTensor::new(output), held };
            prep.finish(graph, plain)
        }
        OpsKind::UnTracked(prep) => prep.finish(plain),
    };
    Tensor::from_primitive::<Autodiff<LibTorch, NoCheckpointing>>(y)
}

/// Factors of one update of AdamW.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamWFactors {
    /// What the gradient is multiplied by.
    pub(crate) clip: f64,
    /// 1 − β of the two moments.
    pub(crate) new: [f64; 2],
    /// What the parameter is multiplied by: one less the decay.
    pub(crate) shrink: f64,
    /// Learning rate over the correction of the first moment.
    pub(crate) step: f64,
    /// Root of the correction of the second moment.
    pub(crate) root: f64,
    /// Added to the root of the second moment.
    pub(crate) eps: f64,
}

/// Parameter, first and second moment after an update; `None` where libtorch does not hold them.
pub(crate) fn adamw(at: AdamWFactors, state: [Tensor<1>; 3], gradient: Tensor<1>) -> Option<[Tensor<1>; 3]> {
    let [value, first, second] = state;
    let [mut value, mut first, mut second] = [own(value)?, own(first)?, own(second)?];
    let gradient = plain(gradient)?.tensor;
    let gradient = if at.clip == 1.0 { gradient } else { gradient * at.clip };
    let _ = first.tensor.lerp_(&gradient, at.new[0]);
    let _ = second.tensor.lerp_(&gradient.square(), at.new[1]);
    let mut length = second.tensor.sqrt();
    let _ = length.g_mul_scalar_(1.0 / at.root).g_add_scalar_(at.eps);
    let _ = value.tensor.g_mul_scalar_(at.shrink);
    let _ = value.tensor.addcdiv_(&(&first.tensor * -at.step), &length);
    Some([value, first, second].map(Tensor::from_primitive::<LibTorch>))
}

/// keep * old + (1 − keep) * new, in place; `None` where libtorch does not hold them.
pub(crate) fn follow(old: Tensor<1>, new: Tensor<1>, keep: f64) -> Option<Tensor<1>> {
    let mut old = own(old)?;
    let _ = old.tensor.lerp_(&plain(new)?.tensor, 1.0 - keep);
    Some(Tensor::from_primitive::<LibTorch>(old))
}

/// Values to be written over: a copy when somebody else holds them too.
fn own(x: Tensor<1>) -> Option<TchTensor> {
    let x = plain(x)?;
    Some(if x.can_mut() { x } else { TchTensor::new(x.tensor.copy()) })
}

/// The sum of squares, one value; `None` where libtorch does not hold them.
pub(crate) fn squares(x: Tensor<1>) -> Option<Tensor<1>> {
    let x = plain(x)?.tensor;
    Some(Tensor::from_primitive::<LibTorch>(TchTensor::new(x.dot(&x).reshape([1]))))
}
