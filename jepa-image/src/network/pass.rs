//! How batch normalisations normalise in one forward pass, and what they met.

use burn::prelude::*;
use jepa_core::jepa::Step;
use jepa_core::nn::{BatchNorm, BatchStatistics};

/// One forward pass through networks with batch normalisations.
#[derive(Debug)]
pub struct Pass<'a> {
    step: Option<&'a Step>,
    /// What they met, by the path of the layer.
    pub met: Vec<(String, BatchStatistics)>,
}

impl<'a> Pass<'a> {
    /// By the figures of the batch.
    pub fn training(step: &'a Step) -> Self {
        Self { step: Some(step), met: Vec::new() }
    }

    /// By the running figures.
    pub fn evaluation() -> Self {
        Self { step: None, met: Vec::new() }
    }

    /// Rows [rows, width] through the layer at `path`.
    pub fn rows(&mut self, norm: &BatchNorm, path: impl FnOnce() -> String, x: Tensor<2>, relu: bool) -> Tensor<2> {
        let Some(step) = self.step else { return norm.evaluate(x, relu) };
        let (y, statistics) = norm.forward(x, relu, step);
        self.met.extend(statistics.map(|s| (path(), s)));
        y
    }

    /// Maps [pictures, channels, rows, columns] through the layer at `path`, every place a row.
    pub fn maps(&mut self, norm: &BatchNorm, path: impl FnOnce() -> String, x: Tensor<4>, relu: bool) -> Tensor<4> {
        let [pictures, channels, rows, columns] = x.dims();
        let x = x.permute([0, 2, 3, 1]).reshape([pictures * rows * columns, channels]);
        self.rows(norm, path, x, relu).reshape([pictures, rows, columns, channels]).permute([0, 3, 1, 2])
    }
}
