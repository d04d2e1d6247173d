//! ResNet-18 (He et al. 2016, arXiv 1512.03385) with the stem of CIFAR: a 3 x 3 convolution of stride 1 and no pooling
//! before the first stage, as the two-view benchmarks on small pictures use it. Definition and names follow torchvision;
//! only the two parts of a shortcut have names here, `conv` and `norm`, instead of numbers.

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use jepa_core::error::{Error, Result};
use jepa_core::nn::{BatchNorm, Init};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Pass;

/// Residual blocks of each of the four stages.
const BLOCKS: usize = 2;

/// Size of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// Channels of the first stage; doubled in every further one (ResNet-18: 64).
    pub width: usize,
}

impl Default for ResNetConfig {
    fn default() -> Self {
        Self { width: 64 }
    }
}

impl ResNetConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        if self.width == 0 || self.width > 1024 {
            return Err(Error::config(place, format!("width {} must lie in 1..=1024", self.width)));
        }
        Ok(())
    }

    /// Channels of the last stage.
    pub fn features(&self) -> usize {
        8 * self.width
    }

    /// Floating-point operations of the convolutions on one picture of `side` pixels.
    pub fn flops(&self, channels: usize, side: usize) -> f64 {
        let conv = |inputs: usize, outputs: usize, kernel: usize, side: usize| {
            2.0 * (inputs * outputs * kernel * kernel * side * side) as f64
        };
        let mut total = conv(channels, self.width, 3, side);
        let (mut inputs, mut side) = (self.width, side);
        for stage in 0..4 {
            let outputs = self.width << stage;
            if stage > 0 {
                side = side.div_ceil(2);
                total += conv(inputs, outputs, 1, side);
            }
            total += conv(inputs, outputs, 3, side) + (2 * BLOCKS - 1) as f64 * conv(outputs, outputs, 3, side);
            inputs = outputs;
        }
        total
    }
}

/// A convolution without bias.
#[derive(Module, Debug)]
pub struct Conv {
    /// [outputs, inputs, side, side]
    pub weight: Param<Tensor<4>>,
    #[module(skip)]
    stride: usize,
}

impl Conv {
    fn new(init: &mut Init, [inputs, outputs]: [usize; 2], side: usize, stride: usize) -> Self {
        Self { weight: init.kernel(outputs, inputs, side), stride }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let margin = weight.dims()[2] / 2;
        let options = ConvOptions::new([self.stride; 2], [margin; 2], [1, 1], 1);
        conv2d(x, weight, None, options)
    }
}

/// What brings the input of a block to the shape of its output.
#[derive(Module, Debug)]
pub struct Shortcut {
    /// 1 x 1.
    pub conv: Conv,
    /// Behind it.
    pub norm: BatchNorm,
}

/// relu(bn(conv(relu(bn(conv x)))) + shortcut).
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// 3 x 3, with the stride of the block.
    pub conv1: Conv,
    /// Behind it.
    pub bn1: BatchNorm,
    /// 3 x 3.
    pub conv2: Conv,
    /// Behind it.
    pub bn2: BatchNorm,
    /// Where the shape changes.
    pub downsample: Option<Shortcut>,
}

impl ResidualBlock {
    fn new(init: &mut Init, [inputs, outputs]: [usize; 2], stride: usize) -> Self {
        let shortcut = |init: &mut Init| Shortcut {
            conv: Conv::new(init, [inputs, outputs], 1, stride),
            norm: BatchNorm::new(init, outputs),
        };
        Self {
            conv1: Conv::new(init, [inputs, outputs], 3, stride),
            bn1: BatchNorm::new(init, outputs),
            conv2: Conv::new(init, [outputs, outputs], 3, 1),
            bn2: BatchNorm::new(init, outputs),
            downsample: (stride > 1 || inputs != outputs).then(|| shortcut(init)),
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &mut Pass, path: &str) -> Tensor<4> {
        let y = pass.maps(&self.bn1, || format!("{path}.bn1"), self.conv1.forward(x.clone()), true);
        let y = pass.maps(&self.bn2, || format!("{path}.bn2"), self.conv2.forward(y), false);
        let x = match &self.downsample {
            Some(shortcut) => {
                pass.maps(&shortcut.norm, || format!("{path}.downsample.norm"), shortcut.conv.forward(x), false)
            }
            None => x,
        };
        relu(y + x)
    }
}

/// Pictures to maps of an eighth of their side.
#[derive(Module, Debug)]
pub struct ResNet {
    /// The stem.
    pub conv1: Conv,
    /// Behind it.
    pub bn1: BatchNorm,
    /// Full side.
    pub layer1: Vec<ResidualBlock>,
    /// Half.
    pub layer2: Vec<ResidualBlock>,
    /// A quarter.
    pub layer3: Vec<ResidualBlock>,
    /// An eighth.
    pub layer4: Vec<ResidualBlock>,
}

impl ResNet {
    /// A network for pictures of `channels`.
    pub fn new(init: &mut Init, config: &ResNetConfig, channels: usize) -> Self {
        let width = config.width;
        let stage = |init: &mut Init, inputs: usize, outputs: usize, stride: usize| -> Vec<ResidualBlock> {
            let first = ResidualBlock::new(init, [inputs, outputs], stride);
            let rest = (1..BLOCKS).map(|_| ResidualBlock::new(init, [outputs, outputs], 1));
            std::iter::once(first).chain(rest).collect()
        };
        Self {
            conv1: Conv::new(init, [channels, width], 3, 1),
            bn1: BatchNorm::new(init, width),
            layer1: stage(init, width, width, 1),
            layer2: stage(init, width, 2 * width, 2),
            layer3: stage(init, 2 * width, 4 * width, 2),
            layer4: stage(init, 4 * width, 8 * width, 2),
        }
    }

    /// Pictures [pictures, channels, side, side] to the places of the last map, [pictures, places, features]; their mean
    /// is the vector that torchvision's network has before its last layer.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass, path: &str) -> Tensor<3> {
        let mut x = pass.maps(&self.bn1, || format!("{path}.bn1"), self.conv1.forward(x), true);
        for (name, stage) in
            [("layer1", &self.layer1), ("layer2", &self.layer2), ("layer3", &self.layer3), ("layer4", &self.layer4)]
        {
            for (i, block) in stage.iter().enumerate() {
                x = block.forward(x, pass, &format!("{path}.{name}.{i}"));
            }
        }
        let [pictures, features, rows, columns] = x.dims();
        x.reshape([pictures, features, rows * columns]).swap_dims(1, 2)
    }
}
