//! Pairs with pictures for the content branch beside them.

use jepa_core::data::Source;
use jepa_core::error::Result;
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::FramePair;
use super::layouts::images::Stills;

/// Every pair gets some pictures of another data set, drawn anew each time: a step then holds a batch of pairs and a
/// batch of pictures.
pub struct WithPictures {
    pairs: Box<dyn Source<Sample = FramePair>>,
    pictures: Stills,
    each: usize,
}

impl WithPictures {
    /// `each` of `pictures` beside every pair.
    pub fn new(pairs: Box<dyn Source<Sample = FramePair>>, pictures: Stills, each: usize) -> Self {
        Self { pairs, pictures, each }
    }

    fn with(&self, mut pair: FramePair, draw: &mut Stream) -> Result<FramePair> {
        let picture = |_| self.pictures.picture(draw.below(self.pictures.count()));
        pair.pictures = (0..self.each).map(picture).collect::<Result<_>>()?;
        Ok(pair)
    }
}

impl Source for WithPictures {
    type Sample = FramePair;

    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn read(&self, index: usize) -> Result<FramePair> {
        self.with(self.pairs.read(index)?, &mut Stream::new(0, Purpose::Part, 0, index as u64))
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<FramePair> {
        let pair = self.pairs.draw(index, draw)?;
        self.with(pair, draw)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.pairs.label(index)
    }

    fn classes(&self) -> &[String] {
        self.pairs.classes()
    }

    fn name(&self, index: usize) -> String {
        self.pairs.name(index)
    }

    fn describe(&self) -> String {
        format!("{}; {} beside each of {}", self.pairs.describe(), self.each, self.pictures.describe())
    }
}
