//! # S-JEPA
//!
//! **Paper**: Abdelfattah and Alahi, "S-JEPA: A Joint Embedding Predictive Architecture for Skeletal Action
//! Recognition", ECCV 2024, pp. 367-384. Its authors released no code; what the paper leaves open follows MAMP (Mao et
//! al., ICCV 2023), whose protocol it takes over, and is a switch here.
//!
//! **Idea**: hide nine tenths of the joints of a moving body over short stretches of time, those that move most first,
//! and predict what a slow copy of the encoder, which sees the whole clip, says there.
//!
//! **x** the visible joint segments of a rotated view; **y** the hidden segments of the clip as it is; **z** joint and
//! time of each; **D** cross-entropy between two softmaxes over the features, the target's centred and sharpened;
//! **against collapse** centring and the EMA.
//!
//! **What differs from I-JEPA**: positions are learned, one table for time and one for joints; one mask a person instead
//! of blocks; a sample has one row a person; D is a cross-entropy with a memory, the centre.
//!
//! **Switches for what is not published**: the spatial view (`model.view`), the centre's tokens
//! (`objective.distance.centre_on`), rows of absent persons (`model.absent`), the count of visible tokens
//! (`model.masks.keep`).
//!
//! **Defaults and their source**: `ntu60`, `ntu120` are the paper's numbers with MAMP's masks; `small` is ours, with
//! Barlow Twins' term between the pooled context and the whole of the target.

use burn::prelude::*;
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::jepa::{Role, TargetSource};
use jepa_core::masked::transformer_flops;
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig};
use jepa_core::objective::{DistanceConfig, ObjectiveConfig, WeightedRegulariser};
use jepa_core::plugin::{Description, Draws, Kind, Preset, Preview, Scene, Variant};
use jepa_core::train::config::{DataConfig, RunConfig, RunSection};
use jepa_core::train::{AdamWConfig, MomentumLaw, ScheduleConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clip::{self, ClipConfig};
use crate::data::{self, Sequence};
use crate::masks::{MaskConfig, Masks};
use crate::network::{ClipBatch, SkeletonNetworks};
use crate::preview;
use crate::tokens::Tokens;
use crate::view::{Reading, Spatial, ViewConfig};

jepa_core::register!(SJepa);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SJepaConfig {
    /// Which stretch of a sequence is taken.
    pub clip: ClipConfig,
    /// What is read: places of joints, bones, motion.
    #[serde(default)]
    pub reading: Reading,
    /// What the context encoder sees of it.
    pub view: ViewConfig,
    /// Joints of a skeleton (NTU: 25).
    pub joints: usize,
    /// Most persons of a sample, each a row of its own (NTU: 2).
    pub persons: usize,
    /// What becomes of the rows of persons who are not there.
    pub absent: Absent,
    /// Frames of a token (S-JEPA, MAMP: 4).
    pub segment: usize,
    /// Which tokens are hidden.
    pub masks: MaskConfig,
    /// View and target encoder.
    pub encoder: EncoderConfig,
    /// Predictor.
    pub predictor: PredictorConfig,
    /// Law of the initial weights.
    pub init: InitScheme,
}

/// What becomes of the rows of persons who are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// They are rows of zeros, in the loss and in the features (MAMP).
    Keep,
    /// They are left out.
    LeaveOut,
}

/// S-JEPA with a checked configuration.
#[derive(Debug, Clone)]
pub struct SJepa {
    config: SJepaConfig,
    tokens: Tokens,
    masks: Masks,
}

impl Variant for SJepa {
    const DESCRIPTION: Description = Description {
        id: "s-jepa",
        title: "S-JEPA",
        summary: "Predicts the features of hidden joints over time from the few that are visible.",
        paper: "Abdelfattah and Alahi 2024, ECCV",
        modality: "skeletons",
        kind: Kind::Jepa,
        context: "visible joint segments of a rotated view",
        target: "hidden joint segments",
        condition: "joint and time",
        distance: "cross-entropy of softmaxes",
        against_collapse: "centring, EMA, stopped gradient",
    };
    const FORMATS: &'static [&'static str] = data::FORMATS;

    type Config = SJepaConfig;
    type Sample = Sequence;
    type Model = SkeletonNetworks;

    fn presets() -> Vec<Preset<SJepaConfig>> {
        presets::all()
    }

    fn new(config: &SJepaConfig) -> Result<Self> {
        config.clip.check("model.clip")?;
        config.view.check("model.view")?;
        config.encoder.check("model.encoder")?;
        let PredictorConfig { width, depth, heads } = config.predictor;
        EncoderConfig { width, depth, heads, ..config.encoder }.check("model.predictor")?;
        if config.persons == 0 || config.persons > data::MAX_PERSONS {
            let problem = format!("expected 1 to {}, found {}", data::MAX_PERSONS, config.persons);
            return Err(Error::config("model.persons", problem));
        }
        if config.joints > data::MAX_JOINTS {
            let problem = format!("expected at most {}, found {}", data::MAX_JOINTS, config.joints);
            return Err(Error::config("model.joints", problem));
        }
        let tokens = Tokens::new(config.clip.frames, config.joints, config.segment)?;
        let masks = Masks::new(&config.masks, &tokens)?;
        Ok(Self { config: config.clone(), tokens, masks })
    }

    fn model(&self, seed: u64, device: &Device) -> SkeletonNetworks {
        let mut init = Init::new(seed, self.config.init, device);
        SkeletonNetworks::new(&mut init, &self.tokens, &self.config.encoder, &self.config.predictor)
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Sequence>>> {
        data::open(spec, split)
    }

    fn batch(&self, samples: Vec<Sequence>, draws: &Draws) -> Result<ClipBatch> {
        let (mut clean, mut view, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, sequence) in samples.iter().enumerate() {
            let mut draw = draws.augment(owner);
            let clip = clip::random(sequence, &self.config.clip, &mut draw)?;
            let mut seen = clip.clone();
            self.config.view.apply(&mut seen, &mut draw);
            let persons = self.persons(&clip);
            self.cut(clip, &persons, &mut clean)?;
            self.cut(seen, &persons, &mut view)?;
            owners.extend(persons.iter().map(|_| owner));
        }
        let masks = self.masks.sample(&clean, &mut draws.masks(0))?;
        self.collate(clean, Some(view), owners, Some(masks))
    }

    fn clean(&self, samples: &[Sequence], _view: u64) -> Result<ClipBatch> {
        let (mut clean, mut owners) = (Vec::new(), Vec::new());
        for (owner, sequence) in samples.iter().enumerate() {
            let clip = clip::centre(sequence, &self.config.clip)?;
            let persons = self.persons(&clip);
            self.cut(clip, &persons, &mut clean)?;
            owners.extend(persons.iter().map(|_| owner));
        }
        self.collate(clean, None, owners, None)
    }

    fn raw(&self, sample: &Sequence) -> Result<Vec<f32>> {
        // The flattened clip of the first person.
        let mut values = Vec::new();
        self.cut(clip::centre(sample, &self.config.clip)?, &[0], &mut values)?;
        Ok(values)
    }

    fn shortcuts(&self, sample: &Sequence) -> Result<Vec<(&'static str, Vec<f32>)>> {
        let clip = clip::centre(sample, &self.config.clip)?;
        // Relative to the frame's own first joint: neither says where somebody walked to.
        let pose = |frame: usize| {
            let pose = clip.pose(frame, 0);
            let origin: Vec<f32> = pose.iter().take(3).copied().collect();
            pose.iter().zip(origin.into_iter().cycle()).map(|(value, origin)| value - origin).collect::<Vec<_>>()
        };
        let mut mean = vec![0.0; clip.joints.len() * 3];
        for frame in 0..clip.frames {
            mean.iter_mut().zip(pose(frame)).for_each(|(sum, value)| *sum += value / clip.frames as f32);
        }
        Ok(vec![("mean pose", mean), ("middle frame", pose(clip.frames / 2))])
    }

    fn preview(&self, sample: &Sequence) -> Preview {
        preview::preview(sample, [self.tokens.segments, self.tokens.joints])
    }

    fn shown(&self, sample: &Sequence, _preview: &Preview) -> Vec<Option<u32>> {
        preview::shown(sample, [self.tokens.segments, self.tokens.joints])
    }

    fn scene(&self, sample: &Sequence) -> Result<Scene> {
        let clip = clip::centre(sample, &self.config.clip)?;
        let first = self.persons(&clip).first().copied().unwrap_or(0);
        Ok(preview::scene(&clip, first, self.tokens.segment))
    }

    fn flops(&self, _batch: usize) -> f64 {
        let SJepaConfig { encoder, predictor, persons, .. } = &self.config;
        let (all, seen) = (self.tokens.count() as f64, self.masks.visible() as f64);
        let encode = |tokens| {
            transformer_flops(tokens, encoder.width, encoder.depth, encoder.mlp_ratio)
                + 2.0 * tokens * (self.tokens.width() * encoder.width) as f64
        };
        let predict = transformer_flops(all, predictor.width, predictor.depth, encoder.mlp_ratio);
        *persons as f64 * (encode(all) + 3.0 * (encode(seen) + predict))
    }
}

impl SJepa {
    /// The persons of a clip that become rows.
    fn persons(&self, clip: &Sequence) -> Vec<usize> {
        let present = |person: &usize| *person < clip.persons && clip.first_frame(*person).is_some();
        let all = 0..self.config.persons;
        let rows: Vec<usize> = match self.config.absent {
            Absent::Keep => all.collect(),
            Absent::LeaveOut => all.filter(present).collect(),
        };
        if rows.is_empty() { vec![0] } else { rows }
    }

    /// Appends the tokens of the named persons; one who is not in the clip is zeros.
    fn cut(&self, mut clip: Sequence, persons: &[usize], out: &mut Vec<f32>) -> Result<()> {
        if clip.joints.len() != self.config.joints {
            let (found, expected) = (clip.joints.len(), self.config.joints);
            let problem =
                format!("has {found} joints, model.joints is {expected}; set it with --set model.joints={found}");
            return Err(Error::data("sequence", problem));
        }
        self.config.reading.apply(&mut clip);
        for person in persons {
            if *person < clip.persons {
                self.tokens.cut(&clip.person(*person), out)?;
            } else {
                out.resize(out.len() + self.tokens.count() * self.tokens.width(), 0.0);
            }
        }
        Ok(())
    }

    fn collate(
        &self,
        clean: Vec<f32>,
        view: Option<Vec<f32>>,
        owners: Vec<usize>,
        masks: Option<jepa_core::masks::MaskSet>,
    ) -> Result<ClipBatch> {
        ClipBatch::new(clean, view, owners, [self.tokens.count(), self.tokens.width()], masks)
            .map_err(|e| Error::config("model", e.to_string()))
    }
}

/// Configurations.
pub mod presets {
    use super::*;

    /// The paper's numbers: `sequences` of the training part in batches of 256, 1200 epochs.
    fn official(data: &str, sequences: u64, temperature: f32) -> RunConfig<SJepaConfig> {
        let epoch = sequences / 256;
        RunConfig {
            data: DataConfig { source: data.into(), threads: 8 },
            run: RunSection::new(1200 * epoch, 256, 10 * epoch),
            schedule: ScheduleConfig {
                lr_start: 0.0,
                lr: 1e-3,
                lr_final: 5e-4,
                warmup: 20.0 / 1200.0,
                decay: 0.05,
                decay_final: 0.05,
                momentum: 0.9999,
                momentum_final: 1.0,
                momentum_law: MomentumLaw::Cosine,
                ..Default::default()
            },
            optimizer: AdamWConfig { betas: [0.9, 0.95], ..Default::default() },
            target: TargetSource::Ema,
            objective: ObjectiveConfig {
                distance: DistanceConfig::CentredSoftmax {
                    predicted_temperature: 0.1,
                    target_temperature: 0.06,
                    centre_momentum: 0.9,
                    centre_on: Role::Whole,
                },
                normalise_targets: None,
                regularisers: Vec::new(),
            },
            guard: Default::default(),
            probe: Default::default(),
            model: SJepaConfig {
                clip: ClipConfig::default(),
                reading: Reading::Joint,
                view: ViewConfig::default(),
                joints: 25,
                persons: 2,
                absent: Absent::Keep,
                segment: 4,
                masks: MaskConfig { temperature, ..MaskConfig::default() },
                encoder: EncoderConfig { width: 256, depth: 8, heads: 8, mlp_ratio: 4.0, eps: 1e-5 },
                predictor: PredictorConfig { width: 256, depth: 5, heads: 8 },
                init: InitScheme::Xavier,
            },
        }
    }

    /// The recipe on a scale of two cores.
    fn scaled(
        steps: u64,
        batch: usize,
        frames: usize,
        segment: usize,
        encoder: EncoderConfig,
        predictor: PredictorConfig,
    ) -> RunConfig<SJepaConfig> {
        let mut config = official("builtin", 256, 0.8);
        config.data = DataConfig { source: "builtin".into(), threads: 2 };
        config.run = RunSection { diagnose_every: 250, ..RunSection::new(steps, batch, 500) };
        config.schedule =
            ScheduleConfig { warmup: 0.1, momentum: 0.99, momentum_final: 0.9999, lr_final: 1e-5, ..config.schedule };
        config.model.clip.frames = frames;
        config.model.segment = segment;
        config.model.absent = Absent::LeaveOut;
        config.model.encoder = encoder;
        config.model.predictor = predictor;
        config
    }

    pub(super) fn all() -> Vec<Preset<SJepaConfig>> {
        let preset = |name, about, config| Preset { name, about, config };
        let encoder = |width, depth, heads| EncoderConfig { width, depth, heads, mlp_ratio: 4.0, eps: 1e-5 };
        let predictor = |width, depth, heads| PredictorConfig { width, depth, heads };
        let mut tiny = scaled(40, 4, 16, 4, encoder(48, 2, 2), predictor(48, 1, 2));
        tiny.run.checkpoint_every = 20;
        tiny.run.diagnose_every = 20;
        let mut small = scaled(6000, 32, 32, 8, encoder(64, 3, 2), predictor(64, 2, 2));
        small.schedule.lr = 2e-3;
        small.schedule.momentum_final = 0.9995;
        // Performers face any direction. A view turned about the vertical by any angle leaves only that to be predicted
        // which looks the same from all sides; with MAMP's 0.3 the easiest thing to predict was the direction itself.
        small.model.view.spatial = Spatial::Rotate { angles: [0.3, std::f32::consts::PI, 0.3] };
        // A tenth of these few tokens says next to nothing of the rest.
        small.model.masks.ratio = 0.75;
        // Centring and EMA alone leave the features of a few steps on one or two directions: benches/learning.md.
        small.objective.regularisers = vec![WeightedRegulariser::twins(0.1)];
        vec![
            preset(
                "small",
                "minutes on two cores: built-in synthetic actions, 0.26 M parameters, with Barlow Twins' term",
                small,
            ),
            preset("tiny", "seconds: for tests", tiny),
            preset(
                "ntu60",
                "NTU RGB+D 60, cross-subject, 1200 epochs of the paper; give --data ntu:PATH",
                official("ntu", 40_091, 0.8),
            ),
            preset(
                "ntu120",
                "NTU RGB+D 120, cross-subject, 1200 epochs of the paper; give --data ntu120-xsub:PATH",
                official("ntu120-xsub", 63_026, 0.75),
            ),
        ]
    }
}
