//! Multi-head self-attention. The only file that touches the attention operation.

use burn::prelude::*;

use super::{Init, LayerNoise, Linear, Rotation, kernels, watch};

/// Fused projection, scaled dot products, output projection.
#[derive(Module, Debug)]
pub struct Attention {
    /// width to 3 width: rows of queries, keys, values.
    pub qkv: Linear,
    /// width to width.
    pub proj: Linear,
    /// Number of heads; the width of one is width / heads.
    #[module(skip)]
    pub heads: usize,
}

impl Attention {
    /// Attention of block `layer` (from 1).
    pub fn new(init: &mut Init, width: usize, heads: usize, layer: usize) -> Self {
        let qkv = init.fused_matrix(width);
        let qkv = Linear::of(qkv, init, 3 * width);
        let proj = init.residual_matrix(width, width, layer);
        Self { qkv, proj: Linear::of(proj, init, width), heads }
    }

    /// [batch, tokens, width] to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.proj.forward(self.mix(x, None, None))
    }

    /// The heads' results side by side, before the output projection: [batch, tokens, width] to the same; in training
    /// perhaps with some probabilities dropped. With a `rotation` queries and keys are turned by their places.
    pub fn mix(&self, x: Tensor<3>, noise: Option<LayerNoise>, rotation: Option<&Rotation>) -> Tensor<3> {
        let qkv = self.qkv.forward(x);
        let qkv = match rotation {
            Some(rotation) => rotation.turn(qkv, self.heads),
            None => qkv,
        };
        let watched = watch::is_on().then(|| qkv.clone());
        let mixed = match noise.filter(LayerNoise::reaches_attention) {
            None => attention(qkv, self.heads),
            Some(noise) => {
                let [batch, tokens, fused] = qkv.dims();
                let [q, k, v] = kernels::split_heads(qkv, self.heads);
                let scale = (q.dims()[3] as f64).powf(-0.5);
                let p = burn::tensor::activation::softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3);
                noise.probabilities(p).matmul(v).swap_dims(1, 2).reshape([batch, tokens, fused / 3])
            }
        };
        if let Some(qkv) = watched {
            watch::attention(qkv, self.heads, &mixed);
        }
        mixed
    }

    /// The attention probabilities, [batch, heads, tokens, tokens], for inspection.
    pub fn probabilities(&self, x: Tensor<3>) -> Tensor<4> {
        let [q, k, _] = kernels::split_heads(self.qkv.forward(x), self.heads);
        let scale = (q.dims()[3] as f64).powf(-0.5);
        burn::tensor::activation::softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3)
    }
}

/// softmax(q kᵀ / sqrt(head width)) v for a fused [batch, tokens, 3 width], giving [batch, tokens, width].
pub fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    kernels::attention(qkv, heads)
}
