//! What of a pair of frames a network sees: one box of both, as numbers in [0, 1].

use jepa_core::error::{Error, Result};
use jepa_core::picture::Picture;
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::FramePair;

/// Longest side that frames are resized to.
const MAX_SIDE: usize = 4096;

/// How frames are cut for training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameConfig {
    /// Rows and columns, multiples of the encoder's coarsest step.
    pub size: [usize; 2],
    /// Smallest and largest side of the box that is cut, over that of the largest one of its shape; a box of `size` is
    /// not resized.
    pub scale: [f32; 2],
    /// Mirror every other pair, left and right, and every other one upside down.
    pub flip: bool,
}

/// A box of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
}

impl FrameConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str, stride: usize) -> Result<()> {
        if self.size.iter().any(|side| *side == 0 || side % stride != 0 || *side > MAX_SIDE) {
            let problem = format!("{:?} must be multiples of {stride} up to {MAX_SIDE}", self.size);
            return Err(Error::config(format!("{place}.size"), problem));
        }
        let [low, high] = self.scale;
        if !(0.0 < low && low <= high && high <= 1.0) {
            let problem = format!("expected 0 < smallest <= largest <= 1, found {:?}", self.scale);
            return Err(Error::config(format!("{place}.scale"), problem));
        }
        Ok(())
    }

    /// The same random box of both frames, appended to `out`: [2, rows, columns, 3].
    pub fn cut(&self, pair: &FramePair, draw: &mut impl Draw, out: &mut Vec<f32>) {
        let (width, height) = (pair.first().width, pair.first().height);
        let area = self.area([height, width], draw);
        let [mirrored, turned] = [draw.uniform(), draw.uniform()].map(|v| self.flip && v < 0.5);
        for frame in [pair.first(), pair.second()] {
            let mut pixels = resized(frame, area, self.size);
            let row = 3 * self.size[1];
            if mirrored {
                for row in pixels.chunks_exact_mut(row) {
                    row.reverse();
                    // Reversed values are reversed channels too.
                    row.chunks_exact_mut(3).for_each(<[f32]>::reverse);
                }
            }
            if turned {
                pixels = pixels.chunks_exact(row).rev().flatten().copied().collect();
            }
            out.extend(pixels);
        }
    }

    fn area(&self, [height, width]: [usize; 2], draw: &mut impl Draw) -> Area {
        let [rows, columns] = self.size.map(|side| side as f32);
        let largest = (height as f32 / rows).min(width as f32 / columns);
        let factor = largest * draw.between(self.scale[0], self.scale[1]);
        let side = |length: f32, most: usize| ((factor * length).round() as usize).clamp(1, most);
        let (rows, columns) = (side(rows, height), side(columns, width));
        let (top, left) = (draw.below(height - rows + 1), draw.below(width - columns + 1));
        Area { top, left, rows, columns }
    }
}

/// All of a picture at another size, in [0, 1]: [rows, columns, 3].
pub fn whole(picture: &Picture, size: [usize; 2]) -> Vec<f32> {
    resized(picture, Area { top: 0, left: 0, rows: picture.height, columns: picture.width }, size)
}

/// A box of an RGB picture at another size, every pixel the mean of those below a triangle around it.
fn resized(picture: &Picture, area: Area, size: [usize; 2]) -> Vec<f32> {
    let unit: Vec<f32> = (area.top..area.top + area.rows)
        .flat_map(|y| {
            let start = 3 * (y * picture.width + area.left);
            &picture.pixels[start..start + 3 * area.columns]
        })
        .map(|byte| f32::from(*byte) / 255.0)
        .collect();
    if size == [area.rows, area.columns] {
        return unit;
    }
    let taps = taps(area.columns, size[1]);
    let mut across: Vec<f32> = Vec::with_capacity(3 * area.rows * size[1]);
    for row in unit.chunks_exact(3 * area.columns) {
        for (first, weights) in &taps {
            for channel in 0..3 {
                let values = row[3 * first + channel..].iter().step_by(3);
                across.push(values.zip(weights).map(|(v, w)| v * w).sum());
            }
        }
    }
    let length = 3 * size[1];
    let mut out = Vec::with_capacity(size[0] * length);
    for (first, weights) in self::taps(area.rows, size[0]) {
        let mut sums = vec![0f32; length];
        for (row, weight) in across.chunks_exact(length).skip(first).zip(&weights) {
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += weight * v);
        }
        out.extend(sums);
    }
    out
}

/// For every output pixel the first input pixel and the weights from there on: a triangle as wide as the larger pixel.
fn taps(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f32 / to as f32;
    let reach = scale.max(1.0);
    let one = |i: usize| {
        let centre = (i as f32 + 0.5) * scale - 0.5;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(from - 1);
        let weights: Vec<f32> = (first..=last).map(|j| (1.0 - (j as f32 - centre).abs() / reach).max(0.0)).collect();
        let sum: f32 = weights.iter().sum();
        (first, weights.into_iter().map(|w| w / sum).collect())
    };
    (0..to).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    fn pair(width: usize, height: usize) -> FramePair {
        let pixels = |k: usize| (0..3 * width * height).map(|i| (i * k % 251) as u8).collect();
        let picture = |k| Picture::new(width, height, 3, pixels(k)).unwrap();
        FramePair::new(picture(7), picture(13), None).unwrap()
    }

    #[test]
    fn a_box_of_the_wanted_size_is_copied_and_both_frames_get_the_same_one() {
        let config = FrameConfig { size: [4, 6], scale: [1.0, 1.0], flip: false };
        let (pair, mut out) = (pair(9, 4), Vec::new());
        config.cut(&pair, &mut Stream::new(3, Purpose::Test, 0, 1), &mut out);
        let first = |frame: &Picture, left: usize| f32::from(frame.pixels[3 * left]) / 255.0;
        let left = (0..=3).find(|left| first(pair.first(), *left) == out[0]).unwrap();
        assert_eq!((out.len(), out[4 * 6 * 3]), (2 * 4 * 6 * 3, first(pair.second(), left)));
    }

    #[test]
    fn mirrored_pairs_hold_the_same_pixels() {
        let sorted = |flip: bool, sample: u64| {
            let config = FrameConfig { size: [4, 9], scale: [1.0, 1.0], flip };
            let mut out = Vec::new();
            config.cut(&pair(9, 4), &mut Stream::new(3, Purpose::Test, 0, sample), &mut out);
            let plain = out.clone();
            out.sort_by(f32::total_cmp);
            (plain, out)
        };
        let plain = sorted(false, 0);
        let all: Vec<_> = (0..16).map(|sample| sorted(true, sample)).collect();
        assert!(all.iter().all(|(_, values)| *values == plain.1));
        assert!(all.iter().any(|(out, _)| *out != plain.0) && all.iter().any(|(out, _)| *out == plain.0));
    }

    #[test]
    fn resizing_keeps_one_colour_and_the_mean() {
        let flat = Picture::new(7, 5, 3, vec![51; 105]).unwrap();
        for size in [[3, 4], [10, 14], [1, 1]] {
            assert!(whole(&flat, size).iter().all(|v| (v - 0.2).abs() < 1e-6));
        }
        let ramp = Picture::new(8, 1, 3, (0..24).map(|i| (i / 3 * 30) as u8).collect()).unwrap();
        let half = whole(&ramp, [1, 4]);
        assert!((half.iter().sum::<f32>() / 12.0 - 105.0 / 255.0).abs() < 1e-3, "{half:?}");
    }
}
