//! A body: lengths, angles, and where the 25 joints of Kinect are for them.
//!
//! Right-handed axes: x to the body's right, y up, the body looks along -z. Lengths are metres, angles radians.

use jepa_core::random::Draw;

use crate::data::ntu::NTU_JOINTS;

/// A place.
pub(super) type Point = [f32; 3];

/// A rotation, applied to columns.
type Turn = [[f32; 3]; 3];

/// Standard deviation of the factors that make one body differ from another: the whole, and each part.
const SCALE: [f32; 2] = [0.07, 0.06];

/// The lengths of one body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Build {
    trunk: f32,
    head: f32,
    shoulders: f32,
    arms: f32,
    hips: f32,
    legs: f32,
}

impl Build {
    /// A factor from N(1, 0.07) for the whole body, times one from N(1, 0.06) for each part.
    pub(super) fn new(draw: &mut impl Draw) -> Self {
        let mut about = |scale: f32| 1.0 + scale * draw.normal().clamp(-2.5, 2.5);
        let size = about(SCALE[0]);
        let mut factor = || size * about(SCALE[1]);
        Self { trunk: factor(), head: factor(), shoulders: factor(), arms: factor(), hips: factor(), legs: factor() }
    }
}

/// Angles of an arm; all zero hangs down.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Arm {
    /// Forward and up.
    pub(super) flex: f32,
    /// Away from the body.
    pub(super) spread: f32,
    /// About itself, inwards.
    pub(super) turn: f32,
    /// Of the elbow.
    pub(super) bend: f32,
}

/// Angles of a leg; all zero stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Leg {
    /// Forward and up.
    pub(super) flex: f32,
    /// Away from the other one.
    pub(super) spread: f32,
    /// Of the knee.
    pub(super) bend: f32,
}

/// A pose: angles, and where the body is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pose {
    /// Steps ahead, metres.
    pub(super) ahead: f32,
    /// Steps to the right, metres.
    pub(super) aside: f32,
    /// Height of the feet above the floor, metres.
    pub(super) lift: f32,
    /// Of the whole body about the vertical, to the left.
    pub(super) turn: f32,
    /// Of the trunk about the vertical, to the left.
    pub(super) twist: f32,
    /// Of the trunk, forward.
    pub(super) bow: f32,
    /// Of the trunk, to the left.
    pub(super) lean: f32,
    /// Of the head, forward.
    pub(super) nod: f32,
    /// Left, right.
    pub(super) arms: [Arm; 2],
    /// Left, right.
    pub(super) legs: [Leg; 2],
}

impl Pose {
    /// The pose a `share` of the way from this one to another, angle by angle.
    pub(super) fn towards(&self, other: &Self, share: f32) -> Self {
        let mix = |from: f32, to: f32| from + share * (to - from);
        let arm = |side: usize| {
            let (a, b) = (&self.arms[side], &other.arms[side]);
            Arm {
                flex: mix(a.flex, b.flex),
                spread: mix(a.spread, b.spread),
                turn: mix(a.turn, b.turn),
                bend: mix(a.bend, b.bend),
            }
        };
        let leg = |side: usize| {
            let (a, b) = (&self.legs[side], &other.legs[side]);
            Leg { flex: mix(a.flex, b.flex), spread: mix(a.spread, b.spread), bend: mix(a.bend, b.bend) }
        };
        Self {
            ahead: mix(self.ahead, other.ahead),
            aside: mix(self.aside, other.aside),
            lift: mix(self.lift, other.lift),
            turn: mix(self.turn, other.turn),
            twist: mix(self.twist, other.twist),
            bow: mix(self.bow, other.bow),
            lean: mix(self.lean, other.lean),
            nod: mix(self.nod, other.nod),
            arms: [arm(0), arm(1)],
            legs: [leg(0), leg(1)],
        }
    }

    /// The joints of a body of this build; the floor is at height 0.
    pub(super) fn joints(&self, build: &Build) -> [Point; NTU_JOINTS] {
        let mut joints = [[0.0; 3]; NTU_JOINTS];
        let whole = about_y(self.turn);
        let trunk = product(&whole, &product(&about_y(self.twist), &product(&about_x(-self.bow), &about_z(self.lean))));
        let base = apply(&whole, [self.aside, 0.0, -self.ahead]);
        let spine = |height: f32| add(base, apply(&trunk, [0.0, height * build.trunk, 0.0]));
        joints[0] = base;
        joints[1] = spine(0.30);
        joints[20] = spine(0.52);
        joints[2] = spine(0.59);
        joints[3] = add(joints[2], apply(&product(&trunk, &about_x(-self.nod)), [0.0, 0.16 * build.head, 0.0]));
        for (side, sign) in [(0, -1.0), (1, 1.0)] {
            let arm = &self.arms[side];
            let first = 4 + side * 4;
            joints[first] = add(joints[20], apply(&trunk, [sign * 0.18 * build.shoulders, -0.03, 0.0]));
            let raised = product(&about_x(arm.flex), &about_z(sign * arm.spread));
            let upper = product(&trunk, &product(&raised, &about_y(sign * arm.turn)));
            let fore = product(&upper, &about_x(arm.bend));
            let long = |length: f32| [0.0, -length * build.arms, 0.0];
            joints[first + 1] = add(joints[first], apply(&upper, long(0.28)));
            joints[first + 2] = add(joints[first + 1], apply(&fore, long(0.25)));
            joints[first + 3] = add(joints[first + 2], apply(&fore, long(0.08)));
            let tip = 21 + side * 2;
            joints[tip] = add(joints[first + 3], apply(&fore, long(0.08)));
            joints[tip + 1] = add(joints[first + 3], apply(&fore, [-sign * 0.03, -0.03, -0.04]));

            let leg = &self.legs[side];
            let first = 12 + side * 4;
            joints[first] = add(base, apply(&whole, [sign * 0.09 * build.hips, -0.04, 0.0]));
            let thigh = product(&whole, &product(&about_x(leg.flex), &about_z(sign * leg.spread)));
            let shin = product(&thigh, &about_x(-leg.bend));
            joints[first + 1] = add(joints[first], apply(&thigh, [0.0, -0.42 * build.legs, 0.0]));
            joints[first + 2] = add(joints[first + 1], apply(&shin, [0.0, -0.40 * build.legs, 0.0]));
            joints[first + 3] = add(joints[first + 2], apply(&shin, [0.0, -0.05, -0.12]));
        }
        // The lower foot stands on the floor, or as far above it as the pose is lifted.
        let lowest = [14, 15, 18, 19].iter().map(|&joint: &usize| joints[joint][1]).fold(f32::MAX, f32::min);
        for joint in &mut joints {
            joint[1] += self.lift - lowest;
        }
        joints
    }
}

/// The right-handed rotation about x.
pub(super) fn about_x(angle: f32) -> Turn {
    let (sin, cos) = angle.sin_cos();
    [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]]
}

/// The right-handed rotation about y.
pub(super) fn about_y(angle: f32) -> Turn {
    let (sin, cos) = angle.sin_cos();
    [[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]]
}

/// The right-handed rotation about z.
fn about_z(angle: f32) -> Turn {
    let (sin, cos) = angle.sin_cos();
    [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]
}

pub(super) fn product(left: &Turn, right: &Turn) -> Turn {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| left[row][k] * right[k][column]).sum()))
}

pub(super) fn apply(turn: &Turn, point: Point) -> Point {
    turn.map(|row| row.iter().zip(&point).map(|(a, b)| a * b).sum())
}

pub(super) fn add(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::JointSet;
    use jepa_core::random::{Purpose, Stream};

    fn build() -> Build {
        Build { trunk: 1.0, head: 1.0, shoulders: 1.0, arms: 1.0, hips: 1.0, legs: 1.0 }
    }

    fn distance(a: Point, b: Point) -> f32 {
        (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f32>().sqrt()
    }

    #[test]
    fn a_standing_body_has_the_size_and_the_sides_of_a_person() {
        let joints = Pose::default().joints(&build());
        assert!((1.6..1.75).contains(&joints[3][1]), "head at {}", joints[3][1]);
        assert!(joints[15][1].abs() < 1e-6, "feet on the floor");
        assert!(joints[4][0] < 0.0 && joints[8][0] > 0.0, "the right shoulder is at the right");
        assert!(joints[15][2] < joints[14][2], "toes look ahead");
    }

    #[test]
    fn bones_keep_their_length_in_every_pose() {
        let set = JointSet::kinect25();
        let mut draw = Stream::new(1, Purpose::Test, 0, 0);
        let build = Build::new(&mut draw);
        let still = Pose::default().joints(&build);
        for _ in 0..50 {
            let mut angle = || draw.between(-1.5, 1.5);
            let arm = Arm { flex: angle(), spread: angle(), turn: angle(), bend: angle() };
            let leg = Leg { flex: angle(), spread: angle(), bend: angle() };
            let pose = Pose {
                turn: angle(),
                twist: angle(),
                bow: angle(),
                lean: angle(),
                arms: [arm; 2],
                legs: [leg; 2],
                ..Pose::default()
            };
            let moved = pose.joints(&build);
            for (joint, parent) in set.parents.iter().enumerate() {
                if let Some(parent) = parent {
                    let lengths = [&still, &moved].map(|joints| distance(joints[joint], joints[*parent as usize]));
                    assert!((lengths[0] - lengths[1]).abs() < 1e-5, "{joint}: {lengths:?}");
                }
            }
        }
    }

    #[test]
    fn angles_move_limbs_the_way_their_names_say() {
        let with = |arm: Arm, leg: Leg| Pose { arms: [arm; 2], legs: [leg; 2], ..Pose::default() }.joints(&build());
        let ahead = with(Arm { flex: 1.57, ..Arm::default() }, Leg::default());
        assert!(ahead[11][2] < -0.5 && (ahead[11][1] - ahead[8][1]).abs() < 0.02, "the arm points ahead");
        let aside = with(Arm { spread: 1.57, ..Arm::default() }, Leg::default());
        assert!(aside[11][0] > 0.7 && aside[7][0] < -0.7, "arms point to their sides");
        let bent = with(Arm { bend: 1.57, ..Arm::default() }, Leg::default());
        assert!(bent[10][2] < -0.2, "the elbow bends forward");
        let knee = with(Arm::default(), Leg { flex: 1.2, spread: 0.0, bend: 2.0 });
        assert!(knee[13][2] < -0.3 && knee[3][1] < 1.5, "knees go forward, the head goes down");
        let bow = Pose { bow: 1.0, ..Pose::default() }.joints(&build());
        assert!(bow[3][2] < -0.4, "the head goes forward");
    }
}
