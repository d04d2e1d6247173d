//! Operations on maps, channels last: [frames, rows · columns, channels].
//!
//! | file | noun |
//! |---|---|
//! | [`warp`](warp()) | a map read at displaced places |
//! | [`cost`](cost_volume) | how alike a place is to the places around its counterpart |
//! | [`depthwise`](depthwise()) | a filter a channel |
//! | [`convolve`](convolve()) | a convolution, as patches times a matrix |
//! | `slices` | how a pass over slices becomes an operation of burn's graph |
//!
//! On the CPU engine each is one pass forward and one backward over slices. burn's own operations would do as well, and
//! do so on every other engine, but they are slow here: its grid sampling is taken apart into some forty tracked
//! operations, a cost volume of 81 displacements into several hundred, and its convolutions turn channels round before
//! and after. A test holds both forms to the same numbers and gradients.

mod convolve;
mod cost;
mod depthwise;
mod slices;
mod warp;

pub use convolve::{Window, convolve};
pub use cost::cost_volume;
pub use depthwise::depthwise;
pub(crate) use warp::places;
pub use warp::warp;

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use jepa_core::host;

    pub(super) fn waves<const D: usize>(shape: [usize; D], k: f32) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i as f32 * k).sin() * 1.3 + 0.2).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// Requires that two forms of an operation give the same values and gradients, tracked and not.
    pub(super) fn agree<const A: usize, const B: usize>(
        a: &Tensor<A>,
        b: &Tensor<B>,
        ours: &dyn Fn(Tensor<A>, Tensor<B>) -> Tensor<3>,
        composed: &dyn Fn(Tensor<A>, Tensor<B>) -> Tensor<3>,
    ) {
        let run = |f: &dyn Fn(Tensor<A>, Tensor<B>) -> Tensor<3>| {
            let (a, b) = (a.clone().autodiff().require_grad(), b.clone().autodiff().require_grad());
            let y = f(a.clone(), b.clone());
            let gradients = (y.clone() * waves(y.dims(), 0.31).autodiff()).sum().backward();
            (y.inner(), a.grad(&gradients).unwrap(), b.grad(&gradients).unwrap())
        };
        let far = |difference: Vec<f32>| difference.into_iter().fold(0f32, |most, d| most.max(d.abs()));
        let (one, two) = (run(ours), run(composed));
        assert!(far(host::read(one.0.clone() - two.0).unwrap()) < 1e-5);
        assert!(far(host::read(one.1 - two.1).unwrap()) < 1e-4);
        assert!(far(host::read(one.2 - two.2).unwrap()) < 1e-4);
        assert_eq!(far(host::read(one.0 - ours(a.clone(), b.clone())).unwrap()), 0.0, "untracked");
    }
}
