//! The data inside the program: synthetic actions, so that every command works without a download.

use std::path::Path;

use jepa_core::data::{Source, Split};
use jepa_core::error::{Error, Result};

use super::actions::{self, ACTIONS, VERSION};
use super::ntu::{NtuName, NtuOptions, NtuProtocol, NtuRecording, actors};
use super::sequence::Sequence;

/// Synthetic actions of 40 performers, parted as the performers of NTU RGB+D are. Every sample is written as the text of
/// NTU RGB+D, read back and prepared as recordings from the sensor are.
#[derive(Debug)]
pub struct Builtin {
    options: NtuOptions,
    split: Split,
    indices: Vec<u32>,
    classes: Vec<String>,
}

impl Builtin {
    /// One part: 1,800 sequences.
    pub fn open(split: Split) -> Self {
        let ours = |index: &u32| {
            let name = actions::name(*index as usize);
            name.and_then(|name| NtuProtocol::CrossSubject60.split(name)) == Some(split)
        };
        let indices = (0..actions::COUNT as u32).filter(ours).collect();
        Self { options: NtuOptions::default(), split, indices, classes: ACTIONS.map(str::to_owned).to_vec() }
    }

    /// What sample `index` shows.
    pub fn recording(&self, index: usize) -> Option<NtuName> {
        actions::name(*self.indices.get(index)? as usize)
    }
}

impl Source for Builtin {
    type Sample = Sequence;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn read(&self, index: usize) -> Result<Sequence> {
        let recording = self.indices.get(index).and_then(|number| actions::recording(*number as usize));
        let recording = recording.ok_or_else(|| Error::data("builtin", super::no_such(index, self.len())))?;
        let name = self.name(index);
        let path = Path::new(&name);
        actors(path, &NtuRecording::parse(path, recording.render().as_bytes())?, &self.options)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.recording(index).map(|name| u32::from(name.action) - 1)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let name = self.recording(index).map(|name| format!("synthetic/{name}.skeleton"));
        name.unwrap_or_else(|| super::no_such(index, self.len()))
    }

    fn describe(&self) -> String {
        let part = if self.split == Split::Train { "training" } else { "test" };
        format!(
            "built-in synthetic actions (version {VERSION}): {} sequences of the {part} performers in {} classes, \
             25 joints, three cameras; nothing of it was recorded",
            self.len(),
            self.classes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::actions::ORDER_PAIRS;
    use std::collections::BTreeSet;

    #[test]
    fn both_parts_are_balanced_and_share_no_performer() {
        let performers = [Split::Train, Split::Test].map(|split| {
            let source = Builtin::open(split);
            assert_eq!(source.len(), 1800);
            let mut count = [0; 15];
            for index in 0..source.len() {
                count[source.label(index).unwrap() as usize] += 1;
            }
            assert_eq!(count, [120; 15]);
            assert!(source.describe().contains("synthetic") && source.name(0).contains("synthetic"));
            (0..source.len()).map(|index| source.recording(index).unwrap().performer).collect::<BTreeSet<_>>()
        });
        assert_eq!((performers[0].len(), performers[1].len()), (20, 20));
        assert!(performers[0].is_disjoint(&performers[1]));
    }

    #[test]
    fn samples_are_prepared_deterministic_and_of_usual_length() {
        let source = Builtin::open(Split::Test);
        for index in (0..source.len()).step_by(97) {
            let sequence = source.read(index).unwrap();
            assert_eq!(sequence, source.read(index).unwrap());
            assert_eq!((sequence.persons, sequence.joints.len()), (2, 25));
            assert!((50..=110).contains(&sequence.frames), "{}", sequence.frames);
            assert_eq!(sequence.valid(), sequence.frames);
            assert_eq!(sequence.first_frame(1).is_some(), source.label(index) == Some(14));
            let first = sequence.first_frame(0).unwrap();
            assert_eq!(sequence.pose(first, 0)[3..6], [0.0; 3]);
        }
        assert!(source.read(1800).unwrap_err().to_string().contains("index 1800"));
    }

    #[test]
    fn mean_poses_do_not_tell_the_pairs_apart() {
        let source = Builtin::open(Split::Train);
        for pair in ORDER_PAIRS {
            let mean = |label: u32| {
                let mut mean = vec![0.0f64; 75];
                for index in (0..source.len()).filter(|index| source.label(*index) == Some(label)) {
                    let sequence = source.read(index).unwrap();
                    for value in sequence.person(0).chunks(75) {
                        // Relative to the frame's own spine: the origin is that of the first frame.
                        for (at, sum) in mean.iter_mut().enumerate() {
                            *sum += f64::from(value[at] - value[3 + at % 3]) / (120.0 * sequence.frames as f64);
                        }
                    }
                }
                mean
            };
            let (one, other) = (mean(pair[0]), mean(pair[1]));
            let apart = one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 0.004, "mean poses differ by {apart} m");
        }
    }
}
