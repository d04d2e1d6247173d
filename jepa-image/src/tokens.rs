//! From pictures to patches.

use jepa_core::error::{Error, Result};

use crate::data::{Normalise, Picture};

/// How a square picture is cut.
#[derive(Debug, Clone)]
pub struct Patches {
    /// Pixels along a side of a patch.
    pub patch: usize,
    /// Rows of patches.
    pub rows: usize,
    /// Columns of patches.
    pub columns: usize,
    normalise: Normalise,
}

impl Patches {
    /// Checks that patches of `patch` pixels tile pictures of `height` x `width`.
    pub fn new(height: usize, width: usize, patch: usize, normalise: &Normalise) -> Result<Self> {
        if patch == 0
            || height < patch
            || width < patch
            || !height.is_multiple_of(patch)
            || !width.is_multiple_of(patch)
        {
            return Err(Error::config(
                "model.patch",
                format!("patches of {patch} pixels do not tile pictures of {height} x {width}"),
            ));
        }
        let channels = normalise.mean.len();
        if !matches!(channels, 1 | 3) || normalise.std.len() != channels || !normalise.std.iter().all(|s| *s > 0.0) {
            return Err(Error::config(
                "model.normalise",
                "mean and std need one value for grey or three for colour pictures, std above 0",
            ));
        }
        Ok(Self { patch, rows: height / patch, columns: width / patch, normalise: normalise.clone() })
    }

    /// Channels of a picture.
    pub fn channels(&self) -> usize {
        self.normalise.mean.len()
    }

    /// Patches of a picture.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// Values of a patch.
    pub fn values(&self) -> usize {
        self.channels() * self.patch * self.patch
    }

    /// Appends the normalised patches of a picture, row by row; within a patch the order is channel, row, column, as a
    /// convolution kernel reads it.
    pub fn cut(&self, picture: &Picture, out: &mut Vec<f32>) -> Result<()> {
        let (height, width) = (self.rows * self.patch, self.columns * self.patch);
        if (picture.height, picture.width) != (height, width) {
            return Err(Error::data(
                "picture",
                format!("has {} x {} pixels, expected {height} x {width}", picture.height, picture.width),
            ));
        }
        self.cut_planes(&self.planes(picture)?, out);
        Ok(())
    }

    /// The normalised planes of a picture of any size, [channels, height, width].
    pub fn planes(&self, picture: &Picture) -> Result<Vec<f32>> {
        let mut planes = Vec::with_capacity(picture.pixels.len());
        self.normalise.to_planar(&picture.to_channels(self.channels())?, &mut planes)?;
        Ok(planes)
    }

    /// The picture that patches came from, grey or RGB.
    pub fn joined(&self, patches: &[f32]) -> Picture {
        let (channels, width) = (self.channels(), self.columns * self.patch);
        let mut pixels = vec![0u8; channels * self.rows * self.patch * width];
        for (at, value) in patches.iter().enumerate() {
            let (token, inside) = (at / self.values(), at % self.values());
            let (channel, y, x) = (inside / self.patch.pow(2), inside / self.patch % self.patch, inside % self.patch);
            let (row, column) = (token / self.columns * self.patch + y, token % self.columns * self.patch + x);
            let shade = value * self.normalise.std[channel] + self.normalise.mean[channel];
            if let Some(pixel) = pixels.get_mut((row * width + column) * channels + channel) {
                *pixel = (255.0 * shade).round().clamp(0.0, 255.0) as u8;
            }
        }
        Picture { width, height: self.rows * self.patch, channels, pixels }
    }

    /// Appends the patches of normalised planes, [channels, height, width].
    pub fn cut_planes(&self, planes: &[f32], out: &mut Vec<f32>) {
        let (height, width) = (self.rows * self.patch, self.columns * self.patch);
        for row in 0..self.rows {
            for column in 0..self.columns {
                for channel in 0..self.channels() {
                    for y in row * self.patch..(row + 1) * self.patch {
                        let start = (channel * height + y) * width + column * self.patch;
                        out.extend_from_slice(&planes[start..start + self.patch]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_read_as_a_convolution_kernel_reads_them() {
        let plain = Normalise { mean: vec![0.0; 3], std: vec![1.0; 3] };
        let patches = Patches::new(4, 6, 2, &plain).unwrap();
        let planes: Vec<f32> = (0..3 * 4 * 6).map(|i| i as f32).collect();
        let mut out = Vec::new();
        patches.cut_planes(&planes, &mut out);
        assert_eq!(out.len(), 6 * 12);
        // Patch (row 1, column 2): rows 2..4, columns 4..6 of each plane of 24 values.
        let expected = [16, 17, 22, 23, 40, 41, 46, 47, 64, 65, 70, 71].map(|v| v as f32);
        assert_eq!(out[5 * 12..], expected);
    }

    #[test]
    fn a_picture_cut_into_patches_is_joined_to_the_same_picture() {
        for (channels, normalise) in [(1, Normalise::fashion_mnist()), (3, Normalise::imagenet())] {
            let patches = Patches::new(8, 12, 4, &normalise).unwrap();
            let pixels = (0..8 * 12 * channels).map(|i| (i * 37 % 256) as u8).collect();
            let picture = Picture::new(12, 8, channels, pixels).unwrap();
            let mut values = Vec::new();
            patches.cut(&picture, &mut values).unwrap();
            assert_eq!(patches.joined(&values), picture);
        }
    }
}
