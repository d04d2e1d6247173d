//! Exact nearest neighbours by blocks of matrix products.
//!
//! Candidates are found with |a|² + |b|² - 2ab in f32 and put in order with the same formula in f64. What can be missed
//! are neighbours whose squared distances differ by less than f32 resolves (1e-6 of the squared norm).

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Watch;
use super::matrix::{Matrix, products};

/// What "near" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Metric {
    /// 1 - the cosine of the angle, 0 to 2. A sample of zeros, which has no direction, is 2 away from everything.
    #[default]
    Cosine,
    /// The length of the difference.
    Euclid,
}

/// A neighbour of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its row.
    pub index: usize,
    /// How far away it is, in the metric of the index.
    pub distance: f32,
}

/// The k nearest neighbours of every sample, nearest first, the sample itself not among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    k: usize,
    indices: Vec<u32>,
    distances: Vec<f32>,
}

impl Neighbours {
    /// Neighbours a sample.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.indices.len().checked_div(self.k).unwrap_or(0)
    }

    /// Rows of the neighbours of sample `i`.
    pub fn indices(&self, i: usize) -> &[u32] {
        &self.indices[i * self.k..(i + 1) * self.k]
    }

    /// Their distances, ascending.
    pub fn distances(&self, i: usize) -> &[f32] {
        &self.distances[i * self.k..(i + 1) * self.k]
    }

    /// Only the nearest `k` of each.
    pub fn nearest(&self, k: usize) -> Self {
        let k = k.min(self.k);
        let indices = (0..self.rows()).flat_map(|i| &self.indices(i)[..k]).copied().collect();
        let distances = (0..self.rows()).flat_map(|i| &self.distances(i)[..k]).copied().collect();
        Self { k, indices, distances }
    }
}

/// Samples prepared for queries: of unit length for the cosine, for half the squared distance of unit vectors is 1 - cos;
/// and with the mean taken off, which changes no distance and keeps the digits of samples that are all alike.
#[derive(Debug, Clone)]
pub struct Index {
    metric: Metric,
    width: usize,
    rows: Vec<f32>,
    /// Squared length of every row; infinite for one without a direction.
    norms: Vec<f64>,
    mean: Vec<f32>,
}

/// Queries of one block: their products with a tile of the samples stay in a core's cache.
const QUERIES: usize = 64;
/// Samples of one tile.
const TILE: usize = 2048;
/// Candidates kept beyond k, so that the order in f64 is not lost to f32.
const SPARE: usize = 8;

impl Index {
    /// Prepares a copy of the samples.
    pub fn new(samples: Matrix, metric: Metric) -> Self {
        let width = samples.width();
        let mut rows = samples.values().to_vec();
        let has_direction: Vec<bool> = match metric {
            Metric::Cosine => rows.par_chunks_mut(width).map(to_unit_length).collect(),
            Metric::Euclid => vec![true; samples.rows()],
        };
        let mean = mean(&rows, width);
        let prepared = rows.par_chunks_mut(width).zip(has_direction);
        let norms = prepared.map(|(row, has_direction)| centre(row, &mean, has_direction)).collect();
        Self { metric, width, rows, norms, mean }
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.norms.len()
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The k nearest to `query`, nearest first; sample `but` is left out. A query of another width has none.
    pub fn nearest(&self, query: &[f32], k: usize, but: Option<usize>) -> Vec<Neighbour> {
        if query.len() != self.width {
            return Vec::new();
        }
        let mut query = query.to_vec();
        let has_direction = self.metric == Metric::Euclid || to_unit_length(&mut query);
        let norm = centre(&mut query, &self.mean, has_direction);
        let keep = k + SPARE;
        let tiles: Vec<Nearest> = self
            .rows
            .par_chunks(TILE * self.width)
            .enumerate()
            .map(|(tile, rows)| {
                let mut found = Nearest::new(keep);
                let mut dots = vec![0.0; rows.len() / self.width];
                products(rows, &query, self.width, &mut dots);
                self.offer(&mut found, norm, &dots, tile * TILE, but);
                found
            })
            .collect();
        let mut found = Nearest::new(keep);
        tiles.into_iter().flat_map(|tile| tile.heap).for_each(|key| found.offer(key));
        self.in_order(&query, norm, found, k)
    }

    /// The k nearest of every sample (fewer where there are not so many); nothing when the watch ends it.
    pub fn all(&self, k: usize, watch: &dyn Watch) -> Option<Neighbours> {
        let k = k.min(self.rows() - 1);
        let done = AtomicUsize::new(0);
        let blocks = self.rows.par_chunks(QUERIES * self.width).enumerate();
        let found: Option<Vec<Vec<Neighbour>>> = blocks
            .map(|(block, queries)| {
                if watch.stopped() {
                    return None;
                }
                let first = block * QUERIES;
                let found = self.of_block(queries, first, k + SPARE);
                let of_query = |(at, found): (usize, Nearest)| {
                    let i = first + at;
                    self.in_order(self.row(i), self.norms[i], found, k)
                };
                let neighbours = found.into_iter().enumerate().flat_map(of_query).collect();
                let rows = queries.len() / self.width;
                let done = done.fetch_add(rows, Ordering::Relaxed) + rows;
                watch.progress(done as f32 / self.rows() as f32);
                Some(neighbours)
            })
            .collect();
        let found = found?;
        let each = || found.iter().flatten();
        Some(Neighbours {
            k,
            indices: each().map(|n| n.index as u32).collect(),
            distances: each().map(|n| n.distance).collect(),
        })
    }

    /// Squared distances, in f32, from sample `query` to all samples.
    pub(super) fn squared_distances(&self, query: usize, out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.rows(), 0.0);
        products(&self.rows, self.row(query), self.width, out);
        let norm = self.norms[query] as f32;
        out.iter_mut().zip(&self.norms).for_each(|(out, &n)| *out = (norm + n as f32 - 2.0 * *out).max(0.0));
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.width..(i + 1) * self.width]
    }

    fn of_block(&self, queries: &[f32], first: usize, keep: usize) -> Vec<Nearest> {
        let mut found: Vec<Nearest> = queries.chunks_exact(self.width).map(|_| Nearest::new(keep)).collect();
        let mut dots = vec![0.0; found.len() * TILE];
        for (tile, rows) in self.rows.chunks(TILE * self.width).enumerate() {
            let count = rows.len() / self.width;
            let dots = &mut dots[..found.len() * count];
            products(queries, rows, self.width, dots);
            for (at, (found, dots)) in found.iter_mut().zip(dots.chunks_exact(count)).enumerate() {
                self.offer(found, self.norms[first + at], dots, tile * TILE, Some(first + at));
            }
        }
        found
    }

    /// Offers the samples from `first` on, whose products with the query are `dots`.
    fn offer(&self, found: &mut Nearest, norm: f64, dots: &[f32], first: usize, but: Option<usize>) {
        let norm = norm as f32;
        for (at, (dot, &other)) in dots.iter().zip(&self.norms[first..]).enumerate() {
            let squared = (norm + other as f32 - 2.0 * dot).max(0.0);
            if squared <= found.worst && but != Some(first + at) {
                found.offer(key(squared, first + at));
            }
        }
    }

    /// The k nearest of the candidates with their distances.
    fn in_order(&self, query: &[f32], norm: f64, found: Nearest, k: usize) -> Vec<Neighbour> {
        let mut candidates: Vec<(f64, usize)> = found
            .heap
            .into_iter()
            .map(|key| {
                let index = (key & u64::from(u32::MAX)) as usize;
                let dot: f64 = query.iter().zip(self.row(index)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                ((norm + self.norms[index] - 2.0 * dot).max(0.0), index)
            })
            .collect();
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        candidates.truncate(k);
        let distance = |squared: f64| match self.metric {
            Metric::Cosine => squared.min(4.0) / 2.0,
            Metric::Euclid => squared.sqrt(),
        };
        candidates.into_iter().map(|(d, index)| Neighbour { index, distance: distance(d) as f32 }).collect()
    }
}

/// A squared distance and a row as one number that sorts by distance, then by row.
fn key(squared: f32, row: usize) -> u64 {
    u64::from(squared.to_bits()) << 32 | row as u64
}

/// The smallest keys offered so far.
struct Nearest {
    heap: BinaryHeap<u64>,
    keep: usize,
    /// Squared distance beyond which nothing is taken any more.
    worst: f32,
}

impl Nearest {
    fn new(keep: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(keep + 1), keep, worst: f32::INFINITY }
    }

    fn offer(&mut self, key: u64) {
        self.heap.push(key);
        if self.heap.len() > self.keep {
            self.heap.pop();
        }
        if self.heap.len() == self.keep {
            self.worst = self.heap.peek().map_or(f32::INFINITY, |worst| f32::from_bits((worst >> 32) as u32));
        }
    }
}

fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
    }
    let count = (rows.len() / width) as f64;
    sum.iter().map(|sum| (sum / count) as f32).collect()
}

fn squared_length(row: &[f32]) -> f64 {
    row.iter().map(|&v| f64::from(v) * f64::from(v)).sum()
}

/// Returns whether the row has a direction.
fn to_unit_length(row: &mut [f32]) -> bool {
    let length = squared_length(row).sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
    }
    length > 0.0
}

/// Takes the mean off; returns the squared length, infinite for a row without a direction.
fn centre(row: &mut [f32], mean: &[f32], has_direction: bool) -> f64 {
    row.iter_mut().zip(mean).for_each(|(v, m)| *v -= m);
    if has_direction { squared_length(row) } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use jepa_core::random::{Draw as _, Purpose, Stream};

    use super::*;

    /// Rows around a few centres far from the origin, where careless formulas lose every digit.
    fn samples(rows: usize, width: usize) -> Vec<f32> {
        let mut draw = Stream::new(3, Purpose::Test, 0, 0);
        (0..rows * width).map(|i| 30.0 * ((i / width) % 3) as f32 + 200.0 + draw.normal()).collect()
    }

    fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        match metric {
            Metric::Euclid => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
            Metric::Cosine => {
                let lengths: f64 = pairs().map(|(a, _)| a * a).sum::<f64>() * pairs().map(|(_, b)| b * b).sum::<f64>();
                1.0 - pairs().map(|(a, b)| a * b).sum::<f64>() / lengths.sqrt()
            }
        }
    }

    /// Comparing every pair in f64.
    fn by_hand(values: &[f32], width: usize, metric: Metric, query: usize, k: usize) -> Vec<(usize, f64)> {
        let row = |i: usize| &values[i * width..(i + 1) * width];
        let others = (0..values.len() / width).filter(|&i| i != query);
        let mut all: Vec<(usize, f64)> = others.map(|i| (i, distance(metric, row(query), row(i)))).collect();
        all.sort_by(|a, b| a.1.total_cmp(&b.1));
        all.truncate(k);
        all
    }

    #[test]
    fn all_pairs_and_single_queries_find_what_comparing_every_pair_finds() {
        // More rows than a tile, no multiple of a block.
        let (rows, width, k) = (2500, 24, 12);
        let values = samples(rows, width);
        let matrix = Matrix::new(&values, width).unwrap();
        for metric in [Metric::Cosine, Metric::Euclid] {
            let index = Index::new(matrix, metric);
            let all = index.all(k, &()).unwrap();
            assert_eq!((all.rows(), all.k()), (rows, k));
            for query in (0..rows).step_by(97) {
                let expected = by_hand(&values, width, metric, query, k);
                let single = index.nearest(matrix.row(query), k, Some(query));
                for (at, &(_, far)) in expected.iter().enumerate() {
                    let pairs = [
                        (all.indices(query)[at] as usize, all.distances(query)[at]),
                        (single[at].index, single[at].distance),
                    ];
                    for (there, found) in pairs {
                        // Where two are as far to the last digits, either may come first.
                        let true_one = distance(metric, matrix.row(query), matrix.row(there));
                        assert!((true_one - far).abs() < 1e-4 * far, "{metric:?} {query}: {true_one} {far}");
                        assert!((f64::from(found) - far).abs() < 1e-3 * far, "{metric:?} {query}: {found} {far}");
                    }
                }
            }
        }
    }

    #[test]
    fn copies_are_found_first_and_a_sample_is_not_its_own_neighbour() {
        let values = [1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0, 0.0];
        let index = Index::new(Matrix::new(&values, 2).unwrap(), Metric::Euclid);
        let all = index.all(9, &()).unwrap();
        assert_eq!(all.k(), 3);
        assert_eq!(all.indices(0)[0], 1);
        assert_eq!(all.distances(0)[0], 0.0);
        assert_eq!(all.indices(1), [0, 3, 2]);
        assert_eq!(all.nearest(1).indices(1), [0]);
    }

    #[test]
    fn zeros_have_no_direction_and_are_as_far_away_as_can_be() {
        let values = [0.0, 0.0, 5.0, 0.0, -1.0, 0.0, 0.0, 0.0];
        let index = Index::new(Matrix::new(&values, 2).unwrap(), Metric::Cosine);
        assert!(index.all(3, &()).unwrap().distances(0).iter().all(|&d| d == 2.0));
        let nearest = index.nearest(&[9.0, 0.0], 4, None);
        assert!(nearest[0].index == 1 && nearest[0].distance.abs() < 1e-6);
        assert!(nearest[1..].iter().all(|n| (n.distance - 2.0).abs() < 1e-6), "{nearest:?}");
        assert!(index.nearest(&[1.0], 1, None).is_empty());
    }

    #[test]
    fn a_watch_that_has_seen_enough_ends_it() {
        struct Enough;
        impl Watch for Enough {
            fn stopped(&self) -> bool {
                true
            }
        }
        let values = samples(300, 4);
        assert_eq!(Index::new(Matrix::new(&values, 4).unwrap(), Metric::Euclid).all(5, &Enough), None);
    }
}
