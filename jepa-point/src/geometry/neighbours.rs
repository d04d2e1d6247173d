//! The points around a centre.

use jepa_core::error::{Error, Result};
use multiversion::multiversion;
use rayon::prelude::*;

use super::columns::squared;
use super::{Columns, LANES};

/// For each centre the indices of its `count` nearest points, nearest first, the smaller index first on ties:
/// [centres * count]. A centre that is a point of the cloud is its own nearest.
pub fn nearest(points: &Columns, centres: &[[f32; 3]], count: usize) -> Result<Vec<u32>> {
    check(points, count)?;
    let mut found = Vec::with_capacity(centres.len() * count);
    search(points, centres, count, &mut found);
    Ok(found)
}

/// [`nearest`] in every cloud, clouds in parallel on the current rayon pool.
pub fn nearest_batch(clouds: &[Columns], centres: &[Vec<[f32; 3]>], count: usize) -> Result<Vec<Vec<u32>>> {
    if clouds.len() != centres.len() {
        let problem = format!("{} clouds and centres for {} were given", clouds.len(), centres.len());
        return Err(Error::data("neighbours", problem));
    }
    clouds.par_iter().zip(centres).map(|(cloud, centres)| nearest(cloud, centres, count)).collect()
}

/// For each centre the first `count` points, in the cloud's order, that lie nearer than `radius`; what is missing is
/// filled with the first of them, as the ball query of PointNet++ does: [centres * count]. A centre with nothing
/// around it takes its nearest point.
pub fn within(points: &Columns, centres: &[[f32; 3]], radius: f32, count: usize) -> Result<Vec<u32>> {
    check(points, count)?;
    if !(radius > 0.0 && radius.is_finite()) {
        return Err(Error::data("neighbours", format!("the radius is {radius}, expected a positive number")));
    }
    let mut found = Vec::with_capacity(centres.len() * count);
    for &centre in centres {
        let from = found.len();
        ball(points, centre, radius * radius, count, &mut found);
        if found.len() == from {
            search(points, &[centre], 1, &mut found);
        }
        let first = found[from];
        found.resize(from + count, first);
    }
    Ok(found)
}

fn check(points: &Columns, count: usize) -> Result<()> {
    if count == 0 || count > points.len() {
        let problem = format!("{count} neighbours were asked of a cloud of {} points", points.len());
        return Err(Error::data("neighbours", problem));
    }
    Ok(())
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn ball(points: &Columns, centre: [f32; 3], limit: f32, count: usize, found: &mut Vec<u32>) {
    let [xs, ys, zs] = points.chunks();
    let full = found.len() + count;
    for (chunk, ((x, y), z)) in xs.iter().zip(ys).zip(zs).enumerate() {
        let d = squared(x, y, z, centre);
        for (i, d) in d.iter().enumerate() {
            if *d < limit {
                found.push((chunk * LANES + i) as u32);
                if found.len() == full {
                    return;
                }
            }
        }
    }
}

/// Finds the nearest points of each centre without sorting all of them. The smallest distance of each of at least
/// `count` disjoint groups of points is known first; the `count`-th smallest of those bounds the distance of the
/// `count`-th neighbour, so that half of the groups and nearly all points are out.
fn search(points: &Columns, centres: &[[f32; 3]], count: usize, found: &mut Vec<u32>) {
    let filled = points.filled();
    // Group g holds the points g, g + groups, g + 2 groups, ..; there are about twice as many groups as neighbours.
    let size = (filled / (2 * count)).max(1);
    let groups = filled.div_ceil(size);
    // Distances as their bits in whole numbers: they are not negative, and so have the same order.
    let mut distances = vec![i32::MAX; groups * size];
    let (mut least, mut order) = (vec![0; groups], vec![0; groups]);
    // The distance in the upper half of a key, the index in the lower.
    let mut keys = vec![0u64; distances.len() + 1];
    for &centre in centres {
        measure(points, centre, &mut distances);
        fold(&distances, &mut least);
        order.copy_from_slice(&least);
        let bound = if groups >= count { *order.select_nth_unstable(count - 1).1 } else { i32::MAX };
        let mut len = 0;
        for group in (0..groups).filter(|&group| least[group] <= bound) {
            for index in (group..points.len()).step_by(groups) {
                keys[len] = (distances[index] as u64) << 32 | index as u64;
                len += usize::from(distances[index] <= bound);
            }
        }
        let mut nearest = &mut keys[..len];
        if len > 2 * count {
            nearest.select_nth_unstable(count - 1);
            nearest = &mut nearest[..count];
        }
        nearest.sort_unstable();
        found.extend(nearest.iter().take(count).map(|key| *key as u32));
    }
}

/// The distance of every point to the centre.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn measure(points: &Columns, to: [f32; 3], distances: &mut [i32]) {
    let ([xs, ys, zs], count) = (points.axes(), points.filled());
    // One length for all lets the compiler drop the bounds checks.
    let (xs, ys, zs, distances) = (&xs[..count], &ys[..count], &zs[..count], &mut distances[..count]);
    for i in 0..count {
        let (dx, dy, dz) = (xs[i] - to[0], ys[i] - to[1], zs[i] - to[2]);
        distances[i] = (dx * dx + dy * dy + dz * dz).to_bits() as i32;
    }
}

/// The least distance of every group.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn fold(distances: &[i32], least: &mut [i32]) {
    least.fill(i32::MAX);
    for part in distances.chunks_exact(least.len()) {
        for (least, d) in least.iter_mut().zip(part) {
            *least = (*least).min(*d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::tests::{cloud, fixture};
    use jepa_core::random::{Draw as _, Purpose, Stream};

    fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
        let [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
        x * x + y * y + z * z
    }

    #[test]
    fn the_recorded_neighbours_are_found_at_the_recorded_distances() {
        let points = fixture();
        for (centre, neighbours, distances) in [
            (0, [0, 63, 58, 9, 49, 54], [0.0, 0.089379, 0.123979, 0.126375, 0.234205, 0.351786]),
            (2, [2, 56, 11, 47, 55, 46], [0.0, 0.001891, 0.482719, 0.486082, 1.617516, 1.748722]),
            (7, [7, 51, 60, 61, 16, 42], [0.0, 0.054151, 0.077848, 0.130128, 0.335084, 0.375405]),
            (35, [35, 23, 59, 62, 8, 50], [0.0, 0.043891, 0.068185, 0.176998, 0.378868, 0.405814]),
        ] {
            let found = nearest(&Columns::new(&points), &[points[centre]], 6).unwrap();
            assert_eq!(found, neighbours);
            for (index, expected) in found.iter().zip(distances) {
                assert!((distance(points[*index as usize], points[centre]) - expected).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn the_search_is_a_full_sort_for_every_length_and_many_ties() {
        for case in 0..300 {
            let mut draw = Stream::new(3, Purpose::Test, 0, case);
            let n = 1 + draw.below(if case % 5 == 0 { 2000 } else { 120 });
            let points: Vec<[f32; 3]> = (0..n)
                .map(|i| match case % 3 {
                    0 => std::array::from_fn(|_| draw.below(3) as f32),
                    // In the order of a scan: neighbours share a chunk.
                    1 => [i as f32 * 0.01, draw.uniform() * 0.01, 0.0],
                    _ => std::array::from_fn(|_| draw.normal()),
                })
                .collect();
            let count = 1 + draw.below(n.min(70));
            let centres: Vec<[f32; 3]> = (0..4).map(|_| points[draw.below(n)]).collect();
            let found = nearest(&Columns::new(&points), &centres, count).unwrap();
            for (centre, found) in centres.iter().zip(found.chunks_exact(count)) {
                let mut order: Vec<u32> = (0..n as u32).collect();
                let key = |i: &u32| distance(points[*i as usize], *centre);
                order.sort_by(|a, b| key(a).total_cmp(&key(b)));
                assert_eq!(found, &order[..count], "case {case}");
            }
        }
    }

    #[test]
    fn a_ball_holds_the_first_points_inside_and_repeats_the_first() {
        let points = Columns::new(&[[0.0; 3], [3.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.1, 0.0, 0.0]]);
        assert_eq!(within(&points, &[[0.0; 3]], 1.0, 5).unwrap(), [0, 3, 4, 0, 0], "a point at the radius is outside");
        assert_eq!(within(&points, &[[0.0; 3], [3.0, 0.0, 0.0]], 1.5, 2).unwrap(), [0, 2, 1, 1]);
        assert_eq!(within(&points, &[[9.0, 0.0, 0.0]], 1.0, 2).unwrap(), [1, 1], "nothing around: the nearest");
        for radius in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(within(&points, &[[0.0; 3]], radius, 2).is_err());
        }
    }

    #[test]
    fn asking_for_more_neighbours_than_points_is_an_error_with_the_numbers() {
        let points = Columns::new(&cloud(1, 10));
        let error = nearest(&points, &[[0.0; 3]], 11).unwrap_err().to_string();
        assert!(error.contains("11 neighbours") && error.contains("10 points"), "{error}");
        assert!(nearest(&points, &[[0.0; 3]], 0).is_err());
        assert!(nearest_batch(&[points], &[], 1).is_err());
    }

    #[test]
    fn distances_beyond_the_range_of_a_float_still_give_every_neighbour() {
        let points = [[3e38, 0.0, 0.0], [-3e38, 0.0, 0.0], [0.0; 3]];
        assert_eq!(nearest(&Columns::new(&points), &[points[0]], 3).unwrap(), [0, 1, 2]);
    }

    #[test]
    fn a_batch_is_its_clouds_for_any_number_of_threads() {
        let raw: Vec<Vec<[f32; 3]>> = (0..9).map(|seed| cloud(seed, 300)).collect();
        let clouds: Vec<Columns> = raw.iter().map(|c| Columns::new(c)).collect();
        let centres: Vec<Vec<[f32; 3]>> = raw.iter().map(|c| c[..20].to_vec()).collect();
        let expected: Vec<Vec<u32>> = (0..9).map(|i| nearest(&clouds[i], &centres[i], 16).unwrap()).collect();
        for threads in [1, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| nearest_batch(&clouds, &centres, 16)).unwrap(), expected);
        }
    }
}
