//! A world model with a stack on it, as planners see it.

use burn::prelude::*;

use super::Stack;
use crate::error::Result;
use crate::planning::{Levels, WorldModel};

/// A world model whose states are embeddings, [rows, width], with levels on top of it. Their energy is the mean squared
/// difference; macro actions lie in [-1, 1].
#[derive(Debug, Clone, Copy)]
pub struct Tower<'a, W> {
    /// Level 1.
    pub lowest: &'a W,
    /// The levels above it.
    pub stack: &'a Stack,
}

impl<W: WorldModel<State = Tensor<2>, Goal = Tensor<2>>> Levels for Tower<'_, W> {
    type State = Tensor<2>;

    fn count(&self) -> usize {
        1 + self.stack.levels.len()
    }

    fn stride(&self, level: usize) -> usize {
        match level {
            0 => 1,
            _ => self.stack.levels[level - 1].config.stride,
        }
    }

    fn action_width(&self, level: usize) -> usize {
        match level {
            0 => self.lowest.action_width(),
            _ => self.stack.levels[level - 1].config.latent,
        }
    }

    fn device(&self) -> &Device {
        self.lowest.device()
    }

    fn repeat(&self, state: &Tensor<2>, times: usize) -> Tensor<2> {
        repeated(state, times)
    }

    fn step(&self, level: usize, state: Tensor<2>, actions: Tensor<2>) -> Result<Tensor<2>> {
        if level == 0 {
            return self.lowest.step(state, actions);
        }
        let next = self.stack.levels[level - 1].next(state.unsqueeze_dim(1), actions.unsqueeze_dim(1));
        Ok(next.squeeze_dim(1))
    }

    fn lift(&self, level: usize, state: &Tensor<2>) -> Result<Tensor<2>> {
        Ok(self.stack.levels[level].encode(state.clone().unsqueeze_dim(1)).squeeze_dim(1))
    }

    fn energy(&self, level: usize, state: &Tensor<2>, goal: &Tensor<2>) -> Result<Tensor<1>> {
        if level == 0 { self.lowest.energy(state, goal) } else { Ok(squared(state, goal)) }
    }
}

/// Every row `times` over, the copies of one row beside each other.
pub fn repeated(state: &Tensor<2>, times: usize) -> Tensor<2> {
    let [rows, width] = state.dims();
    state.clone().reshape([rows, 1, width]).repeat_dim(1, times).reshape([rows * times, width])
}

/// The mean squared difference of every row, [problems * candidates, width], from its problem's goal, [problems, width].
pub fn squared(state: &Tensor<2>, goal: &Tensor<2>) -> Tensor<1> {
    let ([rows, width], problems) = (state.dims(), goal.dims()[0]);
    let away = state.clone().reshape([problems, rows / problems, width]) - goal.clone().reshape([problems, 1, width]);
    away.powi_scalar(2).mean_dim(2).reshape([rows])
}
