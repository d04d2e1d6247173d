//! Projectors, expanders, predictors: small networks on one vector a picture.

use burn::module::Module;
use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::nn::{BatchNorm, Init, Linear, gelu, project};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Pass;

/// Layers of a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadConfig {
    /// Values behind every layer; the last is the width of the embedding.
    pub widths: Vec<usize>,
    /// What stands between two layers.
    #[serde(default)]
    pub between: Between,
    /// What the last layer is.
    #[serde(default)]
    pub end: End,
}

/// What stands between two layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Batch normalisation and a ReLU. Layers before it have no bias: the normalisation would take it away.
    #[default]
    BatchNorm,
    /// A GELU (DINO).
    Gelu,
}

/// What the last layer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// A matrix (VICReg, Barlow Twins, BYOL).
    #[default]
    Plain,
    /// A matrix and a bias (LeJEPA).
    Bias,
    /// A matrix and a batch normalisation without ReLU (SimCLR, MoCo v3).
    BatchNorm,
    /// Cosines with learned directions: the layer before, with a bias, is the last of the network, its output is brought
    /// to length one and multiplied by a matrix with columns of length one (DINO).
    Prototypes,
}

impl HeadConfig {
    /// A head with batch normalisations and a plain end.
    pub fn new(widths: impl Into<Vec<usize>>) -> Self {
        Self { widths: widths.into(), between: Between::BatchNorm, end: End::Plain }
    }

    /// The same with another end.
    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        let fewest = if self.end == End::Prototypes { 2 } else { 1 };
        if self.widths.len() < fewest || !self.widths.iter().all(|w| (1..=1 << 17).contains(w)) {
            let problem = format!("{:?} must be at least {fewest} widths of 1 to 131072", self.widths);
            return Err(Error::config(format!("{place}.widths"), problem));
        }
        Ok(())
    }

    /// Values of the embedding.
    pub fn outputs(&self) -> usize {
        self.widths.last().copied().unwrap_or(0)
    }

    /// Floating-point operations on one vector of `inputs` values.
    pub fn flops(&self, inputs: usize) -> f64 {
        let before = std::iter::once(&inputs).chain(&self.widths);
        before.zip(&self.widths).map(|(a, b)| 2.0 * (a * b) as f64).sum()
    }
}

/// A head.
#[derive(Module, Debug)]
pub struct Head {
    /// The matrices.
    pub layers: Vec<Linear>,
    /// Behind each, as many as there are.
    pub norms: Vec<BatchNorm>,
    /// Learned directions.
    pub prototypes: Option<Linear>,
    #[module(skip)]
    gelu: bool,
}

impl Head {
    /// A head on vectors of `inputs` values.
    pub fn new(init: &mut Init, config: &HeadConfig, inputs: usize) -> Self {
        let HeadConfig { widths, between, end } = config;
        let (widths, directions) = match (end, widths.split_last()) {
            (End::Prototypes, Some((last, rest))) => (rest, Some(*last)),
            _ => (&widths[..], None),
        };
        let normalised = *between == Between::BatchNorm;
        let (mut layers, mut norms, mut inputs) = (Vec::new(), Vec::new(), inputs);
        for (i, &outputs) in widths.iter().enumerate() {
            let last = i + 1 == widths.len();
            let biased = if last { matches!(end, End::Bias | End::Prototypes) } else { !normalised };
            let layer = if biased { Linear::new } else { Linear::without_bias };
            layers.push(layer(init, inputs, outputs));
            if if last { *end == End::BatchNorm } else { normalised } {
                norms.push(BatchNorm::new(init, outputs));
            }
            inputs = outputs;
        }
        let prototypes = directions.map(|outputs| Linear::without_bias(init, inputs, outputs));
        Self { layers, norms, prototypes, gelu: !normalised }
    }

    /// Vectors [rows, inputs] to [rows, outputs].
    pub fn forward(&self, x: Tensor<2>, pass: &mut Pass, path: &str) -> Tensor<2> {
        let (mut x, mut norms) = (x, self.norms.iter().enumerate());
        for (i, layer) in self.layers.iter().enumerate() {
            let last = i + 1 == self.layers.len();
            x = layer.forward(x);
            x = if self.gelu && !last {
                gelu(x.unsqueeze_dim(1)).squeeze_dim(1)
            } else if let Some((place, norm)) = norms.next() {
                pass.rows(norm, || format!("{path}.norms.{place}"), x, !last)
            } else {
                x
            };
        }
        match &self.prototypes {
            Some(prototypes) => project(unit(x, 1), unit(prototypes.weight.val(), 0)),
            None => x,
        }
    }
}

/// Lengths along `dim` brought to one.
fn unit(x: Tensor<2>, dim: usize) -> Tensor<2> {
    let length = x.clone().powi_scalar(2).sum_dim(dim).sqrt().clamp_min(1e-12);
    x / length
}
