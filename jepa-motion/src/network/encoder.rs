//! The pyramid encoder: ConvNeXt with a stem in two steps, so that a finer level exists.

use burn::module::Module;
use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::nn::{Init, LayerNorm, gelu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv::{Conv, ConvNextBlock};
use crate::ops::Window;
use crate::pyramid::Map;

/// Means and deviations of ImageNet's channels, which pictures are normalised by.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Most levels.
const MOST_LEVELS: usize = 8;
/// Largest width and depth of a stage.
const MOST: usize = 4096;

/// Shape of the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PyramidConfig {
    /// Channels of the finest level, half the size of the picture.
    pub stem: usize,
    /// Channels of each stage, the first a quarter of the picture's size (ConvNeXt-T: 96, 192, 384, 768).
    pub widths: Vec<usize>,
    /// Blocks of each stage (ConvNeXt-T: 3, 3, 9, 3).
    pub depths: Vec<usize>,
    /// First value of the scales behind each block (ConvNeXt: 1e-6).
    pub layer_scale: f64,
    /// Epsilon of the layer norms (ConvNeXt: 1e-6).
    pub eps: f64,
}

impl PyramidConfig {
    /// Number of levels: the first half of the stem, and one a stage.
    pub fn levels(&self) -> usize {
        self.widths.len() + 1
    }

    /// Channels of level `level`, 0 the finest.
    pub fn width(&self, level: usize) -> usize {
        level.checked_sub(1).map_or(self.stem, |stage| self.widths.get(stage).copied().unwrap_or(0))
    }

    /// Pixels of the picture a step of the coarsest level: sizes of pictures are multiples of it.
    pub fn stride(&self) -> usize {
        1 << self.levels()
    }

    /// Multiplications with addition a pixel of the picture.
    pub(crate) fn work(&self) -> f64 {
        let first = self.width(1);
        let stem = 27.0 * self.stem as f64 / 4.0 + 9.0 * (self.stem * first) as f64 / 16.0;
        let mut share = 1.0 / 16.0;
        let mut before = None;
        let mut sum = stem;
        for (width, depth) in self.widths.iter().zip(&self.depths) {
            if let Some(before) = before.replace(*width) {
                share /= 4.0;
                sum += share * (4 * before * width) as f64;
            }
            sum += share * (depth * (49 * width + 8 * width * width)) as f64;
        }
        sum
    }

    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        let wrong = |key: &str, problem: String| Err(Error::config(format!("{place}.{key}"), problem));
        if self.widths.is_empty() || self.levels() > MOST_LEVELS || self.depths.len() != self.widths.len() {
            let problem = format!(
                "expected as many as there are widths, 1 to {}; found {} widths and {} depths",
                MOST_LEVELS - 1,
                self.widths.len(),
                self.depths.len()
            );
            return wrong("depths", problem);
        }
        let sound = |value: &usize| (2..=MOST).contains(value);
        if !sound(&self.stem) || !self.widths.iter().all(sound) {
            return wrong("widths", format!("{} and {:?} must lie in 2..={MOST}", self.stem, self.widths));
        }
        if self.depths.iter().any(|depth| *depth > MOST) {
            return wrong("depths", format!("{:?} must lie in 0..={MOST}", self.depths));
        }
        if !(self.eps > 0.0 && self.eps < 1.0 && self.layer_scale.is_finite()) {
            return wrong("eps", format!("{} must lie in (0, 1), layer_scale must be a number", self.eps));
        }
        Ok(())
    }
}

/// Half the size, between two stages.
#[derive(Module, Debug)]
pub struct Downsample {
    /// Over channels.
    pub norm: LayerNorm,
    /// 2 x 2, stride 2.
    pub reduction: Conv,
}

/// Pictures to a pyramid of feature maps.
#[derive(Module, Debug)]
pub struct PyramidEncoder {
    /// 3 x 3, stride 2: picture to the finest level.
    pub stem0: Conv,
    /// Over channels: its result is the finest level.
    pub stem_norm0: LayerNorm,
    /// 3 x 3, stride 2: to the first stage.
    pub stem1: Conv,
    /// Over channels.
    pub stem_norm1: LayerNorm,
    /// Before every stage but the first.
    pub downsample: Vec<Downsample>,
    /// Blocks of each stage.
    pub stages: Vec<Vec<ConvNextBlock>>,
    /// Over channels of each stage's result, which is a level.
    pub norms: Vec<LayerNorm>,
}

impl PyramidEncoder {
    /// Fresh networks.
    pub fn new(init: &mut Init, config: &PyramidConfig) -> Self {
        let PyramidConfig { stem, widths, depths, layer_scale, eps } = config;
        let half = Window { side: 3, stride: 2, padding: 1, dilation: 1 };
        let quarter = Window { side: 2, stride: 2, padding: 0, dilation: 1 };
        let first = config.width(1);
        Self {
            stem0: Conv::new(init, 3, *stem, half),
            stem_norm0: LayerNorm::new(init, *stem, *eps),
            stem1: Conv::new(init, *stem, first, half),
            stem_norm1: LayerNorm::new(init, first, *eps),
            downsample: widths
                .windows(2)
                .map(|pair| Downsample {
                    norm: LayerNorm::new(init, pair[0], *eps),
                    reduction: Conv::new(init, pair[0], pair[1], quarter),
                })
                .collect(),
            stages: widths
                .iter()
                .zip(depths)
                .map(|(width, depth)| {
                    (0..*depth).map(|_| ConvNextBlock::new(init, *width, *layer_scale, *eps)).collect()
                })
                .collect(),
            norms: widths.iter().map(|width| LayerNorm::new(init, *width, *eps)).collect(),
        }
    }

    /// Whether the weights are tracked: the target is the student itself.
    pub(super) fn is_tracked(&self) -> bool {
        self.stem0.weight.val().is_autodiff()
    }

    /// Pictures in [0, 1], three channels, to levels, the finest first, of 1/2, 1/4, .. of the size.
    pub fn forward(&self, pictures: &Map) -> Vec<Map> {
        let device = pictures.values.device().inner();
        let channel = |values: [f32; 3]| Tensor::<3>::from_data(TensorData::new(values.to_vec(), [1, 1, 3]), &device);
        let x = (pictures.values.clone() - channel(MEAN)) / channel(STD);
        let norm = |layer: &LayerNorm, x: Map| Map::new(layer.forward(x.values), x.size);
        let finest = norm(&self.stem_norm0, self.stem0.forward(&Map::new(x, pictures.size)));
        let x = self.stem1.forward(&Map::new(gelu(finest.values.clone()), finest.size));
        let mut x = norm(&self.stem_norm1, x);
        let mut levels = vec![finest];
        for (i, (blocks, out)) in self.stages.iter().zip(&self.norms).enumerate() {
            if let Some(down) = i.checked_sub(1).and_then(|i| self.downsample.get(i)) {
                x = down.reduction.forward(&norm(&down.norm, x));
            }
            x = blocks.iter().fold(x, |x, block| block.forward(x));
            levels.push(norm(out, x.clone()));
        }
        levels
    }

    /// The coarsest level alone: [pictures, places, width].
    pub fn coarsest(&self, pictures: &Map) -> Tensor<3> {
        self.forward(pictures).pop().map_or_else(|| pictures.values.clone(), |map| map.values)
    }
}
