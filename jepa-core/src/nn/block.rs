//! The pre-norm transformer block.

use burn::prelude::*;

use super::{Attention, Init, LayerNorm, Linear, kernels};

/// Shape of one block.
#[derive(Debug, Clone, Copy)]
pub struct BlockConfig {
    /// Width of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the MLP.
    pub hidden: usize,
    /// Epsilon of the layer norms.
    pub eps: f64,
}

/// Two linear layers with a GELU between.
#[derive(Module, Debug)]
pub struct Mlp {
    /// width to hidden.
    pub fc1: Linear,
    /// hidden to width.
    pub fc2: Linear,
}

impl Mlp {
    /// [batch, tokens, width] to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(kernels::gelu(self.fc1.forward(x)))
    }
}

/// x + Attn(LN(x)), then x + MLP(LN(x)).
#[derive(Module, Debug)]
pub struct Block {
    /// Before attention.
    pub norm1: LayerNorm,
    /// Tokens look at each other.
    pub attn: Attention,
    /// Before the MLP.
    pub norm2: LayerNorm,
    /// Each token by itself.
    pub mlp: Mlp,
}

impl Block {
    /// Block number `layer`, from 1.
    pub fn new(init: &mut Init, config: BlockConfig, layer: usize) -> Self {
        let BlockConfig { width, heads, hidden, eps } = config;
        Self {
            norm1: LayerNorm::new(init, width, eps),
            attn: Attention::new(init, width, heads, layer),
            norm2: LayerNorm::new(init, width, eps),
            mlp: Mlp {
                fc1: Linear::new(init, width, hidden),
                fc2: {
                    let weight = init.residual_matrix(hidden, width, layer);
                    Linear::of(weight, init, width)
                },
            },
        }
    }

    /// [batch, tokens, width] to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attn.forward(self.norm1.forward(x));
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}
