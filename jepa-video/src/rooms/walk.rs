//! Random walks, some of them through the door.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw, Stream};

use super::layout::{CHANNELS, HALF_DOOR, HIGH, LOW, PIXELS, Place, Rooms, SIDE};

/// Moments of a whole walk, each with an action.
pub const MOMENTS: usize = 90;
/// Share of walks that go through the door.
const THROUGH: f32 = 0.35;
/// Concentration of the von Mises law of turns.
const CONCENTRATION: f64 = 5.0;

/// A walk: a place for every time, and the action taken there.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// Where wall and door are.
    pub rooms: Rooms,
    /// A place for every time.
    pub places: Vec<Place>,
    /// The action taken at every time; the last leads out of the walk.
    pub actions: Vec<Place>,
}

impl Walk {
    /// `times` consecutive moments of a whole walk of [`MOMENTS`]. Layout, walk and part are drawn from `stream`, but for
    /// `rooms` that are given.
    pub fn draw(rooms: Option<Rooms>, times: usize, stream: &mut Stream) -> Self {
        let rooms = rooms.unwrap_or_else(|| Rooms::draw(stream));
        let (start, actions) =
            if stream.uniform() < THROUGH { through(&rooms, stream) } else { anywhere(&rooms, stream) };
        let mut at = start;
        let mut places = Vec::with_capacity(MOMENTS);
        for action in &actions {
            places.push(at);
            at = rooms.walk(at, *action);
        }
        Self { rooms, places, actions }.part(times, stream)
    }

    /// `times` consecutive moments of this walk, at most all of them, from a place that is drawn.
    pub fn part(&self, times: usize, stream: &mut Stream) -> Self {
        let times = times.clamp(1, self.places.len().max(1));
        let first = stream.below(self.places.len() + 1 - times);
        let part = first..first + times;
        Self { rooms: self.rooms, places: self.places[part.clone()].to_vec(), actions: self.actions[part].to_vec() }
    }
}

/// What is seen of the first moment, both pictures, five by five pixels averaged: a floor without networks.
pub fn coarse(walk: &Walk) -> Result<Vec<f32>> {
    let at = walk.places.first().ok_or_else(|| Error::Engine("a walk without moments".into()))?;
    let (seen, cells) = (walk.rooms.seen(*at), SIDE / 5);
    let mut coarse = vec![0.0; CHANNELS * cells * cells];
    for (i, value) in seen.iter().enumerate() {
        let (channel, y, x) = (i / PIXELS, i % PIXELS / SIDE / 5, i % SIDE / 5);
        coarse[(channel * cells + y) * cells + x] += value / 25.0;
    }
    Ok(coarse)
}

/// One action by itself: any direction, a length by the law of the data.
pub fn action(stream: &mut Stream) -> Place {
    along(stream.between(0.0, TAU), stream)
}

/// A start anywhere but in the wall, and actions in any direction.
fn anywhere(rooms: &Rooms, stream: &mut Stream) -> (Place, Vec<Place>) {
    let mut start = [stream.between(LOW, HIGH), stream.between(LOW, HIGH)];
    if rooms.is_wall(start) {
        let [left, right] = rooms.sides();
        start[0] = if stream.uniform() < 0.5 { stream.between(LOW, left) } else { stream.between(right, HIGH) };
    }
    let heading = stream.between(0.0, TAU);
    (start, actions(heading, stream))
}

/// Two walks away from a place in the door, one to the left and one to the right, made one walk through it: the first is
/// gone backwards.
fn through(rooms: &Rooms, stream: &mut Stream) -> (Place, Vec<Place>) {
    let [left, right] = rooms.sides();
    let x = stream.between(left, right);
    let y = rooms.door + truncated(0.0, 1.4, HALF_DOOR, stream);
    // How many of the actions come before the door.
    let before = 1 + stream.below(MOMENTS);
    let heading = PI + (stream.uniform() - 0.5) * FRAC_PI_2;
    let (to_left, to_right) = (actions(heading, stream), actions(heading - PI, stream));
    let back = |[dx, dy]: &Place| [-dx, -dy];
    let mut walk: Vec<Place> = to_left[..before].iter().rev().map(back).collect();
    walk.extend(&to_right[1..MOMENTS + 1 - before]);
    let mut led = before;
    if stream.uniform() < 0.5 {
        walk = walk.iter().rev().map(back).collect();
        led = MOMENTS + 1 - before;
    }
    let sum = walk[..led].iter().fold([0.0; 2], |[x, y], [dx, dy]| [x + dx, y + dy]);
    let inside = |v: f32| v.clamp(LOW + 0.01, HIGH - 0.01);
    ([inside(x - sum[0]), inside(y - sum[1])], walk)
}

/// Actions whose direction turns a little each time.
fn actions(mut heading: f32, stream: &mut Stream) -> Vec<Place> {
    (0..MOMENTS)
        .map(|time| {
            if time > 0 {
                heading = (heading + von_mises(CONCENTRATION, stream) as f32) % TAU;
            }
            along(heading, stream)
        })
        .collect()
}

fn along(heading: f32, stream: &mut Stream) -> Place {
    let length = truncated(1.0, 0.4, 0.8, stream);
    [length * heading.cos(), length * heading.sin()]
}

/// A normal number at most `reach` from its mean.
fn truncated(mean: f32, deviation: f32, reach: f32, stream: &mut Stream) -> f32 {
    // Reaches are two deviations and more: nineteen of twenty draws are kept.
    loop {
        let value = stream.normal() * deviation;
        if value.abs() <= reach {
            return mean + value;
        }
    }
}

/// An angle around 0 (Best and Fisher 1979: rejection from a wrapped Cauchy law).
fn von_mises(concentration: f64, stream: &mut Stream) -> f64 {
    let tau = 1.0 + (1.0 + 4.0 * concentration * concentration).sqrt();
    let rho = (tau - (2.0 * tau).sqrt()) / (2.0 * concentration);
    let r = (1.0 + rho * rho) / (2.0 * rho);
    loop {
        let [u1, u2, u3] = [(); 3].map(|()| f64::from(stream.uniform()));
        let z = (std::f64::consts::PI * u1).cos();
        let f = (1.0 + r * z) / (r + z);
        let c = concentration * (r - f);
        if c * (2.0 - c) > u2 || (c / u2.max(1e-12)).ln() + 1.0 - c >= 0.0 {
            return f.clamp(-1.0, 1.0).acos() * if u3 > 0.5 { 1.0 } else { -1.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::Purpose;

    fn stream(n: u64) -> Stream {
        Stream::new(5, Purpose::Test, 0, n)
    }

    #[test]
    fn walks_follow_their_actions_stay_inside_and_about_a_third_goes_through_the_door() {
        let (mut crossings, mut inside) = (0, 0);
        for n in 0..400 {
            let walk = Walk::draw(None, MOMENTS, &mut stream(n));
            assert_eq!((walk.places.len(), walk.actions.len()), (MOMENTS, MOMENTS));
            assert!(walk.places.iter().flatten().all(|v| (LOW..=HIGH).contains(v)));
            // A walk that is laid through the door may have its beginning in the wall; nobody gets there later.
            inside += usize::from(walk.rooms.is_wall(walk.places[0]));
            for (pair, action) in walk.places.windows(2).zip(&walk.actions) {
                assert_eq!(pair[1], walk.rooms.walk(pair[0], *action));
                assert!(walk.rooms.is_wall(pair[0]) || !walk.rooms.is_wall(pair[1]), "{pair:?} in {:?}", walk.rooms);
            }
            let side = |at: &Place| at[0] < walk.rooms.wall;
            crossings += usize::from(walk.places.iter().any(|at| side(at) != side(&walk.places[0])));
        }
        assert!((120..220).contains(&crossings), "{crossings} of 400 walks change rooms");
        assert!(inside < 20, "{inside} of 400 walks begin in a wall");
        assert_eq!(Walk::draw(None, 9, &mut stream(1)), Walk::draw(None, 9, &mut stream(1)));
        assert_eq!(Walk::draw(Some(Rooms::FIXED), 9, &mut stream(1)).places.len(), 9);
    }

    #[test]
    fn turns_and_lengths_have_the_moments_of_their_laws() {
        let mut stream = stream(0);
        let n = 20_000;
        let turns: Vec<f64> = (0..n).map(|_| von_mises(CONCENTRATION, &mut stream)).collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / f64::from(n);
        assert!(mean(&mut turns.iter().copied()).abs() < 0.02);
        // The mean cosine is the ratio of two Bessel functions, I1(5) / I0(5).
        assert!((mean(&mut turns.iter().map(|t| t.cos())) - 0.893_383).abs() < 0.005);
        let lengths: Vec<f64> = (0..n).map(|_| action(&mut stream)).map(|[x, y]| f64::from(x.hypot(y))).collect();
        assert!((mean(&mut lengths.iter().copied()) - 1.0).abs() < 0.01);
        assert!(lengths.iter().all(|l| (0.199..1.801).contains(l)));
    }
}
