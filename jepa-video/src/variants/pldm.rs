//! # PLDM
//!
//! **Paper**: Sobal et al., "Learning from Reward-Free Offline Data: A Case for Planning with Latent Dynamics Models",
//! 2025, arXiv 2502.14819; recipe and world of Terver et al., "A Lightweight Library for Energy-Based Joint-Embedding
//! Predictive Architectures", 2026, arXiv 2602.03604 (`examples/ac_video_jepa`). The field calls the method by the
//! first paper's name, whoever implements it; "two rooms" is its world, "JEPA-WM" another method.
//!
//! **Idea**: embed pictures, and learn how actions move the embedding: roll a recurrent cell out over eight actions and
//! compare with the embeddings of what really came. Then ask "what if": search the actions whose imagined states come
//! near the embedding of a picture of the goal (`cargo xtask probe RUN --kind planning`).
//!
//! **x** the first picture; **y** the pictures of the next steps; **z** the actions between; **s_y** of the same encoder,
//! with gradient; **D** the mean squared difference over all steps; **against collapse** variance and covariance over
//! all states of a batch, similarity over time, and the inverse dynamics: which action led from one state to the next.
//! The last one decides (success without it: 1 %): the walls are easier to predict than the agent.
//!
//! **What differs from I-JEPA**: the hidden part is the future, not a place; the condition is an action; nothing is
//! masked, averaged or stopped.
//!
//! **What differs from the official code**: gradients are clipped to 2 for each network, as there, but those of the inverse
//! dynamics too, and those of the norm that encoder and predictor share with the encoder's alone, there with both in turn;
//! floats of 32 bits. The official MPPI multiplies energies by 0.005, which is a temperature of 200 here.
//!
//! **Defaults and their source**: `eb-jepa` is `examples/ac_video_jepa/cfgs/{train,planning_mppi,eval}.yaml` at 966e61e,
//! initial weights those of `eb_jepa/architectures.py`. `small` is ours: it clips all networks together, and draws the
//! inverse dynamics as it draws the others.

use burn::prelude::*;
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::nn::{Init, InitScheme};
use jepa_core::planning::PlanningConfig;
use jepa_core::plugin::{Description, Draws, Evaluated, Evaluation, Kind, Networks, Preset, Preview, Rival, Variant};
use jepa_core::train::{Replicas, default_replicas};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rooms::{self, Agent, Episodes, EpisodesConfig, Exam, MOMENTS, Searches, Sight, TwoRooms, Walk};
use crate::world::{ACTION, ImpalaConfig, WorldJepa};

jepa_core::register!(Pldm);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PldmConfig {
    /// Moments of a training sample: terms against collapse see all of them.
    pub times: usize,
    /// Steps that are predicted from the first moment, fewer than moments.
    pub steps: usize,
    /// The encoder; its width is the predictor's too.
    pub encoder: ImpalaConfig,
    /// Hidden width of the inverse dynamics.
    pub inverse_width: usize,
    /// Weight of the inverse dynamics in the loss; 0 leaves the network out.
    pub inverse_weight: f64,
    /// How actions are chosen by `probe --kind planning`.
    pub planning: PlanningConfig,
    /// The episodes that it plays.
    pub episodes: EpisodesConfig,
    /// Law of the initial weights.
    pub init: InitScheme,
    /// Another law for those of the inverse dynamics (eb_jepa: normal with a deviation of 0.02, biases zero).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse_init: Option<InitScheme>,
}

/// PLDM with a checked configuration.
#[derive(Debug, Clone)]
pub struct Pldm {
    config: PldmConfig,
}

impl Variant for Pldm {
    const DESCRIPTION: Description = Description {
        id: "pldm",
        title: "PLDM, Two Rooms",
        summary: "A world model from pixels: predicts how actions move the embedding, and plans with it.",
        paper: "Sobal et al. 2025, arXiv 2502.14819; Terver et al. 2026, arXiv 2602.03604",
        modality: "episodes",
        kind: Kind::Jepa,
        context: "first picture",
        target: "pictures of the next steps, of the same encoder",
        condition: "actions",
        distance: "squared difference",
        against_collapse: "variance, covariance, similarity over time, inverse dynamics",
    };
    const FORMATS: &'static [&'static str] = rooms::FORMATS;

    type Config = PldmConfig;
    type Sample = Walk;
    type Model = WorldJepa;

    fn presets() -> Vec<Preset<PldmConfig>> {
        presets::all()
    }

    fn new(config: &PldmConfig) -> Result<Self> {
        config.encoder.check("model.encoder")?;
        let PldmConfig { times, steps, inverse_width, inverse_weight, .. } = *config;
        if !(2..=MOMENTS).contains(&times) || !(1..times).contains(&steps) {
            let problem = format!("times {times} must lie in 2..={MOMENTS}, steps {steps} in 1..{times}");
            return Err(Error::config("model.times", problem));
        }
        if !((1..=8192).contains(&inverse_width) && inverse_weight >= 0.0 && inverse_weight.is_finite()) {
            let problem = format!("width {inverse_width} must lie in 1..=8192, weight {inverse_weight} at least 0");
            return Err(Error::config("model.inverse_weight", problem));
        }
        config.planning.check(ACTION, "model.planning")?;
        if config.episodes.count == 0 || config.episodes.steps == 0 {
            return Err(Error::config("model.episodes", "count and steps must be positive"));
        }
        Ok(Self { config: config.clone() })
    }

    fn model(&self, seed: u64, device: &Device) -> WorldJepa {
        let PldmConfig { encoder, inverse_width, inverse_weight, steps, init, inverse_init, .. } = &self.config;
        let drawn = |law: InitScheme| {
            WorldJepa::new(&mut Init::new(seed, law, device), encoder, *inverse_width, *steps, *inverse_weight)
        };
        let world = drawn(*init);
        match inverse_init {
            // The same draws by another law: no other network has them.
            Some(law) => WorldJepa { inverse: drawn(*law).inverse, ..world },
            None => world,
        }
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Walk>>> {
        Ok(Box::new(TwoRooms::open(spec, split, MOMENTS)?))
    }

    /// A part of every walk.
    fn batch(&self, samples: Vec<Walk>, draws: &Draws) -> Result<Episodes> {
        Episodes::drawn(&samples, &(0..self.config.times).collect::<Vec<_>>(), draws)
    }

    /// The first moment alone.
    fn clean(&self, samples: &[Walk], _view: u64) -> Result<Episodes> {
        Episodes::new(samples, 1)
    }

    fn raw(&self, sample: &Walk) -> Result<Vec<f32>> {
        rooms::coarse(sample)
    }

    fn preview(&self, sample: &Walk) -> Preview {
        rooms::preview(sample)
    }

    fn evaluations() -> Vec<Evaluation<Self>> {
        vec![Evaluation {
            name: "planning",
            about: "how often a planner that imagines with the networks gets to a goal in the other room, beside one \
                    that knows the truth, untrained networks and chance; the position read from the embedding \
                    (builtin, builtin-fixed-wall)",
            run: planning,
        }]
    }

    fn flops(&self, _batch: usize) -> f64 {
        let PldmConfig { times, steps, encoder, inverse_width, .. } = &self.config;
        let width = encoder.width as f64;
        let cell = 6.0 * width * (width + ACTION as f64);
        let inverse = 2.0 * (2.0 * width + *inverse_width as f64) * *inverse_width as f64;
        3.0 * (*times as f64 * (encoder.flops() + inverse) + *steps as f64 * cell)
    }
}

/// `probe --kind planning`.
fn planning(networks: &Networks<Pldm>, beside: &[Rival<Pldm>], data: Option<&str>) -> Result<Evaluated> {
    let text = data.unwrap_or(&networks.config.data.source);
    let spec = DataSpec::parse(text, rooms::FORMATS);
    // Refuses what is no layout.
    TwoRooms::open(&spec, Split::Test, 1)?;
    let fixed = spec.format.as_deref() == Some("builtin-fixed-wall");
    let mut worlds = vec![("trained", &networks.student), ("untrained", &networks.untrained)];
    worlds.extend(beside.iter().map(|(name, other)| (name.as_str(), &other.student)));
    let PldmConfig { planning, episodes, .. } = &networks.variant.config;
    let device = &networks.engine.device;
    let exam = Exam {
        agents: worlds.iter().map(|(name, w)| ((*name).to_owned(), Agent::Latent(w, planning, device))).collect(),
        sights: worlds.iter().map(|(name, world)| ((*name).to_owned(), Sight { world, above: None })).collect(),
        searches: Searches::Flat(planning.clone()),
        episodes: *episodes,
        fixed_wall: fixed,
    };
    rooms::evaluate(exam, device, &Replicas::new(default_replicas(&networks.engine))?)
}

/// Configurations.
pub mod presets {
    use jepa_core::collapse::{Covariance, RegulariserConfig, TimeSimilarity, Variance, VicRegForm};
    use jepa_core::jepa::{Role, TargetSource};
    use jepa_core::objective::{DistanceConfig, ObjectiveConfig, WeightedRegulariser};
    use jepa_core::planning::{Answer, Bounds, Cem, EnergyOf, Mppi, Planner};
    use jepa_core::train::config::{DataConfig, RunConfig, RunSection};
    use jepa_core::train::{AdamWConfig, ClipScope, DecayRule, ScheduleConfig};

    use super::*;

    /// Longest step of the environment, in pixels.
    const LONGEST: f64 = 2.45;

    /// The published recipe: 12 epochs of 100,000 walks.
    pub(crate) fn official() -> RunConfig<PldmConfig> {
        let term = |term, weight, on| WeightedRegulariser { term, weight, on, against: None, level: 1 };
        let mppi = Mppi {
            samples: 200,
            elites: 20,
            iterations: 20,
            deviation: vec![2.0],
            temperature: 200.0,
            bounds: Bounds::None,
            answer: Answer::DrawnElite,
        };
        RunConfig {
            data: DataConfig { source: "builtin".into(), threads: 16 },
            run: RunSection::new(12 * 260, 384, 260),
            schedule: ScheduleConfig {
                lr_start: 1e-11,
                lr: 1e-3,
                lr_final: 1e-5,
                warmup: 0.1,
                decay: 1e-5,
                decay_final: 1e-5,
                ..ScheduleConfig::default()
            },
            optimizer: AdamWConfig {
                clip_norm: Some(2.0),
                clip_scope: ClipScope::Network,
                decays: DecayRule::All,
                ..AdamWConfig::default()
            },
            target: TargetSource::Shared,
            objective: ObjectiveConfig {
                distance: DistanceConfig::L2,
                normalise_targets: None,
                regularisers: vec![
                    term(RegulariserConfig::Variance(Variance::default()), 16.0, Role::States),
                    term(RegulariserConfig::Covariance(Covariance { form: VicRegForm::EbJepa }), 8.0, Role::States),
                    term(RegulariserConfig::TimeSimilarity(TimeSimilarity {}), 12.0, Role::Whole),
                ],
            },
            guard: Default::default(),
            probe: Default::default(),
            model: PldmConfig {
                times: 17,
                steps: 8,
                encoder: ImpalaConfig { channels: vec![16, 32, 32], blocks: 2, width: 512 },
                inverse_width: 256,
                inverse_weight: 1.0,
                planning: PlanningConfig {
                    planner: Planner::Mppi(mppi),
                    horizon: 90,
                    execute: 1,
                    warm_start: false,
                    energy: EnergyOf::All,
                },
                episodes: EpisodesConfig { count: 20, steps: 200, seed: 0 },
                init: InitScheme::PyTorch,
                inverse_init: Some(InitScheme::Official { depth_rescale: false }),
            },
        }
    }

    /// The recipe on the layout that never changes.
    fn fixed_wall() -> RunConfig<PldmConfig> {
        let mut config = official();
        config.data.source = "builtin-fixed-wall".into();
        config
    }

    /// For two cores.
    fn scaled(steps: u64, batch: usize, encoder: ImpalaConfig, samples: usize) -> RunConfig<PldmConfig> {
        let mut config = fixed_wall();
        config.data.threads = 2;
        config.run = RunSection::new(steps, batch, 200);
        config.optimizer.clip_scope = ClipScope::All;
        config.probe.max_train = 2_000;
        config.probe.max_test = 1_000;
        config.model.times = 9;
        config.model.encoder = encoder;
        config.model.inverse_width = 64;
        config.model.inverse_init = None;
        let cem = Cem {
            samples,
            elites: (samples / 8).max(2),
            iterations: 4,
            deviation: vec![1.5],
            bounds: Bounds::Norm { limit: LONGEST },
            momentum: [0.0; 2],
            mean_is_a_sample: true,
        };
        config.model.planning = PlanningConfig {
            planner: Planner::Cem(cem),
            horizon: 40,
            execute: 8,
            warm_start: true,
            energy: EnergyOf::All,
        };
        config
    }

    fn encoder(channels: &[usize], width: usize) -> ImpalaConfig {
        ImpalaConfig { channels: channels.to_vec(), blocks: 1, width }
    }

    pub(crate) fn small() -> RunConfig<PldmConfig> {
        scaled(1_000, 32, encoder(&[8, 16, 16], 128), 64)
    }

    pub(crate) fn tiny() -> RunConfig<PldmConfig> {
        let mut tiny = scaled(40, 6, encoder(&[4, 4, 8], 24), 8);
        tiny.run.checkpoint_every = 20;
        tiny.run.diagnose_every = 20;
        tiny.probe.max_train = 200;
        tiny.probe.max_test = 100;
        tiny.model.times = 4;
        tiny.model.steps = 3;
        tiny.model.planning.horizon = 10;
        tiny.model.episodes = EpisodesConfig { count: 2, steps: 20, seed: 0 };
        tiny
    }

    pub(super) fn all() -> Vec<Preset<PldmConfig>> {
        let preset = |name, about, config| Preset { name, about, config };
        vec![
            preset("small", "minutes on two cores: a fixed wall, nine moments, 0.3 M parameters", small()),
            preset("tiny", "seconds: for tests", tiny()),
            preset("eb-jepa", "any wall and door (examples/ac_video_jepa/cfgs/train.yaml)", official()),
            preset("eb-jepa-fixed-wall", "the same with wall 32 and door 18 (fix_wall: true)", fixed_wall()),
        ]
    }
}
