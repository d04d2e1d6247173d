//! Every collapse figure of a run: `probe --kind collapse`.

use std::sync::Arc;

use burn::module::Module as _;
use burn::prelude::*;
use nalgebra::DMatrix;

use super::Variant;
use super::variant::{Draws, Evaluated, Evaluation, Networks, Rival};
use crate::collapse::{Alarm, Circumstances, Diagnostics, Report, ReportRow, centred, distance_to};
use crate::data::{DataSpec, Source, Split};
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Batch as _, Forward, Jepa, Role, Step};
use crate::nn::normalise;
use crate::probe::{Frozen, chosen, sampled_tokens};
use crate::train::{Schedule, default_replicas};

/// Clean samples that are pooled.
const SAMPLES: usize = 1024;
/// Samples that are masked several times.
const IMAGES: usize = 100;
/// Masks of each.
const MASKS: usize = 10;
/// Samples of one masked batch.
const BATCH: usize = 20;
/// Masks are drawn as those of steps that no run reaches.
const FIRST_STEP: u64 = 1 << 41;

pub(super) fn evaluation<V: Variant>() -> Evaluation<V> {
    Evaluation {
        name: "collapse",
        about: "every figure that shows a collapse, of target encoder, student and untrained encoder",
        run: run::<V>,
    }
}

type Encoder<V> = <<V as Variant>::Model as Jepa>::Target;

fn run<V: Variant>(networks: &Networks<V>, beside: &[Rival<V>], data: Option<&str>) -> Result<Evaluated> {
    if let Some((name, _)) = beside.first() {
        return Err(Error::config("--beside", format!("collapse figures are of one run; ask for `{name}` by itself")));
    }
    let config = &networks.config;
    let spec = DataSpec::parse(data.unwrap_or(&config.data.source), V::FORMATS);
    let source = networks.variant.open(&spec, Split::Train)?;
    let (source, device) = (source.as_ref(), &networks.engine.device);
    // One encoder at a time: the tokens of three need not fit into memory together.
    let figures = |encoder: &Encoder<V>| {
        let tokens = sampled_tokens::<V>(&networks.variant, source, &[encoder], device)?.and_then(|mut all| all.pop());
        let tokens = tokens.ok_or_else(|| {
            let spec = data.unwrap_or(&config.data.source);
            Error::data(spec, "collapse figures need two readable samples")
        })?;
        Diagnostics::of(tokens)?.ok_or_else(|| Error::Engine("the embeddings are not finite".into()))
    };
    let student = networks.student.target();
    let contexts = Contexts::of(networks, source)?;
    // A target encoder sees everything: contexts are the student's.
    let row = |name: &str, encoder: &Encoder<V>, views: Option<&DMatrix<f64>>| {
        let (pooled, found) = (pooled(networks, encoder, source)?, figures(encoder)?);
        Ok::<_, Error>((ReportRow::of(name, &pooled, found.content, views.map(|v| (v, MASKS))), pooled, found))
    };
    let (target, of_target, now) = row("target encoder", &networks.target, None)?;
    let (beside, of_student, _) = row("student", student, contexts.student.as_ref())?;
    let (untrained, _, before) = row("untrained encoder", networks.untrained.target(), contexts.untrained.as_ref())?;
    let circumstances = Circumstances {
        target: config.target,
        momentum: Schedule::new(&config.schedule, config.run.steps)?.at(config.run.steps).momentum,
        objective: config.objective.clone(),
    };
    let report = Report {
        data: source.describe(),
        samples: of_target.nrows(),
        views: [contexts.images, MASKS],
        student_distance: distance_to(&networks.target, student)?,
        student_agreement: agreement(&of_target, &of_student),
        prediction_spread: contexts.prediction_spread,
        alarm: Alarm::of(&now, &before, config.guard.collapse_ratio, &circumstances),
        rows: vec![target, beside, untrained],
    };
    let figures = serde_json::to_value(&report).map_err(|e| Error::Engine(e.to_string()))?;
    Ok(Evaluated { text: report.to_string(), figures, files: Vec::new() })
}

/// Mean-pooled embeddings of clean samples, [samples, width].
fn pooled<V: Variant>(
    networks: &Networks<V>,
    encoder: &Encoder<V>,
    source: &dyn Source<Sample = V::Sample>,
) -> Result<DMatrix<f64>> {
    let variant = Arc::new(V::new(&networks.config.model)?);
    let engine = networks.engine.clone();
    let workers = default_replicas(&engine);
    let table = Frozen::<V>::from_parts(variant, encoder.valid(), engine, workers)?.features(source, SAMPLES)?;
    let values: Vec<f64> = table.values().iter().map(|v| f64::from(*v)).collect();
    Ok(DMatrix::from_row_slice(table.len(), table.width(), &values))
}

/// Mean cosine of matching rows, both less their mean.
fn agreement(a: &DMatrix<f64>, b: &DMatrix<f64>) -> f64 {
    let (a, b) = (centred(a), centred(b));
    let cosines = a.row_iter().zip(b.row_iter()).map(|(x, y)| x.dot(&y) / (x.norm() * y.norm()).max(1e-12));
    cosines.sum::<f64>() / a.nrows().max(1) as f64
}

/// Pooled contexts of the same samples under several masks, those of one sample one after another.
struct Contexts {
    images: usize,
    student: Option<DMatrix<f64>>,
    untrained: Option<DMatrix<f64>>,
    prediction_spread: Option<f64>,
}

impl Contexts {
    fn of<V: Variant>(networks: &Networks<V>, source: &dyn Source<Sample = V::Sample>) -> Result<Self> {
        let (seed, device) = (networks.config.run.seed, &networks.engine.device);
        let step = Step { batch_statistics: false, ..Step::new(1, 1, seed, device) };
        // Values of every mask, of all samples one after another; none where the variant gives no such rows.
        let [mut student, mut untrained] = [(); 2].map(|()| vec![Some(Vec::new()); MASKS]);
        let (mut images, mut predicted, mut targets) = (0, 0.0, 0.0);
        for mask in 0..MASKS {
            let places = chosen(source.len(), IMAGES).into_iter();
            let mut samples: Vec<V::Sample> = places.filter_map(|place| source.read(place).ok()).collect();
            images = samples.len();
            for first in (0..images).step_by(BATCH) {
                let rest = samples.split_off(BATCH.min(samples.len()));
                let number = FIRST_STEP + (mask * IMAGES + first) as u64;
                let draws = Draws::new(seed, number, (first..first + samples.len()).collect());
                let batch = networks.variant.batch(std::mem::replace(&mut samples, rest), &draws)?;
                let forward = networks.student.forward(&networks.target, &batch, &step);
                for pair in &forward.pairs {
                    let target = match networks.config.objective.normalise_targets {
                        Some(eps) => normalise(pair.target.clone(), eps),
                        None => pair.target.clone(),
                    };
                    predicted += deviation(pair.predicted.clone())?;
                    targets += deviation(target)?;
                }
                collect(&mut student[mask], &forward, batch.len())?;
                let forward = networks.untrained.forward(networks.untrained.target(), &batch, &step);
                collect(&mut untrained[mask], &forward, batch.len())?;
            }
        }
        let together = |views: Vec<Option<Vec<f64>>>| -> Option<DMatrix<f64>> {
            let views: Vec<Vec<f64>> = views.into_iter().collect::<Option<_>>()?;
            let width = views.first()?.len().checked_div(images)?;
            Some(DMatrix::from_fn(images * MASKS, width, |i, j| views[i % MASKS][i / MASKS * width + j]))
        };
        Ok(Self {
            images,
            student: together(student),
            untrained: together(untrained),
            prediction_spread: (targets > 0.0).then(|| predicted / targets),
        })
    }
}

/// Adds the pooled context of every sample; nothing can be said where there is none, or are several a sample.
fn collect(values: &mut Option<Vec<f64>>, forward: &Forward, samples: usize) -> Result<()> {
    match (values.as_mut(), forward.embedding(Role::Context)) {
        (Some(values), Some(context)) if context.dims()[0] == samples => {
            values.extend(host::read_f64(context.clone().inner().mean_dim(1))?);
        }
        _ => *values = None,
    }
    Ok(())
}

/// Mean over dimensions of the deviation over rows and tokens.
fn deviation(x: Tensor<3>) -> Result<f64> {
    let [rows, tokens, width] = x.dims();
    let x = x.inner().reshape([rows * tokens, width]);
    let centred = x.clone() - x.mean_dim(0);
    host::scalar(centred.powi_scalar(2).mean_dim(0).sqrt().mean())
}
