//! The networks of V-JEPA 2-AC as planners see them.

use burn::prelude::*;
use jepa_core::error::Result;
use jepa_core::host;
use jepa_core::planning::WorldModel;

use super::Kinematics;
use crate::network::ActionPredictor;

/// A predictor as a world model: what was seen and imagined so far is the state, the features of a picture the goal, the
/// mean absolute difference of features the energy.
///
/// States of an end effector are moved on the host: a gradient along the actions does not go through them.
pub struct Foresight<'a> {
    /// Pred.
    pub predictor: &'a ActionPredictor,
    /// What actions do to states.
    pub kinematics: Kinematics,
    /// Where tensors live.
    pub device: &'a Device,
}

/// Frames so far, one row a candidate.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Normalised features, [rows, times * frame, width].
    pub features: Tensor<3>,
    /// Actions between them, [rows, times - 1, numbers]; none at first.
    pub actions: Option<Tensor<3>>,
    /// States at them, [rows, times, numbers].
    pub states: Tensor<3>,
}

impl Foresight<'_> {
    fn moved(&self, states: &Tensor<3>, action: &Tensor<3>) -> Result<Tensor<3>> {
        let [rows, times, width] = states.dims();
        let last = states.clone().narrow(1, times - 1, 1);
        if self.kinematics == Kinematics::Place {
            return Ok(last + action.clone());
        }
        let plain = if action.is_autodiff() { action.clone().inner() } else { action.clone() };
        let last = if last.is_autodiff() { last.inner() } else { last };
        let (from, by) = (host::read(last)?, host::read(plain)?);
        let moved = from.chunks_exact(width).zip(by.chunks_exact(width));
        let moved: Vec<f32> = moved.flat_map(|(state, action)| self.kinematics.moved(state, action)).collect();
        Ok(Tensor::from_data(TensorData::new(moved, [rows, 1, width]), self.device))
    }
}

impl WorldModel for Foresight<'_> {
    type State = Seen;
    type Goal = Tensor<3>;

    fn action_width(&self) -> usize {
        self.kinematics.width()
    }

    fn device(&self) -> &Device {
        self.device
    }

    fn repeat(&self, state: &Seen, times: usize) -> Seen {
        let copies = |x: &Tensor<3>| -> Tensor<3> {
            let [rows, tokens, width] = x.dims();
            let copies: Tensor<4> = x.clone().reshape([rows, 1, tokens, width]).repeat_dim(1, times);
            copies.reshape([rows * times, tokens, width])
        };
        Seen {
            features: copies(&state.features),
            actions: state.actions.as_ref().map(copies),
            states: copies(&state.states),
        }
    }

    fn step(&self, state: Seen, actions: Tensor<2>) -> Result<Seen> {
        let [rows, width] = actions.dims();
        let action: Tensor<3> = actions.reshape([rows, 1, width]);
        let moved = self.moved(&state.states, &action)?;
        let actions = match state.actions {
            Some(before) => Tensor::cat(vec![before, action], 1),
            None => action,
        };
        let frame = self.predictor.frame();
        let tokens = state.features.dims()[1];
        let next = self.predictor.next(state.features.clone(), actions.clone(), state.states.clone());
        let next = next.narrow(1, tokens - frame, frame);
        Ok(Seen {
            features: Tensor::cat(vec![state.features, next], 1),
            actions: Some(actions),
            states: Tensor::cat(vec![state.states, moved], 1),
        })
    }

    fn energy(&self, state: &Seen, goal: &Tensor<3>) -> Result<Tensor<1>> {
        let frame = self.predictor.frame();
        let ([rows, tokens, width], problems) = (state.features.dims(), goal.dims()[0]);
        let last = state.features.clone().narrow(1, tokens - frame, frame);
        let away: Tensor<3> = last.reshape([problems, rows / problems, frame * width])
            - goal.clone().reshape([problems, 1, frame * width]);
        Ok(away.abs().mean_dim(2).reshape([rows]))
    }
}
