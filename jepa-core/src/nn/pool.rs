//! The largest value over the members of a group, as point networks pool.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::prelude::*;
use multiversion::multiversion;

use super::kernels::{contiguous, is_here, plain, shaped, tracked, values};

/// The largest value of every column over the members: [groups, members, width] to [groups, width]. The gradient goes
/// to the first member that attains it.
pub fn max_over_members(x: Tensor<3>) -> Tensor<2> {
    let composed = x.clone();
    let fused = if !is_here(&x) {
        None
    } else if x.is_autodiff() {
        pool_tracked(x)
    } else {
        let [groups, members, width] = x.dims();
        plain(x).map(|x| {
            let (largest, _) = pool(values(&contiguous(x)), members, width);
            Tensor::from_primitive::<Flex>(shaped(largest, [groups, width]))
        })
    };
    fused.unwrap_or_else(|| composed.max_dim(1).squeeze_dim(1))
}

fn pool_tracked(x: Tensor<3>) -> Option<Tensor<2>> {
    #[derive(Debug)]
    struct PoolBackward;

    impl Backward<Flex, 1> for PoolBackward {
        type State = ([usize; 3], Vec<u16>);

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (shape, chosen) = ops.state;
            let [_, members, width] = shape;
            let dy = contiguous(grads.consume::<Flex>(&ops.node));
            let [node] = ops.parents;
            if let Some(node) = node {
                let mut dx = vec![0f32; shape.iter().product()];
                let groups = dx.chunks_exact_mut(members * width);
                for ((dx, dy), chosen) in groups.zip(values(&dy).chunks_exact(width)).zip(chosen.chunks_exact(width)) {
                    for (column, (d, member)) in dy.iter().zip(chosen).enumerate() {
                        dx[usize::from(*member) * width + column] = *d;
                    }
                }
                grads.register::<Flex>(node.id, shaped(dx, shape));
            }
        }
    }

    let shape = x.dims();
    let [groups, members, width] = shape;
    if members > usize::from(u16::MAX) {
        return None;
    }
    let x = tracked(x)?;
    let (largest, chosen) = pool(values(&contiguous(x.primitive().clone())), members, width);
    let y = shaped(largest, [groups, width]);
    let y = match PoolBackward.prepare::<NoCheckpointing>([x.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((shape, chosen), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(y))
}

/// Largest values and the first members that attain them, [groups, width] each.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn pool(x: &[f32], members: usize, width: usize) -> (Vec<f32>, Vec<u16>) {
    let groups = x.len().checked_div(members * width).unwrap_or(0);
    let (mut largest, mut chosen) = (Vec::with_capacity(groups * width), Vec::with_capacity(groups * width));
    let (mut best, mut at) = (vec![0f32; width], vec![0u16; width]);
    for group in x.chunks_exact(members * width) {
        best.copy_from_slice(&group[..width]);
        at.fill(0);
        for (member, row) in group.chunks_exact(width).enumerate().skip(1) {
            for ((best, at), value) in best.iter_mut().zip(at.iter_mut()).zip(row) {
                let larger = *value > *best;
                *best = if larger { *value } else { *best };
                *at = if larger { member as u16 } else { *at };
            }
        }
        largest.extend_from_slice(&best);
        chosen.extend_from_slice(&at);
    }
    (largest, chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn values_and_gradients_are_those_of_burns_maximum() {
        let numbers: Vec<f32> = (0..3 * 5 * 7).map(|i| (i as f32 * 1.7).sin()).collect();
        let x = Tensor::<3>::from_data(TensorData::new(numbers, [3, 5, 7]), &Device::flex());
        let slope = Tensor::<2>::from_data(
            TensorData::new((0..21).map(|i| i as f32 - 9.5).collect::<Vec<f32>>(), [3, 7]),
            &Device::flex(),
        );
        let run = |f: &dyn Fn(Tensor<3>) -> Tensor<2>| {
            let x = x.clone().autodiff().require_grad();
            let y = f(x.clone());
            let gradients = (y.clone() * slope.clone().autodiff()).sum().backward();
            (host::read(y.inner()).unwrap(), host::read(x.grad(&gradients).unwrap()).unwrap())
        };
        let ours = run(&max_over_members);
        assert_eq!(ours, run(&|x| x.max_dim(1).squeeze_dim(1)));
        assert_eq!(ours.0, host::read(max_over_members(x.clone())).unwrap());
    }
}
