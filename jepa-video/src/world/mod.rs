//! World models trained end to end from pixels: encoder, action-conditioned predictor, and the network that keeps actions
//! in the embedding.
//!
//! | file | noun |
//! |---|---|
//! | [`impala`](Impala) | the encoder: three stacks of convolutions |
//! | [`gru`](Gru) | the predictor: a recurrent cell whose hidden state is the embedding |
//! | [`inverse`](Inverse) | which action led from one state to the next |
//! | [`tower`](HJepa) | the same with levels on top of it |

mod gru;
mod impala;
mod inverse;
mod tower;

pub use gru::Gru;
pub use impala::{Impala, ImpalaConfig};
pub use inverse::Inverse;
pub use tower::HJepa;

use burn::module::Module;
use burn::prelude::*;
use jepa_core::jepa::{Batch as _, Forward, Jepa, Pair, Role, Step};
use jepa_core::nn::Init;

use crate::rooms::Episodes;

/// Numbers of an action.
pub const ACTION: usize = 2;

/// s_x = Enc(first picture); Pred(s_x, z) the states that a recurrent cell rolls out from it, z the actions; s_y the
/// embeddings of the pictures that really came.
#[derive(Module, Debug)]
pub struct WorldJepa {
    /// The encoder of single pictures.
    pub encoder: Impala,
    /// Pred.
    pub predictor: Gru,
    /// Which action led from one state to the next.
    pub inverse: Option<Inverse>,
    /// Steps that are rolled out in training.
    #[module(skip)]
    pub steps: usize,
    /// Weight of the inverse dynamics.
    #[module(skip)]
    pub inverse_weight: f64,
}

impl WorldJepa {
    /// Networks with weights from `init`. Without a weight there is no inverse network.
    pub fn new(init: &mut Init, encoder: &ImpalaConfig, hidden: usize, steps: usize, inverse_weight: f64) -> Self {
        let width = encoder.width;
        Self {
            encoder: Impala::new(init, encoder),
            predictor: Gru::new(init, ACTION, width),
            inverse: (inverse_weight > 0.0).then(|| Inverse::new(init, width, hidden, ACTION)),
            steps,
            inverse_weight,
        }
    }

    /// The next state: [rows, width] and actions [rows, 2] to [rows, width].
    pub fn next(&self, state: Tensor<2>, actions: Tensor<2>) -> Tensor<2> {
        let [rows, width] = state.dims();
        // The cell's output goes through the encoder's norm, so that predictions lie where embeddings lie.
        let state = self.predictor.step(state, actions).reshape([rows, 1, width]);
        self.encoder.final_ln.forward(state).reshape([rows, width])
    }

    /// The forward pass from embeddings on, [times * samples, 1, width], moment by moment: `states` of the first `times`
    /// times of a batch, none missing, and the same of the target encoder.
    pub fn unroll(
        &self,
        states: Tensor<3>,
        targets: Tensor<3>,
        times: usize,
        batch: &Episodes,
        step: &Step,
    ) -> Forward {
        let samples = batch.len();
        let width = states.dims()[2];
        let context = states.clone().narrow(0, 0, samples);
        let mut state: Tensor<2> = context.clone().reshape([samples, width]);
        let steps = self.steps.min(times.saturating_sub(1));
        let mut predicted = Vec::with_capacity(steps);
        for time in 0..steps {
            state = self.next(state, batch.actions(time, &step.device));
            predicted.push(state.clone().reshape([samples, 1, width]));
        }
        let came: Tensor<3> = targets.reshape([times, samples, width]).narrow(0, 1, steps).swap_dims(0, 1);
        let predicted = Tensor::cat(predicted, 1);

        let mut terms = Vec::new();
        if let Some(inverse) = &self.inverse {
            let flat: Tensor<2> = states.clone().reshape([times * samples, width]);
            let moves = (times - 1) * samples;
            let (before, after) = (flat.clone().narrow(0, 0, moves), flat.narrow(0, samples, moves));
            let actions = (0..times - 1).map(|time| batch.actions(time, &step.device)).collect();
            let missed = inverse.forward(before, after) - Tensor::cat(actions, 0);
            terms.push(("inverse_dynamics", missed.powi_scalar(2).mean() * self.inverse_weight));
        }
        Forward {
            embeddings: vec![
                (Role::Context, context),
                (Role::Predicted, predicted.clone()),
                (Role::Target, came.clone()),
                (Role::Whole, states),
            ],
            pairs: vec![Pair { predicted, target: came }],
            terms,
            ..Forward::default()
        }
    }
}

impl Jepa for WorldJepa {
    type Batch = Episodes;
    type Target = Impala;

    fn target(&self) -> &Impala {
        &self.encoder
    }

    fn forward(&self, target: &Impala, batch: &Episodes, step: &Step) -> Forward {
        let pictures = batch.pictures(&step.device);
        let states = self.encoder.forward(pictures.clone());
        // With a shared target both encoders are one: it runs once.
        let targets = if std::ptr::eq(target, &self.encoder) { states.clone() } else { target.forward(pictures) };
        let mut forward = self.unroll(states.clone(), targets, batch.times(), batch, step);
        forward.embeddings.push((Role::States, states));
        forward
    }

    fn features(encoder: &Impala, batch: &Episodes, device: &Device) -> Tensor<3> {
        let states = encoder.forward(batch.pictures(device));
        let width = states.dims()[2];
        states.reshape([batch.times(), batch.len(), width]).swap_dims(0, 1)
    }
}
