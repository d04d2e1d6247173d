//! Affine maps of the plane.

/// q = matrix · p + shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    matrix: [[f32; 2]; 2],
    shift: [f32; 2],
}

impl Affine {
    /// A turn by `angle` and a growth by `zoom` about `centre`, then a move by `shift`.
    pub fn about(centre: [f32; 2], angle: f32, zoom: f32, shift: [f32; 2]) -> Self {
        let (sin, cos) = angle.sin_cos();
        let matrix = [[zoom * cos, -zoom * sin], [zoom * sin, zoom * cos]];
        let turned = times(matrix, centre);
        Self { matrix, shift: std::array::from_fn(|i| centre[i] + shift[i] - turned[i]) }
    }

    /// Where a point goes.
    pub fn apply(&self, point: [f32; 2]) -> [f32; 2] {
        let turned = times(self.matrix, point);
        std::array::from_fn(|i| turned[i] + self.shift[i])
    }

    /// The map back.
    pub fn inverse(&self) -> Self {
        let [[a, b], [c, d]] = self.matrix;
        let determinant = a * d - b * c;
        let matrix = [[d, -b], [-c, a]].map(|row| row.map(|v| v / determinant));
        Self { matrix, shift: times(matrix, self.shift).map(|v| -v) }
    }
}

fn times([[a, b], [c, d]]: [[f32; 2]; 2], [x, y]: [f32; 2]) -> [f32; 2] {
    [a * x + b * y, c * x + d * y]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_back_undoes_the_map_and_its_centre_only_moves() {
        let map = Affine::about([3.0, 4.0], 0.3, 1.2, [1.0, -2.0]);
        let centre = map.apply([3.0, 4.0]);
        assert!((centre[0] - 4.0).abs() < 1e-5 && (centre[1] - 2.0).abs() < 1e-5);
        let back = map.inverse().apply(map.apply([10.0, -7.0]));
        assert!((back[0] - 10.0).abs() < 1e-4 && (back[1] + 7.0).abs() < 1e-4);
    }
}
