//! What surrounds the steps of a run: opening it, its data, its checkpoints, its figures, its end.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::prelude::*;

use super::online;
use super::samples::Followed;
use super::{Learner, Outcome, Replicas, RunConfig, Schedule, Session, Work, default_replicas};
use crate::checkpoint::{self, Disk, State};
use crate::collapse::{Alarm, Circumstances, CollapseKind, Diagnostics, OnCollapse, distance_to};
use crate::data::{DataSpec, Loader, LoaderConfig, Prepared, Quarantine, Source, Split};
use crate::error::{Error, Result};
use crate::jepa::{Batch as _, Jepa};
use crate::nn::params::{self, Role};
use crate::objective::Objective;
use crate::plugin::{Batch, Draws, Variant};
use crate::probe::{self, Frozen, Network, OnlineProbe};
use crate::runlog::{self, Event, Observer, RunFolder, RunInfo, RunState, now};

/// A learner that begins with the weights of another run or imported ones, the updates they have had, and what is missing.
fn begin_with<V: Variant>(learner: Learner<V::Model>, from: &Path) -> Result<(Learner<V::Model>, u64, Option<String>)> {
    let (_, bundle) = probe::open_run::<V>(from)?;
    Ok(match learner.begin_with(&bundle)? {
        (learner, true) => (learner, bundle.state()?.updates, None),
        (learner, false) => (learner, 0, Some(format!("{} has no optimiser state: it begins anew", from.display()))),
    })
}

/// A run on its way.
pub(super) struct Run<'a, V: Variant> {
    pub(super) config: &'a RunConfig<V::Config>,
    pub(super) session: &'a Session,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) variant: Arc<V>,
    pub(super) source: Arc<dyn Source<Sample = V::Sample>>,
    pub(super) schedule: Schedule,
    pub(super) objective: Objective,
    pub(super) replicas: Replicas,
    pub(super) folder: RunFolder,
    pub(super) info: RunInfo,
    pub(super) learner: Option<Learner<V::Model>>,
    pub(super) state: State,
    pub(super) untrained: V::Model,
    pub(super) untrained_figures: Option<Diagnostics>,
    pub(super) collapsed: Option<CollapseKind>,
    pub(super) failed_saves: usize,
    pub(super) clock: VecDeque<(Instant, usize)>,
    pub(super) followed: Option<Followed<V>>,
    pub(super) online: Option<OnlineProbe>,
}

impl<'a, V: Variant> Run<'a, V> {
    pub(super) fn open(
        config: &'a RunConfig<V::Config>,
        session: &'a Session,
        observer: &'a mut dyn Observer,
    ) -> Result<Self> {
        session.engine.check_products(config.run.precision)?;
        let id = session.variant.as_str();
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

        let mut info = RunInfo {
            variant: id.to_owned(),
            preset: session.preset.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: session.engine.name.clone(),
            replicas: replicas.count(),
            seed: config.run.seed,
            state: RunState::Running,
            command: session.command.clone(),
            from: session.from.clone().filter(|_| !session.resume),
            started: now(),
        };
        let mut warnings = Vec::new();
        let mut resumed = None;
        let folder = if session.resume {
            let folder = RunFolder::resume(&session.out)?;
            let RunInfo { command, from, started, .. } = runlog::read_info(&session.out)?;
            info = RunInfo { command, from, started, ..info };
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
                    resumed = Some(bundle);
                }
                Err(Error::Checkpoint { problem, .. }) if problem.starts_with("there is none") => {
                    warnings.push("the run had no checkpoint yet: it begins again".to_owned());
                }
                Err(error) => return Err(error),
            }
            folder.set_info(&info)?;
            Some(folder)
        } else {
            None
        };
        let begins_with = info.from.clone().filter(|_| resumed.is_none());
        if let Some(from) = &begins_with {
            let warning;
            (learner, state.updates, warning) = begin_with::<V>(learner, from)?;
            warnings.extend(warning);
        }
        let folder = match folder {
            Some(folder) => folder,
            None => RunFolder::create(&session.out, &config.to_toml()?, &info)?,
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
            untrained_figures: None,
            collapsed: None,
            failed_saves: 0,
            clock: VecDeque::new(),
            followed: None,
            online: None,
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
                session.engine,
                run.info.replicas,
                if run.info.replicas == 1 { "" } else { "s" }
            ),
        });
        warnings.into_iter().for_each(|w| run.warn(w));
        run.restore_online(resumed.as_ref())?;
        if begins_with.is_some() {
            // A run that is resumed or rolled back before its first own checkpoint finds these weights again.
            run.save(true)?;
        }
        Ok(run)
    }

    pub(super) fn learner(&self) -> Result<&Learner<V::Model>> {
        self.learner.as_ref().ok_or_else(|| Error::Engine("the learner was lost in a failed update".into()))
    }

    pub(super) fn loader(&self) -> Result<Loader<Batch<V>>> {
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

    pub(super) fn say(&mut self, event: Event) {
        self.folder.log(&event);
        self.observer.event(&event);
    }

    pub(super) fn warn(&mut self, message: String) {
        let step = self.state.step;
        self.say(Event::Warning { step, message });
    }

    pub(super) fn quarantine(&mut self, prepared: &Prepared<Batch<V>>) -> Result<()> {
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

    pub(super) fn step_event(&mut self, step: u64, work: &Work, batch: &Batch<V>, rates: super::Rates) -> Event {
        self.clock.push_back((Instant::now(), batch.len()));
        if self.clock.len() > 50 {
            self.clock.pop_front();
        }
        let seconds = self.clock.front().map_or(0.0, |(first, _)| first.elapsed().as_secs_f64());
        let samples: usize = self.clock.iter().skip(1).map(|(_, n)| n).sum();
        let mut terms: BTreeMap<String, f64> = work.terms.iter().map(|(name, v)| (name.to_string(), *v)).collect();
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

    /// Collapse figures of the target encoder on a fixed draw of samples, and an alarm.
    pub(super) fn diagnose(&mut self, step: u64) -> Result<()> {
        let every = self.config.run.diagnose_every;
        if every == 0 || !(step == 1 || step.is_multiple_of(every) || step == self.config.run.steps) {
            return Ok(());
        }
        self.show(step);
        let learner = self.learner()?;
        let distance =
            learner.target.as_ref().map(|target| distance_to(target, learner.student.target())).transpose()?;
        let encoder = learner.encoder();
        let mut encoders = vec![&encoder];
        if self.untrained_figures.is_none() {
            encoders.push(self.untrained.target());
        }
        let (variant, source, device) = (&*self.variant, self.source.as_ref(), &self.session.engine.device);
        let Some(tokens) = self.replicas.with_all(|| probe::sampled_tokens::<V>(variant, source, &encoders, device))?
        else {
            if step == 1 {
                self.warn("no collapse figures: they need at least two readable samples".to_owned());
            }
            return Ok(());
        };
        let mut found = tokens.into_iter().map(Diagnostics::of).collect::<Result<Vec<_>>>()?.into_iter();
        let now = found.next().flatten();
        self.untrained_figures = self.untrained_figures.or_else(|| found.next().flatten());
        let Some((figures, untrained)) = now.zip(self.untrained_figures) else {
            self.warn("the embeddings are not finite: lower schedule.lr, or set optimizer.clip_norm".to_owned());
            return Ok(());
        };
        let figures = Diagnostics { student_distance: distance, ..figures };
        self.say(Event::Collapse { step, figures });
        self.sound_alarm(step, &figures, &untrained)
    }

    /// Says when embeddings begin to collapse, and ends the run when they still do at the next figures and it was asked
    /// to.
    fn sound_alarm(&mut self, step: u64, figures: &Diagnostics, untrained: &Diagnostics) -> Result<()> {
        let circumstances = Circumstances {
            target: self.config.target,
            momentum: self.schedule.at(step).momentum,
            objective: self.config.objective.clone(),
        };
        let alarm = Alarm::of(figures, untrained, self.config.guard.collapse_ratio, &circumstances);
        let before = std::mem::replace(&mut self.collapsed, alarm.as_ref().map(|alarm| alarm.collapse));
        let Some(alarm) = alarm else { return Ok(()) };
        if before != self.collapsed {
            self.say(Event::Alarm { step, alarm: alarm.clone() });
        }
        if before.is_some() && self.config.guard.on_collapse == OnCollapse::Stop {
            self.save(false)?;
            return Err(Error::Collapsed { step, alarm: Box::new(alarm) });
        }
        Ok(())
    }

    /// Writes a checkpoint. One that fails between others is a warning; a third in a row, or the last, ends the run.
    pub(super) fn save(&mut self, must: bool) -> Result<()> {
        let mut files = self.learner()?.files()?;
        let json = |value: &State| serde_json::to_vec_pretty(value).map_err(|e| Error::Engine(e.to_string()));
        files.insert("state.json".to_owned(), json(&self.state)?);
        files.insert("config.toml".to_owned(), self.config.to_toml()?.into_bytes());
        if let Some(probe) = &self.online {
            files.insert(online::FILE.to_owned(), checkpoint::encode(&probe.named()?)?);
        }
        let step = self.state.step;
        let (id, keep) = (&self.session.variant, self.config.run.keep);
        match checkpoint::save(&Disk, &self.folder.checkpoints(), id, step, &files, keep) {
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
    pub(super) fn roll_back(&mut self, failed: u64) -> Result<Loader<Batch<V>>> {
        let suspect = self.state.guard.suspect(&self.config.guard, failed);
        let guard = self.state.guard.clone();
        let fresh = Learner::new(
            self.variant.model(self.config.run.seed, &self.session.engine.device),
            self.config.target,
            &self.config.optimizer,
        )?;
        let bundle = checkpoint::take_back(&Disk, &self.folder.checkpoints(), suspect)?;
        let (learner, state) = match &bundle {
            Some(bundle) => (fresh.restore(bundle)?, bundle.state()?),
            None => {
                let (learner, updates, _) = match &self.info.from {
                    Some(from) => begin_with::<V>(fresh, from)?,
                    None => (fresh, 0, None),
                };
                (learner, State { step: 0, updates, ..self.state.clone() })
            }
        };
        self.restore_online(bundle.as_ref())?;
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
    pub(super) fn probe(&mut self) -> Result<probe::ProbeTable> {
        let probe::ProbeConfig { pool, layers, .. } = self.config.probe;
        let frozen = |encoder| {
            Frozen::<V>::from_parts(self.variant.clone(), encoder, self.session.engine.clone(), self.replicas.count())
                .map(|frozen| frozen.reading(pool, layers))
        };
        let trained = match self.config.probe.network {
            Network::Target => self.learner()?.encoder(),
            Network::Student => self.learner()?.student.target().valid(),
        };
        let encoders =
            [(probe::TRAINED, frozen(trained)?), (probe::UNTRAINED, frozen(self.untrained.target().valid())?)];
        // What was trained is sound whatever its labels are like.
        let table = probe::compare(&encoders, &self.config.data.source, &self.config.probe)
            .unwrap_or_else(|error| probe::ProbeTable { note: Some(error.to_string()), ..Default::default() });
        self.say(Event::Probes { step: self.state.step, table: table.clone() });
        Ok(table)
    }

    pub(super) fn end(&mut self, state: RunState) -> Outcome {
        self.info.state = state;
        if let Err(error) = self.folder.set_info(&self.info) {
            tracing::warn!("{error}");
        }
        let step = self.state.step;
        self.say(Event::End { step, state });
        Outcome { out: self.session.out.clone(), step, state, probes: None }
    }
}
