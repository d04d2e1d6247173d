//! Layers on maps.

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::activation;
use jepa_core::nn::{Init, LayerNorm, Linear, gelu};

use crate::ops::{self, Window};
use crate::pyramid::Map;

/// Slope of every leaky ReLU below zero, as in PWC-Net.
const LEAK: f64 = 0.1;

/// A convolution.
#[derive(Module, Debug)]
pub struct Conv {
    /// [outputs, inputs, side, side]
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`
    pub bias: Param<Tensor<1>>,
    /// How the filter lies on the map.
    #[module(skip)]
    pub window: Window,
}

impl Conv {
    /// Weights by the scheme's law for matrices, zero biases but by PyTorch's.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, window: Window) -> Self {
        let fan_in = inputs * window.side * window.side;
        let matrix = init.matrix(fan_in, outputs).val().swap_dims(0, 1);
        let weight = Param::from_tensor(matrix.reshape([outputs, inputs, window.side, window.side]));
        Self { weight, bias: init.bias(fan_in, outputs), window }
    }

    /// The same with its weights times `factor`.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { weight: self.weight.map(|weight| weight * factor), ..self }
    }

    /// The convolution with its bias.
    pub fn forward(&self, x: &Map) -> Map {
        let (y, size) = ops::convolve(x.values.clone(), self.weight.val(), x.size, self.window);
        Map::new(y + self.bias.val().unsqueeze::<3>(), size)
    }

    /// The convolution with a leaky ReLU behind it.
    pub fn leaky(&self, x: &Map) -> Map {
        let y = self.forward(x);
        Map::new(leaky(y.values), y.size)
    }
}

/// max(x, 0.1 x).
pub(super) fn leaky(x: Tensor<3>) -> Tensor<3> {
    activation::leaky_relu(x, LEAK)
}

/// A filter of 7 x 7 for every channel.
#[derive(Module, Debug)]
pub struct Depthwise {
    /// [channels, 1, 7, 7]
    pub weight: Param<Tensor<4>>,
    /// `[channels]`
    pub bias: Param<Tensor<1>>,
}

impl Depthwise {
    /// Rows and columns of the filter (ConvNeXt).
    pub const SIDE: usize = 7;

    fn new(init: &mut Init, channels: usize) -> Self {
        let taps = Self::SIDE * Self::SIDE;
        let matrix = init.matrix(taps, channels).val().swap_dims(0, 1);
        let weight = Param::from_tensor(matrix.reshape([channels, 1, Self::SIDE, Self::SIDE]));
        Self { weight, bias: init.bias(taps, channels) }
    }
}

/// x + γ · W₂ gelu(W₁ LN(depthwise(x))): the block of ConvNeXt (Liu et al. 2022, arXiv 2201.03545), with its names.
#[derive(Module, Debug)]
pub struct ConvNextBlock {
    /// Places look at each other.
    pub dwconv: Depthwise,
    /// Over channels.
    pub norm: LayerNorm,
    /// width to four times the width.
    pub pwconv1: Linear,
    /// And back.
    pub pwconv2: Linear,
    /// Scale of each channel, `[width]`; small at first.
    pub gamma: Param<Tensor<1>>,
}

impl ConvNextBlock {
    /// A block of `width` channels whose scales begin as `scale`.
    pub fn new(init: &mut Init, width: usize, scale: f64, eps: f64) -> Self {
        Self {
            dwconv: Depthwise::new(init, width),
            norm: LayerNorm::new(init, width, eps),
            pwconv1: Linear::new(init, width, 4 * width),
            pwconv2: Linear::new(init, 4 * width, width),
            gamma: init.constant(scale as f32, width),
        }
    }

    /// A map to one of the same shape.
    pub fn forward(&self, x: Map) -> Map {
        let y = ops::depthwise(x.values.clone(), self.dwconv.weight.val(), x.size);
        let y = self.norm.forward(y + self.dwconv.bias.val().unsqueeze::<3>());
        let y = self.pwconv2.forward(gelu(self.pwconv1.forward(y)));
        Map::new(x.values + y * self.gamma.val().unsqueeze::<3>(), x.size)
    }
}
