//! Both parts of a data set as one.

use jepa_core::data::Source;
use jepa_core::error::Result;

use super::FramePair;

/// The part for training, then the part for testing: what a network is measured on that was trained on neither.
pub struct Whole {
    parts: [Box<dyn Source<Sample = FramePair>>; 2],
}

impl Whole {
    /// The two parts of one data set.
    pub fn new(train: Box<dyn Source<Sample = FramePair>>, test: Box<dyn Source<Sample = FramePair>>) -> Self {
        Self { parts: [train, test] }
    }

    /// The part that holds pair `index`, and its place there.
    fn place(&self, index: usize) -> (&dyn Source<Sample = FramePair>, usize) {
        let [train, test] = &self.parts;
        match index.checked_sub(train.len()) {
            Some(rest) => (test.as_ref(), rest),
            None => (train.as_ref(), index),
        }
    }
}

impl Source for Whole {
    type Sample = FramePair;

    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    fn read(&self, index: usize) -> Result<FramePair> {
        let (part, index) = self.place(index);
        part.read(index)
    }

    fn label(&self, index: usize) -> Option<u32> {
        let (part, index) = self.place(index);
        part.label(index)
    }

    fn classes(&self) -> &[String] {
        self.parts[0].classes()
    }

    fn name(&self, index: usize) -> String {
        let (part, index) = self.place(index);
        part.name(index)
    }

    fn describe(&self) -> String {
        let [train, test] = &self.parts;
        format!("both parts, {} pairs in all: {}; and {}", self.len(), train.describe(), test.describe())
    }
}
