//! # MoCo
//!
//! **Papers**: He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, arXiv
//! 1911.05722 (v1; v2 is arXiv 2003.04297); Chen, Xie and He, "An Empirical Study of Training Self-Supervised Vision
//! Transformers", ICCV 2021, arXiv 2104.02057 (v3).
//!
//! **Idea**: contrast as in SimCLR, but what is searched among comes from a slow copy of the network: of the same batch
//! (v3), or a queue of many batches before (v2), so that the number of negatives does not hang on the batch.
//!
//! **x** one view; **y** the other view; **z** none; **s_y** from the EMA copy of encoder and projector; **D** the
//! cross-entropy of finding it by cosine (the term `info-nce`); **against collapse** the same, and the EMA.
//!
//! **What differs from I-JEPA**: negatives, and augmented views instead of blocks.
//!
//! **Defaults and their source**: `vit-s16` and `vit-b16` are `CONFIG.md` of facebookresearch/moco-v3 (300 epochs, AdamW,
//! temperature 0.2, heads of 4096 and 256 values). Here the copy moves after the step, not before its keys are made; the
//! patch embedding is trained; and the last normalisation of a head has a scale, which the length one takes away.
//! `small-queue` contrasts with a queue as v2 does, in both directions. `small` is ours.

use jepa_core::collapse::{InfoNce, InfoNceForm, RegulariserConfig};
use jepa_core::jepa::Role;
use jepa_core::objective::ObjectiveConfig;
use jepa_core::plugin::{Description, Kind, Member, Preset};
use jepa_core::train::{AdamWConfig, ScheduleConfig};

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig};
use crate::network::{End, HeadConfig};

jepa_core::register!(MoCo);

/// MoCo.
#[derive(Debug)]
pub struct MoCo;

/// Predictions among targets; of v3 the sum of both directions, of v2 their mean.
pub fn objective(form: InfoNceForm, temperature: f64, queue: usize) -> ObjectiveConfig {
    let weight = if form == InfoNceForm::MocoV3 { 2.0 } else { 1.0 };
    let mut config = recipe::terms([(RegulariserConfig::InfoNce(InfoNce { form, temperature, queue }), weight)]);
    config.regularisers.iter_mut().for_each(|term| term.against = Some(Role::Target));
    config
}

fn recipe(projector: &[usize], predictor: &[usize]) -> Recipe {
    let head = |widths: &[usize]| HeadConfig::new(widths).ending(End::BatchNorm);
    Recipe::teacher(objective(InfoNceForm::MocoV3, 0.2, 0), head(projector), Some(head(predictor)))
}

impl Member for MoCo {
    const DESCRIPTION: Description = Description {
        id: "moco",
        title: "MoCo",
        summary: "Finds what a slow copy says of another view among what it says of other pictures.",
        paper: "Chen et al. 2021, arXiv 2104.02057",
        modality: "images",
        kind: Kind::Comparison,
        context: "a view",
        target: "another view, by the EMA encoder and projector",
        condition: "none",
        distance: "cross-entropy over the batch, or over a queue",
        against_collapse: "negatives, EMA, stopped gradient",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let views = || recipe::fashion_views(2, 0, 28);
        let queue = Recipe::teacher(objective(InfoNceForm::MocoV2, 0.2, 4096), HeadConfig::new([256, 64]), None);
        let vit = |size| {
            recipe(&[4096, 4096, 256], &[4096, 256]).imagenet(
                size,
                16,
                recipe::byol_views([0.08, 1.0]),
                [300, 4096],
                ScheduleConfig { momentum: 0.99, ..recipe::schedule(2.4e-3, 0.0, 40.0 / 300.0, 0.1) },
                AdamWConfig::default(),
            )
        };
        vec![
            recipe(&[256, 64], &[256, 64]).small(views()),
            Preset {
                name: "small-queue",
                about: "the same with the negatives of MoCo v2: a queue of 4,096 keys",
                config: queue.small(views()).config,
            },
            recipe(&[64, 32], &[64, 32]).tiny(views()),
            Preset {
                name: "vit-s16",
                about: "300 epochs of ImageNet-1k with ViT-S/16 (CONFIG.md)",
                config: vit("vit-s"),
            },
            Preset {
                name: "vit-b16",
                about: "300 epochs of ImageNet-1k with ViT-B/16 (CONFIG.md)",
                config: vit("vit-b"),
            },
        ]
    }
}
