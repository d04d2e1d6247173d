//! # Autoencoder
//!
//! **Paper**: Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006.
//!
//! **Idea**: squeeze a whole picture through a narrow vector and paint it again from that. The oldest comparison: what is
//! learned by remembering alone, without hiding anything.
//!
//! **x** the picture; **y** its pixels; **z** the positions of its patches; **s_y** the pixels themselves; **D** the
//! squared difference; **against collapse** nothing is needed: pixels cannot collapse.
//!
//! **What differs from I-JEPA**: nothing is hidden; what keeps the task from being trivial is the width of the vector.
//!
//! **Defaults and their source**: encoder and decoder are MAE's, so that the two differ in what is hidden alone; the
//! paper's were stacks of Boltzmann machines. All presets are ours: a vector of 32 values for 784 pixels.

use jepa_core::nn::PredictorConfig;
use jepa_core::plugin::{Description, Kind, Member, Preset};

use crate::method::recipe::{self, Recipe};
use crate::method::{Method, MethodConfig, TaskConfig};
use crate::network::{End, HeadConfig};

jepa_core::register!(Autoencoder);

/// The plain autoencoder.
#[derive(Debug)]
pub struct Autoencoder;

fn recipe(decoder: PredictorConfig, bottleneck: usize) -> Recipe {
    let task = TaskConfig::AllPixels { decoder, normalise_patches: false };
    Recipe::pixels(task, Some(HeadConfig::new([bottleneck]).ending(End::Bias)))
}

impl Member for Autoencoder {
    const DESCRIPTION: Description = Description {
        id: "autoencoder",
        title: "Autoencoder",
        summary: "Paints the whole picture again from one narrow vector.",
        paper: "Hinton and Salakhutdinov 2006",
        modality: "images",
        kind: Kind::Comparison,
        context: "the whole picture, as one narrow vector",
        target: "its pixels",
        condition: "positions of the patches",
        distance: "squared difference",
        against_collapse: "pixels cannot collapse",
    };
    type Family = Method;

    fn presets() -> Vec<Preset<MethodConfig>> {
        let views = || recipe::cropped(28, [0.5, 1.0]);
        vec![
            recipe(PredictorConfig { width: 48, depth: 4, heads: 4 }, 32).small(views()),
            recipe(PredictorConfig { width: 32, depth: 1, heads: 2 }, 16).tiny(views()),
        ]
    }
}
