//! Attention on slices, forward and backward, a block of queries at a time.
//!
//! The scores of a block stay in the cache between the product that writes them and the one that reads them. Those of a
//! short sequence wait for the backward pass; of a long one only the maximum and the sum of every row do, and the scores
//! are computed again (Rabe and Staats 2021, arXiv 2112.05682; Dao et al. 2022, arXiv 2205.14135). The gradient of a
//! softmax needs Σ p dp of every row, which is the product of the row's result with its gradient.

use multiversion::multiversion;

use super::products::{Room, View, dense, matmul};
use super::{LANES, add_lanes, exp};

/// Scores of a block, 2 MiB of them.
const CACHED: usize = 1 << 19;

/// Shape of an attention: fused [batch, tokens, 3 heads head].
#[derive(Debug, Clone, Copy)]
pub(in crate::nn) struct AttentionShape {
    pub(in crate::nn) batch: usize,
    pub(in crate::nn) tokens: usize,
    pub(in crate::nn) heads: usize,
    pub(in crate::nn) head: usize,
}

impl AttentionShape {
    fn width(self) -> usize {
        self.heads * self.head
    }

    fn scale(self) -> f32 {
        (self.head as f64).powf(-0.5) as f32
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

    /// Rows of scores, one for every key.
    fn scores(self) -> View {
        View { start: 0, rows: self.tokens, columns: 1 }
    }

    /// Queries whose scores are computed at a time: all of them, unless the scores would leave the cache.
    fn block(self) -> usize {
        (CACHED / self.tokens).clamp(1, self.tokens)
    }

    /// Whether the exponentials of a head, which are one block, wait for the backward pass. It costs a tenth less than
    /// computing them again; of longer sequences they would be most of a step's memory.
    fn keeps_exponentials(self) -> bool {
        self.block() == self.tokens
    }

    fn each(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.batch).flat_map(move |sample| (0..self.heads).map(move |head| (sample, head)))
    }
}

/// What the backward pass of an attention reads: of every row of scores [batch, heads, tokens] its maximum and one over the
/// sum of its exponentials; these themselves, [batch, heads, tokens, tokens], for short sequences.
#[derive(Debug, Clone, Default)]
pub(in crate::nn) struct Kept {
    rows: Vec<[f32; 2]>,
    exponentials: Vec<f32>,
}

/// Rows of `width` become exp(scale * (row - its maximum)); keeps the maximum and one over the sum of every row. Together
/// they are the softmax, which is never written out: what it multiplies is scaled instead.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn exponentials(scores: &mut [f32], width: usize, scale: f32, rows: &mut Vec<[f32; 2]>) {
    for row in scores.chunks_exact_mut(width) {
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
        rows.push([highest, 1.0 / (add_lanes(lanes) + sum)]);
    }
}

/// The exponentials of scores whose rows are known.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn exponentials_again(scores: &mut [f32], width: usize, scale: f32, rows: &[[f32; 2]]) {
    for (row, [highest, _]) in scores.chunks_exact_mut(width).zip(rows) {
        row.iter_mut().for_each(|s| *s = exp((*s - highest) * scale));
    }
}

/// Gradients of scores, from their exponentials e, d = (gradient of probabilities) / sum and the mean of every row:
/// d becomes scale * e (d - mean).
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn score_gradients(e: &[f32], d: &mut [f32], width: usize, scale: f32, means: &[f32]) {
    for ((e, d), mean) in e.chunks_exact(width).zip(d.chunks_exact_mut(width)).zip(means) {
        for (e, d) in e.iter().zip(d) {
            *d = scale * e * (*d - mean);
        }
    }
}

/// softmax(q kᵀ scale) v as [batch, tokens, width], and what a backward pass needs when one is to come.
pub(in crate::nn) fn attention(shape: AttentionShape, qkv: &[f32], keep: bool) -> (Vec<f32>, Kept) {
    let AttentionShape { tokens, head: width, .. } = shape;
    let (block, squares) = (shape.block(), keep && shape.keeps_exponentials());
    let mut out = Room::new(shape.batch * tokens * shape.width());
    let mut scores = Room::new(if squares { shape.batch * shape.heads * tokens * tokens } else { block * tokens });
    let mut rows = Vec::with_capacity(if keep { shape.batch * shape.heads * tokens } else { block });
    for (i, (sample, head)) in shape.each().enumerate() {
        let [q, k, v] = [0, 1, 2].map(|part| shape.part(sample, head, part));
        for start in (0..tokens).step_by(block) {
            let count = block.min(tokens - start);
            let at = if squares { i * tokens * tokens } else { 0 };
            let place = View { start: at, ..shape.scores() };
            let k = k.transposed();
            matmul([count, tokens, width], &mut scores, place, qkv, q.below(start), qkv, k, false);
            // SAFETY: the product has just been written there.
            let e = unsafe { scores.part(at, count * tokens) };
            if !keep {
                rows.clear();
            }
            let first = rows.len();
            exponentials(e, tokens, shape.scale(), &mut rows);
            let view = shape.out(sample, head).below(start);
            matmul([count, width, tokens], &mut out, view, e, shape.scores(), qkv, v, false);
            for (row, [_, inverse]) in rows[first..].iter().enumerate() {
                // SAFETY: the product has just been written there.
                let values = unsafe { out.part(view.start + row * view.rows, width) };
                values.iter_mut().for_each(|v| *v *= inverse);
            }
        }
    }
    // SAFETY: the heads of all samples cover `out`; their squares cover `scores` when it holds all of them.
    unsafe {
        let exponentials = if squares { scores.written() } else { Vec::new() };
        (out.written(), if keep { Kept { rows, exponentials } } else { Kept::default() })
    }
}

/// Gradient of the fused [batch, tokens, 3 width] from the result and its gradient.
pub(in crate::nn) fn attention_backward(
    shape: AttentionShape,
    qkv: &[f32],
    kept: &Kept,
    out: &[f32],
    dout: &[f32],
) -> Vec<f32> {
    let AttentionShape { tokens, head: width, .. } = shape;
    let block = shape.block();
    // Several blocks add to the gradients of keys and values.
    let mut dqkv = if block < tokens { Room::filled(vec![0.0; qkv.len()]) } else { Room::new(qkv.len()) };
    let (mut scores, mut slope) = (Room::new(block * tokens), Room::new(block * tokens));
    let (mut scaled, mut means) = (Vec::with_capacity(block * width), Vec::with_capacity(block));
    let (square, d) = (shape.scores(), dense(width));
    for (i, (sample, head)) in shape.each().enumerate() {
        let [q, k, v] = [0, 1, 2].map(|part| shape.part(sample, head, part));
        for start in (0..tokens).step_by(block) {
            let count = block.min(tokens - start);
            let rows = &kept.rows[i * tokens + start..][..count];
            let (view, q) = (shape.out(sample, head).below(start), q.below(start));
            scaled.clear();
            means.clear();
            for (row, [_, inverse]) in rows.iter().enumerate() {
                let at = view.start + row * view.rows;
                let gradient = dout[at..at + width].iter().map(|d| d * inverse);
                means.push(gradient.clone().zip(&out[at..at + width]).map(|(d, o)| d * o).sum::<f32>());
                scaled.extend(gradient);
            }
            let e = if kept.exponentials.is_empty() {
                matmul([count, tokens, width], &mut scores, square, qkv, q, qkv, k.transposed(), false);
                // SAFETY: the product has just been written there.
                let e = unsafe { scores.part(0, count * tokens) };
                exponentials_again(e, tokens, shape.scale(), rows);
                e
            } else {
                &kept.exponentials[i * tokens * tokens..(i + 1) * tokens * tokens]
            };
            let add = start > 0;
            matmul([tokens, width, count], &mut dqkv, v, e, square.transposed(), &scaled, d, add);
            matmul([count, tokens, width], &mut slope, square, &scaled, d, qkv, v.transposed(), false);
            // SAFETY: the product has just been written there.
            let ds = unsafe { slope.part(0, count * tokens) };
            score_gradients(e, ds, tokens, shape.scale(), &means);
            matmul([count, width, tokens], &mut dqkv, q, ds, square, qkv, k, false);
            matmul([tokens, width, count], &mut dqkv, k, ds, square.transposed(), qkv, q, add);
        }
    }
    // SAFETY: queries, keys and values of all heads and samples cover the fused gradient.
    unsafe { dqkv.written() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results and gradients by the definition, in f64, and the gradient of Σ out dout.
    fn by_definition(shape: AttentionShape, qkv: &[f32], dout: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let (tokens, head, width) = (shape.tokens, shape.head, shape.width());
        let scale = (head as f64).powf(-0.5);
        let (mut out, mut dqkv) = (vec![0.0; dout.len()], vec![0.0; qkv.len()]);
        for (sample, h) in shape.each() {
            let at =
                |part: usize, token: usize, i: usize| ((sample * tokens + token) * 3 + part) * width + h * head + i;
            let of = |part, token, i| f64::from(qkv[at(part, token, i)]);
            for row in 0..tokens {
                let to = |i: usize| (sample * tokens + row) * width + h * head + i;
                let e: Vec<f64> = (0..tokens)
                    .map(|key| ((0..head).map(|i| of(0, row, i) * of(1, key, i)).sum::<f64>() * scale).exp())
                    .collect();
                let sum: f64 = e.iter().sum();
                let p: Vec<f64> = e.iter().map(|e| e / sum).collect();
                let dp: Vec<f64> =
                    (0..tokens).map(|key| (0..head).map(|i| f64::from(dout[to(i)]) * of(2, key, i)).sum()).collect();
                let mean: f64 = p.iter().zip(&dp).map(|(p, d)| p * d).sum();
                for key in 0..tokens {
                    let ds = p[key] * (dp[key] - mean) * scale;
                    for i in 0..head {
                        out[to(i)] += p[key] * of(2, key, i);
                        dqkv[at(2, key, i)] += p[key] * f64::from(dout[to(i)]);
                        dqkv[at(0, row, i)] += ds * of(1, key, i);
                        dqkv[at(1, key, i)] += ds * of(0, row, i);
                    }
                }
            }
        }
        (out, dqkv)
    }

    #[test]
    fn blocks_of_a_long_sequence_give_the_result_and_gradient_of_the_definition() {
        for (tokens, heads, head) in [(61, 2, 24), (725, 1, 8), (1100, 1, 8)] {
            let shape = AttentionShape { batch: 1, tokens, heads, head };
            assert_eq!(shape.keeps_exponentials(), tokens < 700);
            let ramp = |len: usize, k: f32| (0..len).map(|i| (i as f32 * k).sin() * 1.3).collect::<Vec<f32>>();
            let (qkv, dout) = (ramp(tokens * 3 * heads * head, 0.37), ramp(tokens * heads * head, 0.11));
            let (out, kept) = attention(shape, &qkv, true);
            let gradient = attention_backward(shape, &qkv, &kept, &out, &dout);
            let (expected, slope) = by_definition(shape, &qkv, &dout);
            let far =
                |a: &[f32], b: &[f64]| a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(far(&out, &expected) < 2e-6, "{tokens}: {:e}", far(&out, &expected));
            assert!(far(&gradient, &slope) < 5e-6, "{tokens}: {:e}", far(&gradient, &slope));
            assert_eq!(attention(shape, &qkv, false).0, out);
        }
    }
}
