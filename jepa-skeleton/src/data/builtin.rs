//! The data inside the program: synthetic actions, so that every command works without a download.

use std::collections::BTreeSet;
use std::path::Path;

use jepa_core::data::{Column, Label, Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::actions::{self, ACTIONS, ORDER_PAIRS, VERSION};
use super::ntu::{NtuName, NtuOptions, NtuProtocol, actors};
use super::sequence::Sequence;

/// Synthetic actions of 40 performers, parted as the performers of NTU RGB+D are. Every sample is prepared as recordings
/// from the sensor are; that it could as well have been written to a file and read back is a test.
#[derive(Debug)]
pub struct Builtin {
    options: NtuOptions,
    part: &'static str,
    indices: Vec<u32>,
    classes: Vec<String>,
    columns: Vec<Column>,
}

impl Builtin {
    /// One part: 2,400 sequences.
    pub fn open(split: Split) -> Self {
        let part = if split == Split::Train { "training performers" } else { "test performers" };
        Self::of(part, |name| NtuProtocol::CrossSubject60.split(name) == Some(split))
    }

    /// The training performers alone, every fourth of them held out as the test part: settings are chosen with it, so
    /// that the test performers choose nothing.
    pub fn validation(split: Split) -> Self {
        let part = if split == Split::Train {
            "three quarters of the training performers"
        } else {
            "a quarter of the training performers"
        };
        let training = |name: &NtuName| NtuProtocol::CrossSubject60.split(*name) == Some(Split::Train);
        let names = (0..actions::COUNT).filter_map(actions::name).filter(training);
        let performers: BTreeSet<u16> = names.map(|name| name.performer).collect();
        let held_out: Vec<u16> = performers.iter().copied().skip(3).step_by(4).collect();
        Self::of(part, |name| {
            performers.contains(&name.performer) && held_out.contains(&name.performer) == (split == Split::Test)
        })
    }

    fn of(part: &'static str, ours: impl Fn(NtuName) -> bool) -> Self {
        let indices = (0..actions::COUNT as u32).filter(|index| actions::name(*index as usize).is_some_and(&ours));
        let classes = ACTIONS.map(str::to_owned).to_vec();
        let cameras = (1..=3).map(|camera| format!("camera {camera}")).collect();
        let columns = vec![Column::classes("camera", cameras)];
        Self { options: NtuOptions::default(), part, indices: indices.collect(), classes, columns }
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
        let recording = recording.ok_or_else(|| Error::data("builtin", no_sample(index, self.len())))?;
        actors(Path::new(&self.name(index)), &recording, &self.options)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.recording(index).map(|name| u32::from(name.action) - 1)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class_name(&self) -> &str {
        "action"
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn value(&self, index: usize, column: usize) -> Option<Label> {
        let camera = self.recording(index)?.camera;
        (column == 0).then(|| Label::Class(u32::from(camera) - 1))
    }

    fn twins(&self) -> &[[u32; 2]] {
        &ORDER_PAIRS
    }

    fn name(&self, index: usize) -> String {
        let name = self.recording(index).map(|name| format!("synthetic/{name}.skeleton"));
        name.unwrap_or_else(|| no_sample(index, self.len()))
    }

    fn describe(&self) -> String {
        format!(
            "built-in synthetic actions (version {VERSION}): {} sequences of {} in {} classes, 25 joints, three cameras; \
             nothing of it was recorded",
            self.len(),
            self.part,
            self.classes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ntu::NtuRecording;

    #[test]
    fn both_parts_are_balanced_and_share_no_performer() {
        let performers = [Split::Train, Split::Test].map(|split| {
            let source = Builtin::open(split);
            assert_eq!(source.len(), 2400);
            let mut count = [0; 20];
            for index in 0..source.len() {
                count[source.label(index).unwrap() as usize] += 1;
            }
            assert_eq!(count, [120; 20]);
            assert!(source.describe().contains("synthetic") && source.name(0).contains("synthetic"));
            for index in 0..6 {
                let camera = u32::from(source.recording(index).unwrap().camera) - 1;
                assert_eq!(source.value(index, 0), Some(Label::Class(camera)));
            }
            (0..source.len()).map(|index| source.recording(index).unwrap().performer).collect::<BTreeSet<_>>()
        });
        assert_eq!((performers[0].len(), performers[1].len()), (20, 20));
        assert!(performers[0].is_disjoint(&performers[1]));
    }

    #[test]
    fn settings_are_chosen_on_training_performers_that_are_held_out() {
        let performers = |source: &Builtin| {
            (0..source.len()).map(|index| source.recording(index).unwrap().performer).collect::<BTreeSet<_>>()
        };
        let [fit, check] = [Split::Train, Split::Test].map(|split| performers(&Builtin::validation(split)));
        assert_eq!((fit.len(), check.len()), (15, 5));
        assert_eq!(fit.union(&check).copied().collect::<BTreeSet<_>>(), performers(&Builtin::open(Split::Train)));
        assert_ne!(Builtin::validation(Split::Test).describe(), Builtin::open(Split::Test).describe());
    }

    #[test]
    fn samples_are_prepared_deterministic_and_of_usual_length() {
        let source = Builtin::open(Split::Test);
        for index in (0..source.len()).step_by(97) {
            let sequence = source.read(index).unwrap();
            assert_eq!(sequence, source.read(index).unwrap());
            let written = actions::recording(source.indices[index] as usize).unwrap().render();
            let read = NtuRecording::parse(Path::new("written"), written.as_bytes()).unwrap();
            let again = actors(Path::new("written"), &read, &source.options).unwrap();
            assert!(again.values.iter().zip(&sequence.values).all(|(a, b)| (a - b).abs() < 5e-6), "{index}");
            assert_eq!((sequence.persons, sequence.joints.len()), (2, 25));
            assert!((70..=150).contains(&sequence.frames), "{}", sequence.frames);
            assert_eq!(sequence.valid(), sequence.frames);
            assert_eq!(sequence.first_frame(1).is_some(), source.label(index) == Some(19));
            let first = sequence.first_frame(0).unwrap();
            assert_eq!(sequence.pose(first, 0)[3..6], [0.0; 3]);
        }
        assert!(source.read(2400).unwrap_err().to_string().contains("index 2400"));
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
            assert!(apart < 0.01, "mean poses differ by {apart} m");
        }
    }
}
