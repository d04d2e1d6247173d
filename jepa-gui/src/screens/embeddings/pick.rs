//! What the pointer means: the nearest point under it, and the points inside a lasso or a box.

use egui::{Pos2, Rect, Vec2};

use super::camera::{Place, Projector};

/// The point nearest to the pointer within `radius` points on the screen; of those equally near, the one in front.
pub fn nearest(places: &[Place], projector: &Projector, at: Pos2, radius: f32) -> Option<usize> {
    let mut best: Option<(f32, f32, usize)> = None;
    for (row, &place) in places.iter().enumerate() {
        let (shown, near) = projector.at(place);
        let distance = shown.distance_sq(at);
        // Below a point's radius everything is equally near, and what covers it wins.
        let distance = if distance < 4.0 { 0.0 } else { distance };
        if distance <= radius * radius && best.is_none_or(|(d, n, _)| distance < d || (distance == d && near >= n)) {
            best = Some((distance, near, row));
        }
    }
    best.map(|(_, _, row)| row)
}

/// The nearest point on the screen within 45 degrees of a direction from another.
pub fn towards(places: &[Place], projector: &Projector, from: usize, direction: Vec2) -> Option<usize> {
    let start = projector.at(*places.get(from)?).0;
    let mut best: Option<(f32, usize)> = None;
    for (row, &place) in places.iter().enumerate() {
        let away = projector.at(place).0 - start;
        let along = away.dot(direction);
        let distance = away.length_sq();
        let is_ahead = along > 0.0 && 2.0 * along * along >= distance;
        if row != from && is_ahead && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, row));
        }
    }
    best.map(|(_, row)| row)
}

/// Rows whose points lie in a box on the screen.
pub fn in_box(places: &[Place], projector: &Projector, area: Rect) -> Vec<usize> {
    inside(places, projector, |at| area.contains(at))
}

/// Rows whose points lie in a closed line on the screen (even-odd rule).
pub fn in_lasso(places: &[Place], projector: &Projector, line: &[Pos2]) -> Vec<usize> {
    let bounds = Rect::from_points(line);
    inside(places, projector, |at| bounds.contains(at) && encloses(line, at))
}

fn inside(places: &[Place], projector: &Projector, is_in: impl Fn(Pos2) -> bool) -> Vec<usize> {
    (0..places.len()).filter(|&row| is_in(projector.at(places[row]).0)).collect()
}

/// Whether a ray to the right crosses the line an odd number of times.
fn encloses(line: &[Pos2], at: Pos2) -> bool {
    let mut is_in = false;
    for (i, b) in line.iter().enumerate() {
        let a = line[if i == 0 { line.len() - 1 } else { i - 1 }];
        if (a.y > at.y) != (b.y > at.y) && at.x < (b.x - a.x) * (at.y - a.y) / (b.y - a.y) + a.x {
            is_in = !is_in;
        }
    }
    is_in
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::super::camera::Camera;
    use super::*;

    /// Map units are ten points each; the middle is at (100, 100).
    fn projector(is_solid: bool) -> Projector {
        let rect = Rect::from_min_max(pos2(0.0, 0.0), pos2(200.0, 200.0));
        Camera { reach: 10.0, is_solid, ..Camera::default() }.projector(rect)
    }

    #[test]
    fn the_nearest_point_within_reach_is_found_and_one_in_front_wins() {
        let places = [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 5.0]];
        assert_eq!(nearest(&places[..2], &projector(false), pos2(126.0, 101.0), 8.0), Some(1));
        assert_eq!(nearest(&places[..2], &projector(false), pos2(115.0, 140.0), 8.0), None);
        assert_eq!(nearest(&places, &projector(true), pos2(100.0, 100.0), 8.0), Some(2));
        assert_eq!(nearest(&[], &projector(false), pos2(0.0, 0.0), 8.0), None);
    }

    #[test]
    fn an_arrow_goes_to_the_next_point_on_its_side() {
        let places = [[0.0, 0.0, 0.0], [3.0, 0.5, 0.0], [1.0, 4.0, 0.0], [-9.0, 1.0, 0.0]];
        let to = |x, y| towards(&places, &projector(false), 0, Vec2::new(x, y));
        assert_eq!([to(1.0, 0.0), to(0.0, -1.0), to(-1.0, 0.0), to(0.0, 1.0)], [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn a_lasso_takes_what_it_encloses_and_a_box_what_it_covers() {
        let places = [[0.0, 0.0, 0.0], [4.0, 4.0, 0.0], [-4.0, 4.0, 0.0], [0.0, 4.0, 0.0]];
        // A V around the middle and both upper corners, open between them.
        let line = [
            pos2(50.0, 50.0),
            pos2(70.0, 50.0),
            pos2(100.0, 90.0),
            pos2(130.0, 50.0),
            pos2(150.0, 50.0),
            pos2(100.0, 120.0),
        ];
        assert_eq!(in_lasso(&places, &projector(false), &line), [0, 1, 2]);
        assert_eq!(in_lasso(&places, &projector(false), &line[..1]), [0usize; 0]);
        let area = Rect::from_two_pos(pos2(145.0, 55.0), pos2(90.0, 65.0));
        assert_eq!(in_box(&places, &projector(false), area), [1, 3]);
    }
}
