//! The ViT encoder: embeds patches, adds positions, keeps the visible tokens, runs the blocks.

use burn::module::Param;
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Block, BlockConfig, Init, LayerNorm, Linear};
use crate::error::{Error, Result};
use crate::masks::{Mask, gather, gather_table};

/// Size of a ViT encoder.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Width of a token; divisible by 4 and by the number of heads.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the MLP over the token width (I-JEPA: 4, giant 48/11).
    pub mlp_ratio: f64,
    /// Epsilon of the layer norms (I-JEPA: 1e-6).
    pub eps: f64,
}

impl EncoderConfig {
    /// Checks the numbers against each other; `place` is the key path for the message.
    pub fn check(&self, place: &str) -> Result<()> {
        let Self { width, depth, heads, mlp_ratio, eps } = *self;
        if width == 0 || depth == 0 || heads == 0 || width > 16_384 || depth > 256 {
            return Err(Error::config(
                place,
                format!(
                    "width {width}, depth {depth}, heads {heads}: all must be positive, width at most 16384, depth at most 256"
                ),
            ));
        }
        if width % 4 != 0 || width % heads != 0 {
            return Err(Error::config(place, format!("width {width} must be divisible by 4 and by heads ({heads})")));
        }
        if !(mlp_ratio > 0.0 && mlp_ratio <= 16.0 && eps > 0.0 && eps < 1.0) {
            return Err(Error::config(
                place,
                format!("mlp_ratio {mlp_ratio} must lie in (0, 16], eps {eps} in (0, 1)"),
            ));
        }
        Ok(())
    }

    /// The shape of its blocks.
    pub fn block(&self) -> BlockConfig {
        BlockConfig {
            width: self.width,
            heads: self.heads,
            hidden: (self.width as f64 * self.mlp_ratio) as usize,
            eps: self.eps,
        }
    }
}

/// The linear map from the values of a patch to a token; `proj` is the convolution of the official code.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// values a patch to width.
    pub proj: Linear,
}

/// s_x and, as an EMA copy, s_y.
#[derive(Module, Debug)]
pub struct Encoder {
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Frozen position codes, [1, tokens, width].
    pub pos_embed: Param<Tensor<3>>,
    /// The transformer.
    pub blocks: Vec<Block>,
    /// After the last block.
    pub norm: LayerNorm,
}

impl Encoder {
    /// An encoder of patches of `patch_values` numbers, with a position table of [tokens, width].
    pub fn new(init: &mut Init, config: &EncoderConfig, patch_values: usize, positions: Vec<f32>) -> Self {
        let width = config.width;
        let tokens = positions.len() / width;
        let proj = init.patch_matrix(patch_values, width);
        Self {
            patch_embed: PatchEmbed { proj: Linear::of(proj, init, width) },
            pos_embed: init.table(positions, [1, tokens, width]),
            blocks: (1..=config.depth).map(|layer| Block::new(init, config.block(), layer)).collect(),
            norm: LayerNorm::new(init, width, config.eps),
        }
    }

    /// Tokens with their positions: [batch, tokens, patch values] to [batch, tokens, width].
    pub fn embed(&self, patches: Tensor<3>) -> Tensor<3> {
        self.patch_embed.proj.forward(patches) + self.pos_embed.val()
    }

    /// Tokens of pictures of another size with a table of positions for them, [1, tokens, width]: [batch, tokens, patch
    /// values] to [batch, tokens, width].
    pub fn forward_at(&self, patches: Tensor<3>, positions: Tensor<3>) -> Tensor<3> {
        self.trunk(self.patch_embed.proj.forward(patches) + positions)
    }

    /// All tokens: [batch, tokens, patch values] to [batch, tokens, width].
    pub fn forward(&self, patches: Tensor<3>) -> Tensor<3> {
        self.trunk(self.embed(patches))
    }

    /// The visible tokens alone: [batch, tokens, patch values] to [masks * batch, kept, width], mask-major. Hidden
    /// patches are dropped **before** the first block, so nothing of them can reach the result.
    pub fn forward_visible(&self, patches: Tensor<3>, visible: &[Mask]) -> Tensor<3> {
        let tokens = self.patch_embed.proj.forward(gather(patches, visible));
        self.trunk(tokens + gather_table(self.pos_embed.val(), visible))
    }

    fn trunk(&self, x: Tensor<3>) -> Tensor<3> {
        self.norm.forward(self.blocks.iter().fold(x, |x, block| block.forward(x)))
    }

    /// Outputs of every block before the final norm, first to last, for inspection: each [batch, tokens, width].
    pub fn layers(&self, patches: Tensor<3>) -> Vec<Tensor<3>> {
        let mut x = self.embed(patches);
        self.blocks
            .iter()
            .map(|block| {
                x = block.forward(x.clone());
                x.clone()
            })
            .collect()
    }

    /// Tokens, width.
    pub fn shape(&self) -> [usize; 2] {
        let [_, tokens, width] = self.pos_embed.val().dims();
        [tokens, width]
    }
}
