//! A probe of a run: the trained encoder, the untrained one it began as, and the raw input, one line each.

use std::sync::Arc;

use burn::module::Module as _;

use super::{ProbeKind, ProbeLine, ProbeReport, ProbeRequest, Variant};
use crate::data::{Source, Split};
use crate::error::Result;
use crate::jepa::Jepa as _;
use crate::probe::{self, Features, Frozen, ProbeConfig};

const TRAINED: &str = "trained encoder";
const UNTRAINED: &str = "untrained encoder";
const RAW: &str = "raw input";

/// What a probe looks at.
struct Subjects<V: Variant> {
    trained: Frozen<V>,
    untrained: Frozen<V>,
    train: Box<dyn Source<Sample = V::Sample>>,
    test: Box<dyn Source<Sample = V::Sample>>,
    config: ProbeConfig,
}

pub(super) fn run<V: Variant>(request: &ProbeRequest) -> Result<ProbeReport> {
    let trained = Frozen::<V>::open(&request.path, request.engine.clone())?;
    let (config, _) = probe::open_run::<V>(&request.path)?;
    let data = request.data.clone().unwrap_or_else(|| config.data.source.clone());
    let fresh = V::new(&config.model)?;
    let encoder = fresh.model(config.run.seed, &request.engine.device).target().valid();
    let untrained = Frozen::<V>::from_parts(Arc::new(fresh), encoder, request.engine.clone(), trained.workers())?
        .pooled_by(config.probe.pool);
    let train = trained.open_data(&data, Split::Train)?;
    let test = trained.open_data(&data, Split::Test)?;
    let subjects = Subjects { trained, untrained, train, test, config: config.probe };
    let about = subjects.train.describe();
    let (rows, [train, test]) = match request.kind {
        ProbeKind::Attentive => attentive(&subjects)?,
        ProbeKind::Svm => support_vectors(subjects)?,
        ProbeKind::Parts => parts(&subjects)?,
        kind => pooled(&subjects, kind)?,
    };
    Ok(ProbeReport { kind: request.kind, data: about, train, test, rows })
}

type Lines = (Vec<ProbeLine>, [usize; 2]);

impl<V: Variant> Subjects<V> {
    /// Features of both parts.
    fn both(&self, of: impl Fn(&dyn Source<Sample = V::Sample>, usize) -> Result<Features>) -> Result<[Features; 2]> {
        let ProbeConfig { max_train, max_test, .. } = self.config;
        Ok([of(self.train.as_ref(), max_train)?, of(self.test.as_ref(), max_test)?])
    }
}

/// The probes on one vector a sample.
fn pooled<V: Variant>(subjects: &Subjects<V>, kind: ProbeKind) -> Result<Lines> {
    let (mut rows, mut counts) = (Vec::new(), [0; 2]);
    for name in [TRAINED, UNTRAINED, RAW] {
        let [bank, queries] = subjects.both(|source, limit| match name {
            TRAINED => subjects.trained.features(source, limit),
            UNTRAINED => subjects.untrained.features(source, limit),
            _ => subjects.trained.raw(source, limit),
        })?;
        counts = [bank.len(), queries.len()];
        rows.extend(lines(name, &bank, &queries, kind, &subjects.config)?);
    }
    Ok((rows, counts))
}

fn lines(
    name: &str,
    bank: &Features,
    queries: &Features,
    kind: ProbeKind,
    config: &ProbeConfig,
) -> Result<Vec<ProbeLine>> {
    let spread = |(mean, deviation): (f64, f64), ways, shots| ProbeLine {
        ways,
        shots: Some(shots),
        deviation: Some(100.0 * deviation),
        ..ProbeLine::of(name, mean)
    };
    Ok(match kind {
        ProbeKind::Knn => vec![ProbeLine::of(name, probe::knn_accuracy(bank, queries, config)?)],
        ProbeKind::Linear => vec![ProbeLine::of(name, probe::linear_accuracy(bank, queries)?)],
        ProbeKind::LowShot => {
            let of = |shots: usize| -> Result<ProbeLine> {
                Ok(spread(probe::low_shot(bank, queries, shots, config)?, None, shots))
            };
            config.shots.iter().copied().map(of).collect::<Result<_>>()?
        }
        ProbeKind::FewShot => {
            let tasks =
                config.few_shot.ways.iter().flat_map(|ways| config.few_shot.shots.iter().map(move |n| [*ways, *n]));
            let of = |task: [usize; 2]| -> Result<ProbeLine> {
                let figures = probe::few_shot(bank, queries, task, &config.few_shot, &config.svm)?;
                Ok(spread(figures, Some(task[0]), task[1]))
            };
            tasks.map(of).collect::<Result<_>>()?
        }
        // These look at more than one vector a sample.
        ProbeKind::Attentive | ProbeKind::Svm | ProbeKind::Parts => Vec::new(),
    })
}

/// The attentive probe; raw inputs have no tokens to look at.
fn attentive<V: Variant>(subjects: &Subjects<V>) -> Result<Lines> {
    let Subjects { trained, untrained, train, test, config } = subjects;
    let (mut rows, mut counts) = (Vec::new(), [0; 2]);
    for (name, frozen) in [(TRAINED, trained), (UNTRAINED, untrained)] {
        let bank = frozen.token_table(train.as_ref(), config.attentive.max_train.min(config.max_train))?;
        let queries = frozen.token_table(test.as_ref(), config.max_test)?;
        counts = [bank.rows.len(), queries.rows.len()];
        let accuracy = probe::attentive_accuracy(&bank, &queries, &config.attentive, trained.replicas())?;
        rows.push(ProbeLine::of(name, accuracy));
    }
    Ok((rows, counts))
}

/// The support vector machine over several views: mean and deviation. Where a view draws nothing, one is all there is.
fn support_vectors<V: Variant>(subjects: Subjects<V>) -> Result<Lines> {
    let [bank, queries] = subjects.both(|source, limit| subjects.trained.raw(source, limit))?;
    let counts = [bank.len(), queries.len()];
    let svm = subjects.config.svm.clone();
    let raw = ProbeLine::of(RAW, probe::svm_accuracy(&bank, &queries, &svm)?);
    let Subjects { trained, untrained, train, test, config } = subjects;
    let mut rows = Vec::new();
    for (name, mut frozen) in [(TRAINED, trained), (UNTRAINED, untrained)] {
        let (mut figures, mut before) = (Vec::new(), None);
        for view in 1..=svm.views {
            frozen = frozen.seen_as(view);
            let bank = frozen.features(train.as_ref(), config.max_train)?;
            if before.as_ref() == Some(&bank) {
                break;
            }
            let queries = frozen.features(test.as_ref(), config.max_test)?;
            figures.push(probe::svm_accuracy(&bank, &queries, &svm)?);
            before = Some(bank);
        }
        let (mean, deviation) = probe::mean_and_deviation(&figures);
        let deviation = (figures.len() > 1).then_some(100.0 * deviation);
        rows.push(ProbeLine { deviation, ..ProbeLine::of(name, mean) });
    }
    rows.push(raw);
    Ok((rows, counts))
}

/// The part probe.
fn parts<V: Variant>(subjects: &Subjects<V>) -> Result<Lines> {
    let Subjects { trained, untrained, train, test, config } = subjects;
    let limits = [config.parts.max_train.min(config.max_train), config.max_test];
    let (train, test, elements) = (train.as_ref(), test.as_ref(), config.parts.elements);
    let scores = [
        (TRAINED, probe::part_scores(trained, train, test, limits, elements)?),
        (UNTRAINED, probe::part_scores(untrained, train, test, limits, elements)?),
        (RAW, probe::raw_part_scores(trained, train, test, limits, elements)?),
    ];
    let line = |(name, scores): (&str, probe::PartScores)| ProbeLine {
        category_iou: Some(100.0 * scores.category),
        ..ProbeLine::of(name, scores.instance)
    };
    let counts = [train.len().min(limits[0]), scores[0].1.samples];
    Ok((scores.into_iter().map(line).collect(), counts))
}
