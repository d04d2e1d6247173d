//! # H-JEPA
//!
//! **Paper**: LeCun, "A Path Towards Autonomous Machine Intelligence", 2022, version 0.9.2, sections 4.6 and 4.7 (the
//! architecture and hierarchical planning). No official code and no figures exist. Level 1, world and episodes are those
//! of [`pldm`](super::pldm).
//!
//! **Idea**: what an agent sees in a second cannot be predicted a minute ahead, where it will be can. A second level reads
//! every k-th state of a world model, encodes what was done between two of them as one macro action, and predicts far with
//! few steps. To plan, it searches macro actions towards the goal, and its next imagined state is what the level below
//! tries to reach with actions (`cargo xtask probe RUN --kind planning`, beside flat planning on the same level 1).
//!
//! **x** the first picture; on every upper level the first state of the level below; **y** later states, ever more rarely;
//! **z** actions; on upper levels a latent macro action of a few numbers in [-1, 1], noisy in training, encoded from the
//! actions below of a stretch; **s_y** of the same encoders, with gradient; **D** the mean squared difference on every
//! level, the energy their weighted sum; **against collapse** on every level variance, covariance, similarity over time,
//! and inverse dynamics: on an upper level two states tell the mean action below between them.
//!
//! **What differs from I-JEPA**: the hidden part is the future, at a rate of its own on every level; nothing is masked,
//! averaged or stopped. `gradient_below = false` cuts a level off from those below, which then train as PLDM.
//!
//! **Choices that the paper leaves open**: z is encoded from actions that were taken, not inferred from what came; its
//! information is limited by width and noise, not by a penalty. Pictures are encoded at every step for level 1 and at every
//! k-th alone beyond: what is far costs little.
//!
//! **Defaults and their source**: level 1 as `pldm`'s `small`; the rest is ours: a stride of 8, weights of level 1 (similarity
//! over time divided by the stride, as a step of level 2 is that much longer). None was chosen by success at planning.

use burn::prelude::*;
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::hierarchy::{LevelConfig, Stack, moments};
use jepa_core::nn::{Init, InitScheme};
use jepa_core::planning::PlanningConfig;
use jepa_core::plugin::{Description, Draws, Evaluated, Evaluation, Kind, Networks, Preset, Preview, Rival, Variant};
use jepa_core::train::{Replicas, default_replicas};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rooms::{self, Agent, Episodes, EpisodesConfig, Exam, MOMENTS, Searches, Sight, TwoRooms, Walk};
use crate::world::{ACTION, HJepa, ImpalaConfig, WorldJepa};

jepa_core::register!(HierarchicalJepa);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HJepaConfig {
    /// Steps of level 1 that are predicted from the first moment.
    pub steps: usize,
    /// Level 1's encoder; its width is its predictor's too.
    pub encoder: ImpalaConfig,
    /// Hidden width of level 1's inverse dynamics.
    pub inverse_width: usize,
    /// Weight of level 1's inverse dynamics in the loss; 0 leaves the network out.
    pub inverse_weight: f64,
    /// The levels above it, the second first.
    pub levels: Vec<LevelConfig>,
    /// How every level is searched by `probe --kind planning`, the first level first; horizons count its own actions.
    pub planning: Vec<PlanningConfig>,
    /// How level 1 alone is searched, to be compared with.
    pub flat: PlanningConfig,
    /// The episodes that it plays.
    pub episodes: EpisodesConfig,
    /// Law of the initial weights.
    pub init: InitScheme,
}

/// H-JEPA with a checked configuration.
#[derive(Debug, Clone)]
pub struct HierarchicalJepa {
    config: HJepaConfig,
    /// Times of a training sample that are seen.
    moments: Vec<usize>,
}

impl Variant for HierarchicalJepa {
    const DESCRIPTION: Description = Description {
        id: "h-jepa",
        title: "H-JEPA, Two Rooms",
        summary: "A hierarchy of world models: upper levels predict further with fewer steps, and set goals for the level below.",
        paper: "LeCun 2022, A Path Towards Autonomous Machine Intelligence, openreview BZ5a1r-kVsf",
        modality: "episodes",
        kind: Kind::Jepa,
        context: "first picture; above, the first state of the level below",
        target: "pictures of the next steps; above, every k-th state of the level below, of the same encoders",
        condition: "actions; above, a latent macro action of each stretch",
        distance: "squared difference, a weighted sum over levels",
        against_collapse: "on every level: variance, covariance, similarity over time, inverse dynamics",
    };
    const FORMATS: &'static [&'static str] = rooms::FORMATS;

    type Config = HJepaConfig;
    type Sample = Walk;
    type Model = HJepa;

    fn presets() -> Vec<Preset<HJepaConfig>> {
        presets::all()
    }

    fn new(config: &HJepaConfig) -> Result<Self> {
        let HJepaConfig { steps, encoder, inverse_width, inverse_weight, levels, planning, flat, episodes, .. } =
            config;
        encoder.check("model.encoder")?;
        if !((1..=8192).contains(inverse_width) && *inverse_weight >= 0.0 && inverse_weight.is_finite()) {
            let problem = format!("width {inverse_width} must lie in 1..=8192, weight {inverse_weight} at least 0");
            return Err(Error::config("model.inverse_weight", problem));
        }
        if levels.is_empty() {
            return Err(Error::config("model.levels", "one level alone is `pldm`: expected at least one above it"));
        }
        for (place, level) in levels.iter().enumerate() {
            level.check(&format!("model.levels[{place}]"))?;
        }
        // Checked before they are listed: strides multiply.
        let reach = levels.iter().try_fold((1usize, *steps), |(span, reach), level| {
            let span = span.checked_mul(level.stride)?;
            Some((span, reach.max(span.checked_mul(level.horizon)?)))
        });
        let reach = reach.map_or(usize::MAX, |(_, reach)| reach);
        if *steps == 0 || reach >= MOMENTS {
            let problem = format!(
                "steps {steps} and levels reach {reach} steps ahead (stride times horizon, strides of lower levels \
                 multiplied): expected 1 to {}, a walk has {MOMENTS} moments",
                MOMENTS - 1
            );
            return Err(Error::config("model.levels", problem));
        }
        if planning.len() != levels.len() + 1 {
            let problem = format!("{} searches for {} levels: each needs one", planning.len(), levels.len() + 1);
            return Err(Error::config("model.planning", problem));
        }
        let widths = std::iter::once(ACTION).chain(levels.iter().map(|level| level.latent));
        for (place, (search, width)) in planning.iter().zip(widths).enumerate() {
            search.check(width, &format!("model.planning[{place}]"))?;
        }
        flat.check(ACTION, "model.flat")?;
        if episodes.count == 0 || episodes.steps == 0 {
            return Err(Error::config("model.episodes", "count and steps must be positive"));
        }
        Ok(Self { config: config.clone(), moments: moments(steps + 1, levels) })
    }

    fn model(&self, seed: u64, device: &Device) -> HJepa {
        let HJepaConfig { encoder, inverse_width, inverse_weight, steps, levels, init, .. } = &self.config;
        let init = &mut Init::new(seed, *init, device);
        let world = WorldJepa::new(init, encoder, *inverse_width, *steps, *inverse_weight);
        HJepa { world, stack: Stack::new(init, levels, encoder.width, ACTION) }
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Walk>>> {
        Ok(Box::new(TwoRooms::open(spec, split, MOMENTS)?))
    }

    /// A part of every walk, seen at the moments that some level reads.
    fn batch(&self, samples: Vec<Walk>, draws: &Draws) -> Result<Episodes> {
        Episodes::drawn(&samples, &self.moments, draws)
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
            about: "how often planners on all levels get to a goal in the other room, beside one on level 1 alone, one that \
                    knows the truth, untrained networks and chance; the position read from the states of the first and \
                    of the topmost level (builtin, builtin-fixed-wall)",
            run: planning,
        }]
    }

    fn flops(&self, _batch: usize) -> f64 {
        let HJepaConfig { encoder, inverse_width, steps, levels, .. } = &self.config;
        let width = encoder.width as f64;
        let cell = 6.0 * width * (width + ACTION as f64);
        let inverse = 2.0 * (2.0 * width + *inverse_width as f64) * *inverse_width as f64;
        let (mut below, mut action, mut above) = (width, ACTION as f64, 0.0);
        for level in levels {
            let [own, hidden, latent, steps] =
                [level.width, level.hidden, level.latent, level.horizon].map(|n| n as f64);
            let encoded = (steps + 1.0) * hidden * (below + own);
            let moved = hidden * (2.0 * own + latent + hidden) + hidden * (level.stride as f64 * action + latent);
            above += 2.0 * (encoded + steps * (moved + hidden * (2.0 * own + action)));
            (below, action) = (own, latent);
        }
        let seen = self.moments.len() as f64;
        3.0 * (seen * encoder.flops() + *steps as f64 * (cell + inverse) + above)
    }
}

/// `probe --kind planning`.
fn planning(
    networks: &Networks<HierarchicalJepa>,
    beside: &[Rival<HierarchicalJepa>],
    data: Option<&str>,
) -> Result<Evaluated> {
    let text = data.unwrap_or(&networks.config.data.source);
    let spec = DataSpec::parse(text, rooms::FORMATS);
    // Refuses what is no layout.
    TwoRooms::open(&spec, Split::Test, 1)?;
    let mut towers = vec![("trained", &networks.student), ("untrained", &networks.untrained)];
    towers.extend(beside.iter().map(|(name, other)| (name.as_str(), &other.student)));
    let HJepaConfig { planning, flat, episodes, .. } = &networks.variant.config;
    let device = &networks.engine.device;
    let agents = towers.iter().flat_map(|(name, tower)| {
        let flat = Agent::Latent(&tower.world, flat, device);
        [((*name).to_owned(), Agent::Levels(tower, planning, device)), (format!("{name}, flat"), flat)]
    });
    let sights = towers.iter().flat_map(|(name, HJepa { world, stack })| {
        let level = stack.levels.len() + 1;
        [
            (format!("{name}, level 1"), Sight { world, above: None }),
            (format!("{name}, level {level}"), Sight { world, above: Some(stack) }),
        ]
    });
    let exam = Exam {
        agents: agents.collect(),
        sights: sights.collect(),
        searches: Searches::Levels { flat: flat.clone(), levels: planning.clone() },
        episodes: *episodes,
        fixed_wall: spec.format.as_deref() == Some("builtin-fixed-wall"),
    };
    rooms::evaluate(exam, device, &Replicas::new(default_replicas(&networks.engine))?)
}

/// Configurations.
pub mod presets {
    use jepa_core::collapse::{Covariance, RegulariserConfig, TimeSimilarity, Variance, VicRegForm};
    use jepa_core::jepa::Role;
    use jepa_core::objective::{ObjectiveConfig, WeightedRegulariser};
    use jepa_core::planning::{Bounds, Cem, EnergyOf, Planner};
    use jepa_core::train::RunConfig;

    use super::*;
    use crate::variants::pldm;

    /// The terms of level 1, and on every level above the same.
    fn against_collapse(levels: &[LevelConfig]) -> Vec<WeightedRegulariser> {
        let mut stride = 1;
        let mut terms = Vec::new();
        for level in 1..=levels.len() + 1 {
            let term = |term, weight, on| WeightedRegulariser { term, weight, on, against: None, level };
            let covariance = Covariance { form: VicRegForm::EbJepa };
            terms.push(term(RegulariserConfig::Variance(Variance::default()), 16.0, Role::States));
            terms.push(term(RegulariserConfig::Covariance(covariance), 8.0, Role::States));
            let similarity = RegulariserConfig::TimeSimilarity(TimeSimilarity {});
            terms.push(term(similarity, 12.0 / stride as f64, Role::Whole));
            stride *= levels.get(level - 1).map_or(1, |level| level.stride);
        }
        terms
    }

    /// Above a preset of `pldm`.
    fn above(world: RunConfig<pldm::PldmConfig>, levels: Vec<LevelConfig>, horizon: usize) -> RunConfig<HJepaConfig> {
        let RunConfig { data, run, schedule, optimizer, target, objective, guard, probe, model } = world;
        let flat = model.planning;
        let samples = match &flat.planner {
            Planner::Cem(cem) => cem.samples,
            Planner::Mppi(mppi) => mppi.samples,
            Planner::Gradient(gradient) => gradient.beginnings,
        };
        // Where to go in a stretch, by the search that plans whole ways on level 1 alone.
        let lowest = PlanningConfig { horizon: levels.first().map_or(flat.horizon, |l| l.stride), ..flat.clone() };
        let upper = |level: &LevelConfig| {
            let cem = Cem {
                samples,
                elites: (samples / 8).max(2),
                iterations: 4,
                deviation: vec![0.5],
                bounds: Bounds::Box { low: vec![-1.0; level.latent], high: vec![1.0; level.latent] },
                momentum: [0.0; 2],
                mean_is_a_sample: true,
            };
            PlanningConfig { planner: Planner::Cem(cem), horizon, execute: 1, warm_start: true, energy: EnergyOf::All }
        };
        let model = HJepaConfig {
            steps: model.steps,
            encoder: model.encoder,
            inverse_width: model.inverse_width,
            inverse_weight: model.inverse_weight,
            planning: std::iter::once(lowest).chain(levels.iter().map(upper)).collect(),
            flat,
            episodes: model.episodes,
            init: model.init,
            levels,
        };
        let objective = ObjectiveConfig { regularisers: against_collapse(&model.levels), ..objective };
        RunConfig { data, run, schedule, optimizer, target, objective, guard, probe, model }
    }

    pub(super) fn all() -> Vec<Preset<HJepaConfig>> {
        let level = |stride, horizon, width, hidden, latent| LevelConfig {
            stride,
            horizon,
            width,
            hidden,
            latent,
            noise: 0.2,
            weight: 1.0,
            inverse_weight: 1.0,
            gradient_below: true,
        };
        let preset = |name, about, config| Preset { name, about, config };
        let small = above(pldm::presets::small(), vec![level(8, 4, 64, 256, 4)], 8);
        let mut tiny = above(pldm::presets::tiny(), vec![level(3, 2, 12, 24, 2)], 3);
        // As often as a stretch of level 1 ends.
        tiny.model.planning[0].execute = 3;
        vec![
            preset(
                "small",
                "minutes on two cores: a second level at every eighth state of pldm's small, a fixed wall",
                small,
            ),
            preset("tiny", "seconds: for tests", tiny),
        ]
    }
}
