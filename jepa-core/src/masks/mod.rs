//! Which tokens are seen, which are to be predicted.
//!
//! The order of a masked batch is a contract, because a wrong repeat trains silently: rows of gathered tokens go
//! **(mask, image)**, predictions and targets go **(target mask, context mask, image)**.

mod blocks3d;
mod future;
mod multiblock;
mod random;
mod sets;
mod tube;

pub use blocks3d::{MultiBlock3d, MultiBlock3dConfig};
pub use future::Future;
pub use multiblock::{MaskRule, MultiBlock, MultiBlockConfig};
pub use random::RandomMask;
pub use sets::TokenSets;
pub use tube::RandomTube;

use burn::prelude::*;

use crate::error::{Error, Result};
use crate::random::Draw;

/// One mask for each sample of a batch, all of one length: [batch, len] indices into `tokens`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    indices: Vec<u32>,
    batch: usize,
    tokens: usize,
}

impl Mask {
    /// Checks that rows have one length, stay below `tokens` and hold no index twice: index kernels on GPUs are
    /// unchecked.
    pub fn new(rows: &[Vec<u32>], tokens: usize) -> Result<Self> {
        let len = rows.first().map_or(0, Vec::len);
        let wrong = |problem: String| Err(Error::config("mask", problem));
        let mut seen = vec![usize::MAX; tokens];
        for (row, indices) in rows.iter().enumerate() {
            if indices.len() != len || len == 0 {
                return wrong(format!(
                    "row {row} has {} indices, row 0 has {len}; all must have the same number, at least one",
                    indices.len()
                ));
            }
            for &index in indices {
                match seen.get_mut(index as usize) {
                    Some(last) if *last == row => return wrong(format!("row {row} holds token {index} twice")),
                    Some(last) => *last = row,
                    None => return wrong(format!("row {row} holds token {index}, there are {tokens}")),
                }
            }
        }
        Ok(Self { indices: rows.concat(), batch: rows.len(), tokens })
    }

    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Indices kept for each sample.
    pub fn len(&self) -> usize {
        self.indices.len().checked_div(self.batch).unwrap_or(0)
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Number of tokens indices point into.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The indices of sample `i`.
    pub fn row(&self, i: usize) -> &[u32] {
        self.indices.get(i * self.len()..(i + 1) * self.len()).unwrap_or(&[])
    }

    /// The masks of the samples `range`.
    pub fn shard(&self, range: std::ops::Range<usize>) -> Self {
        let len = self.len();
        let indices = self.indices.get(range.start * len..range.end * len).unwrap_or(&[]).to_vec();
        Self { indices, batch: range.len(), tokens: self.tokens }
    }
}

/// Context and target masks of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskSet {
    /// What the context encoder sees; usually one mask.
    pub context: Vec<Mask>,
    /// What the predictor is asked for, one block a mask.
    pub target: Vec<Mask>,
}

impl MaskSet {
    /// The masks of the samples `range`.
    pub fn shard(&self, range: std::ops::Range<usize>) -> Self {
        let shard = |masks: &[Mask]| masks.iter().map(|m| m.shard(range.clone())).collect();
        Self { context: shard(&self.context), target: shard(&self.target) }
    }
}

/// Cuts one ascending mask to `length` tokens: from the end with the official rule, anywhere with the corrected one.
fn cut(row: &mut Vec<u32>, length: usize, rule: MaskRule, places: &mut impl Draw) {
    if rule == MaskRule::Corrected && row.len() > length {
        // Fisher-Yates on the first places, then back into reading order.
        for i in 0..length {
            let other = i + places.below(row.len() - i);
            row.swap(i, other);
        }
        row.truncate(length);
        row.sort_unstable();
    }
    row.truncate(length);
}

/// Keeps the tokens each mask names: [batch, tokens, width] to [masks * batch, len, width], order (mask, image).
pub fn gather(x: Tensor<3>, masks: &[Mask]) -> Tensor<3> {
    let [batch, tokens, width] = x.dims();
    let len = masks.first().map_or(0, Mask::len);
    let flat: Vec<i32> = masks
        .iter()
        .flat_map(|mask| (0..batch).flat_map(move |b| mask.row(b).iter().map(move |&i| (b * tokens) as i32 + i as i32)))
        .collect();
    let count = flat.len();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(flat, [count]), &x.device());
    // One `select` over rows: its gradient adds rows serially, the same bits on every run.
    x.reshape([batch * tokens, width]).select(0, indices).reshape([masks.len() * batch, len, width])
}

/// Rows of a table that is the same for every sample: [1, tokens, width] to [masks * batch, len, width], order (mask,
/// image).
pub fn gather_table(table: Tensor<3>, masks: &[Mask]) -> Tensor<3> {
    let [_, tokens, width] = table.dims();
    let (batch, len) = masks.first().map_or((0, 0), |m| (m.batch, m.len()));
    let flat: Vec<i32> = masks.iter().flat_map(|m| m.indices.iter().map(|&i| i as i32)).collect();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(flat, [masks.len() * batch * len]), &table.device());
    table.reshape([tokens, width]).select(0, indices).reshape([masks.len() * batch, len, width])
}

/// Repeats every consecutive chunk of `batch` rows `times` times: (mask, image) to (mask, repeat, image).
pub fn repeat_interleave(x: Tensor<3>, batch: usize, times: usize) -> Tensor<3> {
    if times == 1 {
        return x;
    }
    let [rows, len, width] = x.dims();
    x.reshape([rows / batch, 1, batch, len, width]).expand([rows / batch, times, batch, len, width]).reshape([
        rows * times,
        len,
        width,
    ])
}
