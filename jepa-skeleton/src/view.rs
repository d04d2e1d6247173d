//! How a clip is seen: rotations, shift, mirror, projection; and which stream of it is read.
//!
//! A joint at (0, 0, 0) was not seen, or belongs to nobody; every change leaves it there.

use jepa_core::error::{Error, Result};
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Sequence;

/// A spatial change of the view branch. The paper's ranges are not published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Spatial {
    /// Nothing.
    None,
    /// Independent rotations about x, y and z (MAMP `feeder/tools.py`).
    Rotate {
        /// Largest angle about each axis, in radians (MAMP: 0.3 each).
        angles: [f32; 3],
    },
    /// A rotation about the axis of the first person's body, a shift and a mirror image, as the paper describes.
    Body {
        /// Largest angle, in degrees (a reimplementation: 30).
        degrees: f32,
        /// Largest shift along each axis, in the unit of the data (a reimplementation: 0.02 m).
        shift: f32,
        /// Chance of the mirror image (a reimplementation: 0.5).
        flip: f32,
    },
}

impl Spatial {
    /// MAMP's rotations.
    pub const MAMP: Self = Self::Rotate { angles: [0.3; 3] };
    /// The ranges of a third-party reimplementation of S-JEPA.
    pub const BODY: Self = Self::Body { degrees: 30.0, shift: 0.02, flip: 0.5 };
}

/// The view branch. The default is MAMP's rotation in three dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ViewConfig {
    /// What is done to the places of the joints.
    pub spatial: Spatial,
    /// Whether one axis, drawn at random, is dropped afterwards: the other two are followed by zeros. The figure of the
    /// project page shows it, its text does not.
    pub project: bool,
}

impl Default for ViewConfig {
    fn default() -> Self {
        Self { spatial: Spatial::MAMP, project: false }
    }
}

impl ViewConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        let within = |key: &str, value: f32, high: f32| {
            let problem = format!("expected 0 to {high}, found {value}");
            let fits = (0.0..=high).contains(&value);
            if fits { Ok(()) } else { Err(Error::config(format!("{place}.spatial.{key}"), problem)) }
        };
        match &self.spatial {
            Spatial::None => Ok(()),
            Spatial::Rotate { angles } => angles.iter().try_for_each(|angle| within("angles", *angle, 7.0)),
            Spatial::Body { degrees, shift, flip } => {
                within("degrees", *degrees, 180.0)?;
                within("shift", *shift, 1000.0)?;
                within("flip", *flip, 1.0)
            }
        }
    }

    /// Changes a sequence as the view branch sees it.
    pub fn apply(&self, sequence: &mut Sequence, draw: &mut impl Draw) {
        match &self.spatial {
            Spatial::None => {}
            Spatial::Rotate { angles } => {
                let angles = angles.map(|angle| draw.between(-angle, angle));
                rotate(sequence, &rotation(angles), [0.0; 3]);
            }
            Spatial::Body { degrees, shift, flip } => {
                let angle = draw.between(-degrees, *degrees).to_radians();
                let offset = [0; 3].map(|_| draw.between(-shift, *shift));
                let mirrored = draw.uniform() < *flip;
                let (axis, pivot) = body_axis(sequence);
                rotate(sequence, &rodrigues(axis, angle), pivot);
                translate(sequence, offset);
                if mirrored {
                    mirror(sequence);
                }
            }
        }
        if self.project {
            project(sequence, draw.below(3));
        }
    }
}

/// A matrix that is applied to columns.
pub type Matrix = [[f32; 3]; 3];

/// MAMP's rotation by angles about x, y and z in radians: Rz Ry Rx, each the transpose of the right-handed one.
pub fn rotation([x, y, z]: [f32; 3]) -> Matrix {
    let ((sx, cx), (sy, cy), (sz, cz)) = (x.sin_cos(), y.sin_cos(), z.sin_cos());
    let about_x = [[1.0, 0.0, 0.0], [0.0, cx, sx], [0.0, -sx, cx]];
    let about_y = [[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]];
    let about_z = [[cz, sz, 0.0], [-sz, cz, 0.0], [0.0, 0.0, 1.0]];
    product(&about_z, &product(&about_y, &about_x))
}

/// The right-handed rotation about `axis`, a vector of length 1, by `angle` in radians.
pub fn rodrigues(axis: [f32; 3], angle: f32) -> Matrix {
    let (sin, cos) = angle.sin_cos();
    let [x, y, z] = axis;
    let cross = [[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]];
    let element = |row: usize, column: usize| {
        let same = if row == column { cos } else { 0.0 };
        same + sin * cross[row][column] + (1.0 - cos) * axis[row] * axis[column]
    };
    std::array::from_fn(|row| std::array::from_fn(|column| element(row, column)))
}

fn product(left: &Matrix, right: &Matrix) -> Matrix {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| left[row][k] * right[k][column]).sum()))
}

/// Rotates every joint that was seen about `pivot`.
pub fn rotate(sequence: &mut Sequence, matrix: &Matrix, pivot: [f32; 3]) {
    for place in seen(sequence) {
        let from = [0, 1, 2].map(|axis| place[axis] - pivot[axis]);
        let turned = matrix.map(|row| row.iter().zip(&from).map(|(a, b)| a * b).sum::<f32>());
        *place = [0, 1, 2].map(|axis| turned[axis] + pivot[axis]);
    }
}

/// Shifts every joint that was seen.
pub fn translate(sequence: &mut Sequence, offset: [f32; 3]) {
    for place in seen(sequence) {
        place.iter_mut().zip(offset).for_each(|(value, offset)| *value += offset);
    }
}

/// The mirror image: x changes its sign, left and right joints change places.
pub fn mirror(sequence: &mut Sequence) {
    let pairs = sequence.joints.mirror.clone();
    let width = sequence.person_len();
    for pose in sequence.values.chunks_exact_mut(width) {
        pose.iter_mut().step_by(3).for_each(|x| *x = -*x);
        for &[left, right] in &pairs {
            for axis in 0..3 {
                pose.swap(left as usize * 3 + axis, right as usize * 3 + axis);
            }
        }
    }
}

/// Drops an axis (0, 1 or 2): what is left moves to the front, the third number becomes 0.
pub fn project(sequence: &mut Sequence, axis: usize) {
    for place in sequence.values.as_chunks_mut().0 {
        let [x, y, z] = *place;
        *place = match axis {
            0 => [y, z, 0.0],
            1 => [x, z, 0.0],
            _ => [x, y, 0.0],
        };
    }
}

fn seen(sequence: &mut Sequence) -> impl Iterator<Item = &mut [f32; 3]> {
    sequence.values.as_chunks_mut::<3>().0.iter_mut().filter(|place| **place != [0.0; 3])
}

/// Direction and lower end of the first person's body axis in the first frame that shows both ends; the vertical through
/// the origin where there is none.
pub fn body_axis(sequence: &Sequence) -> ([f32; 3], [f32; 3]) {
    let [lower, upper] = &sequence.joints.axis;
    let ends = (0..sequence.frames).find_map(|frame| {
        let (from, to) = (sequence.place(frame, 0, lower), sequence.place(frame, 0, upper));
        // The origin itself counts as seen nowhere, yet it is where the middle of the body is put.
        let axis = [0, 1, 2].map(|axis| to.unwrap_or([0.0; 3])[axis] - from.unwrap_or([0.0; 3])[axis]);
        let length = axis.iter().map(|value| value * value).sum::<f32>().sqrt();
        (length > 1e-6).then(|| (axis.map(|value| value / length), from.unwrap_or([0.0; 3])))
    });
    ends.unwrap_or(([0.0, 1.0, 0.0], [0.0; 3]))
}

/// Which numbers of a sequence are read (MAMP `feeder/feeder_ntu.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// Places of the joints.
    #[default]
    Joint,
    /// From the beginning of each bone to its end.
    Bone,
    /// From each frame to the next; the last frame is zero.
    Motion,
    /// Motion of the bones.
    BoneMotion,
}

impl Reading {
    /// Turns places into what is read.
    pub fn apply(self, sequence: &mut Sequence) {
        if matches!(self, Self::Bone | Self::BoneMotion) {
            bones(sequence);
        }
        if matches!(self, Self::Motion | Self::BoneMotion) {
            let width = sequence.frame_len();
            let values = &mut sequence.values;
            for at in 0..values.len() {
                values[at] = values.get(at + width).map_or(0.0, |next| next - values[at]);
            }
        }
    }
}

fn bones(sequence: &mut Sequence) {
    let joints = sequence.joints.clone();
    let width = sequence.person_len();
    let mut before = vec![0.0; width];
    for pose in sequence.values.chunks_exact_mut(width) {
        before.copy_from_slice(pose);
        for (joint, &from) in joints.bones.iter().enumerate() {
            for axis in 0..3 {
                pose[joint * 3 + axis] = before[joint * 3 + axis] - before[from as usize * 3 + axis];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::JointSet;
    use jepa_core::random::{Purpose, Stream};

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
    }

    /// Three frames of two persons with 25 joints; the second is nobody.
    fn example() -> Sequence {
        let value = |i: usize| if i / 75 % 2 == 1 { 0.0 } else { ((i * 37) as f32).sin() };
        Sequence::new(JointSet::kinect25(), 3, 2, (0..450).map(value).collect()).unwrap()
    }

    fn draw() -> Stream {
        Stream::new(1, Purpose::Test, 0, 0)
    }

    #[test]
    fn the_rotation_is_that_of_the_official_code() {
        let matrix = rotation([0.1, 0.2, 0.3]);
        close(
            matrix.as_flattened(),
            &[0.9362934, 0.3129918, -0.1593451, -0.2896295, 0.9447026, 0.153792, 0.1986693, -0.0978434, 0.9751704],
        );
    }

    #[test]
    fn rotations_keep_lengths_and_turn_about_their_axis() {
        close(
            rodrigues([0.0, 0.0, 1.0], std::f32::consts::FRAC_PI_2).as_flattened(),
            &[0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        );
        let (axis, pivot) = body_axis(&example());
        let before = example();
        let mut after = example();
        rotate(&mut after, &rodrigues(axis, 0.7), pivot);
        for joint in [0, 20] {
            close(&after.place(0, 0, &[joint]).unwrap(), &before.place(0, 0, &[joint]).unwrap());
        }
        let bone = |s: &Sequence| {
            let [a, b] = [4, 5].map(|joint| s.place(1, 0, &[joint]).unwrap());
            (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f32>().sqrt()
        };
        assert!((bone(&before) - bone(&after)).abs() < 1e-5);
        assert_ne!(before.pose(1, 0), after.pose(1, 0));
    }

    #[test]
    fn nobody_stays_nobody_in_every_view() {
        for spatial in [Spatial::MAMP, Spatial::BODY, Spatial::None] {
            for project in [false, true] {
                let config = ViewConfig { spatial: spatial.clone(), project };
                config.check("view").unwrap();
                let mut sequence = example();
                config.apply(&mut sequence, &mut draw());
                assert!(sequence.person(1).iter().all(|value| *value == 0.0), "{config:?}");
                assert_eq!(sequence.values.iter().skip(2).step_by(3).all(|z| *z == 0.0), project);
            }
        }
        let mut same = example();
        ViewConfig { spatial: Spatial::None, project: false }.apply(&mut same, &mut draw());
        assert_eq!(same, example());
    }

    #[test]
    fn a_mirror_image_twice_is_the_original_and_swaps_left_and_right() {
        let mut sequence = example();
        mirror(&mut sequence);
        let (left, right) = (example().place(0, 0, &[5]).unwrap(), sequence.place(0, 0, &[9]).unwrap());
        assert_eq!([-left[0], left[1], left[2]], right);
        mirror(&mut sequence);
        assert_eq!(sequence, example());
    }

    #[test]
    fn streams_are_differences_in_space_and_time() {
        let (plain, mut bone, mut motion, mut both) = (example(), example(), example(), example());
        Reading::Bone.apply(&mut bone);
        Reading::Motion.apply(&mut motion);
        Reading::BoneMotion.apply(&mut both);
        let (tip, thumb) = (plain.place(1, 0, &[21]).unwrap(), plain.place(1, 0, &[22]).unwrap());
        close(&bone.place(1, 0, &[21]).unwrap(), &[0, 1, 2].map(|axis| tip[axis] - thumb[axis]));
        assert_eq!(bone.pose(1, 0)[60..63], [0.0; 3], "joint 21 has no bone");
        assert_eq!(motion.pose(0, 0)[3], plain.pose(1, 0)[3] - plain.pose(0, 0)[3]);
        assert!(motion.pose(2, 0).iter().all(|value| *value == 0.0));
        let mut again = bone;
        Reading::Motion.apply(&mut again);
        assert_eq!(again, both);
        let mut joint = example();
        Reading::Joint.apply(&mut joint);
        assert_eq!(joint, plain);
    }

    #[test]
    fn ranges_that_make_no_sense_name_their_key_and_configurations_are_read_back() {
        let bad = |spatial| ViewConfig { spatial, project: false }.check("model.view").unwrap_err().to_string();
        assert!(bad(Spatial::Rotate { angles: [0.1, f32::NAN, 0.1] }).contains("model.view.spatial.angles"));
        assert!(bad(Spatial::Body { degrees: -1.0, shift: 0.0, flip: 0.0 }).contains("degrees"));
        assert!(bad(Spatial::Body { degrees: 1.0, shift: 0.0, flip: 1.5 }).contains("flip"));
        for spatial in [Spatial::None, Spatial::MAMP, Spatial::BODY] {
            let config = ViewConfig { spatial, project: true };
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<ViewConfig>(&text).unwrap(), config);
        }
        assert!(serde_json::from_str::<ViewConfig>(r#"{"spin": 1}"#).is_err());
    }
}
