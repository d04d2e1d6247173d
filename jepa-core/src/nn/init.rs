//! Initial weights, drawn on the host from the run's seed.

use burn::module::Param;
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::random::{Draw as _, Purpose, Stream};

/// The law of initial weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "law")]
pub enum InitScheme {
    /// N(0, 0.02²) for every matrix, zero biases: what the released I-JEPA weights started from.
    Official {
        /// Divide the output matrices of block l (from 1) by sqrt(2l), as the model file writes it and the official
        /// training entry point then undoes (spec of record: off).
        depth_rescale: bool,
    },
    /// Xavier-uniform matrices and a patch embedding of std 1/sqrt(fan-in). For small inputs, where 0.02 would drown
    /// a patch of 16 values in its position code and the features collapse to positions.
    FanIn,
    /// Xavier-uniform for every matrix as it is stored, queries, keys and values as one, and zero biases (MAMP, S-JEPA).
    Xavier,
    /// PyTorch's own for linear layers, biases included: U(-1/sqrt(fan-in), 1/sqrt(fan-in)) (Point-JEPA).
    PyTorch,
}

/// Draws parameters in the order they are asked for; the n-th draw depends on (seed, n) alone.
#[derive(Debug)]
pub struct Init {
    seed: u64,
    drawn: u64,
    scheme: InitScheme,
    device: Device,
}

impl Init {
    /// Parameters for `device` (plain, without autodiff), from `seed`.
    pub fn new(seed: u64, scheme: InitScheme, device: &Device) -> Self {
        Self { seed, drawn: 0, scheme, device: device.clone() }
    }

    /// The device parameters are created on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn draw<const D: usize>(
        &mut self,
        shape: [usize; D],
        mut value: impl FnMut(&mut Stream) -> f32,
    ) -> Param<Tensor<D>> {
        let mut stream = Stream::new(self.seed, Purpose::Weights, self.drawn, 0);
        self.drawn += 1;
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| value(&mut stream)).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &self.device))
    }

    /// A matrix [inputs, outputs].
    pub fn matrix(&mut self, inputs: usize, outputs: usize) -> Param<Tensor<2>> {
        match self.scheme {
            InitScheme::Official { .. } => self.draw([inputs, outputs], |s| 0.02 * s.normal()),
            InitScheme::FanIn | InitScheme::Xavier => {
                let bound = (6.0 / (inputs + outputs) as f32).sqrt();
                self.draw([inputs, outputs], |s| s.between(-bound, bound))
            }
            InitScheme::PyTorch => {
                let bound = (1.0 / inputs as f32).sqrt();
                self.draw([inputs, outputs], |s| s.between(-bound, bound))
            }
        }
    }

    /// The bias of a linear layer.
    pub fn bias(&mut self, inputs: usize, outputs: usize) -> Param<Tensor<1>> {
        match self.scheme {
            InitScheme::PyTorch => {
                let bound = (1.0 / inputs as f32).sqrt();
                self.draw([outputs], |s| s.between(-bound, bound))
            }
            _ => self.constant(0.0, outputs),
        }
    }

    /// The output matrix of a residual branch in block `layer` (from 1).
    pub fn residual_matrix(&mut self, inputs: usize, outputs: usize, layer: usize) -> Param<Tensor<2>> {
        let matrix = self.matrix(inputs, outputs);
        match self.scheme {
            InitScheme::Official { depth_rescale: true } => matrix.map(|m| m / (2.0 * layer as f64).sqrt()),
            _ => matrix,
        }
    }

    /// A fused query-key-value matrix [width, 3 width]: three matrices side by side for the fan-in law.
    pub fn fused_matrix(&mut self, width: usize) -> Param<Tensor<2>> {
        match self.scheme {
            InitScheme::Official { .. } | InitScheme::Xavier | InitScheme::PyTorch => self.matrix(width, 3 * width),
            InitScheme::FanIn => {
                let bound = (3.0 / width as f32).sqrt();
                self.draw([width, 3 * width], |s| s.between(-bound, bound))
            }
        }
    }

    /// The patch embedding [values a patch, width].
    pub fn patch_matrix(&mut self, inputs: usize, outputs: usize) -> Param<Tensor<2>> {
        let std = match self.scheme {
            InitScheme::Official { .. } => 0.02,
            InitScheme::FanIn => 1.0 / (inputs as f32).sqrt(),
            InitScheme::Xavier | InitScheme::PyTorch => return self.matrix(inputs, outputs),
        };
        self.draw([inputs, outputs], |s| std * s.normal())
    }

    /// A convolution kernel [outputs, inputs, side, side], N(0, 2 / (outputs · side²)) whatever the scheme: Kaiming's law
    /// for what a ReLU follows, by fan-out (torchvision's ResNets).
    pub fn kernel(&mut self, outputs: usize, inputs: usize, side: usize) -> Param<Tensor<4>> {
        let std = (2.0 / (outputs * side * side) as f32).sqrt();
        self.draw([outputs, inputs, side, side], |s| std * s.normal())
    }

    /// One learned vector [1, 1, width], N(0, 0.02²); zero by PyTorch's law.
    pub fn token(&mut self, width: usize) -> Param<Tensor<3>> {
        let std = if self.scheme == InitScheme::PyTorch { 0.0 } else { 0.02 };
        self.draw([1, 1, width], |s| std * s.normal())
    }

    /// One learned vector [1, 1, width] that begins as zeros.
    pub fn zero_token(&mut self, width: usize) -> Param<Tensor<3>> {
        self.draw([1, 1, width], |_| 0.0)
    }

    /// One learned vector [1, 1, width] that begins next to nothing, N(0, 1e-12) (V-JEPA 2.1's picture and clip).
    pub fn faint_token(&mut self, width: usize) -> Param<Tensor<3>> {
        self.draw([1, 1, width], |s| 1e-6 * s.normal())
    }

    /// A learned table, N(0, 0.02²).
    pub fn learned_table(&mut self, shape: [usize; 3]) -> Param<Tensor<3>> {
        self.draw(shape, |s| 0.02 * s.normal())
    }

    /// A constant vector.
    pub fn constant(&mut self, value: f32, width: usize) -> Param<Tensor<1>> {
        self.draw([width], |_| value)
    }

    /// A frozen table; its name must end in `pos_embed` for [`Leaf::role`](super::params::Leaf::role) to know it.
    pub fn table(&mut self, values: Vec<f32>, shape: [usize; 3]) -> Param<Tensor<3>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &self.device)).set_require_grad(false)
    }
}
