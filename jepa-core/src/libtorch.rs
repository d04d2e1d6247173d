//! What libtorch does better than burn asks it to: the only file that names it.
//!
//! burn takes layer norms and attention apart where gradients are asked for. libtorch has kernels for both and for their
//! gradients, and chooses flash attention by itself: here each is one node of burn's graph with libtorch's graph inside.
//! Updates of parameters happen in place, in a third of the launches.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchDevice, LibTorch};
use burn::prelude::*;
use burn_tch::TchTensor;

type Tracked = FloatTensor<Autodiff<LibTorch, NoCheckpointing>>;

/// Whether libtorch holds a tensor.
pub(crate) fn holds<const D: usize>(x: &Tensor<D>) -> bool {
    matches!(x.device().inner().as_dispatch(), DispatchDevice::LibTorch(_))
}

fn tracked<const D: usize>(x: Tensor<D>) -> Option<Tracked> {
    x.autodiff().try_into_primitive::<Autodiff<LibTorch, NoCheckpointing>>().ok()
}

/// Layer normalisation over the last dimension.
pub(crate) fn layer_norm(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Option<Tensor<3>> {
    let [_, _, width] = x.dims();
    let y = differentiated([tracked(x)?, tracked(weight)?, tracked(bias)?], |[x, weight, bias]| {
        x.layer_norm([width as i64], Some(weight), Some(bias), eps, true)
    });
    Some(Tensor::from_primitive::<Autodiff<LibTorch, NoCheckpointing>>(y))
}

/// softmax(q kᵀ / sqrt(head width)) v for a fused [batch, tokens, 3 width], giving [batch, tokens, width].
pub(crate) fn attention(qkv: Tensor<3>, heads: usize) -> Option<Tensor<3>> {
    let [batch, tokens, fused] = qkv.dims().map(|n| n as i64);
    let (heads, width) = (heads as i64, fused / 3);
    let y = differentiated([tracked(qkv)?], |[qkv]| {
        let parts = qkv.reshape([batch, tokens, 3, heads, width / heads]).permute([2, 0, 3, 1, 4]).unbind(0);
        let none: Option<&tch::Tensor> = None;
        tch::Tensor::scaled_dot_product_attention(&parts[0], &parts[1], &parts[2], none, 0.0, false, None, false)
            .transpose(1, 2)
            .reshape([batch, tokens, width])
    });
    Some(Tensor::from_primitive::<Autodiff<LibTorch, NoCheckpointing>>(y))
}

/// f(inputs), with libtorch's gradient.
fn differentiated<const N: usize>(inputs: [Tracked; N], f: impl FnOnce([&tch::Tensor; N]) -> tch::Tensor) -> Tracked {
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

    let mut held: Vec<TchTensor> = inputs.iter().map(|x| x.primitive().clone()).collect();
    let leaves = inputs.each_ref().map(|x| x.primitive().tensor.detach().set_requires_grad(true));
    let output = tch::with_grad(|| f(leaves.each_ref()));
    let plain = TchTensor::new(output.detach());
    held.push(plain.clone());
    let nodes = inputs.each_ref().map(Tracked::node);
    match Differentiated.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let graph = Graph { leaves: leaves.map(TchTensor::new), output: TchTensor::new(output), held };
            prep.finish(graph, plain)
        }
        OpsKind::UnTracked(prep) => prep.finish(plain),
    }
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
    let gradient = gradient.try_into_primitive::<LibTorch>().ok()?.tensor;
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
    let _ = old.tensor.lerp_(&new.try_into_primitive::<LibTorch>().ok()?.tensor, 1.0 - keep);
    Some(Tensor::from_primitive::<LibTorch>(old))
}

/// Values to be written over: a copy when somebody else holds them too.
fn own(x: Tensor<1>) -> Option<TchTensor> {
    let x = x.try_into_primitive::<LibTorch>().ok()?;
    Some(if x.can_mut() { x } else { TchTensor::new(x.tensor.copy()) })
}
