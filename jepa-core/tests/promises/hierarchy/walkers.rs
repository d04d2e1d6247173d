//! A small world model with levels on it, and batches for it: states are a linear map of numbers, actions are given.

use std::ops::Range;

use burn::module::Module;
use burn::prelude::*;
use jepa_core::hierarchy::{LevelConfig, Sequence, Stack};
use jepa_core::jepa::{Batch, Forward, Jepa, Pair, Role, Step};
use jepa_core::nn::{Init, InitScheme, Linear};
use jepa_core::random::{Draw as _, Purpose, Stream};

/// Numbers of an input, of a state of level 1 and of an action.
pub(super) const SIZES: [usize; 3] = [3, 5, 2];

/// Walks of numbers.
#[derive(Clone)]
pub(super) struct Walks {
    /// [samples, times, 3]
    pub(super) inputs: Vec<f32>,
    /// [samples, times - 1, 2]
    pub(super) actions: Vec<f32>,
    pub(super) samples: usize,
    pub(super) times: usize,
}

impl Walks {
    pub(super) fn draw(samples: usize, times: usize) -> Self {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let mut normal = |count| (0..count).map(|_| stream.normal()).collect::<Vec<f32>>();
        Self {
            inputs: normal(samples * times * SIZES[0]),
            actions: normal(samples * (times - 1) * SIZES[2]),
            samples,
            times,
        }
    }

    fn tensor(values: &[f32], samples: usize, width: usize) -> Tensor<3> {
        let shape = [samples, values.len() / samples / width, width];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    pub(super) fn states(&self) -> Tensor<3> {
        Self::tensor(&self.inputs, self.samples, SIZES[0])
    }

    pub(super) fn moves(&self) -> Tensor<3> {
        Self::tensor(&self.actions, self.samples, SIZES[2])
    }
}

impl Batch for Walks {
    fn len(&self) -> usize {
        self.samples
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let cut = |values: &[f32]| {
            let each = values.len() / self.samples;
            values[range.start * each..range.end * each].to_vec()
        };
        Self { inputs: cut(&self.inputs), actions: cut(&self.actions), samples: range.len(), times: self.times }
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    fn disturbed(&self, _: bool) -> Self {
        self.clone()
    }
}

/// Level 1 predicts the next state from state and action; levels stand on it.
#[derive(Module, Debug)]
pub(super) struct Walker {
    pub(super) encoder: Linear,
    pub(super) predictor: Linear,
    pub(super) stack: Stack,
}

impl Walker {
    pub(super) fn new(levels: &[LevelConfig]) -> Self {
        let [input, width, action] = SIZES;
        let init = &mut Init::new(3, InitScheme::PyTorch, &Device::flex());
        Self {
            encoder: Linear::new(init, input, width),
            predictor: Linear::new(init, width + action, width),
            stack: Stack::new(init, levels, width, action),
        }
    }
}

impl Jepa for Walker {
    type Batch = Walks;
    type Target = Self;

    fn target(&self) -> &Self {
        self
    }

    fn forward(&self, target: &Self, batch: &Walks, step: &Step) -> Forward {
        let states = self.encoder.forward(batch.states());
        let came = (!std::ptr::eq(self, target)).then(|| target.encoder.forward(batch.states()));
        let moves = batch.times - 1;
        let asked = Tensor::cat(vec![states.clone().narrow(1, 0, moves), batch.moves()], 2);
        let lowest = Sequence { came: came.clone(), ..Sequence::new(states.clone(), batch.moves()) };
        Forward {
            pairs: vec![Pair {
                predicted: self.predictor.forward(asked),
                target: came.unwrap_or(states.clone()).narrow(1, 1, moves),
            }],
            embeddings: vec![(Role::Context, states)],
            above: self.stack.forward(&target.stack, lowest, step),
            ..Forward::default()
        }
    }

    fn features(encoder: &Self, batch: &Walks, _: &Device) -> Tensor<3> {
        encoder.encoder.forward(batch.states())
    }
}

pub(super) fn level(stride: usize, horizon: usize, latent: usize) -> LevelConfig {
    LevelConfig {
        stride,
        horizon,
        width: 4,
        hidden: 6,
        latent,
        noise: 0.0,
        weight: 1.0,
        inverse_weight: 0.5,
        gradient_below: true,
    }
}
