//! The encoder: the convolutions of IMPALA (Espeholt et al. 2018, arXiv 1802.01561), as eb_jepa has them.

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use jepa_core::error::{Error, Result};
use jepa_core::nn::{Init, LayerNorm, Linear};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rooms::{CHANNELS, SIDE};

/// Size of the encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImpalaConfig {
    /// Channels of every stack; each halves rows and columns (eb_jepa: 16, 32, 32).
    pub channels: Vec<usize>,
    /// Residual blocks of a stack (eb_jepa: 2).
    pub blocks: usize,
    /// Width of an embedding (eb_jepa: 512).
    pub width: usize,
}

impl ImpalaConfig {
    /// Checks the numbers; `place` is the key path for the message.
    pub fn check(&self, place: &str) -> Result<()> {
        let sizes = self.channels.iter().chain([&self.width]);
        let sound = (1..=5).contains(&self.channels.len()) && self.blocks <= 16;
        if !sound || !sizes.into_iter().all(|n| (1..=4096).contains(n)) {
            let problem = format!("{self:?}: expected 1 to 5 stacks, at most 16 blocks, sizes of 1 to 4096");
            return Err(Error::config(place, problem));
        }
        Ok(())
    }

    /// Rows and columns after the last stack.
    pub fn side(&self) -> usize {
        self.channels.iter().fold(SIDE, |side, _| side.div_ceil(2))
    }

    /// Floating-point operations of one picture.
    pub fn flops(&self) -> f64 {
        let (mut side, mut inputs, mut sum) = (SIDE, CHANNELS, 0.0);
        for &outputs in &self.channels {
            sum += (side * side * inputs * outputs) as f64 * 18.0;
            side = side.div_ceil(2);
            sum += (side * side * outputs * outputs * 2 * self.blocks) as f64 * 18.0;
            inputs = outputs;
        }
        sum + (side * side * inputs * self.width) as f64 * 2.0
    }
}

/// A convolution of 3 x 3 pixels that keeps the size.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[outputs, inputs, 3, 3]`
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`
    pub bias: Param<Tensor<1>>,
}

impl Conv {
    fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        let matrix = init.matrix(inputs * 9, outputs).val();
        let weight = Param::from_tensor(matrix.transpose().reshape([outputs, inputs, 3, 3]));
        Self { weight, bias: init.bias(inputs * 9, outputs) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.val(), Some(self.bias.val()), ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
    }
}

/// relu(x + conv(relu(conv(x)))).
#[derive(Module, Debug)]
pub struct Residual {
    /// First.
    pub conv1: Conv,
    /// Second.
    pub conv2: Conv,
}

/// A convolution, pooling to half the size, residual blocks.
#[derive(Module, Debug)]
pub struct Stack {
    /// Before the pooling.
    pub initial_conv: Conv,
    /// After it.
    pub blocks: Vec<Residual>,
}

/// From a picture to an embedding.
#[derive(Module, Debug)]
pub struct Impala {
    /// Each at half the size of the one before.
    pub stack_blocks: Vec<Stack>,
    /// All that is left to the embedding.
    pub mlp: Linear,
    /// After it; the predictor's states go through it too.
    pub final_ln: LayerNorm,
}

impl Impala {
    /// An encoder with weights from `init`.
    pub fn new(init: &mut Init, config: &ImpalaConfig) -> Self {
        let mut inputs = CHANNELS;
        let mut stack = |outputs: usize| {
            let initial_conv = Conv::new(init, inputs, outputs);
            let block = |init: &mut Init| Residual {
                conv1: Conv::new(init, outputs, outputs),
                conv2: Conv::new(init, outputs, outputs),
            };
            inputs = outputs;
            Stack { initial_conv, blocks: (0..config.blocks).map(|_| block(init)).collect() }
        };
        let stack_blocks: Vec<Stack> = config.channels.iter().map(|outputs| stack(*outputs)).collect();
        let side = config.side();
        Self {
            stack_blocks,
            mlp: Linear::new(init, side * side * inputs, config.width),
            final_ln: LayerNorm::new(init, config.width, 1e-5),
        }
    }

    /// [rows, 2, 65, 65] to [rows, 1, width].
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<3> {
        let rows = pictures.dims()[0];
        let pool = || MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]);
        let x = self.stack_blocks.iter().fold(pictures, |x, stack| {
            let x = max_pool2d(stack.initial_conv.forward(x), pool());
            stack.blocks.iter().fold(x, |x, block| {
                let y = block.conv2.forward(relu(block.conv1.forward(x.clone())));
                relu(x + y)
            })
        });
        let x: Tensor<3> = relu(x).reshape([rows as i32, 1, -1]);
        self.final_ln.forward(self.mlp.forward(x))
    }
}
