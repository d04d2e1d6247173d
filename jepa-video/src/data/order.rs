//! The same clips with the order of their frames taken away: what a probe still reads there needs no time.

use jepa_core::data::{Column, Label, Source};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::clip::Clip;

/// What becomes of the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The frames of a clip change places; a fixed draw for every clip, another one each time where clips are drawn.
    Shuffled,
    /// The frame in the middle, all along the clip.
    Still,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Shuffled, Self::Still];

    /// Its name as the format of a data specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Still => "still",
        }
    }
}

/// Clips of another source in another order.
pub struct Reordered {
    clips: Box<dyn Source<Sample = Clip>>,
    order: Order,
}

impl Reordered {
    /// The clips of `clips` in this order.
    pub fn new(clips: Box<dyn Source<Sample = Clip>>, order: Order) -> Self {
        Self { clips, order }
    }

    fn reordered(&self, clip: &Clip, stream: &mut Stream) -> Result<Clip> {
        let places: Vec<usize> = match self.order {
            Order::Shuffled => stream.permutation(clip.frames).into_iter().map(|place| place as usize).collect(),
            Order::Still => vec![clip.frames / 2; clip.frames],
        };
        let frame = |place| clip.frame(place).ok_or_else(|| Error::data(self.describe(), "a clip lacks a frame"));
        let frames = places.into_iter().map(frame).collect::<Result<Vec<_>>>()?;
        Clip::new(clip.frames, clip.height, clip.width, frames.concat())
    }
}

impl Source for Reordered {
    type Sample = Clip;

    fn len(&self) -> usize {
        self.clips.len()
    }

    fn read(&self, index: usize) -> Result<Clip> {
        self.reordered(&self.clips.read(index)?, &mut Stream::new(0, Purpose::Part, 0, index as u64))
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Clip> {
        let clip = self.clips.draw(index, draw)?;
        self.reordered(&clip, draw)
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
        format!("{}, {}", self.clips.describe(), self.order.name())
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
        for (text, word) in [("shuffled:", "is empty"), ("still:builtin:lav", "lav"), ("still:nowhere", "nowhere")] {
            let error = open(text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
