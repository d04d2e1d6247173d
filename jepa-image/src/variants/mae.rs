//! # MAE
//!
//! **Paper**: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, arXiv 2111.06377.
//!
//! **Idea**: hide three quarters of the patches, show the rest to an encoder, and let a small decoder paint what was
//! hidden. The comparison a JEPA has to stand: the same context, but pixels for a target, which cannot collapse and have
//! to be remembered in every detail.
//!
//! **x** a random quarter of the patches; **y** the pixels of the others; **z** their positions; **s_y** the pixels
//! themselves, each patch brought to mean 0 and variance 1 or not; **D** the squared difference; **against collapse**
//! nothing is needed.
//!
//! **What differs from I-JEPA**: pixels instead of features, random patches instead of blocks, and one target a picture.
//!
//! **Defaults and their source**: `vit-b16` and `vit-l16` are `PRETRAIN.md` of facebookresearch/mae (800 epochs,
//! normalised patches, AdamW with betas 0.9 and 0.95, decoder 512 x 8 x 16); `cifar10` is solo-learn's
//! `scripts/pretrain/cifar/mae.yaml`. The encoder has no class token; crops are resized linearly, not cubically. `small`,
//! and `small-pixels` with pixels as they are, are ours.

use jepa_core::nn::{InitScheme, PredictorConfig};
use jepa_core::plugin::{Description, Kind, Member, Preset};
use jepa_core::train::AdamWConfig;

use crate::method::recipe::{self, Recipe};
use crate::method::{Architecture, Method, MethodConfig, TaskConfig};

jepa_core::register!(Mae);

/// MAE.
#[derive(Debug)]
pub struct Mae;

fn recipe(decoder: PredictorConfig, normalise_patches: bool) -> Recipe {
    Recipe::pixels(TaskConfig::HiddenPixels { hidden: 0.75, decoder, normalise_patches }, None)
}

impl Member for Mae {
    const DESCRIPTION: Description = Description {
        id: "mae",
        title: "MAE",
        summary: "Predicts the pixels of three quarters of the patches from the rest.",
        paper: "He et al. 2022, arXiv 2111.06377",
        modality: "images",
        kind: Kind::Comparison,
        context: "a random quarter of the patches",
        target: "pixels of the others",
        condition: "positions of the others",
        distance: "squared difference",
        against_collapse: "pixels cannot collapse",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let narrow = PredictorConfig { width: 48, depth: 4, heads: 4 };
        let official = PredictorConfig { width: 512, depth: 8, heads: 16 };
        let adamw = AdamWConfig { betas: [0.9, 0.95], ..AdamWConfig::default() };
        let views = || recipe::cropped(28, [0.5, 1.0]);
        let imagenet = |size| {
            recipe(official, true).imagenet(
                size,
                16,
                recipe::cropped(224, [0.2, 1.0]),
                [800, 4096],
                recipe::schedule(2.4e-3, 0.0, 0.05, 0.05),
                adamw,
            )
        };
        let mut cifar = recipe(official, true).cifar(
            recipe::cropped(32, [0.08, 1.0]),
            [1000, 256],
            recipe::schedule(2e-4, 0.0, 0.01, 0.05),
            adamw,
        );
        cifar.model.encoder = Architecture::Vit;
        cifar.model.vit = recipe::vit("vit-s");
        cifar.model.init = InitScheme::Xavier;
        let pixels = recipe(narrow, false).small(views());
        vec![
            recipe(narrow, true).small(views()),
            Preset {
                name: "small-pixels",
                about: "the same with pixels that are not normalised by patch",
                config: pixels.config,
            },
            recipe(PredictorConfig { width: 32, depth: 1, heads: 2 }, true).tiny(views()),
            Preset {
                name: "vit-b16",
                about: "800 epochs of ImageNet-1k with ViT-B/16 (PRETRAIN.md)",
                config: imagenet("vit-b"),
            },
            Preset {
                name: "vit-l16",
                about: "800 epochs of ImageNet-1k with ViT-L/16 (PRETRAIN.md)",
                config: imagenet("vit-l"),
            },
            Preset {
                name: "cifar10",
                about: "1,000 epochs of CIFAR-10 with ViT-S/4 (solo-learn, mae.yaml)",
                config: cifar,
            },
        ]
    }
}
