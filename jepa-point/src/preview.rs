//! A sample as a picture: the cloud seen from the front and a little above, nearer points brighter.

use jepa_core::plugin::Preview;

use crate::data::Cloud;

/// Pixels along a side.
const SIDE: usize = 96;

/// The cloud in RGB; tokens have no grid, they are counted in one row.
pub fn preview(cloud: &Cloud, tokens: usize) -> Preview {
    let (low, high) = cloud.bounds();
    let size = (0..3).map(|axis| high[axis] - low[axis]).fold(f32::MIN_POSITIVE, f32::max);
    let middle: [f32; 3] = std::array::from_fn(|axis| 0.5 * (low[axis] + high[axis]));
    let mut rgb = vec![0u8; SIDE * SIDE * 3];
    let mut nearest = vec![f32::NEG_INFINITY; SIDE * SIDE];
    let (sin, cos) = 0.4f32.sin_cos();
    for point in cloud.points() {
        let [x, y, z]: [f32; 3] = std::array::from_fn(|axis| (point[axis] - middle[axis]) / size);
        let (up, near) = (y * cos - z * sin, y * sin + z * cos);
        let place = |v: f32| ((0.5 + 0.65 * v) * SIDE as f32).clamp(0.0, SIDE as f32 - 1.0) as usize;
        let at = place(-up) * SIDE + place(x);
        if near > nearest[at] {
            nearest[at] = near;
            let light = (150.0 + 130.0 * near).clamp(40.0, 255.0) as u8;
            rgb[3 * at..3 * at + 3].copy_from_slice(&[light / 2, (f32::from(light) * 0.8) as u8, light]);
        }
    }
    Preview { width: SIDE, height: SIDE, rgb, grid: [1, tokens], panels: 1 }
}
