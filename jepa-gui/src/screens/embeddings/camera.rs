//! How a map is looked at: pan and zoom in the plane, orbit in space; and where that puts a point on the screen.

use egui::{Pos2, Rect, Vec2};

/// A place on a map; flat maps lie at 0 in the third coordinate.
pub type Place = [f32; 3];

/// How a map is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// The place in the middle of the plot.
    pub centre: Place,
    /// Map units from the middle to the nearer edge of the plot.
    pub reach: f32,
    /// Turn around the vertical, radians; 0 for flat maps.
    pub yaw: f32,
    /// Turn around the horizontal, radians.
    pub pitch: f32,
    /// Whether the map has depth: nearer points are drawn larger.
    pub is_solid: bool,
}

/// Share by which what is one reach nearer looks larger.
const PERSPECTIVE: f32 = 0.25;

impl Default for Camera {
    fn default() -> Self {
        Self { centre: [0.0; 3], reach: 1.0, yaw: 0.0, pitch: 0.0, is_solid: false }
    }
}

impl Camera {
    /// Everything in view, with a margin; the direction of a solid map is kept when it was solid before.
    pub fn fit(self, places: impl Iterator<Item = Place> + Clone, is_solid: bool) -> Self {
        let (mut low, mut high): (Place, Place) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        for place in places.clone() {
            low = std::array::from_fn(|i| low[i].min(place[i]));
            high = std::array::from_fn(|i| high[i].max(place[i]));
        }
        if !low.iter().chain(&high).all(|v| v.is_finite()) {
            return Self { is_solid, ..Self::default() };
        }
        let centre = std::array::from_fn(|i| (low[i] + high[i]) / 2.0);
        let away = |place: Place| -> f32 {
            let square = |i: usize| (place[i] - centre[i]).powi(2);
            if is_solid { (0..3).map(square).sum::<f32>().sqrt() } else { square(0).max(square(1)).sqrt() }
        };
        let reach = places.map(away).fold(0.0, f32::max);
        let reach = if reach > 0.0 { 1.08 * reach } else { 1.0 };
        let (yaw, pitch) = match (is_solid, self.is_solid) {
            (false, _) => (0.0, 0.0),
            (true, true) => (self.yaw, self.pitch),
            (true, false) => (0.6, 0.35),
        };
        Self { centre, reach, yaw, pitch, is_solid }
    }

    /// Turns a solid map by a movement of the pointer, in points.
    pub fn orbit(&mut self, by: Vec2) {
        self.yaw = (self.yaw + by.x * 0.01) % std::f32::consts::TAU;
        self.pitch = (self.pitch + by.y * 0.01).clamp(-1.55, 1.55);
    }

    /// Shifts the map by a movement of the pointer, in points.
    pub fn pan(&mut self, rect: Rect, by: Vec2) {
        let scale = self.reach / half(rect);
        let [right, up, _] = self.axes();
        self.centre = std::array::from_fn(|i| self.centre[i] - scale * (by.x * right[i] - by.y * up[i]));
    }

    /// Makes the map larger (`factor` above 1) around a place on the screen.
    pub fn zoom(&mut self, rect: Rect, at: Pos2, factor: f32) {
        let factor = factor.clamp(0.2, 5.0);
        let towards = (at - rect.center()) * (1.0 - factor);
        if !self.is_solid {
            self.pan(rect, towards / factor);
        }
        self.reach = (self.reach / factor).clamp(1e-6, 1e9);
    }

    /// From places to the screen.
    pub fn projector(&self, rect: Rect) -> Projector {
        let perspective = if self.is_solid { PERSPECTIVE } else { 0.0 };
        Projector { centre: self.centre, axes: self.axes(), reach: self.reach, perspective, rect }
    }

    /// Where a direction of the map points on the screen; 1 long when it lies in its plane.
    pub fn direction(&self, of: Place) -> Vec2 {
        let [right, up, _] = self.axes();
        let along = |axis: [f32; 3]| of.iter().zip(axis).map(|(a, b)| a * b).sum::<f32>();
        Vec2::new(along(right), -along(up))
    }

    /// Right, up, and towards the viewer, as unit vectors of the map.
    fn axes(&self) -> [[f32; 3]; 3] {
        let ((sy, cy), (sp, cp)) = (self.yaw.sin_cos(), self.pitch.sin_cos());
        [[cy, 0.0, -sy], [sy * sp, cp, cy * sp], [sy * cp, -sp, cy * cp]]
    }
}

/// Points from the middle of a plot to its nearer edge.
fn half(rect: Rect) -> f32 {
    (rect.width().min(rect.height()) / 2.0).max(1.0)
}

/// Puts places on the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projector {
    /// The place in the middle.
    pub centre: Place,
    /// Right, up, and towards the viewer.
    pub axes: [[f32; 3]; 3],
    /// Map units from the middle to the nearer edge.
    pub reach: f32,
    /// Share by which what is one reach nearer looks larger.
    pub perspective: f32,
    /// The plot.
    pub rect: Rect,
}

impl Projector {
    /// Where a place is on the screen, and how near: -1 at one reach behind the middle, 1 at one before it.
    pub fn at(&self, place: Place) -> (Pos2, f32) {
        let away: Place = std::array::from_fn(|i| (place[i] - self.centre[i]) / self.reach);
        let along = |axis: [f32; 3]| away.iter().zip(axis).map(|(a, b)| a * b).sum::<f32>();
        let near = along(self.axes[2]);
        let grown = self.grown(near) * half(self.rect);
        let at = self.rect.center() + Vec2::new(along(self.axes[0]), -along(self.axes[1])) * grown;
        (at, near)
    }

    /// How much larger something looks at this nearness.
    pub fn grown(&self, near: f32) -> f32 {
        1.0 / (1.0 - self.perspective * near.clamp(-2.0, 2.0))
    }

    /// From map units to the plot's half width and height.
    pub fn clip(&self) -> [f32; 2] {
        let size = self.rect.size().max(Vec2::splat(1.0));
        let half = half(self.rect);
        [2.0 * half / size.x, 2.0 * half / size.y]
    }
}

#[cfg(test)]
mod tests {
    use egui::{pos2, vec2};

    use super::*;

    const PLOT: Rect = Rect { min: pos2(100.0, 50.0), max: pos2(500.0, 250.0) };

    fn close(a: Pos2, b: Pos2) -> bool {
        a.distance(b) < 0.01
    }

    #[test]
    fn everything_is_in_view_after_a_fit_flat_and_solid() {
        let places = [[-3.0, 10.0, 0.0], [5.0, 12.0, 4.0], [1.0, -40.0, -9.0]];
        for is_solid in [false, true] {
            let camera = Camera::default().fit(places.iter().copied(), is_solid);
            let projector = camera.projector(PLOT);
            for place in places {
                let (at, _) = projector.at(place);
                // Perspective may bring a corner that is near a little over the edge.
                assert!(PLOT.expand(if is_solid { 30.0 } else { 0.0 }).contains(at), "{at:?}");
            }
        }
        let nothing = Camera::default().fit(std::iter::empty(), false);
        assert_eq!(nothing, Camera::default());
    }

    #[test]
    fn zooming_keeps_the_place_under_the_pointer_and_panning_follows_it() {
        let mut camera = Camera { centre: [2.0, -1.0, 0.0], reach: 4.0, ..Camera::default() };
        let place = [3.5, 0.5, 0.0];
        let before = camera.projector(PLOT).at(place).0;
        camera.zoom(PLOT, before, 1.7);
        assert!(close(camera.projector(PLOT).at(place).0, before));
        camera.pan(PLOT, vec2(13.0, -8.0));
        assert!(close(camera.projector(PLOT).at(place).0, before + vec2(13.0, -8.0)));
    }

    #[test]
    fn the_axes_stay_a_right_handed_frame_and_an_orbit_keeps_the_middle() {
        let mut camera = Camera { is_solid: true, ..Camera::default() };
        camera.orbit(vec2(123.0, -47.0));
        let [right, up, near] = camera.axes();
        let dot = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!(dot(right, up).abs() < 1e-6 && dot(up, near).abs() < 1e-6 && dot(right, near).abs() < 1e-6);
        assert!((dot(up, up) - 1.0).abs() < 1e-6);
        let cross = [
            right[1] * up[2] - right[2] * up[1],
            right[2] * up[0] - right[0] * up[2],
            right[0] * up[1] - right[1] * up[0],
        ];
        assert!((dot(cross, near) - 1.0).abs() < 1e-5);
        assert!(close(camera.projector(PLOT).at(camera.centre).0, PLOT.center()));
    }
}
