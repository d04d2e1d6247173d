//! The promises every variant is held to, a stranger's too. Each runs on the variant's `tiny` preset in seconds.

mod inspection;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::Module as _;
use burn::prelude::*;

use super::variant::{Batch, Draws};
use super::{Member, Preset, Variant};
use crate::checkpoint::{self, Disk};
use crate::data::{DataSpec, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Batch as _, Forward, Jepa, Role, Step, TargetSource};
use crate::nn::params;
use crate::objective::Objective;
use crate::probe::readable;
use crate::runlog::{Event, Observer};
use crate::train::{Learner, Replicas, RunConfig, Schedule, Session, Work, train};

type Check<V> = fn(&Bench<V>) -> Result<(), String>;

struct Bench<V: Variant> {
    id: &'static str,
    variant: V,
    config: RunConfig<V::Config>,
    batch: Batch<V>,
    device: Device,
}

/// Runs every check; returns the promises kept or the first one broken.
pub(super) fn run<M: Member>() -> Result<Vec<&'static str>> {
    let promise = "its description and presets are complete and sound";
    let id = M::DESCRIPTION.id;
    let broken = |problem| Error::Conformance { variant: id.to_owned(), promise, problem };
    let config = description::<M>().map_err(broken)?;
    let mut kept = vec![promise];
    kept.extend(promises::<M::Family>(id, config)?);
    Ok(kept)
}

fn promises<V: Variant>(id: &'static str, config: RunConfig<V::Config>) -> Result<Vec<&'static str>> {
    let variant = V::new(&config.model)?;
    let source = variant.open(&DataSpec::parse(&config.data.source, V::FORMATS), Split::Train)?;
    let samples = readable(source.as_ref(), config.run.batch);
    let indices = (0..samples.len()).collect();
    let batch = variant.batch(samples, &Draws::new(config.run.seed, 1, indices))?;
    let bench = Bench { id, variant, config, batch, device: Device::flex() };
    let checks: [(&'static str, Check<V>); 9] = [
        ("predictions and targets have one shape, features are [samples, tokens, width]", shapes),
        ("gradient reaches every trained parameter and never the target", gradients),
        ("what is hidden cannot reach the context, what is visible does", leaks),
        ("the same draws give the same numbers", determinism),
        ("a few steps on one batch lower the loss", learns),
        ("one and two replicas compute the same loss", replicas),
        ("a stopped and resumed run equals an uninterrupted one bit by bit", resumes),
        ("a sample can be drawn", preview),
        ("what is inspected is what is computed", inspection::kept),
    ];
    let mut kept = Vec::new();
    for (promise, check) in checks {
        let broken = |problem| Error::Conformance { variant: id.to_owned(), promise, problem };
        check(&bench).map_err(broken)?;
        kept.push(promise);
    }
    Ok(kept)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn require(kept: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if kept { Ok(()) } else { Err(problem()) }
}

/// The configuration of a family's members.
type Config<M> = <<M as Member>::Family as Variant>::Config;

fn description<M: Member>() -> Result<RunConfig<Config<M>>, String> {
    let d = M::DESCRIPTION;
    let words = [
        d.id,
        d.title,
        d.summary,
        d.paper,
        d.modality,
        d.context,
        d.target,
        d.condition,
        d.distance,
        d.against_collapse,
    ];
    require(words.iter().all(|w| !w.is_empty()), || "a field of the description is empty".into())?;
    require(d.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), || {
        format!("id `{}` is not lower case with hyphens", d.id)
    })?;
    require(<M::Family as Variant>::FORMATS.contains(&"builtin"), || "FORMATS does not name `builtin`".into())?;
    require(<M::Family as Variant>::reads(d.id), || format!("the family does not read runs of `{}`", d.id))?;
    let presets = M::presets();
    let names: BTreeSet<&str> = presets.iter().map(|p| p.name).collect();
    require(names.len() == presets.len(), || "two presets share a name".into())?;
    for Preset { name, config, .. } in &presets {
        let context = |e: Error| format!("preset `{name}`: {e}");
        <M::Family as Variant>::new(&config.model).map_err(context)?;
        Objective::new(&config.objective).map_err(context)?;
        Schedule::new(&config.schedule, config.run.steps).map_err(context)?;
        let again = RunConfig::<Config<M>>::from_table(config.to_table().map_err(context)?).map_err(context)?;
        require(again == *config, || format!("preset `{name}` changes on its way through TOML"))?;
    }
    let tiny = presets.into_iter().find(|p| p.name == "tiny").ok_or("there is no preset `tiny`")?;
    Ok(tiny.config)
}

impl<V: Variant> Bench<V> {
    fn learner(&self) -> Result<Learner<V::Model>, String> {
        let model = self.variant.model(self.config.run.seed, &self.device);
        Learner::new(model, self.config.target, &self.config.optimizer).map_err(text)
    }

    fn step(&self, number: u64) -> Step {
        Step::new(number, 100, self.config.run.seed, &self.device)
    }

    fn forward(&self, learner: &Learner<V::Model>, batch: &Batch<V>) -> Forward {
        let target = learner.encoder();
        learner.student.forward(&target, batch, &self.step(1))
    }

    /// Loss and gradients of a first step, in one replica.
    fn work(&self, learner: &Learner<V::Model>, batch: &Batch<V>) -> Result<Work, String> {
        let objective = Objective::new(&self.config.objective).map_err(text)?;
        let target = learner.target_network(self.config.target);
        let replicas = Replicas::new(1).map_err(text)?;
        replicas.forward_backward(learner, target.as_ref(), batch, &objective, &self.step(1)).map_err(text)
    }
}

fn shapes<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let learner = bench.learner()?;
    let forward = bench.forward(&learner, &bench.batch);
    require(!forward.pairs.is_empty() || !forward.terms.is_empty(), || {
        "a forward pass gives neither pairs nor terms".into()
    })?;
    for pair in &forward.pairs {
        let (p, t) = (pair.predicted.dims(), pair.target.dims());
        require(p == t, || format!("predicted {p:?}, target {t:?}"))?;
    }
    let [samples, _, _] = V::Model::features(&learner.encoder(), &bench.batch, &bench.device).dims();
    require(samples == bench.batch.len(), || format!("{} samples give {samples} rows of features", bench.batch.len()))
}

fn gradients<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let learner = bench.learner()?;
    let student = learner.student.clone().train();
    let target = learner.encoder();
    let forward = student.forward(&target, &bench.batch, &bench.step(1));
    if bench.config.target != TargetSource::Shared {
        require(forward.pairs.iter().all(|p| !p.target.is_autodiff()), || "a target is tracked for gradients".into())?;
    }
    // The whole objective: what compares may be a term over the batch.
    let work = bench.work(&learner, &bench.batch)?;
    for (leaf, gradient) in params::leaves(&student).into_iter().zip(work.gradients) {
        if leaf.role() == params::Role::Frozen {
            continue;
        }
        let size = match gradient {
            Some(g) => host::scalar(g.abs().max()).map_err(text)?,
            None => 0.0,
        };
        require(size.is_finite() && size > 0.0, || format!("{}: largest gradient {size}", leaf.path))?;
    }
    Ok(())
}

fn leaks<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let learner = bench.learner()?;
    let target = learner.encoder();
    // Batch statistics mix everything by design; what is held here is the path through the networks.
    let step = Step { batch_statistics: false, ..bench.step(1) };
    let context = |batch: &Batch<V>| -> Result<Vec<f32>, String> {
        let forward = learner.student.forward(&target, batch, &step);
        let context = forward.embedding(Role::Context).ok_or("the forward pass gives no context embedding")?;
        host::read(context.clone()).map_err(text)
    };
    let plain = context(&bench.batch)?;
    require(context(&bench.batch.disturbed(true))? == plain, || "the context changes with hidden inputs".into())?;
    require(context(&bench.batch.disturbed(false))? != plain, || {
        "the context does not change with visible inputs".into()
    })
}

fn determinism<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let source =
        bench.variant.open(&DataSpec::parse(&bench.config.data.source, V::FORMATS), Split::Train).map_err(text)?;
    let loss = |step: u64| -> Result<f64, String> {
        let samples = readable(source.as_ref(), bench.batch.len());
        let draws = Draws::new(bench.config.run.seed, step, (0..samples.len()).collect());
        let batch = bench.variant.batch(samples, &draws).map_err(text)?;
        bench.work(&bench.learner()?, &batch).map(|work| work.loss)
    };
    require(loss(1)? == loss(1)?, || "two batches of the same draws differ".into())?;
    require(loss(1)? != loss(2)?, || "batches of different steps are equal".into())
}

fn steps<V: Variant>(bench: &Bench<V>, replicas: usize, count: u64) -> Result<Vec<f64>, String> {
    let mut learner = bench.learner()?;
    let objective = Objective::new(&bench.config.objective).map_err(text)?;
    let replicas = Replicas::new(replicas).map_err(text)?;
    let schedule = Schedule::new(&bench.config.schedule, bench.config.run.steps).map_err(text)?;
    let mut losses = Vec::new();
    for number in 1..=count {
        let target = learner.target_network(bench.config.target);
        let work = replicas
            .forward_backward(&learner, target.as_ref(), &bench.batch, &objective, &bench.step(number))
            .map_err(text)?;
        losses.push(work.loss);
        // The rate of the middle of the run, where it is neither warming up nor ending.
        let rates = schedule.at(bench.config.run.steps / 2);
        learner = learner.update(work, rates, bench.config.target, &objective).map_err(text)?;
    }
    Ok(losses)
}

fn learns<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let losses = steps(bench, 1, 30)?;
    let last = losses[losses.len() - 3..].iter().sum::<f64>() / 3.0;
    require(last < losses[0], || format!("loss {:.5} at first, {last:.5} after 30 steps", losses[0]))
}

fn replicas<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    for (one, two) in steps(bench, 1, 5)?.into_iter().zip(steps(bench, 2, 5)?) {
        require((one - two).abs() <= 1e-5 * one.abs().max(1.0), || format!("{one} with one, {two} with two"))?;
    }
    Ok(())
}

fn resumes<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(text)?;
    let run = |name: &str, pieces: &[u64]| -> Result<BTreeMap<String, Vec<u8>>, String> {
        let out = scratch.path().join(name);
        let mut config = bench.config.clone();
        config.run.steps = 6;
        config.run.checkpoint_every = 2;
        config.run.diagnose_every = 0;
        config.run.replicas = Some(2);
        for (i, last) in pieces.iter().enumerate() {
            let stop = Arc::new(AtomicBool::new(false));
            let session = Session {
                variant: bench.id.to_owned(),
                out: out.clone(),
                from: None,
                resume: i > 0,
                engine: Engine::cpu(),
                preset: "tiny".into(),
                command: Vec::new(),
                stop: stop.clone(),
                probes: false,
            };
            let mut until = StopAfter(*last, stop);
            train::<V>(&config, &session, &mut until).map_err(text)?;
        }
        let bundle = checkpoint::load_latest(&Disk, &out.join("checkpoints")).map_err(text)?;
        Ok(bundle.files)
    };
    let whole = run("whole", &[6])?;
    let pieces = run("pieces", &[3, 6])?;
    for (name, bytes) in &whole {
        require(pieces.get(name) == Some(bytes), || format!("{name} differs after a stop at step 3 of 6"))?;
    }
    Ok(())
}

struct StopAfter(u64, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Step { step, .. } if *step >= self.0) {
            self.1.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn preview<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let source =
        bench.variant.open(&DataSpec::parse(&bench.config.data.source, V::FORMATS), Split::Train).map_err(text)?;
    let sample = source.read(0).map_err(text)?;
    let preview = bench.variant.preview(&sample);
    require(preview.rgb.len() == 3 * preview.width * preview.height && !preview.rgb.is_empty(), || {
        format!("{} x {} pixels hold {} values", preview.width, preview.height, preview.rgb.len())
    })?;
    require(preview.grid.iter().all(|n| *n > 0), || "its token grid is empty".into())?;
    let tokens = bench.variant.shown(&sample, &preview);
    require(tokens.len() == preview.width * preview.height && tokens.iter().any(Option::is_some), || {
        format!("{} tokens are shown by {} x {} pixels", tokens.len(), preview.width, preview.height)
    })?;
    if let Some(mask) = bench.batch.mask_sets().iter().flat_map(|masks| &masks.context).next() {
        let largest = tokens.iter().flatten().max();
        require(largest.is_some_and(|token| (*token as usize) < mask.tokens()), || {
            format!("a pixel shows token {largest:?} of {}", mask.tokens())
        })?;
    }
    let raw = bench.variant.raw(&sample).map_err(text)?;
    require(!raw.is_empty(), || "its raw values are empty".into())
}
