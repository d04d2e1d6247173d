//! One sample.

use jepa_core::error::{Error, Result};
use jepa_core::picture::Picture;

use super::Flow;

/// What is known of the motion between two frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The flow of the first frame.
    pub flow: Flow,
    /// Pixels of the first frame that the second does not show, row by row; absent where nobody knows.
    pub occluded: Option<Vec<bool>>,
}

/// Two frames that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct FramePair {
    first: Picture,
    second: Picture,
    truth: Option<Truth>,
    /// Pictures for the content branch; none: the first frame.
    pub pictures: Vec<Picture>,
}

impl FramePair {
    /// Two frames of one size, with the truth of that size where it is known.
    pub fn new(first: Picture, second: Picture, truth: Option<Truth>) -> Result<Self> {
        let size = |picture: &Picture| (picture.width, picture.height);
        let spec = || format!("pair of {}x{} and {}x{}", first.width, first.height, second.width, second.height);
        if size(&first) != size(&second) {
            return Err(Error::data(spec(), "frames of one size were expected"));
        }
        if let Some(Truth { flow, occluded }) = &truth {
            let count = flow.values().len();
            if (flow.width(), flow.height()) != size(&first) || occluded.as_ref().is_some_and(|o| o.len() != count) {
                let problem = format!("its flow is of {}x{}; expected that size", flow.width(), flow.height());
                return Err(Error::data(spec(), problem));
            }
        }
        Ok(Self { first: first.to_rgb(), second: second.to_rgb(), truth, pictures: Vec::new() })
    }

    /// Frame t, in RGB.
    pub fn first(&self) -> &Picture {
        &self.first
    }

    /// Frame t + 1, in RGB.
    pub fn second(&self) -> &Picture {
        &self.second
    }

    /// The true motion, where known.
    pub fn truth(&self) -> Option<&Truth> {
        self.truth.as_ref()
    }
}
