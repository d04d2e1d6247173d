//! A sample as a picture: the first person's bones in a few frames, side by side.

use jepa_core::plugin::{Points, Preview, Scene};

use crate::data::Sequence;

/// Pixels of one pose.
const WIDTH: usize = 64;
const HEIGHT: usize = 128;
/// Poses shown.
const POSES: usize = 6;

/// The poses in RGB; the grid is that of the tokens, segments by joints.
pub fn preview(sequence: &Sequence, grid: [usize; 2]) -> Preview {
    let mut rgb = vec![0u8; WIDTH * POSES * HEIGHT * 3];
    bones(sequence, |at, _, _| rgb[3 * at..3 * at + 3].copy_from_slice(&[90, 200, 250]));
    Preview { width: WIDTH * POSES, height: HEIGHT, rgb, grid }
}

/// Token that each pixel of [`preview`] shows: half of a bone belongs to each of its joints. `grid` as there.
pub fn shown(sequence: &Sequence, [segments, joints]: [usize; 2]) -> Vec<Option<u32>> {
    let mut tokens = vec![None; WIDTH * POSES * HEIGHT];
    bones(sequence, |at, pose, joint| {
        let segment = (pose * segments / POSES).min(segments.saturating_sub(1));
        tokens[at] = (joint < joints).then_some((segment * joints + joint) as u32);
    });
    tokens
}

/// Seconds that a clip is played in.
const SECONDS: f32 = 3.0;

/// The clip in space, all persons; tokens are those of `person`, `segment` frames each.
pub fn scene(clip: &Sequence, person: usize, segment: usize) -> Scene {
    let joints = clip.joints.len();
    let every = || (0..clip.persons).flat_map(move |other| (0..joints).map(move |joint| (other, joint)));
    let place =
        |frame: usize, (other, joint): (usize, usize)| match clip.pose(frame, other).get(3 * joint..3 * joint + 3) {
            Some(&[x, y, z]) if [x, y, z] != [0.0; 3] => Some([x, y, z]),
            _ => None,
        };
    let token = |frame: usize, (other, joint): (usize, usize)| {
        (other == person).then_some((frame / segment.max(1) * joints + joint) as u32)
    };
    let parents = || (0u32..).zip(&clip.joints.parents);
    let bones = |other: usize| {
        let first = (other * joints) as u32;
        parents().filter_map(move |(joint, parent)| Some([first + joint, first + (*parent)?]))
    };
    Scene::Points(Points {
        frames: (0..clip.frames).map(|frame| every().map(|at| place(frame, at)).collect()).collect(),
        tokens: (0..clip.frames).map(|frame| every().map(|at| token(frame, at)).collect()).collect(),
        bones: (0..clip.persons).flat_map(bones).collect(),
        rate: clip.frames as f32 / SECONDS,
    })
}

/// Calls `paint` with the pixel, the number of the pose and the joint for every pixel of a bone.
fn bones(sequence: &Sequence, mut paint: impl FnMut(usize, usize, usize)) {
    let valid = sequence.valid().max(1);
    let pose = |at: usize| sequence.pose((at * (valid - 1)) / (POSES - 1), 0);
    let all: Vec<[f32; 2]> =
        (0..POSES).flat_map(|at| pose(at).chunks_exact(3).map(|p| [p[0], p[1]])).filter(|p| *p != [0.0; 2]).collect();
    let bound = |axis: usize, start: f32, pick: fn(f32, f32) -> f32| all.iter().map(|p| p[axis]).fold(start, pick);
    let low = [bound(0, f32::INFINITY, f32::min), bound(1, f32::INFINITY, f32::min)];
    let high = [bound(0, f32::NEG_INFINITY, f32::max), bound(1, f32::NEG_INFINITY, f32::max)];
    let scale =
        (0.9 * WIDTH as f32 / (high[0] - low[0]).max(1e-6)).min(0.9 * HEIGHT as f32 / (high[1] - low[1]).max(1e-6));
    for at in 0..POSES {
        let joints: Vec<Option<[f32; 2]>> = pose(at)
            .chunks_exact(3)
            .map(|p| {
                (p[0] != 0.0 || p[1] != 0.0).then(|| {
                    [
                        (at * WIDTH) as f32 + WIDTH as f32 / 2.0 + (p[0] - 0.5 * (low[0] + high[0])) * scale,
                        HEIGHT as f32 / 2.0 - (p[1] - 0.5 * (low[1] + high[1])) * scale,
                    ]
                })
            })
            .collect();
        for (joint, parent) in sequence.joints.parents.iter().enumerate() {
            let Some(parent) = parent else { continue };
            let parent = *parent as usize;
            if let (Some(Some(a)), Some(Some(b))) = (joints.get(joint), joints.get(parent)) {
                line(*a, *b, |pixel, t| paint(pixel, at, if t < 0.5 { joint } else { parent }));
            }
        }
    }
}

/// Pixels of a line two pixels wide, each with its place between 0 and 1.
fn line(a: [f32; 2], b: [f32; 2], mut paint: impl FnMut(usize, f32)) {
    let steps = ((b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil() as usize).clamp(1, 512);
    for i in 0..=steps {
        let t = i as f32 / steps as f32;
        let (x, y) = (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t);
        for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)] {
            let (x, y) = (x + dx, y + dy);
            if x >= 0.0 && y >= 0.0 && (x as usize) < WIDTH * POSES && (y as usize) < HEIGHT {
                paint(y as usize * WIDTH * POSES + x as usize, t);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::JointSet;

    #[test]
    fn a_joint_that_was_not_seen_is_absent_and_tokens_are_those_of_one_person() {
        let joints = JointSet::tree("pair", vec!["a".into(), "b".into()], vec![None, Some(0)]);
        let mut values: Vec<f32> = (1..=4 * 2 * 2 * 3).map(|i| i as f32).collect();
        values[3..6].fill(0.0);
        let clip = Sequence::new(joints.into(), 4, 2, values).unwrap();
        let Scene::Points(points) = scene(&clip, 1, 2) else { panic!("a skeleton is points") };
        assert_eq!(points.frames[0], [Some([1.0, 2.0, 3.0]), None, Some([7.0, 8.0, 9.0]), Some([10.0, 11.0, 12.0])]);
        assert_eq!(points.tokens[1], [None, None, Some(0), Some(1)]);
        assert_eq!(points.tokens[3], [None, None, Some(2), Some(3)]);
        assert_eq!(points.bones, [[1, 0], [3, 2]]);
    }
}
