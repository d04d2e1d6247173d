//! Resizing as Pillow does it: antialiased bilinear on bytes, equal to the last bit.
//!
//! Written out because the general library for it (`fast_image_resize`) takes most of a minute to compile into this
//! crate and is equal to within one level only. Follows Pillow's `src/libImaging/Resample.c`: along the rows first,
//! then along the columns, with weights of 22 fractional bits. The build of Pillow 13 that we compared with takes the
//! columns first for some tall pictures; there the results differ by at most one level.

use super::{MAX_SIDE, Picture};
use crate::error::{Error, Result};

/// Fractional bits of a weight (Pillow: `32 - 8 - 2`).
const BITS: u32 = 22;

/// `picture` at `width` x `height`; unchanged when it has that size. Fails for a side of 0 or beyond four times
/// [`MAX_SIDE`].
pub(super) fn resize(picture: Picture, width: usize, height: usize) -> Result<Picture> {
    let largest = 4 * MAX_SIDE as usize;
    if width == 0 || height == 0 || width.max(height) > largest {
        let spec = format!("picture of {}x{}", picture.width, picture.height);
        return Err(Error::data(
            spec,
            format!("cannot be resized to {width}x{height}: expected 1 to {largest} a side"),
        ));
    }
    // The fields are public: a picture made by hand is checked before its rows are counted on.
    let mut picture = Picture::new(picture.width, picture.height, picture.channels, picture.pixels)?;
    if width != picture.width {
        let taps = taps(picture.width, width);
        let pixels = match picture.channels {
            1 => across::<1>(&picture, &taps),
            _ => across::<3>(&picture, &taps),
        };
        picture = Picture { width, pixels, ..picture };
    }
    if height != picture.height {
        let pixels = down(&picture, &taps(picture.height, height));
        picture = Picture { height, pixels, ..picture };
    }
    Ok(picture)
}

/// The input pixels that one output pixel is made of.
struct Taps {
    start: usize,
    weights: Vec<i32>,
}

/// A triangle around each output pixel, as wide as the larger of the two pixel sizes.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let one = |x: usize| {
        let centre = (x as f64 + 0.5) * scale;
        // A cast cuts off towards zero and below zero, as Pillow's does.
        let start = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let triangle = |i: usize| (1.0 - ((i as f64 - centre + 0.5) * (1.0 / support)).abs()).max(0.0);
        let sum: f64 = (start..end).map(triangle).sum();
        let fixed = |i: usize| (0.5 + triangle(i) / sum * f64::from(1 << BITS)) as i32;
        Taps { start, weights: (start..end).map(fixed).collect() }
    };
    (0..to).map(one).collect()
}

fn across<const C: usize>(picture: &Picture, taps: &[Taps]) -> Vec<u8> {
    let mut out = Vec::with_capacity(taps.len() * picture.height * C);
    for row in picture.pixels.chunks_exact(picture.width * C) {
        let (row, _) = row.as_chunks::<C>();
        for Taps { start, weights } in taps {
            let mut sums = [1 << (BITS - 1); C];
            for (pixel, weight) in row[*start..].iter().zip(weights) {
                for c in 0..C {
                    sums[c] += i32::from(pixel[c]) * weight;
                }
            }
            out.extend(sums.map(byte));
        }
    }
    out
}

fn down(picture: &Picture, taps: &[Taps]) -> Vec<u8> {
    let length = picture.width * picture.channels;
    let mut out = Vec::with_capacity(taps.len() * length);
    let mut sums = vec![0; length];
    for Taps { start, weights } in taps {
        sums.fill(1 << (BITS - 1));
        for (row, weight) in picture.pixels.chunks_exact(length).skip(*start).zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        out.extend(sums.iter().copied().map(byte));
    }
    out
}

fn byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_come_out_as_from_pillow() {
        let value = |i: usize| (i * i * 7 + i * 13 + (i >> 3) * 91) as u8;
        let grey = Picture::new(7, 5, 1, (0..35).map(value).collect()).unwrap();
        let colour = Picture::new(5, 4, 3, (0..60).map(value).collect()).unwrap();
        // Image.frombytes(..).resize((width, height), BILINEAR) of Pillow 13.
        assert_eq!(resize(grey.clone(), 3, 2).unwrap().pixels, [83, 106, 162, 118, 101, 157]);
        assert_eq!(
            resize(grey.clone(), 9, 5).unwrap().pixels[..18],
            [0, 13, 35, 65, 102, 150, 206, 185, 74, 178, 147, 76, 39, 153, 78, 154, 208, 163]
        );
        assert_eq!(
            resize(colour, 2, 6).unwrap().pixels,
            [
                59, 121, 148, 98, 162, 99, 91, 115, 143, 93, 146, 131, 128, 124, 137, 101, 134, 173, 153, 187, 136,
                153, 148, 210, 155, 180, 111, 152, 149, 160, 151, 157, 87, 138, 146, 100
            ]
        );
        assert_eq!(resize(grey.clone(), 7, 5).unwrap(), grey);
    }

    #[test]
    fn one_colour_stays_that_colour_at_any_size() {
        for (width, height) in [(1, 1), (3, 50), (224, 7), (1000, 1)] {
            let picture = Picture::new(31, 17, 3, [255, 0, 128].repeat(31 * 17)).unwrap();
            let resized = resize(picture, width, height).unwrap();
            assert_eq!(resized.pixels, [255, 0, 128].repeat(width * height), "{width}x{height}");
        }
    }

    #[test]
    fn a_size_of_nothing_or_beyond_reason_is_an_error() {
        for (width, height) in [(0, 4), (4, 0), (usize::MAX, 1)] {
            assert!(resize(Picture::new(2, 2, 1, vec![0; 4]).unwrap(), width, height).is_err());
        }
        assert!(resize(Picture { width: 0, height: 2, channels: 1, pixels: vec![] }, 4, 4).is_err());
    }
}
