//! Geometry on points: which are far apart, which lie close, in what order to visit them.
//!
//! | file | noun |
//! |---|---|
//! | [`columns`](Columns) | points as three arrays, what vector registers want |
//! | [`farthest`](farthest_points) | farthest-point sampling |
//! | [`neighbours`](nearest) | the k nearest points, the points in a ball |
//! | [`order`](greedy_order) | greedy chain, z-order |
//!
//! All of it is exact: distances are squared and Euclidean in f32, summed as (dx² + dy²) + dz² without fused
//! operations, and ties go to the smaller index, so that a result depends neither on the machine's vector registers
//! nor on the number of threads.

mod columns;
mod farthest;
mod neighbours;
mod order;

pub use columns::Columns;
pub use farthest::{farthest_points, farthest_points_batch};
pub use neighbours::{nearest, nearest_batch, within};
pub use order::{Start, greedy_order, morton_order};

/// Lanes of one step of the loops below: one AVX-512 register, two of AVX2.
const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use jepa_core::random::{Draw as _, Purpose, Stream};

    /// The 64 points of the recorded values: (sin 0.7 i, cos 1.3 i, sin(2.1 i + 0.5)), in f64, then rounded.
    pub(super) fn fixture() -> Vec<[f32; 3]> {
        let point = |i: f64| [(0.7 * i).sin(), (1.3 * i).cos(), (2.1 * i + 0.5).sin()].map(|v| v as f32);
        (0..64).map(|i| point(f64::from(i))).collect()
    }

    /// Normal points.
    pub(super) fn cloud(seed: u64, count: usize) -> Vec<[f32; 3]> {
        let mut draw = Stream::new(seed, Purpose::Test, 9, 0);
        (0..count).map(|_| std::array::from_fn(|_| draw.normal())).collect()
    }
}
