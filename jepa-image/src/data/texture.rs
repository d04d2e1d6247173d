//! Procedural textures: what lies behind a cut-out.

use jepa_core::random::{Draw as _, Purpose, Stream};

/// Kinds of textures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texture {
    Stripes,
    Waves,
    Checks,
    Dots,
    Rings,
    Noise,
}

impl Texture {
    pub(super) const ALL: [Self; 6] = [Self::Stripes, Self::Waves, Self::Checks, Self::Dots, Self::Rings, Self::Noise];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stripes => "stripes",
            Self::Waves => "waves",
            Self::Checks => "checks",
            Self::Dots => "dots",
            Self::Rings => "rings",
            Self::Noise => "noise",
        }
    }
}

/// One texture, everywhere in the plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ground {
    pub(super) texture: Texture,
    /// Pixels from one dark place to the next.
    pub(super) wavelength: f32,
    /// Direction in radians.
    angle: f32,
    /// Where it begins, in pixels.
    start: [f32; 2],
    /// Grey in the middle between light and dark, and the difference of these, 0 to 255.
    middle: f32,
    contrast: f32,
    /// What noise is drawn from.
    seed: u64,
}

impl Ground {
    /// A texture with a wavelength out of one of `wavelengths`.
    pub(super) fn draw(draw: &mut Stream, wavelengths: &[[f32; 2]]) -> Self {
        let [shortest, longest] = wavelengths[draw.below(wavelengths.len())];
        Self {
            texture: Texture::ALL[draw.below(Texture::ALL.len())],
            wavelength: draw.between(shortest, longest),
            angle: draw.between(0.0, std::f32::consts::TAU),
            start: [draw.between(0.0, 64.0), draw.between(0.0, 64.0)],
            middle: draw.between(70.0, 185.0),
            contrast: draw.between(70.0, 200.0),
            seed: draw.bits(),
        }
    }

    /// Grey at a place.
    pub(super) fn shade(&self, x: f32, y: f32) -> f32 {
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = ((x - self.start[0]) / self.wavelength, (y - self.start[1]) / self.wavelength);
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let wave = |t: f32| 0.5 + 0.5 * (std::f32::consts::TAU * t).cos();
        let level = match self.texture {
            Texture::Stripes => f32::from(u8::from(u.rem_euclid(1.0) < 0.5)),
            Texture::Waves => 0.5 * (wave(u) + wave(0.6 * v + 0.3 * wave(0.5 * u))),
            Texture::Checks => f32::from(u8::from((u.rem_euclid(1.0) < 0.5) != (v.rem_euclid(1.0) < 0.5))),
            Texture::Dots => {
                let (u, v) = (u.rem_euclid(1.0) - 0.5, v.rem_euclid(1.0) - 0.5);
                f32::from(u8::from(u * u + v * v < 0.1))
            }
            Texture::Rings => wave((x * x + y * y).sqrt()),
            Texture::Noise => 0.65 * self.noise(2.0 * u, 2.0 * v, 0) + 0.35 * self.noise(4.0 * u, 4.0 * v, 1),
        };
        (self.middle + self.contrast * (level - 0.5)).clamp(0.0, 255.0)
    }

    /// Values drawn at whole places and smoothed between them, 0 to 1.
    fn noise(&self, u: f32, v: f32, octave: u64) -> f32 {
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let [column, row] = [u, v].map(f32::floor);
        let [right, down] = [u - column, v - row].map(smooth);
        let at = |dx: i64, dy: i64| {
            let place = ((column as i64 + dx) as u64) << 32 | ((row as i64 + dy) as u64 & 0xffff_ffff);
            Stream::new(self.seed, Purpose::Synthesis, octave, place).uniform()
        };
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        mix(mix(at(0, 0), at(1, 0), right), mix(at(0, 1), at(1, 1), right), down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_texture_varies_as_fast_as_its_wavelength_says() {
        for texture in Texture::ALL {
            // Changes of more than a sixth of the contrast from one pixel to the next.
            let changes = |wavelength: f32| {
                let mut draw = Stream::new(3, Purpose::Test, 0, 0);
                let ground = Ground {
                    texture,
                    wavelength,
                    middle: 128.0,
                    contrast: 120.0,
                    ..Ground::draw(&mut draw, &[[4.0, 5.0]])
                };
                let shade = |at: usize| ground.shade((at % 64) as f32, (at / 64) as f32);
                let mut sum = 0.0;
                for at in (0..64 * 64).filter(|at| at % 64 < 63) {
                    sum += (shade(at + 1) - shade(at)).abs();
                }
                sum / (64.0 * 63.0)
            };
            let (short, long) = (changes(4.0), changes(12.0));
            assert!(short > 1.5 * long && long > 1.0, "{texture:?}: {short} {long}");
        }
    }
}
