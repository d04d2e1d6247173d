//! # I-JEPA
//!
//! **Paper**: Assran et al., "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture",
//! CVPR 2023, arXiv 2301.08243.
//!
//! **Idea**: cut a few blocks out of an image and show the rest to an encoder. A narrow predictor, told where a block
//! was, guesses what a slow copy of the encoder, which sees the whole image, says there. Nothing is reconstructed, so
//! nothing has to be remembered that cannot be predicted.
//!
//! **x** the visible patches of one large block; **y** the blocks, of the target encoder's *output*; **z** their
//! positions; **D** smooth L1 on layer-normalised targets; **against collapse** the EMA and the stopped gradient.
//!
//! **Defaults and their source**: the presets `vit-h14`, `vit-h16-448`, `vit-g16` are the released configurations
//! (`configs/*.yaml`); `vit-b16`, `vit-l16` follow the paper's appendix A.1; `vit-t16`, `vit-s16` exist in the model
//! file only. `small` and `long` are ours, tuned on Fashion-MNIST.

use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::jepa::TargetSource;
use jepa_core::masked::{MaskedJepa, PatchBatch, TargetSpace, transformer_flops};
use jepa_core::masks::{MaskRule, MultiBlockConfig};
use jepa_core::nn::{Encoder, EncoderConfig, Init, InitScheme, Predictor, PredictorConfig, positions};
use jepa_core::objective::{DistanceConfig, ObjectiveConfig};
use jepa_core::plugin::{Description, Draws, Exported, Format, Imported, Kind, Preset, Preview, Variant};
use jepa_core::train::ScheduleConfig;
use jepa_core::train::config::{DataConfig, RunConfig, RunSection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{self, CropConfig, Normalise, Picture};
use crate::masks::{MaskConfig, Masks};
use crate::network::pixel_decoder;
use crate::tokens::Patches;
use crate::{preview, weights};

jepa_core::register!(IJepa);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IJepaConfig {
    /// Pixels along a side of a patch.
    pub patch: usize,
    /// Mean and standard deviation of each channel; one value makes pictures grey, three colour.
    pub normalise: Normalise,
    /// Random resized crop; its size is the size of the picture.
    pub crop: CropConfig,
    /// Context and target encoder.
    pub encoder: EncoderConfig,
    /// Predictor.
    pub predictor: PredictorConfig,
    /// Mask generator: `multi-block`, or `random` for ablations.
    pub masks: MaskConfig,
    /// What is predicted of hidden patches: `features`, or for ablations `pixels`.
    #[serde(default, skip_serializing_if = "TargetSpace::is_features")]
    pub targets: TargetSpace,
    /// Law of the initial weights.
    pub init: InitScheme,
}

/// I-JEPA with a checked configuration.
#[derive(Debug, Clone)]
pub struct IJepa {
    config: IJepaConfig,
    patches: Patches,
    masks: Masks,
}

/// Most samples whose masks are drawn together to count operations.
const MASKED: usize = 256;

/// Pixels along a side of what a probe on raw pictures sees, when the networks see more than 64.
const THUMBNAIL: usize = 32;

impl Variant for IJepa {
    const DESCRIPTION: Description = Description {
        id: "i-jepa",
        title: "I-JEPA",
        summary: "Predicts the features of hidden blocks of an image from the features of its visible part.",
        paper: "Assran et al. 2023, arXiv 2301.08243",
        modality: "images",
        kind: Kind::Jepa,
        context: "visible patches of one block",
        target: "blocks of the EMA encoder's output",
        condition: "positions of the block",
        distance: "smooth L1",
        against_collapse: "EMA, stopped gradient",
    };
    const FORMATS: &'static [&'static str] = data::FORMATS;

    type Config = IJepaConfig;
    type Sample = Picture;
    type Model = MaskedJepa;

    fn presets() -> Vec<Preset<IJepaConfig>> {
        presets::all()
    }

    fn reads(id: &str) -> bool {
        ["i-jepa", "c-jepa"].contains(&id)
    }

    fn new(config: &IJepaConfig) -> Result<Self> {
        config.crop.check("model.crop")?;
        config.encoder.check("model.encoder")?;
        let PredictorConfig { width, depth, heads } = config.predictor;
        EncoderConfig { width, depth, heads, ..config.encoder }.check("model.predictor")?;
        let patches = Patches::new(config.crop.size, config.crop.size, config.patch, &config.normalise)?;
        let masks = Masks::new(&config.masks, patches.rows, patches.columns)?;
        Ok(Self { config: config.clone(), patches, masks })
    }

    fn model(&self, seed: u64, device: &Device) -> MaskedJepa {
        let IJepaConfig { encoder, predictor, init, targets, .. } = &self.config;
        let (mut init, values) = (Init::new(seed, *init, device), self.patches.values());
        let table = |width| positions::sincos_2d(self.patches.rows, self.patches.columns, width);
        let network = Encoder::new(&mut init, encoder, values, table(encoder.width));
        let predictor = match targets {
            TargetSpace::Features => {
                Predictor::new(&mut init, predictor, encoder.width, encoder.eps, table(predictor.width))
            }
            TargetSpace::Patches => {
                pixel_decoder(&mut init, predictor, [encoder.width, values], encoder.eps, table(predictor.width))
            }
        };
        MaskedJepa { encoder: network, predictor, space: *targets }
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Picture>>> {
        data::open_for(spec, split, self.patches.channels(), self.config.crop.size)
    }

    fn batch(&self, samples: Vec<Picture>, draws: &Draws) -> Result<PatchBatch> {
        let crop = |(i, picture): (usize, &Picture)| {
            data::random_resized_crop(picture, &self.config.crop, &mut draws.augment(i))
        };
        let crops = samples.iter().enumerate().map(crop).collect::<Result<Vec<_>>>()?;
        let masks = self.masks.sample(crops.len(), draws)?;
        self.collate(&crops, Some(masks))
    }

    fn clean(&self, samples: &[Picture], _view: u64) -> Result<PatchBatch> {
        let centre = |picture: &Picture| data::centre(picture, self.config.crop.size);
        self.collate(&samples.iter().map(centre).collect::<Result<Vec<_>>>()?, None)
    }

    fn raw(&self, sample: &Picture) -> Result<Vec<f32>> {
        // Large pictures as thumbnails: a table of thousands of them has to fit into memory.
        let size = if self.config.crop.size > 64 { THUMBNAIL } else { self.config.crop.size };
        self.patches.planes(&data::centre(sample, size)?)
    }

    fn preview(&self, sample: &Picture) -> Preview {
        let picture = data::centre(sample, self.config.crop.size);
        preview::preview(picture.as_ref().unwrap_or(sample), self.patches.rows, self.patches.columns)
    }

    fn picture(&self, batch: &PatchBatch) -> Option<(Preview, Vec<Option<u32>>)> {
        let picture = self.patches.joined(batch.sample(0));
        let picture = preview::preview(&picture, self.patches.rows, self.patches.columns);
        let tokens = picture.evenly();
        Some((picture, tokens))
    }

    fn import(foreign: &Foreign) -> Result<Imported<IJepaConfig>> {
        weights::import(foreign)
    }

    fn export(&self, target: &Named, _student: Option<&Named>, format: Format) -> Result<Vec<Exported>> {
        weights::export(&self.config, target, format)
    }

    fn flops(&self, batch: usize) -> f64 {
        let IJepaConfig { encoder, predictor, .. } = &self.config;
        let tokens = self.patches.tokens() as f64;
        let lengths: Vec<[f64; 3]> = (1..=8)
            .filter_map(|step| self.masks.sample(batch.clamp(1, MASKED), &Draws::new(0, step, Vec::new())).ok())
            .map(|m| [m.context[0].len() as f64, m.target[0].len() as f64, m.target.len() as f64])
            .collect();
        let mean = |i: usize| lengths.iter().map(|l| l[i]).sum::<f64>() / lengths.len().max(1) as f64;
        let (context, target, blocks) = (mean(0), mean(1), mean(2));
        let encode = |tokens: f64| {
            2.0 * tokens * (self.patches.values() * encoder.width) as f64
                + transformer_flops(tokens, encoder.width, encoder.depth, encoder.mlp_ratio)
        };
        let is_features = self.config.targets.is_features();
        let predicted = if is_features { encoder.width } else { self.patches.values() };
        let project = 2.0 * predictor.width as f64 * (context * encoder.width as f64 + target * predicted as f64);
        let predict = transformer_flops(context + target, predictor.width, predictor.depth, 4.0) + project;
        // Pixels need no target encoder.
        let target = if is_features { encode(tokens) } else { 0.0 };
        target + 3.0 * (encode(context) + blocks * predict)
    }
}

impl IJepa {
    /// The cut of pictures into patches.
    pub fn patches(&self) -> &Patches {
        &self.patches
    }

    fn collate(&self, pictures: &[Picture], masks: Option<jepa_core::masks::MaskSet>) -> Result<PatchBatch> {
        let shape = [pictures.len(), self.patches.tokens(), self.patches.values()];
        let mut values = Vec::with_capacity(shape.iter().product());
        for picture in pictures {
            self.patches.cut(picture, &mut values)?;
        }
        PatchBatch::new(values, shape, masks).map_err(|e| Error::config("model", e.to_string()))
    }
}

/// The sizes of the official model file.
pub mod presets {
    use super::*;

    /// Width, depth, heads and MLP ratio of the official encoders by name.
    pub const SIZES: [(&str, usize, usize, usize, f64); 6] = [
        ("vit-t", 192, 12, 3, 4.0),
        ("vit-s", 384, 12, 6, 4.0),
        ("vit-b", 768, 12, 12, 4.0),
        ("vit-l", 1024, 24, 16, 4.0),
        ("vit-h", 1280, 32, 16, 4.0),
        ("vit-g", 1408, 40, 16, 48.0 / 11.0),
    ];

    fn encoder(name: &str) -> EncoderConfig {
        let (_, width, depth, heads, mlp_ratio) = SIZES.into_iter().find(|s| s.0 == name).unwrap_or(SIZES[0]);
        EncoderConfig { width, depth, heads, mlp_ratio, eps: 1e-6 }
    }

    /// Steps of an epoch in batches of 2048: ImageNet-1k by the official loader, which leaves the rest out, and
    /// ImageNet-22k (14.2 million pictures).
    const EPOCH: [u64; 2] = [625, 6932];

    /// The official recipe on ImageNet-1k for one size: every quirk on, batch 2048.
    pub(crate) fn official(
        encoder: EncoderConfig,
        patch: usize,
        size: usize,
        predictor: PredictorConfig,
        epochs: u64,
        warmup: f64,
    ) -> RunConfig<IJepaConfig> {
        let steps = epochs * EPOCH[0];
        RunConfig {
            data: DataConfig { source: "imagenet".into(), threads: 8 },
            run: RunSection::new(steps, 2048, EPOCH[0]),
            schedule: ScheduleConfig { warmup: warmup / epochs as f64, ..Default::default() },
            optimizer: Default::default(),
            target: TargetSource::Ema,
            objective: ObjectiveConfig {
                distance: DistanceConfig::SmoothL1 { beta: 1.0 },
                normalise_targets: Some(1e-5),
                regularisers: Vec::new(),
            },
            guard: Default::default(),
            probe: Default::default(),
            model: IJepaConfig {
                patch,
                normalise: Normalise::imagenet(),
                crop: CropConfig { size, ..Default::default() },
                encoder,
                predictor,
                masks: MaskConfig::MultiBlock(MultiBlockConfig::official()),
                targets: TargetSpace::Features,
                init: InitScheme::Official { depth_rescale: false },
            },
        }
    }

    /// Masks for grids on which the official rule finds no legal block.
    pub(crate) fn small_masks() -> MaskConfig {
        MaskConfig::MultiBlock(MultiBlockConfig {
            min_keep: 0,
            rule: MaskRule::Corrected,
            ..MultiBlockConfig::official()
        })
    }

    /// 28 x 28 grey pictures in 49 patches.
    fn fashion(steps: u64, batch: usize, encoder: EncoderConfig, predictor: PredictorConfig) -> RunConfig<IJepaConfig> {
        let mut config = official(encoder, 4, 28, predictor, 1, 0.1);
        config.data = DataConfig { source: "builtin".into(), threads: 2 };
        config.run = RunSection::new(steps, batch, 500);
        config.schedule = ScheduleConfig {
            lr_start: 1e-4,
            lr: 1.5e-3,
            lr_final: 1e-6,
            warmup: 0.1,
            decay: 0.04,
            decay_final: 0.1,
            ..config.schedule
        };
        config.model.normalise = Normalise::fashion_mnist();
        config.model.crop = CropConfig { scale: [0.5, 1.0], flip: true, size: 28, ..Default::default() };
        config.model.masks = MaskConfig::MultiBlock(MultiBlockConfig {
            min_keep: 5,
            rule: MaskRule::Corrected,
            ..MultiBlockConfig::official()
        });
        config.model.init = InitScheme::FanIn;
        config
    }

    pub(super) fn all() -> Vec<Preset<IJepaConfig>> {
        let small = EncoderConfig { width: 96, depth: 4, heads: 4, mlp_ratio: 4.0, eps: 1e-6 };
        let narrow = PredictorConfig { width: 48, depth: 4, heads: 4 };
        let tiny = EncoderConfig { width: 32, depth: 2, heads: 2, mlp_ratio: 2.0, eps: 1e-6 };
        let mut long = fashion(24_000, 32, small, narrow);
        long.run.checkpoint_every = 2000;
        long.run.diagnose_every = 4000;
        let mut quick = fashion(60, 8, tiny, PredictorConfig { width: 32, depth: 1, heads: 2 });
        quick.run.checkpoint_every = 20;
        quick.run.diagnose_every = 30;
        quick.model.patch = 7;
        quick.model.masks = MaskConfig::MultiBlock(MultiBlockConfig {
            min_keep: 2,
            rule: MaskRule::Corrected,
            targets: 2,
            ..MultiBlockConfig::official()
        });
        let mut factors = fashion(3000, 32, small, narrow);
        factors.data.source = "builtin-factors".into();
        factors.model.normalise = Normalise { mean: vec![0.057], std: vec![0.233] };
        // Whole pictures: a crop would move and stretch what is to be known.
        factors.model.crop = CropConfig { size: 32, scale: [1.0; 2], aspect: [1.0; 2], flip: false };
        let mut photos = official(
            EncoderConfig { width: 192, depth: 6, heads: 6, mlp_ratio: 4.0, eps: 1e-6 },
            8,
            96,
            PredictorConfig { width: 96, depth: 4, heads: 4 },
            1,
            0.1,
        );
        photos.data = DataConfig { source: "images".into(), threads: 2 };
        photos.run =
            RunSection { steps: 20_000, batch: 64, checkpoint_every: 1000, diagnose_every: 1000, ..photos.run };
        photos.schedule.lr_start = 1e-4;
        photos.model.init = InitScheme::FanIn;
        let scaled = |width: usize, heads| PredictorConfig { width: width / 2, depth: 6, heads };
        let wide = |depth, heads| PredictorConfig { width: 384, depth, heads };
        // Appendix A.1; the released configurations begin at twice the rate.
        let paper = |size, predictor| {
            let mut config = official(encoder(size), 16, 224, predictor, 600, 15.0);
            config.schedule.lr_start = 1e-4;
            config
        };
        let mut giant = official(encoder("vit-g"), 16, 224, wide(16, 16), 44, 3.0);
        giant.data.source = "imagenet-22k".into();
        giant.run.steps = 44 * EPOCH[1];
        let preset = |name, about, config| Preset { name, about, config };
        vec![
            preset(
                "small",
                "minutes on two cores: the built-in Fashion-MNIST images, 0.6 M parameters",
                fashion(3000, 32, small, narrow),
            ),
            preset("long", "half an hour on two cores: all of Fashion-MNIST (give its folder with --data)", long),
            preset(
                "photos",
                "hours on two cores: own photographs, 96 pixels in colour, 3 M parameters (give their folder with --data)",
                photos,
            ),
            preset(
                "factors",
                "minutes on two cores: synthetic shapes of known size, rotation and place, for probe --label all",
                factors,
            ),
            preset("tiny", "seconds: for tests", quick),
            preset(
                "vit-t16",
                "ViT-T/16 at 224, official masks; predictor scaled to half the width",
                paper("vit-t", scaled(192, 3)),
            ),
            preset(
                "vit-s16",
                "ViT-S/16 at 224, official masks; predictor scaled to half the width",
                paper("vit-s", scaled(384, 6)),
            ),
            preset(
                "vit-b16",
                "ViT-B/16 at 224 of the paper, 600 epochs (appendix A.1; never released)",
                paper("vit-b", wide(6, 12)),
            ),
            preset(
                "vit-l16",
                "ViT-L/16 at 224 of the paper, 600 epochs (appendix A.1; never released)",
                paper("vit-l", wide(12, 16)),
            ),
            preset(
                "vit-h14",
                "ViT-H/14 at 224, 300 epochs of ImageNet-1k (in1k_vith14_ep300.yaml)",
                official(encoder("vit-h"), 14, 224, wide(12, 16), 300, 40.0),
            ),
            preset(
                "vit-h16-448",
                "ViT-H/16 at 448, 300 epochs of ImageNet-1k (in1k_vith16-448_ep300.yaml)",
                official(encoder("vit-h"), 16, 448, wide(12, 16), 300, 40.0),
            ),
            preset("vit-g16", "ViT-g/16 at 224, 44 epochs of ImageNet-22k (in22k_vitg16_ep44.yaml)", giant),
        ]
    }
}
