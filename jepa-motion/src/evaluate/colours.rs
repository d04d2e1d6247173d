//! Flow as colour: the direction is the hue, the length the saturation (Baker et al. 2011, the Middlebury wheel).

use jepa_core::error::{Error, Result};

use crate::data::{Flow, FramePair};

/// Steps from red to yellow, green, cyan, blue, magenta, and back: as many as the eye tells apart.
const STEPS: [usize; 6] = [15, 6, 4, 11, 13, 6];
/// All of them.
const COUNT: usize = 55;
/// Pixels between pictures of a sheet.
const GAP: usize = 4;

/// The colours of the wheel.
pub fn wheel() -> [[u8; 3]; COUNT] {
    let mut wheel = [[0; 3]; COUNT];
    let mut colours = wheel.iter_mut();
    for (segment, steps) in STEPS.into_iter().enumerate() {
        // One channel is full, one grows (even segments) or falls (odd ones).
        let (full, moving) = ([0, 1, 1, 2, 2, 0][segment], [1, 0, 2, 1, 0, 2][segment]);
        for (step, colour) in (0..steps).zip(colours.by_ref()) {
            let share = (255 * step / steps) as u8;
            colour[full] = 255;
            colour[moving] = if segment % 2 == 0 { share } else { 255 - share };
        }
    }
    wheel
}

/// The length of the longest known vector.
pub fn longest(flow: &Flow) -> f32 {
    flow.vectors().map(|[u, v]| u.hypot(v)).fold(0.0, f32::max)
}

/// RGB of every pixel, row by row; a vector of length `most` has the full colour of its direction, no motion is white.
/// Unknown pixels are black.
pub fn colours(flow: &Flow, most: f32) -> Vec<u8> {
    let wheel = wheel();
    let colour = |[u, v]: [f32; 2]| -> [u8; 3] {
        let (u, v) = (u / (most + 1e-5), v / (most + 1e-5));
        let radius = u.hypot(v);
        let angle = (-v).atan2(-u) / std::f32::consts::PI;
        let at = (angle + 1.0) / 2.0 * (COUNT - 1) as f32;
        let low = (at as usize).min(COUNT - 1);
        let (a, b, share) = (wheel[low], wheel[(low + 1) % COUNT], at - low as f32);
        std::array::from_fn(|i| {
            let full = ((1.0 - share) * f32::from(a[i]) + share * f32::from(b[i])) / 255.0;
            let seen = if radius <= 1.0 { 1.0 - radius * (1.0 - full) } else { 0.75 * full };
            (255.0 * seen) as u8
        })
    };
    let pixels = flow.values().iter().zip(flow.known());
    pixels.flat_map(|(vector, known)| if *known { colour(*vector) } else { [0; 3] }).collect()
}

/// Both frames, the true flow and found ones beside each other, all with the scale of the truth, as a PNG.
pub fn sheet(pair: &FramePair, truth: &Flow, found: &[&Flow]) -> Result<Vec<u8>> {
    let most = longest(truth).max(1.0);
    let mut pictures = vec![pair.first().pixels.clone(), pair.second().pixels.clone(), colours(truth, most)];
    pictures.extend(found.iter().map(|flow| colours(flow, most)));
    let (width, height) = (pair.first().width, pair.first().height);
    let (pixels, wide) = beside(&pictures, width, height);
    png(&pixels, wide, height)
}

/// Pictures of one size in a row, and the width of it.
pub(crate) fn beside(pictures: &[Vec<u8>], width: usize, height: usize) -> (Vec<u8>, usize) {
    let wide = pictures.len() * (width + GAP) - GAP;
    let mut pixels = Vec::with_capacity(3 * wide * height);
    for row in 0..height {
        for (at, picture) in pictures.iter().enumerate() {
            if at > 0 {
                pixels.extend([255; 3 * GAP]);
            }
            pixels.extend_from_slice(&picture[3 * row * width..3 * (row + 1) * width]);
        }
    }
    (pixels, wide)
}

fn png(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>> {
    let failed = |error: png::EncodingError| Error::Engine(format!("encoding a picture failed: {error}"));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheel_has_the_recorded_colours() {
        let wheel = wheel();
        for (at, colour) in [
            (0, [255, 0, 0]),
            (14, [255, 238, 0]),
            (15, [255, 255, 0]),
            (20, [43, 255, 0]),
            (21, [0, 255, 0]),
            (24, [0, 255, 191]),
            (25, [0, 255, 255]),
            (35, [0, 24, 255]),
            (36, [0, 0, 255]),
            (48, [235, 0, 255]),
            (49, [255, 0, 255]),
            (54, [255, 0, 43]),
        ] {
            assert_eq!(wheel[at], colour, "{at}");
        }
    }

    #[test]
    fn flows_have_the_recorded_colours_and_unknown_ones_none() {
        let values =
            vec![[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.5, 0.5], [3.0, 4.0], [-2.0, 2.0], [0.0; 2]];
        let flow = Flow::whole(4, 2, values).unwrap();
        let expected = [
            [255, 204, 204],
            [255, 249, 204],
            [204, 245, 255],
            [221, 204, 255],
            [255, 235, 218],
            [255, 135, 0],
            [128, 255, 110],
            [255, 255, 255],
        ];
        assert_eq!(longest(&flow), 5.0);
        for (found, expected) in colours(&flow, longest(&flow)).chunks_exact(3).zip(expected) {
            assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{found:?} {expected:?}");
        }
        let holes = Flow::new(2, 1, vec![[1.0, 0.0]; 2], vec![true, false]).unwrap();
        assert_eq!(colours(&holes, 1.0)[3..], [0; 3]);
    }
}
