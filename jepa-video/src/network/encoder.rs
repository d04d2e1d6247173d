//! The encoder: embeds tubelets, keeps the visible ones, runs the blocks.

use burn::module::{Module, Param};
use burn::prelude::*;
use jepa_core::masks::{Mask, gather, gather_table};
use jepa_core::nn::{Block, EncoderConfig, Init, LayerNorm, Linear, PatchEmbed, Rotation};

use super::places::Places;
use super::{Layout, PlaceConfig, normalised};

/// What an encoder is made of, beside its size.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderParts {
    /// How it knows where a token is.
    pub places: PlaceConfig,
    /// The grid of its table: times, rows, columns.
    pub grid: [usize; 3],
    /// Values of a tubelet.
    pub values: usize,
    /// Values of a patch of a single picture, when these have a tokeniser of their own (V-JEPA 2.1).
    pub picture: Option<usize>,
    /// Blocks, counted from 0, whose output has a norm of its own (V-JEPA 2.1: four). Empty: the last block alone.
    pub levels: Vec<usize>,
    /// How many of the levels, counted from the last, stand side by side in what training predicts.
    pub outputs: usize,
    /// Blocks, counted from 0, whose normed outputs stand side by side in frozen features. Empty: the last block alone.
    pub features: Vec<usize>,
}

impl EncoderParts {
    /// One norm behind the last block, clips alone.
    pub fn plain(places: PlaceConfig, grid: [usize; 3], values: usize) -> Self {
        Self { places, grid, values, picture: None, levels: Vec::new(), outputs: 1, features: Vec::new() }
    }
}

/// s_x and, as an EMA copy, s_y.
#[derive(Module, Debug)]
pub struct VideoEncoder {
    /// Tubelets to tokens; `proj` is the convolution of the official code.
    pub patch_embed: PatchEmbed,
    /// Patches of a single picture to tokens.
    pub patch_embed_img: Option<PatchEmbed>,
    /// Added to every token of a single picture, [1, 1, width].
    pub img_mod_embed: Option<Param<Tensor<3>>>,
    /// Added to every token of a clip, [1, 1, width].
    pub video_mod_embed: Option<Param<Tensor<3>>>,
    /// Frozen position codes, [1, tokens, width].
    pub pos_embed: Option<Param<Tensor<3>>>,
    /// The transformer.
    pub blocks: Vec<Block>,
    /// After the last block.
    pub norm: Option<LayerNorm>,
    /// After the block of every level, instead of `norm`.
    pub norms_block: Vec<LayerNorm>,
    #[module(skip)]
    places: Places,
    #[module(skip)]
    levels: Vec<usize>,
    /// Blocks whose outputs training predicts.
    #[module(skip)]
    outputs: Vec<usize>,
    #[module(skip)]
    features: Vec<usize>,
}

impl VideoEncoder {
    /// An encoder with weights from `init`.
    pub fn new(init: &mut Init, config: &EncoderConfig, parts: &EncoderParts) -> Self {
        let width = config.width;
        let places = Places::new(parts.places, parts.grid, width, config.heads);
        let embed = |init: &mut Init, values: usize| {
            let proj = init.patch_matrix(values, width);
            PatchEmbed { proj: Linear::of(proj, init, width) }
        };
        let patch_embed = embed(init, parts.values);
        let picture =
            parts.picture.map(|values| (embed(init, values), init.faint_token(width), init.faint_token(width)));
        let (patch_embed_img, modes) = picture.map_or((None, None), |(embed, a, b)| (Some(embed), Some((a, b))));
        let (img_mod_embed, video_mod_embed) = modes.map_or((None, None), |(a, b)| (Some(a), Some(b)));
        let norm = |init: &mut Init| LayerNorm::new(init, width, config.eps);
        let last = vec![config.depth.saturating_sub(1)];
        let skipped = parts.levels.len().saturating_sub(parts.outputs.max(1));
        Self {
            patch_embed,
            patch_embed_img,
            img_mod_embed,
            video_mod_embed,
            pos_embed: places.parameter(init),
            blocks: (1..=config.depth).map(|layer| Block::new(init, config.block(), layer)).collect(),
            norm: parts.levels.is_empty().then(|| norm(init)),
            norms_block: parts.levels.iter().map(|_| norm(init)).collect(),
            places,
            levels: parts.levels.clone(),
            outputs: if parts.levels.is_empty() { last.clone() } else { parts.levels[skipped..].to_vec() },
            features: if parts.features.is_empty() { last } else { parts.features.clone() },
        }
    }

    /// Parts that stand side by side in the output of training.
    pub fn levels(&self) -> usize {
        self.outputs.len()
    }

    /// All tokens as training predicts them: [rows, tokens, values] to [rows, tokens, levels * width].
    pub fn forward(&self, tubelets: Tensor<3>, layout: Layout) -> Tensor<3> {
        join(self.after(tubelets, layout, &self.outputs))
    }

    /// All tokens as frozen features: [rows, tokens, values] to [rows, tokens, width], or the outputs of several blocks
    /// side by side.
    pub fn features(&self, tubelets: Tensor<3>, layout: Layout) -> Tensor<3> {
        join(self.after(tubelets, layout, &self.features))
    }

    /// The normed outputs of all tokens after each of `blocks`, which are counted from 0 and ascend: [rows, tokens, values]
    /// to [rows, tokens, width] each.
    pub fn after(&self, tubelets: Tensor<3>, layout: Layout, blocks: &[usize]) -> Vec<Tensor<3>> {
        let (x, rotation) = self.embed_all(tubelets, layout);
        self.run(x, rotation.as_ref(), blocks)
    }

    /// The visible tokens alone: [rows, tokens, values] to [rows, kept, levels * width]. Hidden tubelets are dropped
    /// **before** the first block, so nothing of them can reach the result.
    pub fn forward_visible(&self, tubelets: Tensor<3>, layout: Layout, visible: &Mask) -> Tensor<3> {
        let masks = std::slice::from_ref(visible);
        let x = self.embed(gather(tubelets, masks), layout);
        let x = match self.places.table(self.pos_embed.as_ref(), layout) {
            Some(table) => x + gather_table(table, masks),
            None => x,
        };
        let rotation = self.places.rotary(layout).map(|rotary| rotary.of(&[visible]));
        join(self.run(x, rotation.as_ref(), &self.outputs))
    }

    /// Each level of `x`, [rows, tokens, levels * width], normalised by itself, as targets are.
    pub fn normalised(&self, x: Tensor<3>) -> Tensor<3> {
        normalised(x, self.levels())
    }

    fn embed_all(&self, tubelets: Tensor<3>, layout: Layout) -> (Tensor<3>, Option<Rotation>) {
        let x = self.embed(tubelets, layout);
        let x = match self.places.table(self.pos_embed.as_ref(), layout) {
            Some(table) => x + table,
            None => x,
        };
        (x, self.places.rotary(layout).map(|rotary| rotary.all()))
    }

    fn embed(&self, tubelets: Tensor<3>, layout: Layout) -> Tensor<3> {
        let (embed, mode) = match (&self.patch_embed_img, layout.picture) {
            (Some(embed), true) => (embed, &self.img_mod_embed),
            _ => (&self.patch_embed, &self.video_mod_embed),
        };
        let x = embed.proj.forward(tubelets);
        match mode {
            Some(mode) => x + mode.val(),
            None => x,
        }
    }

    /// The normed outputs after each of `wanted`, which ascend; what lies behind the last of them is not run.
    fn run(&self, mut x: Tensor<3>, rotation: Option<&Rotation>, wanted: &[usize]) -> Vec<Tensor<3>> {
        let mut outputs = Vec::with_capacity(wanted.len());
        for (i, block) in self.blocks.iter().enumerate().take(wanted.last().map_or(0, |last| last + 1)) {
            x = block.turned(x, 0, rotation);
            if wanted.contains(&i) {
                outputs.push(self.norm_after(i).map_or_else(|| x.clone(), |norm| norm.forward(x.clone())));
            }
        }
        outputs
    }

    /// The norm of a level; where there are none, all blocks share the last one's.
    fn norm_after(&self, block: usize) -> Option<&LayerNorm> {
        let level = self.levels.iter().position(|level| *level == block);
        level.map(|level| &self.norms_block[level]).or(self.norm.as_ref())
    }
}

fn join(mut levels: Vec<Tensor<3>>) -> Tensor<3> {
    if levels.len() == 1 { levels.swap_remove(0) } else { Tensor::cat(levels, 2) }
}
