//! Points as three arrays.

use super::LANES;

/// Points as one array a coordinate, filled up to whole registers with points at infinity. Coordinates are expected to
/// be finite, as those of a [`Cloud`](crate::data::Cloud) are.
#[derive(Debug, Clone)]
pub struct Columns {
    x: Vec<[f32; LANES]>,
    y: Vec<[f32; LANES]>,
    z: Vec<[f32; LANES]>,
    len: usize,
}

impl Columns {
    /// The columns of [count][x, y, z].
    pub fn new(points: &[[f32; 3]]) -> Self {
        let column = |axis: usize| {
            let chunk = |chunk: &[[f32; 3]]| {
                let mut lanes = [f32::INFINITY; LANES];
                for (lane, point) in lanes.iter_mut().zip(chunk) {
                    *lane = point[axis];
                }
                lanes
            };
            points.chunks(LANES).map(chunk).collect::<Vec<_>>()
        };
        Self { x: column(0), y: column(1), z: column(2), len: points.len() }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Point `index`.
    ///
    /// # Panics
    /// When there are not that many points.
    pub fn point(&self, index: usize) -> [f32; 3] {
        let (chunk, lane) = (index / LANES, index % LANES);
        [self.x[chunk][lane], self.y[chunk][lane], self.z[chunk][lane]]
    }

    /// The coordinates, sixteen at a time; what is beyond the last point is infinite.
    pub(super) fn chunks(&self) -> [&[[f32; LANES]]; 3] {
        // One length for all three lets the compiler drop the bounds checks.
        let count = self.x.len();
        [&self.x[..count], &self.y[..count], &self.z[..count]]
    }
}

/// Squared distances of sixteen points to one.
#[inline(always)]
pub(super) fn squared(x: &[f32; LANES], y: &[f32; LANES], z: &[f32; LANES], to: [f32; 3]) -> [f32; LANES] {
    let mut d = [0f32; LANES];
    for i in 0..LANES {
        let (dx, dy, dz) = (x[i] - to[0], y[i] - to[1], z[i] - to[2]);
        d[i] = dx * dx + dy * dy + dz * dz;
    }
    d
}
