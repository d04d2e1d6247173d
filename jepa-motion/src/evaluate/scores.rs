//! End-point errors, and shares of pixels that are far off.

use serde::Serialize;

use crate::data::{Flow, Truth};

/// Sums over pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    pixels: u64,
    distance: f64,
    /// Farther off than 1, 3 and 5 pixels.
    beyond: [u64; 3],
    /// Farther off than 3 pixels and than 5 % of the true length.
    outliers: u64,
}

/// Errors over known pixels, of all pairs alike: those of the whole frames, of what both frames show, and of the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    all: Sums,
    parts: Option<[Sums; 2]>,
}

/// Errors over some pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    /// Pixels.
    pub pixels: u64,
    /// Mean distance of the found end point from the true one, in pixels.
    pub epe: f64,
    /// KITTI's F1: percent of pixels whose error is more than 3 pixels and more than 5 % of the true length.
    pub f1: f64,
    /// Percent of pixels with an error beyond 1, 3 and 5 pixels.
    pub beyond: [f64; 3],
}

impl Sums {
    fn add(&mut self, [u, v]: [f32; 2], [true_u, true_v]: [f32; 2]) {
        let distance = f64::from(u - true_u).hypot(f64::from(v - true_v));
        let length = f64::from(true_u).hypot(f64::from(true_v));
        self.pixels += 1;
        self.distance += distance;
        for (count, limit) in self.beyond.iter_mut().zip([1.0, 3.0, 5.0]) {
            *count += u64::from(distance > limit);
        }
        self.outliers += u64::from(distance > 3.0 && distance > 0.05 * length);
    }

    fn errors(&self) -> Errors {
        let count = self.pixels.max(1) as f64;
        let percent = |n: u64| 100.0 * n as f64 / count;
        Errors {
            pixels: self.pixels,
            epe: self.distance / count,
            f1: percent(self.outliers),
            beyond: self.beyond.map(percent),
        }
    }
}

impl Scores {
    /// Adds the errors of one pair; both flows are of one size.
    pub fn add(&mut self, truth: &Truth, found: &Flow) {
        let occluded = truth.occluded.as_deref();
        let pixels = truth.flow.values().iter().zip(truth.flow.known()).zip(found.values()).enumerate();
        for (at, ((expected, known), found)) in pixels {
            if !known {
                continue;
            }
            self.all.add(*found, *expected);
            if let Some(hidden) = occluded.and_then(|occluded| occluded.get(at)) {
                let [visible, occluded] = self.parts.get_or_insert_default();
                if *hidden { occluded } else { visible }.add(*found, *expected);
            }
        }
    }

    /// Over all known pixels.
    pub fn all(&self) -> Errors {
        self.all.errors()
    }

    /// Over those that the second frame shows too, where it is known which.
    pub fn visible(&self) -> Option<Errors> {
        self.parts.map(|[visible, _]| visible.errors())
    }

    /// Over those that it does not.
    pub fn occluded(&self) -> Option<Errors> {
        self.parts.map(|[_, occluded]| occluded.errors())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_is_off_by_three_pixels_and_by_a_twentieth_of_its_length() {
        let truth = vec![[10.0, 0.0], [0.0, 100.0], [1.0, 1.0], [50.0, 0.0], [7.0, 7.0]];
        let found = vec![[13.1, 0.0], [0.0, 104.0], [1.5, 1.0], [52.0, 0.0], [0.0, 0.0]];
        let known = vec![true, true, true, true, false];
        let flow = Flow::new(5, 1, truth, known).unwrap();
        let mut scores = Scores::default();
        let occluded = Some(vec![true, false, false, false, false]);
        scores.add(&Truth { flow, occluded }, &Flow::whole(5, 1, found).unwrap());
        let all = scores.all();
        assert_eq!(all.pixels, 4);
        assert!((all.epe - 2.4).abs() < 1e-6 && (all.f1 - 25.0).abs() < 1e-9, "{all:?}");
        assert_eq!(all.beyond, [75.0, 50.0, 0.0]);
        assert_eq!(scores.occluded().unwrap().f1, 100.0);
        assert_eq!(scores.visible().unwrap().f1, 0.0);
    }
}
