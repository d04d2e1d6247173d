//! What a step does.
//!
//! In the data a step that meets a wall fails: the agent stays. In the environment it ends at the wall and a little away
//! from it, by chance.

use jepa_core::random::{Draw, Stream};

use super::layout::{HIGH, LOW, Place, Rooms};

/// Where a step hits something, and how the agent comes to rest there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// The place.
    pub(super) at: Place,
    /// Which coordinate the obstacle stops, and on which side of it the agent stays: -1, 0 or 1.
    away: (usize, f32),
    /// Least and largest coordinates of the room, x and y; none at a jamb.
    room: Option<[[f32; 2]; 2]>,
}

/// Size of a bounce.
const BOUNCE: f32 = 0.5;
/// Distance that is kept from walls after one.
const MARGIN: f32 = 0.3;

impl Rooms {
    /// Where a step of the data ends: where it would lead, or where it began if a wall, a border or a jamb is in its way.
    pub fn walk(&self, from: Place, [dx, dy]: Place) -> Place {
        let to = [from[0] + dx, from[1] + dy];
        if self.leaves(from, to) || self.grazes_jamb(from, to) || self.meets_wall(from, to) { from } else { to }
    }

    /// Whether a step touches or crosses a border line.
    fn leaves(&self, from: Place, to: Place) -> bool {
        [0, 1].iter().any(|axis| [LOW, HIGH].iter().any(|line| !apart(from[*axis], to[*axis], *line)))
    }

    /// Whether a step inside the door runs into its upper or lower end.
    fn grazes_jamb(&self, from: Place, to: Place) -> bool {
        let ([left, right], [least, largest]) = (self.sides(), self.jambs());
        let dy = to[1] - from[1];
        let crosses = |y: f32| intersect([from, to], [[left, y], [right, y]]);
        (dy > 0.0 && crosses(largest)) || (dy < 0.0 && crosses(least))
    }

    /// Whether a step goes into, out of or across the wall elsewhere than through the door.
    fn meets_wall(&self, from: Place, to: Place) -> bool {
        let [left, right] = self.sides();
        let inside = |x: f32| x >= left && x <= right;
        let in_or_out = inside(from[0]) != inside(to[0]);
        let across = (from[0] <= right) != (to[0] <= right) && (from[0] >= left) != (to[0] >= left);
        if !(in_or_out || across) {
            return false;
        }
        let slope = (to[1] - from[1]) / (to[0] - from[0]);
        let [least, largest] = self.jambs();
        let passes = |side: f32| {
            let crossed = (from[0] < side && side < to[0]) || (to[0] < side && side < from[0]);
            let y = from[1] + slope * (side - from[0]);
            !crossed || (y >= least && y <= largest)
        };
        !(passes(left) && passes(right))
    }

    /// Where a step of the environment hits something, if it does.
    ///
    /// The official code divides by zero for steps straight up or down, which then pass jambs and borders; these are
    /// stopped here like all others.
    pub(super) fn hit(&self, from: Place, to: Place) -> Option<Hit> {
        let ([left, right], [least, largest]) = (self.sides(), self.jambs());
        let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
        let x_at = |y: f32| if dy == 0.0 { from[0] } else { from[0] + dx * ((y - from[1]) / dy) };
        let y_at = |x: f32| if dx == 0.0 { from[1] } else { from[1] + dy * ((x - from[0]) / dx) };
        for (jamb, way) in [(largest, 1.0), (least, -1.0)] {
            let crosses = dy * way > 0.0 && (to[1] - jamb) * way > 0.0 && (from[1] - jamb) * way < 0.0;
            if crosses && (left..=right).contains(&x_at(jamb)) {
                return Some(Hit { at: [x_at(jamb), jamb], away: (1, -way), room: None });
            }
        }
        // The room that the agent is in, with the door in its inner wall.
        let (walls, doors) =
            if self.wall > from[0] { ([LOW, left], [false, true]) } else { ([right, HIGH], [true, false]) };
        let vertical = walls.into_iter().zip(doors).find_map(|(x, door)| {
            let y = y_at(x);
            let passes = door && (least..=largest).contains(&y);
            (!passes && !apart(from[0], to[0], x)).then_some([x, y])
        });
        let horizontal = [LOW, HIGH].into_iter().find(|y| !apart(from[1], to[1], *y)).map(|y| [x_at(y), y]);
        let far = |at: Place| (at[0] - from[0]).hypot(at[1] - from[1]);
        let (at, axis) = match (vertical, horizontal) {
            (Some(v), Some(h)) if far(v) < far(h) => (v, 0),
            (_, Some(h)) => (h, 1),
            (Some(v), None) => (v, 0),
            (None, None) => return None,
        };
        let side = from[axis] - at[axis];
        let away = (axis, if side == 0.0 { 0.0 } else { side.signum() });
        Some(Hit { at, away, room: Some([walls, [LOW, HIGH]]) })
    }

    /// Where a step of the environment ends; the bounce comes from `stream`, none: as if nobody bounced.
    pub fn push(&self, from: Place, [dx, dy]: Place, stream: Option<&mut Stream>) -> Place {
        let to = [from[0] + dx, from[1] + dy];
        let Some(Hit { at, away: (axis, sign), room }) = self.hit(from, to) else { return to };
        let mut noise = stream.map_or([0.0; 2], |stream| [stream.normal() * BOUNCE, stream.normal() * BOUNCE]);
        noise[axis] = noise[axis].abs() * sign;
        let mut end = [at[0] + noise[0], at[1] + noise[1]];
        if let Some(room) = room {
            for (value, [least, largest]) in end.iter_mut().zip(room) {
                if *value <= least {
                    *value = least + MARGIN;
                } else if *value >= largest {
                    *value = largest - MARGIN;
                }
            }
        }
        end
    }
}

/// Whether two numbers are on the same side of a line, neither on it.
fn apart(a: f32, b: f32, line: f32) -> bool {
    (a > line && b > line) || (a < line && b < line)
}

/// Whether two segments cross, ends left out.
fn intersect([a, b]: [Place; 2], [c, d]: [Place; 2]) -> bool {
    let cross = |o: Place, p: Place, q: Place| (p[0] - o[0]) * (q[1] - o[1]) - (p[1] - o[1]) * (q[0] - o[0]);
    cross(a, b, c) * cross(a, b, d) < 0.0 && cross(c, d, a) * cross(c, d, b) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::Purpose;

    const FIXED: Rooms = Rooms::FIXED;

    #[test]
    fn collisions_are_the_recorded_ones() {
        assert_eq!(FIXED.hit([30.0, 40.0], [33.0, 40.0]).unwrap().at, [31.0, 40.0]);
        assert_eq!(FIXED.hit([30.0, 18.0], [33.0, 18.5]), None);
        assert_eq!(FIXED.hit([10.0, 6.0], [10.5, 2.0]).unwrap().at, [10.25, 4.0]);
    }

    #[test]
    fn in_the_data_a_step_into_something_fails() {
        for (from, step, passes) in [
            ([30.5, 40.0], [1.0, 0.0], false),
            ([30.5, 18.0], [1.0, 0.0], true),
            ([30.0, 18.0], [4.0, 0.5], true),
            ([30.0, 21.9], [4.0, 1.0], false),
            ([4.5, 30.0], [-1.0, 0.0], false),
            ([20.0, 59.5], [0.0, 1.0], false),
            ([32.0, 21.5], [0.1, 1.0], false),
            ([32.0, 14.5], [0.1, -1.0], false),
            ([32.0, 18.0], [0.0, 1.0], true),
            ([40.0, 30.0], [1.0, 1.0], true),
        ] {
            let end = FIXED.walk(from, step);
            let expected = if passes { [from[0] + step[0], from[1] + step[1]] } else { from };
            assert_eq!(end, expected, "{from:?} + {step:?}");
        }
    }

    #[test]
    fn nobody_leaves_the_rooms_or_goes_through_the_wall_however_hard_the_push() {
        let mut stream = Stream::new(0, Purpose::Test, 0, 0);
        for walk in 0..40 {
            let rooms = Rooms::draw(&mut stream);
            let mut at = [10.0, 30.0];
            for _ in 0..300 {
                let step = [stream.normal() * 1.5, if walk == 0 { 0.0 } else { stream.normal() * 1.5 }];
                let next = rooms.push(at, step, Some(&mut stream));
                assert!(next.iter().all(|v| (LOW..=HIGH).contains(v)), "{at:?} to {next:?}");
                assert!(!rooms.is_wall(next), "{at:?} + {step:?} is {next:?} in {rooms:?}");
                // Whoever changes rooms went through the door.
                if (at[0] < rooms.wall) != (next[0] < rooms.wall) {
                    assert!((next[1] - rooms.door).abs() < 8.0, "{at:?} to {next:?} in {rooms:?}");
                }
                at = next;
            }
        }
    }
}
