//! Which frames of a recording make a clip: the rule of V-JEPA and V-JEPA 2 (`src/datasets/video_dataset.py`).

use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most frames of a clip with all its segments.
const MAX_FRAMES: usize = 4096;

/// How far apart the frames of a clip lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SamplingRule {
    /// One in so many frames (V-JEPA: 4).
    Step(usize),
    /// So many frames a second (V-JEPA 2: 4): the step is the recording's rate, rounded up, over this, rounded down.
    Fps(f64),
}

impl SamplingRule {
    /// Frames from one frame of the clip to the next in a recording of `rate` frames a second; at least 1, where the
    /// official code divides by nothing.
    pub fn step(self, rate: f64) -> usize {
        match self {
            Self::Step(step) => step,
            Self::Fps(fps) => ((rate.ceil() / fps).floor() as usize).max(1),
        }
    }
}

/// How clips are cut out of recordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClipOptions {
    /// Frames of a segment (V-JEPA: 16).
    pub frames: usize,
    /// How far apart they lie.
    pub rule: SamplingRule,
    /// Segments, one in each equal part of the recording (training: 1; K400: 8, SSv2: 2).
    pub segments: usize,
    /// Segments may overlap where a part of the recording is shorter than one; else its last frame is repeated.
    pub overlap: bool,
    /// Frames with a longer shorter side are reduced to this one when they are decoded, to save memory; the official
    /// code keeps them whole.
    pub shorter: Option<usize>,
    /// Frames a second of recordings that do not say it themselves, such as folders of frames.
    pub rate: Option<f64>,
}

impl Default for ClipOptions {
    fn default() -> Self {
        Self { frames: 16, rule: SamplingRule::Step(4), segments: 1, overlap: false, shorter: None, rate: None }
    }
}

impl ClipOptions {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        let bad = |key: &str, expected: String| Err(Error::config(format!("{place}.{key}"), expected));
        let all = self.frames.saturating_mul(self.segments);
        if all == 0 || all > MAX_FRAMES {
            let found = format!("{} x {}", self.frames, self.segments);
            return bad("frames", format!("expected frames times segments from 1 to {MAX_FRAMES}, found {found}"));
        }
        if !match self.rule {
            SamplingRule::Step(step) => (1..=MAX_FRAMES).contains(&step),
            SamplingRule::Fps(fps) => fps.is_finite() && fps > 0.0,
        } {
            return bad(
                "rule",
                format!("expected a step of 1 to {MAX_FRAMES} or a rate above 0, found {:?}", self.rule),
            );
        }
        if self.shorter == Some(0) {
            return bad("shorter", "expected at least 1 pixel, found 0".to_owned());
        }
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return bad("rate", format!("expected a rate above 0, found {:?}", self.rate));
        }
        Ok(())
    }

    /// Numbers of the frames to read from a recording of `count` frames at `rate` a second, segment by segment. Where a
    /// part of the recording is longer than a segment, `draw` says where in it the segment lies; without it, at its
    /// beginning.
    pub fn indices(&self, count: usize, rate: f64, draw: Option<&mut Stream>) -> Vec<usize> {
        match draw {
            Some(draw) => self.placed(count, rate, |places| draw.below(places)),
            None => self.placed(count, rate, |_| 0),
        }
    }

    /// The rule, with `start` saying where a segment lies that has so many places to lie.
    fn placed(&self, count: usize, rate: f64, mut start: impl FnMut(usize) -> usize) -> Vec<usize> {
        let step = self.rule.step(rate);
        let span = self.frames * step;
        let part = count / self.segments;
        let mut indices = Vec::with_capacity(self.frames * self.segments);
        for segment in 0..self.segments {
            let first = segment * part;
            if part > span {
                // The end lies in span..part: the very last place is never drawn.
                let start = start(part - span);
                let spread = linspace(start, start + span, self.frames);
                indices.extend(spread.map(|at| first + at.min(start + span - 1)));
            } else if self.overlap {
                let length = span.min(count).saturating_sub(1);
                let shift = count.saturating_sub(span).checked_div(self.segments - 1).unwrap_or(0);
                indices.extend(self.padded(length, step).map(|at| segment * shift + at));
            } else {
                indices.extend(self.padded(part, step).map(|at| first + at));
            }
        }
        // Fewer frames than segments leave empty parts.
        indices.iter_mut().for_each(|at| *at = (*at).min(count.saturating_sub(1)));
        indices
    }

    /// A part of `length` frames, shorter than a segment: frames about `step` apart, then the last one again and again.
    fn padded(&self, length: usize, step: usize) -> impl Iterator<Item = usize> {
        let spread = linspace(0, length, length / step);
        spread.chain(std::iter::repeat(length)).take(self.frames).map(move |at| at.min(length.saturating_sub(1)))
    }
}

/// `numpy.linspace(start, end, count)` cut off to whole numbers.
fn linspace(start: usize, end: usize, count: usize) -> impl Iterator<Item = usize> {
    let step = (end - start) as f64 / (count.max(2) - 1) as f64;
    let last = count.checked_sub(1).filter(|&last| last > 0);
    (0..count).map(move |i| if Some(i) == last { end } else { (i as f64 * step + start as f64) as usize })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::Purpose;

    /// frames, step, segments, overlap, frames of the recording, starts that were drawn, frame numbers.
    type Case = (usize, usize, usize, bool, usize, Vec<usize>, Vec<i64>);

    #[test]
    fn clips_are_those_of_the_official_reader_frame_by_frame() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/reference/sampling.json")).unwrap();
        let (mut compared, mut strides) = (0, 0);
        for (frames, step, segments, overlap, count, starts, expected) in cases {
            // The official reader asks a recording of one frame for frame -1.
            let Ok(expected) = expected.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>() else {
                continue;
            };
            let rule = SamplingRule::Step(step);
            let options = ClipOptions { frames, rule, segments, overlap, ..ClipOptions::default() };
            let mut drawn = starts.iter().copied();
            let found = options.placed(count, 0.0, |_| drawn.next().unwrap_or(0));
            assert_eq!(found, expected, "{options:?} of {count} frames from {starts:?}");
            compared += 1;
            // The control: a constant stride is another rule.
            let stride: Vec<usize> = (0..frames).map(|i| (i * step).min(count - 1)).collect();
            strides += usize::from(segments == 1 && starts.is_empty() && stride != expected);
        }
        assert!(compared > 250 && strides > 20, "{compared} {strides}");
    }

    #[test]
    fn the_examples_of_the_two_papers_codes_come_out() {
        let options = ClipOptions::default();
        let long = options.indices(100, 0.0, None);
        assert_eq!(long, [0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63]);
        let short = options.indices(40, 0.0, None);
        assert_eq!(short, [0, 4, 8, 13, 17, 22, 26, 31, 35, 39, 39, 39, 39, 39, 39, 39]);
        let second = ClipOptions { rule: SamplingRule::Fps(4.0), ..options };
        let found = second.indices(1000, 29.97, None);
        assert_eq!(found, [0, 7, 14, 22, 29, 37, 44, 52, 59, 67, 74, 82, 89, 97, 104, 111]);
        assert_eq!(SamplingRule::Fps(4.0).step(2.0), 1);
    }

    #[test]
    fn draws_reach_every_place_but_the_last_and_stay_inside() {
        let options = ClipOptions { frames: 4, rule: SamplingRule::Step(2), segments: 2, ..ClipOptions::default() };
        let mut seen = std::collections::BTreeSet::new();
        for sample in 0..400 {
            let mut draw = Stream::new(3, Purpose::Part, 1, sample);
            let indices = options.indices(24, 0.0, Some(&mut draw));
            assert!(indices[..4].iter().all(|i| *i < 12) && indices[4..].iter().all(|i| (12..24).contains(i)));
            seen.insert(indices[0]);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        for count in 1..6 {
            assert!(options.indices(count, 0.0, None).iter().all(|i| *i < count));
        }
    }

    #[test]
    fn options_out_of_range_name_the_key() {
        let base = ClipOptions::default;
        assert!(base().check("model.clip").is_ok());
        for (bad, key) in [
            (ClipOptions { frames: 0, ..base() }, "model.clip.frames"),
            (ClipOptions { segments: usize::MAX, ..base() }, "model.clip.frames"),
            (ClipOptions { rule: SamplingRule::Step(0), ..base() }, "model.clip.rule"),
            (ClipOptions { rule: SamplingRule::Fps(f64::NAN), ..base() }, "model.clip.rule"),
            (ClipOptions { shorter: Some(0), ..base() }, "model.clip.shorter"),
            (ClipOptions { rate: Some(0.0), ..base() }, "model.clip.rate"),
        ] {
            assert!(bad.check("model.clip").unwrap_err().to_string().contains(key));
        }
    }
}
