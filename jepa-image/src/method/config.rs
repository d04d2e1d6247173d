//! The model's part of the configuration of every member.

use jepa_core::error::{Error, Result};
use jepa_core::masks::RandomMask;
use jepa_core::nn::{EncoderConfig, InitScheme, PredictorConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::augment::ViewConfig;
use crate::data::Normalise;
use crate::network::{HeadConfig, Pairing, ResNetConfig};

/// Which encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// A ViT of the size in `vit`; its features are the mean of its tokens.
    Vit,
    /// A ResNet-18 for small pictures of the width in `resnet`.
    #[serde(rename = "resnet-18")]
    ResNet18,
}

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodConfig {
    /// Which encoder: `vit` or `resnet-18`.
    pub encoder: Architecture,
    /// Pixels along a side of a patch: of the ViT, and of what a decoder predicts.
    pub patch: usize,
    /// Mean and standard deviation of each channel; one value makes pictures grey, three colour.
    pub normalise: Normalise,
    /// Size of the ViT.
    pub vit: EncoderConfig,
    /// Size of the ResNet.
    #[serde(default)]
    pub resnet: ResNetConfig,
    /// What a picture becomes.
    pub views: ViewsConfig,
    /// From the encoder's mean token to the embedding that is compared; absent: the mean token itself. Of an
    /// autoencoder the bottleneck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projector: Option<HeadConfig>,
    /// What is predicted.
    pub task: TaskConfig,
    /// Law of the initial weights. Convolutions have their own.
    pub init: InitScheme,
}

/// Views of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewsConfig {
    /// Views of one size, which both branches see.
    pub global: Vec<ViewConfig>,
    /// Smaller ones, which the student alone sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<ViewConfig>,
}

impl ViewsConfig {
    /// Global views, then local ones.
    pub fn all(&self) -> impl Iterator<Item = &ViewConfig> {
        self.global.iter().chain(&self.local)
    }
}

/// What is predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum TaskConfig {
    /// The embedding of one view from that of another.
    Embeddings {
        /// Which views are compared with which.
        pairing: Pairing,
        /// Of the student alone, behind the projector (BYOL, MoCo v3).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        predictor: Option<HeadConfig>,
    },
    /// The pixels of hidden patches from the visible ones (MAE).
    HiddenPixels {
        /// Share of the patches that is hidden (MAE: 0.75).
        hidden: f64,
        /// The decoder.
        decoder: PredictorConfig,
        /// Whether the pixels of a patch are brought to mean 0 and variance 1 before.
        normalise_patches: bool,
    },
    /// The pixels of all patches from the projector's vector (autoencoder).
    AllPixels {
        /// The decoder.
        decoder: PredictorConfig,
        /// Whether the pixels of a patch are brought to mean 0 and variance 1 before.
        normalise_patches: bool,
    },
}

impl MethodConfig {
    /// Pixels along a side of a global view.
    pub fn size(&self) -> usize {
        self.views.global.first().map_or(0, |view| view.crop.size)
    }

    /// Values of a token.
    pub fn width(&self) -> usize {
        match self.encoder {
            Architecture::Vit => self.vit.width,
            Architecture::ResNet18 => self.resnet.features(),
        }
    }

    /// Checks the numbers against each other; errors name the key below `model`.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |key: &str, problem: String| Err(Error::config(format!("model.{key}"), problem));
        self.vit.check("model.vit")?;
        self.resnet.check("model.resnet")?;
        let (size, views) = (self.size(), &self.views);
        for (kind, of_kind) in [("global", &views.global), ("local", &views.local)] {
            for (place, view) in of_kind.iter().enumerate() {
                view.check(&format!("model.views.{kind}[{place}]"))?;
            }
        }
        if views.global.is_empty() || views.global.iter().any(|view| view.crop.size != size) {
            return wrong("views.global", "there must be at least one, and all must have one crop.size".into());
        }
        let tiles = |view: &ViewConfig| self.patch > 0 && view.crop.size.is_multiple_of(self.patch);
        if self.encoder == Architecture::Vit && !views.all().all(tiles) {
            return wrong("patch", format!("patches of {} pixels must tile every view", self.patch));
        }
        if let Some(projector) = &self.projector {
            projector.check("model.projector")?;
        }
        let embedding = self.projector.as_ref().map_or(self.width(), HeadConfig::outputs);
        match &self.task {
            TaskConfig::Embeddings { pairing, predictor } => {
                if *pairing != Pairing::Mean && views.global.len() < 2 {
                    return wrong("views.global", "views are compared with each other: give at least two".into());
                }
                if *pairing == Pairing::Twins && !views.local.is_empty() {
                    return wrong("views.local", "pairing twins compares global views alone: leave local out".into());
                }
                if let Some(predictor) = predictor {
                    predictor.check("model.task.predictor")?;
                    if predictor.outputs() != embedding {
                        let found = predictor.outputs();
                        return wrong("task.predictor.widths", format!("must end in {embedding}, ends in {found}"));
                    }
                }
            }
            TaskConfig::HiddenPixels { decoder, .. } | TaskConfig::AllPixels { decoder, .. } => {
                let PredictorConfig { width, depth, heads } = *decoder;
                EncoderConfig { width, depth, heads, ..self.vit }.check("model.task.decoder")?;
                if views.all().count() != 1 {
                    return wrong("views", "pixels are predicted of one view: give one global and no local".into());
                }
            }
        }
        match &self.task {
            TaskConfig::HiddenPixels { hidden, .. } => {
                if self.encoder != Architecture::Vit {
                    return wrong("encoder", "patches can be hidden from a vit alone".into());
                }
                if self.projector.is_some() {
                    return wrong("projector", "the decoder reads every visible token: leave it out".into());
                }
                let tokens = (size / self.patch.max(1)).pow(2);
                RandomMask { ratio: [*hidden; 2] }.check("model.task.hidden", tokens)
            }
            TaskConfig::AllPixels { .. } if self.projector.is_none() => {
                wrong("projector", "an autoencoder needs the vector that its decoder reads: give widths".into())
            }
            _ => Ok(()),
        }
    }
}
