//! The operations of a transformer on slices: forward and backward by hand, one pass each.
//!
//! Sums run over sixteen fixed lanes, so that a result does not depend on which vector registers a machine has.

use gemm::Parallelism;
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

/// Rows of `width` become exp(scale * (row - its maximum)); keeps one over the sum of every row. Together they are the
/// softmax, which is never written out: what it multiplies is scaled instead.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn exponentials(rows: &mut [f32], width: usize, scale: f32, inverse: &mut Vec<f32>) {
    for row in rows.chunks_exact_mut(width) {
        let mut highest = [f32::NEG_INFINITY; LANES];
        let (wide, rest) = row.as_chunks::<LANES>();
        for w in wide {
            for i in 0..LANES {
                highest[i] = if w[i] > highest[i] { w[i] } else { highest[i] };
            }
        }
        let highest = highest.iter().chain(rest).fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        let mut lanes = [0f32; LANES];
        let (wide, rest) = row.as_chunks_mut::<LANES>();
        for w in wide {
            for i in 0..LANES {
                w[i] = exp((w[i] - highest) * scale);
                lanes[i] += w[i];
            }
        }
        let mut sum = 0.0;
        for v in rest {
            *v = exp((*v - highest) * scale);
            sum += *v;
        }
        inverse.push(1.0 / (add_lanes(lanes) + sum));
    }
}

/// Gradients of scores, from exponentials e, one over their sums, and d = (gradient of probabilities) / sum: d becomes
/// scale * e (d - Σ e d / sum).
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn exponentials_backward(e: &[f32], inverse: &[f32], d: &mut [f32], width: usize, scale: f32) {
    for ((e, d), inverse) in e.chunks_exact(width).zip(d.chunks_exact_mut(width)).zip(inverse) {
        let mut lanes = [0f32; LANES];
        let (wide_e, rest_e) = e.as_chunks::<LANES>();
        let (wide_d, rest_d) = d.as_chunks::<LANES>();
        for (e, d) in wide_e.iter().zip(wide_d) {
            for i in 0..LANES {
                lanes[i] += e[i] * d[i];
            }
        }
        let dot = add_lanes(lanes) + rest_e.iter().zip(rest_d).map(|(e, d)| e * d).sum::<f32>();
        let mean = dot * inverse;
        for (e, d) in e.iter().zip(d) {
            *d = scale * e * (*d - mean);
        }
    }
}

/// A matrix inside a slice: element (row, column) lies at `start + row * rows + column * columns`.
#[derive(Clone, Copy)]
struct View {
    start: usize,
    rows: usize,
    columns: usize,
}

impl View {
    fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, ..self }
    }

    fn last(self, rows: usize, columns: usize) -> usize {
        self.start + (rows - 1) * self.rows + (columns - 1) * self.columns
    }
}

/// A vector that a matrix product is written into before anything else is read from it.
pub(super) struct Room {
    values: Vec<f32>,
    len: usize,
}

impl Room {
    /// Room for `len` values, without writing any.
    pub(super) fn new(len: usize) -> Self {
        Self { values: Vec::with_capacity(len), len }
    }

    /// A vector whose values products are added to.
    pub(super) fn filled(values: Vec<f32>) -> Self {
        Self { len: values.len(), values }
    }

    /// Appends values that products are added to.
    fn extend<'a>(&mut self, parts: impl Iterator<Item = &'a [f32]>) {
        parts.for_each(|part| self.values.extend_from_slice(part));
        self.len = self.values.len();
    }

    /// Appends rows, each with `bias` added.
    fn extend_sums(&mut self, rows: &[f32], bias: &[f32]) {
        for row in rows.chunks_exact(bias.len()) {
            self.values.extend(row.iter().zip(bias).map(|(a, b)| a + b));
        }
        self.len = self.values.len();
    }

    /// The values.
    ///
    /// # Safety
    /// Products must have been written over the whole room.
    unsafe fn written(mut self) -> Vec<f32> {
        // SAFETY: `len` is within the capacity, and the caller has written every value.
        unsafe { self.values.set_len(self.len) };
        self.values
    }

    /// Values already written by a product.
    ///
    /// # Safety
    /// A product must have been written over `start..start + len`.
    unsafe fn part(&mut self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.len, "the part lies in the room");
        // SAFETY: within the capacity, written by the caller, and borrowed with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_mut_ptr().add(start), len) }
    }
}

/// dst[m, n] = lhs[m, k] rhs[k, n], added to what is there with `add`.
#[allow(clippy::too_many_arguments)]
fn matmul([m, n, k]: [usize; 3], dst: &mut Room, d: View, lhs: &[f32], l: View, rhs: &[f32], r: View, add: bool) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(
        d.last(m, n) < dst.len && l.last(m, k) < lhs.len() && r.last(k, n) < rhs.len(),
        "views lie in their slices"
    );
    assert!(!add || dst.values.len() == dst.len, "a product is added to written values only");
    // SAFETY: the largest offset of every view was checked above and offsets are not negative; `dst` is borrowed mutably,
    // so that it overlaps neither operand; without `add` gemm does not read it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.values.as_mut_ptr().add(d.start),
            d.columns as isize,
            d.rows as isize,
            add,
            lhs.as_ptr().add(l.start),
            l.columns as isize,
            l.rows as isize,
            rhs.as_ptr().add(r.start),
            r.columns as isize,
            r.rows as isize,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn dense(columns: usize) -> View {
    View { start: 0, rows: columns, columns: 1 }
}

/// x[rows, inputs] weight[inputs, outputs], and the bias when there is one; added to `onto` when that is given.
pub(super) fn linear(
    x: &[f32],
    weight: &[f32],
    outputs: usize,
    bias: Option<&[f32]>,
    onto: Option<&[f32]>,
) -> Vec<f32> {
    /// Rows whose results stay in the cache between what they begin with and the product.
    const BLOCK: usize = 512;
    let inputs = weight.len() / outputs;
    let rows = x.len() / inputs;
    let (input, output) = (dense(inputs), dense(outputs));
    if bias.is_none() && onto.is_none() {
        let mut y = Room::new(rows * outputs);
        matmul([rows, outputs, inputs], &mut y, output, x, input, weight, output, false);
        // SAFETY: the product covers rows x outputs.
        return unsafe { y.written() };
    }
    let mut y = Room::filled(Vec::with_capacity(rows * outputs));
    for start in (0..rows).step_by(BLOCK) {
        let count = BLOCK.min(rows - start);
        let first = onto.map(|onto| &onto[start * outputs..(start + count) * outputs]);
        match (first, bias) {
            (Some(first), Some(bias)) => y.extend_sums(first, bias),
            (Some(first), None) => y.extend(std::iter::once(first)),
            (None, bias) => y.extend(bias.into_iter().flat_map(|bias| std::iter::repeat_n(bias, count))),
        }
        let (at, from) = (View { start: start * outputs, ..output }, View { start: start * inputs, ..input });
        matmul([count, outputs, inputs], &mut y, at, x, from, weight, output, true);
    }
    y.values
}

/// Gradients of input and weight of [`linear`]; that of the input only when it is asked for. That of the bias is
/// [`column_sums`].
pub(super) fn linear_backward(
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    outputs: usize,
    input: bool,
) -> (Option<Vec<f32>>, Vec<f32>) {
    let inputs = weight.len() / outputs;
    let rows = dy.len() / outputs;
    let (flat, across) = (dense(outputs), dense(outputs).transposed());
    let dx = input.then(|| {
        let mut dx = Room::new(rows * inputs);
        matmul([rows, inputs, outputs], &mut dx, dense(inputs), dy, flat, weight, across, false);
        // SAFETY: the product covers rows x inputs.
        unsafe { dx.written() }
    });
    let mut dweight = Room::new(inputs * outputs);
    matmul([inputs, outputs, rows], &mut dweight, flat, x, dense(inputs).transposed(), dy, flat, false);
    // SAFETY: the product covers inputs x outputs.
    (dx, unsafe { dweight.written() })
}

/// The sum of all rows of `width`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0f32; width];
    for row in rows.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    }
    sum
}

/// Shape of an attention: fused [batch, tokens, 3 heads head].
#[derive(Debug, Clone, Copy)]
pub(super) struct AttentionShape {
    pub(super) batch: usize,
    pub(super) tokens: usize,
    pub(super) heads: usize,
    pub(super) head: usize,
}

impl AttentionShape {
    fn width(self) -> usize {
        self.heads * self.head
    }

    fn scale(self) -> f32 {
        (self.head as f64).powf(-0.5) as f32
    }

    /// Values of all probabilities: [batch, heads, tokens, tokens].
    pub(super) fn probabilities(self) -> usize {
        self.batch * self.heads * self.tokens * self.tokens
    }

    /// Queries (0), keys (1) or values (2) of one head.
    fn part(self, sample: usize, head: usize, part: usize) -> View {
        let row = 3 * self.width();
        View { start: sample * self.tokens * row + part * self.width() + head * self.head, rows: row, columns: 1 }
    }

    /// The head's part of the result.
    fn out(self, sample: usize, head: usize) -> View {
        View { start: sample * self.tokens * self.width() + head * self.head, rows: self.width(), columns: 1 }
    }

    fn square(self, at: usize) -> View {
        View { start: at, rows: self.tokens, columns: 1 }
    }

    fn each(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.batch).flat_map(move |sample| (0..self.heads).map(move |head| (sample, head)))
    }
}

/// What the backward pass of an attention reads: exponentials [batch, heads, tokens, tokens], one over their sums.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    exponentials: Vec<f32>,
    inverse: Vec<f32>,
}

/// softmax(q kᵀ scale) v as [batch, tokens, width], and what a backward pass needs when one is to come.
pub(super) fn attention(shape: AttentionShape, qkv: &[f32], keep: bool) -> (Vec<f32>, Kept) {
    let AttentionShape { tokens, head: width, .. } = shape;
    let size = tokens * tokens;
    let mut out = Room::new(shape.batch * tokens * shape.width());
    let mut kept = Room::new(if keep { shape.probabilities() } else { size });
    let mut inverse = Vec::with_capacity(if keep { shape.probabilities() / tokens } else { tokens });
    for (i, (sample, head)) in shape.each().enumerate() {
        let at = if keep { i * size } else { 0 };
        let [q, k, v] = [0, 1, 2].map(|part| shape.part(sample, head, part));
        matmul([tokens, tokens, width], &mut kept, shape.square(at), qkv, q, qkv, k.transposed(), false);
        // SAFETY: the product has just been written there.
        let e = unsafe { kept.part(at, size) };
        if !keep {
            inverse.clear();
        }
        let first = inverse.len();
        exponentials(e, tokens, shape.scale(), &mut inverse);
        let view = shape.out(sample, head);
        matmul([tokens, width, tokens], &mut out, view, e, shape.square(0), qkv, v, false);
        for (row, inverse) in inverse[first..].iter().enumerate() {
            // SAFETY: the product has just been written there.
            let values = unsafe { out.part(view.start + row * view.rows, width) };
            values.iter_mut().for_each(|v| *v *= inverse);
        }
    }
    // SAFETY: the heads of all samples cover `out`; their squares cover `kept` when it holds all of them.
    unsafe { (out.written(), if keep { Kept { exponentials: kept.written(), inverse } } else { Kept::default() }) }
}

/// Gradient of the fused [batch, tokens, 3 width] from that of the result.
pub(super) fn attention_backward(shape: AttentionShape, qkv: &[f32], kept: &Kept, dout: &[f32]) -> Vec<f32> {
    let AttentionShape { tokens, head: width, .. } = shape;
    let size = tokens * tokens;
    let mut dqkv = Room::new(qkv.len());
    let mut slope = Room::new(size);
    let mut scaled = Vec::with_capacity(tokens * width);
    for (i, (sample, head)) in shape.each().enumerate() {
        let [q, k, v] = [0, 1, 2].map(|part| shape.part(sample, head, part));
        let (e, inverse) = (&kept.exponentials[i * size..(i + 1) * size], &kept.inverse[i * tokens..(i + 1) * tokens]);
        let (out, square) = (shape.out(sample, head), shape.square(0));
        scaled.clear();
        for (row, inverse) in inverse.iter().enumerate() {
            let start = out.start + row * out.rows;
            scaled.extend(dout[start..start + width].iter().map(|d| d * inverse));
        }
        let d = dense(width);
        matmul([tokens, width, tokens], &mut dqkv, v, e, square.transposed(), &scaled, d, false);
        matmul([tokens, tokens, width], &mut slope, square, &scaled, d, qkv, v.transposed(), false);
        // SAFETY: the product has just been written there.
        let ds = unsafe { slope.part(0, size) };
        exponentials_backward(e, inverse, ds, tokens, shape.scale());
        matmul([tokens, width, tokens], &mut dqkv, q, ds, square, qkv, k, false);
        matmul([tokens, width, tokens], &mut dqkv, k, ds, square.transposed(), qkv, q, false);
    }
    // SAFETY: queries, keys and values of all heads and samples cover the fused gradient.
    unsafe { dqkv.written() }
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
