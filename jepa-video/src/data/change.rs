//! The same clips with one thing about them changed: without the order of time, or in light that nobody can foresee.

use jepa_core::data::{Column, Label, Source};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::clip::Clip;

/// Standard deviation of the logarithm of a flickering light.
const FLICKER: f32 = 0.15;

/// What is changed about a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The frames change places.
    Shuffled,
    /// The frame in the middle, all along the clip. What a probe still reads there, or off shuffled frames, needs no time.
    Still,
    /// Every frame is lit by a factor of its own, log-normal around 1 (some 15 % up or down). It tells nothing of what
    /// happens and follows from nothing: the best prediction of a pixel is wrong by it.
    Flickering,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Shuffled, Self::Still, Self::Flickering];

    /// Its name as the format of a data specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Still => "still",
            Self::Flickering => "flickering",
        }
    }

    /// `clip` with this change; what is left to chance is drawn from `stream`.
    pub(crate) fn of(self, mut clip: Clip, stream: &mut Stream) -> Result<Clip> {
        match self {
            Self::Shuffled => reordered(&clip, stream.permutation(clip.frames).into_iter().map(|place| place as usize)),
            Self::Still => reordered(&clip, std::iter::repeat_n(clip.frames / 2, clip.frames)),
            Self::Flickering => {
                let size = clip.height * clip.width * 3;
                let frames = clip.rgb.chunks_exact_mut(size);
                frames.for_each(|frame| light(frame, (FLICKER * stream.normal()).exp()));
                Ok(clip)
            }
        }
    }
}

/// The frames of a clip at `places`, in that order.
fn reordered(clip: &Clip, places: impl Iterator<Item = usize>) -> Result<Clip> {
    let frame = |place| clip.frame(place).ok_or_else(|| Error::data("clip", "lacks a frame"));
    let frames = places.map(frame).collect::<Result<Vec<_>>>()?;
    Clip::new(frames.len(), clip.height, clip.width, frames.concat())
}

/// Multiplies the brightness of a frame by `factor`; what would be brighter than white is white.
fn light(frame: &mut [u8], factor: f32) {
    let lit: [u8; 256] = std::array::from_fn(|value| (value as f32 * factor).round() as u8);
    frame.iter_mut().for_each(|value| *value = lit[usize::from(*value)]);
}

/// Clips of another source with a change: a fixed draw for every clip, another one each time where clips are drawn.
pub struct Changed {
    clips: Box<dyn Source<Sample = Clip>>,
    change: Change,
}

impl Changed {
    /// The clips of `clips` with this change.
    pub fn new(clips: Box<dyn Source<Sample = Clip>>, change: Change) -> Self {
        Self { clips, change }
    }
}

impl Source for Changed {
    type Sample = Clip;

    fn len(&self) -> usize {
        self.clips.len()
    }

    fn read(&self, index: usize) -> Result<Clip> {
        self.change.of(self.clips.read(index)?, &mut Stream::new(0, Purpose::Part, 0, index as u64))
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Clip> {
        let clip = self.clips.draw(index, draw)?;
        self.change.of(clip, draw)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.clips.label(index)
    }

    fn classes(&self) -> &[String] {
        self.clips.classes()
    }

    fn class_name(&self) -> &str {
        self.clips.class_name()
    }

    fn columns(&self) -> &[Column] {
        self.clips.columns()
    }

    fn value(&self, index: usize, column: usize) -> Option<Label> {
        self.clips.value(index, column)
    }

    fn twins(&self) -> &[[u32; 2]] {
        self.clips.twins()
    }

    fn name(&self, index: usize) -> String {
        self.clips.name(index)
    }

    fn describe(&self) -> String {
        format!("{}, {}", self.clips.describe(), self.change.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClipOptions, FORMATS, open};
    use super::*;
    use jepa_core::data::{DataSpec, Split};

    #[test]
    fn frames_change_places_or_one_stays_and_labels_remain() {
        let open = |text| open(&DataSpec::parse(text, FORMATS), Split::Test, &ClipOptions::default());
        let [clips, shuffled, still] =
            ["builtin:law", "shuffled:builtin:law", "still:builtin:law"].map(|text| open(text).unwrap());
        let frames =
            |clip: &Clip| -> Vec<Vec<u8>> { (0..clip.frames).map(|i| clip.frame(i).unwrap().to_vec()).collect() };
        for index in [0, 7] {
            let (clip, mixed) = (clips.read(index).unwrap(), shuffled.read(index).unwrap());
            assert_ne!(mixed, clip);
            assert_eq!(shuffled.read(index).unwrap(), mixed, "a fixed draw");
            let sorted = |clip: &Clip| {
                let mut frames = frames(clip);
                frames.sort();
                frames
            };
            assert_eq!(sorted(&mixed), sorted(&clip));
            assert!(
                frames(&still.read(index).unwrap()).iter().all(|frame| *frame == clip.frame(clip.frames / 2).unwrap())
            );
            assert_eq!((shuffled.label(index), still.label(index)), (clips.label(index), clips.label(index)));
        }
        assert_ne!(shuffled.read(0).unwrap(), shuffled.draw(0, &mut Stream::new(9, Purpose::Test, 0, 0)).unwrap());
        assert!(shuffled.describe().ends_with("shuffled") && shuffled.describe().contains("synthetic"));
        assert_eq!((still.twins(), still.columns()), (clips.twins(), clips.columns()));
        for (text, word) in [("shuffled:", "shuffled:PATH"), ("still:builtin:lav", "lav"), ("still:nowhere", "nowhere")]
        {
            let error = open(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_flickering_light_changes_the_brightness_of_every_frame_and_nothing_else() {
        let open = |text| open(&DataSpec::parse(text, FORMATS), Split::Test, &ClipOptions::default()).unwrap();
        let (clips, flickering) = (open("scenes"), open("flickering:scenes"));
        let mut logs = Vec::new();
        for index in 0..40 {
            let (clip, lit) = (clips.read(index).unwrap(), flickering.read(index).unwrap());
            assert_eq!(flickering.read(index).unwrap(), lit, "a fixed draw");
            for at in 0..clip.frames {
                let (before, after) = (clip.frame(at).unwrap(), lit.frame(at).unwrap());
                // Of what is not lit to white.
                let lit = || before.iter().zip(after).filter(|(_, after)| **after < 255);
                let sum = |of: fn((&u8, &u8)) -> u8| lit().map(of).map(f64::from).sum::<f64>();
                let factor = sum(|(_, after)| *after) / sum(|(before, _)| *before);
                let off = |(a, b): (&u8, &u8)| (f64::from(*a) * factor - f64::from(*b)).abs();
                assert!(lit().map(off).fold(0.0, f64::max) < 1.5, "{index}, {at}");
                logs.push(factor.ln());
            }
        }
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let deviation = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt();
        assert!(mean.abs() < 0.02 && (deviation - f64::from(FLICKER)).abs() < 0.02, "{mean}, {deviation}");
        let drawn = |seed| flickering.draw(0, &mut Stream::new(seed, Purpose::Test, 0, 0)).unwrap();
        assert_ne!(drawn(0), drawn(1));
    }
}
