//! What each tool against collapse costs in a training step: steps with it and without it, in turn.

use std::time::Instant;

use serde::Serialize;

use super::settings::resolve;
use super::{Batch, Draws, Plugin, Settings, Variant};
use crate::collapse::{
    BarlowTwins, Covariance, InfoNce, InfoNceForm, Invariance, Keys, RegulariserConfig, SigReg, SigRegForm,
    TimeSimilarity, Variance, Whitening, WhiteningForm,
};
use crate::data::{DataSpec, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::{Batch as _, Forward, Jepa as _, Role, Step, TargetSource};
use crate::nn::Precision;
use crate::objective::{DistanceConfig, Objective, ObjectiveConfig, WeightedRegulariser};
use crate::random::{Draw as _, Purpose, Stream};
use crate::train::{Learner, Rates, Replicas, default_replicas};

/// What `bench --overhead` is asked to do.
#[derive(Debug, Clone)]
pub struct OverheadRequest {
    /// The configuration; its regularisers are left aside, where it has a distance, and so is its target source.
    pub settings: Settings,
    /// Pairs of timed steps for each tool.
    pub rounds: usize,
    /// Where tensors live.
    pub engine: Engine,
}

/// The cost of every tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverheadReport {
    /// Variant id.
    pub variant: String,
    /// Preset.
    pub preset: String,
    /// Engine name.
    pub engine: String,
    /// Replicas.
    pub replicas: usize,
    /// Samples a step.
    pub batch: usize,
    /// A line a tool, all of them together last.
    pub lines: Vec<OverheadLine>,
    /// Tools that this variant gives nothing to read, or not enough.
    pub left_out: Vec<String>,
}

/// The cost of one tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverheadLine {
    /// The tool.
    pub tool: String,
    /// What it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<&'static str>,
    /// Seconds of every step without it.
    pub without: Vec<f64>,
    /// Seconds of every step with it, each in turn with one without.
    pub with: Vec<f64>,
    /// Median over the pairs of with / without − 1, in percent.
    pub percent: f64,
    /// The same of processor time, where the system tells; other programs do not disturb it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor_percent: Option<f64>,
}

/// A tool as it is put on a step.
struct Tool {
    name: String,
    regularisers: Vec<WeightedRegulariser>,
    distance: Option<DistanceConfig>,
    target: TargetSource,
}

/// Weights so small that the figures of the run stay as they are; a cost does not depend on them.
const WEIGHT: f64 = 1e-6;
/// Keys of the queue (MoCo v2 has 65,536, at a width of 128).
const QUEUE: usize = 4096;

/// The toolbox: terms by name, and whether they compare views.
fn terms() -> Vec<(&'static str, RegulariserConfig)> {
    let contrast = |form, queue| RegulariserConfig::InfoNce(InfoNce { form, temperature: 0.2, queue });
    let sigreg = SigReg { form: SigRegForm::Paper, slices: 1024 };
    // Fewer rows than dimensions have no root without a share of the identity.
    let whitening = Whitening { form: WhiteningForm::Official, epsilon: Some(0.01) };
    vec![
        ("variance", RegulariserConfig::Variance(Variance::default())),
        ("covariance", RegulariserConfig::Covariance(Covariance::default())),
        ("invariance", RegulariserConfig::Invariance(Invariance::default())),
        ("time similarity", RegulariserConfig::TimeSimilarity(TimeSimilarity {})),
        ("Barlow Twins", RegulariserConfig::BarlowTwins(BarlowTwins::default())),
        ("SIGReg, 1,024 slices", RegulariserConfig::SigReg(sigreg)),
        ("whitening", RegulariserConfig::Whitening(whitening)),
        ("InfoNCE", contrast(InfoNceForm::NtXent, 0)),
        ("InfoNCE with a queue of 4,096", contrast(InfoNceForm::MocoV2, QUEUE)),
    ]
}

/// The role that a term can read in this forward pass: one view is enough unless it compares.
fn readable(term: RegulariserConfig, forward: &Forward) -> Option<WeightedRegulariser> {
    let roles = match term.term().compares() {
        true => [Role::Predicted, Role::States],
        false => [Role::Context, Role::States],
    };
    roles.into_iter().map(|on| WeightedRegulariser { term, weight: WEIGHT, on, against: None, level: 1 }).find(
        |regulariser| {
            let config = ObjectiveConfig {
                distance: DistanceConfig::L2,
                normalise_targets: None,
                regularisers: vec![regulariser.clone()],
            };
            let views = Objective::new(&config).and_then(|objective| objective.pooled(forward));
            views.is_ok_and(|views| views[0].len() > usize::from(term.term().compares()))
        },
    )
}

/// The tools that can be measured, and the names of those that cannot.
fn tools(config: &ObjectiveConfig, forward: &Forward) -> (Vec<Tool>, Vec<String>) {
    let (mut tools, mut left_out, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let stopped = TargetSource::StopGradient;
    for (name, term) in terms() {
        match readable(term, forward) {
            Some(regulariser) => {
                all.push(regulariser.clone());
                let regularisers = vec![regulariser];
                tools.push(Tool { name: name.to_owned(), regularisers, distance: None, target: stopped });
            }
            None => left_out.push(name.to_owned()),
        }
    }
    let alone = |name: &str, distance, target| Tool { name: name.to_owned(), regularisers: vec![], distance, target };
    tools.push(alone("EMA target", None, TargetSource::Ema));
    let centred = DistanceConfig::CentredSoftmax {
        predicted_temperature: 0.1,
        target_temperature: 0.06,
        centre_momentum: 0.9,
        centre_on: Role::Whole,
    };
    let is_centred = matches!(config.distance, DistanceConfig::CentredSoftmax { .. });
    let distance =
        (!forward.pairs.is_empty() && !is_centred && forward.embedding(Role::Whole).is_some()).then_some(centred);
    match distance {
        Some(centred) => tools.push(alone("centring and sharpening", Some(centred), stopped)),
        None => left_out.push("centring and sharpening".to_owned()),
    }
    let name = "all of them".to_owned();
    tools.push(Tool { name, regularisers: all, distance, target: TargetSource::Ema });
    (tools, left_out)
}

/// Times of steps.
struct Bench<V: Variant> {
    replicas: Replicas,
    engine: Engine,
    learner: Option<Learner<V::Model>>,
    batches: Vec<Batch<V>>,
    number: u64,
    seed: u64,
    precision: Precision,
}

impl<V: Variant> Bench<V> {
    /// Seconds, and seconds of the processor, of one step: forward, backward, update, target. Rounds take the batches in
    /// turn: masks have other lengths in each, and what is compared takes the same.
    fn step(&mut self, round: usize, objective: &Objective, target: TargetSource) -> Result<[Option<f64>; 2]> {
        self.number += 1;
        let device = &self.engine.device;
        let lost = || Error::Engine("the learner was lost in a failed update".into());
        let learner = self.learner.take().ok_or_else(lost)?;
        let batch = &self.batches[round % self.batches.len()];
        let step = Step::new(self.number, u64::MAX, self.seed, device).with_products(self.precision);
        // Weights stay as they are, so that every step computes the same.
        let rates = Rates { lr: 0.0, decay: 0.0, momentum: 0.996 };
        let (clock, before) = (Instant::now(), processor_seconds());
        let network = learner.target_network(target);
        let work = self.replicas.forward_backward(&learner, network.as_ref(), batch, objective, &step);
        drop(network);
        let work = match work {
            Ok(work) => work,
            Err(error) => {
                self.learner = Some(learner);
                return Err(error);
            }
        };
        self.learner = Some(self.replicas.with_all(|| learner.update(work, rates, target, objective))?);
        device.sync().map_err(|e| Error::Engine(format!("{e:?}")))?;
        let processor = processor_seconds().zip(before).map(|(after, before)| after - before);
        Ok([Some(clock.elapsed().as_secs_f64()), processor])
    }

    /// Queues as long as they get, of random unit rows.
    fn fill_queues(&mut self, objective: &ObjectiveConfig, width: usize) {
        let Some(learner) = &mut self.learner else { return };
        learner.memory = Default::default();
        for (place, regulariser) in objective.regularisers.iter().enumerate() {
            let keys = regulariser.term.term().queue();
            let mut draw = Stream::new(self.seed, Purpose::Probe, place as u64, 13);
            let values = (0..keys * width).map(|_| draw.normal() / (width as f32).sqrt()).collect();
            if keys > 0 {
                learner.memory.queues.insert(place, Keys { width, values });
            }
        }
    }
}

pub(super) fn run<V: Variant>(plugin: &Plugin, request: &OverheadRequest) -> Result<OverheadReport> {
    let (preset, config) = resolve::<V>(plugin, &request.settings)?;
    let variant = V::new(&config.model)?;
    // Samples of the right shape are enough: the built-in ones unless others were named.
    let data = request.settings.data.clone().unwrap_or_else(|| "builtin".into());
    let source = variant.open(&DataSpec::parse(&data, V::FORMATS), Split::Train)?;
    request.engine.check_products(config.run.precision)?;
    let (engine, seed, size) = (request.engine.clone(), config.run.seed, config.run.batch);
    let count = config.run.replicas.unwrap_or_else(|| default_replicas(&engine)).min(size);
    let prepare = |number: u64| {
        let indices: Vec<usize> = (0..size).map(|i| (number as usize * size + i) % source.len()).collect();
        let samples = indices.iter().map(|i| source.read(*i)).collect::<Result<Vec<_>>>()?;
        variant.batch(samples, &Draws::new(seed, number, indices))
    };
    let batches = (1..=4).map(prepare).collect::<Result<Vec<_>>>()?;
    let learner = Learner::new(variant.model(seed, &engine.device), TargetSource::Ema, &config.optimizer)?;
    let forward = {
        let few = batches[0].shard(0..size.min(2));
        learner.student.forward(learner.student.target(), &few, &Step::new(1, u64::MAX, seed, &engine.device))
    };
    let (tools, mut left_out) = tools(&config.objective, &forward);
    let width = forward.embedding(Role::Predicted).map_or(0, |embedding| embedding.dims()[2]);
    drop(forward);
    let replicas = Replicas::new(count)?;
    let precision = config.run.precision;
    let mut bench = Bench::<V> { replicas, engine, learner: Some(learner), batches, number: 0, seed, precision };

    // Methods without a distance learn by their terms alone: those stay, and tools are put beside them.
    let own = match config.objective.distance {
        DistanceConfig::None => config.objective.regularisers.clone(),
        _ => Vec::new(),
    };
    let plain = ObjectiveConfig { regularisers: own, ..config.objective.clone() };
    let without = Objective::new(&plain)?;
    // The first steps meet cold memory.
    for round in 0..2 {
        bench.step(round, &without, TargetSource::StopGradient)?;
    }
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    for mut tool in tools {
        tool.regularisers.retain(|regulariser| !refused.contains(&regulariser.term));
        let distance = tool.distance.unwrap_or(plain.distance);
        let on = tool.regularisers.first().filter(|_| tool.regularisers.len() == 1).map(|r| r.on.name());
        let regularisers = [&plain.regularisers[..], &tool.regularisers].concat();
        let with = ObjectiveConfig { distance, regularisers, ..plain.clone() };
        bench.fill_queues(&with, width);
        let objective = Objective::new(&with)?;
        // Some ask for more samples than a batch has.
        match bench.step(0, &objective, tool.target) {
            Ok(_) => {}
            Err(Error::Config { problem, .. }) => {
                refused.extend(tool.regularisers.iter().map(|regulariser| regulariser.term));
                left_out.push(format!("{} ({problem})", tool.name));
                continue;
            }
            Err(error) => return Err(error),
        }
        let mut times: [Vec<[Option<f64>; 2]>; 2] = Default::default();
        for round in 0..request.rounds {
            // Who goes first changes, so that a drift of the machine favours nobody.
            for turn in 0..2 {
                let tooled = (round + turn) % 2;
                times[tooled].push(match tooled {
                    0 => bench.step(round, &without, TargetSource::StopGradient)?,
                    _ => bench.step(round, &objective, tool.target)?,
                });
            }
        }
        let percent = |of: usize| {
            let pairs = times[0].iter().zip(&times[1]);
            let ratios: Option<Vec<f64>> = pairs.map(|(without, with)| Some(with[of]? / without[of]?)).collect();
            ratios.map(|ratios| 100.0 * (median(&ratios) - 1.0)).filter(|percent| percent.is_finite())
        };
        let seconds = |times: &[[Option<f64>; 2]]| times.iter().filter_map(|time| time[0]).collect();
        lines.push(OverheadLine {
            tool: tool.name,
            on,
            without: seconds(&times[0]),
            with: seconds(&times[1]),
            percent: percent(0).unwrap_or(f64::NAN),
            processor_percent: percent(1),
        });
    }
    Ok(OverheadReport {
        variant: plugin.id().to_owned(),
        preset,
        engine: request.engine.to_string(),
        replicas: count,
        batch: size,
        lines,
        left_out,
    })
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.get(middle) {
        Some(upper) if sorted.len().is_multiple_of(2) => (sorted[middle - 1] + upper) / 2.0,
        Some(value) => *value,
        None => f64::NAN,
    }
}

/// Seconds that all threads of this process have computed, in hundredths, where Linux tells.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may hold blanks; user and system time are the 12th and 13th word behind it.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = words.next()?.parse::<f64>().ok()? + words.next()?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}
