//! Frozen sin-cos position codes.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One axis: [sin(p ω₀), .., cos(p ω₀), ..] of `width` values, ω_i = 10000^(−i / (width / 2)), computed in f64.
fn axis_code(position: usize, width: usize, out: &mut Vec<f32>) {
    let half = width / 2;
    let angle = |i: usize| position as f64 * 10_000f64.powf(-(i as f64) / half as f64);
    out.extend((0..half).map(|i| angle(i).sin() as f32));
    out.extend((0..half).map(|i| angle(i).cos() as f32));
}

/// Codes of a run of `length` positions, [length, width] row-major. `width` must be even.
pub fn sincos_1d(length: usize, width: usize) -> Vec<f32> {
    let mut table = Vec::with_capacity(length * width);
    (0..length).for_each(|p| axis_code(p, width, &mut table));
    table
}

/// Codes of a grid, [rows * columns, width] row-major; the first half of each code varies with the **column**, the
/// second with the row (the order of the official code, whose comment says the opposite). `width` must be divisible
/// by 4.
pub fn sincos_2d(rows: usize, columns: usize, width: usize) -> Vec<f32> {
    let mut table = Vec::with_capacity(rows * columns * width);
    for row in 0..rows {
        for column in 0..columns {
            axis_code(column, width / 2, &mut table);
            axis_code(row, width / 2, &mut table);
        }
    }
    table
}

/// How the width of a code is shared between time, row and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shares {
    /// A third each, rounded up to whole pairs; what is too much at the end is cut off (every released V-JEPA).
    Uniform,
    /// Half for time, a quarter each for row and column (the official default, never released).
    HalfForTime,
}

/// Codes of a grid of (times, rows, columns), [times * rows * columns, width] row-major: time first, then row, then
/// column (V-JEPA, `src/models/utils/pos_embs.py`). `width` must be even, for [`Shares::HalfForTime`] divisible by 8.
pub fn sincos_3d([times, rows, columns]: [usize; 3], width: usize, shares: Shares) -> Vec<f32> {
    let [time, space] = match shares {
        Shares::Uniform => [2 * width.div_ceil(6); 2],
        Shares::HalfForTime => [width / 2, width / 4],
    };
    let mut table = Vec::with_capacity(times * rows * columns * width);
    for t in 0..times {
        for row in 0..rows {
            for column in 0..columns {
                let start = table.len();
                axis_code(t, time, &mut table);
                axis_code(row, space, &mut table);
                axis_code(column, space, &mut table);
                table.truncate(start + width);
            }
        }
    }
    table
}

/// A table of codes on the grid `from`, [1, from tokens, width], stretched to the grid `to`: linear along each axis, as
/// PyTorch's trilinear `interpolate` without aligned corners.
pub fn resample_3d(table: Tensor<3>, from: [usize; 3], to: [usize; 3]) -> Tensor<3> {
    let [_, _, width] = table.dims();
    let (mut table, mut grid) = (table, from);
    for axis in (0..3).filter(|axis| from[*axis] != to[*axis]) {
        let (old, new) = (from[axis], to[axis]);
        let mut weights = vec![0f32; new * old];
        for at in 0..new {
            let place = ((at as f64 + 0.5) * old as f64 / new as f64 - 0.5).max(0.0);
            let before = (place as usize).min(old - 1);
            let share = (place - before as f64) as f32;
            weights[at * old + before] += 1.0 - share;
            weights[at * old + (before + 1).min(old - 1)] += share;
        }
        let weights = Tensor::<3>::from_data(TensorData::new(weights, [1, new, old]), &table.device());
        // What varies more slowly is a batch, what varies faster moves as one.
        let slower: usize = grid[..axis].iter().product();
        let faster = grid[axis + 1..].iter().product::<usize>() * width;
        table = weights.expand([slower, new, old]).matmul(table.reshape([slower, old, faster]));
        grid[axis] = new;
    }
    table.reshape([1, to.iter().product::<usize>(), width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    fn close(found: &[f32], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-6, "{found}, expected {expected}");
        }
    }

    #[test]
    fn codes_of_three_axes_equal_the_recorded_tables_and_their_truncation() {
        for (width, per, sum, expected) in [
            (
                1024,
                342,
                754_948.136_569,
                [0.141_12, 0.294_472, -0.989_992, -0.958_924, -0.999_677, 0.283_662, 0.656_987, 0.342_67, 1.0, 1.0],
            ),
            (
                1280,
                428,
                942_925.320_405,
                [0.141_12, 0.264_775, -0.989_992, -0.958_924, -0.997_038, 0.283_662, 0.656_987, 0.409_525, 1.0, 1.0],
            ),
            (
                384,
                128,
                282_557.421_670,
                [0.141_12, 0.517_306, -0.989_992, -0.958_924, -0.927_709, 0.283_662, 0.656_987, -0.219_63, 1.0, 1.0],
            ),
        ] {
            let table = sincos_3d([8, 14, 14], width, Shares::Uniform);
            let total: f64 = table.iter().map(|v| f64::from(*v)).sum();
            assert!((total - sum).abs() < 1e-2, "{width}: {total}");
            let token = &table[(3 * 196 + 5 * 14 + 7) * width..][..width];
            let places = [0, 1, per / 2, per, per + 1, per + per / 2, 2 * per, 2 * per + 1, width - 2, width - 1];
            close(&places.map(|i| token[i]), &expected);
        }
        let table = sincos_3d([2, 2, 2], 24, Shares::HalfForTime);
        let time = [
            0.841_471, 0.213_781, 0.046_399, 0.01, 0.002_154, 0.000_464, 0.540_302, 0.976_882, 0.998_923, 0.999_95,
            0.999_998, 1.0,
        ];
        let space = [0.841_471, 0.046_399, 0.002_154, 0.540_302, 0.998_923, 0.999_998];
        close(&table[7 * 24..], &[&time[..], &space, &space].concat());
        // Time, row and column each have their own third.
        let table = sincos_3d([2, 2, 2], 24, Shares::Uniform);
        let [column, row, time] = [1, 2, 4].map(|token| &table[token * 24..][..24]);
        assert_eq!((&column[16..], &column[..16]), (&row[8..16], &table[..16]));
        assert_eq!((&row[8..16], &row[..8]), (&time[..8], &table[..8]));
    }

    #[test]
    fn a_table_stretched_along_one_axis_is_what_pytorch_interpolates() {
        // F.interpolate(arange(4.).view(1,1,4,1,1), scale_factor=(1.5,1,1), mode="trilinear"), and (0.5,1,1)
        let run = |from: [usize; 3], to: [usize; 3]| {
            let table = TensorData::new(vec![0.0f32, 10.0, 1.0, 11.0, 2.0, 12.0, 3.0, 13.0], [1, 4, 2]);
            let values = host::read(resample_3d(Tensor::from_data(table, &Device::flex()), from, to)).unwrap();
            values.chunks_exact(2).map(|pair| (pair[0] + pair[1] - 10.0) / 2.0).collect::<Vec<_>>()
        };
        close(&run([4, 1, 1], [6, 1, 1]), &[0.0, 0.5, 1.166_667, 1.833_333, 2.5, 3.0]);
        close(&run([1, 1, 4], [1, 1, 2]), &[0.5, 2.5]);
        close(&run([1, 2, 2], [1, 3, 2]), &[0.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
    }

    #[test]
    fn the_first_half_of_a_code_is_the_column() {
        let table = sincos_2d(4, 4, 32);
        let token = |i: usize| &table[i * 32..(i + 1) * 32];
        for (found, expected) in token(1).iter().zip([0.841_470_98, 0.310_983_59, 0.099_833_42, 0.031_617_51]) {
            assert!((found - expected as f32).abs() < 1e-7);
        }
        assert!(token(1)[16..20].iter().all(|v| *v == 0.0));
        assert_eq!(token(1)[..16], token(4)[16..]);
        assert_eq!(token(1)[16..], token(4)[..16]);
    }
}
