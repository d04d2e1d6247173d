//! # V-JEPA 2
//!
//! **Paper**: Assran et al., "V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction and Planning",
//! 2025, arXiv 2506.09985. V-JEPA 2.1 is known from its code and weights.
//!
//! **Idea**: V-JEPA with positions that turn queries and keys instead of being added to tokens, so that one encoder reads
//! clips of any length and size; a constant learning rate, and a cooldown on longer and larger clips at the end.
//!
//! **x** the visible tubelets; **y** the hidden ones, of the target encoder's *output*; **z** their places in time, row
//! and column; **D** L1 on layer-normalised targets; **against collapse** the EMA and the stopped gradient.
//!
//! **What differs from V-JEPA**: rotary places, in the released form, whose two channels of a pair turn by different
//! angles; twelve heads in the predictor whatever the encoder; ten mask tokens, of which training uses the first; decay
//! and momentum stay constant. Times, rows and columns are passed to the predictor too, where the official code takes
//! its grid for square.
//!
//! **V-JEPA 2.1** is the same variant with paired rotary channels, places stretched to a grid of 16, outputs of four
//! blocks side by side as targets, a loss on visible tokens and a tokeniser for single pictures (`v2.1-*`). Released
//! distilled models, whose targets were a larger model's, are read and not trained.
//!
//! **Classifiers** that come with imported weights name the classes of clips: `probe --kind classify`.
//!
//! **Defaults and their source**: `configs/train/*` and, of 2.1, `configs/train_2_1/*`; `*-cooldown` goes on with the weights
//! and the optimiser state of a pre-training (`train --from`), its steps counted anew. The L and H configurations leave the
//! length open: it is that of g, 800 epochs of 300 steps. `small` is ours.

use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig, RotaryConfig};
use jepa_core::plugin::{
    Description, Draws, Evaluation, Exported, Format, Imported, Kind, Preset, Preview, Scene, Variant,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::physics::{self, Forecast};
use super::{classify, recipe};
use crate::data::{self, Clip};
use crate::masks::{MaskConfig, Masks};
use crate::network::{
    ClassifierConfig, ContextConfig, EncoderParts, PlaceConfig, PredictorParts, Predicts, VideoBatch, VideoEncoder,
    VideoJepa, VideoPredictor,
};
use crate::view::{ViewConfig, Views};
use crate::{preview, weights};

jepa_core::register!(VJepa2);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VJepa2Config {
    /// What of a clip is read.
    pub view: ViewConfig,
    /// Context and target encoder.
    pub encoder: EncoderConfig,
    /// Predictor (V-JEPA 2: 12 heads).
    pub predictor: PredictorConfig,
    /// Rotary places of the encoder.
    pub rotary: RotaryConfig,
    /// Rotary places of the predictor.
    pub predictor_rotary: RotaryConfig,
    /// Mask generators, all of them on every batch.
    pub masks: Vec<MaskConfig>,
    /// Learned vectors for unknown tokens (V-JEPA 2: 10, 2.1: 8).
    pub mask_tokens: usize,
    /// Which of them stands for an unknown token: official training uses 0, official inference code and `transformers`
    /// use 1.
    pub mask_token: usize,
    /// What V-JEPA 2.1 has beyond V-JEPA 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseConfig>,
    /// Blocks of the encoder, counted from 0, whose normed outputs stand side by side in frozen features, as for probes on
    /// several layers (V-JEPA 2.1's four levels of ViT-B: 2, 5, 8, 11). Empty: the last block's output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<usize>,
    /// A classifier of frozen features that came with imported weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierConfig>,
    /// Law of the initial weights.
    pub init: InitScheme,
}

/// What V-JEPA 2.1 has beyond V-JEPA 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenseConfig {
    /// Blocks of the encoder, counted from 0, that have a norm of their own (depth 12: 2, 5, 8, 11).
    pub levels: Vec<usize>,
    /// How many of them, counted from the last, are read by the predictor (four; distilled models: one).
    pub outputs: usize,
    /// Values predicted for a token where the teacher was another encoder (distilled models: 1664); absent: outputs
    /// times the width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher_width: Option<usize>,
    /// A tokeniser of its own for single pictures, and learned vectors for pictures and clips.
    pub pictures: bool,
    /// The loss on visible tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextConfig>,
}

/// V-JEPA 2 with a checked configuration.
#[derive(Debug, Clone)]
pub struct VJepa2 {
    config: VJepa2Config,
    views: Views,
    masks: Masks,
}

impl VJepa2Config {
    /// What the networks are made of, on a grid of (times, rows, columns), for tubelets and pictures of so many values.
    pub fn parts(&self, grid: [usize; 3], [values, picture]: [usize; 2]) -> (EncoderParts, PredictorParts) {
        let dense = self.dense.as_ref();
        let outputs = dense.map_or(1, |d| d.outputs);
        let pictures = dense.is_some_and(|d| d.pictures);
        let encoder = EncoderParts {
            places: PlaceConfig::Rotary(self.rotary),
            grid,
            values,
            picture: pictures.then_some(picture),
            levels: dense.map_or(Vec::new(), |d| d.levels.clone()),
            outputs,
            features: self.features.clone(),
        };
        let predictor = PredictorParts {
            places: PlaceConfig::Rotary(self.predictor_rotary),
            grid,
            encoder_width: self.encoder.width,
            levels: outputs,
            out: dense.and_then(|d| d.teacher_width).unwrap_or(outputs * self.encoder.width),
            eps: self.encoder.eps,
            mask_tokens: self.mask_tokens,
            mask_token: Some(self.mask_token),
            modes: pictures,
            context: dense.and_then(|d| d.context),
        };
        (encoder, predictor)
    }

    /// The networks on a grid of (times, rows, columns), for tubelets and pictures of so many values.
    pub fn networks(&self, grid: [usize; 3], values: [usize; 2], init: &mut Init) -> VideoJepa {
        let (encoder, predictor) = self.parts(grid, values);
        VideoJepa {
            encoder: VideoEncoder::new(init, &self.encoder, &encoder),
            predictor: VideoPredictor::new(init, &self.predictor, &predictor),
            classifier: self.classifier.as_ref().map(|classifier| classifier.network(self.encoder.width, init)),
            predicts: Predicts::Features,
        }
    }
}

impl Forecast for VJepa2 {
    fn view(&self) -> &ViewConfig {
        &self.config.view
    }

    fn masks(&self) -> &Masks {
        &self.masks
    }
}

impl Variant for VJepa2 {
    const DESCRIPTION: Description = Description {
        id: "v-jepa-2",
        title: "V-JEPA 2",
        summary: "V-JEPA with rotary places: clips of any length and size, also V-JEPA 2.1.",
        paper: "Assran et al. 2025, arXiv 2506.09985",
        modality: "clips",
        kind: Kind::Jepa,
        context: "visible tubelets (two mask generators)",
        target: "hidden tubelets of the EMA encoder's output",
        condition: "rotary places in time, row and column",
        distance: "L1",
        against_collapse: "EMA, stopped gradient",
    };
    const FORMATS: &'static [&'static str] = data::FORMATS;

    type Config = VJepa2Config;
    type Sample = Clip;
    type Model = VideoJepa;

    fn presets() -> Vec<Preset<VJepa2Config>> {
        presets::all()
    }

    fn new(config: &VJepa2Config) -> Result<Self> {
        let views = Views::new(&config.view)?;
        recipe::check(&config.encoder, &config.predictor, config.mask_tokens)?;
        if config.mask_token >= config.mask_tokens {
            let problem = format!("{} must be below mask_tokens, {}", config.mask_token, config.mask_tokens);
            return Err(Error::config("model.mask_token", problem));
        }
        let heads = [
            ("encoder", config.encoder.width / config.encoder.heads),
            ("predictor", config.predictor.width / config.predictor.heads),
        ];
        if let Some((name, head)) = heads.into_iter().find(|(_, head)| *head < 6) {
            let problem =
                format!("heads of {head} channels hold no rotary places of three axes; at least 6 are needed");
            return Err(Error::config(format!("model.{name}.heads"), problem));
        }
        if let Some(dense) = &config.dense {
            let sorted = dense.levels.windows(2).all(|w| w[0] < w[1]);
            if !sorted || dense.levels.last() != Some(&(config.encoder.depth - 1)) {
                let problem =
                    format!("{:?} must ascend and end with the last block, {}", dense.levels, config.encoder.depth - 1);
                return Err(Error::config("model.dense.levels", problem));
            }
            if !(1..=dense.levels.len()).contains(&dense.outputs) {
                let problem = format!("{} must lie in 1..={}", dense.outputs, dense.levels.len());
                return Err(Error::config("model.dense.outputs", problem));
            }
        }
        let levels = config.dense.as_ref().map_or(&[][..], |dense| &dense.levels);
        let (depth, features) = (config.encoder.depth, &config.features);
        if !features.windows(2).all(|w| w[0] < w[1]) || features.iter().any(|block| *block >= depth) {
            let problem = format!("{features:?} must ascend and lie below the depth, {depth}");
            return Err(Error::config("model.features", problem));
        }
        if let Some(block) = features.iter().find(|block| !levels.is_empty() && !levels.contains(block)) {
            let problem = format!("block {block} has no norm; those with one are {levels:?}");
            return Err(Error::config("model.features", problem));
        }
        if let Some(classifier) = &config.classifier {
            classifier.check(&config.encoder, levels)?;
        }
        let masks = Masks::new(&config.masks, views.tubelets().grid)?;
        Ok(Self { config: config.clone(), views, masks })
    }

    fn model(&self, seed: u64, device: &Device) -> VideoJepa {
        let tubelets = self.views.tubelets();
        let values = [tubelets.values(), tubelets.values() / tubelets.tubelet];
        self.config.networks(tubelets.grid, values, &mut Init::new(seed, self.config.init, device))
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Clip>>> {
        data::open(spec, split, self.views.clip())
    }

    fn batch(&self, samples: Vec<Clip>, draws: &Draws) -> Result<VideoBatch> {
        if let Some(width) = self.config.dense.as_ref().and_then(|dense| dense.teacher_width) {
            let problem =
                format!("the teacher of {width} values a token is not here: a distilled model is for features");
            return Err(Error::config("model.dense.teacher_width", problem));
        }
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

    fn import(foreign: &Foreign) -> Result<Imported<VJepa2Config>> {
        weights::v_jepa_2::import(foreign)
    }

    fn export(&self, target: &Named, student: Option<&Named>, format: Format) -> Result<Vec<Exported>> {
        weights::v_jepa_2::export(&self.config, target, student, format)
    }

    fn evaluations() -> Vec<Evaluation<Self>> {
        vec![physics::surprise(), classify::evaluation()]
    }

    fn flops(&self, _batch: usize) -> f64 {
        recipe::flops(&self.config.encoder, &self.config.predictor, self.views.tubelets(), &self.masks)
    }
}

/// Configurations.
pub mod presets {
    use jepa_core::masks::MaskRule;
    use jepa_core::nn::RotaryForm;
    use jepa_core::train::{RateLaw, RunConfig, ScheduleConfig};

    use super::*;
    use crate::data::{ClipOptions, SamplingRule};

    /// Blocks with a norm of their own in V-JEPA 2.1, by depth.
    pub(crate) const LEVELS_12: [usize; 4] = [2, 5, 8, 11];
    pub(crate) const LEVELS_24: [usize; 4] = [5, 11, 17, 23];
    pub(crate) const LEVELS_40: [usize; 4] = [9, 19, 29, 39];
    pub(crate) const LEVELS_48: [usize; 4] = [11, 23, 37, 47];

    /// Four frames a second.
    fn clip(frames: usize) -> ClipOptions {
        ClipOptions { frames, rule: SamplingRule::Fps(4.0), ..ClipOptions::default() }
    }

    /// The model of one size, for clips of `frames` frames of `size` pixels.
    fn model(encoder: EncoderConfig, frames: usize, size: usize) -> VJepa2Config {
        let rotary = RotaryConfig { form: RotaryForm::Tiled, stretch_to: None };
        VJepa2Config {
            view: ViewConfig::official(clip(frames), size),
            encoder,
            predictor: PredictorConfig { width: 384, depth: 12, heads: 12 },
            rotary,
            predictor_rotary: rotary,
            masks: MaskConfig::official(MaskRule::Official),
            mask_tokens: 10,
            mask_token: 0,
            dense: None,
            features: Vec::new(),
            classifier: None,
            // Unlike V-JEPA's, its loop does not draw every matrix again over the rescaled ones.
            init: InitScheme::Official { depth_rescale: true },
        }
    }

    /// The long first phase: warm-up, then everything constant.
    pub(crate) fn official(encoder: EncoderConfig, frames: usize, size: usize) -> RunConfig<VJepa2Config> {
        let schedule = ScheduleConfig {
            lr_start: 1e-4,
            lr: 5.25e-4,
            lr_final: 5.25e-4,
            warmup: 40.0 / 800.0,
            decay: 0.04,
            decay_final: 0.04,
            momentum: 0.999_25,
            momentum_final: 0.999_25,
            stretch: 1.25,
            ..ScheduleConfig::default()
        };
        recipe::run(800 * 300, 3072, schedule, model(encoder, frames, size))
    }

    /// The cooldown: longer or larger clips, the rate falls on a line that is cut off at four fifths.
    fn cooldown(encoder: EncoderConfig, size: usize) -> RunConfig<VJepa2Config> {
        let mut config = official(encoder, 64, size);
        config.run.steps = 40 * 300;
        config.schedule = ScheduleConfig { lr_final: 1e-6, warmup: 0.0, lr_law: RateLaw::Line, ..config.schedule };
        config
    }

    /// V-JEPA 2.1: what it adds to a model of V-JEPA 2.
    pub(crate) fn dense(mut model: VJepa2Config, levels: Vec<usize>) -> VJepa2Config {
        model.rotary = RotaryConfig { form: RotaryForm::Paired, stretch_to: Some(16) };
        model.predictor_rotary = model.rotary;
        model.predictor.depth = 24;
        model.mask_tokens = 8;
        model.dense = Some(DenseConfig {
            outputs: levels.len(),
            levels,
            teacher_width: None,
            pictures: true,
            context: Some(ContextConfig { weight: 0.5, warmup: [15_000, 30_000], by_distance: true }),
        });
        model
    }

    /// A pre-training of V-JEPA 2.1 (`configs/train_2_1/*/pretrain-256px-16f.yaml`): 1,000 epochs of 300 steps.
    fn dense_run(size: &str, levels: [usize; 4], predictor: usize) -> RunConfig<VJepa2Config> {
        let mut config = official(recipe::encoder(size), 16, 256);
        config.run.steps = 1000 * 300;
        config.schedule = ScheduleConfig { lr: 6e-4, lr_final: 6e-4, warmup: 40.0 / 1000.0, ..config.schedule };
        config.model = dense(config.model, levels.to_vec());
        config.model.predictor.depth = predictor;
        config
    }

    /// Its cooldown (`cooldown-256px-64f.yaml`): every visible token counts alike, from the first step on.
    fn dense_cooldown(size: &str, levels: [usize; 4], predictor: usize) -> RunConfig<VJepa2Config> {
        let pretrained = dense_run(size, levels, predictor);
        let mut config = cooldown(pretrained.model.encoder, 256);
        config.schedule.lr = 6e-4;
        config.model = VJepa2Config { view: config.model.view, ..pretrained.model };
        if let Some(context) = config.model.dense.as_mut().and_then(|dense| dense.context.as_mut()) {
            *context = ContextConfig { warmup: [0, 0], by_distance: false, ..*context };
        }
        config
    }

    fn scaled(
        steps: u64,
        batch: usize,
        view: ViewConfig,
        encoder: EncoderConfig,
        predictor: PredictorConfig,
    ) -> RunConfig<VJepa2Config> {
        let mut config = official(encoder, view.clip.frames, view.crop.size);
        config.schedule.momentum_final = 1.0;
        recipe::scale_down(&mut config, steps, batch);
        config.model.view = view;
        config.model.predictor = predictor;
        config.model.masks = MaskConfig::official(MaskRule::Corrected);
        // A vector that is never used gets no gradient.
        config.model.mask_tokens = 1;
        config.model.init = InitScheme::FanIn;
        config
    }

    pub(super) fn all() -> Vec<Preset<VJepa2Config>> {
        let encoder = |width, depth, heads| EncoderConfig { width, depth, heads, mlp_ratio: 4.0, eps: 1e-6 };
        let predictor = |width, depth, heads| PredictorConfig { width, depth, heads };
        let mut tiny = scaled(40, 4, recipe::small_view(4, 32), encoder(48, 2, 2), predictor(48, 1, 2));
        tiny.run.checkpoint_every = 20;
        tiny.run.diagnose_every = 20;
        let mut small = scaled(3_000, 32, recipe::small_view(16, 32), encoder(96, 4, 4), predictor(48, 3, 2));
        recipe::small(&mut small);
        let [l, h, g] = ["vit-l", "vit-h", "vit-g"].map(recipe::encoder);
        let preset = |name, about, config| Preset { name, about, config };
        vec![
            preset(
                "small",
                "minutes on two cores: built-in clips, 16 frames of 32 pixels, 0.6 M parameters, with Barlow Twins' term",
                small,
            ),
            preset("tiny", "seconds: for tests", tiny),
            preset("vit-l16", "ViT-L/16 at 256, 16 frames (vitl16/pretrain-256px-16f.yaml)", official(l, 16, 256)),
            preset("vit-h16", "ViT-H/16 at 256, 16 frames (vith16/pretrain-256px-16f.yaml)", official(h, 16, 256)),
            preset("vit-g16", "ViT-g/16 at 256, 16 frames (vitg16/pretrain-256px-16f.yaml)", official(g, 16, 256)),
            preset("vit-l16-cooldown", "64 frames at 256 (vitl16/cooldown-256px-64f.yaml)", cooldown(l, 256)),
            preset("vit-h16-cooldown", "64 frames at 256 (vith16/cooldown-256px-64f.yaml)", cooldown(h, 256)),
            preset("vit-g16-cooldown", "64 frames at 256 (vitg16/cooldown-256px-64f.yaml)", cooldown(g, 256)),
            preset("vit-g16-384-cooldown", "64 frames at 384 (vitg16/cooldown-384px-64f.yaml)", cooldown(g, 384)),
            preset("v2.1-vit-b16", "V-JEPA 2.1, ViT-B/16, clips alone", dense_run("vit-b", LEVELS_12, 12)),
            preset("v2.1-vit-l16", "V-JEPA 2.1, ViT-L/16, clips alone", dense_run("vit-l", LEVELS_24, 24)),
            preset("v2.1-vit-g16", "V-JEPA 2.1, ViT-g/16, clips alone", dense_run("vit-g", LEVELS_40, 24)),
            preset(
                "v2.1-vit-gigantic16",
                "V-JEPA 2.1, ViT-G/16, clips alone",
                dense_run("vit-gigantic", LEVELS_48, 24),
            ),
            preset("v2.1-vit-b16-cooldown", "64 frames at 256, ViT-B/16", dense_cooldown("vit-b", LEVELS_12, 12)),
            preset("v2.1-vit-l16-cooldown", "64 frames at 256, ViT-L/16", dense_cooldown("vit-l", LEVELS_24, 24)),
            preset("v2.1-vit-g16-cooldown", "64 frames at 256, ViT-g/16", dense_cooldown("vit-g", LEVELS_40, 24)),
            preset(
                "v2.1-vit-gigantic16-cooldown",
                "64 frames at 256, ViT-G/16",
                dense_cooldown("vit-gigantic", LEVELS_48, 24),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use jepa_core::checkpoint;
    use jepa_core::jepa::Jepa as _;

    use super::*;

    #[test]
    fn deep_blocks_begin_smaller_as_the_official_ones_do() {
        let config = presets::official(recipe::encoder("vit-t"), 4, 64).model;
        let model = VJepa2::new(&config).unwrap().model(0, &Device::flex());
        let weights = checkpoint::named(model.target()).unwrap();
        let deviation = |name: &str| {
            let values = weights[name].1.iter().map(|v| f64::from(*v));
            (values.clone().map(|v| v * v).sum::<f64>() / values.count() as f64).sqrt()
        };
        // N(0, 0.02), over the root of twice the number of the block where it writes to the residual stream.
        for (name, expected) in [
            ("blocks.0.attn.qkv.weight", 0.02),
            ("blocks.11.attn.qkv.weight", 0.02),
            ("blocks.0.mlp.fc2.weight", 0.02 / 2f64.sqrt()),
            ("blocks.11.mlp.fc2.weight", 0.02 / 24f64.sqrt()),
            ("blocks.11.attn.proj.weight", 0.02 / 24f64.sqrt()),
        ] {
            let found = deviation(name);
            assert!((found / expected - 1.0).abs() < 0.02, "{name}: {found}, expected {expected}");
        }
    }
}
