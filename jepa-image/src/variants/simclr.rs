//! # SimCLR
//!
//! **Paper**: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, arXiv
//! 2002.05709.
//!
//! **Idea**: of all views of all pictures of a batch, find the other view of the same picture. Other pictures push apart
//! what would fall together; the larger the batch, the harder the task.
//!
//! **x** one view; **y** the other view; **z** none; **s_y** from the same network, with gradient; **D** the
//! cross-entropy of finding it by cosine (the term `info-nce`); **against collapse** the same: a constant finds nothing.
//!
//! **What differs from I-JEPA**: negatives, and augmented views instead of blocks.
//!
//! **Defaults and their source**: `official` is the README of google-research/simclr (temperature 0.1, projector with a
//! batch normalisation on every layer, LARS, batch 4096) with a ViT-S/16 in the place of its ResNet-50; `cifar10` its
//! settings for CIFAR-10 (temperature 0.5, no blur, batch 512). Its code reports twice this loss. `small` is ours.

use jepa_core::collapse::{InfoNce, InfoNceForm, RegulariserConfig};
use jepa_core::objective::ObjectiveConfig;
use jepa_core::plugin::{Description, Kind, Member, Preset};

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig};
use crate::network::{End, HeadConfig};

jepa_core::register!(SimClr);

/// SimCLR.
#[derive(Debug)]
pub struct SimClr;

/// NT-Xent, the mean over all views.
pub fn objective(temperature: f64) -> ObjectiveConfig {
    let term = InfoNce { form: InfoNceForm::NtXent, temperature, queue: 0 };
    recipe::terms([(RegulariserConfig::InfoNce(term), 1.0)])
}

fn recipe(temperature: f64, widths: &[usize]) -> Recipe {
    Recipe::twins(objective(temperature), HeadConfig::new(widths).ending(End::BatchNorm))
}

impl Member for SimClr {
    const DESCRIPTION: Description = Description {
        id: "simclr",
        title: "SimCLR",
        summary: "Finds the other view of a picture among the views of a batch.",
        paper: "Chen et al. 2020, arXiv 2002.05709",
        modality: "images",
        kind: Kind::Comparison,
        context: "a view",
        target: "another view, by the same network",
        condition: "none",
        distance: "cross-entropy over the batch",
        against_collapse: "negatives of the batch",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        vec![
            recipe(0.5, &[256, 64]).small(recipe::fashion_views(2, 0, 28)),
            recipe(0.5, &[64, 32]).tiny(recipe::fashion_views(2, 0, 28)),
            Preset {
                name: "official",
                about: "1,000 epochs of ImageNet-1k, the official recipe with ViT-S/16 (README of simclr)",
                config: recipe(0.1, &[2048, 2048, 128]).imagenet(
                    "vit-s",
                    16,
                    recipe::simclr_views(224, 1.0, true),
                    [1000, 4096],
                    recipe::schedule(4.8, 0.0, 0.01, 1e-6),
                    recipe::lars(),
                ),
            },
            Preset {
                name: "cifar10",
                about: "1,000 epochs of CIFAR-10 with ResNet-18 (README of simclr)",
                config: recipe(0.5, &[512, 512, 128]).cifar(
                    recipe::simclr_views(32, 0.5, false),
                    [1000, 512],
                    recipe::schedule(2.0, 0.0, 0.01, 1e-4),
                    recipe::lars(),
                ),
            },
        ]
    }
}
