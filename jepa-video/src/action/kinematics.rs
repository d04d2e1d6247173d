//! What an action does to a state, and which action leads from one state to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What states and actions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kinematics {
    /// States are places in the plane, actions are differences of them.
    Place,
    /// The end of a robot's arm: x, y, z, three angles of a rotation, how far the gripper is closed. An action is the
    /// difference of places, the angles of the rotation that leads from one to the other, and the difference of the
    /// gripper (DROID, V-JEPA 2-AC). Angles turn around the fixed x, then y, then z axis, in radians.
    EndEffector,
}

type Matrix = [[f64; 3]; 3];

impl Kinematics {
    /// Numbers of a state, and of an action.
    pub fn width(self) -> usize {
        match self {
            Self::Place => 2,
            Self::EndEffector => 7,
        }
    }

    /// The state that an action leads to; a gripper is between open, 0, and closed, 1.
    pub fn moved(self, state: &[f32], action: &[f32]) -> Vec<f32> {
        let mut next: Vec<f32> = state.iter().zip(action).map(|(s, a)| s + a).collect();
        if self == Self::EndEffector && next.len() == 7 {
            next[3..6].copy_from_slice(&angles(&product(&matrix(&action[3..6]), &matrix(&state[3..6]))));
            next[6] = next[6].clamp(0.0, 1.0);
        }
        next
    }

    /// The action that leads from one state to another.
    pub fn between(self, from: &[f32], to: &[f32]) -> Vec<f32> {
        let mut action: Vec<f32> = to.iter().zip(from).map(|(to, from)| to - from).collect();
        if self == Self::EndEffector && action.len() == 7 {
            action[3..6].copy_from_slice(&angles(&product(&matrix(&to[3..6]), &transposed(&matrix(&from[3..6])))));
        }
        action
    }
}

/// The rotation of three angles around the fixed axes, x first.
fn matrix(angles: &[f32]) -> Matrix {
    let [(sx, cx), (sy, cy), (sz, cz)] = [0, 1, 2].map(|axis| f64::from(angles[axis]).sin_cos());
    [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
}

fn angles(m: &Matrix) -> [f32; 3] {
    let y = (-m[2][0]).atan2(m[2][1].hypot(m[2][2]));
    [m[2][1].atan2(m[2][2]), y, m[1][0].atan2(m[0][0])].map(|angle| angle as f32)
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum()))
}

fn transposed(m: &Matrix) -> Matrix {
    std::array::from_fn(|row| std::array::from_fn(|column| m[column][row]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &[f32], b: &[f32]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn the_action_between_two_states_leads_from_one_to_the_other() {
        let from = [0.3, -0.2, 0.5, 2.9, -0.4, 1.7, 0.2];
        let to = [0.35, -0.1, 0.45, -3.0, 0.3, 1.2, 0.9];
        let kinematics = Kinematics::EndEffector;
        let action = kinematics.between(&from, &to);
        assert!(near(&kinematics.moved(&from, &action), &to), "{action:?}");
        // The control: angles are no vectors.
        assert!(!near(&action[3..6], &[to[3] - from[3], to[4] - from[4], to[5] - from[5]]));
        let closed = kinematics.moved(&to, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
        assert_eq!(closed[6], 1.0);
        assert!(near(&Kinematics::Place.moved(&[1.0, 2.0], &[0.5, -0.5]), &[1.5, 1.5]));
    }

    #[test]
    fn rotations_around_one_axis_add_up_and_a_quarter_turn_is_a_quarter_turn() {
        let quarter = std::f32::consts::FRAC_PI_2;
        let turn = |axis: usize, angle: f32| {
            let mut state = [0.0f32; 7];
            state[3 + axis] = angle;
            state
        };
        for axis in [0, 2] {
            let moved = Kinematics::EndEffector.moved(&turn(axis, 0.4), &turn(axis, 0.7));
            assert!(near(&moved, &turn(axis, 1.1)), "{moved:?}");
        }
        // A quarter turn around z takes x to y.
        let m = matrix(&[0.0, 0.0, quarter]);
        assert!((m[1][0] - 1.0).abs() < 1e-7 && m[0][0].abs() < 1e-7);
    }
}
