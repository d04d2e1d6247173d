//! What keeps an encoder from mapping everything to one point, and how to see when it does.

mod diagnostics;
mod ema;
mod vicreg;

pub use diagnostics::{Diagnostics, participation_ratio, rank_me, spectrum};
pub use ema::{follow, follow_statistics};
pub use vicreg::{Covariance, Invariance, Variance};

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A penalty on the embeddings of a whole batch.
pub trait Regulariser: Send + Sync {
    /// Name in logs.
    fn name(&self) -> &'static str;

    /// The penalty of embeddings [samples, width], one a view of the samples (one prediction a block, one picture an
    /// augmentation): one value.
    fn penalty(&self, views: &[Tensor<2>]) -> Tensor<1>;
}

/// The regularisers that a configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum RegulariserConfig {
    /// VICReg's hinge on the standard deviation of each dimension: mean over dimensions and views.
    Variance,
    /// VICReg's sum of squared off-diagonal covariances over the width: mean over pairs of views of the two's sum.
    Covariance,
    /// VICReg's mean squared difference between views of one sample: mean over pairs of views.
    Invariance,
}

impl RegulariserConfig {
    pub(crate) fn build(self) -> Box<dyn Regulariser> {
        match self {
            Self::Variance => Box::new(Variance),
            Self::Covariance => Box::new(Covariance),
            Self::Invariance => Box::new(Invariance),
        }
    }
}
