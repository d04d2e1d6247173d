//! Tubes: the same random places are hidden at every time. The ablation that shows what blocks are good for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mask, MaskSet};
use crate::error::{Error, Result};
use crate::random::Draw;

/// Hides a share of the places of a grid at all times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomTube {
    /// Hidden share of the places (V-JEPA's ablation: 0.9).
    pub ratio: f64,
}

impl RandomTube {
    /// Checks the share against a grid of (times, rows, columns); `place` is the key path for messages.
    pub fn check(&self, [_, rows, columns]: [usize; 3], place: &str) -> Result<()> {
        let kept = self.kept(rows * columns);
        if !(0.0 < self.ratio && self.ratio < 1.0) || kept == 0 || kept == rows * columns {
            let problem =
                format!("{} must lie in (0, 1) and leave places on both sides of {rows} x {columns}", self.ratio);
            return Err(Error::config(format!("{place}.ratio"), problem));
        }
        Ok(())
    }

    fn kept(&self, places: usize) -> usize {
        (places as f64 * (1.0 - self.ratio)) as usize
    }

    /// Masks of a batch, ascending; all of one length by construction.
    pub fn sample(&self, batch: usize, [times, rows, columns]: [usize; 3], draw: &mut impl Draw) -> Result<MaskSet> {
        let places = rows * columns;
        let along = |mut chosen: Vec<u32>| -> Vec<u32> {
            chosen.sort_unstable();
            (0..times as u32).flat_map(|t| chosen.iter().map(move |i| t * places as u32 + i)).collect()
        };
        let (mut seen, mut hidden) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            let mut order = draw.permutation(places);
            hidden.push(along(order.split_off(self.kept(places))));
            seen.push(along(order));
        }
        let tokens = times * places;
        Ok(MaskSet { context: vec![Mask::new(&seen, tokens)?], target: vec![Mask::new(&hidden, tokens)?] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn a_tube_hides_the_same_places_at_every_time() {
        let tube = RandomTube { ratio: 0.9 };
        tube.check([3, 4, 5], "masks").unwrap();
        let set = tube.sample(6, [3, 4, 5], &mut Stream::new(1, Purpose::Masks, 0, 0)).unwrap();
        // 20 places times (1 - 0.9) is a little less than 2 in floating point, and cut off, as in the official code.
        assert_eq!((set.context[0].len(), set.target[0].len()), (3, 57));
        for clip in 0..6 {
            let seen = set.context[0].row(clip);
            assert!(seen.is_sorted() && (0..2).all(|i| seen[i + 1] == seen[i] + 20));
        }
        assert!(RandomTube { ratio: 0.99 }.check([3, 4, 5], "masks").is_err());
    }
}
