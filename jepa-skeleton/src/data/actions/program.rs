//! What each action does with the angles of a body over time: sums of one to three harmonics, or a change from one
//! posture to another.

use std::f32::consts::TAU;

use jepa_core::random::Draw;

use super::body::{Arm, Leg, Pose};

/// Names of the actions, in the order of their labels.
pub const ACTIONS: [&str; 20] = [
    "stand",
    "walk",
    "jog",
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
    "sit down",
    "stand up",
    "pick up",
    "put down",
    "hand-shake",
];

/// Pairs of labels that only the order of time tells apart: a performance of the second is one of the first played
/// backwards. Both have the same poses, and so the same mean pose, the same spread and the same size of motion; chance
/// between the two is 50 %.
pub const ORDER_PAIRS: [[u32; 2]; 4] = [[11, 12], [13, 14], [15, 16], [17, 18]];

/// The action of two persons.
pub(super) const HAND_SHAKE: u32 = 19;

/// The label whose program `label` plays, and whether backwards.
pub(super) fn programme(label: u32) -> (u32, bool) {
    let forwards = ORDER_PAIRS.iter().find(|[_, backwards]| *backwards == label);
    forwards.map_or((label, false), |[forwards, _]| (*forwards, true))
}

/// How an action runs over time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Course {
    /// Again and again; seconds from one repetition to the next.
    Cycles(f32),
    /// The same, in whole repetitions from the resting posture on.
    WholeCycles(f32),
    /// Once, from one posture to another; seconds.
    Change(f32),
}

fn course(label: u32) -> Course {
    match label {
        1 => Course::Cycles(1.1),
        2 => Course::Cycles(0.7),
        3 | 4 => Course::Cycles(0.7),
        5 => Course::Cycles(0.5),
        6 => Course::Cycles(2.0),
        7 => Course::Cycles(1.0),
        8 | 9 => Course::Cycles(1.2),
        10 => Course::Cycles(2.4),
        11 => Course::Cycles(1.6),
        13 => Course::WholeCycles(1.1),
        15 => Course::Change(1.3),
        17 => Course::Change(2.0),
        HAND_SHAKE => Course::Cycles(0.6),
        _ => Course::Cycles(2.0),
    }
}

/// Frames a second.
const RATE: f32 = 30.0;
/// Seconds in which a repeated action begins and ends.
const RAMP: f32 = 0.4;
/// Angles that wander: bow, lean, twist, nod, turn; flex, spread and bend of either arm.
const WANDERING: usize = 11;

/// How one person moves on one occasion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Style {
    /// Size of the movement, about 1.
    amplitude: f32,
    /// Cycles of the action.
    cycles: f32,
    /// Where in the cycle the action begins, 0 to 1.
    phase: f32,
    /// When the action begins and ends; the recording lasts from 0 to 1.
    during: [f32; 2],
    /// Part of the recording in which a repeated action begins, and in which it ends.
    ramp: f32,
    /// What nobody holds still, whatever the action: amplitude in radians, cycles and phase of each angle.
    wandering: [[f32; 3]; WANDERING],
    /// How arms hang and legs stand, radians.
    habit: [f32; 3],
    /// How the trunk is held: bow, lean, twist, radians.
    posture: [f32; 3],
}

impl Style {
    /// A style: `habits` are the person's, `occasion` is drawn anew for each performance.
    pub(super) fn new(label: u32, frames: usize, habits: &mut impl Draw, occasion: &mut impl Draw) -> Self {
        let mut about = |spread: f32| spread * habits.normal().clamp(-2.0, 2.0);
        let (vigour, tempo, restless) = (1.0 + about(0.12), 1.0 + about(0.15), 1.0 + about(0.3));
        let posture = [0.03 + about(0.05), about(0.03), about(0.05)];
        let habit = [habits.between(0.03, 0.3), habits.between(0.05, 0.6), habits.between(0.02, 0.16)];
        let amplitude = vigour * (1.0 + 0.12 * occasion.normal().clamp(-2.0, 2.0));
        let seconds = frames as f32 / RATE;
        let pace = tempo * occasion.between(0.75, 1.25);
        let (part, cycles) = match course(label) {
            Course::Change(length) => ((length / pace / seconds).min(0.8), 1.0),
            Course::Cycles(length) | Course::WholeCycles(length) => {
                let part = occasion.between(0.45, 1.0);
                (part, part * seconds / length * pace)
            }
        };
        let begin = (1.0 - part) * occasion.uniform();
        let (cycles, phase) = match course(label) {
            Course::WholeCycles(_) => (cycles.round().max(1.0), 0.0),
            Course::Cycles(_) => (cycles, occasion.uniform()),
            Course::Change(_) => (cycles, 0.0),
        };
        let wandering = std::array::from_fn(|angle| {
            // The whole body turns less often than an arm moves.
            let most = [0.05, 0.05, 0.12, 0.15, 0.15, 0.18, 0.08, 0.2, 0.18, 0.08, 0.2][angle];
            [restless * most * occasion.uniform(), seconds * occasion.between(0.1, 0.5), occasion.uniform()]
        });
        let during = [begin, begin + part];
        Self { amplitude, cycles, phase, during, ramp: (RAMP / seconds).min(part / 2.0), wandering, habit, posture }
    }

    /// The pose at `time`, 0 to 1, of a recording of action `label`.
    pub(super) fn pose(&self, label: u32, time: f32) -> Pose {
        let [begin, end] = self.during;
        let part = ((time - begin) / (end - begin)).clamp(0.0, 1.0);
        let mut idle = self.idle(time);
        match label {
            1 => idle.ahead += 0.45 * self.cycles * self.amplitude * (part - 0.5),
            2 => idle.ahead += 0.15 * self.cycles * self.amplitude * (part - 0.5),
            _ => {}
        }
        let mut acting = idle.clone();
        self.act(label, self.cycles * part + self.phase, smooth(part), &mut acting);
        match course(label) {
            Course::Change(_) => acting,
            _ => {
                let inside = (time - begin).min(end - time) / self.ramp;
                idle.towards(&acting, smooth(inside.clamp(0.0, 1.0)))
            }
        }
    }

    /// The pose of one who waits.
    fn idle(&self, time: f32) -> Pose {
        let at = |angle: usize| {
            let [amplitude, cycles, phase] = self.wandering[angle];
            amplitude * wave(cycles * time + phase, &[1.0])
        };
        let [spread, bend, stance] = self.habit;
        let [bow, lean, twist] = self.posture;
        let arm = |first: usize| Arm {
            flex: at(first),
            spread: spread + at(first + 1),
            turn: 0.0,
            bend: (bend + at(first + 2)).max(0.0),
        };
        Pose {
            aside: 0.3 * at(1),
            bow: bow + at(0),
            lean: lean + at(1),
            twist: twist + at(2),
            nod: at(3),
            turn: at(4),
            arms: [arm(5), arm(8)],
            legs: [Leg { flex: 0.0, spread: stance, bend: 0.03 }; 2],
            ..Pose::default()
        }
    }

    /// Changes the pose of one who waits into that of one who acts: at `u` cycles, or with a share `done` of a change.
    fn act(&self, label: u32, u: f32, done: f32, pose: &mut Pose) {
        let a = self.amplitude;
        match label {
            1 => {
                for (side, u) in [(0, u), (1, u + 0.5)] {
                    pose.legs[side].flex = a * wave(u, &[0.45, 0.05]) + 0.08;
                    pose.legs[side].bend = 0.15 + a * 0.7 * bump(u + 0.1).powi(2);
                    pose.arms[side].flex -= a * wave(u, &[0.4, 0.04]);
                    pose.arms[side].bend += 0.15 * bump(u);
                }
            }
            2 => {
                pose.lift = 0.06 * a * wave(2.0 * u, &[1.0]).max(0.0);
                for (side, u) in [(0, u), (1, u + 0.5)] {
                    pose.legs[side].flex = a * wave(u, &[0.5, 0.1]) + 0.25;
                    pose.legs[side].bend = 0.3 + a * 1.1 * bump(u + 0.1).powi(2);
                    pose.arms[side].flex -= a * wave(u, &[0.45, 0.04]);
                    pose.arms[side].bend = 1.3 + 0.2 * bump(u);
                }
                pose.bow += 0.1;
            }
            3 | 4 => {
                let arm = &mut pose.arms[label as usize - 3];
                arm.flex += 2.1;
                arm.bend = 0.8;
                arm.spread += 0.15;
                arm.turn = a * wave(u, &[0.8, 0.1]);
            }
            5 => {
                for arm in &mut pose.arms {
                    *arm = Arm { flex: arm.flex + 0.9, spread: -0.05 + 0.4 * a * bump(u), turn: 0.5, bend: 0.8 };
                }
            }
            6 => {
                let deep = (a * bump(u)).min(1.2);
                pose.legs = pose.legs.map(|leg| Leg { flex: 1.3 * deep, bend: 2.1 * deep, ..leg });
                pose.arms = pose.arms.map(|arm| Arm { flex: arm.flex + 1.2 * deep, ..arm });
                pose.bow += 0.5 * deep;
            }
            7 => {
                let height = a * wave(u, &[1.0]);
                let (up, down) = (height.max(0.0), (-height).max(0.0));
                pose.lift = 0.3 * up * up;
                pose.legs = pose.legs.map(|leg| Leg { flex: 0.7 * down, bend: 1.2 * down, ..leg });
                pose.arms = pose.arms.map(|arm| Arm { flex: arm.flex + 0.3 + 0.9 * height, ..arm });
                pose.bow += 0.35 * down;
            }
            8 => {
                let out = a * bump(u).powi(2);
                pose.legs[1].flex = -0.25 * wave(u, &[0.5, 0.5]) + 1.25 * out;
                pose.legs[1].bend = 0.2 + 0.9 * bump(u + 0.2).powi(2) * (1.0 - bump(u));
                pose.bow -= 0.2 * out;
                pose.arms[0].flex += 0.5 * out;
                pose.arms[1].flex -= 0.4 * out;
            }
            9 => {
                let out = (a * bump(u).powi(3)).min(1.1);
                pose.twist += 0.5 * out;
                pose.arms[0] = Arm { flex: 0.7, spread: 0.1, turn: 0.3, bend: 2.0 };
                pose.arms[1] =
                    Arm { flex: 0.4 + 1.1 * out, spread: 0.1, turn: 0.2 * (1.0 - out), bend: 2.1 - 1.9 * out };
                pose.legs[0].flex = 0.3;
                pose.legs[1].flex = -0.2;
            }
            10 => {
                pose.bow += a * 0.85 * bump(u);
                pose.nod += 0.4 * bump(u);
            }
            11 => {
                let raised = 1.35 + a * wave(u, &[0.85, 0.425, 0.283]);
                pose.arms = pose.arms.map(|arm| Arm { flex: arm.flex + raised, spread: 0.12, ..arm });
            }
            13 => {
                // Half a turn either way of hanging: a mixture with the resting arm goes the short way.
                let flex = TAU * (u - u.round());
                pose.arms = pose.arms.map(|arm| Arm { flex, spread: 0.15 + 0.1 * a, turn: 0.0, bend: arm.bend * 0.3 });
            }
            15 => {
                pose.legs = pose.legs.map(|leg| Leg { flex: 1.45 * done, bend: 1.5 * done, ..leg });
                pose.arms =
                    pose.arms.map(|arm| Arm { flex: arm.flex + 0.5 * done, bend: arm.bend + 0.6 * done, ..arm });
                // Leaning ahead on the way, upright in the end.
                pose.bow += 0.6 * a * bump(done);
            }
            17 => {
                // Down with an empty hand, up again with something in a bent arm.
                let deep = (a * bump(done)).min(1.2);
                pose.bow += 0.9 * deep;
                pose.legs = pose.legs.map(|leg| Leg { flex: 0.8 * deep, bend: 1.1 * deep, ..leg });
                let carried = smooth(((done - 0.5) * 2.0).clamp(0.0, 1.0));
                pose.arms[1].flex += 0.7 * deep + 0.35 * carried;
                pose.arms[1].bend += 1.2 * carried;
            }
            HAND_SHAKE => {
                let shake = a * wave(u, &[0.2, 0.05]);
                pose.arms[1] = Arm { flex: 0.75 + shake, spread: 0.0, turn: 0.1, bend: 0.7 - shake };
                pose.bow += 0.1;
            }
            _ => {}
        }
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
    0.5 - 0.5 * (TAU * u.fract()).cos()
}

/// From 0 to 1 without a jolt at either end.
fn smooth(share: f32) -> f32 {
    share * share * (3.0 - 2.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    fn style(label: u32) -> Style {
        let stream = |number| Stream::new(1, Purpose::Test, 0, number);
        Style::new(label, 120, &mut stream(0), &mut stream(1))
    }

    #[test]
    fn every_action_moves_and_no_two_programmes_are_alike() {
        let poses: Vec<Vec<Pose>> = (0..ACTIONS.len() as u32)
            .filter(|label| !programme(*label).1)
            .map(|label| {
                let style = style(label);
                (0..120).map(|frame| style.pose(label, frame as f32 / 119.0)).collect()
            })
            .collect();
        assert_eq!(poses.len(), 16);
        for (at, one) in poses.iter().enumerate() {
            assert!(one.windows(2).any(|pair| pair[0] != pair[1]), "{at} does not move");
            assert!(poses[..at].iter().all(|other| other != one));
        }
    }

    #[test]
    fn an_action_is_surrounded_by_waiting() {
        for label in [3, 9, 13] {
            let style = Style { during: [0.3, 0.7], ..style(label) };
            for time in [0.0, 0.29, 0.71, 1.0] {
                assert_eq!(style.pose(label, time), style.idle(time), "{label} at {time}");
            }
            assert_ne!(style.pose(label, 0.5), style.idle(0.5));
        }
    }

    #[test]
    fn one_sits_after_sitting_down_and_carries_after_picking_up() {
        let sitting = style(15).pose(15, 1.0);
        assert!(sitting.legs[0].bend > 1.4 && style(15).pose(15, 0.0).legs[0].bend < 0.1);
        let (before, after) = (style(17).pose(17, 0.0), style(17).pose(17, 1.0));
        assert!(after.arms[1].bend - after.arms[0].bend > 0.5, "{after:?}");
        assert!((before.arms[1].bend - before.arms[0].bend).abs() < 0.5, "{before:?}");
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
        let whole = Style { during: [0.0, 1.0], ramp: 1e-3, cycles: 3.0, wandering: Default::default(), ..style(11) };
        let flex: Vec<f32> = (0..=300).map(|i| whole.pose(11, i as f32 / 300.0).arms[0].flex).collect();
        let rising = flex.windows(2).filter(|pair| pair[1] > pair[0]).count();
        assert!(rising * 5 < 300 * 2, "rises in {rising} of 300 steps");
    }
}
