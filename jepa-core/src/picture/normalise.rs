//! From bytes to the numbers a network reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Picture;
use crate::error::{Error, Result};

/// Per channel: `(value / 255 - mean) / std`, as torchvision's `ToTensor` and `Normalize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// Mean of each channel on the scale 0 to 1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel on the scale 0 to 1.
    pub std: Vec<f32>,
}

impl Normalise {
    /// RGB statistics of ImageNet, as in every configuration of I-JEPA (`src/transforms.py`).
    pub fn imagenet() -> Self {
        Self { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// Grey statistics of Fashion-MNIST, measured on its 60,000 training images.
    pub fn fashion_mnist() -> Self {
        Self { mean: vec![0.2860], std: vec![0.3530] }
    }

    /// Appends the `[channels, height, width]` values of `picture` to `out`. Fails when the picture's channels are not
    /// those of the statistics, or when these are unusable.
    pub fn to_planar(&self, picture: &Picture, out: &mut Vec<f32>) -> Result<()> {
        let channels = picture.channels;
        if self.mean.len() != channels || self.std.len() != channels {
            let found = format!("{} means and {} deviations for {channels} channels", self.mean.len(), self.std.len());
            return Err(Error::config("normalise", format!("expected one of each per channel, found {found}")));
        }
        if !self.mean.iter().all(|mean| mean.is_finite()) || !self.std.iter().all(|std| std.is_finite() && *std > 0.0) {
            return Err(Error::config("normalise", format!("expected finite means and positive deviations: {self:?}")));
        }
        out.reserve(picture.pixels.len());
        for (channel, (mean, std)) in self.mean.iter().zip(&self.std).enumerate() {
            // A byte has few values: a table spares the divisions and gives the same bits.
            let table: [f32; 256] = std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std);
            out.extend(picture.pixels.iter().skip(channel).step_by(channels).map(|&value| table[usize::from(value)]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_follow_each_other_and_are_appended() {
        let picture = Picture::new(2, 1, 3, vec![0, 255, 51, 102, 153, 204]).unwrap();
        let plain = Normalise { mean: vec![0.0; 3], std: vec![1.0; 3] };
        let mut out = vec![7.0];
        plain.to_planar(&picture, &mut out).unwrap();
        assert_eq!(out, [7.0, 0.0, 0.4, 1.0, 0.6, 0.2, 0.8]);
        out.clear();
        Normalise::imagenet().to_planar(&picture, &mut out).unwrap();
        assert_eq!(out[0], (0.0 - 0.485) / 0.229);
        assert_eq!(out[5], (0.8 - 0.406) / 0.225);
    }

    #[test]
    fn statistics_that_do_not_fit_are_refused() {
        let picture = Picture::new(1, 1, 1, vec![0]).unwrap();
        for bad in [
            Normalise::imagenet(),
            Normalise { mean: vec![0.0], std: vec![0.0] },
            Normalise { mean: vec![f32::NAN], std: vec![1.0] },
            Normalise { mean: vec![], std: vec![] },
        ] {
            let mut out = Vec::new();
            assert!(bad.to_planar(&picture, &mut out).is_err(), "{bad:?}");
            assert!(out.is_empty());
        }
    }
}
