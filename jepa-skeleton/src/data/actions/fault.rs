//! What a sensor makes of a performance: noise, joints behind the trunk that it guesses, joints that stick, frames
//! without a body, bodies that change their number, ghosts. Denoising of NTU RGB+D has to undo the last three.

use jepa_core::random::Draw;

use super::Motion;
use super::body::Point;
use crate::data::ntu::{NTU_JOINTS, NtuBody, NtuRecording};

/// Standard deviation of a joint along each axis, metres.
const NOISE: f32 = 0.01;
/// How near to the axis of a trunk the line of sight must pass to be blocked, metres.
const TRUNK: f32 = 0.13;
/// Standard deviation of a step of the error of a joint that is guessed, along each axis, metres.
const GUESS: f32 = 0.025;
/// What is left of that error a frame later: while the joint is hidden, and when it is seen again.
const REMEMBERED: [f32; 2] = [0.93, 0.6];
/// Chance of a joint that sticks for a while.
const STUCK: f32 = 0.4;
/// Chance of frames without a body.
const LOST: f32 = 0.2;
/// Chance of a single body that changes its number.
const RENAMED: f32 = 0.1;
/// Chance of a ghost.
const GHOST: f32 = 0.25;
/// Frames that a track needs to outlive denoising, and some more.
const SAFE: usize = 15;

/// The recording of what the camera, at the origin, sees.
pub(super) fn record(persons: &[Motion], draw: &mut impl Draw) -> NtuRecording {
    let count = persons.first().map_or(0, Vec::len);
    let first_id = 72_057_594_037_900_000 + draw.below(90_000) as u64;
    let mut frames: Vec<Vec<NtuBody>> = vec![Vec::new(); count];
    for (number, truth) in persons.iter().enumerate() {
        let mut motion = truth.clone();
        guess(&mut motion, persons, number, draw);
        blur(&mut motion, draw);
        if draw.uniform() < STUCK {
            stick(&mut motion, draw);
        }
        let renamed = persons.len() == 1 && draw.uniform() < RENAMED && count > 2 * SAFE;
        let change = if renamed { SAFE + draw.below(count - 2 * SAFE) } else { count };
        for (at, (frame, joints)) in frames.iter_mut().zip(motion).enumerate() {
            let id = first_id + number as u64 * 10 + u64::from(at >= change);
            frame.push(NtuBody { id, joints });
        }
    }
    if draw.uniform() < GHOST {
        haunt(&mut frames, first_id + 5, draw);
    }
    if draw.uniform() < LOST {
        let length = 1 + draw.below(3);
        let start = draw.below(count.saturating_sub(length).max(1));
        // Not where a ghost is or a number changes: the rest of a track must stay long enough.
        frames.iter_mut().skip(start).take(length).for_each(Vec::clear);
    }
    NtuRecording { frames }
}

/// Moves joints that a trunk hides from where they are: the error wanders while they are hidden and goes away slowly.
fn guess(motion: &mut Motion, persons: &[Motion], own: usize, draw: &mut impl Draw) {
    let mut error = [[0.0f32; 3]; NTU_JOINTS];
    for (frame, pose) in motion.iter_mut().enumerate() {
        for joint in LIMBS {
            let mut trunks = persons.iter().enumerate().filter_map(|(who, other)| Some((who, other.get(frame)?)));
            let hidden = trunks.any(|(who, other)| is_behind(pose[joint], other[0], other[20], who == own));
            let [kept, step] = if hidden { [REMEMBERED[0], GUESS] } else { [REMEMBERED[1], 0.0] };
            for (value, error) in pose[joint].iter_mut().zip(&mut error[joint]) {
                *error = kept * *error + if step > 0.0 { step * draw.normal() } else { 0.0 };
                *value += *error;
            }
        }
    }
}

/// Elbows, wrists, hands, knees, ankles, feet, finger tips and thumbs.
const LIMBS: [usize; 16] = [5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 24];

/// Whether a trunk from `base` to `top` stands between the origin and `joint`.
fn is_behind(joint: Point, base: Point, top: Point, own: bool) -> bool {
    let length = |point: Point| point.iter().map(|v| v * v).sum::<f32>().sqrt();
    let far = length(joint).max(1e-6);
    let sight = joint.map(|v| v / far);
    // A person's own limbs are attached to the trunk: they must be clearly behind it.
    let margin = if own { 0.07 } else { 0.3 };
    (0..5u8).any(|part| {
        let share = f32::from(part) / 4.0;
        let axis: Point = std::array::from_fn(|at| base[at] + share * (top[at] - base[at]));
        let along: f32 = axis.iter().zip(&sight).map(|(a, b)| a * b).sum();
        let aside = length(std::array::from_fn(|at| axis[at] - along * sight[at]));
        along + margin < far && aside < TRUNK
    })
}

/// Moves every joint a little.
fn blur(motion: &mut Motion, draw: &mut impl Draw) {
    for value in motion.iter_mut().flatten().flatten() {
        *value += NOISE * draw.normal();
    }
}

/// Holds one joint in its place for a while, as the sensor does with one it cannot see.
fn stick(motion: &mut Motion, draw: &mut impl Draw) {
    let joint = draw.below(NTU_JOINTS);
    let start = draw.below(motion.len());
    let length = 3 + draw.below(20);
    let Some(place) = motion.get(start).map(|pose| pose[joint]) else { return };
    motion.iter_mut().skip(start).take(length).for_each(|pose| pose[joint] = place);
}

/// Adds somebody who is not there: shortly, or longer but wider than any person is.
fn haunt(frames: &mut [Vec<NtuBody>], id: u64, draw: &mut impl Draw) {
    let short = draw.uniform() < 0.5;
    let length = if short { 3 + draw.below(9) } else { SAFE + draw.below(frames.len().saturating_sub(SAFE).max(1)) };
    let start = draw.below(frames.len().saturating_sub(length).max(1));
    let middle = [draw.between(-1.0, 1.0), draw.between(-0.5, 0.3), draw.between(3.0, 4.0)];
    // Half width and half height, metres.
    let size = if short { [0.25, 0.8, 0.15] } else { [0.9, 0.3, 0.15] };
    let before = draw.uniform() < 0.5;
    let shape: [[f32; 3]; NTU_JOINTS] =
        std::array::from_fn(|_| std::array::from_fn(|axis| middle[axis] + size[axis] * draw.between(-1.0, 1.0)));
    for frame in frames.iter_mut().skip(start).take(length) {
        let joints = shape.map(|joint| joint.map(|value| value + NOISE * draw.normal()));
        let at = if before { 0 } else { frame.len() };
        frame.insert(at, NtuBody { id, joints });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    /// Somebody three metres away who does not move, with every joint on the axis of the trunk but `joint` at `place`.
    fn still(joint: usize, place: Point) -> Motion {
        let mut pose = [[0.0, 0.0, 3.0]; NTU_JOINTS];
        pose[20] = [0.0, 0.5, 3.0];
        pose[joint] = place;
        vec![pose; 60]
    }

    #[test]
    fn a_hand_behind_the_back_is_guessed_and_one_beside_it_is_seen() {
        let error = |place: Point| {
            let truth = still(7, place);
            let mut motion = truth.clone();
            guess(&mut motion, std::slice::from_ref(&truth), 0, &mut Stream::new(1, Purpose::Test, 0, 0));
            let off = motion.iter().map(|pose| (0..3).map(|at| (pose[7][at] - place[at]).abs()).fold(0.0, f32::max));
            off.fold(0.0, f32::max)
        };
        assert!((0.03..0.4).contains(&error([0.02, 0.2, 3.2])), "{}", error([0.02, 0.2, 3.2]));
        assert_eq!(error([0.4, 0.2, 3.2]), 0.0, "beside");
        assert_eq!(error([0.02, 0.2, 2.8]), 0.0, "in front");
    }
}
