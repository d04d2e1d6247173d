//! A world model with levels on top of it.

use burn::module::Module;
use burn::prelude::*;
use jepa_core::hierarchy::{Sequence, Stack};
use jepa_core::jepa::{Batch as _, Forward, Jepa, Role, Step};

use super::WorldJepa;
use crate::rooms::Episodes;

/// Level 1 is a [`WorldJepa`]; every level above reads the states below it more rarely and has an energy of its own.
///
/// The target follows the whole of it, as every level has an encoder; frozen features are level 1's.
#[derive(Module, Debug)]
pub struct HJepa {
    /// Level 1.
    pub world: WorldJepa,
    /// The levels above it.
    pub stack: Stack,
}

impl Jepa for HJepa {
    type Batch = Episodes;
    type Target = Self;

    fn target(&self) -> &Self {
        self
    }

    fn forward(&self, target: &Self, batch: &Episodes, step: &Step) -> Forward {
        let (samples, moments) = (batch.len(), batch.moments());
        let pictures = batch.pictures(&step.device);
        let states = self.world.encoder.forward(pictures.clone());
        let width = states.dims()[2];
        let came = (!std::ptr::eq(target, self)).then(|| target.world.encoder.forward(pictures));

        // [moments * samples, 1, width], moment by moment, to [samples, moments, width].
        let by_sample = |rows: Tensor<3>| rows.reshape([moments.len(), samples, width]).swap_dims(0, 1);
        let lowest = Sequence {
            states: by_sample(states.clone()),
            came: came.clone().map(by_sample),
            moments: moments.to_vec(),
            actions: batch.all_actions(&step.device),
        };
        // Level 1 takes every step, and pictures of all times are there only at first.
        let dense = lowest.run();
        let near = |rows: &Tensor<3>| rows.clone().narrow(0, 0, dense * samples);
        let targets = near(came.as_ref().unwrap_or(&states));
        let mut forward = self.world.unroll(near(&states), targets, dense, batch, step);
        forward.embeddings.push((Role::States, states));
        forward.above = self.stack.forward(&target.stack, lowest, step);
        forward
    }

    fn features(encoder: &Self, batch: &Episodes, device: &Device) -> Tensor<3> {
        WorldJepa::features(&encoder.world.encoder, batch, device)
    }
}
