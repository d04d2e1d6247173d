//! The pre-norm transformer block.

use burn::prelude::*;

use super::{Attention, Init, LayerNoise, LayerNorm, Linear, Noise, Rotation, kernels, precision, watch};

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
    /// What the second layer reads, in the number format of products: [batch, tokens, width] to [batch, tokens, hidden].
    pub fn hidden(&self, x: Tensor<3>) -> Tensor<3> {
        kernels::gelu(self.fc1.forward_to_product(x))
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
        self.pass(x, 0, None)
    }

    /// The same for the tokens from `first` on alone, all of which see all; in training perhaps with noise.
    pub fn pass(&self, x: Tensor<3>, first: usize, noise: Option<LayerNoise>) -> Tensor<3> {
        self.run(x, first, noise, None)
    }

    /// The same without noise, queries and keys turned by their places when there is a `rotation`.
    pub fn turned(&self, x: Tensor<3>, first: usize, rotation: Option<&Rotation>) -> Tensor<3> {
        self.run(x, first, None, rotation)
    }

    /// The same in groups of `group` tokens that follow each other in time: no token sees a later group.
    pub fn forward_in_time(&self, x: Tensor<3>, group: usize, rotation: Option<&Rotation>) -> Tensor<3> {
        let mixed = self.attn.mix_forward_in_time(self.norm1.forward(x.clone()), group, rotation);
        let x = self.attn.proj.forward_onto(mixed, x);
        let hidden = self.mlp.hidden(self.norm2.forward(x.clone()));
        self.mlp.fc2.forward_onto(hidden, x)
    }

    fn run(&self, x: Tensor<3>, first: usize, noise: Option<LayerNoise>, rotation: Option<&Rotation>) -> Tensor<3> {
        let output = self.compute(x, first, noise, rotation);
        if watch::is_on() {
            watch::block(&output);
        }
        output
    }

    fn compute(&self, x: Tensor<3>, first: usize, noise: Option<LayerNoise>, rotation: Option<&Rotation>) -> Tensor<3> {
        #[cfg(feature = "tch")]
        if noise.is_none()
            && rotation.is_none()
            && !watch::is_on()
            && let Some(output) = self.by_libtorch(&x, first)
        {
            return output;
        }
        let tail = |x: Tensor<3>| if first == 0 { x } else { x.slice(s![.., first.., ..]) };
        let mixed = tail(self.attn.mix(self.norm1.forward(x.clone()), noise, rotation));
        let Some(noise) = noise else {
            let x = self.attn.proj.forward_onto(mixed, tail(x));
            let hidden = self.mlp.hidden(self.norm2.forward(x.clone()));
            return self.mlp.fc2.forward_onto(hidden, x);
        };
        let x = tail(x) + noise.path(noise.values(self.attn.proj.forward(mixed), 1), 2);
        let hidden = noise.values(precision::full(self.mlp.hidden(self.norm2.forward(x.clone()))), 3);
        x + noise.path(noise.values(self.mlp.fc2.forward(hidden), 4), 5)
    }

    /// Where libtorch holds the values it takes a block as a whole.
    #[cfg(feature = "tch")]
    fn by_libtorch(&self, x: &Tensor<3>, first: usize) -> Option<Tensor<3>> {
        use crate::libtorch::{self, BlockForm, BlockWeights};
        if !libtorch::holds(x) {
            return None;
        }
        let layers = [&self.attn.qkv, &self.attn.proj, &self.mlp.fc1, &self.mlp.fc2];
        let [Some(qkv), Some(proj), Some(fc1), Some(fc2)] = layers.map(|l| l.bias.as_ref().map(|b| b.val())) else {
            return None;
        };
        let weights = BlockWeights {
            norms: [&self.norm1, &self.norm2].map(|norm| [norm.weight.val(), norm.bias.val()]),
            matrices: layers.map(|layer| layer.weight.val()),
            biases: [qkv, proj, fc1, fc2],
        };
        let rounded = precision::now() == precision::Precision::Bf16;
        let form = BlockForm { heads: self.attn.heads, eps: self.norm1.eps, first, rounded };
        libtorch::block(x.clone(), weights, form)
    }
}

/// Blocks with a norm behind the last.
#[derive(Module, Debug)]
pub struct Transformer {
    /// The blocks, first to last.
    pub blocks: Vec<Block>,
    /// After the last block.
    pub norm: LayerNorm,
}

impl Transformer {
    /// `depth` blocks of one shape.
    pub fn new(init: &mut Init, config: BlockConfig, depth: usize) -> Self {
        Self {
            blocks: (1..=depth).map(|layer| Block::new(init, config, layer)).collect(),
            norm: LayerNorm::new(init, config.width, config.eps),
        }
    }

    /// The last block's output, before the norm: [batch, tokens, width] to the same. `positions` are added before
    /// every block.
    pub fn trunk(&self, x: Tensor<3>, positions: Option<Tensor<3>>, noise: Option<Noise>) -> Tensor<3> {
        self.run(x, positions, noise, 0)
    }

    /// [`Self::trunk`] and the norm.
    pub fn forward(&self, x: Tensor<3>, positions: Option<Tensor<3>>, noise: Option<Noise>) -> Tensor<3> {
        self.norm.forward(self.trunk(x, positions, noise))
    }

    /// [`Self::forward`] for the tokens from `first` on alone: nothing behind the last attention mixes tokens.
    pub fn forward_from(&self, x: Tensor<3>, first: usize, noise: Option<Noise>) -> Tensor<3> {
        self.norm.forward(self.run(x, None, noise, first))
    }

    fn run(&self, x: Tensor<3>, positions: Option<Tensor<3>>, noise: Option<Noise>, first: usize) -> Tensor<3> {
        let last = self.blocks.len().wrapping_sub(1);
        self.blocks.iter().enumerate().fold(x, |x, (layer, block)| {
            let x = match &positions {
                Some(positions) => x + positions.clone(),
                None => x,
            };
            block.pass(x, if layer == last { first } else { 0 }, noise.map(|noise| noise.layer(layer)))
        })
    }
}
