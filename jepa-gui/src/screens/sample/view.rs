//! How a scene is looked at: which frame, from where, whether it plays. All pictures of a screen share one.

use jepa_core::plugin::Scene;

use crate::screens::embeddings::camera::Camera;

/// How a scene is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The frame that is shown.
    pub frame: usize,
    /// Whether it plays.
    pub is_playing: bool,
    /// From where points are seen.
    pub camera: Camera,
    /// Time since the frame was shown, in frames.
    passed: f32,
}

impl Default for View {
    fn default() -> Self {
        Self { frame: 0, is_playing: false, camera: Camera::default(), passed: 0.0 }
    }
}

impl View {
    /// Everything in view from the usual side, at the first frame.
    pub fn fit(&mut self, scene: &Scene) {
        let direction = self.camera;
        *self = Self::default();
        if let Scene::Points(points) = scene {
            let places = points.frames.iter().flatten().flatten().copied();
            self.camera = direction.fit(places, true);
        }
    }

    /// Plays from here, or stops.
    pub fn toggle(&mut self, frames: usize) {
        self.is_playing = !self.is_playing && frames > 1;
    }

    /// To the next frame or the one before, around the ends.
    pub fn step(&mut self, by: isize, frames: usize) {
        self.is_playing = false;
        self.frame = (self.frame as isize + by).rem_euclid(frames.max(1) as isize) as usize;
    }

    /// Moves on when it plays; `seconds` since the last call, at `rate` frames a second.
    pub fn advance(&mut self, seconds: f32, rate: f32, frames: usize) {
        self.frame = self.frame.min(frames.saturating_sub(1));
        if !self.is_playing || frames < 2 {
            return;
        }
        self.passed += seconds.clamp(0.0, 0.25) * rate.clamp(0.1, 240.0);
        self.frame = (self.frame + self.passed as usize) % frames;
        self.passed = self.passed.fract();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_plays_around_stops_at_a_step_and_survives_a_shorter_scene() {
        let mut view = View::default();
        view.toggle(1);
        assert!(!view.is_playing, "a still does not play");
        view.toggle(4);
        for _ in 0..10 {
            view.advance(0.05, 10.0, 4);
        }
        assert_eq!(view.frame, 1, "five frames on from the first of four");
        view.step(-2, 4);
        assert_eq!((view.frame, view.is_playing), (3, false));
        view.advance(0.1, 10.0, 2);
        assert_eq!(view.frame, 1);
    }
}
