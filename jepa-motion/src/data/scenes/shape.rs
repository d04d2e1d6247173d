//! Outlines.

/// An outline within the unit circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A circle.
    Disc,
    /// A square.
    Square,
    /// A triangle of equal sides.
    Triangle,
    /// A star of five points.
    Star,
    /// A circle with a hole.
    Ring,
    /// Two beams across each other.
    Cross,
}

impl Shape {
    /// All of them; their order is that of the classes.
    pub const ALL: [Self; 6] = [Self::Disc, Self::Square, Self::Triangle, Self::Star, Self::Ring, Self::Cross];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disc => "disc",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Star => "star",
            Self::Ring => "ring",
            Self::Cross => "cross",
        }
    }

    /// Whether a point lies inside.
    pub fn contains(self, [x, y]: [f32; 2]) -> bool {
        let radius = x.hypot(y);
        match self {
            _ if radius > 1.0 => false,
            Self::Disc => true,
            Self::Square => x.abs().max(y.abs()) < std::f32::consts::FRAC_1_SQRT_2,
            Self::Triangle => radius * wedge(x, y, 3).cos() < 0.5,
            Self::Star => {
                // Between a point of the star and the notch beside it runs a straight line.
                let angle = std::f32::consts::PI / 5.0 - wedge(x, y, 5).abs();
                let (point, notch) = (1.0f32, 0.42f32);
                let whole = std::f32::consts::PI / 5.0;
                let edge = point * notch * whole.sin() / (point * angle.sin() + notch * (whole - angle).sin());
                radius < edge
            }
            Self::Ring => radius > 0.5,
            Self::Cross => x.abs().min(y.abs()) < 0.33,
        }
    }
}

/// The angle of a point from the middle of its side of a regular polygon.
fn wedge(x: f32, y: f32, sides: u8) -> f32 {
    let side = std::f32::consts::TAU / f32::from(sides);
    let angle = y.atan2(x).rem_euclid(side);
    angle - 0.5 * side
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_differ_and_cover_a_fair_share_of_the_circle() {
        let places = || (0..100).flat_map(|i| (0..100).map(move |j| [i as f32 / 50.0 - 1.0, j as f32 / 50.0 - 1.0]));
        let shares = Shape::ALL.map(|shape| places().filter(|p| shape.contains(*p)).count() as f32 / 7854.0);
        // Area over that of the circle; triangle 3√3/4 / π, square 2 / π.
        for (share, expected) in shares.into_iter().zip([1.0, 0.637, 0.4135, 0.393, 0.75, 0.68]) {
            assert!((share - expected).abs() < 0.03, "{shares:?}");
        }
    }
}
