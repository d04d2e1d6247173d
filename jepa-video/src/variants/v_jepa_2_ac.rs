//! # V-JEPA 2-AC
//!
//! **Paper**: Assran et al., "V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction and Planning",
//! 2025, arXiv 2506.09985, section 3.
//!
//! **Idea**: keep a video encoder as it is, and learn on top of it what actions do: from the features of the frames so
//! far, with the action and the state at each, predict the features of the next frame. Then search the actions whose
//! imagined features come nearest to those of a picture of the goal (`cargo xtask probe RUN --kind planning`).
//!
//! **x** the frames up to t, each by itself; **y** frame t + 1; **z** actions and states; **s_y** of the frozen encoder,
//! layer-normalised, as s_x is; **D** L1, once for predictions from true frames (teacher forcing) and once for a rollout
//! from the first frame; **against collapse** the encoder, which nothing trains.
//!
//! **What differs from V-JEPA 2**: the predictor sees all tokens of all earlier frames and no mask tokens; attention is
//! causal from frame to frame; each frame has an action and a state token in front, which turn with time alone; a still
//! frame fills a tubelet.
//!
//! **What differs from the official code**: the loss is the mean of the two distances, there their sum (AdamW does not see
//! a factor); extrinsics of a camera, which no released predictor reads, are left out; grids are square.
//!
//! **Where the encoder comes from**: `model.encoder_weights` names a run or an import of `v-jepa-2`. Without it the encoder
//! stays as it was drawn: enough to see the method work on the built-in films, not to see with. An imported
//! `vjepa2-ac-vitg.pt` brings both networks.
//!
//! **Defaults and their source**: `vit-g16` is `configs/train/vitg16/droid-256px-8f.yaml`, its planner
//! `notebooks/utils/{mpc_utils,world_model_wrapper}.py` (gripper actions below 0.25, which it sets to 0 in the end, are
//! left as they are). `small` is ours.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use jepa_core::checkpoint::{self, Disk, Foreign, Named};
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::masked::transformer_flops;
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig, RotaryConfig, RotaryForm};
use jepa_core::planning::PlanningConfig;
use jepa_core::plugin::{
    Description, Draws, Evaluated, Evaluation, Exported, Format, Imported, Kind, Networks, Preset, Preview, Rival,
    Scene, Variant,
};
use jepa_core::probe::readable;
use jepa_core::train::{Replicas, default_replicas};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recipe;
use crate::action::{self, Contestant, Kinematics, Trajectory};
use crate::data::{Clip, ClipOptions};
use crate::network::{ActionBatch, ActionJepa, ActionParts, ActionPredictor, EncoderParts, PlaceConfig, VideoEncoder};
use crate::view::{ViewConfig, Views};
use crate::{preview, weights};

jepa_core::register!(VJepa2Ac);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VJepa2AcConfig {
    /// What of a recording is read; `clip.frames` are the frames of a sample (official: 8, four a second).
    pub view: ViewConfig,
    /// The frozen encoder.
    pub encoder: EncoderConfig,
    /// Its rotary places.
    pub rotary: RotaryConfig,
    /// A run or an import of `v-jepa-2` whose target encoder it is; absent: it stays as it was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_weights: Option<PathBuf>,
    /// Predictor (official: 1024 wide, 24 deep, 16 heads).
    pub predictor: PredictorConfig,
    /// Which angle a rotary channel of the predictor turns by (released weights: tiled).
    pub predictor_rotary: RotaryForm,
    /// What states and actions are.
    pub kinematics: Kinematics,
    /// Frames that the predictor's own outputs lead to in training (official `auto_steps`: 2).
    pub rollout: usize,
    /// How actions are chosen by `probe --kind planning`.
    pub planning: PlanningConfig,
    /// Goals that it tries to reach.
    pub trials: usize,
    /// Law of the initial weights.
    pub init: InitScheme,
}

/// V-JEPA 2-AC with a checked configuration.
#[derive(Debug, Clone)]
pub struct VJepa2Ac {
    config: VJepa2AcConfig,
    /// Frames held for a tubelet each: all of a sample, and one alone.
    views: Views,
    still: Views,
    encoder: Option<Named>,
}

impl VJepa2AcConfig {
    fn parts(&self, side: usize, values: usize) -> (EncoderParts, ActionParts) {
        let places = PlaceConfig::Rotary(self.rotary);
        let grid = [1, side, side];
        let encoder = EncoderParts::plain(places, grid, values);
        let predictor = ActionParts {
            side,
            encoder_width: self.encoder.width,
            action: self.kinematics.width(),
            eps: self.encoder.eps,
            form: self.predictor_rotary,
        };
        (encoder, predictor)
    }
}

impl Variant for VJepa2Ac {
    const DESCRIPTION: Description = Description {
        id: "v-jepa-2-ac",
        title: "V-JEPA 2-AC",
        summary: "A world model on a frozen video encoder: predicts the next frame's features from actions, and plans.",
        paper: "Assran et al. 2025, arXiv 2506.09985",
        modality: "clips with actions",
        kind: Kind::Jepa,
        context: "frames up to t",
        target: "frame t + 1 of the frozen encoder",
        condition: "actions and states",
        distance: "L1, teacher-forced and rolled out",
        against_collapse: "frozen encoder",
    };
    const FORMATS: &'static [&'static str] = action::FORMATS;

    type Config = VJepa2AcConfig;
    type Sample = Trajectory;
    type Model = ActionJepa;

    fn presets() -> Vec<Preset<VJepa2AcConfig>> {
        presets::all()
    }

    fn new(config: &VJepa2AcConfig) -> Result<Self> {
        let frames = config.view.clip.frames;
        if frames < 2 || config.view.clip.segments != 1 {
            let problem =
                format!("{frames} frames in {} segments: expected 2 or more in one", config.view.clip.segments);
            return Err(Error::config("model.view.clip", problem));
        }
        if config.view.crop.flip {
            return Err(Error::config(
                "model.view.crop.flip",
                "in a mirrored frame the actions would be others: set false",
            ));
        }
        let held = |times: usize| {
            let clip = ClipOptions { frames: times * config.view.tubelet.max(1), ..config.view.clip.clone() };
            Views::new(&ViewConfig { clip, ..config.view.clone() })
        };
        let (views, still) = (held(frames)?, held(1)?);
        recipe::check(&config.encoder, &config.predictor, 1)?;
        let heads = [
            ("encoder", config.encoder.width / config.encoder.heads),
            ("predictor", config.predictor.width / config.predictor.heads),
        ];
        if let Some((name, head)) = heads.into_iter().find(|(_, head)| *head < 6) {
            let problem =
                format!("heads of {head} channels hold no rotary places of three axes; at least 6 are needed");
            return Err(Error::config(format!("model.{name}.heads"), problem));
        }
        if !(1..frames).contains(&config.rollout) || config.trials == 0 {
            let problem = format!("rollout {} must lie in 1..{frames}, trials be positive", config.rollout);
            return Err(Error::config("model.rollout", problem));
        }
        config.planning.check(config.kinematics.width(), "model.planning")?;
        let mut variant = Self { config: config.clone(), views, still, encoder: None };
        if let Some(path) = &config.encoder_weights {
            let tensors = encoder_weights(path)?;
            let fresh = variant.fresh_encoder(&mut Init::new(0, config.init, &Device::flex()));
            checkpoint::apply(fresh, &tensors, &path.display().to_string())
                .map_err(|error| Error::config("model.encoder_weights", error.to_string()))?;
            variant.encoder = Some(tensors);
        }
        Ok(variant)
    }

    fn model(&self, seed: u64, device: &Device) -> ActionJepa {
        let mut init = Init::new(seed, self.config.init, device);
        let fresh = self.fresh_encoder(&mut init);
        let frozen = match &self.encoder {
            // `new` has seen that they fit.
            Some(tensors) => checkpoint::apply(fresh.clone(), tensors, "encoder_weights").unwrap_or(fresh),
            None => fresh,
        };
        let [_, side, _] = self.views.tubelets().grid;
        let (_, parts) = self.config.parts(side, self.views.tubelets().values());
        let predictor = ActionPredictor::new(&mut init, &self.config.predictor, &parts);
        ActionJepa { frozen, predictor, rollout: self.config.rollout }
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Trajectory>>> {
        action::open(spec, split, &self.config.view.clip, self.config.kinematics)
    }

    fn batch(&self, samples: Vec<Trajectory>, draws: &Draws) -> Result<ActionBatch> {
        let clips =
            samples.iter().map(|sample| self.held(&sample.clip, sample.clip.frames)).collect::<Result<Vec<_>>>()?;
        let [times, down, across] = self.views.tubelets().grid;
        let frame = (down * across) as u32;
        // The last frame is never seen, the first never predicted.
        let mask = |frames: std::ops::Range<u32>| -> Result<Vec<Mask>> {
            let tokens = (frames.start * frame..frames.end * frame).collect();
            Ok(vec![Mask::new(&vec![tokens; clips.len()], times * frame as usize)?])
        };
        let last = times as u32 - 1;
        let masks = vec![MaskSet { context: mask(0..last)?, target: mask(1..last + 1)? }];
        self.collate(self.views.batch(&clips, draws, masks)?, &samples, times)
    }

    /// The first frame alone.
    fn clean(&self, samples: &[Trajectory], _view: u64) -> Result<ActionBatch> {
        let clips = samples.iter().map(|sample| self.held(&sample.clip, 1)).collect::<Result<Vec<_>>>()?;
        self.collate(self.still.clean(&clips)?, samples, 1)
    }

    fn raw(&self, sample: &Trajectory) -> Result<Vec<f32>> {
        self.still.thumbnail(&sample.clip.cut(0..1)?)
    }

    fn preview(&self, sample: &Trajectory) -> Preview {
        let [_, rows, columns] = self.views.tubelets().grid;
        preview::preview(&sample.clip, [rows, columns])
    }

    fn shown(&self, sample: &Trajectory, _preview: &Preview) -> Vec<Option<u32>> {
        preview::shown(&sample.clip, self.views.tubelets().grid, 1)
    }

    fn picture(&self, batch: &ActionBatch) -> Option<(Preview, Vec<Option<u32>>)> {
        (batch.times() > 1).then(|| self.views.picture(batch.row(0)))
    }

    /// The frozen encoder looks at a frame by itself: at the first one.
    fn scene(&self, sample: &Trajectory) -> Result<Scene> {
        let [_, rows, columns] = self.views.tubelets().grid;
        let first = sample.clip.cut(0..1)?;
        let tokens = preview::shown(&first, [1, rows, columns], 1);
        Ok(Scene::still(&preview::preview(&first, [rows, columns]), tokens))
    }

    fn import(foreign: &Foreign) -> Result<Imported<VJepa2AcConfig>> {
        weights::v_jepa_2_ac::import(foreign)
    }

    fn export(&self, target: &Named, student: Option<&Named>, format: Format) -> Result<Vec<Exported>> {
        weights::v_jepa_2_ac::export(&self.config, target, student, format)
    }

    fn evaluations() -> Vec<Evaluation<Self>> {
        vec![Evaluation {
            name: "planning",
            about: "how much of the way to a later frame's state planned actions cover, and whether the energy of an \
                    action is least at the true one (builtin, builtin-fixed-wall, trajectories:PATH)",
            run: planning,
        }]
    }

    fn flops(&self, _batch: usize) -> f64 {
        let VJepa2AcConfig { encoder, predictor, rollout, .. } = &self.config;
        let [times, down, across] = self.views.tubelets().grid;
        let frame = (down * across) as f64;
        let see = transformer_flops(frame, encoder.width, encoder.depth, encoder.mlp_ratio) * times as f64;
        let predict =
            |times: usize| transformer_flops((frame + 2.0) * times as f64, predictor.width, predictor.depth, 4.0);
        see + 3.0 * (predict(times - 1) + (2..=*rollout).map(predict).sum::<f64>())
    }
}

impl VJepa2Ac {
    fn fresh_encoder(&self, init: &mut Init) -> VideoEncoder {
        let [_, side, _] = self.views.tubelets().grid;
        let (parts, _) = self.config.parts(side, self.views.tubelets().values());
        VideoEncoder::new(init, &self.config.encoder, &parts)
    }

    /// The first `times` frames, each as often as fills a tubelet.
    fn held(&self, clip: &Clip, times: usize) -> Result<Clip> {
        let tubelet = self.config.view.tubelet;
        let frames = (0..times).flat_map(|at| std::iter::repeat_n(clip.frame(at).unwrap_or_default(), tubelet));
        Clip::new(times * tubelet, clip.height, clip.width, frames.flatten().copied().collect())
    }

    /// Clean frames, all of a sample.
    fn seen(&self, sample: &Trajectory) -> Result<ActionBatch> {
        let clip = self.held(&sample.clip, sample.clip.frames)?;
        let times = sample.clip.frames;
        self.collate(self.views.clean(&[clip])?, std::slice::from_ref(sample), times)
    }

    fn collate(&self, video: crate::network::VideoBatch, samples: &[Trajectory], times: usize) -> Result<ActionBatch> {
        let of = |rows: &[Vec<f32>], count: usize| rows.iter().take(count).flatten().copied().collect::<Vec<f32>>();
        let actions = samples.iter().flat_map(|sample| of(&sample.actions, times - 1)).collect();
        let states = samples.iter().flat_map(|sample| of(&sample.states, times)).collect();
        ActionBatch::new(video, actions, states, self.config.kinematics.width())
    }
}

/// The target encoder of a run or an import.
fn encoder_weights(path: &Path) -> Result<Named> {
    let bundle = checkpoint::load_latest(&Disk, &path.join("checkpoints"))
        .map_err(|error| Error::config("model.encoder_weights", error.to_string()))?;
    let name = "target.safetensors";
    checkpoint::decode(bundle.file(name)?, &bundle.path.join(name))
}

/// `probe --kind planning`.
fn planning(networks: &Networks<VJepa2Ac>, beside: &[Rival<VJepa2Ac>], data: Option<&str>) -> Result<Evaluated> {
    let variant = &networks.variant;
    let text = data.unwrap_or(&networks.config.data.source);
    let source = variant.open(&DataSpec::parse(text, action::FORMATS), Split::Test)?;
    let samples = readable(source.as_ref(), variant.config.trials);
    let samples: Vec<_> =
        samples.into_iter().map(|sample| Ok((variant.seen(&sample)?, sample))).collect::<Result<Vec<_>>>()?;
    let samples: Vec<_> = samples.into_iter().map(|(batch, sample)| (sample, batch)).collect();
    let of = |name, student, encoder| Contestant { name, student, encoder };
    let untrained = &networks.untrained;
    let mut contestants =
        vec![of("trained", &networks.student, &networks.target), of("untrained", untrained, &untrained.frozen)];
    contestants.extend(beside.iter().map(|(name, other)| of(name.as_str(), &other.student, &other.target)));
    let workers = Replicas::new(default_replicas(&networks.engine))?;
    let VJepa2AcConfig { planning, kinematics, .. } = &variant.config;
    let device = &networks.engine.device;
    action::evaluate(&contestants, &samples, source.describe(), planning, *kinematics, device, &workers)
}

/// Configurations.
pub mod presets {
    use jepa_core::jepa::TargetSource;
    use jepa_core::objective::{DistanceConfig, ObjectiveConfig};
    use jepa_core::picture::CropConfig;
    use jepa_core::planning::{Bounds, Cem, EnergyOf, Planner};
    use jepa_core::train::{RateLaw, RunConfig, ScheduleConfig};

    use super::*;
    use crate::data::SamplingRule;

    /// Share of the steps that warm up, and that anneal: 15 of 315 epochs.
    const EDGE: f64 = 15.0 / 315.0;

    /// A planner that moves actions by at most `limit`, and its last number, where there is a gripper, by 0.75.
    fn cem(kinematics: Kinematics, limit: f64) -> Cem {
        let (deviation, high) = match kinematics {
            Kinematics::Place => (vec![limit; 2], vec![limit; 2]),
            // Rotations are not searched.
            Kinematics::EndEffector => {
                (vec![limit, limit, limit, 0.0, 0.0, 0.0, 1.0], vec![limit, limit, limit, 0.0, 0.0, 0.0, 0.75])
            }
        };
        Cem {
            samples: 400,
            elites: 10,
            iterations: 10,
            deviation,
            bounds: Bounds::Box { low: high.iter().map(|v| -v).collect(), high },
            momentum: [0.15, 0.15],
            mean_is_a_sample: false,
        }
    }

    /// A planner of places.
    pub(crate) fn places() -> PlanningConfig {
        planned(cem(Kinematics::Place, 0.26))
    }

    fn planned(cem: Cem) -> PlanningConfig {
        let planner = Planner::Cem(cem);
        PlanningConfig { planner, horizon: 2, execute: 1, warm_start: false, energy: EnergyOf::Last }
    }

    /// The released recipe with an encoder of this size, for frames of `size` pixels in patches of 16.
    pub(crate) fn official(encoder: EncoderConfig, size: usize) -> RunConfig<VJepa2AcConfig> {
        let rotary = RotaryConfig { form: RotaryForm::Tiled, stretch_to: None };
        let clip = ClipOptions { frames: 8, rule: SamplingRule::Fps(4.0), ..ClipOptions::default() };
        let view = ViewConfig {
            crop: CropConfig { size, scale: [1.0, 1.0], aspect: [0.75, 1.35], flip: false },
            ..ViewConfig::official(clip, size)
        };
        let model = VJepa2AcConfig {
            view,
            encoder,
            rotary,
            encoder_weights: None,
            predictor: PredictorConfig { width: 1024, depth: 24, heads: 16 },
            predictor_rotary: RotaryForm::Tiled,
            kinematics: Kinematics::EndEffector,
            rollout: 2,
            planning: planned(cem(Kinematics::EndEffector, 0.05)),
            trials: 100,
            init: InitScheme::Official { depth_rescale: true },
        };
        let schedule = ScheduleConfig {
            lr_start: 7.5e-5,
            lr: 4.25e-4,
            lr_final: 0.0,
            warmup: EDGE,
            decay: 0.04,
            decay_final: 0.04,
            lr_law: RateLaw::Plateau { anneal: EDGE },
            ..ScheduleConfig::default()
        };
        let mut config = recipe::run(315 * 300, 256, schedule, model);
        config.data.source = "trajectories:droid".into();
        config.target = TargetSource::Frozen;
        config.objective =
            ObjectiveConfig { distance: DistanceConfig::L1, normalise_targets: None, regularisers: Vec::new() };
        config
    }

    /// For two cores: films of walks through two rooms.
    fn scaled(
        steps: u64,
        batch: usize,
        view: ViewConfig,
        encoder: EncoderConfig,
        predictor: PredictorConfig,
    ) -> RunConfig<VJepa2AcConfig> {
        let mut config = official(encoder, view.crop.size);
        recipe::scale_down(&mut config, steps, batch);
        config.data.source = "builtin-fixed-wall".into();
        config.probe.max_train = 1_000;
        config.probe.max_test = 500;
        config.model.view = view;
        config.model.predictor = predictor;
        config.model.kinematics = Kinematics::Place;
        // Four steps of at most 1.8 pixels, in units of 28.
        config.model.planning = planned(Cem { samples: 64, elites: 8, ..cem(Kinematics::Place, 0.26) });
        config.model.trials = 40;
        config.model.init = InitScheme::FanIn;
        config
    }

    pub(super) fn all() -> Vec<Preset<VJepa2AcConfig>> {
        let encoder = |width, depth, heads| EncoderConfig { width, depth, heads, mlp_ratio: 4.0, eps: 1e-6 };
        let predictor = |width, depth, heads| PredictorConfig { width, depth, heads };
        let view = |frames, size| {
            let view = recipe::small_view(frames, size);
            ViewConfig { crop: CropConfig { scale: [0.9, 1.0], aspect: [1.0, 1.0], ..view.crop.clone() }, ..view }
        };
        let mut tiny = scaled(40, 4, view(3, 32), encoder(48, 1, 2), predictor(48, 1, 2));
        tiny.run.checkpoint_every = 20;
        tiny.run.diagnose_every = 20;
        tiny.model.trials = 3;
        tiny.model.planning = planned(Cem { samples: 8, elites: 2, iterations: 2, ..cem(Kinematics::Place, 0.26) });
        let preset = |name, about, config| Preset { name, about, config };
        vec![
            preset(
                "small",
                "minutes on two cores: films of 5 frames of 64 pixels, an encoder as it was drawn",
                scaled(600, 8, view(5, 64), encoder(96, 3, 4), predictor(96, 3, 4)),
            ),
            preset("tiny", "seconds: for tests", tiny),
            preset(
                "vit-g16",
                "ViT-g/16 at 256, 8 frames, DROID (vitg16/droid-256px-8f.yaml); set model.encoder_weights",
                official(recipe::encoder("vit-g"), 256),
            ),
        ]
    }
}
