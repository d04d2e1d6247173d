//! All levels above the first.

use burn::module::Module;
use burn::prelude::*;

use super::{Level, LevelConfig, Sequence};
use crate::jepa::{LevelForward, Step};
use crate::nn::Init;

/// Levels on top of each other, the second first. The first is any network that gives states and actions.
#[derive(Module, Debug)]
pub struct Stack {
    /// The second level first.
    pub levels: Vec<Level>,
}

impl Stack {
    /// Levels with weights from `init`, above states of `width` numbers and actions of `action`.
    pub fn new(init: &mut Init, configs: &[LevelConfig], mut width: usize, mut action: usize) -> Self {
        let level = |config: &LevelConfig| {
            let level = Level::new(init, config, width, action);
            (width, action) = (config.width, config.latent);
            level
        };
        Self { levels: configs.iter().map(level).collect() }
    }

    /// What every level gives to the objective, for [`Forward::above`](crate::jepa::Forward::above). `target` is this very
    /// stack where it is its own target.
    pub fn forward(&self, target: &Self, lowest: Sequence, step: &Step) -> Vec<LevelForward> {
        let mut below = lowest;
        let pairs = self.levels.iter().zip(&target.levels).enumerate();
        pairs
            .map(|(place, (level, target))| {
                let (forward, own) = level.forward(target, place + 2, &below, step);
                below = own;
                forward
            })
            .collect()
    }

    /// States of the lowest level as level `level` has them, 1 is the lowest: [samples, times, width].
    pub fn states(&self, level: usize, lowest: Tensor<3>) -> Tensor<3> {
        self.levels.iter().take(level.saturating_sub(1)).fold(lowest, |states, level| level.encode(states))
    }

    /// What was done on the lowest level, [samples, times, action], as macro actions of the topmost: [samples, times /
    /// span, latent]. The rest of a stretch that is not whole is left out.
    pub fn macro_actions(&self, lowest: Tensor<3>) -> Tensor<3> {
        self.levels.iter().fold(lowest, |actions, level| {
            let ([samples, times, width], stride) = (actions.dims(), level.config.stride);
            let stretches = actions.narrow(1, 0, times / stride * stride);
            level.macro_actions(stretches.reshape([samples, times / stride, stride * width]))
        })
    }

    /// States of the lowest level that one step of the topmost spans.
    pub fn span(&self) -> usize {
        self.levels.iter().map(|level| level.config.stride).product()
    }
}
