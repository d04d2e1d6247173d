//! Inverse dynamics: which action led from one state to the next. It can only be told when both states carry where the
//! agent is; without it the embedding may keep what is easiest to predict, the walls, and nothing else.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::relu;
use jepa_core::nn::{Init, Linear};

/// Three linear layers with ReLU between, on both states side by side.
#[derive(Module, Debug)]
pub struct Inverse {
    /// 2 width to hidden.
    pub fc1: Linear,
    /// hidden to hidden.
    pub fc2: Linear,
    /// hidden to action.
    pub fc3: Linear,
}

impl Inverse {
    /// A network with weights from `init`.
    pub fn new(init: &mut Init, width: usize, hidden: usize, action: usize) -> Self {
        Self {
            fc1: Linear::new(init, 2 * width, hidden),
            fc2: Linear::new(init, hidden, hidden),
            fc3: Linear::new(init, hidden, action),
        }
    }

    /// States [rows, width] before and after, to the action [rows, action].
    pub fn forward(&self, before: Tensor<2>, after: Tensor<2>) -> Tensor<2> {
        let x = relu(self.fc1.forward(Tensor::cat(vec![before, after], 1)));
        self.fc3.forward(relu(self.fc2.forward(x)))
    }
}
