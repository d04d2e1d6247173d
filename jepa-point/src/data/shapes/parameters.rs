//! Sizes and counts of a shape.

use jepa_core::data::Split;
use jepa_core::random::{Draw as _, Stream};

/// Bands a range is cut into: the 1st, 3rd and 5th are for training, the 2nd and 4th for testing.
const BANDS: usize = 5;
/// Part of a band that is used, so that neighbouring bands do not touch.
const USED: f32 = 0.9;

/// Draws the parameters of one shape. No value that a test shape has can occur in training.
#[derive(Debug)]
pub(crate) struct Parameters {
    split: Split,
    draw: Stream,
    /// Every draw as a position in its range, for the tests.
    #[cfg(test)]
    pub(crate) drawn: Vec<(f32, bool)>,
}

impl Parameters {
    pub(crate) fn new(split: Split, draw: Stream) -> Self {
        Self {
            split,
            draw,
            #[cfg(test)]
            drawn: Vec::new(),
        }
    }

    /// A size between `low` and `high`, from the bands of this split.
    pub(crate) fn size(&mut self, low: f32, high: f32) -> f32 {
        let band = match self.split {
            Split::Train => 2 * self.draw.below(BANDS.div_ceil(2)),
            Split::Test => 2 * self.draw.below(BANDS / 2) + 1,
        };
        let place = (band as f32 + 0.5 * (1.0 - USED) + USED * self.draw.uniform()) / BANDS as f32;
        #[cfg(test)]
        self.drawn.push((place, false));
        low + (high - low) * place
    }

    /// A count from `low` to `high`: low, low + 2, .. in training, low + 1, low + 3, .. in tests.
    pub(crate) fn count(&mut self, low: usize, high: usize) -> usize {
        let steps = match self.split {
            Split::Train => 2 * self.draw.below((high - low) / 2 + 1),
            Split::Test => 2 * self.draw.below((high - low).div_ceil(2)) + 1,
        };
        #[cfg(test)]
        self.drawn.push((steps as f32, true));
        low + steps
    }

    /// The stream for what is not a property of the shape: points, pose, noise.
    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.draw
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::Purpose;

    #[test]
    fn sizes_and_counts_of_training_and_test_never_meet() {
        let draw = |split| {
            let mut parameters = Parameters::new(split, Stream::new(1, Purpose::Test, 0, 0));
            let mut sizes: Vec<f32> = (0..2000).map(|_| parameters.size(0.0, 1.0)).collect();
            let mut counts: Vec<usize> = (0..2000).map(|_| parameters.count(3, 8)).collect();
            sizes.sort_unstable_by(f32::total_cmp);
            counts.sort_unstable();
            counts.dedup();
            (sizes, counts)
        };
        let ((train, train_counts), (test, test_counts)) = (draw(Split::Train), draw(Split::Test));
        for size in &test {
            let after = train.partition_point(|t| t < size);
            let gap = [after.wrapping_sub(1), after].into_iter().filter_map(|i| train.get(i)).map(|t| (t - size).abs());
            assert!(gap.fold(1.0, f32::min) >= 0.019, "{size}");
        }
        assert_eq!((train_counts, test_counts), (vec![3, 5, 7], vec![4, 6, 8]));
        assert!(train[0] < 0.02 && train[1999] > 0.98, "training reaches both ends");
    }
}
