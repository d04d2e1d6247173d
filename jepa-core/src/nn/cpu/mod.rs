//! The operations of a transformer on slices: forward and backward by hand, one pass each.
//!
//! Sums run over sixteen fixed lanes, so that a result does not depend on which vector registers a machine has.

mod attention;
mod products;

pub(super) use attention::{AttentionShape, Kept, attention, attention_backward};
pub(super) use products::{column_sums, linear, linear_backward};

use multiversion::multiversion;

const LANES: usize = 16;

fn add_lanes(lanes: [f32; LANES]) -> f32 {
    lanes.iter().sum()
}

/// Coefficients from the highest power down. A fused multiply-add rounds alike on every machine.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[0];
    for c in &coefficients[1..] {
        sum = sum.mul_add(x, *c);
    }
    sum
}

/// exp for arguments up to 88; relative error below 2e-7, 0 below -87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; adding and taking away 1.5 * 2^23 rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let n = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = n - ROUND;
    let r = whole.mul_add(2.121_944_4e-4, whole.mul_add(-0.693_359_4, x));
    let p = polynomial([1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0], r);
    p * f32::from_bits((n.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// The error function, to 4e-7: x P(x²) / Q(x²) on [-3.83, 3.83], where it has reached ±1 in f32.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const END: f32 = 3.832_507;
    let x = x.clamp(-END, END);
    let z = x * x;
    let p = [2.290_506_5e-4, 3.408_291e-3, 5.095_569_5e-2, 0.185_208_32, std::f32::consts::FRAC_2_SQRT_PI];
    let q = [-1.179_160_3e-7, 2.354_796_6e-5, 1.017_962_5e-3, 1.407_047e-2, 0.110_985_05, 0.497_469_25, 1.0];
    x * polynomial(p, z) / polynomial(q, z)
}

/// y = x Φ(x).
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn gelu(x: &[f32], y: &mut Vec<f32>) {
    let one = |x: f32| 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
    // Whole arrays at a time: a closure inside `extend` would not be compiled for this function's registers.
    let (wide, rest) = x.as_chunks::<64>();
    for x in wide {
        let mut block = [0f32; 64];
        for i in 0..64 {
            block[i] = one(x[i]);
        }
        y.extend_from_slice(&block);
    }
    y.extend(rest.iter().map(|x| one(*x)));
}

/// dy becomes dx = dy (Φ(x) + x φ(x)).
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn gelu_backward(x: &[f32], dy: &mut [f32]) {
    const PHI: f32 = 0.398_942_3;
    for (x, d) in x.iter().zip(dy) {
        let cdf = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
        *d *= cdf + x * PHI * exp(-0.5 * x * x);
    }
}

/// Rows of `width`: y = (x - mean) / sqrt(var + eps) * weight + bias; keeps mean and 1 / sqrt(var + eps) of every row.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    y: &mut Vec<f32>,
    kept: &mut Vec<[f32; 2]>,
) {
    let width = weight.len();
    let mut row = vec![0f32; width];
    for x in x.chunks_exact(width) {
        let mut lanes = [0f32; LANES];
        let (wide, rest) = x.as_chunks::<LANES>();
        for w in wide {
            for i in 0..LANES {
                lanes[i] += w[i];
            }
        }
        let mean = (add_lanes(lanes) + rest.iter().sum::<f32>()) / width as f32;
        let mut lanes = [0f32; LANES];
        for w in wide {
            for i in 0..LANES {
                let d = w[i] - mean;
                lanes[i] += d * d;
            }
        }
        let squares = add_lanes(lanes) + rest.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>();
        let scale = 1.0 / (squares / width as f32 + eps).sqrt();
        for (((y, x), w), b) in row.iter_mut().zip(x).zip(weight).zip(bias) {
            *y = (x - mean) * scale * w + b;
        }
        y.extend_from_slice(&row);
        kept.push([mean, scale]);
    }
}

/// dy becomes dx; adds to the gradients of weight and bias.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn layer_norm_backward(
    x: &[f32],
    weight: &[f32],
    kept: &[[f32; 2]],
    dy: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let width = weight.len();
    for ((x, dy), [mean, scale]) in x.chunks_exact(width).zip(dy.chunks_exact_mut(width)).zip(kept) {
        let (mut sums, mut products) = ([0f32; LANES], [0f32; LANES]);
        let (mut sum, mut product) = (0f32, 0f32);
        let whole = width / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            for i in 0..LANES {
                let at = start + i;
                let g = dy[at] * weight[at];
                sums[i] += g;
                products[i] += g * ((x[at] - mean) * scale);
            }
        }
        for at in whole..width {
            let g = dy[at] * weight[at];
            sum += g;
            product += g * ((x[at] - mean) * scale);
        }
        let sum = (add_lanes(sums) + sum) / width as f32;
        let product = (add_lanes(products) + product) / width as f32;
        for ((((d, x), w), dw), db) in dy.iter_mut().zip(x).zip(weight).zip(dweight.iter_mut()).zip(dbias.iter_mut()) {
            let unit = (x - mean) * scale;
            *dw += *d * unit;
            *db += *d;
            *d = scale * (*d * w - sum - unit * product);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function by its series, in f64.
    fn series(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn exp_and_erf_are_exact_to_single_precision() {
        let (mut worst_exp, mut worst_erf) = (0f64, 0f64);
        for i in -40_000..=40_000 {
            let x = i as f32 * 1e-4;
            worst_erf = worst_erf.max((f64::from(erf(x)) - series(f64::from(x))).abs());
            let y = x * 21.0;
            worst_exp = worst_exp.max((f64::from(exp(y)) / f64::from(y).exp() - 1.0).abs());
        }
        assert!(worst_erf < 4e-7, "erf {worst_erf:e}");
        assert!(worst_exp < 3e-7, "exp {worst_exp:e}");
        assert_eq!((exp(0.0), erf(0.0)), (1.0, 0.0));
        assert!(exp(-200.0) < 1e-37 && erf(9.0) > 0.999_999);
    }
}
