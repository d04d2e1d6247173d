//! # LeJEPA
//!
//! **Paper**: Balestriero and LeCun, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics",
//! arXiv 2511.08544.
//!
//! **Idea**: several views of a picture, large and small, are to have the embedding that the large ones have on average.
//! One term keeps that from being a constant: over the batch, embeddings must look like draws of an isotropic normal
//! distribution along random directions. No slow copy, no stopped gradient, no predictor, one weight to choose.
//!
//! **x** any view; **y** all large views; **z** none; **s_y** the mean of their embeddings, from the same network, with
//! gradient; **D** the squared difference (the term `invariance` to the mean of the first views); **against collapse**
//! SIGReg.
//!
//! **What differs from I-JEPA**: augmented views instead of blocks, and a distribution instead of a slow copy.
//!
//! **Defaults and their source**: (1 − λ) invariance + λ SIGReg. `vit-l14` is the README of rbalestr-lab/lejepa (λ 0.05,
//! 2 + 6 views, 17 points, 1,024 directions); `imagenette` is its MINIMAL.md (λ 0.02, 4 large views; its embedding comes
//! from a class token and one layer more, and blocks are dropped); `cifar10` is
//! `examples/image_jepa` of facebookresearch/eb_jepa, whose form and weight are others (no factor n, invariance + 10
//! SIGReg). Views of another size see the position table stretched to their grid; there is no class token. `small` is
//! ours.

use jepa_core::collapse::{Invariance, RegulariserConfig, SigReg, SigRegForm};
use jepa_core::jepa::TargetSource;
use jepa_core::objective::ObjectiveConfig;
use jepa_core::plugin::{Description, Kind, Member, Preset};
use jepa_core::train::config::DataConfig;
use jepa_core::train::{AdamWConfig, ScheduleConfig};

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig, TaskConfig};
use crate::network::{End, HeadConfig, Pairing};

jepa_core::register!(LeJepa);

/// LeJEPA.
#[derive(Debug)]
pub struct LeJepa;

/// Two weights for the distance from the mean of the first `global` views, or from each other, and for SIGReg.
pub fn objective(global: Option<usize>, sigreg: SigReg, [invariance, weight]: [f64; 2]) -> ObjectiveConfig {
    recipe::terms([
        (RegulariserConfig::Invariance(Invariance { to_mean_of: global }), invariance),
        (RegulariserConfig::SigReg(sigreg), weight),
    ])
}

fn recipe(global: Option<usize>, form: SigRegForm, slices: usize, weights: [f64; 2], widths: &[usize]) -> Recipe {
    Recipe {
        target: TargetSource::Shared,
        objective: objective(global, SigReg { form, slices }, weights),
        task: TaskConfig::Embeddings { pairing: Pairing::Mean, predictor: None },
        projector: Some(HeadConfig::new(widths).ending(End::Bias)),
    }
}

impl Member for LeJepa {
    const DESCRIPTION: Description = Description {
        id: "lejepa",
        title: "LeJEPA",
        summary: "Large and small views have the embedding of the large ones, and embeddings are normally distributed.",
        paper: "Balestriero and LeCun 2025, arXiv 2511.08544",
        modality: "images",
        kind: Kind::Jepa,
        context: "a large or small view",
        target: "mean of the large views, by the same network",
        condition: "none",
        distance: "squared difference",
        against_collapse: "SIGReg",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let adamw = AdamWConfig::default;
        let convex = |lambda: f64| [1.0 - lambda, lambda];
        let mut imagenette = recipe(Some(4), SigRegForm::Package, 256, convex(0.02), &[2048, 2048, 16]).imagenet(
            "vit-s",
            8,
            recipe::minimal_views(),
            [800, 256],
            ScheduleConfig { lr_start: 2e-5, ..recipe::schedule(2e-3, 1e-3, 1.0 / 800.0, 5e-2) },
            adamw(),
        );
        imagenette.data = DataConfig { source: "imagenette".into(), ..imagenette.data };
        imagenette.run = recipe::length(9_469, 800, 256);
        vec![
            recipe(Some(2), SigRegForm::Package, 256, convex(0.05), &[512, 512, 64])
                .small(recipe::fashion_views(2, 2, 16)),
            recipe(Some(2), SigRegForm::Package, 64, convex(0.05), &[64, 32]).tiny(recipe::fashion_views(2, 1, 14)),
            Preset {
                name: "vit-l14",
                about: "100 epochs of ImageNet-1k with ViT-L/14, 2 views of 224 and 6 of 98 pixels (README of lejepa)",
                config: recipe(Some(2), SigRegForm::Package, 1024, convex(0.05), &[2048, 2048, 64]).imagenet(
                    "vit-l",
                    14,
                    recipe::multi_crop([224, 98], [[0.3, 1.0], [0.05, 0.3]], 6),
                    [100, 512],
                    recipe::schedule(5e-4, 5e-7, 0.1, 5e-2),
                    adamw(),
                ),
            },
            Preset {
                name: "imagenette",
                about: "800 epochs of Imagenette at 128 with ViT-S/8, 4 large views (MINIMAL.md of lejepa)",
                config: imagenette,
            },
            Preset {
                name: "cifar10",
                about: "300 epochs of CIFAR-10 with ResNet-18 (eb_jepa, examples/image_jepa)",
                config: recipe(None, SigRegForm::EbJepa, 256, [1.0, 10.0], &[2048, 2048, 128]).cifar(
                    recipe::eb_jepa_views(),
                    [300, 256],
                    recipe::schedule(0.3, 0.0, 10.0 / 300.0, 1e-4),
                    recipe::clipped_lars(),
                ),
            },
        ]
    }
}
