//! Masked prediction on patches: the networks of I-JEPA and of everything that is I-JEPA on other tokens.

use std::ops::Range;

use burn::module::Module;
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::jepa::{Batch, Forward, Jepa, Pair, Step};
use crate::masks::{Mask, MaskSet, TokenSets, gather, repeat_interleave};
use crate::nn::{Encoder, Predictor};

/// Samples cut into patches, with masks when they are to be trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchBatch {
    values: Vec<f32>,
    /// samples, tokens, values a patch
    shape: [usize; 3],
    masks: Vec<MaskSet>,
}

impl PatchBatch {
    /// `values` row-major [samples, tokens, values a patch]; masks must be for as many samples and tokens. One set of
    /// masks a mask generator: I-JEPA has one, V-JEPA two.
    pub fn new(values: Vec<f32>, shape: [usize; 3], masks: impl IntoIterator<Item = MaskSet>) -> Result<Self> {
        let [samples, tokens, _] = shape;
        let masks: Vec<MaskSet> = masks.into_iter().collect();
        let fits = masks.iter().all(|m| {
            m.context.iter().chain(&m.target).all(|mask| mask.batch() == samples && mask.tokens() == tokens)
                && !m.context.is_empty()
                && !m.target.is_empty()
        });
        if values.len() != shape.iter().product::<usize>() || samples == 0 || !fits {
            return Err(Error::Engine(format!(
                "{} values and {masks:?} do not make a batch of {shape:?}",
                values.len()
            )));
        }
        Ok(Self { values, shape, masks })
    }

    /// Samples, tokens, values a patch.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The patches of one sample, row-major [tokens, values a patch].
    pub fn sample(&self, index: usize) -> &[f32] {
        let size = self.shape[1] * self.shape[2];
        self.values.get(index * size..(index + 1) * size).unwrap_or(&[])
    }

    /// The patches on a device: [samples, tokens, values a patch].
    pub fn upload(&self, device: &Device) -> Tensor<3> {
        Tensor::from_data(TensorData::new(self.values.clone(), self.shape), device)
    }
}

impl Batch for PatchBatch {
    fn len(&self) -> usize {
        self.shape[0]
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let [_, tokens, values] = self.shape;
        let size = tokens * values;
        Self {
            values: self.values[range.start * size..range.end * size].to_vec(),
            shape: [range.len(), tokens, values],
            masks: self.masks.iter().map(|m| m.shard(range.clone())).collect(),
        }
    }

    fn mask_sets(&self) -> &[MaskSet] {
        &self.masks
    }

    fn masked(&self, sets: &[TokenSets]) -> Result<Self> {
        let [rows, tokens, _] = self.shape;
        let masks = sets.iter().map(|set| set.repeated(rows, tokens)).collect::<Result<Vec<_>>>()?;
        Self::new(self.values.clone(), self.shape, masks)
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        const NAMES: [[&str; 2]; 4] = [
            ["context_tokens", "target_tokens"],
            ["context_tokens_2", "target_tokens_2"],
            ["context_tokens_3", "target_tokens_3"],
            ["context_tokens_4", "target_tokens_4"],
        ];
        let length = |masks: &[Mask]| masks.first().map_or(0.0, |m| m.len() as f64);
        self.masks
            .iter()
            .zip(NAMES)
            .flat_map(|(m, [context, target])| [(context, length(&m.context)), (target, length(&m.target))])
            .collect()
    }

    fn disturbed(&self, hidden: bool) -> Self {
        let [samples, tokens, values] = self.shape;
        let mut copy = self.clone();
        for sample in 0..samples {
            let visible = |token: usize| {
                self.masks.iter().flat_map(|m| &m.context).any(|m| m.row(sample).contains(&(token as u32)))
            };
            for token in (0..tokens).filter(|t| visible(*t) != hidden) {
                let start = (sample * tokens + token) * values;
                for (i, v) in copy.values[start..start + values].iter_mut().enumerate() {
                    *v = *v * -0.5 + 0.3 + (i % 7) as f32;
                }
            }
        }
        copy
    }
}

/// Where the targets lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetSpace {
    /// s_y is the target encoder's output.
    #[default]
    Features,
    /// s_y is the hidden patches' own values, and the predictor's output as wide as a patch: the ablation that leaves all
    /// else as it is (I-JEPA, table 7: 40.7 % in place of 66.9 %). `objective.normalise_targets` brings each patch to mean 0
    /// and variance 1, as it does features.
    #[serde(rename = "pixels")]
    Patches,
}

impl TargetSpace {
    /// Whether it is the usual one.
    pub fn is_features(&self) -> bool {
        *self == Self::Features
    }
}

/// s_x = encoder of the visible patches, s_y = target encoder of all of them, cut out at the hidden blocks, and
/// Pred(s_x, z) with z the positions of those blocks.
#[derive(Module, Debug)]
pub struct MaskedJepa {
    /// The context encoder; the target encoder is its copy.
    pub encoder: Encoder,
    /// Pred.
    pub predictor: Predictor,
    /// What it predicts.
    #[module(skip)]
    pub space: TargetSpace,
}

impl MaskedJepa {
    /// These networks, predicting features.
    pub fn new(encoder: Encoder, predictor: Predictor) -> Self {
        Self { encoder, predictor, space: TargetSpace::Features }
    }
}

impl Jepa for MaskedJepa {
    type Batch = PatchBatch;
    type Target = Encoder;

    fn target(&self) -> &Encoder {
        &self.encoder
    }

    fn forward(&self, target: &Encoder, batch: &PatchBatch, step: &Step) -> Forward {
        let patches = batch.upload(&step.device);
        let whole = match self.space {
            TargetSpace::Features => target.forward(patches.clone()),
            TargetSpace::Patches => patches.clone(),
        };
        let pairs = batch.mask_sets().iter().map(|MaskSet { context: visible, target: hidden }| {
            let s_y = repeat_interleave(gather(whole.clone(), hidden), batch.len(), visible.len());
            let s_x = self.encoder.forward_visible(patches.clone(), visible);
            let predicted = self.predictor.forward(s_x.clone(), visible, hidden);
            (s_x, Pair { predicted, target: s_y })
        });
        Forward::of_pairs(pairs, whole.clone())
    }

    fn features(encoder: &Encoder, batch: &PatchBatch, device: &Device) -> Tensor<3> {
        encoder.forward(batch.upload(device))
    }
}

/// Floating-point operations of one forward pass of a transformer of `depth` blocks of `width` on `tokens`.
pub fn transformer_flops(tokens: f64, width: usize, depth: usize, mlp_ratio: f64) -> f64 {
    let width = width as f64;
    depth as f64 * ((8.0 + 4.0 * mlp_ratio) * tokens * width * width + 4.0 * tokens * tokens * width)
}
