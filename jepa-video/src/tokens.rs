//! From frames to tubelets.

use jepa_core::error::{Error, Result};
use jepa_core::picture::Normalise;

/// How frames of one size are cut: into boxes of a few frames and a square of pixels.
#[derive(Debug, Clone)]
pub struct Tubelets {
    /// Frames of a tubelet.
    pub tubelet: usize,
    /// Pixels along a side of a tubelet.
    pub patch: usize,
    /// Tubelets in time, down and across.
    pub grid: [usize; 3],
    /// Scale and shift of each channel for values from 0 to 255.
    channels: [[f32; 2]; 3],
}

impl Tubelets {
    /// Checks that tubelets of `tubelet` frames and `patch` pixels tile `frames` frames of `size` x `size`.
    pub fn new(frames: usize, size: usize, tubelet: usize, patch: usize, normalise: &Normalise) -> Result<Self> {
        let tiles = |whole: usize, part: usize| part > 0 && whole >= part && whole.is_multiple_of(part);
        if !tiles(frames, tubelet) {
            let problem = format!("tubelets of {tubelet} frames do not tile clips of {frames}");
            return Err(Error::config("model.view.tubelet", problem));
        }
        if !tiles(size, patch) {
            let problem = format!("patches of {patch} pixels do not tile frames of {size} x {size}");
            return Err(Error::config("model.view.patch", problem));
        }
        let (mean, std) = (&normalise.mean, &normalise.std);
        let sound = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        let (&[m0, m1, m2], &[s0, s1, s2]) = (mean.as_slice(), std.as_slice()) else {
            return Err(Error::config(
                "model.view.normalise",
                "clips have three colours: mean and std need three values",
            ));
        };
        if !sound {
            return Err(Error::config("model.view.normalise", "mean must be finite and std above 0"));
        }
        let channels = [[m0, s0], [m1, s1], [m2, s2]].map(|[m, s]| [m * 255.0, s * 255.0]);
        Ok(Self { tubelet, patch, grid: [frames / tubelet, size / patch, size / patch], channels })
    }

    /// Number of tubelets.
    pub fn count(&self) -> usize {
        self.grid.iter().product()
    }

    /// Values of a tubelet.
    pub fn values(&self) -> usize {
        3 * self.tubelet * self.patch * self.patch
    }

    /// Appends the normalised tubelets of `frames`, [frames, height, width, 3] with values from 0 to 255: time by time,
    /// row by row; within one the order is channel, frame, row, column, as a convolution kernel reads it.
    pub fn cut(&self, frames: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let [times, rows, columns] = self.grid;
        let (height, width) = (rows * self.patch, columns * self.patch);
        let expected = times * self.tubelet * height * width * 3;
        if frames.len() != expected {
            let problem = format!(
                "expected {} frames of {height} x {width}, {expected} values, found {}",
                times * self.tubelet,
                frames.len()
            );
            return Err(Error::data("clip", problem));
        }
        out.reserve(expected);
        let across = |n: usize| (0..n * self.patch).step_by(self.patch);
        for first in (0..times * self.tubelet).step_by(self.tubelet) {
            for (top, left) in across(rows).flat_map(|top| across(columns).map(move |left| (top, left))) {
                for (channel, [mean, std]) in self.channels.iter().enumerate() {
                    for frame in first..first + self.tubelet {
                        for y in top..top + self.patch {
                            let start = ((frame * height + y) * width + left) * 3 + channel;
                            let row = frames[start..].iter().step_by(3).take(self.patch);
                            out.extend(row.map(|value| (value - mean) / std));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tubelets_are_read_as_a_convolution_kernel_reads_them() {
        let plain = Normalise { mean: vec![0.0; 3], std: vec![1.0 / 255.0; 3] };
        let tubelets = Tubelets::new(4, 4, 2, 2, &plain).unwrap();
        // Value: frame, row, column, channel as digits.
        let frames: Vec<f32> =
            (0..4 * 4 * 4 * 3).map(|i| (i / 48 * 1000 + i / 12 % 4 * 100 + i / 3 % 4 * 10 + i % 3) as f32).collect();
        let mut out = Vec::new();
        tubelets.cut(&frames, &mut out).unwrap();
        assert_eq!((out.len(), tubelets.count(), tubelets.values()), (8 * 24, 8, 24));
        // Time 1, row 0, column 1: frames 2 and 3, rows 0 and 1, columns 2 and 3 of each channel.
        let green = [2021, 2031, 2121, 2131, 3021, 3031, 3121, 3131].map(|v| v as f32);
        assert_eq!(out[5 * 24 + 8..5 * 24 + 16], green);
        assert!(tubelets.cut(&frames[1..], &mut out).is_err());
    }

    #[test]
    fn shapes_that_do_not_tile_name_the_key() {
        let colour = Normalise::imagenet();
        for (error, key) in [
            (Tubelets::new(5, 16, 2, 4, &colour), "tubelet"),
            (Tubelets::new(4, 15, 2, 4, &colour), "patch"),
            (Tubelets::new(4, 16, 0, 4, &colour), "tubelet"),
            (Tubelets::new(4, 16, 2, 4, &Normalise { mean: vec![0.5], std: vec![0.5] }), "normalise"),
            (Tubelets::new(4, 16, 2, 4, &Normalise { mean: vec![0.5; 3], std: vec![0.0; 3] }), "normalise"),
        ] {
            assert!(error.unwrap_err().to_string().contains(&format!("model.view.{key}")));
        }
    }
}
