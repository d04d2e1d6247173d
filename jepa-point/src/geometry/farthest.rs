//! Farthest-point sampling.

use jepa_core::error::{Error, Result};
use multiversion::multiversion;
use rayon::prelude::*;

use super::Columns;

/// The indices of `count` points, each the farthest from those chosen before it; the first is `start`.
///
/// The rule is that of pytorch3d's `sample_farthest_points`: the next point is the first with the largest squared
/// distance (f32) to its nearest chosen point. A chosen point is never chosen again, also where copies of points leave
/// nothing at a distance.
pub fn farthest_points(points: &Columns, count: usize, start: usize) -> Result<Vec<u32>> {
    if count > points.len() || start >= points.len() {
        let problem = format!("{count} points from number {start} on were asked of a cloud of {}", points.len());
        return Err(Error::data("farthest points", problem));
    }
    let mut chosen = vec![0; count];
    choose(points, start, &mut chosen);
    Ok(chosen)
}

/// [`farthest_points`] of every cloud, clouds in parallel on the current rayon pool.
pub fn farthest_points_batch(clouds: &[Columns], count: usize, starts: &[usize]) -> Result<Vec<Vec<u32>>> {
    if clouds.len() != starts.len() {
        let problem = format!("{} clouds and {} starts were given", clouds.len(), starts.len());
        return Err(Error::data("farthest points", problem));
    }
    clouds.par_iter().zip(starts).map(|(cloud, start)| farthest_points(cloud, count, *start)).collect()
}

fn choose(points: &Columns, start: usize, chosen: &mut [u32]) {
    // Squared distance to the nearest chosen point; below zero for what is not to be chosen, where no distance
    // reaches. As bits in whole numbers, whose order is that of the distances: minimum and maximum of floats would be
    // compiled to masked stores or one by one.
    let mut far = vec![f32::MAX.to_bits() as i32; points.filled()];
    far[points.len()..].fill(-1);
    let mut next = start;
    for slot in chosen {
        *slot = next as u32;
        far[next] = -1;
        let largest = approach(points, points.point(next), &mut far);
        next = first(&far, largest);
    }
}

/// Lowers the distances to those from `to`, where these are smaller, and gives the largest that is left.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn approach(points: &Columns, to: [f32; 3], far: &mut [i32]) -> i32 {
    let ([xs, ys, zs], count) = (points.axes(), far.len());
    // One length for all lets the compiler drop the bounds checks.
    let (xs, ys, zs) = (&xs[..count], &ys[..count], &zs[..count]);
    let mut largest = -1;
    for i in 0..count {
        let (dx, dy, dz) = (xs[i] - to[0], ys[i] - to[1], zs[i] - to[2]);
        far[i] = far[i].min((dx * dx + dy * dy + dz * dz).to_bits() as i32);
        largest = largest.max(far[i]);
    }
    largest
}

/// The first place of a value that is there.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn first(values: &[i32], wanted: i32) -> usize {
    const PART: usize = 64;
    for (number, part) in values.chunks(PART).enumerate() {
        let mut here = 0;
        for value in part {
            here |= i32::from(*value == wanted);
        }
        if here != 0 {
            let at = part.iter().position(|value| *value == wanted).unwrap_or(0);
            return number * PART + at;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::tests::{cloud, fixture};
    use jepa_core::random::{Draw as _, Purpose, Stream};

    /// The rule word by word.
    fn plain(points: &[[f32; 3]], count: usize, start: usize) -> Vec<u32> {
        let mut far = vec![f32::MAX; points.len()];
        let mut chosen = vec![start];
        while chosen.len() < count {
            let to = points[chosen[chosen.len() - 1]];
            for (far, p) in far.iter_mut().zip(points) {
                let [dx, dy, dz] = [p[0] - to[0], p[1] - to[1], p[2] - to[2]];
                *far = far.min(dx * dx + dy * dy + dz * dz);
            }
            let mut next = None;
            for i in (0..points.len()).filter(|i| !chosen.contains(i)) {
                next = if next.is_none_or(|n: usize| far[i] > far[n]) { Some(i) } else { next };
            }
            chosen.push(next.unwrap());
        }
        chosen.into_iter().map(|i| i as u32).collect()
    }

    #[test]
    fn the_recorded_choices_of_pytorch3d_are_made() {
        let points = Columns::new(&fixture());
        let chosen = farthest_points(&points, 16, 0).unwrap();
        assert_eq!(chosen, [0, 2, 7, 35, 29, 21, 25, 41, 5, 18, 39, 36, 28, 47, 42, 54]);
        assert_eq!(farthest_points(&points, 8, 5).unwrap(), [5, 12, 17, 48, 6, 11, 29, 40]);
    }

    #[test]
    fn the_vector_loop_is_the_plain_rule_for_every_length_and_many_ties() {
        for case in 0..200 {
            let mut draw = Stream::new(2, Purpose::Test, 0, case);
            let n = 1 + draw.below(150);
            // Half of the clouds lie on a coarse grid: equal distances and copies everywhere.
            let points: Vec<[f32; 3]> = (0..n)
                .map(|_| std::array::from_fn(|_| if case % 2 == 0 { draw.below(3) as f32 } else { draw.normal() }))
                .collect();
            let (count, start) = (1 + draw.below(n), draw.below(n));
            let chosen = farthest_points(&Columns::new(&points), count, start).unwrap();
            assert_eq!(chosen, plain(&points, count, start), "case {case}");
        }
    }

    #[test]
    fn copies_of_one_point_are_all_chosen_once() {
        let chosen = farthest_points(&Columns::new(&[[1.0, 2.0, 3.0]; 20]), 20, 7).unwrap();
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        assert_eq!((chosen[0], sorted), (7, (0..20).collect()));
    }

    #[test]
    fn asking_for_too_many_points_is_an_error_with_the_numbers() {
        let points = Columns::new(&cloud(3, 10));
        for (count, start) in [(11, 0), (1, 10)] {
            let error = farthest_points(&points, count, start).unwrap_err().to_string();
            assert!(error.contains("a cloud of 10"), "{error}");
        }
        assert_eq!(farthest_points(&points, 0, 0).unwrap(), [0u32; 0]);
        assert!(farthest_points(&Columns::new(&[]), 0, 0).is_err());
        assert!(farthest_points_batch(&[points], 1, &[]).is_err());
    }

    #[test]
    fn a_batch_is_its_clouds_for_any_number_of_threads() {
        let clouds: Vec<Columns> = (0..9).map(|seed| Columns::new(&cloud(seed, 300))).collect();
        let starts: Vec<usize> = (0..9).map(|i| i * 31).collect();
        let one = |i: usize| farthest_points(&clouds[i], 40, starts[i]).unwrap();
        let expected: Vec<Vec<u32>> = (0..9).map(one).collect();
        for threads in [1, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| farthest_points_batch(&clouds, 40, &starts)).unwrap(), expected);
        }
    }
}
