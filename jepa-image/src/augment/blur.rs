//! Gaussian blur with torchvision's kernel and border.

use jepa_core::picture::Picture;

/// `picture` convolved with a Gaussian of `deviation` pixels, cut off at a square of `kernel` pixels (odd) and summing to
/// one; what lies beyond the border is the picture mirrored there. A kernel that reaches beyond the mirror is cut down.
pub fn blurred(picture: Picture, kernel: usize, deviation: f32) -> Picture {
    let Picture { width, height, channels, .. } = picture;
    let reach = (kernel / 2).min(width.min(height).saturating_sub(1));
    let weights = weights(reach, deviation);
    let line = |from: &[f32], at: usize, stride: usize, side: usize| -> f32 {
        weights.iter().enumerate().map(|(i, w)| w * from[mirrored(at + i, reach, side) * stride]).sum()
    };
    let mut result = picture;
    for channel in 0..channels {
        let plane: Vec<f32> = result.pixels.iter().skip(channel).step_by(channels).map(|v| f32::from(*v)).collect();
        let mut rows = Vec::with_capacity(plane.len());
        for row in plane.chunks_exact(width) {
            rows.extend((0..width).map(|x| line(row, x, 1, width)));
        }
        for y in 0..height {
            for x in 0..width {
                let value = line(&rows[x..], y, width, height);
                result.pixels[(y * width + x) * channels + channel] = value.round_ties_even().clamp(0.0, 255.0) as u8;
            }
        }
    }
    result
}

/// The values of a Gaussian at −reach..=reach, summing to one.
fn weights(reach: usize, deviation: f32) -> Vec<f32> {
    let reach = reach as i32;
    let values: Vec<f32> = (-reach..=reach).map(|x| (-0.5 * (x as f32 / deviation).powi(2)).exp()).collect();
    let sum: f32 = values.iter().sum();
    values.into_iter().map(|value| value / sum).collect()
}

/// Place `at` − `reach` of a line of `side` values, mirrored at its ends without repeating them.
fn mirrored(at: usize, reach: usize, side: usize) -> usize {
    let place = at.abs_diff(reach);
    if place < side { place } else { 2 * (side - 1) - place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_stays_and_a_point_spreads_evenly() {
        let flat = Picture::new(5, 4, 3, vec![77; 60]).unwrap();
        assert_eq!(blurred(flat.clone(), 3, 1.0), flat);
        let mut point = Picture::new(5, 5, 1, vec![0; 25]).unwrap();
        point.pixels[12] = 255;
        let spread = blurred(point.clone(), 3, 1.0).pixels;
        assert_eq!([spread[7], spread[11], spread[13], spread[17]], [spread[7]; 4]);
        assert!(spread[12] > spread[7] && spread[7] > spread[6] && spread[0] == 0);
        assert_eq!(blurred(point.clone(), 3, 1e-3), point);
    }

    #[test]
    fn a_kernel_larger_than_the_picture_is_cut_down() {
        let small = Picture::new(2, 3, 1, vec![0, 255, 0, 255, 0, 255]).unwrap();
        assert_eq!(blurred(small, 23, 5.0).pixels.len(), 6);
        let one = Picture::new(1, 1, 1, vec![9]).unwrap();
        assert_eq!(blurred(one.clone(), 3, 1.0), one);
    }
}
