//! From frames to tubelets.

use jepa_core::error::{Error, Result};

use crate::data::View;

/// How frames of one size are cut: into boxes of a few frames and a square of pixels.
#[derive(Debug, Clone)]
pub struct Tubelets {
    /// Frames of a tubelet.
    pub tubelet: usize,
    /// Pixels along a side of a tubelet.
    pub patch: usize,
    /// Tubelets in time, down and across.
    pub grid: [usize; 3],
}

impl Tubelets {
    /// Checks that tubelets of `tubelet` frames and `patch` pixels tile `frames` frames of `size` x `size`.
    pub fn new(frames: usize, size: usize, tubelet: usize, patch: usize) -> Result<Self> {
        let tiles = |whole: usize, part: usize| part > 0 && whole >= part && whole.is_multiple_of(part);
        if !tiles(frames, tubelet) {
            let problem = format!("tubelets of {tubelet} frames do not tile clips of {frames}");
            return Err(Error::config("model.view.tubelet", problem));
        }
        if !tiles(size, patch) {
            let problem = format!("patches of {patch} pixels do not tile frames of {size} x {size}");
            return Err(Error::config("model.view.patch", problem));
        }
        Ok(Self { tubelet, patch, grid: [frames / tubelet, size / patch, size / patch] })
    }

    /// Number of tubelets.
    pub fn count(&self) -> usize {
        self.grid.iter().product()
    }

    /// Values of a tubelet.
    pub fn values(&self) -> usize {
        3 * self.tubelet * self.patch * self.patch
    }

    /// Appends the tubelets of a view, one stretch of time behind the other: time by time, row by row; within one the
    /// order is channel, frame, row, column, as a convolution kernel reads it. The view may hold several such stretches
    /// (segments).
    pub fn cut(&self, view: &View, out: &mut Vec<f32>) -> Result<()> {
        let [times, rows, columns] = self.grid;
        let expected = [times * self.tubelet, rows * self.patch, columns * self.patch];
        let found = [view.frames, view.height, view.width];
        if found[1..] != expected[1..] || found[0] == 0 || !found[0].is_multiple_of(expected[0]) {
            let problem = format!("has frames, rows and columns {found:?}, expected {expected:?}");
            return Err(Error::data("clip", problem));
        }
        let [frames, height, width] = found;
        out.reserve(view.values.len());
        let across = |n: usize| (0..n * self.patch).step_by(self.patch);
        for first in (0..frames).step_by(self.tubelet) {
            for (top, left) in across(rows).flat_map(|top| across(columns).map(move |left| (top, left))) {
                for channel in 0..3 {
                    for frame in first..first + self.tubelet {
                        for y in top..top + self.patch {
                            let start = ((channel * frames + frame) * height + y) * width + left;
                            out.extend_from_slice(&view.values[start..start + self.patch]);
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
        let tubelets = Tubelets::new(4, 4, 2, 2).unwrap();
        // Value: channel, frame, row, column as digits.
        let values = (0..3 * 4 * 4 * 4).map(|i| (i / 64 * 1000 + i / 16 % 4 * 100 + i / 4 % 4 * 10 + i % 4) as f32);
        let view = View { frames: 4, height: 4, width: 4, values: values.collect() };
        let mut out = Vec::new();
        tubelets.cut(&view, &mut out).unwrap();
        assert_eq!((out.len(), tubelets.count(), tubelets.values()), (8 * 24, 8, 24));
        // Time 1, row 0, column 1: frames 2 and 3, rows 0 and 1, columns 2 and 3 of each channel.
        let green = [1202, 1203, 1212, 1213, 1302, 1303, 1312, 1313].map(|v| v as f32);
        assert_eq!(out[5 * 24 + 8..5 * 24 + 16], green);
        assert!(tubelets.cut(&View { frames: 3, ..view }, &mut out).is_err());
    }

    #[test]
    fn shapes_that_do_not_tile_name_the_key() {
        for (error, key) in [
            (Tubelets::new(5, 16, 2, 4), "tubelet"),
            (Tubelets::new(4, 15, 2, 4), "patch"),
            (Tubelets::new(4, 16, 0, 4), "tubelet"),
        ] {
            assert!(error.unwrap_err().to_string().contains(&format!("model.view.{key}")));
        }
    }
}
