//! Model-predictive path integrals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sampling::{Normal, Sampling};
use super::{Bounds, Plan, Problems, WorldModel};
use crate::error::{Error, Result};
use crate::random::{Draw as _, Stream};

/// Draws sequences of actions and weights the best by exp((least energy − energy) / temperature); the next are drawn
/// around the weighted mean with the weighted deviation.
///
/// eb_jepa (Two Rooms): 200 samples, 20 elites, 20 iterations, deviation 2, a drawn elite is executed. Its code
/// multiplies energies by a "temperature" of 0.005: that is a temperature of 200 here, and makes the weights all but
/// equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mppi {
    /// Sequences drawn an iteration.
    pub samples: usize,
    /// Sequences that get a weight, at least 2.
    pub elites: usize,
    /// Iterations.
    pub iterations: usize,
    /// Deviation at first: one number, or one for each of an action's.
    pub deviation: Vec<f64>,
    /// What energies are divided by: small, the best alone counts; large, all elites count alike.
    pub temperature: f64,
    /// Actions that are allowed.
    #[serde(default)]
    pub bounds: Bounds,
    /// What is executed.
    #[serde(default)]
    pub answer: Answer,
}

/// Which sequence of actions a search ends with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The weighted mean.
    #[default]
    Mean,
    /// One of the last elites, drawn by weight.
    DrawnElite,
}

impl Mppi {
    fn sampling(&self) -> Sampling<'_> {
        let Self { samples, elites, iterations, .. } = *self;
        let (deviation, bounds) = (&self.deviation[..], &self.bounds);
        Sampling { samples, elites, iterations, deviation, bounds, mean_is_a_sample: false }
    }

    pub(super) fn check(&self, width: usize, place: &str) -> Result<()> {
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            let problem = format!("{} must be positive", self.temperature);
            return Err(Error::config(format!("{place}.temperature"), problem));
        }
        self.sampling().check(width, place)
    }

    pub(super) fn plan<W: WorldModel>(&self, problems: &Problems<'_, W>, warm: Option<&[Vec<f32>]>) -> Result<Plan> {
        self.check(problems.world.action_width(), "planner")?;
        let mut chosen = Vec::with_capacity(problems.count);
        let (laws, rounds) = self.sampling().search(problems, warm, |law, elites, stream| {
            let weights = weights(&elites.energies, self.temperature);
            refit(law, &elites.actions, &weights);
            if elites.last && self.answer == Answer::DrawnElite {
                chosen.push(elites.actions[drawn(&weights, stream)].to_vec());
            }
        })?;
        let actions = match self.answer {
            Answer::Mean => laws.iter().map(|law| law.middle().collect()).collect(),
            Answer::DrawnElite => chosen,
        };
        Ok(Plan { actions, rounds })
    }
}

/// exp((least energy − energy) / temperature), adding up to one.
fn weights(energies: &[f64], temperature: f64) -> Vec<f64> {
    let least = energies.iter().copied().fold(f64::INFINITY, f64::min);
    let raw: Vec<f64> = energies.iter().map(|e| ((least - e) / temperature).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|w| w / sum).collect()
}

fn refit(law: &mut Normal, elites: &[&[f32]], weights: &[f64]) {
    for (at, (mean, deviation)) in law.mean.iter_mut().zip(&mut law.deviation).enumerate() {
        let values = || elites.iter().map(|actions| f64::from(actions[at])).zip(weights);
        *mean = values().map(|(v, w)| w * v).sum();
        *deviation = values().map(|(v, w)| w * (v - *mean).powi(2)).sum::<f64>().sqrt();
    }
}

fn drawn(weights: &[f64], stream: &mut Stream) -> usize {
    let mut left = f64::from(stream.uniform());
    weights
        .iter()
        .take_while(|weight| {
            left -= **weight;
            left >= 0.0
        })
        .count()
        .min(weights.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn weights_means_and_deviations_are_the_recorded_ones_for_both_temperatures() {
        let actions: [&[f32]; 3] = [&[0.0], &[1.0], &[3.0]];
        for (temperature, expected, [mean, deviation]) in [
            (200.0, [0.335_556, 0.333_883, 0.330_561], [1.325_565, 1.245_715]),
            (0.5, [0.878_878, 0.118_943, 0.002_179], [0.125_479, 0.350_435]),
        ] {
            let weights = weights(&[1.0, 2.0, 4.0], temperature);
            assert!(weights.iter().zip(expected).all(|(w, e)| (w - e).abs() < 2e-6), "{weights:?}");
            let mut law = Normal { mean: vec![0.0], deviation: vec![1.0] };
            refit(&mut law, &actions, &weights);
            assert!((law.mean[0] - mean).abs() < 2e-6 && (law.deviation[0] - deviation).abs() < 2e-6);
        }
    }

    #[test]
    fn elites_are_drawn_as_often_as_they_weigh() {
        let mut stream = Stream::new(3, Purpose::Test, 0, 0);
        let mut counts = [0u32; 3];
        (0..6000).for_each(|_| counts[drawn(&[0.5, 0.2, 0.3], &mut stream)] += 1);
        assert!([3000, 1200, 1800].iter().zip(counts).all(|(e, n)| n.abs_diff(*e) < 150), "{counts:?}");
    }
}
