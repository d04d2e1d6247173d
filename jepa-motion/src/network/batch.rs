//! What the loader hands over: pairs of frames, and two views of every picture of the content branch.

use std::ops::Range;

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::Batch;

use crate::pyramid::Map;

/// Pictures in [0, 1], channels last. Of every pair one frame after the other, of every picture one view after the
/// other.
#[derive(Debug, Clone, PartialEq)]
pub struct MotionBatch {
    pairs: usize,
    frames: Pictures,
    views: Option<Pictures>,
}

/// Pictures of one size, as many for every pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Pictures {
    values: Vec<f32>,
    size: [usize; 2],
    /// Of one pair.
    each: usize,
}

impl Pictures {
    /// `values` are [pairs, `each`, rows, columns, 3].
    pub fn new(values: Vec<f32>, size: [usize; 2], each: usize) -> Self {
        Self { values, size, each }
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Values of one picture.
    fn length(&self) -> usize {
        3 * self.size[0] * self.size[1]
    }

    /// The picture `place` of pair `pair`.
    pub fn picture(&self, pair: usize, place: usize) -> &[f32] {
        let start = (pair * self.each + place) * self.length();
        self.values.get(start..start + self.length()).unwrap_or(&[])
    }

    fn shard(&self, pairs: &Range<usize>) -> Self {
        let size = self.each * self.length();
        Self { values: self.values[pairs.start * size..pairs.end * size].to_vec(), ..*self }
    }

    /// The first of every two pictures, of all pairs, then the second ones; with `both` off the first ones alone.
    fn upload(&self, both: bool, device: &Device) -> Map {
        let two = if self.each > 1 { 2 } else { 1 };
        let pictures = self.values.chunks_exact(self.length());
        let part = |second: usize| pictures.clone().skip(second).step_by(two).flatten().copied();
        let mut values: Vec<f32> = part(0).collect();
        if both && two == 2 {
            values.extend(part(1));
        }
        let frames = values.len() / self.length().max(1);
        let places = self.size[0] * self.size[1];
        Map::new(Tensor::from_data(TensorData::new(values, [frames, places, 3]), device), self.size)
    }

    /// Other values in every second picture (`second`) or every first one.
    fn disturb(&mut self, second: bool) {
        let length = self.length();
        for picture in self.values.chunks_exact_mut(length).skip(usize::from(second)).step_by(2) {
            picture.iter_mut().enumerate().for_each(|(i, v)| *v = 0.9 - 0.7 * *v + 0.02 * (i % 7) as f32);
        }
    }
}

impl MotionBatch {
    /// A training batch: two `frames` a pair, and two views of every picture.
    pub fn new(pairs: usize, frames: Pictures, views: Pictures) -> Result<Self> {
        if frames.each != 2 || views.each == 0 || views.each % 2 == 1 {
            let problem =
                format!("{} frames and {} views a pair; expected 2 and an even number", frames.each, views.each);
            return Err(Error::Engine(problem));
        }
        Self::checked(Self { pairs, frames, views: Some(views) })
    }

    /// Pairs alone (two `frames` each), or single frames.
    pub fn clean(pairs: usize, frames: Pictures) -> Result<Self> {
        Self::checked(Self { pairs, frames, views: None })
    }

    fn checked(self) -> Result<Self> {
        let fits = |pictures: &Pictures| pictures.values.len() == self.pairs * pictures.each * pictures.length();
        if self.pairs == 0 || !fits(&self.frames) || !self.views.as_ref().is_none_or(fits) {
            let (found, size) = (self.frames.values.len(), self.frames.size);
            return Err(Error::Engine(format!("{found} values do not make {} pairs of {size:?}", self.pairs)));
        }
        Ok(self)
    }

    /// The frames on the host.
    pub fn frames(&self) -> &Pictures {
        &self.frames
    }

    /// The views on the host.
    pub fn views(&self) -> Option<&Pictures> {
        self.views.as_ref()
    }

    /// Frames t of all pairs, then frames t + 1.
    pub(super) fn upload_frames(&self, device: &Device) -> Map {
        self.frames.upload(true, device)
    }

    /// Frames t.
    pub(super) fn upload_first(&self, device: &Device) -> Map {
        self.frames.upload(false, device)
    }

    /// First views of all pictures, then second views.
    pub(super) fn upload_views(&self, device: &Device) -> Option<Map> {
        self.views.as_ref().map(|views| views.upload(true, device))
    }
}

impl Batch for MotionBatch {
    fn len(&self) -> usize {
        self.pairs
    }

    fn shard(&self, range: Range<usize>) -> Self {
        Self {
            pairs: range.len(),
            frames: self.frames.shard(&range),
            views: self.views.as_ref().map(|views| views.shard(&range)),
        }
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        self.views.iter().map(|views| ("pictures", (self.pairs * views.each / 2) as f64)).collect()
    }

    fn disturbed(&self, hidden: bool) -> Self {
        let mut copy = self.clone();
        copy.frames.disturb(hidden);
        // Views are of what is seen.
        if let Some(views) = copy.views.as_mut().filter(|_| !hidden) {
            views.disturb(false);
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::host;

    #[test]
    fn a_batch_goes_up_half_by_half_and_shards_keep_their_pairs() {
        let picture = |value: usize| vec![value as f32; 3 * 2 * 3];
        let frames = Pictures::new((0..6).flat_map(picture).collect(), [2, 3], 2);
        let views = Pictures::new((0..12).flat_map(|v| vec![v as f32; 3]).collect(), [1, 1], 4);
        let batch = MotionBatch::new(3, frames, views).unwrap();
        let firsts = |map: Map| -> Vec<f32> {
            let size = map.size[0] * map.size[1] * 3;
            host::read(map.values).unwrap().into_iter().step_by(size).collect()
        };
        let device = Device::flex();
        assert_eq!(firsts(batch.upload_frames(&device)), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        let shard = batch.shard(1..3);
        assert_eq!(firsts(shard.upload_frames(&device)), [2.0, 4.0, 3.0, 5.0]);
        assert_eq!(firsts(shard.upload_first(&device)), [2.0, 4.0]);
        assert_eq!(firsts(shard.upload_views(&device).unwrap()), [4.0, 6.0, 8.0, 10.0, 5.0, 7.0, 9.0, 11.0]);
        assert_eq!(shard.frames().picture(0, 1)[0], 3.0);
        assert!(MotionBatch::clean(3, Pictures::new(vec![0.0; 17], [2, 3], 1)).is_err());
    }
}
