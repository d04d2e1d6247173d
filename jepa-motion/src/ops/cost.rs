//! The cost volume.

use burn::prelude::*;
use burn::tensor::ops::PadMode;
use multiversion::multiversion;

use super::slices::{self, Passes};

/// How alike every place of `a` is to the places of `b` around it: mean over channels of a(p) · b(p + d) for all
/// displacements of up to `radius` rows and columns, rows outer; zero beyond the border. From [frames, rows · columns,
/// channels] twice to [frames, rows · columns, (2 radius + 1)²].
pub fn cost_volume(a: Tensor<3>, b: Tensor<3>, size: [usize; 2], radius: usize) -> Tensor<3> {
    let [frames, _, channels] = a.dims();
    let shape = Shape { frames, size, channels, radius };
    slices::run(shape, &a, &b).unwrap_or_else(|| composed(a, b, size, radius))
}

/// The same in burn's operations.
fn composed(a: Tensor<3>, b: Tensor<3>, size: [usize; 2], radius: usize) -> Tensor<3> {
    let [frames, count, channels] = a.dims();
    let ([rows, columns], side) = (size, 2 * radius + 1);
    let planes = |x: Tensor<3>| x.swap_dims(1, 2).reshape([frames, channels, rows, columns]);
    let (a, b) = (planes(a), planes(b).pad((radius, radius, radius, radius), PadMode::Constant(0.0)));
    let costs = (0..side * side)
        .map(|d| (a.clone() * b.clone().narrow(2, d / side, rows).narrow(3, d % side, columns)).mean_dim(1))
        .collect();
    Tensor::cat(costs, 1).reshape([frames, side * side, count]).swap_dims(1, 2)
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    frames: usize,
    size: [usize; 2],
    channels: usize,
    radius: usize,
}

impl Shape {
    fn side(self) -> usize {
        2 * self.radius + 1
    }
}

impl Passes for Shape {
    fn shape(&self) -> Vec<usize> {
        vec![self.frames, self.size[0] * self.size[1], self.side() * self.side()]
    }

    fn forward(&self, a: &[f32], b: &[f32]) -> Vec<f32> {
        let mut costs = vec![0f32; self.shape().iter().product()];
        compare(*self, a, b, &mut costs);
        costs
    }

    fn backward(&self, a: &[f32], b: &[f32], slope: &[f32], _: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let (mut of_a, mut of_b) = (vec![0f32; a.len()], vec![0f32; b.len()]);
        pass_back(*self, [a, b, slope], &mut of_a, &mut of_b);
        [Some(of_a), Some(of_b)]
    }
}

/// Calls `f` with every place, every displacement that stays inside, and the place it leads to.
#[inline(always)]
fn each(shape: Shape, mut f: impl FnMut(usize, usize, usize)) {
    let ([rows, columns], radius, side) = (shape.size, shape.radius, shape.side());
    for frame in 0..shape.frames {
        for row in 0..rows {
            for column in 0..columns {
                let place = (frame * rows + row) * columns + column;
                for dy in 0..side {
                    let Some(y) = (row + dy).checked_sub(radius).filter(|y| *y < rows) else { continue };
                    let start = (frame * rows + y) * columns;
                    for dx in 0..side {
                        let Some(x) = (column + dx).checked_sub(radius).filter(|x| *x < columns) else { continue };
                        f(place, dy * side + dx, start + x);
                    }
                }
            }
        }
    }
}

/// Sum of products, in sixteen partial sums that fill vector registers.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let ((wide_a, rest_a), (wide_b, rest_b)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in wide_a.iter().zip(wide_b) {
        for ((s, a), b) in sums.iter_mut().zip(a).zip(b) {
            *s += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn compare(shape: Shape, a: &[f32], b: &[f32], costs: &mut [f32]) {
    let (channels, count) = (shape.channels, shape.side() * shape.side());
    let share = 1.0 / channels as f32;
    each(shape, |place, d, other| {
        let (a, b) = (&a[place * channels..][..channels], &b[other * channels..][..channels]);
        costs[place * count + d] = share * dot(a, b);
    });
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn pass_back(shape: Shape, inputs: [&[f32]; 3], of_a: &mut [f32], of_b: &mut [f32]) {
    let [a, b, slope] = inputs;
    let (channels, count) = (shape.channels, shape.side() * shape.side());
    let share = 1.0 / channels as f32;
    each(shape, |place, d, other| {
        let slope = share * slope[place * count + d];
        let (here, there) = (place * channels, other * channels);
        for (o, b) in of_a[here..here + channels].iter_mut().zip(&b[there..there + channels]) {
            *o += slope * b;
        }
        for (o, a) in of_b[there..there + channels].iter_mut().zip(&a[here..here + channels]) {
            *o += slope * a;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{agree, waves};

    #[test]
    fn passes_over_slices_give_the_numbers_and_gradients_of_burns_operations() {
        let size = [4, 6];
        let (a, b) = (waves([2, 24, 19], 0.37), waves([2, 24, 19], 0.9));
        agree(&a, &b, &|a, b| cost_volume(a, b, size, 2), &|a, b| composed(a, b, size, 2));
    }
}
