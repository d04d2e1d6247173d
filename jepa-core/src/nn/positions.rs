//! Frozen sin-cos position codes.

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

#[cfg(test)]
mod tests {
    use super::*;

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
