//! The encoder: a ViT or a ResNet behind one face, pictures to tokens.

use burn::module::Module;
use burn::prelude::*;
use jepa_core::nn::{Encoder, positions};

use super::{Pass, ResNet};

/// An encoder.
#[derive(Module, Debug)]
pub enum Backbone {
    /// Patches with positions; no class token.
    Vit(Encoder),
    /// Maps; a token is a place of the last one.
    ResNet(ResNet),
}

impl Backbone {
    /// Tokens of pictures [pictures, channels, side, side]: [pictures, tokens, width]. A ViT sees pictures of another
    /// side than its own through its positions stretched to their grid.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass, path: &str) -> Tensor<3> {
        match self {
            Self::ResNet(network) => network.forward(x, pass, &format!("{path}.ResNet")),
            Self::Vit(network) => {
                let patch = self.patch(x.dims()[1]);
                let patches = patches(x, patch);
                let (tokens, [own, _]) = (patches.dims()[1], network.shape());
                if tokens == own {
                    return network.forward(patches);
                }
                let side = |tokens: usize| (tokens as f64).sqrt().round() as usize;
                let (from, to) = ([1, side(own), side(own)], [1, side(tokens), side(tokens)]);
                network.forward_at(patches, positions::resample_3d(network.pos_embed.val(), from, to))
            }
        }
    }

    /// Pixels along a side of a patch of pictures of `channels`; one where there are no patches.
    pub fn patch(&self, channels: usize) -> usize {
        match self {
            Self::Vit(network) => {
                let values = network.patch_embed.proj.weight.dims()[0];
                ((values / channels.max(1)) as f64).sqrt().round() as usize
            }
            Self::ResNet(_) => 1,
        }
    }
}

/// Pictures [pictures, channels, side, side] cut into patches, row by row: [pictures, tokens, values]; within a patch
/// the order is channel, row, column.
pub fn patches(x: Tensor<4>, patch: usize) -> Tensor<3> {
    let [pictures, channels, rows, columns] = x.dims();
    let (down, across) = (rows / patch, columns / patch);
    x.reshape([pictures, channels, down, patch, across, patch]).permute([0, 2, 4, 1, 3, 5]).reshape([
        pictures,
        down * across,
        channels * patch * patch,
    ])
}
