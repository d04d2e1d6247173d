//! What the networks read: pictures and actions of walks.

use std::ops::Range;

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::Batch;
use jepa_core::plugin::Draws;

use super::layout::{CHANNELS, PIXELS, SIDE};
use super::walk::Walk;

/// Walks as normalised pictures, with their actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Episodes {
    /// [samples, moments, 2, 65, 65]
    pictures: Vec<f32>,
    /// The time of every picture, ascending from 0; the same for all samples.
    moments: Vec<usize>,
    /// [samples, times, 2], the actions of all times.
    actions: Vec<f32>,
    samples: usize,
}

impl Episodes {
    /// The first `times` moments of walks, a picture of each.
    pub fn new(walks: &[Walk], times: usize) -> Result<Self> {
        Self::seen_at(walks, &(0..times).collect::<Vec<_>>())
    }

    /// Walks up to the last of `moments`, which ascend from 0: all actions, and pictures of these moments alone.
    pub fn seen_at(walks: &[Walk], moments: &[usize]) -> Result<Self> {
        let times = moments.last().map_or(0, |last| last + 1);
        if walks.is_empty() || times == 0 || walks.iter().any(|walk| walk.places.len() < times) {
            return Err(Error::Engine(format!("{} walks have not {times} moments each", walks.len())));
        }
        let seen = walks.iter().flat_map(|walk| moments.iter().map(move |time| (walk, walk.places[*time])));
        let pictures = seen.flat_map(|(walk, at)| walk.rooms.seen(at)).collect();
        let actions = walks.iter().flat_map(|walk| walk.actions[..times].iter().flatten().copied()).collect();
        Ok(Self { pictures, moments: moments.to_vec(), actions, samples: walks.len() })
    }

    /// A random part of every walk, for training: as long as `moments`, which ascend from 0, and seen at them.
    pub fn drawn(walks: &[Walk], moments: &[usize], draws: &Draws) -> Result<Self> {
        let times = moments.last().map_or(0, |last| last + 1);
        let parts = walks.iter().enumerate().map(|(place, walk)| walk.part(times, &mut draws.augment(place)));
        Self::seen_at(&parts.collect::<Vec<_>>(), moments)
    }

    /// Pictures of a sample.
    pub fn times(&self) -> usize {
        self.moments.len()
    }

    /// The time of every picture.
    pub fn moments(&self) -> &[usize] {
        &self.moments
    }

    /// All pictures, moment by moment: row t · samples + i is sample i at moment t, [moments * samples, 2, 65, 65].
    pub fn pictures(&self, device: &Device) -> Tensor<4> {
        let moment = CHANNELS * PIXELS;
        let mut values = Vec::with_capacity(self.pictures.len());
        for time in 0..self.times() {
            for sample in 0..self.samples {
                let at = (sample * self.times() + time) * moment;
                values.extend_from_slice(&self.pictures[at..at + moment]);
            }
        }
        Tensor::from_data(TensorData::new(values, [self.times() * self.samples, CHANNELS, SIDE, SIDE]), device)
    }

    /// The actions taken at one time: [samples, 2].
    pub fn actions(&self, time: usize, device: &Device) -> Tensor<2> {
        let each = self.actions.len() / self.samples;
        let values = self.actions.chunks_exact(each).flat_map(|walk| [walk[2 * time], walk[2 * time + 1]]);
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [self.samples, 2]), device)
    }

    /// The actions from the first to the last picture: [samples, times - 1, 2].
    pub fn all_actions(&self, device: &Device) -> Tensor<3> {
        let times = self.actions.len() / self.samples / 2;
        let values = self.actions.chunks_exact(2 * times).flat_map(|walk| walk[..2 * (times - 1)].iter().copied());
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [self.samples, times - 1, 2]), device)
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
        Self {
            pictures: of(&self.pictures),
            actions: of(&self.actions),
            samples: range.len(),
            moments: self.moments.clone(),
        }
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        vec![("times", self.times() as f64)]
    }

    /// What is hidden is every picture but the first of each sample.
    fn disturbed(&self, hidden: bool) -> Self {
        let mut copy = self.clone();
        for (moment, picture) in copy.pictures.chunks_exact_mut(CHANNELS * PIXELS).enumerate() {
            if (moment % self.times() != 0) == hidden {
                picture.iter_mut().enumerate().for_each(|(i, v)| *v = *v * -0.5 + 0.3 + (i % 7) as f32);
            }
        }
        copy
    }
}
