//! A linear support vector machine, each class against the rest, by dual coordinate descent (Hsieh et al., "A Dual
//! Coordinate Descent Method for Large-scale Linear SVM", 2008): the optimum that LIBLINEAR and scikit-learn's
//! `LinearSVC` go to, bias penalised as there. Deterministic.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Features;
use crate::error::{Error, Result};
use crate::random::{Draw as _, Purpose, Stream};

/// The linear support vector machine and the protocol around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SvmConfig {
    /// Weight of the samples' losses against the margin's width (Point-JEPA: 0.012, on features as they are). The right
    /// one depends on the scale of the features.
    pub c: f64,
    /// Give every feature mean 0 and deviation 1 over the training samples (Point-JEPA: no).
    pub standardise: bool,
    /// What a sample inside the margin costs.
    pub loss: SvmLoss,
    /// Views of the samples, each with draws of its own; mean and deviation over them are reported (Point-JEPA: 10).
    pub views: u64,
    /// Passes over the samples at most.
    pub passes: usize,
}

/// What a sample inside the margin costs, d being how deep it lies there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SvmLoss {
    /// d (Point-JEPA; scikit-learn's `SVC`).
    Hinge,
    /// d² (the default of scikit-learn's `LinearSVC`).
    #[default]
    SquaredHinge,
}

impl Default for SvmConfig {
    fn default() -> Self {
        Self { c: 1.0, standardise: true, loss: SvmLoss::SquaredHinge, views: 10, passes: 1000 }
    }
}

impl SvmConfig {
    pub(super) fn check(&self) -> Result<()> {
        if !(self.c > 0.0 && self.c.is_finite()) || self.views == 0 || self.passes == 0 {
            return Err(Error::config("probe.svm", "c, views and passes must be positive"));
        }
        Ok(())
    }
}

/// Largest violation of the optimum's conditions that is accepted (scikit-learn's `LinearSVC`: 1e-4).
const TOLERANCE: f64 = 1e-4;

/// A fitted machine.
#[derive(Debug, Clone)]
pub struct LinearSvm {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// A class and its hyperplane, [width + 1], the bias last.
    planes: Vec<(u32, Vec<f64>)>,
}

impl LinearSvm {
    /// Fits one hyperplane for each class that occurs.
    pub fn fit(train: &Features, config: &SvmConfig) -> Result<Self> {
        config.check()?;
        let labels = train.known_labels()?;
        let mut classes = labels.clone();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 {
            return Err(Error::data("probe", "a support vector machine needs at least two classes"));
        }
        let (mean, scale) = if config.standardise { moments(train) } else { as_they_are(train.width()) };
        let rows: Vec<Vec<f64>> = (0..train.len()).map(|i| prepared(train.row(i), &mean, &scale)).collect();
        let planes = classes
            .into_par_iter()
            .map(|class| {
                let signs: Vec<f64> = labels.iter().map(|label| if *label == class { 1.0 } else { -1.0 }).collect();
                (class, descend(&rows, &signs, config))
            })
            .collect();
        Ok(Self { mean, scale, planes })
    }

    /// Distances to the hyperplanes, times the length of their normals: one value a class, lowest class first.
    pub fn decision(&self, row: &[f32]) -> Vec<f64> {
        let row = prepared(row, &self.mean, &self.scale);
        self.planes.iter().map(|(_, plane)| dot(plane, &row)).collect()
    }

    /// Share of rows whose class has the highest decision value; ties go to the lower class.
    pub fn accuracy(&self, test: &Features) -> Result<f64> {
        let labels = test.known_labels()?;
        let right = (0..test.len()).into_par_iter().filter(|&i| {
            let values = self.decision(test.row(i));
            let best = (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best });
            self.planes[best].0 == labels[i]
        });
        Ok(right.count() as f64 / test.len().max(1) as f64)
    }
}

/// Test accuracy of the support vector machine.
pub fn svm_accuracy(train: &Features, test: &Features, config: &SvmConfig) -> Result<f64> {
    if train.width() != test.width() {
        let problem = format!("features of width {} against {}", test.width(), train.width());
        return Err(Error::Engine(problem));
    }
    LinearSvm::fit(train, config)?.accuracy(test)
}

/// One hyperplane for rows [width + 1] with signs ±1.
fn descend(rows: &[Vec<f64>], signs: &[f64], config: &SvmConfig) -> Vec<f64> {
    // The squared loss puts 1 / 2C on the diagonal and leaves the multipliers unbounded; the plain one bounds them.
    let (diagonal, limit) = match config.loss {
        SvmLoss::Hinge => (0.0, config.c),
        SvmLoss::SquaredHinge => (0.5 / config.c, f64::INFINITY),
    };
    let squares: Vec<f64> = rows.iter().map(|row| dot(row, row) + diagonal).collect();
    let mut plane = vec![0.0; rows.first().map_or(0, Vec::len)];
    let mut multipliers = vec![0.0; rows.len()];
    for pass in 0..config.passes as u64 {
        let (mut highest, mut lowest) = (f64::NEG_INFINITY, f64::INFINITY);
        for at in Stream::new(0, Purpose::Probe, pass, 11).permutation(rows.len()) {
            let at = at as usize;
            let (row, sign, multiplier) = (&rows[at], signs[at], multipliers[at]);
            let slope = sign * dot(&plane, row) - 1.0 + diagonal * multiplier;
            let projected = match multiplier {
                m if m <= 0.0 => slope.min(0.0),
                m if m >= limit => slope.max(0.0),
                _ => slope,
            };
            (highest, lowest) = (highest.max(projected), lowest.min(projected));
            if projected != 0.0 && squares[at] > 0.0 {
                let moved = (multiplier - slope / squares[at]).clamp(0.0, limit);
                let change = sign * (moved - multiplier);
                plane.iter_mut().zip(row).for_each(|(p, x)| *p += change * x);
                multipliers[at] = moved;
            }
        }
        if highest - lowest < TOLERANCE {
            break;
        }
    }
    plane
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums, so that the additions need not wait for one another.
    let (a4, b4) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (x, y) in a4.0.iter().zip(b4.0) {
        sums = std::array::from_fn(|i| sums[i] + x[i] * y[i]);
    }
    sums.iter().sum::<f64>() + a4.1.iter().zip(b4.1).map(|(x, y)| x * y).sum::<f64>()
}

/// A row as the machine sees it, with a one for the bias.
fn prepared(row: &[f32], mean: &[f64], scale: &[f64]) -> Vec<f64> {
    let scaled = row.iter().zip(mean).zip(scale).map(|((v, m), s)| (f64::from(*v) - m) / s);
    scaled.chain([1.0]).collect()
}

fn as_they_are(width: usize) -> (Vec<f64>, Vec<f64>) {
    (vec![0.0; width], vec![1.0; width])
}

/// Mean and deviation of every feature; one that never changes keeps its scale.
fn moments(features: &Features) -> (Vec<f64>, Vec<f64>) {
    let (width, count) = (features.width(), features.len() as f64);
    let (mut mean, mut scale) = (vec![0.0; width], vec![0.0; width]);
    for i in 0..features.len() {
        mean.iter_mut().zip(features.row(i)).for_each(|(m, v)| *m += f64::from(*v) / count);
    }
    for i in 0..features.len() {
        let differences = features.row(i).iter().zip(&mean).map(|(v, m)| f64::from(*v) - m);
        scale.iter_mut().zip(differences).for_each(|(s, d)| *s += d * d / count);
    }
    let scale = scale.into_iter().map(|s| if s > 0.0 { s.sqrt() } else { 1.0 }).collect();
    (mean, scale)
}
