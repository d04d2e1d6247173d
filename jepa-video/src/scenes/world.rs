//! Bodies in a room, moved by gravity, floors, walls and each other; no friction, no rotation.
//!
//! Pixels are the unit of length, frames that of time; rows count downwards.

/// Steps of the simulation a frame: a body moves less than its own size in one.
const STEPS: usize = 16;
/// Gravity in pixels per frame squared.
pub(super) const GRAVITY: f32 = 0.12;
/// Share of speed that a bounce keeps, the same for all bodies: how high one bounces follows from what was seen before.
pub(super) const RESTITUTION: f32 = 0.75;
/// Below this speed a body on the ground does not bounce again.
const REST: f32 = 0.25;

/// What a body looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A disc of the body's radius.
    Ball,
    /// A square with sides of twice the radius, upright.
    Box,
}

/// Something that moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// What it looks like.
    pub shape: Shape,
    /// Colour.
    pub colour: [u8; 3],
    /// Half its width.
    pub radius: f32,
    /// Its middle: column and row.
    pub at: [f32; 2],
    /// Pixels a frame.
    pub velocity: [f32; 2],
    /// Share of speed that a bounce keeps.
    pub restitution: f32,
    /// Whether gravity acts on it; switched off by impossible events alone.
    pub heavy: bool,
    /// Whether solids stop it; switched off by impossible events alone.
    pub solid: bool,
}

/// An upright rectangle: left, top, right, bottom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    /// Edges in pixels.
    pub edges: [f32; 4],
    /// Colour.
    pub colour: [u8; 3],
}

/// A room with what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// What moves.
    pub bodies: Vec<Body>,
    /// Walls and shelves.
    pub solids: Vec<Slab>,
    /// Screens in front of everything.
    pub screens: Vec<Slab>,
    /// Row of the floor.
    pub floor: f32,
    /// Colours of background and floor.
    pub colours: [[u8; 3]; 2],
}

impl Body {
    /// Whether `slab` hides all of it.
    pub fn is_behind(&self, slab: &Slab) -> bool {
        let [left, top, right, bottom] = slab.edges;
        // Half a pixel more than its size: edges are smoothed.
        let reach = self.radius + 0.5;
        let [x, y] = self.at;
        left <= x - reach && x + reach <= right && top <= y - reach && y + reach <= bottom
    }

    /// Gravitational and kinetic energy for unit mass, with the floor at height 0.
    pub fn energy(&self, floor: f32) -> f32 {
        let [vx, vy] = self.velocity;
        GRAVITY * (floor - self.radius - self.at[1]) + (vx * vx + vy * vy) / 2.0
    }
}

impl World {
    /// Moves everything by one frame.
    pub fn advance(&mut self) {
        for _ in 0..STEPS {
            self.step(1.0 / STEPS as f32);
        }
    }

    fn step(&mut self, time: f32) {
        for body in &mut self.bodies {
            let resting = body.solid && body.velocity[1] == 0.0 && supported(body, self.floor, &self.solids);
            let gravity = if body.heavy && !resting { GRAVITY } else { 0.0 };
            // The exact solution for constant acceleration: flight keeps its energy.
            body.at[0] += body.velocity[0] * time;
            body.at[1] += body.velocity[1] * time + gravity * time * time / 2.0;
            body.velocity[1] += gravity * time;
            if body.at[1] + body.radius > self.floor {
                body.at[1] = self.floor - body.radius;
                bounce(&mut body.velocity[1], body.restitution, -1.0, REST);
            }
            if body.solid {
                self.solids.iter().for_each(|slab| push_out(body, slab));
            }
        }
        for i in 1..self.bodies.len() {
            let (before, after) = self.bodies.split_at_mut(i);
            before.iter_mut().for_each(|other| collide(other, &mut after[0]));
        }
        // Who was parted from another may have been pushed into the floor.
        for body in &mut self.bodies {
            body.at[1] = body.at[1].min(self.floor - body.radius);
        }
    }
}

/// Turns a velocity that points against `away`; slow ones end.
fn bounce(velocity: &mut f32, restitution: f32, away: f32, rest: f32) {
    if *velocity * away < 0.0 {
        let after = -*velocity * restitution;
        *velocity = if after.abs() < rest { 0.0 } else { after };
    }
}

/// Whether a body lies on the floor or on a solid.
fn supported(body: &Body, floor: f32, solids: &[Slab]) -> bool {
    let foot = body.at[1] + body.radius;
    let on = |slab: &Slab| {
        let [left, top, right, _] = slab.edges;
        (foot - top).abs() < 1e-3 && left < body.at[0] && body.at[0] < right
    };
    foot >= floor - 1e-3 || solids.iter().any(on)
}

/// Bodies meet solids as upright squares; the side they have entered least sends them back.
fn push_out(body: &mut Body, slab: &Slab) {
    let [left, top, right, bottom] = slab.edges;
    let ([x, y], r) = (body.at, body.radius);
    // A ball leaves a shelf when its middle does: its foot is under its middle.
    let width = if body.shape == Shape::Ball && y < top { 0.0 } else { r };
    let depths = [x + width - left, right - x + width, y + r - top, bottom - y + r];
    if depths.iter().any(|depth| *depth <= 0.0) {
        return;
    }
    let least = depths.iter().copied().fold(f32::INFINITY, f32::min);
    let side = depths.iter().position(|depth| *depth == least).unwrap_or(0);
    let (axis, away) = [(0, -1.0), (0, 1.0), (1, -1.0), (1, 1.0)][side];
    body.at[axis] += away * least;
    let rest = if side == 2 { REST } else { 0.0 };
    bounce(&mut body.velocity[axis], body.restitution, away, rest);
}

/// Equal masses, elastic along the line between the middles.
fn collide(a: &mut Body, b: &mut Body) {
    let line = [b.at[0] - a.at[0], b.at[1] - a.at[1]];
    let distance = line[0].hypot(line[1]);
    let overlap = a.radius + b.radius - distance;
    if overlap <= 0.0 || distance < 1e-6 {
        return;
    }
    let unit = line.map(|along| along / distance);
    let approach: f32 = (0..2).map(|i| (a.velocity[i] - b.velocity[i]) * unit[i]).sum();
    for (i, along) in unit.into_iter().enumerate() {
        a.at[i] -= along * overlap / 2.0;
        b.at[i] += along * overlap / 2.0;
        if approach > 0.0 {
            a.velocity[i] -= approach * along;
            b.velocity[i] += approach * along;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ball(at: [f32; 2], velocity: [f32; 2], restitution: f32) -> Body {
        Body { shape: Shape::Ball, colour: [255; 3], radius: 4.0, at, velocity, restitution, heavy: true, solid: true }
    }

    fn room(bodies: Vec<Body>, solids: Vec<Slab>) -> World {
        World { bodies, solids, screens: Vec::new(), floor: 56.0, colours: [[0; 3]; 2] }
    }

    #[test]
    fn flight_is_a_parabola_and_keeps_its_energy() {
        let mut world = room(vec![ball([10.0, 20.0], [1.0, -1.0], 1.0)], vec![]);
        let energy = world.bodies[0].energy(world.floor);
        for frame in 1..=15 {
            world.advance();
            let t = frame as f32;
            let body = &world.bodies[0];
            assert!((body.at[0] - 10.0 - t).abs() < 1e-3);
            assert!((body.at[1] - (20.0 - t + GRAVITY * t * t / 2.0)).abs() < 1e-2, "{frame}: {:?}", body.at);
            assert!((body.energy(world.floor) - energy).abs() < 1e-3);
        }
        for _ in 0..200 {
            world.advance();
        }
        let kept = world.bodies[0].energy(world.floor) / energy;
        assert!((0.8..1.1).contains(&kept), "bounces without loss keep most of it: {kept}");
    }

    #[test]
    fn bounces_get_lower_and_end_in_rest() {
        let mut world = room(vec![ball([30.0, 10.0], [0.0, 0.0], 0.6)], vec![]);
        for _ in 0..300 {
            world.advance();
        }
        assert_eq!(world.bodies[0].velocity, [0.0, 0.0]);
        assert!((world.bodies[0].at[1] - 52.0).abs() < 1e-3);
    }

    #[test]
    fn walls_turn_bodies_back_and_shelves_carry_them_to_their_edge() {
        let wall = Slab { edges: [40.0, 20.0, 44.0, 56.0], colour: [0; 3] };
        let mut world = room(vec![ball([10.0, 52.0], [2.0, 0.0], 1.0)], vec![wall]);
        let mut furthest = 0.0f32;
        for _ in 0..30 {
            world.advance();
            furthest = furthest.max(world.bodies[0].at[0]);
        }
        assert!((furthest - 36.0).abs() < 0.2 && world.bodies[0].velocity[0] == -2.0, "{furthest}");
        let shelf = Slab { edges: [0.0, 30.0, 30.0, 33.0], colour: [0; 3] };
        let mut world = room(vec![ball([10.0, 26.0], [1.0, 0.0], 0.5)], vec![shelf]);
        for _ in 0..19 {
            world.advance();
            assert!((world.bodies[0].at[1] - 26.0).abs() < 1e-3, "{:?}", world.bodies[0]);
        }
        for _ in 0..12 {
            world.advance();
        }
        assert!(world.bodies[0].at[1] > 30.0, "it falls beyond the edge: {:?}", world.bodies[0]);
    }

    #[test]
    fn two_bodies_exchange_their_speeds_and_keep_momentum() {
        let mut world = room(vec![ball([10.0, 52.0], [2.0, 0.0], 1.0), ball([30.0, 52.0], [-1.0, 0.0], 1.0)], vec![]);
        for _ in 0..10 {
            world.advance();
        }
        let speeds = [world.bodies[0].velocity[0], world.bodies[1].velocity[0]];
        assert!((speeds[0] + 1.0).abs() < 1e-3 && (speeds[1] - 2.0).abs() < 1e-3, "{speeds:?}");
    }
}
