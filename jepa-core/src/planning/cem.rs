//! The cross-entropy method.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sampling::{Normal, Sampling};
use super::{Bounds, Plan, Problems, WorldModel};
use crate::error::{Error, Result};

/// Draws sequences of actions, keeps the best, draws the next around their mean with their deviation; the plan is the
/// last mean.
///
/// V-JEPA 2-AC (`notebooks/utils`): 400 samples, 10 elites, 10 iterations, momenta 0.15. eb_jepa (Two Rooms): 200, 20,
/// 20, deviation 1.5, no momenta. jepa-wms: 300, 10, 30, the mean is a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cem {
    /// Sequences drawn an iteration.
    pub samples: usize,
    /// Sequences kept of them, at least 2.
    pub elites: usize,
    /// Iterations.
    pub iterations: usize,
    /// Deviation at first: one number, or one for each of an action's. A number that is not to move has 0.
    pub deviation: Vec<f64>,
    /// Actions that are allowed.
    #[serde(default)]
    pub bounds: Bounds,
    /// How much of the old mean and of the old deviation stays, each in [0, 1).
    #[serde(default)]
    pub momentum: [f64; 2],
    /// Whether the mean itself is the first sample, so that a good plan is never lost.
    #[serde(default)]
    pub mean_is_a_sample: bool,
}

impl Cem {
    fn sampling(&self) -> Sampling<'_> {
        let Self { samples, elites, iterations, mean_is_a_sample, .. } = *self;
        Sampling { samples, elites, iterations, deviation: &self.deviation, bounds: &self.bounds, mean_is_a_sample }
    }

    pub(super) fn check(&self, width: usize, place: &str) -> Result<()> {
        if !self.momentum.iter().all(|m| (0.0..1.0).contains(m)) {
            return Err(Error::config(format!("{place}.momentum"), format!("{:?} must lie in [0, 1)", self.momentum)));
        }
        self.sampling().check(width, place)
    }

    pub(super) fn plan<W: WorldModel>(&self, problems: &Problems<'_, W>, warm: Option<&[Vec<f32>]>) -> Result<Plan> {
        let width = problems.world.action_width();
        self.check(width, "planner")?;
        let (laws, rounds) =
            self.sampling().search(problems, warm, |law, elites, _| refit(law, &elites.actions, self.momentum))?;
        let allowed = |law: &Normal| {
            let mut actions: Vec<f32> = law.middle().collect();
            actions.chunks_exact_mut(width).for_each(|action| self.bounds.apply(action));
            actions
        };
        Ok(Plan { actions: laws.iter().map(allowed).collect(), rounds })
    }
}

/// Moves a distribution to the mean and the unbiased deviation of the elites.
fn refit(law: &mut Normal, elites: &[&[f32]], [of_mean, of_deviation]: [f64; 2]) {
    let count = elites.len() as f64;
    for (at, (mean, deviation)) in law.mean.iter_mut().zip(&mut law.deviation).enumerate() {
        let values = || elites.iter().map(|actions| f64::from(actions[at]));
        let new = values().sum::<f64>() / count;
        let spread = (values().map(|v| (v - new).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
        *mean = new * (1.0 - of_mean) + *mean * of_mean;
        *deviation = spread * (1.0 - of_deviation) + *deviation * of_deviation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_with_momentum_gives_the_recorded_mean_and_deviation() {
        let mut law = Normal { mean: vec![0.0], deviation: vec![0.05] };
        refit(&mut law, &[&[0.02], &[0.04]], [0.15, 0.15]);
        assert!((law.mean[0] - 0.0255).abs() < 1e-7 && (law.deviation[0] - 0.019_520_8).abs() < 1e-7);
    }
}
