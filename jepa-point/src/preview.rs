//! A sample as a picture: the cloud seen from the front and a little above, nearer points brighter.

use jepa_core::plugin::{Points, Preview, Scene};

use crate::data::Cloud;

/// Pixels along a side.
const SIDE: usize = 128;
/// Pixels along a side of a point.
const DOT: usize = 2;

/// The cloud in RGB; tokens have no grid, they are counted in one row.
pub fn preview(cloud: &Cloud, tokens: usize) -> Preview {
    let mut rgb = vec![0u8; SIDE * SIDE * 3];
    for (at, seen) in front(cloud.points()).into_iter().enumerate() {
        let Some((_, near)) = seen else { continue };
        let light = (150.0 + 130.0 * near).clamp(40.0, 255.0) as u8;
        rgb[3 * at..3 * at + 3].copy_from_slice(&[light / 2, (f32::from(light) * 0.8) as u8, light]);
    }
    Preview { width: SIDE, height: SIDE, rgb, grid: [1, tokens] }
}

/// Token that each pixel of the picture of `points` shows: that of the nearest of `centres`.
pub fn shown(points: &[[f32; 3]], centres: &[[f32; 3]]) -> Vec<Option<u32>> {
    front(points).into_iter().map(|seen| nearest(&points[seen?.0], centres)).collect()
}

/// The cloud in space; the token of a point is that of the nearest of `centres`.
pub fn scene(points: &[[f32; 3]], centres: &[[f32; 3]]) -> Scene {
    Scene::Points(Points {
        frames: vec![points.iter().copied().map(Some).collect()],
        tokens: vec![points.iter().map(|point| nearest(point, centres)).collect()],
        bones: Vec::new(),
        rate: 1.0,
    })
}

fn nearest(point: &[f32; 3], centres: &[[f32; 3]]) -> Option<u32> {
    let distance = |other: &[f32; 3]| (0..3).map(|axis| (point[axis] - other[axis]).powi(2)).sum::<f32>();
    let order = |a: &usize, b: &usize| distance(&centres[*a]).total_cmp(&distance(&centres[*b]));
    (0..centres.len()).min_by(order).map(|token| token as u32)
}

/// The point that each pixel shows, and how near it is.
fn front(points: &[[f32; 3]]) -> Vec<Option<(usize, f32)>> {
    let bound = |axis: usize, start: f32, pick: fn(f32, f32) -> f32| points.iter().map(|p| p[axis]).fold(start, pick);
    let low: [f32; 3] = std::array::from_fn(|axis| bound(axis, f32::INFINITY, f32::min));
    let high: [f32; 3] = std::array::from_fn(|axis| bound(axis, f32::NEG_INFINITY, f32::max));
    let size = (0..3).map(|axis| high[axis] - low[axis]).fold(f32::MIN_POSITIVE, f32::max);
    let middle: [f32; 3] = std::array::from_fn(|axis| 0.5 * (low[axis] + high[axis]));
    let mut seen: Vec<Option<(usize, f32)>> = vec![None; SIDE * SIDE];
    let (sin, cos) = 0.4f32.sin_cos();
    for (i, point) in points.iter().enumerate() {
        let [x, y, z]: [f32; 3] = std::array::from_fn(|axis| (point[axis] - middle[axis]) / size);
        let (up, near) = (y * cos - z * sin, y * sin + z * cos);
        let place = |v: f32| ((0.5 + 0.65 * v) * SIDE as f32).clamp(0.0, (SIDE - DOT) as f32) as usize;
        for (dy, dx) in (0..DOT).flat_map(|dy| (0..DOT).map(move |dx| (dy, dx))) {
            let pixel = &mut seen[(place(-up) + dy) * SIDE + place(x) + dx];
            if pixel.is_none_or(|(_, other)| near > other) {
                *pixel = Some((i, near));
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_show_the_group_of_the_point_they_show_and_empty_ones_none() {
        let points = [[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]];
        let tokens = shown(&points, &points);
        let picture = preview(&Cloud::new(points.to_vec()).unwrap(), 2);
        for (token, rgb) in tokens.iter().zip(picture.rgb.chunks_exact(3)) {
            assert_eq!(token.is_some(), rgb != [0; 3]);
        }
        let first = tokens.iter().flatten().next();
        assert_eq!(first, Some(&1), "the upper point is met first");
        assert_eq!(tokens.iter().flatten().count(), 2 * DOT * DOT);
        let scene = scene(&points, &points);
        assert_eq!((scene.frames(), scene.tokens(0)), (1, &[Some(0), Some(1)][..]));
    }
}
