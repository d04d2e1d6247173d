//! A stretch of a sequence, resized to a fixed number of frames.

use std::ops::Range;

use jepa_core::error::{Error, Result};
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Sequence;

/// Most frames of a clip.
const MAX_FRAMES: usize = 10_000;

/// Which stretch of a sequence is taken. The default is that of S-JEPA, which follows MAMP (`feeder/tools.py`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClipConfig {
    /// Frames after resizing (S-JEPA, MAMP: 120).
    pub frames: usize,
    /// Smallest and largest part of the frames that training takes (S-JEPA, MAMP: 0.5 to 1).
    pub share: [f64; 2],
    /// Frames that training takes at least, where there are as many (MAMP: 64).
    pub least: usize,
    /// Part of the frames around the middle that evaluation takes (S-JEPA: 0.9, MAMP: 0.95).
    pub centre: f64,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self { frames: 120, share: [0.5, 1.0], least: 64, centre: 0.9 }
    }
}

impl ClipConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        if self.frames == 0 || self.frames > MAX_FRAMES {
            let problem = format!("expected 1 to {MAX_FRAMES} frames, found {}", self.frames);
            return Err(Error::config(format!("{place}.frames"), problem));
        }
        let [low, high] = self.share;
        if !(0.0 < low && low <= high && high <= 1.0) {
            let problem = format!("expected 0 < smallest <= largest <= 1, found {:?}", self.share);
            return Err(Error::config(format!("{place}.share"), problem));
        }
        if !(0.0 < self.centre && self.centre <= 1.0) {
            let problem = format!("expected a part above 0 and at most 1, found {}", self.centre);
            return Err(Error::config(format!("{place}.centre"), problem));
        }
        Ok(())
    }
}

/// The frames that training takes of `valid` ones: a random part of them, at least `least`, from a random frame on.
pub fn random_span(valid: usize, config: &ClipConfig, draw: &mut impl Draw) -> Range<usize> {
    let [low, high] = config.share;
    let share = low + (high - low) * f64::from(draw.uniform());
    let length = ((valid as f64 * share) as usize).max(config.least).min(valid);
    let start = draw.below(valid - length + 1);
    start..start + length
}

/// The frames that evaluation takes of `valid` ones: the same number is cut at both ends, rounded down.
pub fn centre_span(valid: usize, share: f64) -> Range<usize> {
    let trim = ((1.0 - share) * valid as f64 / 2.0) as usize;
    trim..valid - trim
}

/// Resizes frames of `width` numbers to `frames` frames, as PyTorch's linear interpolation with `align_corners=False`
/// does. `values` must hold at least one frame.
pub fn resize(values: &[f32], width: usize, frames: usize) -> Vec<f32> {
    let count = values.len() / width.max(1);
    let mut out = Vec::with_capacity(frames * width);
    let Some(last) = count.checked_sub(1) else { return out };
    // PyTorch computes places in single precision.
    let scale = count as f32 / frames as f32;
    for frame in 0..frames {
        let place = (scale * (frame as f32 + 0.5) - 0.5).max(0.0);
        let before = (place as usize).min(last);
        let after = (before + 1).min(last);
        let share = (place - before as f32).clamp(0.0, 1.0);
        let row = |at: usize| &values[at * width..(at + 1) * width];
        out.extend(row(before).iter().zip(row(after)).map(|(a, b)| (1.0 - share) * a + share * b));
    }
    out
}

/// The frames `span` of a sequence, resized to `frames`. Fails when the span is empty or reaches beyond the sequence.
pub fn cut(sequence: &Sequence, span: Range<usize>, frames: usize) -> Result<Sequence> {
    if span.is_empty() || span.end > sequence.frames || frames == 0 {
        let problem = format!("frames {span:?} of {} cannot become {frames} frames", sequence.frames);
        return Err(Error::data("clip", problem));
    }
    let width = sequence.frame_len();
    let values = resize(&sequence.values[span.start * width..span.end * width], width, frames);
    Ok(Sequence { frames, values, joints: sequence.joints.clone(), persons: sequence.persons })
}

/// A training clip. As in MAMP the frames that show somebody are taken to be the first ones.
pub fn random(sequence: &Sequence, config: &ClipConfig, draw: &mut impl Draw) -> Result<Sequence> {
    cut(sequence, random_span(sequence.valid().max(1), config, draw), config.frames)
}

/// The clip of evaluation.
pub fn centre(sequence: &Sequence, config: &ClipConfig) -> Result<Sequence> {
    cut(sequence, centre_span(sequence.valid().max(1), config.centre), config.frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::JointSet;
    use jepa_core::random::{Purpose, Stream};

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6), "{found:?}");
    }

    #[test]
    fn frames_are_resized_as_pytorch_resizes_them() {
        let ramp = |n: usize| (0..n).map(|i| i as f32).collect::<Vec<_>>();
        close(&resize(&ramp(10), 1, 6), &[0.333_333, 2.0, 3.666_667, 5.333_333, 7.0, 8.666_666]);
        close(&resize(&ramp(5), 1, 8), &[0.0, 0.4375, 1.0625, 1.6875, 2.3125, 2.9375, 3.5625, 4.0]);
        assert_eq!(resize(&ramp(1), 1, 3), [0.0; 3]);
        let pairs: Vec<f32> = ramp(5).iter().flat_map(|v| [*v, -*v]).collect();
        let resized = resize(&pairs, 2, 8);
        assert!(resized.chunks(2).all(|pair| pair[0] == -pair[1]));
        let same = resize(&ramp(7), 1, 7);
        assert_eq!(same, ramp(7));
    }

    #[test]
    fn the_centre_is_trimmed_evenly_and_rounded_down() {
        assert_eq!(centre_span(50, 0.95), 1..49);
        assert_eq!(centre_span(300, 0.95), 7..293);
        assert_eq!(centre_span(20, 0.9), 0..20, "1 - 0.9 is a little less than 0.1");
        assert_eq!(centre_span(1, 0.1), 0..1);
        assert_eq!(centre_span(300, 1.0), 0..300);
    }

    #[test]
    fn random_spans_are_long_enough_and_inside() {
        let config = ClipConfig::default();
        let (mut shortest, mut longest) = (usize::MAX, 0);
        for sample in 0..2000 {
            let mut draw = Stream::new(1, Purpose::Test, 0, sample);
            let span = random_span(200, &config, &mut draw);
            assert!(span.end <= 200);
            (shortest, longest) = (shortest.min(span.len()), longest.max(span.len()));
            assert_eq!(random_span(40, &config, &mut draw), 0..40, "short sequences are taken whole");
            assert!(random_span(100, &config, &mut draw).len() >= 64);
        }
        assert!((100..103).contains(&shortest) && (197..=200).contains(&longest), "{shortest} {longest}");
    }

    #[test]
    fn clips_have_the_asked_length_and_impossible_ones_are_errors() {
        let values: Vec<f32> = (0..10 * 2 * 3).map(|i| i as f32).collect();
        let sequence = Sequence::new(JointSet::by_count(2), 10, 1, values).unwrap();
        let config = ClipConfig { frames: 7, ..ClipConfig::default() };
        assert_eq!(centre(&sequence, &config).unwrap().values.len(), 42);
        assert_eq!(random(&sequence, &config, &mut Stream::new(1, Purpose::Test, 0, 0)).unwrap().frames, 7);
        assert_eq!(cut(&sequence, 2..4, 2).unwrap().values, sequence.values[12..24]);
        assert!(cut(&sequence, 5..11, 2).is_err() && cut(&sequence, 5..5, 2).is_err());
    }

    #[test]
    fn configurations_that_make_no_sense_name_their_key() {
        let base = ClipConfig::default;
        for (config, key) in [
            (ClipConfig { frames: 0, ..base() }, "clip.frames"),
            (ClipConfig { share: [0.0, 1.0], ..base() }, "clip.share"),
            (ClipConfig { share: [0.9, 0.5], ..base() }, "clip.share"),
            (ClipConfig { centre: 1.5, ..base() }, "clip.centre"),
            (ClipConfig { centre: f64::NAN, ..base() }, "clip.centre"),
        ] {
            assert!(config.check("clip").unwrap_err().to_string().contains(key));
        }
        base().check("clip").unwrap();
    }
}
