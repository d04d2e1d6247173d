//! Views: what a picture may become without becoming another picture.
//!
//! A view is, in this order, a random resized crop, perhaps mirrored; colours disturbed in a random order; perhaps grey;
//! perhaps blurred; perhaps solarised. Every part is optional and has its own probability; the arithmetic is that of
//! torchvision on bytes. On grey pictures saturation, hue and greyscale change nothing.
//!
//! | file | noun |
//! |---|---|
//! | `colour` | brightness, contrast, saturation, hue, greyscale, solarise |
//! | `blur` | Gaussian blur |

mod blur;
mod colour;

pub use blur::blurred;
pub use colour::{brighter, contrasted, greyscale, hue_shifted, saturated, solarised};

use jepa_core::error::{Error, Result};
use jepa_core::picture::{CropConfig, Picture, random_resized_crop};
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewConfig {
    /// Probability of losing the colours (SimCLR and all after it: 0.2).
    #[serde(default)]
    pub grey: f32,
    /// Random resized crop; its size is the size of the view.
    pub crop: CropConfig,
    /// Disturbed colours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<JitterConfig>,
    /// Gaussian blur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blur: Option<BlurConfig>,
    /// Bright values inverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solarise: Option<SolariseConfig>,
}

/// Disturbed colours: a factor in 1 ± strength each, the hue turned by at most its strength, in a random order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JitterConfig {
    /// Of being disturbed at all (0.8).
    pub probability: f32,
    /// Strength of brightness (SimCLR: 0.8 s; BYOL and after: 0.4).
    pub brightness: f32,
    /// Strength of contrast (the same).
    pub contrast: f32,
    /// Strength of saturation (SimCLR: 0.8 s; BYOL and after: 0.2).
    pub saturation: f32,
    /// Largest turn of the hue, a full turn being 1 (SimCLR: 0.2 s; BYOL and after: 0.1).
    pub hue: f32,
}

/// Gaussian blur.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlurConfig {
    /// Of being blurred (SimCLR: 0.5; BYOL: 1 in one view, 0.1 in the other).
    pub probability: f32,
    /// Range of the standard deviation in pixels (0.1 to 2).
    pub deviation: [f32; 2],
    /// Side of the kernel over the side of the view (SimCLR, BYOL: a tenth), rounded to the next odd number.
    pub reach: f32,
}

/// Bright values inverted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SolariseConfig {
    /// Of being solarised (BYOL: 0.2, in one view).
    pub probability: f32,
    /// Values from here on are inverted (128).
    pub threshold: u8,
}

impl ViewConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        self.crop.check(&format!("{place}.crop"))?;
        let jitter = self.jitter.map(|j| j.probability);
        let blur = self.blur.map(|b| b.probability);
        let solarise = self.solarise.map(|s| s.probability);
        for (key, p) in [("grey", Some(self.grey)), ("jitter", jitter), ("blur", blur), ("solarise", solarise)] {
            if let Some(p) = p
                && !(0.0..=1.0).contains(&p)
            {
                return Err(Error::config(format!("{place}.{key}"), format!("probability {p} must lie in [0, 1]")));
            }
        }
        if let Some(j) = self.jitter {
            let strengths = [j.brightness, j.contrast, j.saturation];
            if !strengths.iter().all(|s| *s >= 0.0 && s.is_finite()) || !(0.0..=0.5).contains(&j.hue) {
                let problem =
                    format!("strengths {strengths:?} must not be negative, hue {} must lie in [0, 0.5]", j.hue);
                return Err(Error::config(format!("{place}.jitter"), problem));
            }
        }
        if let Some(BlurConfig { deviation: [low, high], reach, .. }) = self.blur
            && !(0.0 < low && low <= high && high.is_finite() && 0.0 < reach && reach < 1.0)
        {
            let problem = format!("deviation [{low}, {high}] must be positive and ascending, reach {reach} in (0, 1)");
            return Err(Error::config(format!("{place}.blur"), problem));
        }
        Ok(())
    }

    /// A view of `picture`, drawn from `draw`. The same number of draws is not promised: a stream belongs to one sample.
    pub fn apply(&self, picture: &Picture, draw: &mut impl Draw) -> Result<Picture> {
        let mut view = random_resized_crop(picture, &self.crop, draw)?;
        if let Some(jitter) = self.jitter.filter(|j| draw.uniform() < j.probability) {
            view = jitter.apply(view, draw);
        }
        if self.grey > 0.0 && draw.uniform() < self.grey {
            view = greyscale(view);
        }
        if let Some(blur) = self.blur.filter(|b| draw.uniform() < b.probability) {
            let [low, high] = blur.deviation;
            view = blurred(view, blur.kernel(self.crop.size), draw.between(low, high));
        }
        if let Some(solarise) = self.solarise.filter(|s| draw.uniform() < s.probability) {
            view = solarised(view, solarise.threshold);
        }
        Ok(view)
    }
}

impl JitterConfig {
    fn apply(&self, mut view: Picture, draw: &mut impl Draw) -> Picture {
        let order = draw.permutation(4);
        let mut factor = |strength: f32| draw.between((1.0 - strength).max(0.0), 1.0 + strength);
        let [brightness, contrast, saturation] = [self.brightness, self.contrast, self.saturation].map(&mut factor);
        let turn = draw.between(-self.hue, self.hue);
        for kind in order {
            view = match kind {
                0 if self.brightness > 0.0 => brighter(view, brightness),
                1 if self.contrast > 0.0 => contrasted(view, contrast),
                2 if self.saturation > 0.0 => saturated(view, saturation),
                3 if self.hue > 0.0 => hue_shifted(view, turn),
                _ => view,
            };
        }
        view
    }
}

impl BlurConfig {
    /// Side of the kernel for a view of `size` pixels: odd, at least 3.
    pub fn kernel(&self, size: usize) -> usize {
        ((size as f32 * self.reach) as usize | 1).max(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    fn view() -> ViewConfig {
        ViewConfig {
            grey: 0.2,
            crop: CropConfig { size: 16, flip: true, ..CropConfig::default() },
            jitter: Some(JitterConfig { probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 }),
            blur: Some(BlurConfig { probability: 0.5, deviation: [0.1, 2.0], reach: 0.1 }),
            solarise: Some(SolariseConfig { probability: 0.2, threshold: 128 }),
        }
    }

    #[test]
    fn a_view_is_a_function_of_its_stream_and_of_the_right_size_for_grey_and_colour() {
        for channels in [1, 3] {
            let pixels = (0..40 * 30 * channels).map(|i| (i * i % 251) as u8).collect();
            let picture = Picture::new(40, 30, channels, pixels).unwrap();
            let of = |sample| view().apply(&picture, &mut Stream::new(1, Purpose::Augment, 1, sample)).unwrap();
            for sample in 0..50 {
                let found = of(sample);
                assert_eq!((found.width, found.height, found.channels), (16, 16, channels));
                assert_eq!(found, of(sample));
            }
            assert!((1..50).all(|sample| of(sample) != of(0)));
        }
    }

    #[test]
    fn numbers_out_of_range_name_their_key() {
        assert!(view().check("v").is_ok());
        let jitter = JitterConfig { probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.7 };
        let blur = BlurConfig { probability: 0.5, deviation: [2.0, 0.1], reach: 0.1 };
        for (wrong, key) in [
            (ViewConfig { grey: 1.5, ..view() }, "v.grey"),
            (ViewConfig { jitter: Some(jitter), ..view() }, "v.jitter"),
            (ViewConfig { blur: Some(blur), ..view() }, "v.blur"),
            (ViewConfig { crop: CropConfig { size: 0, ..CropConfig::default() }, ..view() }, "v.crop.size"),
        ] {
            let error = wrong.check("v").unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
