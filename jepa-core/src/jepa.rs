//! The sentence every variant is an instance of: **E(x, y, z) = D(s_y, Pred(s_x, z))**.
//!
//! x is what is seen, y what is hidden, z what the prediction is conditioned on; s_x = Enc(x), s_y = Enc'(y). A variant
//! says what its x, y, z, Enc and Pred are by implementing [`Jepa`]; where Enc' comes from is a [`TargetSource`]; D and
//! what keeps the encoder from collapsing are an [`Objective`](crate::objective::Objective). Everything else (training,
//! probes, checkpoints, diagnostics) works on any `Jepa`.

use std::ops::Range;

use burn::module::Module;
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::masks::{MaskSet, TokenSets};
use crate::nn::{BatchStatistics, Precision};
use crate::train::Exchange;

/// One architecture of the family: s_x, Pred, and what s_y is computed with.
pub trait Jepa: Module + Sync {
    /// What the loader hands over: samples and masks on the host.
    type Batch: Batch;
    /// The part that the target follows, usually the context encoder. Frozen features come from it.
    type Target: Module + Sync;

    /// The part of this network that the target copies.
    fn target(&self) -> &Self::Target;

    /// One forward pass. `target` computes s_y; it is on a plain device unless the target source is
    /// [`TargetSource::Shared`]. Inputs are uploaded to `step.device`, a plain device: tensors become tracked by meeting
    /// the parameters.
    fn forward(&self, target: &Self::Target, batch: &Self::Batch, step: &Step) -> Forward;

    /// Frozen features of clean samples: [batch, tokens, width].
    fn features(encoder: &Self::Target, batch: &Self::Batch, device: &Device) -> Tensor<3>;

    /// Whether the target's parameter at `path` is an average over time; the others are the student's own (Point-JEPA
    /// averages the transformer and shares the tokeniser).
    fn is_averaged(_path: &str) -> bool {
        true
    }
}

/// A collated batch on the host. Cutting it up must not change what a sample contributes.
pub trait Batch: Clone + Send + Sync + 'static {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a mean over this batch counts, where a sample is more than one row (a person each): the rows.
    fn weight(&self) -> f64 {
        self.len() as f64
    }

    /// The samples `range` with their masks, for one replica.
    fn shard(&self, range: Range<usize>) -> Self;

    /// What is seen and what is hidden, one set a mask generator, in the order of the pairs of a forward pass; none for
    /// clean samples, and where hiding is not done by index sets.
    fn mask_sets(&self) -> &[MaskSet] {
        &[]
    }

    /// The same samples with these masks in place of their own, one set a mask generator, the same for all rows: what a
    /// person draws. Refused where hiding is not done by index sets.
    fn masked(&self, _sets: &[TokenSets]) -> Result<Self> {
        let because = "its batches are not hidden by sets of tokens".to_owned();
        Err(Error::NotOffered { what: "a mask of one's own", because })
    }

    /// Figures of this batch worth logging, such as mask lengths.
    fn figures(&self) -> Vec<(&'static str, f64)>;

    /// The same batch with other values in everything the context must not see (`hidden`), or in what it does see
    /// otherwise. The conformance suite checks with it that nothing hidden leaks.
    fn disturbed(&self, hidden: bool) -> Self;
}

/// Where in the run a forward pass stands. Everything random in it is keyed by this.
#[derive(Debug, Clone)]
pub struct Step {
    /// Number of the step, from 1.
    pub number: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Where inputs go; plain.
    pub device: Device,
    /// Place of this shard's first sample in the batch.
    pub first: usize,
    /// Sums over the replicas, for what needs the whole batch in the middle of a pass.
    pub exchange: Exchange,
    /// Whether this is training: batch normalisations use the figures of the batch, and what a network drops is dropped.
    /// Otherwise they use their running figures, with which no sample sees another, and nothing is dropped.
    pub batch_statistics: bool,
    /// Number format of the products of the pass.
    pub precision: Precision,
}

impl Step {
    /// Step `number` of `total` with the whole batch in one shard.
    pub fn new(number: u64, total: u64, seed: u64, device: &Device) -> Self {
        Self {
            number,
            total,
            seed,
            device: device.clone(),
            first: 0,
            exchange: Exchange::default(),
            batch_statistics: true,
            precision: Precision::F32,
        }
    }

    /// The same with products in another number format.
    pub fn with_products(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }
}

/// What one forward pass gives to the objective.
#[derive(Debug, Default)]
pub struct Forward {
    /// Predictions beside their targets.
    pub pairs: Vec<Pair>,
    /// Embeddings that regularisers and checks may read.
    pub embeddings: Vec<(Role, Tensor<3>)>,
    /// Weighted terms that belong to the architecture alone, averaged over this batch's samples.
    pub terms: Vec<(&'static str, Tensor<1>)>,
    /// Statistics that batch normalisations met, by the path of the layer: their running figures follow them.
    pub statistics: Vec<(String, BatchStatistics)>,
    /// Factor of the energy beside the other terms, where a variant learns several things at once; absent: 1.
    pub energy_weight: Option<f64>,
    /// What levels above this one give, the second first: each has an energy of its own
    /// ([`hierarchy`](crate::hierarchy)).
    pub above: Vec<LevelForward>,
}

/// What one upper level of a hierarchy gives to the objective.
#[derive(Debug, Default)]
pub struct LevelForward {
    /// Factor of its energy in the total.
    pub weight: f64,
    /// Predictions beside their targets.
    pub pairs: Vec<Pair>,
    /// Embeddings that regularisers of this level may read.
    pub embeddings: Vec<(Role, Tensor<3>)>,
    /// Weighted terms of the level alone, averaged over this batch's samples.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

impl Forward {
    /// A forward pass with nothing but pairs: s_x beside each, and the target encoder's whole output. Embeddings of
    /// several pairs stand behind each other on the token axis.
    pub fn of_pairs(pairs: impl Iterator<Item = (Tensor<3>, Pair)>, whole: Tensor<3>) -> Self {
        let (contexts, pairs): (Vec<_>, Vec<Pair>) = pairs.unzip();
        let of = |part: fn(&Pair) -> &Tensor<3>| pairs.iter().map(|pair| part(pair).clone()).collect();
        let roles =
            [(Role::Context, contexts), (Role::Predicted, of(|p| &p.predicted)), (Role::Target, of(|p| &p.target))];
        let joined =
            |mut parts: Vec<Tensor<3>>| if parts.len() > 1 { Some(Tensor::cat(parts, 1)) } else { parts.pop() };
        let mut embeddings: Vec<_> =
            roles.into_iter().filter_map(|(role, parts)| Some((role, joined(parts)?))).collect();
        embeddings.push((Role::Whole, whole));
        Self { pairs, embeddings, ..Self::default() }
    }

    /// The embeddings of `role`, of the lowest level.
    pub fn embedding(&self, role: Role) -> Option<&Tensor<3>> {
        self.embedding_at(1, role)
    }

    /// The embeddings of `role` on a level, the lowest is 1.
    pub fn embedding_at(&self, level: usize, role: Role) -> Option<&Tensor<3>> {
        let embeddings = match level {
            0 => return None,
            1 => &self.embeddings,
            _ => &self.above.get(level - 2)?.embeddings,
        };
        embeddings.iter().find(|(r, _)| *r == role).map(|(_, t)| t)
    }
}

/// Pred(s_x, z) beside s_y, both [rows, tokens, width].
#[derive(Debug)]
pub struct Pair {
    /// The prediction.
    pub predicted: Tensor<3>,
    /// The target, before normalisation.
    pub target: Tensor<3>,
}

/// Whose embedding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// s_x: [batch, visible tokens, width].
    Context,
    /// Pred(s_x, z): [rows, hidden tokens, width].
    Predicted,
    /// s_y: [rows, hidden tokens, width].
    Target,
    /// Enc'(y) before the hidden tokens are cut out of it: [batch, tokens, width].
    Whole,
    /// s of every time of a sequence, [batch * times, 1, width]: each row is a sample of its own, not another view of
    /// one (world models).
    States,
}

impl Role {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Predicted => "predicted",
            Self::Target => "target",
            Self::Whole => "whole",
            Self::States => "states",
        }
    }
}

/// Where s_y comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetSource {
    /// A slow copy of the encoder: θ' ← m θ' + (1 − m) θ after each update, m from the schedule.
    Ema,
    /// The encoder itself, without gradient.
    StopGradient,
    /// The encoder itself, with gradient.
    Shared,
    /// The encoder as it was when training began.
    Frozen,
}
