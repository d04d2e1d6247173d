//! What a level reads of the one below.

use burn::prelude::*;

/// States of one level, and what was done between them.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// [samples, moments, width]
    pub states: Tensor<3>,
    /// The same as the target network has them; none: it is the same network.
    pub came: Option<Tensor<3>>,
    /// The time of every state, ascending from 0. Times may be missing.
    pub moments: Vec<usize>,
    /// What was done from each time to the next, [samples, times − 1, action]. None is missing.
    pub actions: Tensor<3>,
}

impl Sequence {
    /// States of all times, of a network that is its own target.
    pub fn new(states: Tensor<3>, actions: Tensor<3>) -> Self {
        let moments = (0..states.dims()[1]).collect();
        Self { states, came: None, moments, actions }
    }

    /// Every `stride`-th state, with all actions of the stretch to the next side by side: [samples, stretches,
    /// stride * action]. A stretch whose actions are not all there is left out.
    pub fn every(&self, stride: usize) -> Self {
        let places: Vec<usize> =
            (0..self.moments.len()).filter(|at| self.moments[*at].is_multiple_of(stride)).collect();
        let kept = |states: &Tensor<3>| {
            Tensor::cat(places.iter().map(|at| states.clone().narrow(1, *at, 1)).collect::<Vec<_>>(), 1)
        };
        let [samples, times, action] = self.actions.dims();
        let stretches = times / stride;
        let actions = self.actions.clone().narrow(1, 0, stretches * stride);
        Self {
            states: kept(&self.states),
            came: self.came.as_ref().map(kept),
            moments: places.iter().map(|at| self.moments[*at] / stride).collect(),
            actions: actions.reshape([samples, stretches, stride * action]),
        }
    }

    /// How many states follow each other from the first on, none missing.
    pub fn run(&self) -> usize {
        self.moments.iter().enumerate().take_while(|(at, time)| at == *time).count()
    }

    /// The same numbers, through which no gradient flows back.
    pub fn detached(self) -> Self {
        Self { states: self.states.detach(), actions: self.actions.detach(), ..self }
    }
}
