//! The expander of the content branch.

use burn::module::Module;
use burn::prelude::*;
use jepa_core::jepa::Step;
use jepa_core::nn::{BatchNorm, BatchStatistics, Init, Linear};

/// A linear map, a batch normalisation and a ReLU.
#[derive(Module, Debug)]
pub struct ExpanderLayer {
    /// No bias: the normalisation would take it away.
    pub map: Linear,
    /// Over the pictures of the batch, each view by itself.
    pub norm: BatchNorm,
}

/// Pooled features to what VICReg (Bardes et al. 2022, arXiv 2105.04906) compares: layers with batch normalisation, then
/// a linear map without bias.
#[derive(Module, Debug)]
pub struct Expander {
    /// All layers but the last.
    pub layers: Vec<ExpanderLayer>,
    /// The last.
    pub out: Linear,
}

impl Expander {
    /// From `inputs` to the last of `widths`, by way of the others.
    pub fn new(init: &mut Init, inputs: usize, widths: &[usize]) -> Self {
        let (last, inner) = widths.split_last().unwrap_or((&inputs, &[]));
        let mut before = inputs;
        let layers = inner
            .iter()
            .map(|width| {
                let map = Linear::without_bias(init, before, *width);
                before = *width;
                ExpanderLayer { map, norm: BatchNorm::new(init, *width) }
            })
            .collect();
        Self { layers, out: Linear::without_bias(init, before, *last) }
    }

    /// One view: [pictures, inputs] to [pictures, outputs], and what the normalisations met, a layer each.
    pub fn forward(&self, x: Tensor<2>, step: &Step) -> (Tensor<2>, Vec<Option<BatchStatistics>>) {
        let mut met = Vec::with_capacity(self.layers.len());
        let x = self.layers.iter().fold(x, |x, layer| {
            let (x, statistics) = layer.norm.forward(layer.map.forward(x), true, step);
            met.push(statistics);
            x
        });
        (self.out.forward(x), met)
    }

    /// Both views, and what the normalisations met on average, by the paths of their layers below `place`.
    pub fn both(
        &self,
        views: [Tensor<2>; 2],
        step: &Step,
        place: &str,
    ) -> ([Tensor<2>; 2], Vec<(String, BatchStatistics)>) {
        let [(a, met_a), (b, met_b)] = views.map(|view| self.forward(view, step));
        let mean = |(i, (a, b)): (usize, (Option<BatchStatistics>, Option<BatchStatistics>))| {
            let (a, b) = (a?, b?);
            let mean = BatchStatistics { mean: (a.mean + b.mean) * 0.5, variance: (a.variance + b.variance) * 0.5 };
            Some((format!("{place}.layers.{i}.norm"), mean))
        };
        ([a, b], met_a.into_iter().zip(met_b).enumerate().filter_map(mean).collect())
    }
}
