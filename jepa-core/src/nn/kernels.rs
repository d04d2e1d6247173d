//! The three operations between matrix products: layer normalisation, GELU and attention.

use burn::prelude::*;
use burn::tensor::activation;

/// Layer normalisation over the last dimension, biased variance.
pub(crate) fn layer_norm(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<3> {
    burn::tensor::module::layer_norm(x, weight, Some(bias), eps)
}

/// x Φ(x) with the exact error function.
pub(crate) fn gelu(x: Tensor<3>) -> Tensor<3> {
    activation::gelu(x)
}

/// Splits a fused [batch, tokens, 3 width] into queries, keys, values of [batch, heads, tokens, head width].
pub(crate) fn split_heads(qkv: Tensor<3>, heads: usize) -> [Tensor<4>; 3] {
    let [batch, tokens, fused] = qkv.dims();
    let head = fused / 3 / heads;
    let qkv = qkv.reshape([batch, tokens, 3, heads, head]).permute([2, 0, 3, 1, 4]);
    [0, 1, 2].map(|i| qkv.clone().slice([i..i + 1]).squeeze_dim::<4>(0))
}

pub(crate) fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, tokens, fused] = qkv.dims();
    let [q, k, v] = split_heads(qkv, heads);
    let options = burn::tensor::ops::AttentionModuleOptions {
        // An explicit scale keeps GPU engines on their f32 path.
        scale: Some((q.dims()[3] as f64).powf(-0.5)),
        ..Default::default()
    };
    burn::tensor::module::attention(q, k, v, None, None, options)
        .swap_dims(1, 2)
        .reshape([batch, tokens, fused / 3])
}
