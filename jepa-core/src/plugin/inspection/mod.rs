//! One sample in depth, for any variant: tokens of every layer, attention, and the answer to masks that a person draws.
//!
//! Nothing here is another path through the networks. Layers and attention are taken down while
//! [`features`](crate::jepa::Jepa::features) runs ([`watch`](crate::nn::watch)), and a mask of one's own is put into a
//! clean batch for the forward pass of training, whose pairs the objective then measures token by token. A variant of
//! which something cannot be had says so with [`Error::NotOffered`].

mod errors;
mod look;
mod open;

pub(crate) use errors::token_errors;
pub use look::{Heads, Layer, Look};
pub(super) use open::{Opened, inspect};

use std::path::PathBuf;

use super::Settings;
use crate::data::Split;
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::masks::TokenSets;
use crate::probe::Network;

/// What is to be inspected.
#[derive(Debug, Clone)]
pub struct InspectRequest {
    /// The networks.
    pub weights: Weights,
    /// Data specification; absent: what the configuration names.
    pub data: Option<String>,
    /// Which part of it.
    pub split: Split,
    /// Where tensors live.
    pub engine: Engine,
}

/// Whose networks.
#[derive(Debug, Clone)]
pub enum Weights {
    /// Of a run (its newest checkpoint), of one checkpoint, or of imported weights.
    Trained(PathBuf),
    /// As they are before training.
    Untrained(Box<Settings>),
}

/// Networks and a data set, opened for inspection.
pub trait Inspector: Send + Sync {
    /// What was opened.
    fn about(&self) -> &Inspected;

    /// One clean sample through an encoder.
    fn look(&self, index: usize, network: Network) -> Result<Look>;

    /// The masks that the collator draws on this sample when it is alone in the batch of `step`, one a mask generator.
    fn own_masks(&self, index: usize, step: u64) -> Result<Vec<TokenSets>>;

    /// How far predictions are off at each hidden token when the clean sample is hidden by these masks, one a mask
    /// generator: context encoder, predictor, target encoder, and the objective's own distance.
    fn what_if(&self, index: usize, masks: &[TokenSets]) -> Result<WhatIf>;
}

/// What was opened, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The data set; synthetic data says so.
    pub data: String,
    /// Number of samples.
    pub samples: usize,
    /// Names of the classes, empty without labels.
    pub classes: Vec<String>,
    /// Steps that the networks were trained for; none before training, 0 of imported weights.
    pub step: Option<u64>,
    /// Name of the distance that errors are measured with.
    pub distance: String,
}

/// Errors of predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIf {
    /// One a mask generator.
    pub generators: Vec<Errors>,
}

/// Errors under the masks of one generator.
#[derive(Debug, Clone, PartialEq)]
pub struct Errors {
    /// Error of every token; NaN where nothing is predicted. Of a sample with several rows those of the first.
    pub tokens: Vec<f32>,
    /// Mean over all predictions, as training counts it, without the terms against collapse.
    pub mean: f64,
}
