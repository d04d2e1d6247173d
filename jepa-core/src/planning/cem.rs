//! The cross-entropy method.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problems::{Normal, lowest};
use super::{Bounds, Plan, Problems, Round, WorldModel, check_sampling};
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
    pub(super) fn check(&self, width: usize, place: &str) -> Result<()> {
        check_sampling(place, [self.samples, self.elites, self.iterations], &self.deviation, width)?;
        if !self.momentum.iter().all(|m| (0.0..1.0).contains(m)) {
            return Err(Error::config(format!("{place}.momentum"), format!("{:?} must lie in [0, 1)", self.momentum)));
        }
        self.bounds.check(width, place)
    }

    pub(super) fn plan<W: WorldModel>(&self, problems: &Problems<'_, W>, warm: Option<&[Vec<f32>]>) -> Result<Plan> {
        let width = problems.world.action_width();
        self.check(width, "planner")?;
        let (length, mut streams) = (problems.length(), problems.streams());
        let beginnings = problems.beginnings(warm)?.into_iter();
        let mut laws: Vec<Normal> = beginnings.map(|mean| Normal::around(mean, &self.deviation)).collect();
        let start = problems.start(self.samples);
        let mut plan = Plan::with_capacity(problems.count);
        for _ in 0..self.iterations {
            let mut actions = Vec::with_capacity(problems.count * self.samples * length);
            for (law, stream) in laws.iter().zip(&mut streams) {
                for sample in 0..self.samples {
                    if sample == 0 && self.mean_is_a_sample {
                        actions.extend(law.mean.iter().map(|v| *v as f32));
                    } else {
                        actions.extend(law.draw(stream));
                    }
                }
            }
            actions.chunks_exact_mut(width).for_each(|action| self.bounds.apply(action));
            let energies = problems.judge(&start, actions.clone())?;
            let candidates = actions.chunks_exact(self.samples * length).zip(energies.chunks_exact(self.samples));
            for ((law, rounds), (actions, energies)) in laws.iter_mut().zip(&mut plan.rounds).zip(candidates) {
                let best = lowest(energies, self.elites);
                let mean = best.iter().map(|i| energies[*i]).sum::<f64>() / best.len() as f64;
                rounds.push(Round { best: energies[best[0]], elites: mean });
                let elites: Vec<&[f32]> = best.iter().map(|i| &actions[i * length..(i + 1) * length]).collect();
                refit(law, &elites, self.momentum);
            }
        }
        for law in laws {
            let mut actions: Vec<f32> = law.mean.iter().map(|v| *v as f32).collect();
            actions.chunks_exact_mut(width).for_each(|action| self.bounds.apply(action));
            plan.actions.push(actions);
        }
        Ok(plan)
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
