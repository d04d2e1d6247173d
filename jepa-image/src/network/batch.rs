//! A batch of views on the host.

use std::ops::Range;

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::Batch;
use jepa_core::masks::MaskSet;

/// Views of the same samples, with masks where pixels are to be predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewBatch {
    views: Vec<Planes>,
    samples: usize,
    channels: usize,
    /// Views from the first on that are whole pictures; the rest are small parts.
    globals: usize,
    /// Pixels along a side of a masked patch.
    patch: usize,
    masks: Option<MaskSet>,
}

/// One view of every sample: normalised planes, [samples, channels, side, side].
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    /// Row-major.
    pub values: Vec<f32>,
    /// Pixels along a side.
    pub side: usize,
}

impl ViewBatch {
    /// Views of `samples` pictures of `channels`, the first `globals` of them whole pictures. Masks are for patches of
    /// `patch` pixels of the first view.
    pub fn new(
        views: Vec<Planes>,
        [samples, channels]: [usize; 2],
        globals: usize,
        masks: Option<(usize, MaskSet)>,
    ) -> Result<Self> {
        let (patch, masks) = masks.map_or((1, None), |(patch, masks)| (patch, Some(masks)));
        let fits = |view: &Planes| view.side > 0 && view.values.len() == samples * channels * view.side * view.side;
        let tokens = views.first().map_or(0, |view| (view.side / patch.max(1)).pow(2));
        let masked = masks.as_ref().is_none_or(|m| {
            m.context.iter().chain(&m.target).all(|mask| mask.batch() == samples && mask.tokens() == tokens)
                && !m.context.is_empty()
                && !m.target.is_empty()
        });
        if samples == 0 || !views.iter().all(fits) || !(1..=views.len()).contains(&globals) || !masked {
            let sizes: Vec<usize> = views.iter().map(|view| view.values.len()).collect();
            return Err(Error::Engine(format!(
                "{sizes:?} values, {globals} global views and {masks:?} do not make a batch of {samples} samples with \
                 {channels} channels"
            )));
        }
        Ok(Self { views, samples, channels, globals, patch, masks })
    }

    /// Views that are whole pictures.
    pub fn globals(&self) -> usize {
        self.globals
    }

    /// Channels of a picture.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Pixels along a side of a masked patch.
    pub fn patch(&self) -> usize {
        self.patch
    }

    /// Which patches are seen and which are to be predicted.
    pub fn masks(&self) -> Option<&MaskSet> {
        self.masks.as_ref()
    }

    /// The first view of one sample, [channels, side, side].
    pub fn first(&self, sample: usize) -> &[f32] {
        self.views.first().map_or(&[], |view| {
            let size = self.channels * view.side * view.side;
            view.values.get(sample * size..(sample + 1) * size).unwrap_or(&[])
        })
    }

    /// The views on a device, [samples, channels, side, side] each.
    pub fn upload(&self, device: &Device) -> Vec<Tensor<4>> {
        let shape = |side: usize| [self.samples, self.channels, side, side];
        let upload = |view: &Planes| Tensor::from_data(TensorData::new(view.values.clone(), shape(view.side)), device);
        self.views.iter().map(upload).collect()
    }
}

impl Batch for ViewBatch {
    fn len(&self) -> usize {
        self.samples
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let cut = |view: &Planes| {
            let size = self.channels * view.side * view.side;
            Planes { values: view.values[range.start * size..range.end * size].to_vec(), side: view.side }
        };
        Self {
            views: self.views.iter().map(cut).collect(),
            samples: range.len(),
            masks: self.masks.as_ref().map(|m| m.shard(range.clone())),
            ..*self
        }
    }

    fn mask_sets(&self) -> &[MaskSet] {
        self.masks.as_slice()
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        match &self.masks {
            Some(masks) => {
                let length = |masks: &[jepa_core::masks::Mask]| masks.first().map_or(0.0, |mask| mask.len() as f64);
                vec![("context_tokens", length(&masks.context)), ("target_tokens", length(&masks.target))]
            }
            None => vec![("views", self.views.len() as f64)],
        }
    }

    fn disturbed(&self, hidden: bool) -> Self {
        let mut copy = self.clone();
        for (number, view) in copy.views.iter_mut().enumerate() {
            let side = view.side;
            for (at, value) in view.values.iter_mut().enumerate() {
                let visible = match &self.masks {
                    None => number == 0,
                    Some(masks) => {
                        let (sample, y, x) = (at / (self.channels * side * side), at / side % side, at % side);
                        let token = (y / self.patch * (side / self.patch) + x / self.patch) as u32;
                        masks.context.iter().any(|mask| mask.row(sample).contains(&token))
                    }
                };
                if visible != hidden {
                    *value = *value * -0.5 + 0.3 + (at % 7) as f32;
                }
            }
        }
        copy
    }
}
