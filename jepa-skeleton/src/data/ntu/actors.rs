//! From the bodies of a recording to one or two actors: the preparation that MAMP uses (`data/ntu/*.py`), which goes
//! back to Microsoft's view-adaptive networks.
//!
//! 1. Frames without a body are dropped. Each id becomes a track with its frames.
//! 2. With two or more ids: short tracks are dropped, and tracks wider than a person for most of the time. The others
//!    are sorted by how much they move; the first is actor 1. A further track continues actor 1 where their times do not
//!    overlap, else actor 2 under the same rule, else it is dropped. Frames without any actor are cut.
//! 3. The spine's middle of actor 1 in its first frame becomes the origin of every frame and both actors.

use std::path::Path;

use jepa_core::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{JOINTS, NtuRecording};
use crate::data::joints::JointSet;
use crate::data::sequence::Sequence;

/// The joint that becomes the origin: the middle of the spine.
const ORIGIN: usize = 1;
/// Numbers of one actor in one frame.
const WIDTH: usize = JOINTS * 3;

/// What stands for the second person of a recording with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecondPerson {
    /// Zeros, as MAMP prepares NTU-60.
    Zeros,
    /// The first person again, as MAMP prepares NTU-120.
    Duplicate,
}

/// Which frames a track that was lost and found again is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gaps {
    /// One after another from its first frame, as in the original: what follows a gap is shown too early.
    Closed,
    /// Those of the file.
    Kept,
}

/// How recordings become sequences. The default is MAMP's preparation of NTU-60.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NtuOptions {
    /// Tracks of at most so many frames are dropped (MAMP: 11).
    pub short: usize,
    /// A frame is plausible when the body is at most this much as wide as it is high (MAMP: 0.8).
    pub spread: f32,
    /// Tracks with at least this share of implausible frames are dropped (MAMP: 0.69754).
    pub implausible: f64,
    /// What stands for a missing second person.
    pub second: SecondPerson,
    /// Frames of a track after a gap.
    pub gaps: Gaps,
    /// Whether actor 1 is moved to the origin.
    pub translate: bool,
}

impl Default for NtuOptions {
    fn default() -> Self {
        Self {
            short: 11,
            spread: 0.8,
            implausible: 0.69754,
            second: SecondPerson::Zeros,
            gaps: Gaps::Closed,
            translate: true,
        }
    }
}

impl NtuOptions {
    /// MAMP's preparation of NTU-120.
    pub fn ntu120() -> Self {
        Self { second: SecondPerson::Duplicate, ..Self::default() }
    }

    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        if !(self.spread.is_finite() && self.spread > 0.0) {
            let problem = format!("expected a width over height above 0, found {}", self.spread);
            return Err(Error::config(format!("{place}.spread"), problem));
        }
        if !(self.implausible > 0.0 && self.implausible <= 1.0) {
            let problem = format!("expected a share above 0 and at most 1, found {}", self.implausible);
            return Err(Error::config(format!("{place}.implausible"), problem));
        }
        Ok(())
    }
}

/// One id over time.
struct Track {
    /// Frames, ascending; counted without those that show nobody.
    frames: Vec<usize>,
    /// [frames, joints, 3].
    joints: Vec<f32>,
    /// Variance of x, y and z over all frames and joints, added up.
    motion: f64,
}

impl Track {
    fn pose(&self, at: usize) -> &[f32] {
        &self.joints[at * WIDTH..(at + 1) * WIDTH]
    }

    /// First and last frame.
    fn span(&self) -> (usize, usize) {
        (self.frames.first().copied().unwrap_or(0), self.frames.last().copied().unwrap_or(0))
    }
}

/// The actors of a recording as a sequence of two persons. Fails when no frame or no track is usable; `path` says in
/// errors where the recording came from.
pub fn actors(path: &Path, recording: &NtuRecording, options: &NtuOptions) -> Result<Sequence> {
    let (mut tracks, frames) = tracks(recording, options.gaps);
    if frames == 0 {
        let problem = format!("none of its {} frames shows a body", recording.frames.len());
        return Err(Error::format(path, problem));
    }
    let several = tracks.len() > 1;
    if several {
        tracks = denoise(tracks, options);
        if tracks.is_empty() {
            let problem = format!("no body is seen in more than {} frames", options.short);
            return Err(Error::format(path, problem));
        }
    }
    let (mut values, mut persons) = assign(&tracks, frames);
    if several {
        values = values.chunks(2 * WIDTH).filter(|frame| !is_empty(frame)).flatten().copied().collect();
    }
    if options.translate {
        translate(&mut values, persons);
    }
    if persons == 1 && options.second == SecondPerson::Duplicate {
        values.chunks_exact_mut(2 * WIDTH).for_each(|frame| frame.copy_within(..WIDTH, WIDTH));
    }
    persons = 2;
    let frames = values.len() / (persons * WIDTH);
    Sequence::new(JointSet::kinect25(), frames, persons, values).map_err(|error| Error::format(path, error.to_string()))
}

/// One track an id, in the order in which they appear, and the number of frames that show somebody.
fn tracks(recording: &NtuRecording, gaps: Gaps) -> (Vec<Track>, usize) {
    let mut ids: Vec<u64> = Vec::new();
    let mut tracks: Vec<Track> = Vec::new();
    let mut frame = 0;
    for bodies in recording.frames.iter().filter(|bodies| !bodies.is_empty()) {
        for body in bodies {
            let place = ids.iter().position(|id| *id == body.id).unwrap_or_else(|| {
                ids.push(body.id);
                tracks.push(Track { frames: vec![], joints: vec![], motion: 0.0 });
                ids.len() - 1
            });
            let track = &mut tracks[place];
            let time = match (track.frames.last(), gaps) {
                (Some(last), Gaps::Closed) => last + 1,
                // An id twice in one frame: the first is kept.
                (Some(last), Gaps::Kept) if *last == frame => continue,
                _ => frame,
            };
            track.frames.push(time);
            track.joints.extend(body.joints.iter().flatten());
        }
        frame += 1;
    }
    // An id twice in a frame stretches its closed track; what reaches beyond the recording is left out.
    for track in &mut tracks {
        let kept = track.frames.iter().filter(|time| **time < frame).count();
        track.frames.truncate(kept);
        track.joints.truncate(kept * WIDTH);
        track.motion = motion(&track.joints);
    }
    (tracks, frame)
}

/// Variance of x, y and z over all joints, added up.
fn motion(joints: &[f32]) -> f64 {
    let count = (joints.len() / 3).max(1) as f64;
    let variance = |axis: usize| {
        let values = || joints.iter().skip(axis).step_by(3).map(|&value| f64::from(value));
        let mean = values().sum::<f64>() / count;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / count
    };
    (0..3).map(variance).sum()
}

/// Drops what is no person and sorts the rest by motion, most first.
fn denoise(tracks: Vec<Track>, options: &NtuOptions) -> Vec<Track> {
    let mut tracks: Vec<Track> = tracks.into_iter().filter(|track| track.frames.len() > options.short).collect();
    let mut at = 0;
    // The last track is never dropped for its spread.
    while at < tracks.len() && tracks.len() > 1 {
        let track = &mut tracks[at];
        let count = track.frames.len();
        let plausible: Vec<usize> = (0..count).filter(|&i| is_plausible(track.pose(i), options.spread)).collect();
        let share = (count - plausible.len()) as f64 / count as f64;
        if plausible.len() < count && share >= options.implausible {
            tracks.remove(at);
            continue;
        }
        if plausible.len() < count {
            let kept: Vec<f32> = plausible.iter().flat_map(|&i| track.pose(i)).copied().collect();
            track.motion = track.motion.min(motion(&kept));
        }
        at += 1;
    }
    tracks.sort_by(|a, b| b.motion.total_cmp(&a.motion));
    tracks
}

/// Whether a body is not much wider than high.
fn is_plausible(pose: &[f32], limit: f32) -> bool {
    let spread = |axis: usize| {
        let values = || pose.iter().skip(axis).step_by(3).copied();
        values().fold(f32::MIN, f32::max) - values().fold(f32::MAX, f32::min)
    };
    spread(0) <= limit * spread(1)
}

/// Lays the tracks into [frames, 2, joints, 3] and says how many persons there are.
fn assign(tracks: &[Track], frames: usize) -> (Vec<f32>, usize) {
    let mut values = vec![0.0; frames * 2 * WIDTH];
    let mut put = |track: &Track, person: usize| {
        for (at, &frame) in track.frames.iter().enumerate() {
            let start = (frame * 2 + person) * WIDTH;
            values[start..start + WIDTH].copy_from_slice(track.pose(at));
        }
    };
    let Some((first, others)) = tracks.split_first() else { return (values, 1) };
    put(first, 0);
    // Actor 2 begins with the empty time 0..0, as in the original. One shared frame is no overlap there either.
    let mut spans = [first.span(), (0, 0)];
    for track in others {
        let (start, end) = track.span();
        let free = spans.iter().position(|&(from, to)| to.min(end) <= from.max(start));
        if let Some(person) = free {
            put(track, person);
            let (from, to) = spans[person];
            spans[person] = (from.min(start), to.max(end));
        }
    }
    (values, if others.is_empty() { 1 } else { 2 })
}

/// Moves the spine of actor 1 in its first frame to the origin; who is absent from a frame stays zero.
fn translate(values: &mut [f32], persons: usize) {
    let first = values.chunks(2 * WIDTH).find(|frame| !is_empty(&frame[..WIDTH]));
    let Some(origin) = first.map(|frame| [0, 1, 2].map(|axis| frame[ORIGIN * 3 + axis])) else { return };
    for frame in values.chunks_exact_mut(2 * WIDTH) {
        for pose in frame.chunks_exact_mut(WIDTH).take(persons) {
            // A single person is there in every frame: even one that is all zeros is moved, as in the original.
            if persons == 1 || !is_empty(pose) {
                pose.chunks_exact_mut(3).for_each(|place| (0..3).for_each(|axis| place[axis] -= origin[axis]));
            }
        }
    }
}

fn is_empty(values: &[f32]) -> bool {
    values.iter().all(|&value| value == 0.0)
}
