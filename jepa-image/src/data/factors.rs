//! Synthetic pictures of known factors, after dSprites (Matthey et al. 2017): one shape of known size and rotation at a
//! known place. What an encoder keeps of each factor can be read out of its features, one probe a factor.

use jepa_core::data::{Column, Label, Source, Split, no_sample};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::Picture;

/// Version of the generator: the same version makes the same pictures.
const VERSION: u32 = 1;
/// Pixels along a side.
const SIDE: usize = 64;

/// Sizes, from a half to the whole.
const SCALES: usize = 6;
/// Rotations of a full turn.
const ROTATIONS: usize = 40;
/// Places along an axis, a pixel apart.
const PLACES: usize = 32;
/// Reach of the largest shape from its middle, in pixels.
const REACH: f32 = 14.0;
/// Of the cells of combinations, one in so many is for testing.
const ONE_IN: usize = 5;
/// Rotations and places of one cell.
const COARSE: [usize; 2] = [5, 8];

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Looks the same after a quarter turn.
    Square,
    /// Looks the same after half a turn.
    Ellipse,
    /// Looks the same after a full turn only.
    Heart,
}

impl Shape {
    /// All of them, in the order of their classes.
    pub const ALL: [Self; 3] = [Self::Square, Self::Ellipse, Self::Heart];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Square => "square",
            Self::Ellipse => "ellipse",
            Self::Heart => "heart",
        }
    }

    /// How often it looks the same in a full turn.
    pub fn symmetry(self) -> usize {
        match self {
            Self::Square => 4,
            Self::Ellipse => 2,
            Self::Heart => 1,
        }
    }

    /// Whether it covers a place, in units of its reach, right and up from its middle.
    fn covers(self, x: f32, y: f32) -> bool {
        match self {
            Self::Square => x.abs().max(y.abs()) < std::f32::consts::FRAC_1_SQRT_2,
            Self::Ellipse => x * x + (y / 0.55).powi(2) < 1.0,
            Self::Heart => {
                let (x, y) = (1.26 * x, 1.26 * y + 0.1);
                (x * x + y * y - 1.0).powi(3) < x * x * y * y * y
            }
        }
    }
}

/// The factors of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sprite {
    /// What is drawn.
    pub shape: Shape,
    /// Its size, 0..6.
    pub scale: usize,
    /// Its rotation, 0..40.
    pub rotation: usize,
    /// Column of its middle, 0..32.
    pub x: usize,
    /// Row of its middle, 0..32.
    pub y: usize,
}

impl Sprite {
    /// Size over the largest.
    pub fn size(&self) -> f32 {
        0.5 + 0.5 * self.scale as f32 / (SCALES - 1) as f32
    }

    /// Middle in pixels from the left and from the top.
    pub fn middle(&self) -> [f32; 2] {
        let margin = (SIDE - PLACES) as f32 / 2.0;
        [self.x, self.y].map(|place| margin + place as f32 + 0.5)
    }

    /// Its rotation as a point on the unit circle, as often round as the shape looks the same in a turn: equal pictures
    /// have equal points.
    pub fn heading(&self) -> [f32; 2] {
        let turns = (self.rotation * self.shape.symmetry() % ROTATIONS) as f32 / ROTATIONS as f32;
        let (sin, cos) = (std::f32::consts::TAU * turns).sin_cos();
        [cos, sin]
    }

    /// White on black.
    pub fn draw(&self) -> Result<Picture> {
        // Of equal looks the first is drawn, so that they are equal to the last pixel.
        let rotation = self.rotation % (ROTATIONS / self.shape.symmetry());
        let (sin, cos) = (std::f32::consts::TAU * rotation as f32 / ROTATIONS as f32).sin_cos();
        let ([left, top], reach) = (self.middle(), REACH * self.size());
        let shade = |at: usize| {
            let (x, y) = ((at % SIDE) as f32 + 0.5 - left, top - (at / SIDE) as f32 - 0.5);
            let (along, across) = ((x * cos + y * sin) / reach, (y * cos - x * sin) / reach);
            if self.shape.covers(along, across) { 255 } else { 0 }
        };
        Picture::new(SIDE, SIDE, 1, (0..SIDE * SIDE).map(shade).collect())
    }

    /// Whether its cell of combinations (shape, size, eighth of a turn, quarters of both axes) is for testing. All that is
    /// seen there has been seen in training, but never together.
    pub fn is_held_out(&self) -> bool {
        let [turn, place] = COARSE;
        let parts = [self.shape as usize, self.scale, self.rotation / turn, self.x / place, self.y / place];
        let sizes = [Shape::ALL.len(), SCALES, ROTATIONS / turn, PLACES / place, PLACES / place];
        let cell = parts.iter().zip(sizes).fold(0, |cell, (part, size)| cell * size + part);
        Stream::new(u64::from(VERSION), Purpose::Synthesis, 2, cell as u64).below(ONE_IN) == 0
    }
}

/// Pictures of one part; no combination of the one is in the other.
#[derive(Debug)]
pub struct Factors {
    split: Split,
    classes: Vec<String>,
    columns: Vec<Column>,
}

impl Factors {
    /// One part: 12,000 pictures for training, 3,000 for testing.
    pub fn open(split: Split) -> Self {
        let classes = Shape::ALL.map(|shape| shape.name().to_owned()).to_vec();
        let columns = vec![
            Column::numbers("scale", 1, "of the largest size"),
            Column::numbers("rotation", 2, "on the unit circle"),
            Column::numbers("x", 1, "pixels of 64"),
            Column::numbers("y", 1, "pixels of 64"),
        ];
        Self { split, classes, columns }
    }

    /// The factors of picture `index`: drawn until they belong to this part.
    pub fn sprite(&self, index: usize) -> Sprite {
        let part = u64::from(self.split == Split::Test);
        let mut draw = Stream::new(u64::from(VERSION), Purpose::Synthesis, part, index as u64);
        loop {
            let sprite = Sprite {
                shape: Shape::ALL[draw.below(Shape::ALL.len())],
                scale: draw.below(SCALES),
                rotation: draw.below(ROTATIONS),
                x: draw.below(PLACES),
                y: draw.below(PLACES),
            };
            if sprite.is_held_out() == (self.split == Split::Test) {
                return sprite;
            }
        }
    }
}

impl Source for Factors {
    type Sample = Picture;

    fn len(&self) -> usize {
        if self.split == Split::Train { 12_000 } else { 3_000 }
    }

    fn read(&self, index: usize) -> Result<Picture> {
        if index >= self.len() {
            return Err(Error::data("builtin-factors", no_sample(index, self.len())));
        }
        self.sprite(index).draw()
    }

    fn label(&self, index: usize) -> Option<u32> {
        (index < self.len()).then(|| self.sprite(index).shape as u32)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class_name(&self) -> &str {
        "shape"
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn value(&self, index: usize, column: usize) -> Option<Label> {
        if index >= self.len() {
            return None;
        }
        let sprite = self.sprite(index);
        let [x, y] = sprite.middle();
        Some(Label::Numbers(match column {
            0 => vec![sprite.size()],
            1 => sprite.heading().to_vec(),
            2 => vec![x],
            3 => vec![y],
            _ => return None,
        }))
    }

    fn name(&self, index: usize) -> String {
        let Sprite { shape, scale, rotation, x, y } = self.sprite(index);
        format!("synthetic {}, size {scale}, rotation {rotation}, place {x} {y}", shape.name())
    }

    fn describe(&self) -> String {
        let part = if self.split == Split::Train { "training" } else { "test" };
        format!(
            "built-in synthetic factors (version {VERSION}): {} pictures of {part} combinations of 3 shapes, {SCALES} \
             sizes, {ROTATIONS} rotations and {PLACES}x{PLACES} places, {SIDE}x{SIDE} black and white",
            self.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn white(picture: &Picture) -> usize {
        picture.pixels.iter().filter(|p| **p == 255).count()
    }

    #[test]
    fn no_combination_of_the_test_part_is_in_training_and_every_value_of_every_factor_is_in_both() {
        let parts = [Split::Train, Split::Test].map(Factors::open);
        let mut cells: [BTreeSet<[usize; 5]>; 2] = Default::default();
        for (part, cells) in parts.iter().zip(&mut cells) {
            let mut met: [BTreeSet<usize>; 5] = Default::default();
            for index in 0..part.len() {
                let Sprite { shape, scale, rotation, x, y } = part.sprite(index);
                let factors = [shape as usize, scale, rotation, x, y];
                for (met, value) in met.iter_mut().zip(factors) {
                    met.insert(value);
                }
                cells.insert([shape as usize, scale, rotation / COARSE[0], x / COARSE[1], y / COARSE[1]]);
            }
            assert_eq!(met.map(|met| met.len()), [3, SCALES, ROTATIONS, PLACES, PLACES]);
        }
        assert!(cells[0].is_disjoint(&cells[1]));
        let held_out = cells[1].len() as f64 / (3 * SCALES * 8 * 16) as f64;
        assert!((held_out - 0.2).abs() < 0.04, "{held_out}");
    }

    #[test]
    fn a_picture_shows_its_factors_and_equal_pictures_have_equal_labels() {
        let sprite = Sprite { shape: Shape::Heart, scale: 5, rotation: 0, x: 9, y: 20 };
        for shape in Shape::ALL {
            let whole = Sprite { shape, ..sprite };
            let (large, small) = (whole.draw().unwrap(), Sprite { scale: 0, ..whole }.draw().unwrap());
            let ratio = white(&large) as f64 / white(&small) as f64;
            assert!((ratio - 4.0).abs() < 0.6, "{ratio}: twice the size is four times the area");
            // The middle of what is white lies where it should.
            let mean = |of: fn(usize) -> usize| {
                let at = (0..SIDE * SIDE).filter(|at| large.pixels[*at] == 255).map(|at| of(at) as f32 + 0.5);
                at.sum::<f32>() / white(&large) as f32
            };
            let [x, y] = whole.middle();
            assert!((mean(|at| at % SIDE) - x).abs() < 1.0 && (mean(|at| at / SIDE) - y).abs() < 2.5, "{shape:?}");
            // A turn by its symmetry changes nothing, a turn by half of that everything.
            let step = ROTATIONS / shape.symmetry();
            let turned = |by| Sprite { rotation: by, ..whole };
            assert_eq!(turned(3 + step - step * usize::from(step == 40)).draw().unwrap(), turned(3).draw().unwrap());
            let gap = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).abs().max((a[1] - b[1]).abs());
            if step < ROTATIONS {
                assert!(gap(turned(3 + step).heading(), turned(3).heading()) < 1e-6);
            }
            assert_ne!(turned(3 + step / 2).draw().unwrap(), turned(3).draw().unwrap());
            assert!(gap(turned(3 + step / 2).heading(), turned(3).heading()) > 0.5);
        }
        // Nothing is cut off at the edges.
        for (x, y) in [(0, 0), (PLACES - 1, PLACES - 1)] {
            let at = |rotation| Sprite { rotation, x, y, ..sprite }.draw().unwrap();
            let edge = |at: usize| [at % SIDE, at / SIDE].iter().any(|place| [0, SIDE - 1].contains(place));
            for rotation in 0..ROTATIONS {
                let picture = at(rotation);
                assert!((0..SIDE * SIDE).all(|at| picture.pixels[at] == 0 || !edge(at)));
            }
        }
    }

    #[test]
    fn the_labels_are_the_factors_and_the_pictures_of_a_version_never_change() {
        let source = Factors::open(Split::Test);
        let sprite = source.sprite(17);
        assert_eq!(source.label(17), Some(sprite.shape as u32));
        let numbers = |column| match source.value(17, column) {
            Some(Label::Numbers(numbers)) => numbers,
            other => panic!("{other:?}"),
        };
        assert_eq!((numbers(0), numbers(1)), (vec![sprite.size()], sprite.heading().to_vec()));
        assert_eq!([numbers(2), numbers(3)].concat(), sprite.middle());
        assert!(source.value(17, 4).is_none() && source.value(3_000, 0).is_none() && source.read(3_000).is_err());
        assert!(source.describe().contains("synthetic") && source.name(17).contains("synthetic"));
        // FNV-1a over the first pictures of both parts: another sum is another version.
        let sum =
            [Split::Train, Split::Test].into_iter().map(Factors::open).fold(0xcbf2_9ce4_8422_2325u64, |sum, part| {
                (0..50)
                    .flat_map(|i| part.read(i).unwrap().pixels)
                    .fold(sum, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
            });
        assert_eq!((VERSION, sum), (1, 11_524_867_858_555_119_815));
    }
}
