//! The data inside the program: textured shapes over a textured ground, each moved by an affine map of its own, so that
//! flow and occlusion are known exactly.
//!
//! | file | noun |
//! |---|---|
//! | [`texture`] | what surfaces look like, computed at any point |
//! | [`shape`] | outlines |
//! | [`motion`] | affine maps |
//! | [`scene`] | layers over each other, drawn at two moments |
//!
//! Nothing of it was photographed: every picture is a function of its number.

pub mod motion;
pub mod scene;
pub mod shape;
pub mod texture;

use jepa_core::data::{Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::FramePair;
use scene::Scene;
use shape::Shape;
use texture::Kind;

/// Version of the generator: scenes of one version never change.
const VERSION: u64 = 1;
/// Scenes for training.
const TRAIN: usize = 4000;
/// Scenes for testing.
const TEST: usize = 400;
/// Rows and columns of a frame.
pub const SIZE: [usize; 2] = [64, 96];

/// What the class of a scene is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The kind of texture of the ground.
    Texture,
    /// The outline of the shape in front.
    Shape,
}

/// Pairs of rendered frames with exact flow and occlusion. Training and test scenes have colours from disjoint ranges of
/// hue; motions are drawn alike.
#[derive(Debug)]
pub struct Scenes {
    split: Split,
    label: Label,
    classes: Vec<String>,
}

impl Scenes {
    /// One part; nothing is drawn yet.
    pub fn open(split: Split, label: Label) -> Self {
        let classes = match label {
            Label::Texture => Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
            Label::Shape => Shape::ALL.iter().map(|shape| shape.name().to_owned()).collect(),
        };
        Self { split, label, classes }
    }

    /// The scene of a number.
    pub fn scene(&self, index: usize) -> Scene {
        let key = self.split as u64 * TRAIN as u64 + index as u64;
        let mut draw = Stream::new(VERSION, Purpose::Synthesis, key, 0);
        let (texture, shape) = (turn(index, Kind::ALL.len(), 1), turn(index, Shape::ALL.len(), 2));
        Scene::new(SIZE, Kind::ALL[texture], Shape::ALL[shape], self.split, &mut draw)
    }
}

/// The class of scene `index` among `count`: each run of as many holds every class once, in an order of its own.
fn turn(index: usize, count: usize, purpose: u64) -> usize {
    let run = (index / count) as u64;
    Stream::new(VERSION, Purpose::Order, run, purpose).permutation(count)[index % count] as usize
}

impl Source for Scenes {
    type Sample = FramePair;

    fn len(&self) -> usize {
        match self.split {
            Split::Train => TRAIN,
            Split::Test => TEST,
        }
    }

    fn read(&self, index: usize) -> Result<FramePair> {
        if index >= self.len() {
            let problem = format!("there is no scene with index {index}, only {}", self.len());
            return Err(Error::data("builtin", problem));
        }
        self.scene(index).pair()
    }

    fn label(&self, index: usize) -> Option<u32> {
        let class = match self.label {
            Label::Texture => turn(index, Kind::ALL.len(), 1),
            Label::Shape => turn(index, Shape::ALL.len(), 2),
        };
        (index < self.len()).then_some(class as u32)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let class = self.label(index).and_then(|class| self.classes.get(class as usize));
        format!("synthetic scene {index} ({})", class.map_or("?", String::as_str))
    }

    fn describe(&self) -> String {
        let (part, [rows, columns]) = (if self.split == Split::Train { "training" } else { "test" }, SIZE);
        let what = match self.label {
            Label::Texture => "texture of the ground",
            Label::Shape => "shape in front",
        };
        format!(
            "built-in synthetic scenes, generator version {VERSION}: {} {part} pairs of {columns} x {rows} pixels with \
             exact flow and occlusion; {} classes by the {what}; training and test colours are disjoint",
            self.len(),
            self.classes.len(),
        )
    }
}
