//! Colours disturbed, with torchvision's arithmetic on bytes: results are cut to whole levels, not rounded.

use jepa_core::picture::Picture;

/// Weights of red, green and blue in a grey value (torchvision; ITU-R 601).
const LUMA: [f32; 3] = [0.2989, 0.587, 0.114];

/// `share` of the first and the rest of the second value, as a byte.
fn blend(value: u8, other: f32, share: f32) -> u8 {
    (share * f32::from(value) + (1.0 - share) * other).clamp(0.0, 255.0) as u8
}

fn luma(pixel: &[u8]) -> u8 {
    match pixel {
        [r, g, b] => (LUMA[0] * f32::from(*r) + LUMA[1] * f32::from(*g) + LUMA[2] * f32::from(*b)) as u8,
        _ => pixel.first().copied().unwrap_or(0),
    }
}

/// Every value times `factor`.
pub fn brighter(mut picture: Picture, factor: f32) -> Picture {
    let table: [u8; 256] = std::array::from_fn(|value| blend(value as u8, 0.0, factor));
    picture.pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    picture
}

/// Every value's distance from the mean grey value times `factor`.
pub fn contrasted(mut picture: Picture, factor: f32) -> Picture {
    let channels = picture.channels;
    let sum: f64 = picture.pixels.chunks_exact(channels).map(|pixel| f64::from(luma(pixel))).sum();
    let mean = (sum / (picture.width * picture.height).max(1) as f64) as f32;
    let table: [u8; 256] = std::array::from_fn(|value| blend(value as u8, mean, factor));
    picture.pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    picture
}

/// Every value's distance from its pixel's grey value times `factor`; a grey picture stays.
pub fn saturated(mut picture: Picture, factor: f32) -> Picture {
    if picture.channels == 3 {
        for pixel in picture.pixels.chunks_exact_mut(3) {
            let grey = f32::from(luma(pixel));
            pixel.iter_mut().for_each(|value| *value = blend(*value, grey, factor));
        }
    }
    picture
}

/// The hue turned by `turn`, a full turn being 1; a grey picture stays.
pub fn hue_shifted(mut picture: Picture, turn: f32) -> Picture {
    if picture.channels == 3 {
        for pixel in picture.pixels.as_chunks_mut::<3>().0 {
            let [hue, saturation, value] = to_hsv(pixel.map(|v| f32::from(v) / 255.0));
            let turned = from_hsv([(hue + turn).rem_euclid(1.0), saturation, value]);
            *pixel = turned.map(|v| (v * (256.0 - 1e-3)) as u8);
        }
    }
    picture
}

/// Every pixel its grey value, with the number of channels kept.
pub fn greyscale(mut picture: Picture) -> Picture {
    if picture.channels == 3 {
        for pixel in picture.pixels.chunks_exact_mut(3) {
            let grey = luma(pixel);
            pixel.fill(grey);
        }
    }
    picture
}

/// Values from `threshold` on inverted.
pub fn solarised(mut picture: Picture, threshold: u8) -> Picture {
    picture.pixels.iter_mut().filter(|value| **value >= threshold).for_each(|value| *value = 255 - *value);
    picture
}

/// Hue, saturation and value, each 0 to 1.
fn to_hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let range = high - low;
    if range == 0.0 {
        return [0.0, 0.0, high];
    }
    // Distances from the strongest channel decide where between two sixths of the circle the hue lies.
    let [from_r, from_g, from_b] = [r, g, b].map(|v| (high - v) / range);
    let sixths = if high == r {
        from_b - from_g
    } else if high == g {
        2.0 + from_r - from_b
    } else {
        4.0 + from_g - from_r
    };
    [(sixths / 6.0 + 1.0) % 1.0, range / high, high]
}

fn from_hsv([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sector = (hue * 6.0).floor();
    let part = hue * 6.0 - sector;
    let level = |lost: f32| (value * (1.0 - saturation * lost)).clamp(0.0, 1.0);
    let (low, falling, rising) = (level(1.0), level(part), level(1.0 - part));
    match sector as i32 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_turn_round_the_circle_and_back() {
        let red = Picture::new(1, 1, 3, vec![255, 0, 0]).unwrap();
        assert_eq!(hue_shifted(red.clone(), 1.0 / 3.0).pixels, [0, 255, 0]);
        assert_eq!(hue_shifted(red.clone(), -1.0 / 3.0).pixels, [0, 0, 255]);
        assert_eq!(hue_shifted(red.clone(), 1.0).pixels, red.pixels);
    }

    #[test]
    fn grey_pictures_keep_their_only_channel() {
        let grey = Picture::new(2, 1, 1, vec![10, 200]).unwrap();
        for same in [saturated(grey.clone(), 0.3), hue_shifted(grey.clone(), 0.3), greyscale(grey.clone())] {
            assert_eq!(same, grey);
        }
        assert_eq!(solarised(grey.clone(), 128).pixels, [10, 55]);
        assert_eq!(contrasted(grey, 0.0).pixels, [105, 105]);
    }
}
