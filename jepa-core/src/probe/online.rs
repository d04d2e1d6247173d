//! A linear probe that learns beside the run, from features that give nothing back to it: what they are worth is seen
//! while they are learned (LeJEPA, eb_jepa).

use burn::prelude::*;
use burn::tensor::activation::{log_softmax, softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear::one_hot;
use crate::checkpoint::Named;
use crate::error::{Error, Result};
use crate::host;
use crate::nn::normalise;

/// How the online probe learns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OnlineConfig {
    /// Steps of training from one of the probe to the next; 0: no online probe. Each costs one pass of the batch through
    /// the frozen encoder, and changes nothing of the run.
    pub every: u64,
    /// Steps of the probe that one event is about.
    pub report: u64,
    /// Learning rate of its AdamW (LeJEPA: 1e-3).
    pub lr: f64,
    /// Weight decay (LeJEPA: 1e-7).
    pub decay: f64,
}

impl Default for OnlineConfig {
    fn default() -> Self {
        Self { every: 0, report: 20, lr: 1e-3, decay: 1e-7 }
    }
}

impl OnlineConfig {
    pub(super) fn check(&self) -> Result<()> {
        if self.report == 0 || !(self.lr > 0.0 && self.lr.is_finite() && self.decay >= 0.0 && self.decay.is_finite()) {
            return Err(Error::config("probe.online", "report and lr must be positive, decay a number of at least 0"));
        }
        Ok(())
    }
}

/// What the probe says of the batches since it spoke last, each judged before it was learned from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnlineFigures {
    /// Share of samples whose class had the highest score.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Samples.
    pub samples: u64,
}

/// Layer normalisation, then a linear map, trained with AdamW from zero.
#[derive(Debug, Clone)]
pub struct OnlineProbe {
    config: OnlineConfig,
    classes: usize,
    /// Weights and moments, [width + 1, classes], the last row the bias; none before the first batch.
    weights: Option<[Tensor<2>; 3]>,
    counts: Counts,
}

/// Small enough that a checkpoint holds them exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    updates: f32,
    steps: f32,
    right: f32,
    samples: f32,
    loss: f32,
}

const BETAS: [f64; 2] = [0.9, 0.999];
const NAMES: [&str; 3] = ["weights", "first_moments", "second_moments"];

impl OnlineProbe {
    /// A probe of `classes` classes that knows nothing yet.
    pub fn new(config: OnlineConfig, classes: usize) -> Self {
        Self { config, classes, weights: None, counts: Counts::default() }
    }

    /// Judges a batch of features [samples, width], then learns from it. Every `report` steps it says how it went.
    pub fn step(&mut self, features: &[f32], labels: &[u32]) -> Result<Option<OnlineFigures>> {
        let (samples, device) = (labels.len(), Device::flex());
        let width = features.len().checked_div(samples).unwrap_or(0);
        let known = self.weights.as_ref().is_none_or(|[w, ..]| w.dims()[0] == width + 1);
        if width * samples != features.len()
            || width == 0
            || !known
            || labels.iter().any(|l| *l as usize >= self.classes)
        {
            let problem = format!(
                "{} features and {samples} labels make no batch of the online probe of {} classes",
                features.len(),
                self.classes
            );
            return Err(Error::Engine(problem));
        }
        if features.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let x = Tensor::<3>::from_data(TensorData::new(features.to_vec(), [1, samples, width]), &device);
        let x = Tensor::cat(vec![normalise(x, 1e-5).squeeze_dim(0), Tensor::ones([samples, 1], &device)], 1);
        let zeros = || Tensor::<2>::zeros([width + 1, self.classes], &device);
        let [weights, first, second] = self.weights.take().unwrap_or_else(|| [zeros(), zeros(), zeros()]);

        let scores = x.clone().matmul(weights.clone());
        let wanted = one_hot(labels, self.classes);
        let loss = (log_softmax(scores.clone(), 1) * wanted.clone()).sum() * -1.0;
        let right = super::linear::accuracy(scores.clone(), labels)? * samples as f64;
        let counts = &mut self.counts;
        counts.right += right.round() as f32;
        counts.loss += host::scalar(loss)? as f32;
        counts.samples += samples as f32;
        counts.steps += 1.0;
        counts.updates += 1.0;

        let slope = x.transpose().matmul(softmax(scores, 1) - wanted) / samples as f64;
        let first = first * BETAS[0] + slope.clone() * (1.0 - BETAS[0]);
        let second = second * BETAS[1] + slope.powi_scalar(2) * (1.0 - BETAS[1]);
        let corrected = |beta: f64| 1.0 - beta.powf(f64::from(counts.updates));
        let root = (second.clone() / corrected(BETAS[1])).sqrt() + 1e-8;
        let OnlineConfig { lr, decay, report, .. } = self.config;
        let weights = weights * (1.0 - lr * decay) - first.clone() / corrected(BETAS[0]) / root * lr;
        self.weights = Some([weights, first, second]);

        if counts.steps < report as f32 {
            return Ok(None);
        }
        let Counts { right, samples, loss, .. } = *counts;
        let share = |sum: f32| f64::from(sum) / f64::from(samples);
        let figures = OnlineFigures { accuracy: share(right), loss: share(loss), samples: samples as u64 };
        *counts = Counts { updates: counts.updates, ..Counts::default() };
        Ok(Some(figures))
    }

    /// As tensors of a checkpoint; none before the first batch.
    pub fn named(&self) -> Result<Named> {
        let Some(weights) = &self.weights else { return Ok(Named::new()) };
        let Counts { updates, steps, right, samples, loss } = self.counts;
        let counts = vec![updates, steps, right, samples, loss];
        let mut named = Named::from([("counts".to_owned(), (vec![counts.len()], counts))]);
        for (name, values) in NAMES.iter().zip(weights) {
            named.insert((*name).to_owned(), (values.dims().to_vec(), host::read(values.clone())?));
        }
        Ok(named)
    }

    /// Back from [`Self::named`]; what does not fit begins anew.
    pub fn restored(self, mut tensors: Named) -> Self {
        let mut matrix = |name: &str| {
            let (shape, values) = tensors.remove(name)?;
            let [rows, columns] = <[usize; 2]>::try_from(shape).ok()?;
            (columns == self.classes && values.len() == rows * columns)
                .then(|| Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &Device::flex()))
        };
        let [weights, first, second] = NAMES.map(&mut matrix);
        let counts = tensors.remove("counts").map(|(_, counts)| counts);
        let (Some(weights), Some(first), Some(second)) = (weights, first, second) else { return self };
        let Some([updates, steps, right, samples, loss]) = counts.and_then(|c| <[f32; 5]>::try_from(c).ok()) else {
            return self;
        };
        let counts = Counts { updates, steps, right, samples, loss };
        Self { weights: Some([weights, first, second]), counts, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draw as _, Purpose, Stream};

    /// A batch of three classes around corners `distance` apart.
    fn batch(number: u64, distance: f32) -> (Vec<f32>, Vec<u32>) {
        let mut stream = Stream::new(number, Purpose::Test, 0, 0);
        let labels: Vec<u32> = (0..32).map(|_| stream.below(3) as u32).collect();
        let row = |label: &u32| -> [f32; 8] {
            std::array::from_fn(|d| stream.normal() + if d == *label as usize { distance } else { 0.0 })
        };
        (labels.iter().flat_map(row).collect(), labels)
    }

    fn run(mut probe: OnlineProbe, steps: std::ops::Range<u64>, distance: f32) -> (OnlineProbe, Vec<OnlineFigures>) {
        let mut said = Vec::new();
        for step in steps {
            let (features, labels) = batch(step, distance);
            said.extend(probe.step(&features, &labels).unwrap());
        }
        (probe, said)
    }

    #[test]
    fn it_learns_what_is_there_and_nothing_else_and_goes_on_from_a_checkpoint() {
        let config = OnlineConfig { every: 1, report: 25, lr: 1e-2, ..Default::default() };
        let fresh = || OnlineProbe::new(config, 3);
        let (whole, said) = run(fresh(), 0..200, 6.0);
        assert_eq!((said.len(), said[0].samples), (8, 25 * 32));
        assert!(said[7].accuracy > 0.95 && said[7].loss < said[0].loss, "{said:?}");
        let (_, nothing) = run(fresh(), 0..200, 0.0);
        assert!((nothing[7].accuracy - 1.0 / 3.0).abs() < 0.08, "{nothing:?}");

        let (half, mut first) = run(fresh(), 0..110, 6.0);
        let again = fresh().restored(half.named().unwrap());
        let (again, rest) = run(again, 110..200, 6.0);
        first.extend(rest);
        assert_eq!(first, said);
        assert_eq!(again.named().unwrap(), whole.named().unwrap());
        assert!(fresh().step(&[1.0; 8], &[3]).is_err(), "a class it does not know");
    }
}
