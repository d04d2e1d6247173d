//! Convolution.

use burn::prelude::*;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use jepa_core::nn::project;

use super::slices::{self, Passes, is_here};

/// How a filter lies on a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of the filter.
    pub side: usize,
    /// Places between one output and the next.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
    /// Places between one tap and the next.
    pub dilation: usize,
}

impl Window {
    /// A filter of odd `side` that keeps the size of the map, its taps `dilation` places apart.
    pub fn same(side: usize, dilation: usize) -> Self {
        Self { side, stride: 1, padding: side / 2 * dilation, dilation }
    }

    /// Rows or columns of the result.
    pub fn outputs(self, inputs: usize) -> usize {
        let reach = self.dilation * (self.side - 1) + 1;
        (inputs + 2 * self.padding).saturating_sub(reach) / self.stride + 1
    }
}

/// A convolution without bias: [frames, rows · columns, inputs] and `weight` [outputs, inputs, side, side], as PyTorch
/// keeps it, to [frames, rows' · columns', outputs], with the size of the result.
pub fn convolve(x: Tensor<3>, weight: Tensor<4>, size: [usize; 2], window: Window) -> (Tensor<3>, [usize; 2]) {
    let out = size.map(|side| window.outputs(side));
    let [outputs, inputs, side, _] = weight.dims();
    if !is_here(&x) {
        return (composed(x, weight, size, window), out);
    }
    let matrix = weight.clone().permute([2, 3, 1, 0]).reshape([side * side * inputs, outputs]);
    if window == Window::same(1, 1) {
        return (project(x, matrix), out);
    }
    let patches = Patches { frames: x.dims()[0], size, out, channels: inputs, window };
    let none = Tensor::<1>::zeros([1], &x.device().inner());
    let columns: Option<Tensor<3>> = slices::run(patches, &x, &none);
    (columns.map_or_else(|| composed(x, weight, size, window), |columns| project(columns, matrix)), out)
}

/// The same in burn's operations.
fn composed(x: Tensor<3>, weight: Tensor<4>, size: [usize; 2], window: Window) -> Tensor<3> {
    let ([frames, _, channels], outputs) = (x.dims(), weight.dims()[0]);
    let Window { stride, padding, dilation, .. } = window;
    let planes = x.swap_dims(1, 2).reshape([frames, channels, size[0], size[1]]);
    let options = ConvOptions::new([stride, stride], [padding, padding], [dilation, dilation], 1);
    let y = conv2d(planes, weight, None, options);
    let [_, _, rows, columns] = y.dims();
    y.reshape([frames, outputs, rows * columns]).swap_dims(1, 2)
}

/// The values under a filter at every place of it, [frames, rows' · columns', side · side · channels].
#[derive(Debug, Clone, Copy)]
struct Patches {
    frames: usize,
    size: [usize; 2],
    out: [usize; 2],
    channels: usize,
    window: Window,
}

impl Patches {
    /// Calls `f` with the start of every stretch of channels that is read, and that of its copy.
    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, usize)) {
        let Self { frames, size: [rows, columns], out, channels, window } = self;
        let Window { side, stride, padding, dilation } = window;
        let inside = |at: usize, tap: usize, count: usize| {
            (at * stride + tap * dilation).checked_sub(padding).filter(|at| *at < count)
        };
        for frame in 0..frames {
            for row in 0..out[0] {
                for column in 0..out[1] {
                    let place = (frame * out[0] + row) * out[1] + column;
                    for ky in 0..side {
                        let Some(y) = inside(row, ky, rows) else { continue };
                        for kx in 0..side {
                            let Some(x) = inside(column, kx, columns) else { continue };
                            let to = (place * side * side + ky * side + kx) * channels;
                            f(((frame * rows + y) * columns + x) * channels, to);
                        }
                    }
                }
            }
        }
    }
}

impl Passes for Patches {
    fn shape(&self) -> Vec<usize> {
        vec![self.frames, self.out[0] * self.out[1], self.window.side * self.window.side * self.channels]
    }

    fn forward(&self, x: &[f32], _: &[f32]) -> Vec<f32> {
        let mut y = vec![0f32; self.shape().iter().product()];
        let n = self.channels;
        self.each(|from, to| y[to..to + n].copy_from_slice(&x[from..from + n]));
        y
    }

    fn backward(&self, x: &[f32], _: &[f32], slope: &[f32], _: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let mut of_x = vec![0f32; x.len()];
        let n = self.channels;
        self.each(|from, to| {
            of_x[from..from + n].iter_mut().zip(&slope[to..to + n]).for_each(|(o, s)| *o += s);
        });
        [Some(of_x), None]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{agree, waves};

    #[test]
    fn passes_over_slices_give_the_numbers_and_gradients_of_burns_operations() {
        let size = [6, 9];
        let x = waves([2, 54, 5], 0.37);
        for window in [
            Window::same(1, 1),
            Window::same(3, 1),
            Window::same(3, 4),
            Window { side: 3, stride: 2, padding: 1, dilation: 1 },
            Window { side: 2, stride: 2, padding: 0, dilation: 1 },
        ] {
            let weight = waves([4, 5, window.side, window.side], 0.9);
            agree(&x, &weight, &|x, w| convolve(x, w, size, window).0, &|x, w| composed(x, w, size, window));
        }
    }
}
