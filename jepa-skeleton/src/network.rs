//! The networks: an encoder with learned tables for segment and joint, and a predictor over all places of a clip.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::{Batch, Forward, Jepa, Pair, Role, Step};
use jepa_core::masks::{MaskSet, TokenSets, gather, gather_table};
use jepa_core::nn::{BlockConfig, EncoderConfig, Init, Linear, PredictorConfig, Transformer};

use crate::tokens::Tokens;

/// Clips of one person each, cut into tokens; a sample has one clip a person.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipBatch {
    /// What the target encoder sees: [clips, tokens, values].
    clean: Vec<f32>,
    /// What the context encoder sees; absent where it is the same.
    view: Option<Vec<f32>>,
    /// Sample of every clip, ascending.
    owners: Vec<usize>,
    samples: usize,
    /// tokens, values a token
    shape: [usize; 2],
    masks: Option<MaskSet>,
}

impl ClipBatch {
    /// `clean` and `view` are [clips, tokens, values]; `owners` names the sample of each clip, ascending, every sample
    /// of 0..samples at least once; masks must be for as many clips and tokens.
    pub fn new(
        clean: Vec<f32>,
        view: Option<Vec<f32>>,
        owners: Vec<usize>,
        shape: [usize; 2],
        masks: Option<MaskSet>,
    ) -> Result<Self> {
        let (clips, size) = (owners.len(), shape[0] * shape[1]);
        let samples = owners.last().map_or(0, |last| last + 1);
        let complete = owners.first() == Some(&0) && owners.windows(2).all(|w| w[1] == w[0] || w[1] == w[0] + 1);
        let fits = masks.as_ref().is_none_or(|m| {
            m.context.iter().chain(&m.target).all(|mask| mask.batch() == clips && mask.tokens() == shape[0])
                && m.context.len() == 1
                && m.target.len() == 1
        });
        let full = clean.len() == clips * size && view.as_ref().is_none_or(|v| v.len() == clean.len());
        if !(complete && fits && full) {
            let problem = format!("{} values do not make {clips} clips of {shape:?} with their masks", clean.len());
            return Err(Error::Engine(problem));
        }
        Ok(Self { clean, view, owners, samples, shape, masks })
    }

    fn tensor(&self, values: &[f32], device: &Device) -> Tensor<3> {
        let [tokens, width] = self.shape;
        Tensor::from_data(TensorData::new(values.to_vec(), [self.owners.len(), tokens, width]), device)
    }

    /// Share of every clip in the mean of its sample: [samples, clips].
    fn shares(&self, device: &Device) -> Tensor<2> {
        let clips = self.owners.len();
        let mut counts = vec![0f32; self.samples];
        self.owners.iter().for_each(|owner| counts[*owner] += 1.0);
        let mut values = vec![0f32; self.samples * clips];
        for (clip, owner) in self.owners.iter().enumerate() {
            values[owner * clips + clip] = 1.0 / counts[*owner];
        }
        Tensor::from_data(TensorData::new(values, [self.samples, clips]), device)
    }
}

impl Batch for ClipBatch {
    fn len(&self) -> usize {
        self.samples
    }

    fn weight(&self) -> f64 {
        self.owners.len() as f64
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let size = self.shape[0] * self.shape[1];
        let first = self.owners.partition_point(|owner| *owner < range.start);
        let end = self.owners.partition_point(|owner| *owner < range.end);
        let part = |values: &Vec<f32>| values[first * size..end * size].to_vec();
        Self {
            clean: part(&self.clean),
            view: self.view.as_ref().map(part),
            owners: self.owners[first..end].iter().map(|owner| owner - range.start).collect(),
            samples: range.len(),
            shape: self.shape,
            masks: self.masks.as_ref().map(|m| m.shard(first..end)),
        }
    }

    fn mask_sets(&self) -> &[MaskSet] {
        self.masks.as_slice()
    }

    fn masked(&self, sets: &[TokenSets]) -> Result<Self> {
        let [TokenSets { context, target }] = sets else {
            return Err(Error::config("mask", format!("expected the masks of one generator, found {}", sets.len())));
        };
        if context.len() != 1 || target.len() != 1 {
            return Err(Error::config("mask", "expected one context and one block to be predicted"));
        }
        Ok(Self { masks: Some(sets[0].repeated(self.owners.len(), self.shape[0])?), ..self.clone() })
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let length = |masks: &[jepa_core::masks::Mask]| masks.first().map_or(0.0, |m| m.len() as f64);
        self.masks
            .iter()
            .flat_map(|m| [("context_tokens", length(&m.context)), ("target_tokens", length(&m.target))])
            .collect()
    }

    fn disturbed(&self, hidden: bool) -> Self {
        let [tokens, width] = self.shape;
        let mut copy = self.clone();
        for clip in 0..self.owners.len() {
            let visible = |token: usize| {
                self.masks.iter().flat_map(|m| &m.context).any(|m| m.row(clip).contains(&(token as u32)))
            };
            for token in (0..tokens).filter(|t| visible(*t) != hidden) {
                let place = (clip * tokens + token) * width..(clip * tokens + token + 1) * width;
                for values in [Some(&mut copy.clean), copy.view.as_mut()].into_iter().flatten() {
                    for (i, v) in values[place.clone()].iter_mut().enumerate() {
                        *v = *v * -0.5 + 0.1 * (i % 7) as f32 + 0.05;
                    }
                }
            }
        }
        copy
    }
}

/// What says where a token is: a learned vector for its segment and one for its joint, added.
#[derive(Module, Debug)]
pub struct Places {
    /// [1, segments, width]
    pub temp_embed: Param<Tensor<3>>,
    /// [1, joints, width]
    pub joint_embed: Param<Tensor<3>>,
}

impl Places {
    fn new(init: &mut Init, tokens: &Tokens, width: usize) -> Self {
        Self {
            temp_embed: init.learned_table([1, tokens.segments, width]),
            joint_embed: init.learned_table([1, tokens.joints, width]),
        }
    }

    /// The sums for all tokens of a clip: [1, tokens, width].
    pub fn table(&self) -> Tensor<3> {
        let (time, joint) = (self.temp_embed.val(), self.joint_embed.val());
        let ([_, segments, width], [_, joints, _]) = (time.dims(), joint.dims());
        let sum = time.reshape([segments, 1, width]) + joint.reshape([1, joints, width]);
        sum.reshape([1, segments * joints, width])
    }
}

/// s_x and, as an EMA copy, s_y.
#[derive(Module, Debug)]
pub struct SkeletonEncoder {
    /// The values of a token to its width; the convolution of the reference.
    pub joints_embed: Linear,
    /// Learned places.
    pub places: Places,
    /// The transformer.
    pub transformer: Transformer,
}

impl SkeletonEncoder {
    /// All tokens: [clips, tokens, values] to [clips, tokens, width].
    pub fn forward(&self, clips: Tensor<3>) -> Tensor<3> {
        self.transformer.forward(self.joints_embed.forward(clips) + self.places.table(), None, None)
    }

    /// The visible tokens alone; hidden ones are dropped before the first block.
    pub fn forward_visible(&self, clips: Tensor<3>, masks: &MaskSet) -> Tensor<3> {
        let tokens = self.joints_embed.forward(gather(clips, &masks.context));
        self.transformer.forward(tokens + gather_table(self.places.table(), &masks.context), None, None)
    }
}

/// A transformer over the features of what is visible and one query a hidden token.
#[derive(Module, Debug)]
pub struct SkeletonPredictor {
    /// What stands for a hidden token, [1, 1, width].
    pub mask_token: Param<Tensor<3>>,
    /// Encoder width to predictor width.
    pub predictor_embed: Linear,
    /// Learned places, its own.
    pub places: Places,
    /// The transformer.
    pub transformer: Transformer,
    /// Back to the encoder's width.
    pub head: Linear,
}

impl SkeletonPredictor {
    /// Predicts every hidden token: [clips, seen, width] to [clips, hidden, width]. The reference puts all tokens into
    /// their order first; attention does not see an order, so the queries simply come last.
    pub fn forward(&self, context: Tensor<3>, masks: &MaskSet) -> Tensor<3> {
        let seen = context.dims()[1];
        let table = self.places.table();
        let context = self.predictor_embed.forward(context) + gather_table(table.clone(), &masks.context);
        let queries = gather_table(table, &masks.target) + self.mask_token.val();
        let x = self.transformer.forward_from(Tensor::cat(vec![context, queries], 1), seen, None);
        self.head.forward(x)
    }
}

/// S-JEPA.
#[derive(Module, Debug)]
pub struct SkeletonNetworks {
    /// The view encoder; the target encoder is its copy.
    pub encoder: SkeletonEncoder,
    /// Pred.
    pub predictor: SkeletonPredictor,
}

impl SkeletonNetworks {
    /// Fresh networks for clips cut into `tokens`.
    pub fn new(init: &mut Init, tokens: &Tokens, encoder: &EncoderConfig, predictor: &PredictorConfig) -> Self {
        let narrow = BlockConfig {
            width: predictor.width,
            heads: predictor.heads,
            hidden: (predictor.width as f64 * encoder.mlp_ratio) as usize,
            eps: encoder.eps,
        };
        Self {
            encoder: SkeletonEncoder {
                joints_embed: Linear::new(init, tokens.width(), encoder.width),
                places: Places::new(init, tokens, encoder.width),
                transformer: Transformer::new(init, encoder.block(), encoder.depth),
            },
            predictor: SkeletonPredictor {
                mask_token: init.token(predictor.width),
                predictor_embed: Linear::new(init, encoder.width, predictor.width),
                places: Places::new(init, tokens, predictor.width),
                transformer: Transformer::new(init, narrow, predictor.depth),
                head: Linear::new(init, predictor.width, encoder.width),
            },
        }
    }
}

impl Jepa for SkeletonNetworks {
    type Batch = ClipBatch;
    type Target = SkeletonEncoder;

    fn target(&self) -> &SkeletonEncoder {
        &self.encoder
    }

    fn forward(&self, target: &SkeletonEncoder, batch: &ClipBatch, step: &Step) -> Forward {
        let Some(masks) = &batch.masks else { return Forward::default() };
        let whole = target.forward(batch.tensor(&batch.clean, &step.device));
        let s_y = gather(whole.clone(), &masks.target);
        let view = batch.tensor(batch.view.as_ref().unwrap_or(&batch.clean), &step.device);
        let s_x = self.encoder.forward_visible(view, masks);
        let predicted = self.predictor.forward(s_x.clone(), masks);
        Forward {
            embeddings: vec![
                (Role::Context, s_x),
                (Role::Predicted, predicted.clone()),
                (Role::Target, s_y.clone()),
                (Role::Whole, whole),
            ],
            pairs: vec![Pair { predicted, target: s_y }],
            ..Forward::default()
        }
    }

    fn features(encoder: &SkeletonEncoder, batch: &ClipBatch, device: &Device) -> Tensor<3> {
        let features = encoder.forward(batch.tensor(&batch.clean, device));
        let [clips, tokens, width] = features.dims();
        if clips == batch.samples {
            return features;
        }
        // The mean over the persons of a sample, token by token.
        batch.shares(device).matmul(features.reshape([clips, tokens * width])).reshape([batch.samples, tokens, width])
    }
}
