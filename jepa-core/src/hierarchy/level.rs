//! The networks of a level.

use burn::module::Module;
use burn::prelude::*;

use super::{LevelConfig, Sequence};
use crate::jepa::{LevelForward, Pair, Role, Step};
use crate::nn::{Init, LayerNorm, Linear, gelu};
use crate::random::{Draw as _, Purpose, Stream};

/// Linear layers with GELU between.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// First to last.
    pub layers: Vec<Linear>,
}

impl Perceptron {
    /// Layers between these widths.
    pub fn new(init: &mut Init, widths: &[usize]) -> Self {
        Self { layers: widths.windows(2).map(|pair| Linear::new(init, pair[0], pair[1])).collect() }
    }

    /// [samples, times, first width] to [samples, times, last width].
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(x, |x, (at, layer)| {
            let x = layer.forward(x);
            if at < last { gelu(x) } else { x }
        })
    }
}

/// One level above another: its Enc, what z is encoded with, its Pred.
#[derive(Module, Debug)]
pub struct Level {
    /// Enc, from a state of the level below.
    pub encoder: Perceptron,
    /// After it; predictions go through it too, so that they lie where states lie.
    pub norm: LayerNorm,
    /// From the actions below of a stretch to a macro action, before its tanh.
    pub latent: Perceptron,
    /// Pred: how a macro action moves a state.
    pub predictor: Perceptron,
    /// From two states to the mean action below between them.
    pub inverse: Option<Perceptron>,
    /// Its numbers.
    #[module(skip)]
    pub config: LevelConfig,
}

impl Level {
    /// Networks with weights from `init`, above states of `width` numbers and actions of `action`.
    pub fn new(init: &mut Init, config: &LevelConfig, width: usize, action: usize) -> Self {
        let LevelConfig { stride, width: own, hidden, latent, inverse_weight, .. } = *config;
        Self {
            encoder: Perceptron::new(init, &[width, hidden, own]),
            norm: LayerNorm::new(init, own, 1e-5),
            latent: Perceptron::new(init, &[stride * action, hidden, latent]),
            predictor: Perceptron::new(init, &[own + latent, hidden, hidden, own]),
            inverse: (inverse_weight > 0.0).then(|| Perceptron::new(init, &[2 * own, hidden, action])),
            config: config.clone(),
        }
    }

    /// States of the level below to states of this one, [samples, times, width] each.
    pub fn encode(&self, below: Tensor<3>) -> Tensor<3> {
        self.norm.forward(self.encoder.forward(below))
    }

    /// The actions below of stretches, [samples, stretches, stride * action], to macro actions in [-1, 1].
    pub fn macro_actions(&self, actions: Tensor<3>) -> Tensor<3> {
        self.latent.forward(actions).tanh()
    }

    /// The next state: [rows, 1, width] and macro actions [rows, 1, latent] to [rows, 1, width].
    pub fn next(&self, state: Tensor<3>, z: Tensor<3>) -> Tensor<3> {
        let moved = self.predictor.forward(Tensor::cat(vec![state.clone(), z], 2));
        self.norm.forward(state + moved)
    }

    /// One pass over what lies below: what the objective gets of this level, and what the level above reads of it.
    /// `number` is this level's, the lowest is 1.
    pub fn forward(&self, target: &Self, number: usize, below: &Sequence, step: &Step) -> (LevelForward, Sequence) {
        let read = below.every(self.config.stride);
        let read = if self.config.gradient_below { read } else { read.detached() };
        let moments = read.moments.clone();
        let states = self.encode(read.states.clone());
        let came =
            (!std::ptr::eq(self, target)).then(|| target.encode(read.came.clone().unwrap_or(read.states.clone())));
        let actions = self.macro_actions(read.actions.clone());
        let own = Sequence { states, came, moments, actions };

        let [samples, _, width] = own.states.dims();
        let run = own.run();
        let steps = run.saturating_sub(1).min(own.actions.dims()[1]);
        let context = own.states.clone().narrow(1, 0, 1);
        let rows = |x: Tensor<3>| {
            let times = x.dims()[1];
            x.swap_dims(0, 1).reshape([samples * times, 1, width])
        };
        let mut embeddings = vec![
            (Role::Context, context.clone()),
            (Role::Whole, rows(own.states.clone().narrow(1, 0, run))),
            (Role::States, rows(own.states.clone())),
        ];
        let (mut pairs, mut terms) = (Vec::new(), Vec::new());
        let predicted = steps.min(self.config.horizon);
        if predicted > 0 {
            let z = self.noisy(own.actions.clone().narrow(1, 0, predicted), number, step);
            let mut state = context;
            let states = (0..predicted).map(|at| {
                state = self.next(state.clone(), z.clone().narrow(1, at, 1));
                state.clone()
            });
            let predicted_states = Tensor::cat(states.collect::<Vec<_>>(), 1);
            let target = own.came.as_ref().unwrap_or(&own.states).clone().narrow(1, 1, predicted);
            embeddings.push((Role::Predicted, predicted_states.clone()));
            embeddings.push((Role::Target, target.clone()));
            pairs.push(Pair { predicted: predicted_states, target });
        }
        if let (Some(inverse), 1..) = (&self.inverse, steps) {
            let [before, after] = [0, 1].map(|first| own.states.clone().narrow(1, first, steps));
            let found = inverse.forward(Tensor::cat(vec![before, after], 2));
            // The actions themselves are given, not learned here: those of an upper level must not come to meet it.
            let (stride, action) = (self.config.stride, found.dims()[2]);
            let done = read.actions.narrow(1, 0, steps).detach().reshape([samples * steps, stride, action]);
            let missed = found - done.mean_dim(1).reshape([samples, steps, action]);
            terms.push(("inverse_dynamics", missed.powi_scalar(2).mean() * self.config.inverse_weight));
        }
        (LevelForward { weight: self.config.weight, pairs, embeddings, terms }, own)
    }

    /// Macro actions [samples, stretches, latent] with the noise of this step, in training.
    fn noisy(&self, z: Tensor<3>, number: usize, step: &Step) -> Tensor<3> {
        if self.config.noise == 0.0 || !step.batch_statistics {
            return z;
        }
        let [samples, stretches, latent] = z.dims();
        let key = |sample: usize| (number as u64) << 32 | (step.first + sample) as u64;
        let noise: Vec<f32> = (0..samples)
            .flat_map(|sample| {
                let mut stream = Stream::new(step.seed, Purpose::Noise, step.number, key(sample));
                (0..stretches * latent).map(move |_| stream.normal())
            })
            .collect();
        let noise = Tensor::<3>::from_data(TensorData::new(noise, [samples, stretches, latent]), &step.device);
        z + noise * self.config.noise
    }
}
