//! The two layers everything is made of.

use burn::module::Param;
use burn::prelude::*;

use super::{Init, kernels, precision};

/// y = x W + b. The matrix is kept [inputs, outputs]; checkpoints hold it [outputs, inputs], as PyTorch does.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// A layer with the scheme's ordinary matrix and a zero bias.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        Self::of(init.matrix(inputs, outputs), init, outputs)
    }

    /// A layer around a given matrix.
    pub fn of(weight: Param<Tensor<2>>, init: &mut Init, outputs: usize) -> Self {
        let [inputs, _] = weight.dims();
        Self { weight, bias: Some(init.bias(inputs, outputs)) }
    }

    /// A layer with the scheme's ordinary matrix and no bias.
    pub fn without_bias(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        Self { weight: init.matrix(inputs, outputs), bias: None }
    }

    /// [.., inputs] to [.., outputs].
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        precision::full(self.forward_to_product(x))
    }

    /// The same in the number format of products, for what the next product reads.
    pub(super) fn forward_to_product<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernels::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val), None)
    }

    /// `onto` + [`Self::forward`], without a pass for the sum.
    pub fn forward_onto<const D: usize>(&self, x: Tensor<D>, onto: Tensor<D>) -> Tensor<D> {
        kernels::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val), Some(onto))
    }
}

/// x W over the last dimension, W [inputs, outputs].
pub fn project<const D: usize>(x: Tensor<D>, weight: Tensor<2>) -> Tensor<D> {
    precision::full(kernels::linear(x, weight, None, None))
}

/// x Φ(x), with the exact error function.
pub fn gelu(x: Tensor<3>) -> Tensor<3> {
    kernels::gelu(x)
}

/// Layer normalisation over the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`
    pub weight: Param<Tensor<1>>,
    /// `[width]`
    pub bias: Param<Tensor<1>>,
    /// Added to the variance.
    #[module(skip)]
    pub eps: f64,
}

impl LayerNorm {
    /// Weight one, bias zero.
    pub fn new(init: &mut Init, width: usize, eps: f64) -> Self {
        Self { weight: init.constant(1.0, width), bias: init.constant(0.0, width), eps }
    }

    /// [batch, tokens, width] to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        kernels::layer_norm(x, self.weight.val(), self.bias.val(), self.eps)
    }
}

/// Layer normalisation without learned weights, as targets get it.
pub fn normalise(x: Tensor<3>, eps: f64) -> Tensor<3> {
    let mean = x.clone().mean_dim(2);
    let centred = x - mean;
    let variance = centred.clone().powi_scalar(2).mean_dim(2);
    centred / (variance + eps).sqrt()
}
