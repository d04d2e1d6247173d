//! Depthwise convolution.

use burn::prelude::*;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use multiversion::multiversion;

use super::slices::{self, Passes};

/// A filter of odd `side` for every channel, zeros beyond the border: [frames, rows · columns, channels] to the same.
/// `weight` is [channels, 1, side, side], as PyTorch keeps it.
pub fn depthwise(x: Tensor<3>, weight: Tensor<4>, size: [usize; 2]) -> Tensor<3> {
    let ([frames, _, channels], [_, _, side, _]) = (x.dims(), weight.dims());
    let shape = Shape { frames, size, channels, side };
    let taps: Tensor<2> = weight.clone().reshape([channels, side * side]).swap_dims(0, 1);
    slices::run(shape, &x, &taps).unwrap_or_else(|| composed(x, weight, size))
}

/// The same in burn's operations.
fn composed(x: Tensor<3>, weight: Tensor<4>, size: [usize; 2]) -> Tensor<3> {
    let ([frames, count, channels], half) = (x.dims(), weight.dims()[2] / 2);
    let planes = x.swap_dims(1, 2).reshape([frames, channels, size[0], size[1]]);
    let options = ConvOptions::new([1, 1], [half, half], [1, 1], channels);
    conv2d(planes, weight, None, options).reshape([frames, channels, count]).swap_dims(1, 2)
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    frames: usize,
    size: [usize; 2],
    channels: usize,
    side: usize,
}

impl Passes for Shape {
    fn shape(&self) -> Vec<usize> {
        vec![self.frames, self.size[0] * self.size[1], self.channels]
    }

    fn forward(&self, x: &[f32], taps: &[f32]) -> Vec<f32> {
        let mut y = vec![0f32; x.len()];
        filter(*self, x, taps, &mut y);
        y
    }

    fn backward(&self, x: &[f32], taps: &[f32], slope: &[f32], _: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (mut of_x, mut of_taps) = (vec![0f32; x.len()], vec![0f32; taps.len()]);
        pass_back(*self, [x, taps, slope], &mut of_x, &mut of_taps);
        [Some(of_x), Some(of_taps)]
    }
}

/// Calls `f` with every place, every tap that stays inside, and the place it reads.
#[inline(always)]
fn each(shape: Shape, mut f: impl FnMut(usize, usize, usize)) {
    let ([rows, columns], side, half) = (shape.size, shape.side, shape.side / 2);
    for frame in 0..shape.frames {
        for row in 0..rows {
            for ky in half.saturating_sub(row)..side.min(rows + half - row) {
                let start = (frame * rows + row + ky - half) * columns;
                for column in 0..columns {
                    let place = (frame * rows + row) * columns + column;
                    for kx in half.saturating_sub(column)..side.min(columns + half - column) {
                        f(place, ky * side + kx, start + column + kx - half);
                    }
                }
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn filter(shape: Shape, x: &[f32], taps: &[f32], y: &mut [f32]) {
    let n = shape.channels;
    each(shape, |place, tap, from| {
        let (x, w) = (&x[from * n..][..n], &taps[tap * n..][..n]);
        for ((y, x), w) in y[place * n..][..n].iter_mut().zip(x).zip(w) {
            *y += x * w;
        }
    });
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn pass_back(shape: Shape, inputs: [&[f32]; 3], of_x: &mut [f32], of_taps: &mut [f32]) {
    let ([x, taps, slope], n) = (inputs, shape.channels);
    each(shape, |place, tap, from| {
        let s = &slope[place * n..][..n];
        for ((o, s), w) in of_x[from * n..][..n].iter_mut().zip(s).zip(&taps[tap * n..][..n]) {
            *o += s * w;
        }
        for ((o, s), x) in of_taps[tap * n..][..n].iter_mut().zip(s).zip(&x[from * n..][..n]) {
            *o += s * x;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{agree, waves};

    #[test]
    fn passes_over_slices_give_the_numbers_and_gradients_of_burns_operations() {
        // Fewer rows than the filter is high.
        let size = [4, 9];
        let (x, weight) = (waves([2, 36, 5], 0.37), waves([5, 1, 7, 7], 0.9));
        agree(&x, &weight, &|x, w| depthwise(x, w, size), &|x, w| composed(x, w, size));
    }
}
