//! What keeps an encoder from mapping everything to one point, and how to see when it does.
//!
//! | tool | where it is configured | prevents | its absence |
//! |---|---|---|---|
//! | EMA target | `target = "ema"` ([`follow`]) | a target that runs after the prediction | the pair drifts to a constant |
//! | stopped gradient | `target = "stop-gradient"` | a target that comes to meet the prediction | both meet at a constant at once |
//! | [`Variance`] | `kind = "variance"` | a dimension that stops varying | collapse to a point |
//! | [`Covariance`] | `kind = "covariance"` | dimensions that repeat each other | collapse to a few directions |
//! | [`Invariance`] | `kind = "invariance"` | views of one sample that disagree | nothing is shared between views |
//! | [`TimeSimilarity`] | `kind = "time-similarity"` | states that jump from one time to the next | what flickers is encoded, what moves is not |
//! | [`BarlowTwins`] | `kind = "barlow-twins"` | both of the above, by correlations between views | point and directions |
//! | [`SigReg`] | `kind = "sigreg"` | every distribution but an isotropic normal one | point and directions |
//! | [`Whitening`] | `kind = "whitening"` | the same by construction: what is compared is white | point and directions |
//! | [`InfoNce`] | `kind = "info-nce"` | samples that cannot be told apart | collapse to a point |
//! | [`centring`] | `distance.kind = "centred-softmax"` | one winner for all (centre), no winner at all (sharpening) | one-hot or uniform |
//!
//! A term is put on any variant by its configuration: what it reads is an embedding's [`Role`](crate::jepa::Role).
//!
//! ```toml
//! [[objective.regularisers]]
//! weight = 0.05
//! on = "context"
//! term = { kind = "sigreg", form = "paper", slices = 1024 }
//! ```
//!
//! How to see a collapse: [`Diagnostics`] at every interval, [`Report`] in `probe --kind collapse`, [`Alarm`] in words.

mod alarm;
mod barlow_twins;
pub mod centring;
mod diagnostics;
mod ema;
mod geometry;
mod info_nce;
mod lidar;
mod memory;
mod report;
mod sigreg;
mod spectrum;
mod time_similarity;
mod vicreg;
mod views;
mod whitening;

pub use alarm::{Alarm, Circumstances, CollapseKind, OnCollapse};
pub use barlow_twins::{BarlowForm, BarlowTwins};
pub use diagnostics::Diagnostics;
pub use ema::{distance_to, follow, follow_statistics};
pub use geometry::{alignment, deviations, uniformity, unit_deviation, unit_rows};
pub use info_nce::{InfoNce, InfoNceForm};
pub use lidar::{Lidar, lidar};
pub use memory::{Keys, Memory, Observed};
pub use report::{Report, ReportRow};
pub use sigreg::{SigReg, SigRegForm, directions};
pub use spectrum::{centred, covariance_spectrum, entropy_rank, participation_ratio, power_law, rank_me, spectrum};
pub use time_similarity::TimeSimilarity;
pub use vicreg::{Covariance, Invariance, Variance, VicRegForm};
pub use views::Views;
pub use whitening::{Whitening, WhiteningForm};

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A penalty on the embeddings of a whole batch: of all replicas, so that their number changes the speed and never the
/// value.
pub trait Regulariser: Send + Sync {
    /// Name in logs.
    fn name(&self) -> &'static str;

    /// What is wrong with the numbers of its configuration.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it compares two embeddings of a sample; otherwise it looks at every view by itself.
    fn compares(&self) -> bool;

    /// The penalty: one value.
    fn penalty(&self, views: &Views, moment: &Moment) -> Result<Tensor<1>>;

    /// Embeddings of this batch that penalties of later steps will read, [rows, width].
    fn keys(&self, _: &Views) -> Option<Tensor<2>> {
        None
    }

    /// How many of them are kept.
    fn queue(&self) -> usize {
        0
    }
}

/// When a penalty is computed, for what draws at random or remembers.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the step, from 1.
    pub step: u64,
    /// Place of the term in the configuration: two terms of one kind draw different numbers.
    pub term: u64,
    /// Keys of earlier steps, newest last, [keys, width].
    pub queue: Option<Tensor<2>>,
}

/// The regularisers that a configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum RegulariserConfig {
    /// VICReg's hinge on the standard deviation of each dimension.
    Variance(Variance),
    /// VICReg's squared off-diagonal covariances.
    Covariance(Covariance),
    /// The mean squared difference between views of one sample.
    Invariance(Invariance),
    /// The mean squared difference between states that follow each other.
    TimeSimilarity(TimeSimilarity),
    /// Barlow Twins' cross-correlation between two views.
    BarlowTwins(BarlowTwins),
    /// LeJEPA's distance of random projections from a standard normal distribution.
    #[serde(rename = "sigreg")]
    SigReg(SigReg),
    /// W-MSE's difference of whitened views.
    Whitening(Whitening),
    /// Contrast with other samples.
    InfoNce(InfoNce),
}

impl RegulariserConfig {
    /// The term itself.
    pub fn term(&self) -> &dyn Regulariser {
        match self {
            Self::Variance(term) => term,
            Self::Covariance(term) => term,
            Self::Invariance(term) => term,
            Self::TimeSimilarity(term) => term,
            Self::BarlowTwins(term) => term,
            Self::SigReg(term) => term,
            Self::Whitening(term) => term,
            Self::InfoNce(term) => term,
        }
    }
}
