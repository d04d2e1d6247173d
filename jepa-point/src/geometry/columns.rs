//! Points as three arrays.

use super::LANES;

/// Points as one array a coordinate, filled up to whole registers with points at infinity. Coordinates are expected to
/// be finite, as those of a [`Cloud`](crate::data::Cloud) are.
#[derive(Debug, Clone)]
pub struct Columns {
    axes: [Vec<f32>; 3],
    len: usize,
}

impl Columns {
    /// The columns of [count][x, y, z].
    pub fn new(points: &[[f32; 3]]) -> Self {
        let filled = points.len().next_multiple_of(LANES);
        let column = |axis: usize| {
            let mut column: Vec<f32> = points.iter().map(|point| point[axis]).collect();
            column.resize(filled, f32::INFINITY);
            column
        };
        Self { axes: [column(0), column(1), column(2)], len: points.len() }
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
        [self.axes[0][index], self.axes[1][index], self.axes[2][index]]
    }

    /// Number of points with what fills the last register.
    pub(super) fn filled(&self) -> usize {
        self.axes[0].len()
    }

    /// The coordinates; what is beyond the last point is infinite.
    pub(super) fn axes(&self) -> [&[f32]; 3] {
        [&self.axes[0], &self.axes[1], &self.axes[2]]
    }

    /// The coordinates, sixteen at a time.
    pub(super) fn chunks(&self) -> [&[[f32; LANES]]; 3] {
        let [x, y, z] = self.axes();
        [x.as_chunks().0, y.as_chunks().0, z.as_chunks().0]
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
