//! The networks: a mini-PointNet for tokens, a code for centres, an encoder that adds it before every block, a
//! predictor that knows a target by its centre alone.

use burn::module::{Module, Param};
use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::{Batch as _, Forward, Jepa, Pair, Role, Step};
use jepa_core::masks::{MaskSet, gather, repeat_interleave};
use jepa_core::nn::{
    BatchNorm, BatchStatistics, BlockConfig, EncoderConfig, Init, Linear, Noise, NoiseConfig, PredictorConfig,
    Transformer, gelu, max_over_members, project,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::batch::GroupBatch;

/// Hidden width of a centre's code, as in Point-BERT.
const CODE: usize = 128;
/// Largest inner width of the tokeniser.
const MAX_WIDTH: usize = 8192;

/// Inner widths of the tokeniser. The default is Point-BERT's, which Point-JEPA keeps. Its work is this times all points
/// of all groups: at small widths of the encoder it takes most of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerConfig {
    /// Of the first pair of maps (Point-BERT: 128).
    pub first: usize,
    /// Of what a point is before it meets its group (Point-BERT: 256).
    pub local: usize,
    /// Of the second pair of maps (Point-BERT: 512).
    pub second: usize,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self { first: 128, local: 256, second: 512 }
    }
}

impl TokenizerConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        for (name, value) in [("first", self.first), ("local", self.local), ("second", self.second)] {
            if value == 0 || value > MAX_WIDTH {
                let problem = format!("expected a width of 1 to {MAX_WIDTH}, found {value}");
                return Err(Error::config(format!("{place}.{name}"), problem));
            }
        }
        Ok(())
    }
}

/// Two point-wise maps with a batch normalisation and a ReLU between them: `0`, `1` and `3` of the official sequence.
#[derive(Module, Debug)]
pub struct PointMaps {
    /// No bias: the normalisation would take it away.
    pub map: Linear,
    /// Over all points of the batch.
    pub norm: BatchNorm,
    /// The second map.
    pub out: Linear,
}

impl PointMaps {
    fn new(init: &mut Init, [inputs, inner, outputs]: [usize; 3]) -> Self {
        Self {
            map: Linear::without_bias(init, inputs, inner),
            norm: BatchNorm::new(init, inner),
            out: Linear::new(init, inner, outputs),
        }
    }
}

/// A mini-PointNet: the points of a group to one token, whatever their order.
#[derive(Module, Debug)]
pub struct PointNet {
    /// Each point by itself: 3 to `first` to `local`.
    pub first_conv: PointMaps,
    /// Each point beside the largest values of its group: twice `local` to `second` to the token's width.
    pub second_conv: PointMaps,
}

impl PointNet {
    fn new(init: &mut Init, config: TokenizerConfig, width: usize) -> Self {
        let TokenizerConfig { first, local, second } = config;
        Self {
            first_conv: PointMaps::new(init, [3, first, local]),
            second_conv: PointMaps::new(init, [2 * local, second, width]),
        }
    }

    /// Groups [clouds, groups, points, 3] to tokens [clouds, groups, width], with what `normalise` does at the two
    /// normalisations.
    fn run(
        &self,
        groups: Tensor<4>,
        mut normalise: impl FnMut(&BatchNorm, &'static str, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<3> {
        let [clouds, count, points, _] = groups.dims();
        let (groups, rows) = (groups.reshape([clouds * count * points, 3]), clouds * count);
        let x = normalise(&self.first_conv.norm, "first_conv.norm", self.first_conv.map.forward(groups));
        let x = self.first_conv.out.forward(x);
        let local = x.dims()[1];
        let x = x.reshape([rows, points, local]);

        // A map of [largest, point] is the sum of two maps, and the first is the same for all points of a group.
        let weight = self.second_conv.map.weight.val();
        let of_group = project(max_over_members(x.clone()), weight.clone().slice(s![..local, ..]));
        let of_point = project(x.reshape([rows * points, local]), weight.slice(s![local.., ..]));
        let inner = of_point.dims()[1];
        let x = of_point.reshape([rows, points, inner]) + of_group.reshape([rows, 1, inner]);

        let x = normalise(&self.second_conv.norm, "second_conv.norm", x.reshape([rows * points, inner]));
        let x = self.second_conv.out.forward(x).reshape([rows as i32, points as i32, -1]);
        max_over_members(x).reshape([clouds as i32, count as i32, -1])
    }

    /// Tokens by the running figures.
    pub fn evaluate(&self, groups: Tensor<4>) -> Tensor<3> {
        self.run(groups, |norm, _, x| norm.evaluate(x, true))
    }

    /// Tokens in training, and what the normalisations met, by their names.
    pub fn forward(&self, groups: Tensor<4>, step: &Step) -> (Tensor<3>, Vec<(&'static str, BatchStatistics)>) {
        let mut met = Vec::new();
        let tokens = self.run(groups, |norm, name, x| {
            let (y, statistics) = norm.forward(x, true, step);
            met.extend(statistics.map(|s| (name, s)));
            y
        });
        (tokens, met)
    }
}

/// A centre's code: two linear maps with a GELU between.
#[derive(Module, Debug)]
pub struct CentreCode {
    /// 3 to 128.
    pub fc1: Linear,
    /// 128 to the width.
    pub fc2: Linear,
}

impl CentreCode {
    fn new(init: &mut Init, width: usize) -> Self {
        Self { fc1: Linear::new(init, 3, CODE), fc2: Linear::new(init, CODE, width) }
    }

    /// [clouds, groups, 3] to [clouds, groups, width].
    pub fn forward(&self, centres: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(centres)))
    }
}

/// Tokeniser, centre code and transformer. Only the transformer has a copy that follows slowly; the other two are the
/// student's own in the target as well.
#[derive(Module, Debug)]
pub struct PointEncoder {
    /// Groups to tokens.
    pub tokenizer: PointNet,
    /// Centres to codes.
    pub positional_encoding: CentreCode,
    /// The code is added before each of its blocks.
    pub transformer: Transformer,
}

/// Narrow transformer over context tokens and one query a target.
#[derive(Module, Debug)]
pub struct PointPredictor {
    /// What stands for an unknown token, [1, 1, width].
    pub mask_token: Param<Tensor<3>>,
    /// Encoder width to predictor width.
    pub predictor_embed: Linear,
    /// Centres to codes, its own.
    pub positional_encoding: CentreCode,
    /// The transformer.
    pub predictor: Transformer,
    /// Back to the encoder's width.
    pub predictor_proj: Linear,
}

/// Point-JEPA.
#[derive(Module, Debug)]
pub struct PointNetworks {
    /// The context encoder; the target encoder is its copy.
    pub encoder: PointEncoder,
    /// Pred.
    pub predictor: PointPredictor,
    /// What the encoder drops in training.
    #[module(skip)]
    pub encoder_noise: NoiseConfig,
    /// What the predictor drops in training.
    #[module(skip)]
    pub predictor_noise: NoiseConfig,
}

fn plain<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.is_autodiff() { x.inner() } else { x }
}

impl PointNetworks {
    /// Fresh networks.
    pub fn new(
        init: &mut Init,
        tokenizer: TokenizerConfig,
        encoder: &EncoderConfig,
        predictor: &PredictorConfig,
    ) -> Self {
        let narrow = BlockConfig {
            width: predictor.width,
            heads: predictor.heads,
            hidden: 4 * predictor.width,
            eps: encoder.eps,
        };
        Self {
            encoder: PointEncoder {
                tokenizer: PointNet::new(init, tokenizer, encoder.width),
                positional_encoding: CentreCode::new(init, encoder.width),
                transformer: Transformer::new(init, encoder.block(), encoder.depth),
            },
            predictor: PointPredictor {
                mask_token: init.token(predictor.width),
                predictor_embed: Linear::new(init, encoder.width, predictor.width),
                positional_encoding: CentreCode::new(init, predictor.width),
                predictor: Transformer::new(init, narrow, predictor.depth),
                predictor_proj: Linear::new(init, predictor.width, encoder.width),
            },
            encoder_noise: NoiseConfig::default(),
            predictor_noise: NoiseConfig::default(),
        }
    }
}

impl PointPredictor {
    /// From context features [clouds, seen, width] and the centres [clouds, groups, 3] to predictions [targets *
    /// clouds, block, width] in the order (target, cloud). Blocks never see each other.
    pub fn forward(&self, context: Tensor<3>, centres: Tensor<3>, masks: &MaskSet, noise: Option<Noise>) -> Tensor<3> {
        let MaskSet { context: visible, target: hidden } = masks;
        let seen = context.dims()[1];
        let codes = self.positional_encoding.forward(centres);
        let context = self.predictor_embed.forward(context) + gather(codes.clone(), visible);
        let context = context.repeat_dim(0, hidden.len());
        let queries = gather(codes, hidden) + self.mask_token.val();
        let x = self.predictor.forward_from(Tensor::cat(vec![context, queries], 1), seen, noise);
        self.predictor_proj.forward(x)
    }
}

impl Jepa for PointNetworks {
    type Batch = GroupBatch;
    type Target = PointEncoder;

    fn target(&self) -> &PointEncoder {
        &self.encoder
    }

    fn forward(&self, target: &PointEncoder, batch: &GroupBatch, step: &Step) -> Forward {
        let Some(masks) = batch.masks() else { return Forward::default() };
        let MaskSet { context: visible, target: hidden } = masks;
        let (groups, centres) = batch.upload(&step.device);
        let codes = target.positional_encoding.forward(centres.clone());
        let (tokens, met, of_target, centres) = match batch.upload_seen(&step.device) {
            // One pose: the target takes over the tokens of the context path.
            None => {
                let (tokens, met) = self.encoder.tokenizer.forward(groups, step);
                (tokens.clone(), met, plain(tokens), centres)
            }
            Some((seen, centres)) => {
                let of_target = target.tokenizer.evaluate(groups);
                let (tokens, met) = self.encoder.tokenizer.forward(seen, step);
                (tokens, met, plain(of_target), centres)
            }
        };
        let whole = target.transformer.trunk(of_target, Some(codes), None);
        let s_y = repeat_interleave(gather(whole.clone(), hidden), batch.len(), visible.len());

        let codes = self.encoder.positional_encoding.forward(gather(centres.clone(), visible));
        let depth = self.encoder.transformer.blocks.len();
        let noise = Noise::new(self.encoder_noise, step, 0, depth, batch.len());
        let s_x = self.encoder.transformer.forward(gather(tokens, visible), Some(codes), noise);
        let noise = Noise::new(self.predictor_noise, step, 1, self.predictor.predictor.blocks.len(), batch.len());
        let predicted = self.predictor.forward(s_x.clone(), centres, masks, noise);
        Forward {
            embeddings: vec![
                (Role::Context, s_x),
                (Role::Predicted, predicted.clone()),
                (Role::Target, s_y.clone()),
                (Role::Whole, whole),
            ],
            pairs: vec![Pair { predicted, target: s_y }],
            statistics: met.into_iter().map(|(name, s)| (format!("encoder.tokenizer.{name}"), s)).collect(),
            ..Forward::default()
        }
    }

    fn features(encoder: &PointEncoder, batch: &GroupBatch, device: &Device) -> Tensor<3> {
        let (groups, centres) = batch.upload(device);
        let codes = encoder.positional_encoding.forward(centres);
        encoder.transformer.forward(encoder.tokenizer.evaluate(groups), Some(codes), None)
    }

    fn is_averaged(path: &str) -> bool {
        path.starts_with("transformer.")
    }
}
