//! # C-JEPA
//!
//! **Paper**: Mo and Tong, "Connecting Joint-Embedding Predictive Architecture with Contrastive Self-supervised
//! Learning", NeurIPS 2024, arXiv 2410.19560.
//!
//! **Idea**: I-JEPA's moving target slows a collapse without forbidding it, and its predictor may be content with the
//! mean of what it saw. C-JEPA adds VICReg: embeddings must vary over the batch, their dimensions must not repeat each
//! other, and what is predicted of several blocks of one image must agree. The paper's gain is mostly early in training.
//!
//! **What differs from I-JEPA**: D is the squared difference, and the objective has three terms more,
//! L = L_JEPA + 0.001 (25 invariance + 25 variance + 1 covariance). Networks, masks and schedules are I-JEPA's.
//!
//! **Defaults and their source**: the weights are the paper's. There is no official code, and readers of the paper
//! disagree on what the terms read. Here variance and covariance read the context encoder's mean token, and invariance
//! the mean of every predicted block, without a projector; `objective.regularisers[].on` selects any other reading
//! (`context`, `predicted`, `target`, `whole`). This is no verified reproduction of the paper's figures.

use jepa_core::collapse::{Covariance, Invariance, RegulariserConfig, Variance};
use jepa_core::jepa::Role;
use jepa_core::objective::{DistanceConfig, ObjectiveConfig, WeightedRegulariser};
use jepa_core::plugin::{Description, Kind, Member, Preset, Variant};
use jepa_core::train::config::RunConfig;

use super::i_jepa::{IJepa, IJepaConfig};

jepa_core::register!(CJepa);

/// C-JEPA: the networks of I-JEPA under another objective.
pub struct CJepa;

/// The paper's objective with all VICReg terms times `beta` (0.001 in the paper).
pub fn objective(beta: f64) -> ObjectiveConfig {
    let term = |term, weight: f64, on| WeightedRegulariser { term, weight: beta * weight, on, against: None, level: 1 };
    ObjectiveConfig {
        distance: DistanceConfig::L2,
        normalise_targets: Some(1e-5),
        regularisers: vec![
            term(RegulariserConfig::Invariance(Invariance::default()), 25.0, Role::Predicted),
            term(RegulariserConfig::Variance(Variance::default()), 25.0, Role::Context),
            term(RegulariserConfig::Covariance(Covariance::default()), 1.0, Role::Context),
        ],
    }
}

impl Member for CJepa {
    const DESCRIPTION: Description = Description {
        id: "c-jepa",
        title: "C-JEPA",
        summary: "I-JEPA whose embeddings must vary, whose dimensions must differ, and whose blocks must agree.",
        paper: "Mo and Tong 2024, arXiv 2410.19560",
        modality: "images",
        kind: Kind::Jepa,
        context: "visible patches of one block",
        target: "blocks of the EMA encoder's output",
        condition: "positions of the block",
        distance: "squared difference",
        against_collapse: "EMA, stopped gradient, VICReg",
    };

    type Family = IJepa;

    fn presets() -> Vec<Preset<IJepaConfig>> {
        let with = |preset: Preset<IJepaConfig>| Preset { config: Self::adopt(preset.config), ..preset };
        <IJepa as Variant>::presets().into_iter().map(with).collect()
    }

    fn adopt(config: RunConfig<IJepaConfig>) -> RunConfig<IJepaConfig> {
        RunConfig { objective: objective(1e-3), ..config }
    }
}
