//! What an objective remembers from step to step: the centre of the targets, and keys of earlier batches.

use std::collections::BTreeMap;

use burn::prelude::*;

use crate::checkpoint::Named;
use crate::error::Result;
use crate::host;

/// What an objective remembers; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// The centre of the targets, once a batch was seen.
    pub centre: Option<Vec<f32>>,
    /// Keys of earlier batches, by the place of the term that reads them.
    pub queues: BTreeMap<usize, Keys>,
}

/// Rows of one width, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys {
    /// Values a row.
    pub width: usize,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// What one batch leaves for the steps after it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The mean that the centre follows, in one shard its part of it; none when no centre is kept.
    pub mean: Option<Vec<f64>>,
    /// New keys, by the place of the term whose queue they enter.
    pub keys: BTreeMap<usize, Keys>,
}

impl Memory {
    /// As tensors of a checkpoint; none when there is nothing to remember.
    pub fn named(&self) -> Named {
        let centre = self.centre.iter().map(|c| ("centre".to_owned(), (vec![c.len()], c.clone())));
        let queues = self.queues.iter().filter(|(_, keys)| !keys.is_empty());
        let queues =
            queues.map(|(term, keys)| (format!("queue.{term}"), (vec![keys.len(), keys.width], keys.values.clone())));
        centre.chain(queues).collect()
    }

    /// Back from [`Self::named`].
    pub fn from_named(mut tensors: Named) -> Self {
        let centre = tensors.remove("centre").map(|(_, values)| values);
        let queue = |(name, (shape, values)): (String, (Vec<usize>, Vec<f32>))| {
            let term = name.strip_prefix("queue.")?.parse().ok()?;
            Some((term, Keys { width: shape.last().copied().unwrap_or(0), values }))
        };
        Self { centre, queues: tensors.into_iter().filter_map(queue).collect() }
    }
}

impl Keys {
    /// The rows of a matrix.
    pub fn of(rows: Tensor<2>) -> Result<Self> {
        Ok(Self { width: rows.dims()[1], values: host::read(rows.inner())? })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows as a matrix.
    pub fn tensor(&self, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.values.clone(), [self.len(), self.width]), device)
    }

    /// Adds rows and drops the oldest beyond `limit`.
    pub fn push(&mut self, new: Keys, limit: usize) {
        if self.width != new.width {
            self.values.clear();
        }
        self.width = new.width;
        self.values.extend(new.values);
        let surplus = self.len().saturating_sub(limit) * self.width;
        self.values.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_forgets_the_oldest_rows_first_and_survives_a_checkpoint() {
        let mut memory = Memory { centre: Some(vec![0.5]), ..Default::default() };
        let queue = memory.queues.entry(2).or_default();
        queue.push(Keys { width: 2, values: vec![1.0, 2.0, 3.0, 4.0] }, 3);
        queue.push(Keys { width: 2, values: vec![5.0, 6.0, 7.0, 8.0] }, 3);
        assert_eq!(queue.values, [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(Memory::from_named(memory.named()), memory);
        assert!(Memory::default().named().is_empty());
    }
}
