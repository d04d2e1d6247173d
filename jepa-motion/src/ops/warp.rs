//! Bilinear sampling at displaced places.

use burn::prelude::*;
use multiversion::multiversion;

use super::slices::{self, Passes};

/// A map [frames, rows · columns, channels] read at the places that `flow` [frames, rows · columns, 2] leads to: at
/// (column + u, row + v), in pixels, bilinearly between four neighbours. Places outside are moved to the border, where
/// the flow has no gradient, as `grid_sample` of PyTorch does with `padding_mode="border"` and `align_corners=True`.
pub fn warp(x: Tensor<3>, flow: Tensor<3>, size: [usize; 2]) -> Tensor<3> {
    let [frames, _, channels] = x.dims();
    let shape = Shape { frames, size, channels };
    slices::run(shape, &x, &flow).unwrap_or_else(|| composed(x, flow, size))
}

/// Columns and rows of all places of a map, [1, rows · columns, 2].
pub(crate) fn places(size: [usize; 2], device: &Device) -> Tensor<3> {
    let [rows, columns] = size;
    let values: Vec<f32> =
        (0..rows).flat_map(|row| (0..columns).flat_map(move |column| [column as f32, row as f32])).collect();
    Tensor::from_data(TensorData::new(values, [1, rows * columns, 2]), device)
}

/// The same in burn's operations.
fn composed(x: Tensor<3>, flow: Tensor<3>, size: [usize; 2]) -> Tensor<3> {
    let [frames, count, channels] = x.dims();
    let [rows, columns] = size;
    let device = flow.device().inner();
    let at = flow + places(size, &device);
    // Per axis: the place, the whole one before it, and how far behind that it lies.
    let axis = |axis: usize, last: usize| {
        let at = at.clone().narrow(2, axis, 1).clamp(0.0, last as f64);
        let low = at.clone().inner().floor();
        (at - low.clone(), low.clone(), (low + 1.0).clamp_max(last as f64))
    };
    let ((tx, left, right), (ty, upper, lower)) = (axis(0, columns - 1), axis(1, rows - 1));
    let first: Vec<f32> = (0..frames).flat_map(|frame| vec![(frame * count) as f32; count]).collect();
    let first = Tensor::<1>::from_data(TensorData::new(first, [frames * count]), &device);
    let table = x.reshape([frames * count, channels]);
    let read = |row: &Tensor<3>, column: &Tensor<3>| {
        let within: Tensor<1> = (row.clone() * columns as f64 + column.clone()).reshape([frames * count]);
        table.clone().select(0, (within + first.clone()).int()).reshape([frames, count, channels])
    };
    let above = read(&upper, &left) * (tx.clone() * -1.0 + 1.0) + read(&upper, &right) * tx.clone();
    let below = read(&lower, &left) * (tx.clone() * -1.0 + 1.0) + read(&lower, &right) * tx;
    above * (ty.clone() * -1.0 + 1.0) + below * ty
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    frames: usize,
    size: [usize; 2],
    channels: usize,
}

impl Passes for Shape {
    fn shape(&self) -> Vec<usize> {
        vec![self.frames, self.size[0] * self.size[1], self.channels]
    }

    fn forward(&self, x: &[f32], flow: &[f32]) -> Vec<f32> {
        let mut y = vec![0f32; x.len()];
        read(*self, x, flow, &mut y);
        y
    }

    fn backward(&self, x: &[f32], flow: &[f32], slope: &[f32], wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let mut of_x = if wanted[0] { vec![0f32; x.len()] } else { Vec::new() };
        let mut of_flow = vec![0f32; flow.len()];
        pass_back(*self, [x, flow, slope], &mut of_x, &mut of_flow);
        [wanted[0].then_some(of_x), wanted[1].then_some(of_flow)]
    }
}

/// Where one axis is read: the whole places around, the share of the second, and whether the place may move.
#[derive(Clone, Copy)]
struct Around {
    low: usize,
    high: usize,
    share: f32,
    free: bool,
}

#[inline(always)]
fn around(at: f32, last: usize) -> Around {
    let end = last as f32;
    let inside = at.clamp(0.0, end);
    let low = (inside as usize).min(last);
    Around { low, high: (low + 1).min(last), share: inside - low as f32, free: at > 0.0 && at < end }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn read(shape: Shape, x: &[f32], flow: &[f32], y: &mut [f32]) {
    let Shape { size: [rows, columns], channels, .. } = shape;
    let frame = rows * columns;
    for (place, (y, flow)) in y.chunks_exact_mut(channels).zip(flow.chunks_exact(2)).enumerate() {
        let (start, at) = (place / frame * frame, place % frame);
        let h = around((at % columns) as f32 + flow[0], columns - 1);
        let v = around((at / columns) as f32 + flow[1], rows - 1);
        let row = |row: usize, column: usize| {
            let from = (start + row * columns + column) * channels;
            &x[from..from + channels]
        };
        let corners = [row(v.low, h.low), row(v.low, h.high), row(v.high, h.low), row(v.high, h.high)];
        let shares = [
            (1.0 - v.share) * (1.0 - h.share),
            (1.0 - v.share) * h.share,
            v.share * (1.0 - h.share),
            v.share * h.share,
        ];
        for (c, y) in y.iter_mut().enumerate() {
            *y = shares[0] * corners[0][c]
                + shares[1] * corners[1][c]
                + shares[2] * corners[2][c]
                + shares[3] * corners[3][c];
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn pass_back(shape: Shape, inputs: [&[f32]; 3], of_x: &mut [f32], of_flow: &mut [f32]) {
    let Shape { size: [rows, columns], channels, .. } = shape;
    let ([x, flow, slope], frame) = (inputs, rows * columns);
    let places = slope.chunks_exact(channels).zip(flow.chunks_exact(2)).zip(of_flow.chunks_exact_mut(2));
    for (place, ((slope, flow), of_flow)) in places.enumerate() {
        let (start, at) = (place / frame * frame, place % frame);
        let h = around((at % columns) as f32 + flow[0], columns - 1);
        let v = around((at / columns) as f32 + flow[1], rows - 1);
        let from = |row: usize, column: usize| (start + row * columns + column) * channels;
        let corners = [from(v.low, h.low), from(v.low, h.high), from(v.high, h.low), from(v.high, h.high)];
        let [a, b, c, d] = corners.map(|from| &x[from..from + channels]);
        let (mut across, mut down) = (0f32, 0f32);
        for (i, s) in slope.iter().enumerate() {
            across += s * ((1.0 - v.share) * (b[i] - a[i]) + v.share * (d[i] - c[i]));
            down += s * ((1.0 - h.share) * (c[i] - a[i]) + h.share * (d[i] - b[i]));
        }
        of_flow[0] = if h.free { across } else { 0.0 };
        of_flow[1] = if v.free { down } else { 0.0 };
        if of_x.is_empty() {
            continue;
        }
        let shares = [
            (1.0 - v.share) * (1.0 - h.share),
            (1.0 - v.share) * h.share,
            v.share * (1.0 - h.share),
            v.share * h.share,
        ];
        for (from, share) in corners.into_iter().zip(shares) {
            for (o, s) in of_x[from..from + channels].iter_mut().zip(slope) {
                *o += share * s;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::{agree, waves};

    #[test]
    fn passes_over_slices_give_the_numbers_and_gradients_of_burns_operations() {
        let size = [5, 7];
        let (x, flow) = (waves([2, 35, 6], 0.37), waves([2, 35, 2], 1.7) * 3.0);
        agree(&x, &flow, &|x, flow| warp(x, flow, size), &|x, flow| composed(x, flow, size));
    }
}
