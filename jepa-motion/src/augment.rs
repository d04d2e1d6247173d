//! Views of a picture for the content branch: a random box, and changes of colour and sharpness.

use jepa_core::error::{Error, Result};
use jepa_core::picture::{CropConfig, Picture, random_resized_crop};
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done to a picture; two draws are two views.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewConfig {
    /// The box.
    pub crop: CropConfig,
    /// How far brightness, contrast and saturation may change, as factors around 1, and the hue, as a share of the
    /// colour circle (VICReg: 0.4, 0.4, 0.2, 0.1).
    pub jitter: [f32; 4],
    /// How often they do (VICReg: 0.8).
    pub jitter_share: f32,
    /// How often colours are taken away (VICReg: 0.2).
    pub grey_share: f32,
    /// How often a picture is blurred, as first and as second view (VICReg: 1, 0.1).
    pub blur_share: [f32; 2],
    /// Standard deviations of the blur, in pixels (VICReg, at 224 pixels: 0.1 to 2).
    pub blur: [f32; 2],
    /// How often values above one half are inverted, as first and as second view (VICReg: 0, 0.2).
    pub solarise_share: [f32; 2],
}

impl ViewConfig {
    /// VICReg's for pictures of `size` pixels (`augmentations.py`); the steps of the jitter are taken in one order, and
    /// the hue is turned in the YIQ plane.
    pub fn vicreg(size: usize) -> Self {
        Self {
            crop: CropConfig { size, scale: [0.08, 1.0], aspect: [3.0 / 4.0, 4.0 / 3.0], flip: true },
            jitter: [0.4, 0.4, 0.2, 0.1],
            jitter_share: 0.8,
            grey_share: 0.2,
            blur_share: [1.0, 0.1],
            blur: [0.1, 2.0],
            solarise_share: [0.0, 0.2],
        }
    }

    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        self.crop.check(&format!("{place}.crop"))?;
        let shares = [&[self.jitter_share, self.grey_share][..], &self.blur_share, &self.solarise_share].concat();
        if !shares.iter().chain(&self.jitter).all(|v| (0.0..=1.0).contains(v)) {
            let problem = format!("shares {shares:?} and jitter {:?} must lie in [0, 1]", self.jitter);
            return Err(Error::config(place, problem));
        }
        let [low, high] = self.blur;
        if !(low > 0.0 && low <= high && high <= 32.0) {
            return Err(Error::config(format!("{place}.blur"), format!("expected 0 < {low} <= {high} <= 32")));
        }
        Ok(())
    }

    /// The first (`view` 0) or second (1) view of a picture, in [0, 1], appended to `out`: [size, size, 3].
    pub fn view(&self, picture: &Picture, view: usize, draw: &mut impl Draw, out: &mut Vec<f32>) -> Result<()> {
        let cut = random_resized_crop(&picture.to_rgb(), &self.crop, draw)?;
        let mut pixels: Vec<f32> = cut.pixels.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        if draw.uniform() < self.jitter_share {
            let [brightness, contrast, saturation, hue] = self.jitter.map(|reach| reach * signed(draw));
            let factors = [brightness, contrast, saturation].map(|change| 1.0 + change);
            jitter(&mut pixels, factors, std::f32::consts::TAU * hue);
        }
        if draw.uniform() < self.grey_share {
            jitter(&mut pixels, [1.0, 1.0, 0.0], 0.0);
        }
        let share = |shares: [f32; 2]| shares.get(view).copied().unwrap_or(0.0);
        if draw.uniform() < share(self.blur_share) {
            let deviation = draw.between(self.blur[0], self.blur[1]);
            blur(&mut pixels, self.crop.size, deviation);
        }
        if draw.uniform() < share(self.solarise_share) {
            pixels.iter_mut().filter(|v| **v >= 0.5).for_each(|v| *v = 1.0 - *v);
        }
        out.extend(pixels);
        Ok(())
    }
}

/// Uniform in [-1, 1).
fn signed(draw: &mut impl Draw) -> f32 {
    draw.between(-1.0, 1.0)
}

/// Brightness, contrast about the picture's mean luma, saturation about each pixel's, and a turn of the hue.
fn jitter(pixels: &mut [f32], [brightness, contrast, saturation]: [f32; 3], hue: f32) {
    let luma = |p: &[f32]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    for v in pixels.iter_mut() {
        *v = (*v * brightness).clamp(0.0, 1.0);
    }
    let count = (pixels.len() / 3).max(1) as f32;
    let mean = pixels.chunks_exact(3).map(luma).sum::<f32>() / count;
    let (sin, cos) = hue.sin_cos();
    for p in pixels.chunks_exact_mut(3) {
        p.iter_mut().for_each(|v| *v = (mean + contrast * (*v - mean)).clamp(0.0, 1.0));
        let y = luma(p);
        p.iter_mut().for_each(|v| *v = (y + saturation * (*v - y)).clamp(0.0, 1.0));
        if hue != 0.0 {
            let y = luma(p);
            let i = 0.596 * p[0] - 0.274 * p[1] - 0.322 * p[2];
            let q = 0.211 * p[0] - 0.523 * p[1] + 0.312 * p[2];
            let (i, q) = (cos * i - sin * q, sin * i + cos * q);
            let turned = [y + 0.956 * i + 0.621 * q, y - 0.272 * i - 0.647 * q, y - 1.106 * i + 1.703 * q];
            p.iter_mut().zip(turned).for_each(|(v, t)| *v = t.clamp(0.0, 1.0));
        }
    }
}

/// A Gaussian along rows and columns of a square picture; at the border the last pixel is repeated.
fn blur(pixels: &mut [f32], size: usize, deviation: f32) {
    let reach = (3.0 * deviation).ceil() as usize;
    let weights: Vec<f32> = (0..=reach).map(|i| (-0.5 * (i as f32 / deviation).powi(2)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    for step in [3, 3 * size] {
        let before = pixels.to_vec();
        for (at, v) in pixels.iter_mut().enumerate() {
            let place = at / step % size;
            let read = |other: usize| before[at + step * other - step * place];
            let sides =
                (1..=reach).map(|i| weights[i] * (read(place.saturating_sub(i)) + read((place + i).min(size - 1))));
            *v = (weights[0] * before[at] + sides.sum::<f32>()) / sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    #[test]
    fn views_of_one_draw_are_equal_and_those_of_others_differ() {
        let picture = Picture::new(40, 30, 3, (0..3600).map(|i| (i * 7 % 256) as u8).collect()).unwrap();
        let config = ViewConfig::vicreg(16);
        let view = |sample| {
            let mut out = Vec::new();
            config.view(&picture, 0, &mut Stream::new(1, Purpose::Test, 0, sample), &mut out).unwrap();
            out
        };
        assert_eq!(view(1), view(1));
        assert_ne!(view(1), view(2));
        assert!(view(1).len() == 768 && view(3).iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn blur_keeps_one_colour_and_the_jitter_is_the_identity_at_one() {
        let mut flat = vec![0.25f32; 8 * 8 * 3];
        blur(&mut flat, 8, 1.3);
        assert!(flat.iter().all(|v| (v - 0.25).abs() < 1e-6));
        let mut spot = vec![0f32; 9 * 9 * 3];
        spot[3 * (4 * 9 + 4) + 1] = 1.0;
        blur(&mut spot, 9, 1.0);
        let at = |y: usize, x: usize, c: usize| spot[3 * (y * 9 + x) + c];
        assert!(at(4, 4, 0) == 0.0 && at(4, 4, 1) > at(3, 4, 1) && (at(3, 4, 1) - at(4, 5, 1)).abs() < 1e-6);
        let pixels: Vec<f32> = (0..30).map(|i| i as f32 / 30.0).collect();
        let mut same = pixels.clone();
        jitter(&mut same, [1.0; 3], 0.0);
        assert!(same.iter().zip(&pixels).all(|(a, b)| (a - b).abs() < 1e-6));
        let mut grey = pixels;
        jitter(&mut grey, [1.0, 1.0, 0.0], 0.0);
        assert!(grey.chunks_exact(3).all(|p| (p[0] - p[2]).abs() < 1e-6));
    }
}
