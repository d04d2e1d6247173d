//! # Barlow Twins
//!
//! **Paper**: Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021, arXiv
//! 2103.03230.
//!
//! **Idea**: over a batch, dimension i of one view is to correlate fully with dimension i of the other view, and not at
//! all with any other dimension. Correlations need something that varies, so a constant is no way out.
//!
//! **x** one view; **y** the other view; **z** none; **s_y** from the same network, with gradient; **D** the distance of
//! the diagonal of the cross-correlation from one; **against collapse** the rest of that matrix, and that its entries are
//! correlations: standardised over the batch (both are the term `barlow-twins`).
//!
//! **What differs from I-JEPA**: as [VICReg](super::vicreg), with one term instead of three.
//!
//! **Defaults and their source**: `official` is `main.py` of facebookresearch/barlowtwins (λ 0.0051, projector
//! 8192-8192-8192, LARS) with a ViT-S/16 in the place of its ResNet-50; biases move at the rate of matrices here, there
//! at 0.024 of it. `small` is ours.

use jepa_core::collapse::{BarlowTwins as Term, RegulariserConfig};
use jepa_core::objective::ObjectiveConfig;
use jepa_core::plugin::{Description, Kind, Member, Preset};

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig};
use crate::network::HeadConfig;

jepa_core::register!(BarlowTwins);

/// Barlow Twins.
#[derive(Debug)]
pub struct BarlowTwins;

/// The official term.
pub fn objective() -> ObjectiveConfig {
    recipe::terms([(RegulariserConfig::BarlowTwins(Term::default()), 1.0)])
}

impl Member for BarlowTwins {
    const DESCRIPTION: Description = Description {
        id: "barlow-twins",
        title: "Barlow Twins",
        summary: "Dimensions of two views' embeddings correlate with their twin and with nothing else.",
        paper: "Zbontar et al. 2021, arXiv 2103.03230",
        modality: "images",
        kind: Kind::Jepa,
        context: "a view",
        target: "another view, by the same network",
        condition: "none",
        distance: "1 − correlation of a dimension with its twin, squared",
        against_collapse: "standardised dimensions, no other correlations",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let recipe = |widths: &[usize]| Recipe::twins(objective(), HeadConfig::new(widths));
        vec![
            recipe(&[512, 512, 512]).small(recipe::fashion_views(2, 0, 28)),
            recipe(&[64, 64]).tiny(recipe::fashion_views(2, 0, 28)),
            Preset {
                name: "official",
                about: "1,000 epochs of ImageNet-1k, the official recipe with ViT-S/16 (main.py)",
                config: recipe(&[8192, 8192, 8192]).imagenet(
                    "vit-s",
                    16,
                    recipe::byol_views([0.08, 1.0]),
                    [1000, 2048],
                    recipe::schedule(1.6, 1.6e-3, 0.01, 1e-6),
                    recipe::lars(),
                ),
            },
        ]
    }
}
