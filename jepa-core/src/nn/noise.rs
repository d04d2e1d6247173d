//! Dropout and stochastic depth, drawn on the host: what is dropped is a function of (seed, step, layer, sample).

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::jepa::Step;
use crate::random::{Draw as _, Purpose, Stream};

/// How much a transformer drops while it is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoiseConfig {
    /// Share of the values dropped behind the attention's projection and behind both layers of the MLP.
    pub dropout: f64,
    /// Share of the attention probabilities dropped.
    pub attention: f64,
    /// Share of the samples that skip a residual branch of the last block.
    pub path: f64,
    /// Whether that share grows linearly from 0 in the first block; else all blocks have the same.
    pub path_grows: bool,
}

impl NoiseConfig {
    /// Checks the shares; `place` is the key path for the message.
    pub fn check(&self, place: &str) -> Result<()> {
        let Self { dropout, attention, path, .. } = *self;
        if ![dropout, attention, path].iter().all(|share| (0.0..1.0).contains(share)) {
            return Err(Error::config(
                place,
                format!("dropout {dropout}, attention {attention}, path {path}: all must lie in [0, 1)"),
            ));
        }
        Ok(())
    }

    fn is_silent(&self) -> bool {
        self.dropout == 0.0 && self.attention == 0.0 && self.path == 0.0
    }
}

/// The noise of one network in one step.
#[derive(Debug, Clone, Copy)]
pub struct Noise<'a> {
    rates: NoiseConfig,
    step: &'a Step,
    net: u64,
    depth: usize,
    samples: usize,
}

/// The noise of one block.
#[derive(Debug, Clone, Copy)]
pub struct LayerNoise<'a> {
    noise: Noise<'a>,
    layer: usize,
}

impl<'a> Noise<'a> {
    /// Noise for a network of `depth` blocks whose rows are `samples` samples, several times over; `net` tells the
    /// networks of a model apart. None where nothing is dropped: outside of training nothing is.
    pub fn new(rates: NoiseConfig, step: &'a Step, net: u64, depth: usize, samples: usize) -> Option<Self> {
        (!rates.is_silent() && step.batch_statistics).then_some(Self { rates, step, net, depth, samples })
    }

    /// The noise of block `layer`, from 0.
    pub fn layer(&self, layer: usize) -> LayerNoise<'a> {
        LayerNoise { noise: *self, layer }
    }
}

impl LayerNoise<'_> {
    /// Factors of `each` values for every row: 0 with the given share, else what keeps the mean.
    fn factors(&self, share: f64, place: u64, rows: usize, each: usize) -> Vec<f32> {
        let Noise { step, net, samples, .. } = self.noise;
        let keep = (1.0 / (1.0 - share)) as f32;
        let mut values = Vec::with_capacity(rows * each);
        for row in 0..rows {
            let (repeat, sample) = ((row / samples) as u64, (step.first + row % samples) as u64);
            let key = (((net << 8 | self.layer as u64) << 4 | place) << 8 | repeat) << 32 | sample;
            let mut stream = Stream::new(step.seed, Purpose::Noise, step.number, key);
            values.extend((0..each).map(|_| if f64::from(stream.uniform()) < share { 0.0 } else { keep }));
        }
        values
    }

    /// Drops values of [rows, tokens, width]; `place` tells the places of a block apart.
    pub(super) fn values(&self, x: Tensor<3>, place: u64) -> Tensor<3> {
        let share = self.noise.rates.dropout;
        if share == 0.0 {
            return x;
        }
        let shape = x.dims();
        let factors = self.factors(share, place, shape[0], shape[1] * shape[2]);
        let factors = Tensor::from_data(TensorData::new(factors, shape), &self.noise.step.device);
        x * factors
    }

    /// Drops attention probabilities of [rows, heads, tokens, tokens].
    pub(super) fn probabilities(&self, p: Tensor<4>) -> Tensor<4> {
        let shape = p.dims();
        let factors = self.factors(self.noise.rates.attention, 0, shape[0], shape[1] * shape[2] * shape[3]);
        p * Tensor::from_data(TensorData::new(factors, shape), &self.noise.step.device)
    }

    /// Whether attention probabilities are dropped.
    pub(super) fn reaches_attention(&self) -> bool {
        self.noise.rates.attention > 0.0
    }

    /// Drops the residual branch of whole rows.
    pub(super) fn path(&self, x: Tensor<3>, place: u64) -> Tensor<3> {
        let NoiseConfig { path, path_grows, .. } = self.noise.rates;
        let depth = self.noise.depth.max(2) - 1;
        let share = if path_grows { path * self.layer as f64 / depth as f64 } else { path };
        if share == 0.0 {
            return x;
        }
        let rows = x.dims()[0];
        let factors = self.factors(share, place, rows, 1);
        x * Tensor::from_data(TensorData::new(factors, [rows, 1, 1]), &self.noise.step.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn shares_and_means_are_kept_and_a_shard_draws_what_the_batch_drew() {
        let rates = NoiseConfig { dropout: 0.25, attention: 0.0, path: 0.5, path_grows: true };
        let mut step = Step::new(3, 10, 7, &Device::flex());
        let ones = Tensor::<3>::ones([8, 40, 50], &Device::flex());
        let of = |step: &Step, x: Tensor<3>, samples: usize| {
            let layer = Noise::new(rates, step, 1, 5, samples).unwrap().layer(4);
            (host::read(layer.values(x.clone(), 1)).unwrap(), host::read(layer.path(x, 2)).unwrap())
        };
        let (values, paths) = of(&step, ones.clone(), 8);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(values.iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
        assert!(paths.chunks(2000).all(|row| row.iter().all(|v| *v == row[0])), "whole rows");
        step.first = 4;
        let (half, _) = of(&step, ones.clone().narrow(0, 4, 4), 4);
        assert_eq!(half, values[4 * 2000..]);
        let first = Noise::new(rates, &step, 1, 5, 8).unwrap().layer(0);
        assert_eq!(host::read(first.path(ones, 2)).unwrap(), vec![1.0; 8 * 2000], "the first block loses nothing");
    }
}
