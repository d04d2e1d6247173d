//! What each action does with the angles of a body over time: sums of one to three harmonics.

use std::f32::consts::{PI, TAU};

use jepa_core::random::Draw;

use super::body::{Arm, Leg, Pose};

/// Names of the actions, in the order of their labels.
pub const ACTIONS: [&str; 15] = [
    "stand",
    "walk",
    "wave left hand",
    "wave right hand",
    "clap",
    "squat",
    "jump",
    "kick",
    "punch",
    "bow",
    "raise arms fast, lower slowly",
    "raise arms slowly, lower fast",
    "arm circles forward",
    "arm circles backward",
    "hand-shake",
];

/// Pairs of labels that only the order of time tells apart: a performance of the second is one of the first played
/// backwards. Both have the same poses, and so the same mean pose, the same spread and the same size of motion; chance
/// between the two is 50 %.
pub const ORDER_PAIRS: [[u32; 2]; 2] = [[10, 11], [12, 13]];

/// The action of two persons.
pub(super) const HAND_SHAKE: u32 = 14;

/// The label whose program `label` plays, and whether backwards.
pub(super) fn programme(label: u32) -> (u32, bool) {
    let forwards = ORDER_PAIRS.iter().find(|[_, backwards]| *backwards == label);
    forwards.map_or((label, false), |[forwards, _]| (*forwards, true))
}

/// How one person moves on one occasion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Style {
    /// Size of the movement, about 1.
    amplitude: f32,
    /// Cycles of the action in the whole recording.
    cycles: f32,
    /// Where in the cycle the recording begins, 0 to 1.
    phase: f32,
    /// Slow swaying: cycles and phase.
    sway: [f32; 2],
    /// How arms hang and legs stand, radians.
    habit: [f32; 3],
}

impl Style {
    /// A style: `habits` are the person's, `occasion` is drawn anew for each performance.
    pub(super) fn new(label: u32, frames: usize, habits: &mut impl Draw, occasion: &mut impl Draw) -> Self {
        let habit = [habits.between(0.05, 0.2), habits.between(0.1, 0.4), habits.between(0.02, 0.1)];
        let vigour = 1.0 + 0.1 * habits.normal().clamp(-2.0, 2.0);
        let tempo = 1.0 + 0.1 * habits.normal().clamp(-2.0, 2.0);
        let amplitude = vigour * (1.0 + 0.08 * occasion.normal().clamp(-2.0, 2.0));
        let cycles = seconds_a_cycle(label).recip() * frames as f32 / 30.0 * tempo * occasion.between(0.85, 1.15);
        let phase = occasion.uniform();
        let sway = [occasion.between(0.5, 1.5), occasion.uniform()];
        Self { amplitude, cycles, phase, sway, habit }
    }

    /// The pose at `time`, 0 to 1, of a recording of action `label`.
    pub(super) fn pose(&self, label: u32, time: f32) -> Pose {
        let sway = wave(self.sway[0] * time + self.sway[1], &[1.0, 0.4]);
        let [spread, bend, stance] = self.habit;
        let arm = Arm { flex: 0.03 * sway, spread, turn: 0.0, bend };
        let leg = Leg { flex: 0.0, spread: stance, bend: 0.03 };
        let mut pose =
            Pose { aside: 0.015 * sway, lean: 0.02 * sway, arms: [arm; 2], legs: [leg; 2], ..Pose::default() };
        self.act(label, self.cycles * time + self.phase, time, &mut pose);
        pose
    }

    /// Adds the action at `u` cycles.
    fn act(&self, label: u32, u: f32, time: f32, pose: &mut Pose) {
        let a = self.amplitude;
        match label {
            1 => {
                pose.ahead = 0.45 * self.cycles * a * (time - 0.5);
                for (side, u) in [(0, u), (1, u + 0.5)] {
                    pose.legs[side].flex = a * wave(u, &[0.45, 0.05]) + 0.08;
                    pose.legs[side].bend = 0.15 + a * 0.7 * bump(u + 0.1).powi(2);
                    pose.arms[side].flex = -a * wave(u, &[0.4, 0.04]);
                    pose.arms[side].bend += 0.15 * bump(u);
                }
            }
            2 | 3 => {
                let arm = &mut pose.arms[label as usize - 2];
                arm.flex = 2.3;
                arm.bend = 0.8;
                arm.spread += 0.15;
                arm.turn = a * wave(u, &[0.8, 0.1]);
            }
            4 => {
                for arm in &mut pose.arms {
                    *arm = Arm { flex: 1.0, spread: -0.05 + 0.4 * a * bump(u), turn: 0.5, bend: 0.8 };
                }
            }
            5 => {
                let deep = (a * bump(u)).min(1.2);
                pose.legs = pose.legs.map(|leg| Leg { flex: 1.3 * deep, bend: 2.1 * deep, ..leg });
                pose.arms = pose.arms.map(|arm| Arm { flex: 1.3 * deep, ..arm });
                pose.bow = 0.5 * deep;
            }
            6 => {
                let height = a * wave(u, &[1.0]);
                let (up, down) = (height.max(0.0), (-height).max(0.0));
                pose.lift = 0.35 * up * up;
                pose.legs = pose.legs.map(|leg| Leg { flex: 0.7 * down, bend: 1.2 * down, ..leg });
                pose.arms = pose.arms.map(|arm| Arm { flex: 0.5 + 1.1 * height, ..arm });
                pose.bow = 0.35 * down;
            }
            7 => {
                let out = a * bump(u).powi(2);
                pose.legs[1].flex = -0.25 * wave(u, &[0.5, 0.5]) + 1.25 * out;
                pose.legs[1].bend = 0.2 + 0.9 * bump(u + 0.2).powi(2) * (1.0 - bump(u));
                pose.bow = -0.2 * out;
                pose.arms[0].flex = 0.5 * out;
                pose.arms[1].flex = -0.4 * out;
            }
            8 => {
                let out = (a * bump(u).powi(3)).min(1.1);
                pose.twist = 0.5 * out;
                pose.arms[0] = Arm { flex: 0.7, spread: 0.1, turn: 0.3, bend: 2.0 };
                pose.arms[1] =
                    Arm { flex: 0.4 + 1.1 * out, spread: 0.1, turn: 0.2 * (1.0 - out), bend: 2.1 - 1.9 * out };
                pose.legs[0].flex = 0.3;
                pose.legs[1].flex = -0.2;
            }
            9 => {
                pose.bow = a * 0.95 * bump(u);
                pose.nod = 0.4 * bump(u);
            }
            10 => {
                let raised = 1.45 + a * wave(u, &[0.85, 0.425, 0.283]);
                pose.arms = pose.arms.map(|arm| Arm { flex: raised, spread: 0.12, ..arm });
            }
            12 => {
                pose.arms = [Arm { flex: TAU * u, spread: 0.15 + 0.1 * a, turn: 0.0, bend: 0.15 }; 2];
            }
            HAND_SHAKE => {
                let shake = a * wave(u, &[0.2, 0.05]);
                pose.arms[1] = Arm { flex: 0.75 + shake, spread: 0.0, turn: 0.1, bend: 0.7 - shake };
                pose.bow = 0.1;
            }
            _ => {}
        }
    }
}

/// Seconds that an action takes from one repetition to the next.
fn seconds_a_cycle(label: u32) -> f32 {
    match label {
        1 => 1.1,
        2 | 3 => 0.7,
        4 => 0.5,
        5 => 2.0,
        6 => 1.0,
        7 | 8 => 1.2,
        9 => 2.4,
        10 => 1.6,
        12 => 1.1,
        HAND_SHAKE => 0.6,
        _ => 2.0,
    }
}

/// A sum of sines of whole multiples of `u` cycles.
fn wave(u: f32, amplitudes: &[f32]) -> f32 {
    // Whole cycles are cut off first: sines of large angles lose digits.
    let angle = TAU * u.fract();
    amplitudes.iter().zip(1u8..).map(|(a, k)| a * (f32::from(k) * angle).sin()).sum()
}

/// From 0 up to 1 and back in a cycle.
fn bump(u: f32) -> f32 {
    0.5 - 0.5 * (2.0 * PI * u.fract()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    #[test]
    fn every_action_but_standing_moves_and_no_two_programmes_are_alike() {
        let stream = || Stream::new(1, Purpose::Test, 0, 0);
        let poses: Vec<Vec<Pose>> = (0..15)
            .filter(|label| !programme(*label).1)
            .map(|label| {
                let style = Style::new(label, 90, &mut stream(), &mut stream());
                (0..90).map(|frame| style.pose(label, frame as f32 / 89.0)).collect()
            })
            .collect();
        assert_eq!(poses.len(), 13);
        for (at, one) in poses.iter().enumerate() {
            assert!(one.windows(2).any(|pair| pair[0] != pair[1]), "{at} does not move");
            assert!(poses[..at].iter().all(|other| other != one));
        }
    }

    #[test]
    fn pairs_play_one_programme_in_both_directions() {
        for [forwards, backwards] in ORDER_PAIRS {
            assert_eq!(programme(forwards), (forwards, false));
            assert_eq!(programme(backwards), (forwards, true));
        }
        assert_eq!(programme(5), (5, false));
    }

    #[test]
    fn the_rise_of_the_arms_is_faster_than_their_fall() {
        let style =
            Style::new(10, 90, &mut Stream::new(1, Purpose::Test, 0, 0), &mut Stream::new(1, Purpose::Test, 0, 1));
        let flex: Vec<f32> = (0..=300).map(|i| style.pose(10, i as f32 / 300.0).arms[0].flex).collect();
        let rising = flex.windows(2).filter(|pair| pair[1] > pair[0]).count();
        assert!(rising * 2 < 300, "rises in {rising} of 300 steps");
    }
}
