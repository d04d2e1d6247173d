//! Physical scenes, rendered: balls and boxes, gravity, bounces, walls and screens, seen from the side. Synthetic.
//!
//! | file | noun |
//! |---|---|
//! | [`world`](World) | bodies and what stands around them, moved frame by frame |
//! | [`draw`] | a world as a picture |
//! | [`concept`](Concept) | pairs of a possible and an impossible event |
//! | `story` | the two fates of a stage that pairs are told from |
//!
//! [`Scenes`] holds possible events alone, for training; [`pair`] makes the matched pairs that a model is tested on,
//! [`validation_pair`] and [`rehearsal_pair`] others to choose on. Everything that happens in a possible scene follows
//! from its first frames: how bodies move, how high they bounce, when they come out behind a screen.

mod concept;
pub mod draw;
mod story;
mod world;

pub use concept::{Concept, Pair, pair, quadruple, rehearsal_pair, validation_pair};
pub use world::{Body, Shape, Slab, World};

use jepa_core::data::{Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Stream};

use crate::data::{Clip, ClipOptions};

/// Version of the generator: the same version makes the same scenes.
pub const VERSION: u32 = 3;
/// Pixels along a side.
pub const SIZE: usize = 64;
/// Frames of a scene.
pub const FRAMES: usize = 48;
/// Frames a second that a scene claims.
pub const RATE: f64 = 16.0;

/// Whose events possible scenes could have shown, one after the other. Two screens in a row, and walls and shelves, are in
/// no other scenes: theirs come more often.
const KINDS: [Concept; 10] = [
    Concept::Permanence,
    Concept::Continuity,
    Concept::Solidity,
    Concept::Shape,
    Concept::Continuity,
    Concept::Gravity,
    Concept::Solidity,
    Concept::Colour,
    Concept::Continuity,
    Concept::Inertia,
];

/// A possible scene of the test part: neither trained on nor in a pair.
pub(crate) fn calibration(concept: Concept, number: u64) -> Vec<World> {
    concept::possible(concept, 2, number)
}

/// Possible scenes for training, labelled by the concept whose events they could have shown. Training, test part and
/// pairs share no seed.
#[derive(Debug)]
pub struct Scenes {
    split: Split,
    classes: Vec<String>,
    options: ClipOptions,
}

impl Scenes {
    /// One part: 104,000 scenes for training, 600 for testing.
    pub fn open(split: Split, options: &ClipOptions) -> Self {
        let classes = Concept::ALL.map(|concept| concept.name().to_owned()).to_vec();
        Self { split, classes, options: options.clone() }
    }

    fn clip(&self, index: usize, draw: Option<&mut Stream>) -> Result<Clip> {
        if index >= self.len() {
            return Err(Error::data("scenes", format!("there is no scene with index {index}, only {}", self.len())));
        }
        let part = if self.split == Split::Train { 1 } else { 2 };
        let indices = frames(&self.options, draw);
        // A story number of its own for every scene, of all numbers for every kind.
        let (round, kind) = (index / KINDS.len(), index % KINDS.len());
        let number = kind * (self.len() / KINDS.len()) + round;
        draw::clip(&concept::possible(KINDS[kind], part, number as u64), &indices)
    }
}

/// The frames of a clip: evenly spaced, as those of pairs are, so that speeds are the same in both; beginning in the
/// frame that is drawn, or the first. What is longer than a scene or has several segments follows the rule for recordings,
/// whose spacing is not even.
fn frames(options: &ClipOptions, draw: Option<&mut Stream>) -> Vec<usize> {
    let step = options.rule.step(RATE);
    let last = options.frames.saturating_sub(1) * step;
    if options.segments > 1 || last >= FRAMES {
        return options.indices(FRAMES, RATE, draw);
    }
    let first = draw.map_or(0, |draw| draw.below(FRAMES - last));
    (0..options.frames).map(|at| first + at * step).collect()
}

impl Source for Scenes {
    type Sample = Clip;

    fn len(&self) -> usize {
        if self.split == Split::Train { 104_000 } else { 600 }
    }

    fn read(&self, index: usize) -> Result<Clip> {
        self.clip(index, None)
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Clip> {
        self.clip(index, Some(draw))
    }

    fn label(&self, index: usize) -> Option<u32> {
        (index < self.len()).then_some(KINDS[index % KINDS.len()] as u32)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("synthetic scene {index}")
    }

    fn describe(&self) -> String {
        let part = if self.split == Split::Train { "training" } else { "test" };
        format!(
            "synthetic physical scenes (version {VERSION}), possible events alone: {} {part} scenes of {FRAMES} frames, \
             {SIZE}x{SIZE}",
            self.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SamplingRule;
    use jepa_core::random::Purpose;

    #[test]
    fn every_concept_is_among_the_scenes_and_named_by_its_label() {
        for split in [Split::Train, Split::Test] {
            let scenes = Scenes::open(split, &ClipOptions::default());
            let mut counts = vec![0; scenes.classes().len()];
            (0..scenes.len()).for_each(|index| counts[scenes.label(index).unwrap() as usize] += 1);
            let share = scenes.len() / KINDS.len();
            for (concept, count) in Concept::ALL.into_iter().zip(counts) {
                assert_eq!(scenes.classes()[concept as usize], concept.name());
                let kinds = KINDS.into_iter().filter(|kind| *kind == concept).count();
                assert_eq!(count, kinds * share);
            }
        }
    }

    #[test]
    fn clips_are_evenly_spaced_and_begin_anywhere_in_their_room() {
        let options = ClipOptions { frames: 12, rule: SamplingRule::Step(4), ..ClipOptions::default() };
        assert_eq!(frames(&options, None), (0..12).map(|i| 4 * i).collect::<Vec<_>>());
        let mut firsts = [0; 4];
        for number in 0..200 {
            let found = frames(&options, Some(&mut Stream::new(0, Purpose::Augment, 0, number)));
            assert!(found.windows(2).all(|pair| pair[1] == pair[0] + 4), "{found:?}");
            firsts[found[0]] += 1;
        }
        assert!(firsts.iter().all(|count| (30..=70).contains(count)), "{firsts:?}");
        let long = ClipOptions { frames: 16, ..options };
        assert_eq!(frames(&long, None), long.indices(FRAMES, RATE, None), "longer than a scene");
    }
}
