//! The training step, on one page, in the order of the paper.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::prelude::*;

use super::{AdamW, Replicas, RunConfig, Schedule, Verdict, Work};
use crate::checkpoint::{self, Bundle, Disk, State};
use crate::collapse::{Diagnostics, follow, follow_statistics};
use crate::data::{DataSpec, Loader, LoaderConfig, Prepared, Quarantine, Source, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::{Batch as _, Jepa, Step, TargetSource};
use crate::nn::params::{self, Role};
use crate::objective::{Memory, Objective};
use crate::plugin::{Batch, Draws, Variant};
use crate::probe::{self, Frozen, Network};
use crate::runlog::{Event, Observer, RunFolder, RunInfo, RunState, now};

/// Where and how a run is carried out; nothing here changes what is computed but `replicas`, and that only by rounding.
#[derive(Debug, Clone)]
pub struct Session {
    /// Run folder.
    pub out: PathBuf,
    /// Continue the run in that folder.
    pub resume: bool,
    /// Where tensors live.
    pub engine: Engine,
    /// Preset the configuration began from.
    pub preset: String,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Set from outside to end the run after the current step.
    pub stop: Arc<AtomicBool>,
    /// Whether to probe the encoder when all steps are done.
    pub probes: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Run folder.
    pub out: PathBuf,
    /// Steps done.
    pub step: u64,
    /// Finished or interrupted.
    pub state: RunState,
    /// Probes, when it finished.
    pub probes: Option<probe::ProbeTable>,
}

/// Everything that training changes.
pub struct Learner<J: Jepa> {
    /// The networks that are optimised, on a plain device.
    pub student: J,
    /// s_y's network, for the target sources that have one of their own.
    pub target: Option<J::Target>,
    /// Moments.
    pub optimizer: AdamW,
    /// What the objective remembers.
    pub memory: Memory,
}

impl<J: Jepa> Learner<J> {
    /// A fresh learner.
    pub fn new(student: J, source: TargetSource, config: &super::AdamWConfig) -> Result<Self> {
        let target = matches!(source, TargetSource::Ema | TargetSource::Frozen).then(|| student.target().valid());
        Ok(Self { optimizer: AdamW::new(config, &student)?, student, target, memory: Memory::default() })
    }

    /// The network s_y is computed with: a plain module, or `None` for [`TargetSource::Shared`].
    pub fn target_network(&self, source: TargetSource) -> Option<J::Target> {
        match source {
            TargetSource::Ema | TargetSource::Frozen => self.target.clone(),
            TargetSource::StopGradient => Some(self.student.target().valid()),
            TargetSource::Shared => None,
        }
    }

    /// The network frozen features come from.
    pub fn encoder(&self) -> J::Target {
        self.target.clone().unwrap_or_else(|| self.student.target().valid())
    }

    /// One optimiser update, then everything that follows: running figures, the target, the objective's memory.
    pub fn update(
        mut self,
        work: Work,
        rates: super::Rates,
        source: TargetSource,
        objective: &Objective,
    ) -> Result<Self> {
        self.student = self.optimizer.update(self.student, work.gradients, work.norm, rates)?;
        if !work.statistics.is_empty() {
            self.student = follow_statistics(self.student, &work.statistics)?;
        }
        if source == TargetSource::Ema
            && let Some(target) = self.target.take()
        {
            self.target = Some(follow(target, self.student.target(), rates.momentum, J::is_averaged)?);
        }
        objective.remember(&mut self.memory, work.observed);
        Ok(self)
    }

    /// The tensors as checkpoint files.
    pub fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let optimizer = checkpoint::named_leaves(self.optimizer.tensors(&self.student))?;
        let mut files = BTreeMap::from([
            ("student.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&self.student)?)?),
            ("target.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&self.encoder())?)?),
            ("optimizer.safetensors".to_owned(), checkpoint::encode(&optimizer)?),
        ]);
        let memory = self.memory.named();
        if !memory.is_empty() {
            files.insert("objective.safetensors".to_owned(), checkpoint::encode(&memory)?);
        }
        Ok(files)
    }

    /// Puts back what [`Self::files`] gave.
    pub fn restore(mut self, bundle: &Bundle) -> Result<Self> {
        let tensors = |name: &str| checkpoint::decode(bundle.file(name)?, &bundle.path.join(name));
        let origin = |name: &str| bundle.path.join(name).display().to_string();
        self.student =
            checkpoint::apply(self.student, &tensors("student.safetensors")?, &origin("student.safetensors"))?;
        if let Some(target) = self.target.take() {
            self.target =
                Some(checkpoint::apply(target, &tensors("target.safetensors")?, &origin("target.safetensors"))?);
        }
        let moments = self.optimizer.tensors(&self.student);
        let device = moments.first().map_or_else(Device::flex, |(_, t)| t.device());
        let leaves: Vec<_> = moments.into_iter().map(|(leaf, _)| leaf).collect();
        let name = "optimizer.safetensors";
        let moments = checkpoint::restore_leaves(&leaves, &tensors(name)?, &origin(name), &device)?;
        self.optimizer.restore(bundle.state()?.updates, moments);
        let name = "objective.safetensors";
        self.memory =
            if bundle.files.contains_key(name) { Memory::from_named(tensors(name)?) } else { Memory::default() };
        Ok(self)
    }
}

/// Trains a variant and probes it. The page below is the whole method.
pub fn train<V: Variant>(
    config: &RunConfig<V::Config>,
    session: &Session,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let mut run = Run::<V>::open(config, session, observer)?;
    match run.steps() {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            run.warn(format!(
                "the run is kept up to its last checkpoint; when the cause is removed, go on with --resume --out {}",
                session.out.display()
            ));
            run.end(RunState::Failed);
            Err(error)
        }
    }
}

struct Run<'a, V: Variant> {
    config: &'a RunConfig<V::Config>,
    session: &'a Session,
    observer: &'a mut dyn Observer,
    variant: Arc<V>,
    source: Arc<dyn Source<Sample = V::Sample>>,
    schedule: Schedule,
    objective: Objective,
    replicas: Replicas,
    folder: RunFolder,
    info: RunInfo,
    learner: Option<Learner<V::Model>>,
    state: State,
    untrained: V::Model,
    untrained_std: Option<f64>,
    failed_saves: usize,
    clock: VecDeque<(Instant, usize)>,
}

impl<V: Variant> Run<'_, V> {
    /// The loop.
    fn steps(&mut self) -> Result<Outcome> {
        let total = self.config.run.steps;
        let mut loader = self.loader()?;
        while self.state.step < total {
            if self.session.stop.load(Ordering::Relaxed) {
                self.save(true)?;
                return Ok(self.end(RunState::Interrupted));
            }
            // Samples and masks, prepared ahead and in order.
            let prepared = loader.next()?;
            self.quarantine(&prepared)?;
            let number = self.state.step + 1;
            if self.state.guard.failed.contains(&number) {
                self.state.step = number;
                continue;
            }
            let rates = self.schedule.at(number);
            let step = Step::new(number, total, self.config.run.seed, &self.session.engine.device);

            // Target encoder, context encoder, predictor, energy, backward; gradients summed over the replicas.
            let learner = self.learner()?;
            let target = learner.target_network(self.config.target);
            let work =
                self.replicas.forward_backward(learner, target.as_ref(), &prepared.batch, &self.objective, &step)?;
            drop(target);

            // Finite? Then the optimiser, then the target follows.
            match self.state.guard.judge(&self.config.guard, number, work.loss, work.norm) {
                Verdict::Apply => {
                    let event = self.step_event(number, &work, &prepared.batch, rates);
                    if let Some(learner) = self.learner.take() {
                        let (source, objective) = (self.config.target, &self.objective);
                        self.learner = Some(self.replicas.with_all(|| learner.update(work, rates, source, objective))?);
                    }
                    self.state.updates += 1;
                    self.state.step = number;
                    self.say(event);
                }
                Verdict::Skip => {
                    self.state.step = number;
                    self.warn(format!(
                        "loss {} or gradient norm {} is not finite: step skipped; samples {:?}",
                        work.loss, work.norm, prepared.indices
                    ));
                    // No checkpoint of a step that changed nothing: it would push out a good one.
                    continue;
                }
                Verdict::RollBack => {
                    loader = self.roll_back(number)?;
                    continue;
                }
                Verdict::Stop => {
                    let problem = format!(
                        "loss and gradients are not finite again after {} roll-backs; lower schedule.lr, or set optimizer.clip_norm",
                        self.state.guard.rollbacks
                    );
                    return Err(Error::Diverged { step: number, problem });
                }
            }
            self.diagnose(number)?;
            if number.is_multiple_of(self.config.run.checkpoint_every) && number < total {
                self.save(false)?;
            }
        }
        self.save(true)?;
        let probes = if self.session.probes { Some(self.probe()?) } else { None };
        Ok(Outcome { probes, ..self.end(RunState::Finished) })
    }
}

impl<'a, V: Variant> Run<'a, V> {
    fn open(config: &'a RunConfig<V::Config>, session: &'a Session, observer: &'a mut dyn Observer) -> Result<Self> {
        let id = V::DESCRIPTION.id;
        let variant = Arc::new(V::new(&config.model)?);
        let spec = DataSpec::parse(&config.data.source, V::FORMATS);
        let source: Arc<dyn Source<Sample = V::Sample>> = Arc::from(variant.open(&spec, Split::Train)?);
        let objective = Objective::new(&config.objective)?;
        let schedule = Schedule::new(&config.schedule, config.run.steps)?;
        let replicas = Replicas::new(
            config.run.replicas.unwrap_or_else(|| default_replicas(&session.engine)).min(config.run.batch),
        )?;
        let device = &session.engine.device;
        let untrained = variant.model(config.run.seed, device);
        let mut learner = Learner::new(variant.model(config.run.seed, device), config.target, &config.optimizer)?;
        let mut state = State {
            variant: id.to_owned(),
            step: 0,
            updates: 0,
            guard: Default::default(),
            quarantine: Quarantine::default(),
        };

        let info = RunInfo {
            variant: id.to_owned(),
            preset: session.preset.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: session.engine.name.clone(),
            replicas: replicas.count(),
            seed: config.run.seed,
            state: RunState::Running,
            command: session.command.clone(),
            started: now(),
        };
        let mut warnings = Vec::new();
        let folder = if session.resume {
            let folder = RunFolder::resume(&session.out)?;
            checkpoint::clear_scratch(&Disk, &folder.checkpoints())?;
            match checkpoint::load_latest(&Disk, &folder.checkpoints()) {
                Ok(bundle) => {
                    if bundle.manifest.variant != id {
                        return Err(Error::format(
                            &bundle.path,
                            format!("is a checkpoint of `{}`, not of `{id}`", bundle.manifest.variant),
                        ));
                    }
                    warnings
                        .extend(bundle.passed_over.iter().map(|p| format!("a newer checkpoint was passed over: {p}")));
                    state = bundle.state()?;
                    learner = learner.restore(&bundle)?;
                }
                Err(Error::Checkpoint { problem, .. }) if problem.starts_with("there is none") => {
                    warnings.push("the run had no checkpoint yet: it begins again".to_owned());
                }
                Err(error) => return Err(error),
            }
            folder.set_info(&info)?;
            folder
        } else {
            RunFolder::create(&session.out, &config.to_toml()?, &info)?
        };

        let mut run = Self {
            config,
            session,
            observer,
            variant,
            source,
            schedule,
            objective,
            replicas,
            folder,
            info,
            state,
            untrained,
            learner: Some(learner),
            untrained_std: None,
            failed_saves: 0,
            clock: VecDeque::new(),
        };
        let mut parameters = 0;
        params::visit(&run.untrained, |leaf, _| parameters += if leaf.role() == Role::Frozen { 0 } else { leaf.len() });
        run.say(Event::Start {
            step: run.state.step + 1,
            steps: config.run.steps,
            data: run.source.describe(),
            parameters,
            engine: format!(
                "{}, {} replica{}",
                run.info.engine,
                run.info.replicas,
                if run.info.replicas == 1 { "" } else { "s" }
            ),
        });
        warnings.into_iter().for_each(|w| run.warn(w));
        Ok(run)
    }

    fn learner(&self) -> Result<&Learner<V::Model>> {
        self.learner.as_ref().ok_or_else(|| Error::Engine("the learner was lost in a failed update".into()))
    }

    fn loader(&self) -> Result<Loader<Batch<V>>> {
        let (variant, seed) = (self.variant.clone(), self.config.run.seed);
        let config = LoaderConfig {
            seed,
            batch: self.config.run.batch,
            first: self.state.step + 1,
            last: self.config.run.steps,
            threads: self.config.data.threads,
            max_bad_fraction: self.config.guard.max_bad_fraction,
        };
        Loader::start(self.source.clone(), config, move |step, samples| {
            let (indices, samples): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
            variant.batch(samples, &Draws::new(seed, step, indices))
        })
    }

    fn say(&mut self, event: Event) {
        self.folder.log(&event);
        self.observer.event(&event);
    }

    fn warn(&mut self, message: String) {
        let step = self.state.step;
        self.say(Event::Warning { step, message });
    }

    fn quarantine(&mut self, prepared: &Prepared<Batch<V>>) -> Result<()> {
        for entry in self.state.quarantine.add(prepared.damaged.clone()) {
            self.say(Event::Quarantine(entry));
        }
        let (bad, all) = (self.state.quarantine.len(), self.source.len());
        let limit = self.config.guard.max_bad_fraction;
        if bad as f64 > (limit * all as f64).max(1.0) {
            let first = self.state.quarantine.entries().next().map(|e| e.cause.clone()).unwrap_or_default();
            return Err(Error::TooManyBadSamples { bad, seen: all, limit_percent: limit * 100.0, first });
        }
        Ok(())
    }

    fn step_event(&mut self, step: u64, work: &Work, batch: &Batch<V>, rates: super::Rates) -> Event {
        self.clock.push_back((Instant::now(), batch.len()));
        if self.clock.len() > 50 {
            self.clock.pop_front();
        }
        let seconds = self.clock.front().map_or(0.0, |(first, _)| first.elapsed().as_secs_f64());
        let samples: usize = self.clock.iter().skip(1).map(|(_, n)| n).sum();
        let mut terms: BTreeMap<String, f64> = work.terms.iter().map(|(name, v)| ((*name).to_owned(), *v)).collect();
        terms.extend(batch.figures().into_iter().map(|(name, v)| (name.to_owned(), v)));
        Event::Step {
            step,
            loss: work.loss,
            terms,
            lr: rates.lr,
            decay: rates.decay,
            momentum: rates.momentum,
            grad_norm: work.norm,
            rate: if seconds > 0.0 { samples as f64 / seconds } else { 0.0 },
        }
    }

    /// Collapse figures of the target encoder on the first samples, and an alarm.
    fn diagnose(&mut self, step: u64) -> Result<()> {
        let every = self.config.run.diagnose_every;
        if every == 0 || !(step == 1 || step.is_multiple_of(every) || step == self.config.run.steps) {
            return Ok(());
        }
        let samples = probe::readable(self.source.as_ref(), 256);
        if samples.len() < 2 {
            if step == 1 {
                self.warn("no collapse figures: they need at least two readable samples".to_owned());
            }
            return Ok(());
        }
        let batch = self.variant.clean(&samples, 0)?;
        let of = |run: &Self, encoder: &<V::Model as Jepa>::Target| -> Result<Option<Diagnostics>> {
            let device = &run.session.engine.device;
            run.replicas.with_all(|| Diagnostics::of(V::Model::features(encoder, &batch, device)))
        };
        if self.untrained_std.is_none() {
            self.untrained_std = of(self, self.untrained.target())?.map(|figures| figures.std);
        }
        let Some((figures, reference)) = of(self, &self.learner()?.encoder())?.zip(self.untrained_std) else {
            self.warn("the embeddings are not finite: lower schedule.lr, or set optimizer.clip_norm".to_owned());
            return Ok(());
        };
        self.say(Event::Collapse { step, figures });
        if figures.std < self.config.guard.collapse_ratio * reference || figures.rank_me < 1.5 || figures.content < 0.05
        {
            self.warn(format!(
                "the embeddings are collapsing: std {:.4} (untrained {reference:.4}), RankMe {:.1}, content {:.3}; a lower schedule.lr, a higher schedule.momentum or the fan-in initialisation may help",
                figures.std, figures.rank_me, figures.content
            ));
        }
        Ok(())
    }

    /// Writes a checkpoint. One that fails between others is a warning; a third in a row, or the last, ends the run.
    fn save(&mut self, must: bool) -> Result<()> {
        let mut files = self.learner()?.files()?;
        let json = |value: &State| serde_json::to_vec_pretty(value).map_err(|e| Error::Engine(e.to_string()));
        files.insert("state.json".to_owned(), json(&self.state)?);
        files.insert("config.toml".to_owned(), self.config.to_toml()?.into_bytes());
        let step = self.state.step;
        match checkpoint::save(&Disk, &self.folder.checkpoints(), V::DESCRIPTION.id, step, &files, self.config.run.keep)
        {
            Ok(path) => {
                self.failed_saves = 0;
                self.say(Event::Checkpoint { step, path });
                Ok(())
            }
            Err(error) => {
                self.failed_saves += 1;
                if must || self.failed_saves >= 3 {
                    return Err(error);
                }
                self.warn(format!("no checkpoint written, the last good one stays: {error}"));
                Ok(())
            }
        }
    }

    /// Back to the newest checkpoint from before the trouble, or to the beginning; the steps that failed, and the one
    /// suspected to have caused it, will not be computed again.
    fn roll_back(&mut self, failed: u64) -> Result<Loader<Batch<V>>> {
        let suspect = self.state.guard.suspect(&self.config.guard, failed);
        let guard = self.state.guard.clone();
        let fresh = Learner::new(
            self.variant.model(self.config.run.seed, &self.session.engine.device),
            self.config.target,
            &self.config.optimizer,
        )?;
        let (learner, state) = match checkpoint::take_back(&Disk, &self.folder.checkpoints(), suspect)? {
            Some(bundle) => (fresh.restore(&bundle)?, bundle.state()?),
            None => (fresh, State { step: 0, updates: 0, ..self.state.clone() }),
        };
        self.learner = Some(learner);
        self.state = State { guard, quarantine: self.state.quarantine.clone(), ..state };
        self.warn(format!(
            "too many steps were not finite: rolled back to step {}, avoiding steps {:?}",
            self.state.step, self.state.guard.failed
        ));
        // What went wrong is remembered even if the process dies now.
        self.save(false)?;
        self.loader()
    }

    /// The trained encoder beside the untrained one and the raw inputs.
    fn probe(&mut self) -> Result<probe::ProbeTable> {
        let pool = self.config.probe.pool;
        let frozen = |encoder| {
            Frozen::<V>::from_parts(self.variant.clone(), encoder, self.session.engine.clone(), self.replicas.count())
                .map(|frozen| frozen.pooled_by(pool))
        };
        let trained = frozen(match self.config.probe.network {
            Network::Target => self.learner()?.encoder(),
            Network::Student => self.learner()?.student.target().valid(),
        })?;
        let untrained = frozen(self.untrained.target().valid())?;
        let table = probe::compare(&trained, &untrained, &self.config.data.source, &self.config.probe)?;
        self.say(Event::Probes { step: self.state.step, table: table.clone() });
        Ok(table)
    }

    fn end(&mut self, state: RunState) -> Outcome {
        self.info.state = state;
        if let Err(error) = self.folder.set_info(&self.info) {
            tracing::warn!("{error}");
        }
        let step = self.state.step;
        self.say(Event::End { step, state });
        Outcome { out: self.session.out.clone(), step, state, probes: None }
    }
}

/// One replica a core on the CPU, one elsewhere.
pub fn default_replicas(engine: &Engine) -> usize {
    if engine.is_cpu() { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 }
}
