//! The predictor: from the visible tokens and a place to what the target encoder would say there.

use burn::module::Param;
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Block, BlockConfig, Init, LayerNorm, Linear};
use crate::masks::{Mask, gather_table, repeat_interleave};

/// Size of a predictor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictorConfig {
    /// Width of a token inside the predictor (I-JEPA: 384 for ViT-B and above).
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads; the official code always takes the encoder's.
    pub heads: usize,
}

/// Narrow transformer over context tokens and mask tokens.
#[derive(Module, Debug)]
pub struct Predictor {
    /// What stands for an unknown token, [1, 1, width].
    pub mask_token: Param<Tensor<3>>,
    /// Encoder width to predictor width.
    pub predictor_embed: Linear,
    /// Frozen position codes of the predictor's width, [1, tokens, width].
    pub predictor_pos_embed: Param<Tensor<3>>,
    /// The transformer.
    pub predictor_blocks: Vec<Block>,
    /// After the last block.
    pub predictor_norm: LayerNorm,
    /// Back to the encoder's width.
    pub predictor_proj: Linear,
}

impl Predictor {
    /// A predictor for an encoder of `encoder_width`, with a position table of [tokens, width].
    pub fn new(init: &mut Init, config: &PredictorConfig, encoder_width: usize, eps: f64, positions: Vec<f32>) -> Self {
        let width = config.width;
        let tokens = positions.len() / width;
        let block = BlockConfig { width, heads: config.heads, hidden: 4 * width, eps };
        Self {
            mask_token: init.token(width),
            predictor_embed: Linear::new(init, encoder_width, width),
            predictor_pos_embed: init.table(positions, [1, tokens, width]),
            predictor_blocks: (1..=config.depth).map(|layer| Block::new(init, block, layer)).collect(),
            predictor_norm: LayerNorm::new(init, width, eps),
            predictor_proj: Linear::new(init, width, encoder_width),
        }
    }

    /// Predicts every target block from every context block.
    ///
    /// `context` is [contexts * batch, kept, encoder width] in the order (context, image); the result is
    /// [targets * contexts * batch, hidden, encoder width] in the order (target, context, image). Each target block is
    /// a batch row of its own: blocks never see each other.
    pub fn forward(&self, context: Tensor<3>, visible: &[Mask], hidden: &[Mask]) -> Tensor<3> {
        let [rows, kept, _] = context.dims();
        let batch = rows / visible.len().max(1);
        let positions = self.predictor_pos_embed.val();

        let context = self.predictor_embed.forward(context) + gather_table(positions.clone(), visible);
        let context = context.repeat_dim(0, hidden.len());

        let queries = repeat_interleave(gather_table(positions, hidden), batch, visible.len()) + self.mask_token.val();
        let queried = queries.dims()[1];

        let x = Tensor::cat(vec![context, queries], 1);
        // Nothing behind the last attention mixes tokens: from there on only the queries are needed.
        let x = match self.predictor_blocks.split_last() {
            Some((last, blocks)) => last.pass(blocks.iter().fold(x, |x, block| block.forward(x)), kept, None),
            None => x.narrow(1, kept, queried),
        };
        self.predictor_proj.forward(self.predictor_norm.forward(x))
    }
}
