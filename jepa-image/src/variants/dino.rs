//! # DINO
//!
//! **Paper**: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, arXiv 2104.14294.
//!
//! **Idea**: a slow copy of the network sorts large views into many made-up classes; the network is to sort every other
//! view, small ones too, in the same way. The copy's verdicts are centred, so that no class wins always, and sharpened,
//! so that none is left undecided.
//!
//! **x** any view; **y** a large view; **z** none; **s_y** from the EMA copy of encoder and head; **D** the cross-entropy
//! of two softmaxes over the classes; **against collapse** centring, sharpening, the EMA and the stopped gradient.
//!
//! **What differs from I-JEPA**: augmented views instead of blocks; no predictor; classes instead of features.
//!
//! **Defaults and their source**: `vit-s16` is the README and `main_dino.py` of facebookresearch/dino (65,536 classes,
//! temperatures 0.1 and 0.04, 2 views of 224 and 8 of 96 pixels, AdamW, decay 0.04 to 0.4). Here gradients are clipped by
//! their length as a whole, there tensor by tensor; the last layer moves from the first epoch on; the mean token stands
//! for the class token; all views are disturbed alike. `small` is ours.

use jepa_core::jepa::Role;
use jepa_core::objective::{DistanceConfig, ObjectiveConfig};
use jepa_core::plugin::{Description, Kind, Member, Preset};
use jepa_core::train::{AdamWConfig, ScheduleConfig};

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig};
use crate::network::{Between, End, HeadConfig};

jepa_core::register!(Dino);

/// DINO.
#[derive(Debug)]
pub struct Dino;

/// The official temperatures; the centre follows what the copy says of all large views (official: 0.9 of it is kept).
pub fn objective(centre_momentum: f64) -> ObjectiveConfig {
    recipe::distance(DistanceConfig::CentredSoftmax {
        predicted_temperature: 0.1,
        target_temperature: 0.04,
        centre_momentum,
        centre_on: Role::Whole,
    })
}

fn recipe(widths: &[usize]) -> Recipe {
    let head = HeadConfig { widths: widths.to_vec(), between: Between::Gelu, end: End::Prototypes };
    Recipe::teacher(objective(0.9), head, None)
}

impl Member for Dino {
    const DESCRIPTION: Description = Description {
        id: "dino",
        title: "DINO",
        summary: "Sorts every view into made-up classes as a slow copy sorts the large views.",
        paper: "Caron et al. 2021, arXiv 2104.14294",
        modality: "images",
        kind: Kind::Comparison,
        context: "a large or small view",
        target: "a large view, by the EMA encoder and head",
        condition: "none",
        distance: "cross-entropy of softmaxes",
        against_collapse: "centring, sharpening, EMA, stopped gradient",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let optimizer = AdamWConfig { clip_norm: Some(3.0), ..AdamWConfig::default() };
        let schedule = ScheduleConfig { decay_final: 0.4, ..recipe::schedule(2e-3, 1e-6, 0.1, 0.04) };
        let mut tiny = recipe(&[64, 32, 64]).tiny(recipe::fashion_views(2, 1, 14));
        // The mean of 16 samples says little: followed fast, it pulls targets apart faster than they can be learned.
        tiny.config.objective = objective(0.99);
        vec![
            recipe(&[256, 64, 512]).small(recipe::fashion_views(2, 2, 16)),
            tiny,
            Preset {
                name: "vit-s16",
                about: "100 epochs of ImageNet-1k with ViT-S/16, 2 + 8 views (README of dino)",
                config: recipe(&[2048, 2048, 256, 65_536]).imagenet(
                    "vit-s",
                    16,
                    recipe::multi_crop([224, 96], [[0.25, 1.0], [0.05, 0.25]], 8),
                    [100, 1024],
                    schedule,
                    optimizer,
                ),
            },
        ]
    }
}
