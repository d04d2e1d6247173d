//! The operations of [`kernels`](super::kernels) composed of burn's, for every engine but the CPU's. libtorch has a layer
//! norm and an attention of its own.

use burn::prelude::*;
use burn::tensor::{DType, activation};

use super::precision::{for_product, full};
#[cfg(feature = "tch")]
use crate::libtorch;

/// x W + b over the last dimension, W [inputs, outputs], in the number format of products; added to `onto` when that is
/// given.
pub(super) fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    onto: Option<Tensor<D>>,
) -> Tensor<D> {
    let ([inputs, outputs], mut shape) = (weight.dims(), x.dims());
    // One large product, never a batch of small ones.
    let rows: Tensor<2> = for_product(x).reshape([shape.iter().product::<usize>() / inputs.max(1), inputs]);
    let y = burn::tensor::module::linear(rows, for_product(weight), bias.map(for_product));
    shape[D - 1] = outputs;
    let y: Tensor<D> = y.reshape(shape);
    if let Some(onto) = onto { onto + full(y) } else { y }
}

/// Layer normalisation over the last dimension, biased variance.
pub(super) fn layer_norm(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<3> {
    #[cfg(feature = "tch")]
    if libtorch::holds(&x)
        && (x.is_autodiff() || weight.is_autodiff())
        && let Some(y) = libtorch::layer_norm(x.clone(), weight.clone(), bias.clone(), eps)
    {
        return y;
    }
    burn::tensor::module::layer_norm(x, weight, Some(bias), eps)
}

/// x Φ(x) with the exact error function.
pub(super) fn gelu(x: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "tch")]
    if libtorch::holds(&x) {
        return activation::gelu(x);
    }
    // Written out: where an engine has no gradient of its own, burn's is that of the tanh approximation.
    let dtype = x.dtype();
    let x = full(x);
    let cdf = ((x.clone() / std::f64::consts::SQRT_2).erf() + 1.0) * 0.5;
    (x * cdf).cast(dtype)
}

/// softmax(q kᵀ / sqrt(head width)) v for a fused [batch, tokens, 3 width], giving [batch, tokens, width].
pub(super) fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    #[cfg(feature = "tch")]
    if libtorch::holds(&qkv)
        && let Some(mixed) = libtorch::attention(qkv.clone(), heads)
    {
        return mixed;
    }
    let [batch, tokens, fused] = qkv.dims();
    let dtype = qkv.dtype();
    let [q, k, v] = split_heads(qkv, heads);
    // An explicit scale keeps GPU engines on their f32 path.
    let scale = (q.dims()[3] as f64).powf(-0.5);
    let out = if dtype == DType::F32 {
        let options = burn::tensor::ops::AttentionModuleOptions { scale: Some(scale), ..Default::default() };
        burn::tensor::module::attention(q, k, v, None, None, options)
    } else {
        let scores = full(q.matmul(k.swap_dims(2, 3))) * scale;
        activation::softmax(scores, 3).cast(dtype).matmul(v)
    };
    out.swap_dims(1, 2).reshape([batch, tokens, fused / 3])
}

/// Splits a fused [batch, tokens, 3 width] into queries, keys, values of [batch, heads, tokens, head width].
pub(super) fn split_heads(qkv: Tensor<3>, heads: usize) -> [Tensor<4>; 3] {
    let [batch, tokens, fused] = qkv.dims();
    let qkv = qkv.reshape([batch, tokens, 3, heads, fused / 3 / heads]).permute([2, 0, 3, 1, 4]);
    [0, 1, 2].map(|i| qkv.clone().narrow(0, i, 1).squeeze_dim::<4>(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use crate::nn::Precision;
    use crate::nn::kernels::tests::{difference, ramp};

    #[test]
    fn products_in_bf16_are_those_in_f32_but_for_their_rounding() {
        let apart = |full: Tensor<3>, half: Tensor<3>| {
            assert_eq!(half.dtype(), DType::BF16);
            let scale: f64 = host::scalar(full.clone().abs().max()).unwrap();
            let far = difference(full, half.cast(DType::F32)) / scale;
            assert!(far > 1e-5 && far < 4e-2, "{far}");
        };
        let (x, w, b) = (ramp([2, 7, 48], 0.37), ramp([48, 72], 0.9).inner(), ramp([72], 0.2).inner());
        let mapped = |precision: Precision| precision.within(|| linear(x.clone(), w.clone(), Some(b.clone()), None));
        let (full, half) = (mapped(Precision::F32), mapped(Precision::Bf16));
        apart(full.clone().inner(), half.clone().inner());
        let mixed = |qkv: Tensor<3>| attention(qkv, 1);
        apart(mixed(full.clone()).inner(), mixed(half.clone()).inner());
        apart(gelu(full.clone()).inner(), gelu(half.clone()).inner());
        let gradient = |y: Tensor<3>| {
            let y = gelu(mixed(y)).cast(DType::F32);
            x.grad(&(y.clone() * ramp(y.dims(), 0.77).inner()).sum().backward()).unwrap()
        };
        let (full, half) = (gradient(full), gradient(half));
        assert_eq!(half.dtype(), DType::F32);
        let far = difference(full.clone(), half) / host::scalar(full.abs().max()).unwrap();
        assert!(far > 1e-5 && far < 4e-2, "{far}");
    }
}
