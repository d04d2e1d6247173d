//! Synthetic actions: 40 performers do 20 actions twice before three cameras, 4,800 recordings in all.
//!
//! | file | noun |
//! |---|---|
//! | `body` | lengths, angles, forward kinematics on the joints of Kinect |
//! | `program` | what each action does with the angles |
//! | `fault` | noise, hidden and stuck joints, lost frames, ghosts |
//!
//! Every recording is a function of its number alone ([`VERSION`] is part of the seed). As in NTU RGB+D the cameras see
//! one performance from three sides (45, 0 and -45 degrees), height and distance of the cameras go with the setup, and a
//! performance depends on performer, repetition and action. Performers face any direction, wait before and after they
//! act, and never hold still altogether.
//! Nothing here was recorded: whatever is shown or measured on it is to be called synthetic.

mod body;
mod fault;
mod program;

pub use program::{ACTIONS, ORDER_PAIRS};

use std::path::{Path, PathBuf};

use jepa_core::data::no_sample;
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::ntu::{NTU_JOINTS, NtuName, NtuRecording};
use body::{Build, Point};
use program::{HAND_SHAKE, Style, programme};

/// Changes with every change of what the recordings hold.
pub const VERSION: u64 = 2;
/// Performers, numbered from 1.
pub const PERFORMERS: usize = 40;
/// Cameras, numbered from 1.
pub const CAMERAS: usize = 3;
/// Repetitions, numbered from 1.
pub const REPLICATIONS: usize = 2;
/// Recordings.
pub const COUNT: usize = PERFORMERS * CAMERAS * REPLICATIONS * ACTIONS.len();

/// Frames of a recording, 30 a second.
const FRAMES: [usize; 2] = [75, 150];
/// Height of a performer's middle above the floor, which cameras look at, metres.
const MIDDLE: f32 = 0.9;
/// Seed of everything here.
const SEED: u64 = 0x5EED_0000 + VERSION;

/// Streams of one seed, told apart by what is drawn.
#[derive(Debug, Clone, Copy)]
enum Drawn {
    Body = 1,
    Habits = 2,
    Occasion = 3,
    Faults = 4,
    Setup = 5,
}

fn stream(drawn: Drawn, number: usize) -> Stream {
    Stream::new(SEED, Purpose::Synthesis, drawn as u64, number as u64)
}

/// What recording `index` shows, as the name of a file; the setup goes with the performer.
pub fn name(index: usize) -> Option<NtuName> {
    if index >= COUNT {
        return None;
    }
    let (rest, action) = (index / ACTIONS.len(), index % ACTIONS.len());
    let (rest, replication) = (rest / REPLICATIONS, rest % REPLICATIONS);
    let (performer, camera) = (rest / CAMERAS, rest % CAMERAS);
    Some(NtuName {
        setup: (performer % 17 + 1) as u16,
        camera: camera as u16 + 1,
        performer: performer as u16 + 1,
        replication: replication as u16 + 1,
        action: action as u16 + 1,
    })
}

/// The places of one person's joints over time.
type Motion = Vec<[Point; NTU_JOINTS]>;

/// What a camera without noise sees: one or two persons, in the camera's space, all with the same number of frames.
fn performance(name: NtuName) -> Vec<Motion> {
    let (performer, label) = (usize::from(name.performer), u32::from(name.action) - 1);
    let (label, backwards) = programme(label);
    let number = (performer * REPLICATIONS + usize::from(name.replication)) * ACTIONS.len() + label as usize;
    let occasion = &mut stream(Drawn::Occasion, number);
    let frames = FRAMES[0] + occasion.below(FRAMES[1] - FRAMES[0] + 1);
    let heading = occasion.between(-std::f32::consts::PI, std::f32::consts::PI);
    let yaw = (45.0 * (2.0 - f32::from(name.camera))).to_radians();
    // Where the middle of the scene is, and how far the camera looks down on it.
    let setup = &mut stream(Drawn::Setup, usize::from(name.setup));
    let (height, distance) = (setup.between(0.6, 2.0), setup.between(2.6, 3.6));
    let tilt = body::about_x(-((height - MIDDLE) / distance).atan());
    let spot = [occasion.between(-0.3, 0.3), -height, distance + occasion.between(-0.3, 0.3)];

    let persons = if label == HAND_SHAKE { 2 } else { 1 };
    let mut motions: Vec<Motion> = Vec::with_capacity(persons);
    for person in 0..persons {
        // The second person is one of the performer's own, not another performer: parts stay apart.
        let who = performer + person * 1000;
        let build = Build::new(&mut stream(Drawn::Body, who));
        let style = Style::new(label, frames, &mut stream(Drawn::Habits, who), occasion);
        // Two persons stand face to face, sideways to the camera.
        let (facing, place) = match (persons, person) {
            (1, _) => (0.0, [0.0; 3]),
            (_, 0) => (-std::f32::consts::FRAC_PI_2, [-0.42, 0.0, 0.0]),
            _ => (std::f32::consts::FRAC_PI_2, [0.42, 0.0, 0.0]),
        };
        let view = body::about_y(yaw + heading);
        let motion = (0..frames).map(|frame| {
            let mut pose = style.pose(label, frame as f32 / (frames - 1) as f32);
            pose.turn += facing;
            let seen = |joint| body::add(body::apply(&view, body::add(joint, place)), spot);
            pose.joints(&build).map(|joint| body::apply(&tilt, seen(joint)))
        });
        motions.push(motion.collect());
    }
    if backwards {
        motions.iter_mut().for_each(|motion| motion.reverse());
    }
    motions
}

/// What the sensor writes down of recording `index`: the performance with noise, lost joints and frames, bodies that
/// change their number and ghosts. None beyond [`COUNT`].
pub fn recording(index: usize) -> Option<NtuRecording> {
    let name = name(index)?;
    Some(fault::record(&performance(name), &mut stream(Drawn::Faults, index)))
}

/// Writes recordings as `.skeleton` files into `folder`, which is made when missing; returns the paths. Numbers beyond
/// [`COUNT`] are an error.
pub fn write(folder: &Path, indices: impl IntoIterator<Item = usize>) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut paths = Vec::new();
    for index in indices {
        let (Some(name), Some(recording)) = (name(index), recording(index)) else {
            return Err(Error::data("builtin", no_sample(index, COUNT)));
        };
        let path = folder.join(format!("{name}.skeleton"));
        std::fs::write(&path, recording.render()).map_err(Error::io("write", &path))?;
        paths.push(path);
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ntu::{Gaps, NtuOptions, NtuProtocol, SecondPerson, actors};
    use jepa_core::data::{Source as _, Split};

    fn numbers(label: u32) -> impl Iterator<Item = usize> {
        (0..COUNT).filter(move |index| name(*index).is_some_and(|name| u32::from(name.action) == label + 1))
    }

    #[test]
    fn names_cover_performers_cameras_repetitions_and_actions_once() {
        let mut names: Vec<NtuName> = (0..COUNT).map(|index| name(index).unwrap()).collect();
        names.sort();
        names.dedup();
        assert_eq!((names.len(), COUNT), (4800, 4800));
        assert!(names.iter().all(|name| NtuProtocol::CrossSubject60.split(*name).is_some()));
        assert_eq!(name(COUNT), None);
    }

    #[test]
    fn pairs_have_the_same_poses_in_the_opposite_order() {
        for [forwards, backwards] in ORDER_PAIRS {
            for (one, other) in numbers(forwards).zip(numbers(backwards)).step_by(17) {
                let [one, other] = [one, other].map(|index| performance(name(index).unwrap()).remove(0));
                assert_ne!(one, other);
                let mean = |motion: &Motion, joint: usize, axis: usize| {
                    motion.iter().map(|pose| f64::from(pose[joint][axis])).sum::<f64>() / motion.len() as f64
                };
                for (joint, axis) in (0..NTU_JOINTS).flat_map(|joint| (0..3).map(move |axis| (joint, axis))) {
                    assert!((mean(&one, joint, axis) - mean(&other, joint, axis)).abs() < 1e-9);
                }
                let reversed: Motion = other.into_iter().rev().collect();
                assert_eq!(one, reversed);
            }
        }
    }

    #[test]
    fn one_performance_is_seen_from_three_sides() {
        let seen = |index: usize| performance(name(index).unwrap()).remove(0);
        let step = REPLICATIONS * ACTIONS.len();
        let [left, middle, right] = [seen(7), seen(7 + step), seen(7 + 2 * step)];
        assert_eq!((left.len(), middle.len()), (right.len(), right.len()));
        let spans = |motion: &Motion| {
            let span = |pose: &[Point; NTU_JOINTS]| (0..3).map(|at| (pose[3][at] - pose[15][at]).powi(2)).sum::<f32>();
            motion.iter().map(|pose| span(pose).sqrt()).collect::<Vec<_>>()
        };
        assert!(spans(&left).iter().zip(spans(&middle)).all(|(a, b)| (a - b).abs() < 1e-4));
        assert_ne!(left, middle);
        assert_ne!(left, right);
    }

    #[test]
    fn the_reader_gives_back_who_performed_and_nobody_else() {
        let options =
            NtuOptions { gaps: Gaps::Kept, translate: false, second: SecondPerson::Zeros, ..Default::default() };
        let mut faulty = 0;
        for index in (0..COUNT).step_by(11) {
            let truth = performance(name(index).unwrap());
            let recording = recording(index).unwrap();
            faulty += usize::from(recording.frames.iter().any(|bodies| bodies.len() != truth.len()));
            let kept: Vec<usize> = (0..truth[0].len()).filter(|frame| !recording.frames[*frame].is_empty()).collect();
            let text = recording.render();
            let read = NtuRecording::parse(Path::new("synthetic"), text.as_bytes()).unwrap();
            let sequence = actors(Path::new("synthetic"), &read, &options).unwrap();
            assert_eq!(sequence.frames, kept.len(), "{index}");
            assert_eq!(sequence.first_frame(1).is_some(), truth.len() == 2, "{index}");
            let distance = |person: usize, motion: &Motion| {
                let poses = kept.iter().enumerate().map(|(at, &frame)| {
                    let pose = sequence.pose(at, person).iter().zip(motion[frame].as_flattened());
                    pose.map(|(a, b)| (a - b).abs()).sum::<f32>() / 75.0
                });
                poses.sum::<f32>() / kept.len() as f32
            };
            // Which of two persons moves more is not known beforehand.
            let near = |person: usize| truth.iter().map(|motion| distance(person, motion)).fold(f32::MAX, f32::min);
            for person in 0..truth.len() {
                assert!(near(person) < 0.03, "{index}: {} m off", near(person));
            }
        }
        assert!((80..330).contains(&faulty), "{faulty} of 437 have ghosts or lost frames");
    }

    #[test]
    fn recordings_are_the_same_every_time_and_lie_where_version_2_put_them() {
        let one = recording(1234).unwrap();
        assert_eq!(one, recording(1234).unwrap());
        assert_ne!(one, recording(1235).unwrap());
        assert_eq!(recording(COUNT), None);
        assert_eq!(VERSION, 2, "a new version needs new places here");
        let place = one.frames[10][0].joints[3].map(|value| (value * 100.0).round() / 100.0);
        assert_eq!((one.frames.len(), place), (78, [-0.08, 0.77, 3.18]));
    }

    #[test]
    fn a_written_folder_is_read_as_a_data_set() {
        let dir = tempfile::tempdir().unwrap();
        let paths = write(dir.path(), (0..COUNT).step_by(80)).unwrap();
        assert_eq!(paths.len(), 60);
        for (protocol, train) in [(NtuProtocol::CrossSubject60, 30), (NtuProtocol::CrossView60, 20)] {
            let open = |split| super::super::ntu::NtuFolder::open(dir.path(), protocol, split).unwrap();
            let (one, other) = (open(Split::Train), open(Split::Test));
            assert_eq!(one.len() + other.len(), 60);
            assert!(one.len() >= train, "{}", one.len());
            assert!((0..one.len()).all(|index| one.read(index).is_ok()));
        }
        assert!(write(dir.path(), [COUNT]).is_err());
    }
}
