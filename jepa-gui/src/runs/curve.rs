//! Curves as they are drawn: at most a few points a pixel column, whatever the number of steps.

/// Rows `first..end` of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first row.
    pub first: usize,
    /// One behind the last.
    pub end: usize,
}

impl Range {
    /// Rows whose x lies in `low..=high`, and one on each side so that lines reach the edge. `x` must ascend.
    pub fn within(count: usize, x: impl Fn(usize) -> f64, low: f64, high: f64) -> Self {
        let first = partition(count, |i| x(i) < low);
        let end = partition(count, |i| x(i) <= high);
        Self { first: first.saturating_sub(1), end: (end + 1).min(count) }
    }
}

/// First index of `0..count` for which `before` no longer holds.
fn partition(count: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Points of a curve for `pixels` columns: of the rows that share a column the smallest and the largest, in the order
/// they come. Values that are not finite are left out.
pub fn decimate(range: Range, pixels: usize, x: impl Fn(usize) -> f64, y: impl Fn(usize) -> f32) -> Vec<[f64; 2]> {
    let Range { first, end } = range;
    let count = end.saturating_sub(first);
    let point = |i: usize| [x(i), f64::from(y(i))];
    if count <= 2 * pixels.max(1) {
        return (first..end).filter(|i| y(*i).is_finite()).map(point).collect();
    }
    let mut points = Vec::with_capacity(2 * pixels + 2);
    for column in 0..pixels {
        let rows = first + column * count / pixels..first + (column + 1) * count / pixels;
        let mut extremes: Option<(usize, usize, f32, f32)> = None;
        for i in rows {
            let value = y(i);
            if !value.is_finite() {
                continue;
            }
            extremes = Some(match extremes {
                None => (i, i, value, value),
                Some((_, high, low_value, high_value)) if value < low_value => (i, high, value, high_value),
                Some((low, _, low_value, high_value)) if value > high_value => (low, i, low_value, value),
                Some(same) => same,
            });
        }
        if let Some((low, high, ..)) = extremes {
            points.push(point(low.min(high)));
            if low != high {
                points.push(point(low.max(high)));
            }
        }
    }
    points
}

/// An exponential mean over rows, freed of its start at zero; `weight` 0 is no smoothing. Gaps stay gaps.
pub fn smooth(values: &[f32], weight: f32) -> Vec<f32> {
    let weight = f64::from(weight.clamp(0.0, 0.9999));
    let (mut mean, mut mass) = (0.0, 0.0);
    values
        .iter()
        .map(|value| {
            if !value.is_finite() {
                return f32::NAN;
            }
            mean = weight * mean + (1.0 - weight) * f64::from(*value);
            mass = weight * mass + (1.0 - weight);
            (mean / mass) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_spike_among_a_million_steps_is_drawn() {
        let y = |i: usize| if i == 777_777 { 9.0 } else { (i % 7) as f32 * 0.1 };
        let points = decimate(Range { first: 0, end: 1_000_000 }, 800, |i| i as f64, y);
        assert!(points.len() <= 1600);
        assert!(points.contains(&[777_777.0, 9.0]));
        assert!(points.windows(2).all(|pair| pair[0][0] < pair[1][0]), "x ascends");
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p[1]), h.max(p[1])));
        assert_eq!((low, high), (0.0, 9.0));
    }

    #[test]
    fn few_points_are_all_drawn_and_gaps_are_left_out() {
        let values = [1.0, f32::NAN, 2.0, f32::INFINITY, 3.0];
        let points = decimate(Range { first: 0, end: 5 }, 100, |i| i as f64, |i| values[i]);
        assert_eq!(points, [[0.0, 1.0], [2.0, 2.0], [4.0, 3.0]]);
        assert!(decimate(Range { first: 3, end: 3 }, 0, |i| i as f64, |_| 0.0).is_empty());
    }

    #[test]
    fn the_visible_rows_reach_one_beyond_the_edges() {
        let x = |i: usize| i as f64 * 10.0;
        assert_eq!(Range::within(100, x, 95.0, 203.0), Range { first: 9, end: 22 });
        assert_eq!(Range::within(100, x, -5.0, 9e9), Range { first: 0, end: 100 });
        assert_eq!(Range::within(0, x, 0.0, 1.0), Range { first: 0, end: 0 });
    }

    #[test]
    fn smoothing_begins_at_the_first_value_and_keeps_a_constant() {
        assert!(smooth(&[3.0; 50], 0.98).iter().all(|v| (v - 3.0).abs() < 1e-6));
        assert_eq!(smooth(&[5.0, 1.0], 0.0), [5.0, 1.0]);
        let smoothed = smooth(&[0.0, f32::NAN, 1.0], 0.5);
        assert!(smoothed[1].is_nan() && (smoothed[2] - 2.0 / 3.0).abs() < 1e-6);
    }
}
