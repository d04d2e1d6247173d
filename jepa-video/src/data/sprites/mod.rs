//! The built-in clips: sprites of Fashion-MNIST (real images) on synthetic paths, so that every command works without a
//! download. `assets/sprites/README.md` says where the images come from.
//!
//! | file | noun |
//! |---|---|
//! | [`law`](Law) | how a sprite moves |
//! | `sheet` | the images |
//!
//! Sprites move on a canvas whose edges are joined, and start anywhere on it: where a sprite is in one frame says
//! nothing about how it moves. [`Law::ORDER_PAIRS`] show the same frames in opposite orders: shuffled frames say nothing
//! there either. All is grey on black, as in Moving MNIST: a colour that a clip keeps is the easiest thing to predict of
//! it, and small networks learn that alone (`benches/learning.md`).

mod law;
mod sheet;

pub use law::Law;

use jepa_core::data::{Column, Label as Value, Source, Split, no_sample};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};
use sheet::Sheet;

use super::clip::Clip;
use super::sampling::ClipOptions;

/// Version of the generator: the same version makes the same clips.
pub const VERSION: u32 = 2;
/// Pixels along a side of the canvas.
pub const CANVAS: usize = 64;
/// Frames of a recording: one clip of 16 frames, one in two.
pub const FRAMES: usize = 32;
/// Frames a second that a recording claims.
pub const RATE: f64 = 8.0;

/// Lengths of a path in pixels: slow and fast.
const LENGTHS: [f32; 2] = [24.0, 48.0];
/// Directions that velocity tells apart.
const DIRECTIONS: [&str; 4] = ["right", "down", "left", "up"];

/// What the classes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// How the sprite moves.
    Law,
    /// What the sprite is.
    Identity,
    /// Where it heads for at first, and how far it goes.
    Velocity,
}

impl Label {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Law, Self::Identity, Self::Velocity];

    /// Names of its classes.
    fn classes(self) -> Vec<String> {
        match self {
            Self::Law => Law::ALL.map(|law| law.name().to_owned()).to_vec(),
            Self::Identity => sheet::CLASSES.map(str::to_owned).to_vec(),
            Self::Velocity => DIRECTIONS.iter().flat_map(|d| ["slow", "fast"].map(|s| format!("{d}, {s}"))).collect(),
        }
    }

    /// Name in `builtin:NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Law => "law",
            Self::Identity => "identity",
            Self::Velocity => "velocity",
        }
    }
}

/// What a recording shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Motion {
    /// How the sprite moves.
    pub law: Law,
    /// Number of the sprite in its part.
    pub sprite: usize,
    /// Middle of the sprite in the first frame: column and row in pixels.
    pub start: [f32; 2],
    /// Angle of the path in radians.
    pub heading: f32,
    /// Length of the path in pixels.
    pub length: f32,
}

/// Moving sprites of one part; the parts share no sprite.
#[derive(Debug)]
pub struct Sprites {
    sheet: Sheet,
    split: Split,
    label: Label,
    classes: Vec<String>,
    /// The other labels, and where it heads for at first.
    columns: Vec<Column>,
    options: ClipOptions,
}

impl Sprites {
    /// One part: 4,000 recordings for training, 800 for testing.
    pub fn open(split: Split, label: Label, options: &ClipOptions) -> Result<Self> {
        let others = Label::ALL.into_iter().filter(|other| *other != label);
        let columns = others.map(|other| Column::classes(other.name(), other.classes()));
        let columns = columns.chain([Column::numbers("heading", 2, "on the unit circle")]).collect();
        Ok(Self {
            sheet: Sheet::open(split)?,
            split,
            label,
            classes: label.classes(),
            columns,
            options: options.clone(),
        })
    }

    /// What recording `index` shows.
    pub fn motion(&self, index: usize) -> Motion {
        let part = if self.split == Split::Train { 0 } else { 1 };
        let mut draw = Stream::new(u64::from(VERSION), Purpose::Synthesis, part, index as u64);
        let side = CANVAS as f32;
        Motion {
            law: Law::ALL[index % Law::ALL.len()],
            sprite: draw.below(self.sheet.len()),
            start: [side * draw.uniform(), side * draw.uniform()],
            heading: std::f32::consts::TAU * draw.uniform(),
            length: LENGTHS[draw.below(LENGTHS.len())],
        }
    }

    /// The frames `indices` of a motion.
    pub fn render(&self, motion: &Motion, indices: &[usize]) -> Result<Clip> {
        let mut rgb = Vec::with_capacity(indices.len() * CANVAS * CANVAS * 3);
        for &frame in indices {
            let at = motion.place(frame);
            for y in 0..CANVAS {
                for x in 0..CANVAS {
                    let cover =
                        self.sheet.cover(motion.sprite, joined(x as f32 + 0.5, at[0]), joined(y as f32 + 0.5, at[1]));
                    rgb.extend([(255.0 * cover).round() as u8; 3]);
                }
            }
        }
        Clip::new(indices.len(), CANVAS, CANVAS, rgb)
    }

    /// The class of a recording that is there, as `label` has it.
    fn class(&self, label: Label, index: usize) -> u32 {
        match label {
            Label::Law => (index % Law::ALL.len()) as u32,
            Label::Identity => self.sheet.class(self.motion(index).sprite),
            Label::Velocity => self.motion(index).velocity() as u32,
        }
    }

    fn clip(&self, index: usize, draw: Option<&mut Stream>) -> Result<Clip> {
        if index >= self.len() {
            return Err(Error::data("builtin", no_sample(index, self.len())));
        }
        self.render(&self.motion(index), &self.options.indices(FRAMES, RATE, draw))
    }
}

impl Motion {
    /// Middle of the sprite in a frame, before the canvas's edges are joined.
    pub fn place(&self, frame: usize) -> [f32; 2] {
        let [along, beside] = self.law.offset(frame as f32 / (FRAMES - 1) as f32);
        let (sin, cos) = self.heading.sin_cos();
        let (x, y) = (along * cos - beside * sin, along * sin + beside * cos);
        [self.start[0] + self.length * x, self.start[1] + self.length * y]
    }

    /// Which of the classes of [`Label::Velocity`] it is.
    fn velocity(&self) -> usize {
        let (from, to) = (self.place(0), self.place(1));
        let quarter = (to[1] - from[1]).atan2(to[0] - from[0]) / std::f32::consts::FRAC_PI_2;
        let direction = (quarter.round() as i32).rem_euclid(4) as usize;
        direction * 2 + usize::from(self.length > LENGTHS[0])
    }
}

/// Distance from `middle` to `at` the shorter way round the canvas.
fn joined(at: f32, middle: f32) -> f32 {
    let side = CANVAS as f32;
    (at - middle + side / 2.0).rem_euclid(side) - side / 2.0
}

impl Source for Sprites {
    type Sample = Clip;

    fn len(&self) -> usize {
        if self.split == Split::Train { 4000 } else { 800 }
    }

    fn read(&self, index: usize) -> Result<Clip> {
        self.clip(index, None)
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Clip> {
        self.clip(index, Some(draw))
    }

    fn label(&self, index: usize) -> Option<u32> {
        if index >= self.len() {
            return None;
        }
        Some(self.class(self.label, index))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class_name(&self) -> &str {
        self.label.name()
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn value(&self, index: usize, column: usize) -> Option<Value> {
        let name = &self.columns.get(column)?.name;
        if index >= self.len() {
            return None;
        }
        Some(match Label::ALL.into_iter().find(|label| label.name() == name) {
            Some(label) => Value::Class(self.class(label, index)),
            None => {
                let (sin, cos) = self.motion(index).heading.sin_cos();
                Value::Numbers(vec![cos, sin])
            }
        })
    }

    fn name(&self, index: usize) -> String {
        format!("synthetic clip {index} ({})", self.motion(index).law.name())
    }

    fn describe(&self) -> String {
        let part = if self.split == Split::Train { "training" } else { "test" };
        format!(
            "built-in synthetic motion (version {VERSION}) of {part} images of Fashion-MNIST (Zalando, MIT): {} clips in \
             {} classes of {}, {CANVAS}x{CANVAS}",
            self.len(),
            self.classes.len(),
            self.label.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn options() -> ClipOptions {
        ClipOptions { rule: crate::data::SamplingRule::Step(2), ..ClipOptions::default() }
    }

    #[test]
    fn parts_share_no_sprite_and_classes_are_balanced() {
        let parts = [Split::Train, Split::Test].map(|split| Sprites::open(split, Label::Law, &options()).unwrap());
        let images =
            |source: &Sprites| (0..source.sheet.len()).map(|i| source.sheet.image(i).to_vec()).collect::<BTreeSet<_>>();
        assert!(images(&parts[0]).is_disjoint(&images(&parts[1])));
        for source in &parts {
            let mut count = [0; Law::ALL.len()];
            (0..source.len()).for_each(|index| count[source.label(index).unwrap() as usize] += 1);
            assert_eq!(count, [source.len() / Law::ALL.len(); Law::ALL.len()]);
            assert!(source.describe().contains("synthetic") && source.name(0).contains("synthetic"));
            assert!(source.label(source.len()).is_none() && source.read(source.len()).is_err());
        }
        for label in Label::ALL {
            let source = Sprites::open(Split::Test, label, &options()).unwrap();
            let seen: BTreeSet<u32> = (0..source.len()).filter_map(|index| source.label(index)).collect();
            assert_eq!(seen.len(), source.classes().len(), "{label:?}");
        }
    }

    #[test]
    fn whatever_the_class_is_the_other_labels_are_columns() {
        let [law, identity] =
            [Label::Law, Label::Identity].map(|label| Sprites::open(Split::Test, label, &options()).unwrap());
        let names: Vec<&str> = law.columns().iter().map(|column| &column.name[..]).collect();
        assert_eq!((law.class_name(), &names[..]), ("law", &["identity", "velocity", "heading"][..]));
        for index in 0..20 {
            assert_eq!(law.value(index, 0), identity.label(index).map(Value::Class));
            assert_eq!(identity.value(index, 0), law.label(index).map(Value::Class));
            let Some(Value::Numbers(heading)) = law.value(index, 2) else { panic!("numbers") };
            assert!((heading[1].atan2(heading[0]) - law.motion(index).heading).sin().abs() < 1e-5);
        }
        assert!(law.value(800, 0).is_none() && law.value(0, 3).is_none());
    }

    #[test]
    fn order_pairs_show_the_same_frames_in_opposite_orders() {
        let source = Sprites::open(Split::Test, Label::Law, &options()).unwrap();
        for (law, other) in Law::ORDER_PAIRS {
            for index in 0..20 {
                let motion = Motion { law, ..source.motion(index) };
                let twin = Motion { law: other, ..motion.clone() };
                let all: Vec<usize> = (0..FRAMES).collect();
                let (clip, twin) = (source.render(&motion, &all).unwrap(), source.render(&twin, &all).unwrap());
                for frame in 0..FRAMES {
                    let (a, b) = (clip.frame(frame).unwrap(), twin.frame(FRAMES - 1 - frame).unwrap());
                    assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1), "{law:?}, frame {frame}");
                }
                assert_ne!(clip.frame(0), clip.frame(FRAMES / 2), "{law:?} moves");
            }
        }
    }

    #[test]
    fn where_a_sprite_is_in_one_frame_says_nothing_about_its_law() {
        let source = Sprites::open(Split::Train, Label::Law, &options()).unwrap();
        let cells = 16.0;
        // Of every law, how often a sprite is in each of 16 cells in a late frame: uniform whatever the law.
        for (kind, law) in Law::ALL.into_iter().enumerate() {
            let mut count = [0f64; 16];
            for index in (kind..source.len()).step_by(Law::ALL.len()) {
                let cell = source.motion(index).place(23).map(|at| (at.rem_euclid(64.0) / 16.0) as usize % 4);
                count[cell[0] * 4 + cell[1]] += 1.0;
            }
            let expected = count.iter().sum::<f64>() / cells;
            let chi: f64 = count.iter().map(|n| (n - expected).powi(2) / expected).sum();
            // Fifteen degrees of freedom: beyond 37.7 once in a thousand.
            assert!(chi < 37.7, "{law:?}: {chi}");
        }
    }

    #[test]
    fn clips_are_deterministic_and_the_canvas_joins_at_its_edges() {
        let source = Sprites::open(Split::Train, Label::Identity, &options()).unwrap();
        let clip = source.read(5).unwrap();
        assert_eq!((clip.frames, clip.height, clip.width), (16, CANVAS, CANVAS));
        assert_eq!(clip, source.read(5).unwrap());
        assert_ne!(clip, source.read(6).unwrap());
        let brightness = |index: usize, frame: usize| {
            let clip = source.render(&source.motion(index), &[frame]).unwrap();
            clip.rgb.iter().map(|v| f64::from(*v)).sum::<f64>()
        };
        for index in 0..40 {
            let (first, last) = (brightness(index, 0), brightness(index, FRAMES - 1));
            // Where its pixels fall between the canvas's makes a few percent; a sprite cut off at an edge would lack more.
            assert!((first / last - 1.0).abs() < 0.1, "{index}: {first} {last}");
        }
    }
}
