//! One run of a comparison: trained or resumed, then probed at its planned checkpoints.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jepa_core::device::Engine;
use jepa_core::plugin::{self, Beside, ProbeKind, ProbeLine, ProbeRequest, Settings, TrainRequest};
use jepa_core::probe::TRAINED;
use jepa_core::runlog::{self, Event, Observer, RunState};
use jepa_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::clock;
use super::entry::Entry;
use super::plan::{Plan, Request};

/// Times that a run may be stopped and resumed before a planned checkpoint is lost to those of the stops.
const STOPS: u64 = 16;

/// A variant with a seed.
pub(crate) struct Cell<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) entry: &'a Entry,
    pub(crate) seed: u64,
    /// Folder of the comparison.
    pub(crate) out: &'a Path,
    pub(crate) engine: &'a Engine,
    /// Copies that share a batch; absent: as the configuration says.
    pub(crate) replicas: Option<usize>,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Measured {
    /// Of the competitor.
    pub(crate) name: String,
    pub(crate) variant: String,
    pub(crate) preset: String,
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    /// Trained parameters.
    pub(crate) parameters: usize,
    /// Collapse alarms of the run.
    pub(crate) alarms: usize,
    /// The beginning, and every planned checkpoint.
    pub(crate) points: Vec<Measure>,
}

/// Accuracies at one moment of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Measure {
    pub(crate) step: u64,
    /// Floating-point operations of training until then.
    pub(crate) flops: f64,
    /// Seconds of training until then.
    pub(crate) seconds: f64,
    pub(crate) scores: Vec<Score>,
}

/// One accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Score {
    /// Kind of probe, as it was asked for.
    pub(crate) probe: String,
    /// Whose features.
    pub(crate) features: String,
    /// In percent.
    pub(crate) accuracy: f64,
}

/// The probes that a comparison can take.
pub(crate) const PROBES: [(&str, ProbeKind); 4] = [
    ("linear", ProbeKind::Linear),
    ("knn", ProbeKind::Knn),
    ("low-shot", ProbeKind::LowShot),
    ("attentive", ProbeKind::Attentive),
];

/// The kind of a probe's name.
pub(crate) fn probe_kind(name: &str) -> Result<ProbeKind> {
    let known: Vec<&str> = PROBES.iter().map(|(name, _)| *name).collect();
    let found = PROBES.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| *kind).ok_or_else(|| Error::unknown("kind of probe", name, &known))
}

impl Cell<'_> {
    /// Name of the run.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.entry.folder(), self.seed)
    }

    fn run(&self) -> PathBuf {
        self.out.join("runs").join(self.name())
    }

    /// Trains until the run is finished; false: it was stopped before.
    pub(crate) fn train(&self, stop: &Arc<AtomicBool>, observer: &mut dyn Observer) -> Result<bool> {
        let run = self.run();
        let begun = run.join("run.json").is_file();
        if begun && runlog::read_info(&run)?.state == RunState::Finished {
            return Ok(true);
        }
        let Plan { request, .. } = self.plan;
        let settings = if begun {
            Settings { replicas: self.replicas, ..Settings::default() }
        } else {
            let mut settings = self.entry.settings(request);
            // A run that is stopped saves where it is too: some more may be there than are probed.
            let keep = request.points + STOPS;
            settings.assignments.extend([format!("run.checkpoint_every={}", self.every()), format!("run.keep={keep}")]);
            Settings { steps: Some(self.entry.steps), seed: Some(self.seed), replicas: self.replicas, ..settings }
        };
        let request = TrainRequest {
            resume: begun,
            engine: self.engine.clone(),
            command: crate::commands::command_line(),
            stop: stop.clone(),
            ..TrainRequest::new(settings, run)
        };
        Ok(plugin::find(&self.entry.variant)?.train(&request, observer)?.state == RunState::Finished)
    }

    /// Steps from one probed checkpoint to the next.
    fn every(&self) -> u64 {
        self.entry.steps.div_ceil(self.plan.request.points.max(1))
    }

    /// Probes every planned checkpoint; what was probed before is read. Where a run was stopped on the way says nothing
    /// about others.
    pub(crate) fn measure(&self) -> Result<Measured> {
        let run = self.run();
        let seconds = clock::step_seconds(&run)?;
        let mut points = Vec::new();
        let is_planned = |step: u64| step.is_multiple_of(self.every()) || step == self.entry.steps;
        let found = checkpoints(&run.join("checkpoints"))?;
        for (step, checkpoint) in found.into_iter().filter(|(step, _)| is_planned(*step)) {
            let beside = if points.is_empty() { self.beside() } else { Beside::Nothing };
            let (scores, others) = self.scores(step, &checkpoint, beside)?.into_iter().partition(Score::is_of_trained);
            if points.is_empty() {
                // The untrained encoder is where every run begins.
                points.push(Measure { step: 0, flops: 0.0, seconds: 0.0, scores: others });
            }
            points.push(Measure {
                step,
                flops: step as f64 * self.entry.flops,
                seconds: seconds.range(..=step).map(|(_, seconds)| seconds).sum(),
                scores,
            });
        }
        let events = runlog::read_events(&run)?;
        let parameters = events.iter().find_map(|event| match event {
            Event::Start { parameters, .. } => Some(*parameters),
            _ => None,
        });
        Ok(Measured {
            name: self.entry.name(),
            variant: self.entry.variant.clone(),
            preset: self.entry.preset.clone(),
            seed: self.seed,
            steps: self.entry.steps,
            parameters: parameters.unwrap_or(0),
            alarms: events.iter().filter(|event| matches!(event, Event::Alarm { .. })).count(),
            points,
        })
    }

    /// Raw values are the same for every run: the first of the plan is asked for them.
    fn beside(&self) -> Beside {
        let Plan { request, entries } = self.plan;
        let is_first = entries.first() == Some(self.entry) && request.seeds.first() == Some(&self.seed);
        if is_first { Beside::Floors } else { Beside::Untrained }
    }

    /// Every probe of the plan at a checkpoint.
    fn scores(&self, step: u64, checkpoint: &Path, beside: Beside) -> Result<Vec<Score>> {
        let path = self.out.join("probes").join(self.name()).join(format!("{step}.json"));
        if path.is_file() {
            let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
            return serde_json::from_slice(&bytes).map_err(|e| Error::format(&path, format!("holds no scores: {e}")));
        }
        let Request { probes, shots, .. } = &self.plan.request;
        let reports = plugin::find(&self.entry.variant)?.probe(&ProbeRequest {
            path: checkpoint.to_owned(),
            kinds: probes.iter().map(|probe| probe_kind(probe)).collect::<Result<_>>()?,
            beside,
            data: None,
            label: None,
            assignments: vec![format!("probe.shots=[{shots}]"), "probe.shares=[]".to_owned()],
            engine: self.engine.clone(),
        })?;
        let scores: Vec<Score> = probes
            .iter()
            .zip(reports)
            .flat_map(|(probe, report)| report.rows.into_iter().map(|line| Score::new(probe, line)))
            .collect();
        let bytes = serde_json::to_vec_pretty(&scores).map_err(|e| Error::Engine(e.to_string()))?;
        runlog::write(&path, &bytes)?;
        Ok(scores)
    }
}

impl Score {
    fn new(probe: &str, line: ProbeLine) -> Self {
        Self { probe: probe.to_owned(), features: line.features, accuracy: line.accuracy }
    }

    fn is_of_trained(&self) -> bool {
        self.features == TRAINED
    }
}

/// Checkpoints of a run by their step.
fn checkpoints(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let listing = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut found: Vec<(u64, PathBuf)> = listing
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let step = path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?;
            path.join("manifest.json").is_file().then_some((step, path))
        })
        .collect();
    found.sort();
    Ok(found)
}
