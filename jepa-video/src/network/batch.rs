//! Clips cut into tubelets, with their masks.

use std::ops::Range;

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::Batch;
use jepa_core::masked::PatchBatch;
use jepa_core::masks::{MaskSet, TokenSets};

use super::Layout;

/// Tubelets of clips, one row a segment; a sample has one or more segments.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoBatch {
    rows: PatchBatch,
    segments: usize,
    layout: Layout,
}

impl VideoBatch {
    /// `values` row-major [samples * segments, tokens, values a tubelet], tokens in the order (time, row, column) of
    /// `grid`; masks must be for as many rows and tokens, one context and one target a generator.
    pub fn new(
        values: Vec<f32>,
        samples: usize,
        segments: usize,
        grid: [usize; 3],
        size: usize,
        masks: Vec<MaskSet>,
    ) -> Result<Self> {
        if masks.iter().any(|set| set.context.len() != 1 || set.target.len() != 1) || segments == 0 {
            return Err(Error::Engine("expected one context and one target a mask generator".into()));
        }
        let shape = [samples * segments, grid.iter().product(), size];
        Ok(Self { rows: PatchBatch::new(values, shape, masks)?, segments, layout: Layout::video(grid) })
    }

    /// The same rows as single pictures, for networks with a tokeniser of their own for these.
    pub fn pictures(self) -> Self {
        Self { layout: Layout { picture: true, ..self.layout }, ..self }
    }

    /// Where the tokens lie.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Rows, tokens, values a tubelet.
    pub fn shape(&self) -> [usize; 3] {
        self.rows.shape()
    }

    /// The tubelets of one row, row-major [tokens, values a tubelet].
    pub fn row(&self, index: usize) -> &[f32] {
        self.rows.sample(index)
    }

    /// The tubelets on a device: [rows, tokens, values a tubelet].
    pub fn upload(&self, device: &Device) -> Tensor<3> {
        self.rows.upload(device)
    }
}

impl Batch for VideoBatch {
    fn len(&self) -> usize {
        self.rows.len() / self.segments
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let rows = self.rows.shard(range.start * self.segments..range.end * self.segments);
        Self { rows, ..self.clone() }
    }

    fn mask_sets(&self) -> &[MaskSet] {
        self.rows.mask_sets()
    }

    fn masked(&self, sets: &[TokenSets]) -> Result<Self> {
        if sets.iter().any(|set| set.context.len() != 1 || set.target.len() != 1) {
            return Err(Error::config("mask", "expected one context and one block to be predicted a mask generator"));
        }
        Ok(Self { rows: self.rows.masked(sets)?, ..self.clone() })
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        self.rows.figures()
    }

    fn disturbed(&self, hidden: bool) -> Self {
        Self { rows: self.rows.disturbed(hidden), ..self.clone() }
    }
}
