//! How fast a variant trains and embeds.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::module::Module as _;
use serde::Serialize;

use super::settings::resolve;
use super::{Draws, Plugin, Settings, Variant};
use crate::data::{DataSpec, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::{Batch as _, Jepa as _, Step};
use crate::nn::params::{self, Role};
use crate::objective::Objective;
use crate::probe::Frozen;
use crate::random::epoch_order;
use crate::train::{Learner, Replicas, Schedule, default_replicas};

/// What `bench` is asked to do.
#[derive(Debug, Clone)]
pub struct BenchRequest {
    /// The configuration.
    pub settings: Settings,
    /// Timed steps.
    pub rounds: usize,
    /// Where tensors live.
    pub engine: Engine,
}

/// Times of one variant on one engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
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
    /// Trained parameters.
    pub parameters: usize,
    /// Seconds of every timed step: forward, backward, optimiser, target; batches prepared before.
    pub step_seconds: Vec<f64>,
    /// Median of them.
    pub step_median: f64,
    /// Samples a second in training.
    pub train_rate: f64,
    /// Floating-point operations a second in training, in units of 1e9.
    pub gflops: f64,
    /// Samples a second through the frozen encoder.
    pub feature_rate: f64,
    /// Batches prepared by one thread, samples a second: decode, crop, masks.
    pub data_rate: f64,
    /// Means over the timed batches of what they say of themselves, such as mask lengths.
    pub figures: BTreeMap<String, f64>,
    /// Largest memory of the process in MiB, where the system tells.
    pub peak_mib: Option<f64>,
}

pub(super) fn run<V: Variant>(plugin: &Plugin, request: &BenchRequest) -> Result<BenchReport> {
    let (preset, config) = resolve::<V>(plugin, &request.settings)?;
    request.engine.check_products(config.run.precision)?;
    let variant = std::sync::Arc::new(V::new(&config.model)?);
    // A bench needs samples of the right shape, not a data set: the built-in one unless another was named.
    let data = request.settings.data.clone().unwrap_or_else(|| "builtin".into());
    let source = variant.open(&DataSpec::parse(&data, V::FORMATS), Split::Train)?;
    let device = &request.engine.device;
    let count = config.run.replicas.unwrap_or_else(|| default_replicas(&request.engine)).min(config.run.batch);
    let replicas = Replicas::new(count)?;
    let objective = Objective::new(&config.objective)?;
    let warm_up = 2;
    let steps = (request.rounds + warm_up) as u64;
    let schedule = Schedule::new(&config.schedule, steps.max(config.run.steps))?;
    let mut learner = Learner::new(variant.model(config.run.seed, device), config.target, &config.optimizer)?;

    let order = epoch_order(config.run.seed, 0, source.len());
    let prepare = |step: u64| {
        let indices: Vec<usize> = (0..config.run.batch)
            .map(|i| order[(step as usize * config.run.batch + i) % order.len()] as usize)
            .collect();
        let samples = indices.iter().map(|i| source.read(*i)).collect::<Result<Vec<_>>>()?;
        variant.batch(samples, &Draws::new(config.run.seed, step, indices))
    };
    let clock = Instant::now();
    let batches = (1..=steps).map(prepare).collect::<Result<Vec<_>>>()?;
    let data_rate = (steps as usize * config.run.batch) as f64 / clock.elapsed().as_secs_f64();

    let mut step_seconds = Vec::new();
    for (i, batch) in batches.iter().enumerate() {
        let number = i as u64 + 1;
        let clock = Instant::now();
        let step = Step::new(number, steps, config.run.seed, device).with_products(config.run.precision);
        let target = learner.target_network(config.target);
        let work = replicas.forward_backward(&learner, target.as_ref(), batch, &objective, &step)?;
        drop(target);
        learner = replicas.with_all(|| learner.update(work, schedule.at(number), config.target, &objective))?;
        device.sync().map_err(|e| Error::Engine(format!("{e:?}")))?;
        if i >= warm_up {
            step_seconds.push(clock.elapsed().as_secs_f64());
        }
    }
    let step_median = median(&step_seconds);

    let frozen =
        Frozen::<V>::from_parts(variant.clone(), learner.student.target().valid(), request.engine.clone(), count)?;
    let samples = (0..(config.run.batch * 4).min(source.len())).map(|i| source.read(i)).collect::<Result<Vec<_>>>()?;
    frozen.pooled(&samples[..config.run.batch.min(samples.len())])?;
    let rates: Vec<f64> = (0..request.rounds.max(3))
        .map(|_| {
            let clock = Instant::now();
            frozen.pooled(&samples)?;
            Ok(samples.len() as f64 / clock.elapsed().as_secs_f64())
        })
        .collect::<Result<_>>()?;

    let mut figures = BTreeMap::new();
    for (name, value) in batches.iter().skip(warm_up).flat_map(|b| b.figures()) {
        *figures.entry(name.to_owned()).or_insert(0.0) += value / request.rounds as f64;
    }
    let mut parameters = 0;
    params::visit(&learner.student, |leaf, _| parameters += if leaf.role() == Role::Frozen { 0 } else { leaf.len() });
    Ok(BenchReport {
        variant: plugin.id().to_owned(),
        preset,
        engine: request.engine.to_string(),
        replicas: count,
        batch: config.run.batch,
        parameters,
        train_rate: config.run.batch as f64 / step_median,
        gflops: variant.flops(config.run.batch) * config.run.batch as f64 / step_median / 1e9,
        step_seconds,
        step_median,
        feature_rate: median(&rates),
        data_rate,
        figures,
        peak_mib: peak_memory(),
    })
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// VmHWM of this process, in MiB.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
