//! How a sprite moves: a path of length 1, as a function of time from 0 to 1.

use std::f32::consts::TAU;

/// A law of motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// Constant velocity.
    Straight,
    /// From rest, ever faster.
    Accelerate,
    /// [`Law::Accelerate`] backwards.
    Decelerate,
    /// Once round a circle, clockwise on the screen.
    Clockwise,
    /// [`Law::Clockwise`] backwards.
    CounterClockwise,
    /// Three moves with rests between them.
    StopAndGo,
    /// Turning right and left.
    Zigzag,
    /// Forth and back again.
    Reverse,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Straight,
        Self::Accelerate,
        Self::Decelerate,
        Self::Clockwise,
        Self::CounterClockwise,
        Self::StopAndGo,
        Self::Zigzag,
        Self::Reverse,
    ];

    /// Laws that show the same frames in opposite orders.
    pub const ORDER_PAIRS: [(Self, Self); 2] =
        [(Self::Accelerate, Self::Decelerate), (Self::Clockwise, Self::CounterClockwise)];

    /// Name of the class.
    pub fn name(self) -> &'static str {
        match self {
            Self::Straight => "straight",
            Self::Accelerate => "accelerate",
            Self::Decelerate => "decelerate",
            Self::Clockwise => "clockwise",
            Self::CounterClockwise => "counter-clockwise",
            Self::StopAndGo => "stop-and-go",
            Self::Zigzag => "zigzag",
            Self::Reverse => "reverse",
        }
    }

    /// How far along and beside the heading the sprite is at `time` of 0 to 1. Rows count downwards, so that a growing
    /// angle is clockwise on the screen.
    pub(super) fn offset(self, time: f32) -> [f32; 2] {
        match self {
            Self::Straight => [time, 0.0],
            Self::Accelerate => [time * time, 0.0],
            Self::Decelerate => Self::Accelerate.offset(1.0 - time),
            Self::Clockwise => {
                let radius = 1.0 / TAU;
                let (sin, cos) = (TAU * time).sin_cos();
                [radius * sin, radius * (1.0 - cos)]
            }
            Self::CounterClockwise => Self::Clockwise.offset(1.0 - time),
            Self::StopAndGo => {
                // Each third moves in its first half.
                let (third, within) = ((time * 3.0).floor().min(2.0), time * 3.0 - (time * 3.0).floor().min(2.0));
                [(third + (2.0 * within).min(1.0)) / 3.0, 0.0]
            }
            Self::Zigzag => {
                let phase = (time * 4.0) % 2.0;
                let side = if phase < 1.0 { phase } else { 2.0 - phase };
                // Legs at 45 degrees.
                [time * std::f32::consts::FRAC_1_SQRT_2, side / 4.0 * std::f32::consts::FRAC_1_SQRT_2]
            }
            Self::Reverse => [if time < 0.5 { time } else { 1.0 - time }, 0.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_length_one_and_no_jumps() {
        for law in Law::ALL {
            let at = |i: i32| law.offset(i as f32 / 3000.0);
            let steps = (0..3000).map(|i| {
                let (a, b) = (at(i), at(i + 1));
                (a[0] - b[0]).hypot(a[1] - b[1])
            });
            let steps: Vec<f32> = steps.collect();
            let length: f32 = steps.iter().sum();
            assert!((length - 1.0).abs() < 0.01, "{law:?}: {length}");
            assert!(steps.iter().all(|step| *step < 2.1 / 3000.0), "{law:?} jumps");
        }
    }
}
