//! What surfaces look like: colours as functions of the plane, smooth enough to be read between pixels.

use jepa_core::data::Split;
use jepa_core::random::Draw;

/// Sectors of the colour circle: training has the even ones, tests the odd ones.
const SECTORS: usize = 12;

/// A kind of texture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Noise over noise.
    Clouds,
    /// Stripes that noise bends.
    Marble,
    /// Rings that noise bends.
    Wood,
    /// A wall.
    Bricks,
    /// Squares of two colours.
    Checks,
    /// Round spots in rows.
    Dots,
    /// Straight stripes.
    Stripes,
    /// Cells around scattered points.
    Cells,
}

impl Kind {
    /// All of them; their order is that of the classes.
    pub const ALL: [Self; 8] =
        [Self::Clouds, Self::Marble, Self::Wood, Self::Bricks, Self::Checks, Self::Dots, Self::Stripes, Self::Cells];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clouds => "clouds",
            Self::Marble => "marble",
            Self::Wood => "wood",
            Self::Bricks => "bricks",
            Self::Checks => "checks",
            Self::Dots => "dots",
            Self::Stripes => "stripes",
            Self::Cells => "cells",
        }
    }
}

/// A texture with its numbers drawn.
#[derive(Debug, Clone)]
pub struct Texture {
    kind: Kind,
    seed: u32,
    /// Pixels a period.
    period: f32,
    direction: [f32; 2],
    colours: [[f32; 3]; 2],
    /// Share of the fine noise that every surface has: without it, stripes would hide motion along them.
    grain: f32,
}

impl Texture {
    /// A texture of a kind.
    pub fn new(kind: Kind, split: Split, draw: &mut impl Draw) -> Self {
        let angle = draw.between(0.0, std::f32::consts::TAU);
        let mut colour = |value: [f32; 2]| {
            let sector = 2 * draw.below(SECTORS / 2) + usize::from(split == Split::Test);
            let hue = (sector as f32 + draw.uniform()) / SECTORS as f32;
            rgb(hue, draw.between(0.2, 0.8), draw.between(value[0], value[1]))
        };
        let colours = [colour([0.15, 0.45]), colour([0.6, 0.95])];
        Self {
            kind,
            seed: draw.bits() as u32,
            period: draw.between(9.0, 16.0),
            direction: [angle.cos(), angle.sin()],
            colours,
            grain: draw.between(0.25, 0.4),
        }
    }

    /// The colour at a point, in pixels; red, green and blue in [0, 1].
    pub fn colour(&self, point: [f32; 2]) -> [f32; 3] {
        let grain = self.grain * (self.noise(point, 5.0, 11) + 0.5 * self.noise(point, 2.7, 12) - 0.75);
        let share = (self.share(point) + grain).clamp(0.0, 1.0);
        std::array::from_fn(|i| self.colours[0][i] + share * (self.colours[1][i] - self.colours[0][i]))
    }

    /// How much of the second colour there is, in [0, 1].
    fn share(&self, [x, y]: [f32; 2]) -> f32 {
        let [c, s] = self.direction;
        let (u, v) = ((c * x + s * y) / self.period, (c * y - s * x) / self.period);
        let wave = |at: f32| 0.5 + 0.5 * (std::f32::consts::TAU * at).sin();
        let bend = |k: u32| self.noise([x, y], 2.0 * self.period, k) - 0.5;
        match self.kind {
            Kind::Clouds => {
                let mixed = 0.65 * self.noise([x, y], self.period, 1) + 0.35 * self.noise([x, y], 0.5 * self.period, 2);
                (0.5 + 2.0 * (mixed - 0.5)).clamp(0.0, 1.0)
            }
            Kind::Marble => wave(u + 1.2 * bend(3)),
            Kind::Wood => wave(1.3 * (u + 0.3).hypot(0.35 * v) + 0.6 * bend(4)),
            Kind::Bricks => {
                let row = (2.0 * v).floor();
                let along = u + 0.5 * row.rem_euclid(2.0);
                let joint = edge(along, 0.1).min(edge(2.0 * v, 0.16));
                joint * (0.6 + 0.4 * self.lattice(along.floor() as i32, row as i32, 5))
            }
            Kind::Checks => {
                let soft = |at: f32| (3.0 * (std::f32::consts::TAU * at).sin()).clamp(-1.0, 1.0);
                0.5 + 0.5 * soft(0.8 * u) * soft(0.8 * v)
            }
            Kind::Dots => {
                let part = |at: f32| (1.3 * at).rem_euclid(1.0) - 0.5;
                ((0.36 - part(u).hypot(part(v))) * 8.0).clamp(0.0, 1.0)
            }
            Kind::Stripes => (0.5 + 2.0 * (wave(u) - 0.5)).clamp(0.0, 1.0),
            Kind::Cells => (1.6 * self.nearest([1.2 * u, 1.2 * v])).clamp(0.0, 1.0),
        }
    }

    /// A number in [0, 1) for a point of the whole-numbered lattice.
    fn lattice(&self, i: i32, j: i32, k: u32) -> f32 {
        let mut h = self.seed ^ k.wrapping_mul(0x9e37_79b9);
        for part in [i as u32, j as u32] {
            h = (h ^ part).wrapping_mul(0x85eb_ca6b);
            h ^= h >> 13;
            h = h.wrapping_mul(0xc2b2_ae35);
            h ^= h >> 16;
        }
        (h >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Smooth noise in [0, 1) whose lattice has `period` pixels.
    fn noise(&self, [x, y]: [f32; 2], period: f32, k: u32) -> f32 {
        let (x, y) = (x / period, y / period);
        let (i, j) = (x.floor(), y.floor());
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (s, t) = (ease(x - i), ease(y - j));
        let at = |di: i32, dj: i32| self.lattice(i as i32 + di, j as i32 + dj, k);
        let (upper, lower) = (at(0, 0) + s * (at(1, 0) - at(0, 0)), at(0, 1) + s * (at(1, 1) - at(0, 1)));
        upper + t * (lower - upper)
    }

    /// Distance from the nearest of scattered points, one in every unit square.
    fn nearest(&self, [u, v]: [f32; 2]) -> f32 {
        let (i, j) = (u.floor() as i32, v.floor() as i32);
        let mut nearest = f32::INFINITY;
        for (di, dj) in (-1..=1).flat_map(|di| (-1..=1).map(move |dj| (di, dj))) {
            let (a, b) = (i + di, j + dj);
            let point = [a as f32 + self.lattice(a, b, 6), b as f32 + self.lattice(a, b, 7)];
            nearest = nearest.min((u - point[0]).hypot(v - point[1]));
        }
        nearest
    }
}

/// 0 at whole numbers, 1 farther from them than `width`.
fn edge(at: f32, width: f32) -> f32 {
    let part = at.rem_euclid(1.0);
    (part.min(1.0 - part) / width).min(1.0)
}

/// Hue, saturation and value in [0, 1] as red, green and blue.
fn rgb(hue: f32, saturation: f32, value: f32) -> [f32; 3] {
    let part = |offset: f32| {
        let k = (offset + 6.0 * hue).rem_euclid(6.0);
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    };
    [part(5.0), part(3.0), part(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    #[test]
    fn every_kind_has_contrast_and_is_smooth_between_pixels() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            let texture = Texture::new(kind, Split::Train, &mut Stream::new(1, Purpose::Test, 0, at as u64));
            let grey = |x: f32, y: f32| texture.colour([x, y]).iter().sum::<f32>() / 3.0;
            let places = (0..400).map(|i| ((i % 20) as f32 * 3.1, (i / 20) as f32 * 2.9));
            let values: Vec<f32> = places.clone().map(|(x, y)| grey(x, y)).collect();
            let mean = values.iter().sum::<f32>() / 400.0;
            let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 400.0).sqrt();
            let steps: f32 = places.map(|(x, y)| (grey(x + 0.25, y) - grey(x, y)).abs()).sum::<f32>() / 400.0;
            assert!(deviation > 0.04, "{}: {deviation}", kind.name());
            assert!(steps < 0.3 * deviation, "{}: {steps} of {deviation}", kind.name());
        }
    }

    #[test]
    fn colours_of_training_and_test_lie_in_other_sectors() {
        assert_eq!(rgb(0.0, 1.0, 1.0), [1.0, 0.0, 0.0]);
        assert_eq!(rgb(1.0 / 3.0, 1.0, 1.0), [0.0, 1.0, 0.0]);
        let hue = |[r, g, b]: [f32; 3]| {
            let (high, low) = (r.max(g).max(b), r.min(g).min(b));
            let sixth = if high == r {
                (g - b) / (high - low)
            } else if high == g {
                2.0 + (b - r) / (high - low)
            } else {
                4.0 + (r - g) / (high - low)
            };
            2.0 * sixth.rem_euclid(6.0)
        };
        for at in 0..50 {
            for (split, odd) in [(Split::Train, 0), (Split::Test, 1)] {
                let texture = Texture::new(Kind::Dots, split, &mut Stream::new(2, Purpose::Test, 0, at));
                for colour in texture.colours {
                    let sector = hue(colour);
                    let close = (sector - sector.round()).abs() < 1e-3;
                    assert!(close || sector as usize % 2 == odd, "{sector}");
                }
            }
        }
    }
}
