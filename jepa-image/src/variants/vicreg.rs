//! # VICReg
//!
//! **Paper**: Bardes, Ponce and LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
//! Learning", ICLR 2022, arXiv 2105.04906.
//!
//! **Idea**: two views of one picture are to have the same embedding. Nothing but two terms keeps that from being a
//! constant: every dimension must vary over the batch, and no two dimensions may vary together. No negatives, no slow
//! copy, no stopped gradient.
//!
//! **x** one view; **y** the other view; **z** none; **s_y** from the same network, with gradient; **D** the squared
//! difference (the term `invariance`); **against collapse** the terms `variance` and `covariance`.
//!
//! **What differs from I-JEPA**: augmented views instead of blocks, an expander instead of a predictor, and both
//! branches are trained.
//!
//! **Defaults and their source**: `official` is `main_vicreg.py` of facebookresearch/vicreg (weights 25, 25, 1; expander
//! 8192-8192-8192; LARS) with a ViT-S/16 in the place of its ResNet-50; `cifar10` is `examples/image_jepa` of
//! facebookresearch/eb_jepa (weights 1, 1, 100 in its normalisers; ResNet-18, though with a padding of one pixel in the
//! stem, and rates that move every step). `small` is ours.

use jepa_core::collapse::{Covariance, Invariance, RegulariserConfig, Variance, VicRegForm};
use jepa_core::objective::ObjectiveConfig;
use jepa_core::plugin::{Description, Kind, Member, Preset};

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig};
use crate::network::HeadConfig;

jepa_core::register!(VicReg);

/// VICReg.
#[derive(Debug)]
pub struct VicReg;

/// The three terms in one of the forms their normalisers have.
pub fn objective(form: VicRegForm, [invariance, variance, covariance]: [f64; 3]) -> ObjectiveConfig {
    recipe::terms([
        (RegulariserConfig::Invariance(Invariance::default()), invariance),
        (RegulariserConfig::Variance(Variance { form }), variance),
        (RegulariserConfig::Covariance(Covariance { form }), covariance),
    ])
}

/// The official weights.
pub fn official() -> ObjectiveConfig {
    objective(VicRegForm::Official, [25.0, 25.0, 1.0])
}

impl Member for VicReg {
    const DESCRIPTION: Description = Description {
        id: "vicreg",
        title: "VICReg",
        summary: "Two views of a picture have one embedding, whose dimensions must vary, each in its own way.",
        paper: "Bardes et al. 2022, arXiv 2105.04906",
        modality: "images",
        kind: Kind::Jepa,
        context: "a view",
        target: "another view, by the same network",
        condition: "none",
        distance: "squared difference",
        against_collapse: "variance and covariance terms",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let recipe = |widths: &[usize]| Recipe::twins(official(), HeadConfig::new(widths));
        let eb_jepa = objective(VicRegForm::EbJepa, [1.0, 1.0, 100.0]);
        vec![
            recipe(&[512, 512, 512]).small(recipe::fashion_views(2, 0, 28)),
            recipe(&[64, 64]).tiny(recipe::fashion_views(2, 0, 28)),
            Preset {
                name: "official",
                about: "1,000 epochs of ImageNet-1k, the official recipe with ViT-S/16 (main_vicreg.py)",
                config: recipe(&[8192, 8192, 8192]).imagenet(
                    "vit-s",
                    16,
                    recipe::byol_views([0.08, 1.0]),
                    [1000, 2048],
                    recipe::schedule(1.6, 1.6e-3, 0.01, 1e-6),
                    recipe::lars(),
                ),
            },
            Preset {
                name: "cifar10",
                about: "300 epochs of CIFAR-10 with ResNet-18 (eb_jepa, examples/image_jepa)",
                config: Recipe::twins(eb_jepa, HeadConfig::new([2048, 2048, 1024])).cifar(
                    recipe::eb_jepa_views(),
                    [300, 256],
                    recipe::schedule(0.3, 0.0, 10.0 / 300.0, 1e-4),
                    recipe::clipped_lars(),
                ),
            },
        ]
    }
}
