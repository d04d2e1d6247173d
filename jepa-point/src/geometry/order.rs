//! Orders in which to visit points: what makes a run of successive tokens a region in space.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::squared;
use super::{Columns, LANES};

/// Where a greedy chain begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the point with the smallest x + y + z (Point-JEPA).
    Min,
    /// At the first point of the list.
    First,
}

/// A chain over all points: from each to the nearest that was not visited yet, in Euclidean distance (f32), the smaller
/// index on ties. Late jumps across the object do occur.
pub fn greedy_order(points: &[[f32; 3]], start: Start) -> Vec<u32> {
    if points.is_empty() {
        return Vec::new();
    }
    let mut first = 0;
    if start == Start::Min {
        let sum = |i: usize| points[i][0] + points[i][1] + points[i][2];
        for i in 1..points.len() {
            first = if sum(i) < sum(first) { i } else { first };
        }
    }
    let mut order = vec![0; points.len()];
    chain(&Columns::new(points), first, &mut order);
    order
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn chain(points: &Columns, first: usize, order: &mut [u32]) {
    let [xs, ys, zs] = points.chunks();
    // Infinite for what was visited, and for what fills the last register.
    let mut visited = vec![[0f32; LANES]; xs.len()];
    if let Some(last) = visited.last_mut() {
        let used = points.len() - (xs.len() - 1) * LANES;
        last[used..].fill(f32::INFINITY);
    }
    let mut next = first;
    for slot in order {
        *slot = next as u32;
        visited[next / LANES][next % LANES] = f32::INFINITY;
        let to = points.point(next);
        let (mut best, mut place) = ([f32::INFINITY; LANES], [0u32; LANES]);
        for (chunk, (((x, y), z), visited)) in xs.iter().zip(ys).zip(zs).zip(&visited).enumerate() {
            let d = squared(x, y, z, to);
            let (mut new_best, mut new_place) = ([0f32; LANES], [0u32; LANES]);
            for i in 0..LANES {
                // The root merges neighbouring squares, and with it ties are those of a distance. Adding infinity
                // leaves out what was visited.
                let d = d[i].sqrt() + visited[i];
                let better = d < best[i];
                new_best[i] = if better { d } else { best[i] };
                new_place[i] = if better { chunk as u32 } else { place[i] };
            }
            (best, place) = (new_best, new_place);
        }
        let mut nearest = (f32::INFINITY, usize::MAX);
        for (i, (value, chunk)) in best.iter().zip(place).enumerate() {
            let index = chunk as usize * LANES + i;
            let better = *value < nearest.0 || (*value == nearest.0 && *value < f32::INFINITY && index < nearest.1);
            nearest = if better { (*value, index) } else { nearest };
        }
        let index = nearest.1;
        // Nothing at a finite distance: the end, or coordinates so large that distances overflow.
        next = if index == usize::MAX { unvisited(&visited) } else { index };
    }
}

/// The first index that was not visited, 0 at the end.
fn unvisited(visited: &[[f32; LANES]]) -> usize {
    visited.as_flattened().iter().position(|v| *v == 0.0).unwrap_or(0)
}

/// The points along a z-order curve, the smaller index first among equal codes: for centres of a cloud in the unit
/// sphere. A coordinate becomes the step round(2^21 - 256 (c + |m - 0.5|)), m being the smallest of all coordinates, as
/// in the official code, in 64 bits where that overflows 32; steps are interleaved with x lowest.
pub fn morton_order(points: &[[f32; 3]]) -> Vec<u32> {
    let least = points.as_flattened().iter().copied().fold(f32::INFINITY, f32::min);
    let shift = (least - 0.5).abs();
    let step = |v: f32| ((1u32 << 21) as f32 - 256.0 * (v + shift)).round_ties_even() as i64 as u64;
    let code = |[x, y, z]: &[f32; 3]| spread(step(*x)) | spread(step(*y)) << 1 | spread(step(*z)) << 2;
    let mut order: Vec<(u64, u32)> = points.iter().zip(0..).map(|(point, index)| (code(point), index)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

/// Moves the lowest 21 bits apart: bit i goes to bit 3 i.
fn spread(v: u64) -> u64 {
    let v = v & 0x1f_ffff;
    let v = (v | v << 32) & 0x001f_0000_0000_ffff;
    let v = (v | v << 16) & 0x001f_0000_ff00_00ff;
    let v = (v | v << 8) & 0x100f_00f0_0f00_f00f;
    let v = (v | v << 4) & 0x10c3_0c30_c30c_30c3;
    (v | v << 2) & 0x1249_2492_4924_9249
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::farthest_points;
    use crate::geometry::tests::{cloud, fixture};
    use jepa_core::random::{Draw as _, Purpose, Stream};

    fn centres() -> Vec<[f32; 3]> {
        let points = fixture();
        let chosen = farthest_points(&Columns::new(&points), 16, 0).unwrap();
        chosen.iter().map(|&i| points[i as usize]).collect()
    }

    #[test]
    fn the_recorded_chains_of_the_official_sequencer_are_followed() {
        let mut points = centres();
        let chain = greedy_order(&points, Start::Min);
        assert_eq!(chain, [7, 3, 8, 4, 13, 1, 5, 12, 15, 0, 10, 9, 11, 2, 14, 6]);
        let chain = greedy_order(&points, Start::First);
        assert_eq!(chain, [0, 15, 9, 11, 5, 12, 10, 4, 13, 1, 7, 3, 8, 6, 14, 2]);
        points.reverse();
        let chain = greedy_order(&points, Start::Min);
        assert_eq!(chain, [8, 12, 7, 11, 2, 14, 10, 3, 0, 15, 5, 6, 4, 13, 1, 9]);
    }

    #[test]
    fn a_chain_is_the_plain_rule_for_every_length_and_many_ties() {
        for case in 0..200 {
            let mut draw = Stream::new(4, Purpose::Test, 0, case);
            let n = 1 + draw.below(90);
            let points: Vec<[f32; 3]> = (0..n)
                .map(|_| std::array::from_fn(|_| if case % 2 == 0 { draw.below(3) as f32 } else { draw.normal() }))
                .collect();
            let mut left: Vec<usize> = (1..n).collect();
            let mut expected = vec![0u32];
            while !left.is_empty() {
                let last = points[expected[expected.len() - 1] as usize];
                let distance = |i: &usize| {
                    let [x, y, z] = std::array::from_fn(|a| points[*i][a] - last[a]);
                    (x * x + y * y + z * z).sqrt()
                };
                let nearest = *left.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.cmp(b))).unwrap();
                left.retain(|i| *i != nearest);
                expected.push(nearest as u32);
            }
            assert_eq!(greedy_order(&points, Start::First), expected, "case {case}");
        }
    }

    #[test]
    fn every_order_visits_every_point_once() {
        let sets = [vec![], vec![[1.0; 3]; 40], cloud(1, 77), vec![[3e38, 0.0, 0.0], [-3e38, 0.0, 0.0], [0.0; 3]]];
        for points in sets {
            for order in [greedy_order(&points, Start::Min), greedy_order(&points, Start::First), morton_order(&points)]
            {
                let mut sorted = order;
                sorted.sort_unstable();
                assert_eq!(sorted, (0..points.len() as u32).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_z_order_interleaves_all_21_bits_of_each_axis() {
        assert_eq!(spread((1 << 21) - 1), 0x1249_2492_4924_9249);
        assert_eq!((spread(0b101), spread(1 << 20)), (0b1_000_001, 1 << 60));
        // The eight corners of a cube: codes fall as coordinates rise.
        let corner = |i: i32| [(i & 1) as f32, (i >> 1 & 1) as f32, (i >> 2) as f32].map(|v| v - 0.5);
        let corners: Vec<[f32; 3]> = (0..8).map(corner).collect();
        assert_eq!(morton_order(&corners), [7, 6, 5, 4, 3, 2, 1, 0]);
    }
}
