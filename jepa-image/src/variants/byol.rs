//! # BYOL
//!
//! **Paper**: Grill et al., "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning", NeurIPS 2020, arXiv
//! 2006.07733.
//!
//! **Idea**: predict the embedding that a slow copy of the network has of another view. No negatives and no term against
//! a constant: the copy is late, and a small predictor stands between. I-JEPA is this with blocks instead of views and a
//! predictor that is told where.
//!
//! **x** one view; **y** the other view; **z** none; **s_y** from the EMA copy of encoder and projector; **D** one minus
//! the cosine; **against collapse** the EMA, the stopped gradient and the predictor.
//!
//! **What differs from I-JEPA**: augmented views instead of blocks; the predictor is a perceptron without condition.
//!
//! **Defaults and their source**: `official` is `configs/byol.py` of deepmind-research for 300 epochs (projector and
//! predictor 4096-256, LARS, batch 4096, EMA 0.99 to 1 along a cosine) with a ViT-S/16 in the place of its ResNet-50;
//! `cifar10` is solo-learn's. The loss here is a quarter of the official sum of both directions, which changes nothing
//! under LARS or AdamW. The copy's running figures are the student's. With `target = "stop-gradient"` this is SimSiam.
//! `small` is ours.

use jepa_core::objective::{DistanceConfig, ObjectiveConfig};
use jepa_core::plugin::{Description, Kind, Member, Preset};
use jepa_core::train::ScheduleConfig;

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig};
use crate::network::HeadConfig;

jepa_core::register!(Byol);

/// BYOL.
#[derive(Debug)]
pub struct Byol;

/// The mean over both directions of one minus the cosine.
pub fn objective() -> ObjectiveConfig {
    recipe::distance(DistanceConfig::Cosine)
}

fn recipe(widths: &[usize]) -> Recipe {
    Recipe::teacher(objective(), HeadConfig::new(widths), Some(HeadConfig::new(widths)))
}

impl Member for Byol {
    const DESCRIPTION: Description = Description {
        id: "byol",
        title: "BYOL",
        summary: "Predicts the embedding that a slow copy has of another view.",
        paper: "Grill et al. 2020, arXiv 2006.07733",
        modality: "images",
        kind: Kind::Comparison,
        context: "a view",
        target: "another view, by the EMA encoder and projector",
        condition: "none",
        distance: "1 − cosine",
        against_collapse: "EMA, stopped gradient, predictor",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let following = |lr, decay, momentum| ScheduleConfig { momentum, ..recipe::schedule(lr, 0.0, 0.01, decay) };
        vec![
            recipe(&[256, 64]).small(recipe::fashion_views(2, 0, 28)),
            recipe(&[64, 32]).tiny(recipe::fashion_views(2, 0, 28)),
            Preset {
                name: "official",
                about: "300 epochs of ImageNet-1k, the official recipe with ViT-S/16 (configs/byol.py)",
                config: recipe(&[4096, 256]).imagenet(
                    "vit-s",
                    16,
                    recipe::byol_views([0.08, 1.0]),
                    [300, 4096],
                    ScheduleConfig { warmup: 10.0 / 300.0, ..following(4.8, 1e-6, 0.99) },
                    recipe::lars(),
                ),
            },
            Preset {
                name: "cifar10",
                about: "1,000 epochs of CIFAR-10 with ResNet-18 (solo-learn)",
                config: recipe(&[4096, 256]).cifar(
                    recipe::simclr_views(32, 0.5, false),
                    [1000, 256],
                    following(1.0, 1e-5, 0.99),
                    recipe::clipped_lars(),
                ),
            },
        ]
    }
}
