//! # V-JEPA
//!
//! **Paper**: Bardes et al., "Revisiting Feature Prediction for Learning Visual Representations from Video", 2024, arXiv
//! 2404.08471.
//!
//! **Idea**: hide large blocks of a clip at all times, so that nothing can be copied from the frame before, and predict
//! what a slow copy of the encoder, which sees the whole clip, says there. Two mask generators, many small blocks and two
//! large ones, ask of every clip twice.
//!
//! **x** the visible tubelets; **y** the hidden ones, of the target encoder's *output*; **z** their positions in time,
//! row and column; **D** L1 on layer-normalised targets; **against collapse** the EMA and the stopped gradient.
//!
//! **What differs from I-JEPA**: tubelets instead of patches; positions of three axes; everything hidden is one target,
//! not a few blocks; a mask token for each generator, zero at first; L1; schedules a quarter longer than the run, so that
//! their ends are never reached.
//!
//! **Official rules behind one switch**: `model.masks[i].rule = "official"` takes sizes of blocks from the collator's
//! counter and cuts masks to one length from the end. Official presets clip gradients to 10 as the official loop does:
//! each network by itself, after the warm-up alone (`optimizer.clip_norm`, `clip_scope`, `clip_after`).
//!
//! **Defaults and their source**: the presets `vit-l16`, `vit-h16`, `vit-h16-384` are the released configurations
//! (`configs/pretrain/*.yaml`); `vit-t16`, `vit-s16`, `vit-b16` exist in the model file only. `small` is ours, with Barlow
//! Twins' term between what is seen and the whole (`benches/learning.md`); `scenes`, for surprise, with the squared distance
//! (`benches/surprise.md`).

use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::nn::positions::Shares;
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig};
use jepa_core::plugin::{
    Description, Draws, Evaluation, Exported, Format, Imported, Kind, Preset, Preview, Scene, Variant,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::physics::{self, Forecast};
use super::recipe;
use crate::data::{self, Clip};
use crate::masks::{MaskConfig, Masks};
use crate::network::{
    EncoderParts, PlaceConfig, PredictorParts, Predicts, VideoBatch, VideoEncoder, VideoJepa, VideoPredictor,
};
use crate::view::{ViewConfig, Views};
use crate::{preview, weights};

jepa_core::register!(VJepa);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VJepaConfig {
    /// What of a clip is read.
    pub view: ViewConfig,
    /// Context and target encoder.
    pub encoder: EncoderConfig,
    /// Predictor; the official code gives it the encoder's number of heads.
    pub predictor: PredictorConfig,
    /// How position codes share their width between time, row and column.
    pub positions: Shares,
    /// Mask generators, all of them on every batch.
    pub masks: Vec<MaskConfig>,
    /// Learned vectors for unknown tokens; generator i takes number i, modulo their count (V-JEPA: 2).
    pub mask_tokens: usize,
    /// Law of the initial weights.
    pub init: InitScheme,
    /// What is predicted; `pixels` with `objective.normalise_targets` left out is the baseline of surprise.
    #[serde(default)]
    pub predicts: Predicts,
}

/// V-JEPA with a checked configuration.
#[derive(Debug, Clone)]
pub struct VJepa {
    config: VJepaConfig,
    views: Views,
    masks: Masks,
}

impl VJepaConfig {
    /// What the networks are made of, on a grid of (times, rows, columns).
    pub fn parts(&self, grid: [usize; 3], values: usize) -> (EncoderParts, PredictorParts) {
        let places = PlaceConfig::Table { shares: self.positions };
        let encoder = EncoderParts::plain(places, grid, values);
        let predictor = PredictorParts {
            places,
            grid,
            encoder_width: self.encoder.width,
            levels: 1,
            out: match self.predicts {
                Predicts::Features => self.encoder.width,
                Predicts::Pixels => values,
            },
            eps: self.encoder.eps,
            mask_tokens: self.mask_tokens,
            mask_token: None,
            modes: false,
            context: None,
        };
        (encoder, predictor)
    }

    /// The networks on a grid of (times, rows, columns) of tubelets of `values` numbers.
    pub fn networks(&self, grid: [usize; 3], values: usize, init: &mut Init) -> VideoJepa {
        let (encoder, predictor) = self.parts(grid, values);
        VideoJepa {
            encoder: VideoEncoder::new(init, &self.encoder, &encoder),
            predictor: VideoPredictor::new(init, &self.predictor, &predictor),
            classifier: None,
            predicts: self.predicts,
        }
    }
}

impl Forecast for VJepa {
    fn view(&self) -> &ViewConfig {
        &self.config.view
    }

    fn masks(&self) -> &Masks {
        &self.masks
    }
}

impl Variant for VJepa {
    const DESCRIPTION: Description = Description {
        id: "v-jepa",
        title: "V-JEPA",
        summary: "Predicts the features of hidden blocks of a clip from the features of its visible part.",
        paper: "Bardes et al. 2024, arXiv 2404.08471",
        modality: "clips",
        kind: Kind::Jepa,
        context: "visible tubelets (two mask generators)",
        target: "hidden tubelets of the EMA encoder's output",
        condition: "positions in time, row and column",
        distance: "L1",
        against_collapse: "EMA, stopped gradient",
    };
    const FORMATS: &'static [&'static str] = data::FORMATS;

    type Config = VJepaConfig;
    type Sample = Clip;
    type Model = VideoJepa;

    fn presets() -> Vec<Preset<VJepaConfig>> {
        presets::all()
    }

    fn new(config: &VJepaConfig) -> Result<Self> {
        let views = Views::new(&config.view)?;
        recipe::check(&config.encoder, &config.predictor, config.mask_tokens)?;
        let widths = [("encoder", config.encoder.width), ("predictor", config.predictor.width)];
        if let Some((name, width)) = widths.into_iter().find(|(_, width)| width % 8 != 0)
            && config.positions == Shares::HalfForTime
        {
            let problem = format!("{width} must be divisible by 8 for positions = \"half-for-time\"");
            return Err(Error::config(format!("model.{name}.width"), problem));
        }
        let masks = Masks::new(&config.masks, views.tubelets().grid)?;
        Ok(Self { config: config.clone(), views, masks })
    }

    fn model(&self, seed: u64, device: &Device) -> VideoJepa {
        let tubelets = self.views.tubelets();
        self.config.networks(tubelets.grid, tubelets.values(), &mut Init::new(seed, self.config.init, device))
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Clip>>> {
        data::open(spec, split, self.views.clip())
    }

    fn batch(&self, samples: Vec<Clip>, draws: &Draws) -> Result<VideoBatch> {
        let masks = self.masks.sample(samples.len(), draws)?;
        self.views.batch(&samples, draws, masks)
    }

    fn clean(&self, samples: &[Clip], _view: u64) -> Result<VideoBatch> {
        self.views.clean(samples)
    }

    fn raw(&self, sample: &Clip) -> Result<Vec<f32>> {
        self.views.thumbnail(sample)
    }

    fn preview(&self, sample: &Clip) -> Preview {
        let [_, rows, columns] = self.views.tubelets().grid;
        preview::preview(sample, [rows, columns])
    }

    fn picture(&self, batch: &VideoBatch) -> Option<(Preview, Vec<Option<u32>>)> {
        Some(self.views.picture(batch.row(0)))
    }

    fn shown(&self, sample: &Clip, _preview: &Preview) -> Vec<Option<u32>> {
        let tubelets = self.views.tubelets();
        preview::shown(sample, tubelets.grid, tubelets.tubelet)
    }

    fn scene(&self, sample: &Clip) -> Result<Scene> {
        self.views.scene(sample)
    }

    fn import(foreign: &Foreign) -> Result<Imported<VJepaConfig>> {
        weights::v_jepa::import(foreign)
    }

    fn export(&self, target: &Named, student: Option<&Named>, format: Format) -> Result<Vec<Exported>> {
        weights::v_jepa::export(&self.config, target, student, format)
    }

    fn evaluations() -> Vec<Evaluation<Self>> {
        vec![physics::surprise()]
    }

    fn flops(&self, _batch: usize) -> f64 {
        recipe::flops(&self.config.encoder, &self.config.predictor, self.views.tubelets(), &self.masks)
    }
}

/// Configurations.
pub mod presets {
    use jepa_core::masks::MaskRule;
    use jepa_core::objective::DistanceConfig;
    use jepa_core::train::{AdamWConfig, ClipScope, RunConfig, ScheduleConfig};

    use super::*;
    use crate::data::ClipOptions;

    /// The official recipe for one size: every quirk of the masks on, 300 epochs of 300 steps.
    pub(crate) fn official(encoder: EncoderConfig, size: usize, batch: usize) -> RunConfig<VJepaConfig> {
        let schedule = ScheduleConfig {
            lr_start: 2e-4,
            lr: 6.25e-4,
            lr_final: 1e-6,
            warmup: 40.0 / 300.0,
            decay: 0.04,
            decay_final: 0.4,
            momentum: 0.998,
            momentum_final: 1.0,
            stretch: 1.25,
            ..ScheduleConfig::default()
        };
        let model = VJepaConfig {
            view: ViewConfig::official(ClipOptions::default(), size),
            encoder,
            predictor: PredictorConfig { width: 384, depth: 12, heads: encoder.heads },
            positions: Shares::Uniform,
            masks: MaskConfig::official(MaskRule::Official),
            mask_tokens: 2,
            init: InitScheme::Official { depth_rescale: false },
            predicts: Predicts::Features,
        };
        let mut config = recipe::run(300 * 300, batch, schedule, model);
        // Encoder and predictor by themselves, from the epoch after the one that follows the warm-up.
        config.optimizer = AdamWConfig {
            clip_norm: Some(10.0),
            clip_scope: ClipScope::Network,
            clip_after: 41 * 300,
            ..AdamWConfig::default()
        };
        config
    }

    fn scaled(
        steps: u64,
        batch: usize,
        view: ViewConfig,
        encoder: EncoderConfig,
        predictor: PredictorConfig,
    ) -> RunConfig<VJepaConfig> {
        let mut config = official(encoder, view.crop.size, batch);
        recipe::scale_down(&mut config, steps, batch);
        // Small networks over a few hundred steps have no large gradients.
        config.optimizer = AdamWConfig::default();
        config.model.view = view;
        config.model.predictor = predictor;
        config.model.masks = MaskConfig::official(MaskRule::Corrected);
        config.model.init = InitScheme::FanIn;
        config
    }

    pub(super) fn all() -> Vec<Preset<VJepaConfig>> {
        let encoder = |width, depth, heads| EncoderConfig { width, depth, heads, mlp_ratio: 4.0, eps: 1e-6 };
        let predictor = |width, depth, heads| PredictorConfig { width, depth, heads };
        let mut tiny = scaled(40, 4, recipe::small_view(4, 32), encoder(48, 2, 2), predictor(48, 1, 2));
        tiny.run.checkpoint_every = 20;
        tiny.run.diagnose_every = 20;
        let mut small = scaled(3_000, 32, recipe::small_view(16, 32), encoder(96, 4, 4), predictor(48, 3, 4));
        recipe::small(&mut small);
        let mut scenes = scaled(12_000, 16, recipe::scenes_view(), encoder(64, 3, 4), predictor(64, 3, 4));
        recipe::scenes(&mut scenes);
        scenes.model.masks = recipe::future();
        // Where a body will be is not known to the pixel. |d| is least at the median, where there is most often nothing; d²
        // at the mean, in which all places have their part (`benches/surprise.md`).
        scenes.objective.distance = DistanceConfig::L2;
        let mut pixels = scenes.clone();
        pixels.model.predicts = Predicts::Pixels;
        pixels.objective.normalise_targets = None;
        let named = |name, about, size: &str, pixels, batch| Preset {
            name,
            about,
            config: official(recipe::encoder(size), pixels, batch),
        };
        vec![
            Preset {
                name: "small",
                about: "minutes on two cores: built-in clips, 16 frames of 32 pixels, 0.6 M parameters, with Barlow Twins' term",
                config: small,
            },
            Preset {
                name: "scenes",
                about: "for surprise: what comes next in possible physical scenes (synthetic), 12 frames of 32 pixels",
                config: scenes,
            },
            Preset { name: "scenes-pixels", about: "its baseline: the same network predicts pixels", config: pixels },
            Preset { name: "tiny", about: "seconds: for tests", config: tiny },
            named("vit-t16", "ViT-T/16 at 224, 16 frames, official masks", "vit-t", 224, 3072),
            named("vit-s16", "ViT-S/16 at 224, 16 frames, official masks", "vit-s", 224, 3072),
            named("vit-b16", "ViT-B/16 at 224, 16 frames, official masks", "vit-b", 224, 3072),
            named("vit-l16", "ViT-L/16 at 224, 16 frames, 90,000 steps (vitl16.yaml)", "vit-l", 224, 3072),
            named("vit-h16", "ViT-H/16 at 224, 16 frames, 90,000 steps (vith16.yaml)", "vit-h", 224, 3072),
            named("vit-h16-384", "ViT-H/16 at 384, 16 frames, 90,000 steps (vith16_384.yaml)", "vit-h", 384, 2400),
        ]
    }
}
