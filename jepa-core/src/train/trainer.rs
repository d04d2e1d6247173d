//! The training step, on one page, in the order of the paper.

use std::sync::atomic::Ordering;

use super::run::Run;
use super::{Outcome, RunConfig, Session, Verdict};
use crate::error::{Error, Result};
use crate::jepa::Step;
use crate::plugin::Variant;
use crate::runlog::{Observer, RunState};

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
            let run = &self.config.run;
            let step = Step::new(number, total, run.seed, &self.session.engine.device).with_products(run.precision);

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
                    self.learn_online(number, &prepared);
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
