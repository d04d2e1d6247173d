//! What is searched for, and what a sequence of actions costs.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WorldModel;
use crate::error::{Error, Result};
use crate::host;
use crate::random::{Purpose, Stream};

/// Which imagined states a sequence of actions is judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EnergyOf {
    /// The last one (V-JEPA 2-AC).
    #[default]
    Last,
    /// All of them, summed: what is reached early counts more (Two Rooms; 97 % against 89 % of goals there).
    All,
}

/// Several problems in one world, searched together.
#[derive(Debug)]
pub struct Problems<'a, W: WorldModel> {
    /// What says where actions lead.
    pub world: &'a W,
    /// Where each begins, a row a problem.
    pub start: &'a W::State,
    /// Where each is to end.
    pub goal: &'a W::Goal,
    /// How many there are.
    pub count: usize,
    /// Number of the first: the streams are keyed by it.
    pub first: u64,
    /// Actions of a sequence.
    pub horizon: usize,
    /// What a sequence is judged by.
    pub energy: EnergyOf,
    /// Seed of everything random.
    pub seed: u64,
    /// Number of this search among those of an episode.
    pub moment: u64,
}

impl<W: WorldModel> Problems<'_, W> {
    /// Numbers of one sequence of actions.
    pub(super) fn length(&self) -> usize {
        self.horizon * self.world.action_width()
    }

    /// A stream for every problem.
    pub(super) fn streams(&self) -> Vec<Stream> {
        let stream = |problem| Stream::new(self.seed, Purpose::Plan, self.moment, self.first + problem);
        (0..self.count as u64).map(stream).collect()
    }

    /// Where every problem's search begins.
    pub(super) fn beginnings(&self, warm: Option<&[Vec<f32>]>) -> Result<Vec<Vec<f64>>> {
        if self.count == 0 || self.length() == 0 {
            let problem = format!("{} problems of {} actions: there is nothing to search", self.count, self.horizon);
            return Err(Error::config("planning", problem));
        }
        let Some(warm) = warm else { return Ok(vec![vec![0.0; self.length()]; self.count]) };
        if warm.len() != self.count || warm.iter().any(|actions| actions.len() != self.length()) {
            let problem = format!("a warm start needs {} sequences of {} numbers", self.count, self.length());
            return Err(Error::config("planning", problem));
        }
        Ok(warm.iter().map(|actions| actions.iter().map(|v| f64::from(*v)).collect()).collect())
    }

    /// The energy of every candidate, `[problems * candidates]`, for actions [rows, horizon, action width].
    pub(super) fn imagine(&self, start: W::State, actions: &Tensor<3>) -> Result<Tensor<1>> {
        let [rows, horizon, width] = actions.dims();
        let (mut state, mut sum): (_, Option<Tensor<1>>) = (start, None);
        for step in 0..horizon {
            state = self.world.step(state, actions.clone().narrow(1, step, 1).reshape([rows, width]))?;
            if self.energy == EnergyOf::Last && step + 1 < horizon {
                continue;
            }
            let energy = self.world.energy(&state, self.goal)?;
            sum = Some(match sum {
                Some(sum) => sum + energy,
                None => energy,
            });
        }
        sum.ok_or_else(|| Error::config("planning.horizon", "a plan needs at least one action"))
    }

    /// The start rows for so many candidates a problem.
    pub(super) fn start(&self, candidates: usize) -> W::State {
        self.world.repeat(self.start, candidates)
    }

    /// Uploads sequences of actions: [rows, horizon, action width].
    pub(super) fn upload(&self, actions: Vec<f32>) -> Tensor<3> {
        let rows = actions.len() / self.length().max(1);
        let shape = [rows, self.horizon, self.world.action_width()];
        Tensor::from_data(TensorData::new(actions, shape), self.world.device())
    }

    /// The energies of `candidates` sequences a problem, row-major [problems, candidates, horizon, action width].
    pub(super) fn judge(&self, start: &W::State, actions: Vec<f32>) -> Result<Vec<f64>> {
        finite(host::read_f64(self.imagine(start.clone(), &self.upload(actions))?)?)
    }
}

/// Energies that are no numbers count as the worst; where none is one, the world model is broken.
pub(super) fn finite(energies: Vec<f64>) -> Result<Vec<f64>> {
    if !energies.iter().any(|e| e.is_finite()) {
        return Err(Error::Engine("no energy of any plan is a finite number: the world model is broken".into()));
    }
    Ok(energies.into_iter().map(|e| if e.is_finite() { e } else { f64::INFINITY }).collect())
}
