//! The predictor: from the visible tokens and a place to what the target encoder would say there.

use burn::module::{Module, Param};
use burn::prelude::*;
use jepa_core::masks::{Mask, MaskSet, gather_table};
use jepa_core::nn::{Block, BlockConfig, Init, LayerNorm, Linear, PredictorConfig, gelu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::places::Places;
use super::{Layout, PlaceConfig};

/// What a predictor is made of, beside its size.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictorParts {
    /// How it knows where a token is.
    pub places: PlaceConfig,
    /// The grid of its table: times, rows, columns.
    pub grid: [usize; 3],
    /// Width of one level of the encoder.
    pub encoder_width: usize,
    /// Levels of the encoder that it reads.
    pub levels: usize,
    /// Values it predicts for a token: levels times the width of the target encoder.
    pub out: usize,
    /// Epsilon of the layer norms.
    pub eps: f64,
    /// Learned vectors that can stand for an unknown token.
    pub mask_tokens: usize,
    /// Which of them does: always this one, or that of the mask generator's number.
    pub mask_token: Option<usize>,
    /// Learned vectors for pictures and clips.
    pub modes: bool,
    /// The loss on visible tokens, with a head for it.
    pub context: Option<ContextConfig>,
}

/// A loss on the visible tokens too (V-JEPA 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextConfig {
    /// Its weight once it is warm (V-JEPA 2.1: 0.5).
    pub weight: f64,
    /// Steps before its linear warm-up from 0 and at its end (V-JEPA 2.1: 15,000 and 30,000; in the cooldown 0 and 0: none).
    pub warmup: [u64; 2],
    /// Weight each token by 1 / sqrt of its distance to the nearest hidden one (V-JEPA 2.1: in pre-training).
    pub by_distance: bool,
}

/// Narrow transformer over context tokens and mask tokens.
#[derive(Module, Debug)]
pub struct VideoPredictor {
    /// All levels of the encoder to the width of one; the official code has this map in `predictor_embed.0`.
    pub predictor_fuse: Option<Linear>,
    /// Encoder width to predictor width.
    pub predictor_embed: Linear,
    /// What can stand for an unknown token, [1, 1, width] each.
    pub mask_tokens: Vec<Param<Tensor<3>>>,
    /// Added to every token of a single picture, [1, 1, width].
    pub img_mod_embed: Option<Param<Tensor<3>>>,
    /// Added to every token of a clip, [1, 1, width].
    pub video_mod_embed: Option<Param<Tensor<3>>>,
    /// Frozen position codes of the predictor's width, [1, tokens, width].
    pub predictor_pos_embed: Option<Param<Tensor<3>>>,
    /// The transformer.
    pub predictor_blocks: Vec<Block>,
    /// After the last block.
    pub predictor_norm: LayerNorm,
    /// To the width of the targets.
    pub predictor_proj: Linear,
    /// The same for visible tokens.
    pub predictor_proj_context: Option<Linear>,
    #[module(skip)]
    places: Places,
    #[module(skip)]
    mask_token: Option<usize>,
    #[module(skip)]
    context: Option<ContextConfig>,
}

impl VideoPredictor {
    /// A predictor with weights from `init`; mask tokens begin as zeros.
    pub fn new(init: &mut Init, config: &PredictorConfig, parts: &PredictorParts) -> Self {
        let &PredictorConfig { width, depth, heads } = config;
        let block = BlockConfig { width, heads, hidden: 4 * width, eps: parts.eps };
        let places = Places::new(parts.places, parts.grid, width, heads);
        let fuse =
            (parts.levels > 1).then(|| Linear::new(init, parts.levels * parts.encoder_width, parts.encoder_width));
        let modes = parts.modes.then(|| (init.faint_token(width), init.faint_token(width)));
        let (img_mod_embed, video_mod_embed) = modes.map_or((None, None), |(a, b)| (Some(a), Some(b)));
        Self {
            predictor_fuse: fuse,
            predictor_embed: Linear::new(init, parts.encoder_width, width),
            mask_tokens: (0..parts.mask_tokens.max(1)).map(|_| init.zero_token(width)).collect(),
            img_mod_embed,
            video_mod_embed,
            predictor_pos_embed: places.parameter(init),
            predictor_blocks: (1..=depth).map(|layer| Block::new(init, block, layer)).collect(),
            predictor_norm: LayerNorm::new(init, width, parts.eps),
            predictor_proj: Linear::new(init, width, parts.out),
            predictor_proj_context: parts.context.map(|_| Linear::new(init, width, parts.out)),
            places,
            mask_token: parts.mask_token,
            context: parts.context,
        }
    }

    /// Predicts the hidden tokens from the visible ones, row by row: `context` is [rows, kept, levels * encoder width],
    /// the result [rows, hidden, values of a target] and, with a context head, [rows, kept, the same].
    pub fn forward(
        &self,
        context: Tensor<3>,
        layout: Layout,
        visible: &Mask,
        hidden: &Mask,
        generator: usize,
    ) -> (Tensor<3>, Option<Tensor<3>>) {
        let [rows, kept, _] = context.dims();
        let context = match &self.predictor_fuse {
            Some(fuse) => gelu(fuse.forward(context)),
            None => context,
        };
        let context = self.predictor_embed.forward(context);
        let number = self.mask_token.unwrap_or(generator) % self.mask_tokens.len();
        let token = self.mask_tokens[number].val();
        let width = token.dims()[2];
        let queries = token.expand([rows, hidden.len(), width]);
        let (context, queries) = match self.places.table(self.predictor_pos_embed.as_ref(), layout) {
            Some(table) => {
                let of = |mask: &Mask| gather_table(table.clone(), std::slice::from_ref(mask));
                (context + of(visible), queries + of(hidden))
            }
            None => (context, queries),
        };
        let x = Tensor::cat(vec![context, queries], 1);
        let mode = if layout.picture { &self.img_mod_embed } else { &self.video_mod_embed };
        let x = match mode {
            Some(mode) => x + mode.val(),
            None => x,
        };
        // Without a causal mask the order of the tokens says nothing: their places do.
        let rotation = self.places.rotary(layout).map(|rotary| rotary.of(&[visible, hidden]));
        // Nothing behind the last attention mixes tokens: from there on only those that are asked for are needed.
        let first = if self.predictor_proj_context.is_some() { 0 } else { kept };
        let last = self.predictor_blocks.len().saturating_sub(1);
        let x = self
            .predictor_blocks
            .iter()
            .enumerate()
            .fold(x, |x, (i, block)| block.turned(x, if i == last { first } else { 0 }, rotation.as_ref()));
        let x = self.predictor_norm.forward(x);
        match &self.predictor_proj_context {
            Some(head) => {
                let seen = head.forward(x.clone().narrow(1, 0, kept));
                (self.predictor_proj.forward(x.narrow(1, kept, hidden.len())), Some(seen))
            }
            None => (self.predictor_proj.forward(x), None),
        }
    }

    /// The weight of the loss on visible tokens in step `number`.
    pub fn context_weight(&self, number: u64) -> f64 {
        let Some(ContextConfig { weight, warmup: [first, last], .. }) = self.context else { return 0.0 };
        // Steps count from 1, the official iterations from 0.
        let done = number.saturating_sub(1);
        if done >= last {
            return weight;
        }
        weight * done.saturating_sub(first) as f64 / last.saturating_sub(first).max(1) as f64
    }

    /// Mean absolute distance at the visible tokens, perhaps weighted by how near a hidden one is.
    pub fn context_loss(&self, seen: Tensor<3>, target: Tensor<3>, layout: Layout, masks: &MaskSet) -> Tensor<1> {
        let distance = (seen - target).abs();
        if !self.context.is_some_and(|context| context.by_distance) {
            return distance.mean();
        }
        let [rows, kept, _] = distance.dims();
        let weights = (0..rows).flat_map(|row| nearness(layout.grid, masks, row)).collect::<Vec<f32>>();
        let weights = Tensor::<3>::from_data(TensorData::new(weights, [rows, kept, 1]), &distance.device());
        (distance * weights).mean()
    }
}

/// 1 / sqrt of the distance of each visible token to the nearest hidden one, on the grid.
fn nearness([_, rows, columns]: [usize; 3], masks: &MaskSet, row: usize) -> Vec<f32> {
    let place = |id: &u32| {
        let id = *id as usize;
        [id / (rows * columns), id / columns % rows, id % columns].map(|p| p as f32)
    };
    let hidden: Vec<[f32; 3]> = masks.target[0].row(row).iter().map(place).collect();
    let nearest = |[t, y, x]: [f32; 3]| {
        let squared = hidden.iter().map(|[a, b, c]| (a - t).powi(2) + (b - y).powi(2) + (c - x).powi(2));
        squared.fold(f32::INFINITY, f32::min).sqrt()
    };
    masks.context[0].row(row).iter().map(|id| 1.0 / nearest(place(id)).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_tokens_near_a_hidden_one_weigh_most() {
        let mask = |row: Vec<u32>| Mask::new(&[row], 24).unwrap();
        // Grid 2 x 3 x 4: hidden is (0, 0, 0); visible (0, 0, 1), (0, 0, 3), (1, 2, 2).
        let masks = MaskSet { context: vec![mask(vec![1, 3, 22])], target: vec![mask(vec![0])] };
        assert_eq!(nearness([2, 3, 4], &masks, 0), [1.0, 1.0 / 3f32.sqrt(), 1.0 / 3f32.sqrt()]);
    }
}
