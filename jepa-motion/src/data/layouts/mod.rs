//! How pairs of frames lie on disk.
//!
//! | file | data set |
//! |---|---|
//! | [`chairs`] | FlyingChairs |
//! | [`sintel`] | MPI Sintel, clean and final |
//! | [`kitti`] | KITTI 2015 |
//! | [`pairs`] | a folder of pairs, with or without flow |
//! | [`frames`] | sequences of frames: each with the next |
//! | [`images`] | still pictures, for the content branch and for probes |

pub mod chairs;
pub mod frames;
pub mod images;
pub mod kitti;
pub mod pairs;
pub mod sintel;

use std::path::PathBuf;

use jepa_core::data::{Source, part};
use jepa_core::error::{Error, Result};
use jepa_core::picture::Picture;

use super::{Flow, FramePair, Truth, formats};

/// Files of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// Frame t.
    pub first: PathBuf,
    /// Frame t + 1.
    pub second: PathBuf,
    /// The flow of frame t.
    pub flow: Option<PathBuf>,
    /// What says which pixels are occluded.
    pub occlusion: Option<Occlusion>,
}

/// What says which pixels of frame t are not seen in frame t + 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occlusion {
    /// A picture that is white there (Sintel).
    White(PathBuf),
    /// A flow that is unknown there and known in the other file (KITTI).
    LeftOut(PathBuf),
}

/// Pairs of frames in files.
#[derive(Debug)]
pub struct PairSource {
    about: String,
    pairs: Vec<PairFiles>,
}

impl PairSource {
    /// Pairs with what they are, in words.
    pub fn new(about: String, pairs: Vec<PairFiles>) -> Self {
        Self { about, pairs }
    }

    /// The pairs.
    pub fn pairs(&self) -> &[PairFiles] {
        &self.pairs
    }

    fn files(&self, index: usize) -> Result<&PairFiles> {
        let problem = || format!("there is no pair with index {index}, only {} pairs", self.pairs.len());
        self.pairs.get(index).ok_or_else(|| Error::data(&self.about, problem()))
    }
}

impl PairFiles {
    /// Reads all of them.
    pub fn read(&self) -> Result<FramePair> {
        let (first, second) = (formats::read_frame(&self.first)?, formats::read_frame(&self.second)?);
        let truth = match &self.flow {
            Some(path) => {
                let flow = formats::read_flow(path)?;
                let occluded = self.occlusion.as_ref().map(|occlusion| occlusion.read(&flow)).transpose()?;
                Some(Truth { flow, occluded })
            }
            None => None,
        };
        FramePair::new(first, second, truth).map_err(|error| Error::format(&self.first, error.to_string()))
    }
}

impl Occlusion {
    fn read(&self, flow: &Flow) -> Result<Vec<bool>> {
        let (path, size, marks) = match self {
            Self::White(path) => {
                let Picture { width, height, pixels, .. } = Picture::open(path)?.to_grey();
                (path, (width, height), pixels.iter().map(|grey| *grey > 127).collect::<Vec<bool>>())
            }
            Self::LeftOut(path) => {
                let seen = formats::read_flow(path)?;
                let marks = seen.known().iter().zip(flow.known()).map(|(seen, known)| *known && !*seen).collect();
                (path, (seen.width(), seen.height()), marks)
            }
        };
        if size == (flow.width(), flow.height()) {
            return Ok(marks);
        }
        let problem = format!("is of {}x{}, its flow of {}x{}", size.0, size.1, flow.width(), flow.height());
        Err(Error::format(path, problem))
    }
}

impl Source for PairSource {
    type Sample = FramePair;

    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn read(&self, index: usize) -> Result<FramePair> {
        self.files(index)?.read()
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        self.files(index).map_or_else(|error| error.to_string(), |files| files.first.display().to_string())
    }

    fn describe(&self) -> String {
        let known = self.pairs.iter().filter(|pair| pair.flow.is_some()).count();
        let truth = match known {
            0 => "without true flow".to_owned(),
            n if n == self.pairs.len() => "with true flow".to_owned(),
            n => format!("{n} of them with true flow"),
        };
        format!("{}: {} pairs of frames {truth}", self.about, self.pairs.len())
    }
}

/// The part of `items` that `split` means where the data set does not say: one in ten is held out.
pub(super) fn part_of<T>(spec: &str, mut items: Vec<Option<T>>, split: jepa_core::data::Split) -> Result<Vec<T>> {
    let kept = part::nonempty(spec, items.len(), split)?;
    Ok(kept.into_iter().filter_map(|index| items.get_mut(index as usize)?.take()).collect())
}
