//! What a sensor makes of a performance: noise, joints that stick, frames without a body, bodies that change their
//! number, ghosts. Denoising of NTU RGB+D has to undo the last three.

use jepa_core::random::Draw;

use super::Motion;
use crate::data::ntu::{NTU_JOINTS, NtuBody, NtuRecording};

/// Standard deviation of a joint along each axis, metres.
const NOISE: f32 = 0.01;
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

/// The recording of what the camera sees.
pub(super) fn record(persons: &[Motion], draw: &mut impl Draw) -> NtuRecording {
    let count = persons.first().map_or(0, Vec::len);
    let first_id = 72_057_594_037_900_000 + draw.below(90_000) as u64;
    let mut frames: Vec<Vec<NtuBody>> = vec![Vec::new(); count];
    for (number, motion) in persons.iter().enumerate() {
        let mut motion = motion.clone();
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
    let length = 3 + draw.below(8);
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
