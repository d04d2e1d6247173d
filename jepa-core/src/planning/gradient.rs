//! Planning along the gradient.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problems::finite;
use super::sampling::{Normal, lowest};
use super::{Bounds, Plan, Problems, Round, WorldModel, check_deviation};
use crate::error::{Error, Result};
use crate::host;

/// Descends the energy along the actions with Adam, from several beginnings at once; the plan is the best sequence met.
///
/// Needs a world whose steps are differentiable. A wall that nothing passes has no slope around it: on such worlds
/// sampling planners reach what this one does not (jepa-wms reports the same of its Wall).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gradient {
    /// Sequences that descend, each by itself; the first begins where the search does.
    pub beginnings: usize,
    /// Iterations.
    pub iterations: usize,
    /// Size of Adam's steps, in units of an action.
    pub rate: f64,
    /// Deviation of the other beginnings: one number, or one for each of an action's.
    pub deviation: Vec<f64>,
    /// Actions that are allowed.
    #[serde(default)]
    pub bounds: Bounds,
}

/// Adam's constants, PyTorch's defaults.
const FIRST: f64 = 0.9;
const SECOND: f64 = 0.999;
const EPS: f64 = 1e-8;

impl Gradient {
    pub(super) fn check(&self, width: usize, place: &str) -> Result<()> {
        if self.beginnings == 0 || self.iterations == 0 || !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(Error::config(place, "beginnings, iterations and rate must be positive"));
        }
        check_deviation(place, &self.deviation, width)?;
        self.bounds.check(width, place)
    }

    pub(super) fn plan<W: WorldModel>(&self, problems: &Problems<'_, W>, warm: Option<&[Vec<f32>]>) -> Result<Plan> {
        let width = problems.world.action_width();
        self.check(width, "planner")?;
        let (length, mut streams) = (problems.length(), problems.streams());
        let mut actions = Vec::with_capacity(problems.count * self.beginnings * length);
        for (mean, stream) in problems.beginnings(warm)?.into_iter().zip(&mut streams) {
            let law = Normal::around(mean, &self.deviation);
            actions.extend(law.mean.iter().map(|v| *v as f32));
            (1..self.beginnings).for_each(|_| actions.extend(law.draw(stream)));
        }
        actions.chunks_exact_mut(width).for_each(|action| self.bounds.apply(action));
        let start = problems.start(self.beginnings);
        let mut adam = Adam { rate: self.rate, moments: vec![[0.0; 2]; actions.len()], updates: 0 };
        let mut plan = Plan::with_capacity(problems.count);
        let mut best = vec![(f64::INFINITY, vec![0.0; length]); problems.count];
        for _ in 0..self.iterations {
            let tracked = problems.upload(actions.clone()).autodiff().require_grad();
            let energies = problems.imagine(start.clone(), &tracked)?;
            let found = finite(host::read_f64(energies.clone().inner())?)?;
            let gradient = tracked.grad(&energies.sum().backward()).ok_or_else(|| {
                Error::Engine("the energy does not depend on the actions: the world's steps cut the gradient".into())
            })?;
            let each = found.chunks_exact(self.beginnings).zip(actions.chunks_exact(self.beginnings * length));
            for ((rounds, best), (energies, actions)) in plan.rounds.iter_mut().zip(&mut best).zip(each) {
                let first = lowest(energies, 1)[0];
                let mean = energies.iter().sum::<f64>() / energies.len() as f64;
                rounds.push(Round { best: energies[first], elites: mean });
                if energies[first] < best.0 {
                    *best = (energies[first], actions[first * length..(first + 1) * length].to_vec());
                }
            }
            adam.update(&mut actions, &host::read(gradient)?);
            actions.chunks_exact_mut(width).for_each(|action| self.bounds.apply(action));
        }
        plan.actions = best.into_iter().map(|(_, actions)| actions).collect();
        Ok(plan)
    }
}

struct Adam {
    rate: f64,
    moments: Vec<[f64; 2]>,
    updates: i32,
}

impl Adam {
    fn update(&mut self, values: &mut [f32], gradient: &[f32]) {
        self.updates += 1;
        let [first, second] = [1.0 - FIRST.powi(self.updates), 1.0 - SECOND.powi(self.updates)];
        for ((value, slope), moments) in values.iter_mut().zip(gradient).zip(&mut self.moments) {
            let slope = f64::from(*slope);
            moments[0] = FIRST * moments[0] + (1.0 - FIRST) * slope;
            moments[1] = SECOND * moments[1] + (1.0 - SECOND) * slope * slope;
            *value -= (self.rate * (moments[0] / first) / ((moments[1] / second).sqrt() + EPS)) as f32;
        }
    }
}
