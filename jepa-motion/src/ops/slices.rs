//! From passes over slices to an operation of burn's graph.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchDevice, Flex};
use burn::prelude::*;
use burn::tensor::DType;
use burn_flex::FlexTensor;

/// An operation of two inputs, as passes over their values.
pub(super) trait Passes: Clone + Debug + Send + 'static {
    /// Shape of the result.
    fn shape(&self) -> Vec<usize>;

    /// The result's values.
    fn forward(&self, a: &[f32], b: &[f32]) -> Vec<f32>;

    /// Gradients of both inputs from that of the result; those that are not `wanted` may be left out.
    fn backward(&self, a: &[f32], b: &[f32], slope: &[f32], wanted: [bool; 2]) -> [Option<Vec<f32>>; 2];
}

type Tracked = FloatTensor<Autodiff<Flex, NoCheckpointing>>;

/// Whether a tensor's values are f32 in host memory, tracked or not.
pub(super) fn is_here<const D: usize>(x: &Tensor<D>) -> bool {
    matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_)) && x.dtype() == DType::F32
}

/// The operation on the CPU engine; none where the values are elsewhere.
pub(super) fn run<P: Passes, const A: usize, const B: usize, const D: usize>(
    passes: P,
    a: &Tensor<A>,
    b: &Tensor<B>,
) -> Option<Tensor<D>> {
    if !is_here(a) || !is_here(b) {
        return None;
    }
    if !a.is_autodiff() && !b.is_autodiff() {
        let a = contiguous(a.clone().try_into_primitive::<Flex>().ok()?);
        let b = contiguous(b.clone().try_into_primitive::<Flex>().ok()?);
        let y = shaped(passes.forward(values(&a), values(&b)), passes.shape());
        return Some(Tensor::from_primitive::<Flex>(y));
    }
    let (a, b) = (tracked(a)?, tracked(b)?);
    let [own_a, own_b] = [&a, &b].map(|t| contiguous(t.primitive().clone()));
    let y = shaped(passes.forward(values(&own_a), values(&own_b)), passes.shape());
    let y = match Graph::<P>(PhantomData).prepare::<NoCheckpointing>([a.node(), b.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((own_a, own_b, passes), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(y))
}

#[derive(Debug)]
struct Graph<P>(PhantomData<P>);

impl<P: Passes> Backward<Flex, 2> for Graph<P> {
    type State = (FlexTensor, FlexTensor, P);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (a, b, passes) = ops.state;
        let slope = contiguous(grads.consume::<Flex>(&ops.node));
        let nodes = ops.parents;
        let wanted = nodes.each_ref().map(Option::is_some);
        let found = passes.backward(values(&a), values(&b), values(&slope), wanted);
        for ((node, gradient), like) in nodes.into_iter().zip(found).zip([&a, &b]) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, shaped(gradient, like.layout().shape().to_vec()));
            }
        }
    }
}

fn tracked<const D: usize>(x: &Tensor<D>) -> Option<Tracked> {
    x.clone().autodiff().try_into_primitive::<Autodiff<Flex, NoCheckpointing>>().ok()
}

/// The values as one slice, copied only when they are not contiguous.
fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.as_slice::<f32>().is_some() { x } else { x.to_contiguous() }
}

fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice().unwrap_or(&[])
}

fn shaped(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
