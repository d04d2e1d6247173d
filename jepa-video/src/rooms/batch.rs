//! What the networks read: pictures and actions of walks.

use std::ops::Range;

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::Batch;

use super::layout::{CHANNELS, PIXELS, SIDE};
use super::walk::Walk;

/// Walks as normalised pictures, with their actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Episodes {
    /// [samples, times, 2, 65, 65]
    pictures: Vec<f32>,
    /// [samples, times, 2]
    actions: Vec<f32>,
    samples: usize,
    times: usize,
}

impl Episodes {
    /// The first `times` moments of walks.
    pub fn new(walks: &[Walk], times: usize) -> Result<Self> {
        if walks.is_empty() || times == 0 || walks.iter().any(|walk| walk.places.len() < times) {
            return Err(Error::Engine(format!("{} walks have not {times} moments each", walks.len())));
        }
        let moments = || walks.iter().flat_map(|walk| walk.places[..times].iter().map(move |at| (walk, *at)));
        let pictures = moments().flat_map(|(walk, at)| walk.rooms.seen(at)).collect();
        let actions = walks.iter().flat_map(|walk| walk.actions[..times].iter().flatten().copied()).collect();
        Ok(Self { pictures, actions, samples: walks.len(), times })
    }

    /// Moments of a sample.
    pub fn times(&self) -> usize {
        self.times
    }

    /// All pictures, moment by moment: row t · samples + i is sample i at time t, [times * samples, 2, 65, 65].
    pub fn pictures(&self, device: &Device) -> Tensor<4> {
        let moment = CHANNELS * PIXELS;
        let mut values = Vec::with_capacity(self.pictures.len());
        for time in 0..self.times {
            for sample in 0..self.samples {
                let at = (sample * self.times + time) * moment;
                values.extend_from_slice(&self.pictures[at..at + moment]);
            }
        }
        Tensor::from_data(TensorData::new(values, [self.times * self.samples, CHANNELS, SIDE, SIDE]), device)
    }

    /// The actions taken at one time: [samples, 2].
    pub fn actions(&self, time: usize, device: &Device) -> Tensor<2> {
        let values = (0..self.samples).flat_map(|sample| {
            let at = (sample * self.times + time) * 2;
            [self.actions[at], self.actions[at + 1]]
        });
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [self.samples, 2]), device)
    }
}

impl Batch for Episodes {
    fn len(&self) -> usize {
        self.samples
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let of = |values: &[f32]| {
            let each = values.len() / self.samples;
            values[range.start * each..range.end * each].to_vec()
        };
        Self { pictures: of(&self.pictures), actions: of(&self.actions), samples: range.len(), times: self.times }
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        vec![("times", self.times as f64)]
    }

    /// What is hidden is every picture but the first of each sample.
    fn disturbed(&self, hidden: bool) -> Self {
        let mut copy = self.clone();
        for (moment, picture) in copy.pictures.chunks_exact_mut(CHANNELS * PIXELS).enumerate() {
            if (moment % self.times != 0) == hidden {
                picture.iter_mut().enumerate().for_each(|(i, v)| *v = *v * -0.5 + 0.3 + (i % 7) as f32);
            }
        }
        copy
    }
}
