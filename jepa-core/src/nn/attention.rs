//! Multi-head self-attention. The only file that touches the attention operation.

use burn::prelude::*;

use super::{Init, LayerNoise, Linear, Rotation, composed, kernels, precision, watch};

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

    /// The heads' results side by side, before the output projection, in the number format of products: [batch, tokens,
    /// width] to the same; in training perhaps with some probabilities dropped. With a `rotation` queries and keys are turned by their places.
    pub fn mix(&self, x: Tensor<3>, noise: Option<LayerNoise>, rotation: Option<&Rotation>) -> Tensor<3> {
        let qkv = self.qkv.forward_to_product(x);
        let qkv = match rotation {
            Some(rotation) => precision::for_product(rotation.turn(precision::full(qkv), self.heads)),
            None => qkv,
        };
        let watched = watch::is_on().then(|| qkv.clone());
        let mixed = match noise.filter(LayerNoise::reaches_attention) {
            None => attention(qkv, self.heads),
            Some(noise) => {
                let [batch, tokens, fused] = qkv.dims();
                let [q, k, v] = composed::split_heads(precision::full(qkv), self.heads);
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

    /// [`Self::mix`] in groups of `group` tokens that follow each other in time: every token sees those of its own group
    /// and of the earlier ones. The tokens must be a multiple of the group.
    pub fn mix_forward_in_time(&self, x: Tensor<3>, group: usize, rotation: Option<&Rotation>) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let qkv = self.qkv.forward(x);
        let qkv = match rotation {
            Some(rotation) => rotation.turn(qkv, self.heads),
            None => qkv,
        };
        let [q, k, v] = composed::split_heads(qkv, self.heads);
        let scale = (q.dims()[3] as f64).powf(-0.5);
        // What a group may see stands before its end: no mask, and none of the products that a mask would hide.
        let mixed = (0..tokens / group).map(|time| {
            let seen = (time + 1) * group;
            let [k, v] = [&k, &v].map(|t| t.clone().narrow(2, 0, seen));
            let scores = q.clone().narrow(2, time * group, group).matmul(k.swap_dims(2, 3)) * scale;
            burn::tensor::activation::softmax(scores, 3).matmul(v)
        });
        Tensor::cat(mixed.collect(), 2).swap_dims(1, 2).reshape([batch, tokens, width])
    }

    /// The attention probabilities, [batch, heads, tokens, tokens], for inspection.
    pub fn probabilities(&self, x: Tensor<3>) -> Tensor<4> {
        let [q, k, _] = composed::split_heads(self.qkv.forward(x), self.heads);
        let scale = (q.dims()[3] as f64).powf(-0.5);
        burn::tensor::activation::softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3)
    }
}

/// softmax(q kᵀ / sqrt(head width)) v for a fused [batch, tokens, 3 width], giving [batch, tokens, width].
pub fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    kernels::attention(qkv, heads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use crate::nn::{InitScheme, Rotary, RotaryConfig, RotaryForm};

    #[test]
    fn no_group_sees_a_later_one_and_the_last_sees_what_everyone_sees() {
        let device = Device::flex();
        let attention = Attention::new(&mut Init::new(0, InitScheme::FanIn, &device), 48, 2, 1);
        let config = RotaryConfig { form: RotaryForm::Tiled, stretch_to: None };
        let rotation = Rotary::new(&config, [3, 1, 2], 24).conditioned(2);
        let values: Vec<f32> = (0..2 * 12 * 48).map(|i| (i as f32 * 0.37).sin()).collect();
        let run = |values: &[f32]| {
            let x = Tensor::from_data(TensorData::new(values.to_vec(), [2, 12, 48]), &device);
            let whole = host::read(attention.mix(x.clone(), None, Some(&rotation))).unwrap();
            (host::read(attention.mix_forward_in_time(x, 4, Some(&rotation))).unwrap(), whole)
        };
        let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let (in_time, whole) = run(&values);
        let (before, last) = (..8 * 48, 8 * 48..12 * 48);
        assert!(far(&in_time[last.clone()], &whole[last.clone()]) < 1e-5);
        assert!(far(&in_time[before], &whole[before]) > 1e-3);
        let mut other = values;
        other[last.clone()].iter_mut().for_each(|v| *v += 1.0);
        let (changed, _) = run(&other);
        assert_eq!(changed[before], in_time[before]);
        assert!(far(&changed[last.clone()], &in_time[last]) > 1e-3);
    }
}
