//! A world as a picture: edges are smoothed by the share of a pixel that is covered.

use jepa_core::error::Result;

use super::SIZE;
use super::world::{Body, Shape, Slab, World};
use crate::data::Clip;

/// The frames `indices` of a scene.
pub fn clip(scene: &[World], indices: &[usize]) -> Result<Clip> {
    let last = scene.len().saturating_sub(1);
    let frames = indices.iter().filter_map(|index| scene.get((*index).min(last)));
    Clip::new(indices.len(), SIZE, SIZE, frames.flat_map(frame).collect())
}

/// One frame: `SIZE` x `SIZE` RGB.
pub fn frame(world: &World) -> Vec<u8> {
    let mut canvas = Canvas { rgb: vec![0; SIZE * SIZE * 3] };
    let side = SIZE as f32;
    canvas.slab(&Slab { edges: [0.0, 0.0, side, world.floor], colour: world.colours[0] });
    canvas.slab(&Slab { edges: [0.0, world.floor, side, side], colour: world.colours[1] });
    world.solids.iter().for_each(|slab| canvas.slab(slab));
    world.bodies.iter().for_each(|body| canvas.body(body));
    world.screens.iter().for_each(|slab| canvas.slab(slab));
    canvas.rgb
}

struct Canvas {
    rgb: Vec<u8>,
}

impl Canvas {
    fn slab(&mut self, slab: &Slab) {
        let [left, top, right, bottom] = slab.edges;
        self.paint(slab.edges, slab.colour, |x, y| share(x, left, right) * share(y, top, bottom));
    }

    fn body(&mut self, body: &Body) {
        let ([x, y], r) = (body.at, body.radius);
        let edges = [x - r - 1.0, y - r - 1.0, x + r + 1.0, y + r + 1.0];
        match body.shape {
            Shape::Ball => self.paint(edges, body.colour, |column, row| {
                let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
                (r - distance + 0.5).clamp(0.0, 1.0)
            }),
            Shape::Box => {
                self.paint(edges, body.colour, |column, row| share(column, x - r, x + r) * share(row, y - r, y + r))
            }
        }
    }

    /// Mixes `colour` in, as much as `cover` says of the pixel at (column, row), within the box `edges`.
    fn paint(&mut self, edges: [f32; 4], colour: [u8; 3], cover: impl Fn(usize, usize) -> f32) {
        let bounds = edges.map(|edge| edge.clamp(0.0, SIZE as f32));
        let rows = bounds[1].floor() as usize..bounds[3].ceil() as usize;
        for row in rows {
            for column in bounds[0].floor() as usize..bounds[2].ceil() as usize {
                let part = cover(column, row);
                if part <= 0.0 {
                    continue;
                }
                let start = (row * SIZE + column) * 3;
                if part >= 1.0 {
                    self.rgb[start..start + 3].copy_from_slice(&colour);
                    continue;
                }
                for (value, goal) in self.rgb[start..start + 3].iter_mut().zip(colour) {
                    *value = (f32::from(*value) + (f32::from(goal) - f32::from(*value)) * part).round() as u8;
                }
            }
        }
    }
}

/// The share of pixel `at` that lies between two edges.
fn share(at: usize, from: f32, to: f32) -> f32 {
    (((at + 1) as f32).min(to) - (at as f32).max(from)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ball_covers_its_area_wherever_it_lies_between_pixels() {
        for offset in [0.0, 0.25, 0.5, 0.8] {
            let body = Body {
                shape: Shape::Ball,
                colour: [255; 3],
                radius: 6.0,
                at: [30.0 + offset, 20.0 + offset / 2.0],
                velocity: [0.0; 2],
                restitution: 0.0,
                heavy: true,
                solid: true,
            };
            for (shape, area) in [(Shape::Ball, std::f32::consts::PI * 36.0), (Shape::Box, 144.0)] {
                let world = World {
                    bodies: vec![Body { shape, ..body.clone() }],
                    solids: vec![],
                    screens: vec![],
                    floor: 56.0,
                    colours: [[0; 3]; 2],
                };
                let covered = frame(&world).iter().step_by(3).map(|v| f32::from(*v) / 255.0).sum::<f32>();
                assert!((covered / area - 1.0).abs() < 0.02, "{shape:?} at {offset}: {covered} of {area}");
            }
        }
    }

    #[test]
    fn a_screen_hides_what_is_behind_it() {
        let body = Body {
            shape: Shape::Box,
            colour: [255, 0, 0],
            radius: 4.0,
            at: [30.3, 40.0],
            velocity: [0.0; 2],
            restitution: 0.0,
            heavy: true,
            solid: true,
        };
        let screen = Slab { edges: [25.0, 30.0, 36.0, 56.0], colour: [9; 3] };
        let mut world =
            World { bodies: vec![body], solids: vec![], screens: vec![screen], floor: 56.0, colours: [[0; 3]; 2] };
        assert!(world.bodies[0].is_behind(&screen));
        let hidden = frame(&world);
        world.bodies.clear();
        assert_eq!(hidden, frame(&world));
    }
}
