//! The linear probe: multinomial logistic regression on standardised features, fitted to the optimum by L-BFGS, with
//! the L2 penalty chosen on held-out training samples. Deterministic; test samples choose nothing.

use std::collections::VecDeque;

use burn::prelude::*;
use burn::tensor::activation::{log_softmax, softmax};

use super::Features;
use crate::error::{Error, Result};
use crate::host;

const PENALTIES: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];
const ITERATIONS: usize = 150;
const MEMORY: usize = 10;

/// A fitted probe.
#[derive(Debug, Clone)]
pub struct LinearProbe {
    mean: Tensor<2>,
    scale: Tensor<2>,
    /// [width + 1, classes]; the last row is the bias.
    weights: Tensor<2>,
    /// The penalty that was chosen.
    pub penalty: f64,
    /// Accuracy on the held-out training samples that chose it; none where labels are too few to hold any out.
    pub held_out: Option<f64>,
}

/// How features are scaled before they are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// Each to unit variance, as a batch normalisation before the linear map does.
    Each,
    /// All by one number.
    All,
}

struct Problem {
    /// [samples, width + 1]
    x: Tensor<2>,
    /// One-hot, [samples, classes]
    y: Tensor<2>,
    penalty: f64,
}

impl Problem {
    /// Mean cross-entropy plus penalty / 2 · |W|² (bias left out), and its gradient.
    fn at(&self, w: &Tensor<2>) -> Result<(f64, Tensor<2>)> {
        let n = self.x.dims()[0] as f64;
        let [rows, classes] = w.dims();
        let logits = self.x.clone().matmul(w.clone());
        let loss = (log_softmax(logits.clone(), 1) * self.y.clone()).sum() / -n;
        let slope = self.x.clone().transpose().matmul(softmax(logits, 1) - self.y.clone()) / n;
        let decayed = w.clone().slice_assign([rows - 1..rows, 0..classes], Tensor::zeros([1, classes], &w.device()));
        let loss = loss + decayed.clone().powi_scalar(2).sum() * (self.penalty / 2.0);
        Ok((host::scalar(loss)?, slope + decayed * self.penalty))
    }

    /// Minimises from `w` with L-BFGS and a backtracking line search.
    fn minimise(&self, mut w: Tensor<2>) -> Result<Tensor<2>> {
        let dot = |a: &Tensor<2>, b: &Tensor<2>| host::scalar((a.clone() * b.clone()).sum());
        let (mut loss, mut gradient) = self.at(&w)?;
        let mut memory: VecDeque<(Tensor<2>, Tensor<2>, f64)> = VecDeque::new();
        for _ in 0..ITERATIONS {
            let mut direction = gradient.clone();
            let mut factors = Vec::new();
            for (s, y, rho) in memory.iter().rev() {
                let a = rho * dot(s, &direction)?;
                direction = direction - y.clone() * a;
                factors.push(a);
            }
            if let Some((s, y, _)) = memory.back() {
                direction = direction * (dot(s, y)? / dot(y, y)?.max(1e-30));
            }
            for ((s, y, rho), a) in memory.iter().zip(factors.into_iter().rev()) {
                let b = rho * dot(y, &direction)?;
                direction = direction + s.clone() * (a - b);
            }
            let slope = dot(&gradient, &direction)?;
            if slope.is_nan() || slope <= 1e-10 {
                break;
            }
            let mut step = if memory.is_empty() { 1.0 / slope.sqrt().max(1.0) } else { 1.0 };
            let accepted = loop {
                let next = w.clone() - direction.clone() * step;
                let (next_loss, next_gradient) = self.at(&next)?;
                if next_loss <= loss - 1e-4 * step * slope {
                    break Some((next, next_loss, next_gradient));
                }
                step *= 0.5;
                if step < 1e-6 {
                    break None;
                }
            };
            let Some((next, next_loss, next_gradient)) = accepted else { break };
            let s = next.clone() - w;
            let y = next_gradient.clone() - gradient;
            let curvature = dot(&s, &y)?;
            if curvature > 1e-12 {
                memory.push_back((s, y, 1.0 / curvature));
                if memory.len() > MEMORY {
                    memory.pop_front();
                }
            }
            let gain = loss - next_loss;
            (w, loss, gradient) = (next, next_loss, next_gradient);
            if gain < 1e-7 * loss.abs().max(1e-3) {
                break;
            }
        }
        Ok(w)
    }
}

pub(super) fn one_hot(labels: &[u32], classes: usize) -> Tensor<2> {
    let mut values = vec![0f32; labels.len() * classes];
    labels.iter().enumerate().for_each(|(i, l)| values[i * classes + *l as usize] = 1.0);
    Tensor::from_data(TensorData::new(values, [labels.len(), classes]), &Device::flex())
}

impl LinearProbe {
    /// Fits a probe; every fifth sample of each class in turn is held out to choose the penalty, when there are at
    /// least five a class.
    pub fn fit(train: &Features) -> Result<Self> {
        Self::fit_scaled(train, Scaling::Each)
    }

    /// [`fit`](Self::fit) with features scaled otherwise.
    pub fn fit_scaled(train: &Features, scaling: Scaling) -> Result<Self> {
        let labels = train.known_labels()?;
        let classes = labels.iter().max().map_or(0, |m| *m as usize + 1).max(train.classes.len());
        if classes < 2 {
            return Err(Error::data("probe", "a linear probe needs at least two classes"));
        }
        let mut seen = vec![0usize; classes];
        let held_out: Vec<bool> = labels
            .iter()
            .map(|l| {
                seen[*l as usize] += 1;
                seen[*l as usize].is_multiple_of(5)
            })
            .collect();
        let rows = |wanted: bool| -> Vec<usize> { (0..labels.len()).filter(|i| held_out[*i] == wanted).collect() };
        let enough = seen.iter().all(|n| *n == 0 || *n >= 5);
        let (penalty, found) = if enough {
            let (fit, check) = (train.subset(&rows(false)), train.subset(&rows(true)));
            let path = Self::path(&fit, &fit.known_labels()?, classes, &PENALTIES, scaling)?;
            let mut best = (f64::NEG_INFINITY, PENALTIES[0]);
            for probe in path {
                let accuracy = probe.accuracy(&check)?;
                if accuracy > best.0 {
                    best = (accuracy, probe.penalty);
                }
            }
            (best.1, Some(best.0))
        } else {
            (1e-2, None)
        };
        let path: Vec<f64> = PENALTIES.into_iter().filter(|p| *p > penalty).chain([penalty]).collect();
        let fitted = Self::path(train, &labels, classes, &path, scaling)?.pop();
        let fitted = fitted.ok_or_else(|| Error::Engine("no probe was fitted".into()))?;
        Ok(Self { held_out: found, ..fitted })
    }

    /// Fits along falling penalties, each started from the one before.
    fn path(
        train: &Features,
        labels: &[u32],
        classes: usize,
        penalties: &[f64],
        scaling: Scaling,
    ) -> Result<Vec<Self>> {
        let x = train.tensor();
        let n = train.len();
        let mean = x.clone().mean_dim(0);
        let centred = x - mean.clone();
        let variance = centred.clone().powi_scalar(2).mean_dim(0);
        let variance = match scaling {
            Scaling::Each => variance,
            Scaling::All => variance.clone().mean_dim(1).expand(variance.dims()),
        };
        let scale = variance.sqrt().clamp_min(1e-6);
        let x = Tensor::cat(vec![centred / scale.clone(), Tensor::ones([n, 1], &Device::flex())], 1);
        let y = one_hot(labels, classes);
        let mut weights = Tensor::zeros([train.width() + 1, classes], &Device::flex());
        let mut probes = Vec::new();
        for &penalty in penalties {
            weights = Problem { x: x.clone(), y: y.clone(), penalty }.minimise(weights)?;
            probes.push(Self {
                mean: mean.clone(),
                scale: scale.clone(),
                weights: weights.clone(),
                penalty,
                held_out: None,
            });
        }
        Ok(probes)
    }

    /// Class scores, [samples, classes].
    pub fn scores(&self, features: &Features) -> Tensor<2> {
        let x = (features.tensor() - self.mean.clone()) / self.scale.clone();
        let x = Tensor::cat(vec![x, Tensor::ones([features.len(), 1], &Device::flex())], 1);
        x.matmul(self.weights.clone())
    }

    /// The class with the highest score of every row.
    pub fn predict(&self, features: &Features) -> Result<Vec<u32>> {
        best(self.scores(features))
    }

    /// Share of rows whose class has the highest score.
    pub fn accuracy(&self, features: &Features) -> Result<f64> {
        accuracy(self.scores(features), &features.known_labels()?)
    }

    /// How often the two of a pair are told apart: of the rows whose class is in a pair, the share whose own class has
    /// the higher score of the two. None without such rows.
    pub fn accuracy_between(&self, features: &Features, pairs: &[[u32; 2]]) -> Result<Option<f64>> {
        if pairs.is_empty() {
            return Ok(None);
        }
        let labels = features.known_labels()?;
        let scores = self.scores(features);
        let classes = scores.dims()[1];
        let values = host::read(scores)?;
        let (mut right, mut all) = (0usize, 0usize);
        for (row, label) in values.chunks_exact(classes).zip(labels) {
            for [one, other] in pairs {
                let rival = match label {
                    l if l == *one => *other,
                    l if l == *other => *one,
                    _ => continue,
                };
                all += 1;
                right += usize::from(row.get(label as usize) > row.get(rival as usize));
            }
        }
        Ok((all > 0).then(|| right as f64 / all as f64))
    }
}

/// Share of the rows of `scores`, [samples, classes], whose own class has the highest one.
pub(super) fn accuracy(scores: Tensor<2>, labels: &[u32]) -> Result<f64> {
    let right = best(scores)?.into_iter().zip(labels).filter(|(found, label)| found == *label);
    Ok(right.count() as f64 / labels.len().max(1) as f64)
}

/// The class with the highest score of every row.
fn best(scores: Tensor<2>) -> Result<Vec<u32>> {
    let classes = scores.dims()[1];
    let best = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i as u32);
    Ok(host::read(scores)?.chunks_exact(classes).map(best).collect())
}

/// Test accuracy of a linear probe.
pub fn linear_accuracy(train: &Features, test: &Features) -> Result<f64> {
    LinearProbe::fit(train)?.accuracy(test)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::{Draw as _, Purpose, Stream};

    pub(in super::super) fn clouds(seed: u64, n: usize, distance: f32) -> Features {
        let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
        let labels: Vec<Option<u32>> = (0..n).map(|i| Some(i as u32 % 3)).collect();
        let values = (0..n)
            .flat_map(|i| (0..4).map(move |d| (i, d)))
            .map(|(i, d)| stream.normal() + if d == i % 3 { distance } else { 0.0 } + 100.0 * d as f32)
            .collect();
        Features::new(values, labels, (0..n).collect(), vec![]).unwrap()
    }

    #[test]
    fn separated_classes_are_told_apart_and_equal_ones_are_not() {
        let far = linear_accuracy(&clouds(1, 300, 8.0), &clouds(2, 300, 8.0)).unwrap();
        let same = linear_accuracy(&clouds(1, 300, 0.0), &clouds(2, 300, 0.0)).unwrap();
        assert!(far > 0.99, "{far}");
        assert!((same - 1.0 / 3.0).abs() < 0.1, "{same}");
    }

    #[test]
    fn the_optimum_has_no_slope() {
        let train = clouds(3, 200, 1.0);
        let labels = train.known_labels().unwrap();
        let probe = LinearProbe::path(&train, &labels, 3, &[1e-2], Scaling::Each).unwrap().pop().unwrap();
        let x =
            Tensor::cat(vec![(train.tensor() - probe.mean) / probe.scale, Tensor::ones([200, 1], &Device::flex())], 1);
        let (_, gradient) = Problem { x, y: one_hot(&labels, 3), penalty: 1e-2 }.at(&probe.weights).unwrap();
        let slope = host::scalar(gradient.abs().max()).unwrap();
        assert!(slope < 1e-3, "{slope}");
    }

    #[test]
    fn pairs_are_judged_between_the_two_alone() {
        // Classes 0 and 1 are one cloud, 2 is far away: over all classes two thirds are right at best.
        let merged = |seed| {
            let features = clouds(seed, 300, 8.0);
            let labels: Vec<Option<u32>> = (0..300).map(|i| Some([0, 2, 1][i % 3])).collect();
            let values = (0..300).flat_map(|i| features.row(if i % 3 == 2 { i - 2 } else { i }).to_vec()).collect();
            Features::new(values, labels, (0..300).collect(), vec![]).unwrap()
        };
        let (probe, test) = (LinearProbe::fit(&merged(6)).unwrap(), merged(7));
        let between = |pairs: &[[u32; 2]]| probe.accuracy_between(&test, pairs).unwrap();
        assert!((between(&[[0, 1]]).unwrap() - 0.5).abs() < 0.01, "{:?}", between(&[[0, 1]]));
        assert!(between(&[[0, 2]]).unwrap() > 0.99);
        assert_eq!((between(&[]), between(&[[7, 8]])), (None, None));
    }
}
