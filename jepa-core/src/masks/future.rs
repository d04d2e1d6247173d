//! The future: the first times of a clip are seen, all later ones are hidden.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mask, MaskSet};
use crate::error::{Error, Result};
use crate::random::Draw;

/// Hides everything after a time that is drawn for each batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Future {
    /// Smallest and largest share of the times that is seen.
    pub seen: [f64; 2],
}

impl Future {
    /// Checks the shares against a grid of (times, rows, columns); `place` is the key path for messages.
    pub fn check(&self, [times, ..]: [usize; 3], place: &str) -> Result<()> {
        let [low, high] = self.seen;
        if !(0.0 < low && low <= high && high < 1.0) || times < 2 {
            let problem = format!("[{low}, {high}] must be a range inside (0, 1), of two times or more, here {times}");
            return Err(Error::config(format!("{place}.seen"), problem));
        }
        Ok(())
    }

    /// Masks of a batch: one border for all of it, at least one time on either side.
    pub fn sample(&self, batch: usize, [times, rows, columns]: [usize; 3], draw: &mut impl Draw) -> Result<MaskSet> {
        let [low, high] = self.seen.map(|share| ((share * times as f64).round() as usize).clamp(1, times - 1));
        let seen = low + draw.below(high - low + 1);
        let (border, tokens) = ((seen * rows * columns) as u32, times * rows * columns);
        let all = |range: std::ops::Range<u32>| Ok::<_, Error>(vec![Mask::new(&vec![range.collect(); batch], tokens)?]);
        Ok(MaskSet { context: all(0..border)?, target: all(border..tokens as u32)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn what_is_seen_comes_before_what_is_hidden_and_every_border_is_drawn() {
        let future = Future { seen: [0.25, 0.75] };
        future.check([8, 2, 3], "masks").unwrap();
        let mut borders: Vec<usize> = (0..60)
            .map(|step| {
                let set = future.sample(3, [8, 2, 3], &mut Stream::new(1, Purpose::Masks, step, 0)).unwrap();
                let (seen, hidden) = (set.context[0].row(2), set.target[0].row(2));
                assert_eq!([seen, hidden].concat(), (0..48).collect::<Vec<u32>>());
                seen.len() / 6
            })
            .collect();
        borders.sort_unstable();
        borders.dedup();
        assert_eq!(borders, [2, 3, 4, 5, 6]);
        for seen in [[0.0, 0.5], [0.6, 0.5], [0.5, 1.0]] {
            let error = Future { seen }.check([8, 2, 3], "model.masks.0").unwrap_err().to_string();
            assert!(error.contains("model.masks.0.seen"), "{error}");
        }
    }
}
