//! The predictor: a recurrent cell whose input is the action and whose hidden state is the embedding.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use jepa_core::nn::{Init, Linear};

/// PyTorch's `GRUCell`: r and u = σ(of both), n = tanh(input + r · hidden), h' = (1 − u) n + u h.
#[derive(Module, Debug)]
pub struct Gru {
    /// action to 3 width: rows of r, u, n.
    pub input: Linear,
    /// width to 3 width, in the same order.
    pub hidden: Linear,
}

impl Gru {
    /// A cell with weights from `init`; those of the action are as large as those of the state, as PyTorch draws them.
    pub fn new(init: &mut Init, action: usize, width: usize) -> Self {
        let shrink = (action as f64 / width as f64).sqrt();
        let weight = init.matrix(action, 3 * width).map(|weight| weight * shrink);
        let input = Linear { weight, bias: Some(init.bias(width, 3 * width)) };
        Self { input, hidden: Linear::new(init, width, 3 * width) }
    }

    /// State [rows, width] and action [rows, action] to the next state.
    pub fn step(&self, state: Tensor<2>, action: Tensor<2>) -> Tensor<2> {
        let width = state.dims()[1];
        let [of_action, of_state] = [self.input.forward(action), self.hidden.forward(state.clone())];
        let gates = sigmoid(of_action.clone().narrow(1, 0, 2 * width) + of_state.clone().narrow(1, 0, 2 * width));
        let (reset, update) = (gates.clone().narrow(1, 0, width), gates.narrow(1, width, width));
        let part = |x: Tensor<2>| x.narrow(1, 2 * width, width);
        let new = (part(of_action) + reset * part(of_state)).tanh();
        new.clone() + update * (state - new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::host;
    use jepa_core::nn::InitScheme;

    #[test]
    fn a_step_is_the_cells_formula() {
        let device = Device::flex();
        let cell = Gru::new(&mut Init::new(1, InitScheme::PyTorch, &device), 2, 3);
        let rows = |values: &[f32], width| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [values.len() / width, width]), &device)
        };
        let (state, action) = ([0.3f32, -0.8, 0.5, 1.0, 0.1, -0.2], [0.7f32, -0.4, 0.0, 1.5]);
        let found = host::read(cell.step(rows(&state, 3), rows(&action, 2))).unwrap();
        let read = |linear: &Linear| {
            let bias = linear.bias.as_ref().map(|b| host::read(b.val()).unwrap()).unwrap();
            (host::read(linear.weight.val()).unwrap(), bias)
        };
        let (input, hidden) = (read(&cell.input), read(&cell.hidden));
        let of = |(w, b): &(Vec<f32>, Vec<f32>), x: &[f32], at: usize| {
            b[at] + x.iter().enumerate().map(|(i, v)| v * w[i * 9 + at]).sum::<f32>()
        };
        let sigmoid = |v: f32| 1.0 / (1.0 + (-v).exp());
        for row in 0..2 {
            let (h, a) = (&state[row * 3..row * 3 + 3], &action[row * 2..row * 2 + 2]);
            for at in 0..3 {
                let reset = sigmoid(of(&input, a, at) + of(&hidden, h, at));
                let update = sigmoid(of(&input, a, 3 + at) + of(&hidden, h, 3 + at));
                let new = (of(&input, a, 6 + at) + reset * of(&hidden, h, 6 + at)).tanh();
                let expected = (1.0 - update) * new + update * h[at];
                assert!((found[row * 3 + at] - expected).abs() < 1e-6);
            }
        }
    }
}
