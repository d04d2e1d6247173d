//! Rotary positions on a grid of times, rows and columns: queries and keys are turned by angles that grow with the place.
//!
//! A head is cut into three equal parts of d = 2 ⌊⌊head width / 3⌋ / 2⌋ channels, for time, row and column; what is left
//! at its end keeps still. Within a part, neighbouring channels are a pair, and pair k turns with the frequency
//! 10000^(−k / (d / 2)).

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::prelude::*;
use burn_flex::FlexTensor;
use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kernels::{Tracked, is_here, owned, plain, shaped, tracked};
use crate::masks::Mask;

/// Which angle a channel turns by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RotaryForm {
    /// Channel j has frequency j mod d/2, so that the two of a pair turn by different angles and lengths change: what
    /// the released V-JEPA 2 weights were trained with.
    Tiled,
    /// The two channels of a pair have one frequency: a rotation (V-JEPA 2.1).
    Paired,
}

/// Rotary positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotaryConfig {
    /// Which angle a channel turns by.
    pub form: RotaryForm,
    /// Tokens along a side of the grid that rows and columns are stretched to, so that a larger picture has the same
    /// places in finer steps (V-JEPA 2.1: 16 for patches of 16 pixels); absent: places are whole numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch_to: Option<usize>,
}

/// Angles of every place along each axis of a grid, for heads of one width.
#[derive(Debug, Clone)]
pub struct Rotary {
    /// times, rows, columns
    grid: [usize; 3],
    /// d
    part: usize,
    /// Cosines and signed sines of each axis, [places, d].
    axes: [[Vec<f32>; 2]; 3],
}

impl Rotary {
    /// Angles on a grid of (times, rows, columns) for heads of `head` channels.
    pub fn new(config: &RotaryConfig, grid: [usize; 3], head: usize) -> Self {
        let part = head / 3 / 2 * 2;
        let half = part / 2;
        let axes = [0, 1, 2].map(|axis| {
            // Time is never stretched; a side of one token, where the official code divides by nothing, is not either.
            let scale = match config.stretch_to {
                Some(side) if axis > 0 && grid[axis] > 1 => (side.max(1) - 1) as f64 / (grid[axis] - 1) as f64,
                _ => 1.0,
            };
            let mut table = [Vec::new(), Vec::new()];
            for place in 0..grid[axis] {
                for channel in 0..part {
                    let frequency = match config.form {
                        RotaryForm::Tiled => channel % half,
                        RotaryForm::Paired => channel / 2,
                    };
                    let angle = place as f64 * scale * 10_000f64.powf(-(frequency as f64) / half as f64);
                    let sign = if channel % 2 == 0 { -1.0 } else { 1.0 };
                    table[0].push(angle.cos() as f32);
                    table[1].push((sign * angle.sin()) as f32);
                }
            }
            table
        });
        Self { grid, part, axes }
    }

    /// The turns of all tokens in their order, the same for every sample.
    pub fn all(&self) -> Rotation {
        let ids: Vec<u32> = (0..self.grid.iter().product::<usize>() as u32).collect();
        self.rotation(1, [ids.as_slice()].into_iter())
    }

    /// The turns of all tokens with `conditions` more before those of every time, such as actions: these turn with the time
    /// alone.
    pub fn conditioned(&self, conditions: usize) -> Rotation {
        let plain = self.all();
        let [times, rows, columns] = self.grid;
        let frame = rows * columns * plain.width;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for time in 0..times {
            let at = time * self.part..(time + 1) * self.part;
            for _ in 0..conditions {
                cos.extend_from_slice(&self.axes[0][0][at.clone()]);
                sin.extend_from_slice(&self.axes[0][1][at.clone()]);
                cos.extend(std::iter::repeat_n(1.0, 2 * self.part));
                sin.extend(std::iter::repeat_n(0.0, 2 * self.part));
            }
            cos.extend_from_slice(&plain.cos[time * frame..(time + 1) * frame]);
            sin.extend_from_slice(&plain.sin[time * frame..(time + 1) * frame]);
        }
        let tokens = times * (conditions + rows * columns);
        Rotation { cos: cos.into(), sin: sin.into(), samples: 1, tokens, width: plain.width }
    }

    /// The turns of the tokens that `masks` name, one mask behind the other; every sample has its own.
    pub fn of(&self, masks: &[&Mask]) -> Rotation {
        let samples = masks.first().map_or(0, |mask| mask.batch());
        self.rotation(samples, (0..samples).flat_map(|sample| masks.iter().map(move |mask| mask.row(sample))))
    }

    fn rotation<'a>(&self, samples: usize, ids: impl Iterator<Item = &'a [u32]>) -> Rotation {
        let [_, rows, columns] = self.grid;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for id in ids.flatten().map(|id| *id as usize) {
            for (axis, place) in [id / (rows * columns), id / columns % rows, id % columns].into_iter().enumerate() {
                let at = place * self.part..(place + 1) * self.part;
                cos.extend_from_slice(&self.axes[axis][0][at.clone()]);
                sin.extend_from_slice(&self.axes[axis][1][at]);
            }
        }
        let width = 3 * self.part;
        let tokens = cos.len() / (samples * width).max(1);
        Rotation { cos: cos.into(), sin: sin.into(), samples, tokens, width }
    }
}

/// Turns of the tokens of a batch: y_j = cos_j x_j + sin_j x_{j's partner}, the sines signed.
#[derive(Debug, Clone)]
pub struct Rotation {
    cos: Arc<[f32]>,
    sin: Arc<[f32]>,
    /// 1 when all samples have the same places.
    samples: usize,
    tokens: usize,
    /// Channels of a head that turn.
    width: usize,
}

impl Rotation {
    /// Turns queries and keys of a fused [batch, tokens, 3 width]; values stay. In one pass, in place where nobody else
    /// holds the tensor.
    pub fn turn(&self, qkv: Tensor<3>, heads: usize) -> Tensor<3> {
        if self.width == 0 {
            return qkv;
        }
        let again = qkv.clone();
        let here = match (is_here(&qkv), qkv.is_autodiff()) {
            (false, _) => None,
            (true, true) => tracked(qkv).map(Here::Tracked),
            (true, false) => plain(qkv).map(Here::Plain),
        };
        let Some(here) = here else { return self.composed(again, heads) };
        // The clone holds the values too: it must go before they are turned in place.
        drop(again);
        match here {
            Here::Plain(qkv) => Tensor::from_primitive::<Flex>(self.apply(qkv, heads, false)),
            Here::Tracked(qkv) => self.tracked(qkv, heads),
        }
    }

    fn apply(&self, x: FlexTensor, heads: usize, back: bool) -> FlexTensor {
        let shape = x.layout().shape().clone();
        let fused = shape[2];
        let mut values = owned(x);
        turn(&mut values, fused, heads, self, back);
        shaped(values, shape)
    }

    fn tracked(&self, qkv: Tracked, heads: usize) -> Tensor<3> {
        #[derive(Debug)]
        struct TurnBackward;

        impl Backward<Flex, 1> for TurnBackward {
            type State = (Rotation, usize);

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (rotation, heads) = ops.state;
                let [node] = ops.parents;
                let gradient = rotation.apply(grads.consume::<Flex>(&ops.node), heads, true);
                if let Some(node) = node {
                    grads.register::<Flex>(node.id, gradient);
                }
            }
        }

        let (values, node) = qkv.into_parts();
        let prepared = TurnBackward.prepare::<NoCheckpointing>([node]).compute_bound().stateful();
        let turned = self.apply(values, heads, false);
        let turned = match prepared {
            OpsKind::Tracked(prep) => prep.finish((self.clone(), heads), turned),
            OpsKind::UnTracked(prep) => prep.finish(turned),
        };
        Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(turned)
    }

    fn composed(&self, qkv: Tensor<3>, heads: usize) -> Tensor<3> {
        let [batch, tokens, fused] = qkv.dims();
        let (width, device) = (fused / 3, qkv.device());
        let head = width / heads;
        let table = |values: &Arc<[f32]>| {
            let data = TensorData::new(values.to_vec(), [self.samples, self.tokens, 1, self.width]);
            Tensor::<4>::from_data(data, &device)
        };
        let turned = qkv.clone().narrow(2, 0, 2 * width).reshape([batch, tokens, 2 * heads, head]);
        let still = turned.clone().slice(s![.., .., .., self.width..]);
        let x = turned.narrow(3, 0, self.width);
        let partners = x.clone().reshape([batch, tokens, 2 * heads, self.width / 2, 2]).flip([4]);
        let partners: Tensor<4> = partners.reshape([batch, tokens, 2 * heads, self.width]);
        let x = x * table(&self.cos) + partners * table(&self.sin);
        let x = if self.width < head { Tensor::cat(vec![x, still], 3) } else { x };
        Tensor::cat(vec![x.reshape([batch, tokens, 2 * width]), qkv.narrow(2, 2 * width, width)], 2)
    }
}

/// Values of a tensor in host memory.
enum Here {
    Plain(FlexTensor),
    Tracked(Tracked),
}

/// Turns queries and keys of a fused [batch, tokens, fused] in place; `back` applies the transposed map, the gradient's.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn turn(values: &mut [f32], fused: usize, heads: usize, rotation: &Rotation, back: bool) {
    let head = fused / 3 / heads;
    let &Rotation { width, tokens, samples, .. } = rotation;
    let places = samples * tokens;
    for (token, row) in values.chunks_exact_mut(fused).enumerate() {
        let at = token % places * width;
        let (cos, _) = rotation.cos[at..at + width].as_chunks::<2>();
        let (sin, _) = rotation.sin[at..at + width].as_chunks::<2>();
        for part in row[..fused / 3 * 2].chunks_exact_mut(head) {
            let (pairs, _) = part[..width].as_chunks_mut::<2>();
            for ((x, c), s) in pairs.iter_mut().zip(cos).zip(sin) {
                let [a, b] = *x;
                let [to_a, to_b] = if back { [s[1], s[0]] } else { *s };
                *x = [c[0] * a + to_a * b, c[1] * b + to_b * a];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    fn ramp(shape: [usize; 3]) -> Tensor<3> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.37).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// One head of 60 channels whose first part, at time 3, is 0, 0.1, .. 1.9.
    fn unit(form: RotaryForm) -> Vec<f32> {
        let rotary = Rotary::new(&RotaryConfig { form, stretch_to: None }, [4, 1, 1], 60);
        let mut values = vec![0f32; 4 * 180];
        (0..20).for_each(|j| values[3 * 180 + j] = j as f32 / 10.0);
        let x = Tensor::from_data(TensorData::new(values, [1, 4, 180]), &Device::flex());
        host::read(rotary.all().turn(x, 1)).unwrap()[3 * 180..][..20].to_vec()
    }

    #[test]
    fn both_forms_give_the_recorded_turns_and_only_the_paired_one_keeps_lengths() {
        let tiled = [
            -0.014_112, 0.036_764, 0.040_489, 0.332_273, 0.361_222, 0.511_773, 0.591_597, 0.702_845, 0.798_295,
            0.900_603, -1.145_225, 1.334_375, 0.471_813, 1.502_571, 1.283_099, 1.541_319, 1.579_583, 1.707_588,
            1.796_4, 1.901_356,
        ];
        let paired = [
            -0.014_112, -0.098_999, -0.205_461, 0.296_287, 0.126_754, 0.627_641, 0.457_572, 0.800_392, 0.729_973,
            0.957_674, 0.966_555, 1.129_501, 1.184_389, 1.314_239, 1.392_852, 1.506_64, 1.596_779, 1.703_026,
            1.798_568, 1.901_356,
        ];
        for (form, expected, norm) in [(RotaryForm::Tiled, tiled, 4.964_464), (RotaryForm::Paired, paired, 4.969_909)] {
            let found = unit(form);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-6, "{form:?}: {found}, expected {expected}");
            }
            let length = found.iter().map(|v| v * v).sum::<f32>().sqrt();
            assert!((length - norm).abs() < 1e-5, "{form:?}: {length}");
        }
    }

    #[test]
    fn the_pass_over_slices_gives_the_numbers_and_gradients_of_burns_operations() {
        let mask = |rows: [Vec<u32>; 2]| Mask::new(&rows, 24).unwrap();
        let (seen, hidden) = (mask([vec![0, 7, 9], vec![3, 4, 23]]), mask([vec![1, 2], vec![20, 5]]));
        for form in [RotaryForm::Tiled, RotaryForm::Paired] {
            for (heads, head) in [(2, 24), (3, 16), (1, 32), (2, 27)] {
                let rotary = Rotary::new(&RotaryConfig { form, stretch_to: Some(5) }, [2, 3, 4], head);
                for rotation in [rotary.all(), rotary.of(&[&seen, &hidden])] {
                    let shape = [2, rotation.tokens, 3 * heads * head];
                    let x = ramp(shape).autodiff().require_grad();
                    let (a, b) = (rotation.turn(x.clone(), heads), rotation.composed(x.clone(), heads));
                    let plain = rotation.turn(x.clone().inner(), heads);
                    let far = |a: Tensor<3>, b: Tensor<3>| host::scalar((a - b).abs().max()).unwrap();
                    assert!(far(a.clone().inner(), b.clone().inner()) < 1e-6);
                    assert_eq!(far(a.clone().inner(), plain), 0.0);
                    assert_eq!(far(x.clone().inner(), ramp(shape)), 0.0, "the input was overwritten");
                    let slope = ramp(shape) * 0.7 + 0.2;
                    let (ga, gb) = ((a * slope.clone()).sum().backward(), (b * slope).sum().backward());
                    assert!(far(x.grad(&ga).unwrap(), x.grad(&gb).unwrap()) < 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_finer_grid_stretched_has_the_places_of_the_coarse_one() {
        let config = RotaryConfig { form: RotaryForm::Paired, stretch_to: Some(3) };
        let (coarse, fine) = (Rotary::new(&config, [1, 3, 3], 24), Rotary::new(&config, [1, 5, 5], 24));
        for axis in [1, 2] {
            for (table, other) in coarse.axes[axis].iter().zip(&fine.axes[axis]) {
                for place in 0..3 {
                    assert!((table[place * 8] - other[2 * place * 8]).abs() < 1e-6, "axis {axis}, place {place}");
                }
            }
        }
    }
}
