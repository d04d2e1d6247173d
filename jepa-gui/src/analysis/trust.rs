//! How far a map can be believed: what its neighbourhoods say about those of the features.

use jepa_core::random::{Draw as _, Purpose, Stream};
use rayon::prelude::*;

use super::Watch;
use super::neighbours::Index;

/// Figures of a map, over neighbourhoods of `k`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trust {
    /// Trustworthiness (Venna and Kaski 2001), 1 when no sample is shown among the k nearest that is not; samples that
    /// intrude weigh as much as they are far away in truth.
    pub trustworthiness: f64,
    /// Share of the true k nearest neighbours that are among the k nearest on the map.
    pub kept: f64,
    /// Neighbours a sample.
    pub k: usize,
    /// Samples looked at.
    pub queries: usize,
    /// Samples of the map.
    pub rows: usize,
}

impl Trust {
    /// Compares the neighbourhoods of a map, `dims` coordinates a row, with those of the features, at all samples or
    /// at `limit` of them drawn at random. `k` is lowered to less than half the samples, as the measure asks.
    /// Nothing for fewer than four samples, or when the watch ends it.
    pub fn of(index: &Index, map: &[f32], dims: usize, k: usize, limit: usize, watch: &dyn Watch) -> Option<Self> {
        let rows = index.rows();
        if rows < 4 || dims == 0 || map.len() != rows * dims {
            return None;
        }
        let k = k.clamp(1, (rows - 1) / 2);
        let mut queries = Stream::new(0, Purpose::Probe, 0, rows as u64).permutation(rows);
        queries.truncate(limit.max(1));
        let sums = queries
            .par_iter()
            .map_init(
                || (Vec::new(), Vec::new(), Vec::new()),
                |(far, near, order), &query| {
                    if watch.stopped() {
                        return None;
                    }
                    let query = query as usize;
                    index.squared_distances(query, far);
                    let at = |i: usize| &map[i * dims..(i + 1) * dims];
                    near.clear();
                    let squared = |i| at(query).iter().zip(at(i)).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
                    near.extend((0..rows).map(squared));
                    let shown = nearest(near, query, k, order);
                    let true_ones = nearest(far, query, k, order);
                    Some(compare(far, query, &shown, &true_ones))
                },
            )
            .try_reduce(|| (0, 0), |a, b| Some((a.0 + b.0, a.1 + b.1)))?;
        let (penalty, kept) = sums;
        let pairs = (queries.len() * k) as f64;
        let worst = (2 * rows - 3 * k - 1) as f64;
        Some(Self {
            trustworthiness: 1.0 - 2.0 * penalty as f64 / (pairs * worst),
            kept: kept as f64 / pairs,
            k,
            queries: queries.len(),
            rows,
        })
    }
}

/// The k rows of smallest distance but the query itself.
fn nearest(distances: &[f32], query: usize, k: usize, order: &mut Vec<u64>) -> Vec<usize> {
    order.clear();
    order.extend(distances.iter().enumerate().map(|(i, d)| u64::from(d.to_bits()) << 32 | i as u64));
    order.swap_remove(query);
    order.select_nth_unstable(k - 1);
    order[..k].iter().map(|key| (key & u64::from(u32::MAX)) as usize).collect()
}

/// By how many ranks the intruders exceed k, and how many true neighbours are shown.
fn compare(distances: &[f32], query: usize, shown: &[usize], true_ones: &[usize]) -> (u64, u64) {
    let (mut penalty, mut kept) = (0, 0);
    for &neighbour in shown {
        if true_ones.contains(&neighbour) {
            kept += 1;
            continue;
        }
        let own = (distances[neighbour], neighbour);
        // The query is nearer to itself than anything, unless a copy stands before it.
        let before = distances.iter().enumerate().filter(|&(i, &d)| i != query && (d, i) < own).count();
        penalty += (before + 1 - shown.len()) as u64;
    }
    (penalty, kept)
}

#[cfg(test)]
mod tests {
    use super::super::{Matrix, Metric, reference};
    use super::*;

    fn of(samples: &str, map: &str, k: usize, limit: usize) -> Trust {
        let reference = reference::load();
        let (values, width) = reference.table(samples);
        let (map, dims) = reference.table(map);
        let index = Index::new(Matrix::new(&values, width).unwrap(), Metric::Euclid);
        Trust::of(&index, &map, dims, k, limit, &()).unwrap()
    }

    #[test]
    fn trustworthiness_is_scikit_learns_for_a_good_map_and_for_a_random_one() {
        let reference = reference::load();
        for (map, name) in [("trust.good", "trust.good.score"), ("trust.random", "trust.random.score")] {
            let expected = f64::from(reference.values(name)[0]);
            let found = of("samples", map, 10, usize::MAX);
            assert!((found.trustworthiness - expected).abs() < 1e-4, "{map} {} {expected}", found.trustworthiness);
            let kept = f64::from(reference.values(&name.replace("score", "kept"))[0]);
            assert!((found.kept - kept).abs() < 2e-3, "{map} {} {kept}", found.kept);
        }
    }

    #[test]
    fn a_part_of_the_samples_estimates_the_whole_and_says_how_many_it_asked() {
        let (whole, part) = (of("samples", "trust.good", 10, usize::MAX), of("samples", "trust.good", 10, 150));
        assert!((whole.trustworthiness - part.trustworthiness).abs() < 0.03);
        assert_eq!((part.queries, part.rows, whole.queries), (150, whole.rows, whole.rows));
    }

    #[test]
    fn a_faithful_map_has_no_penalty_and_few_samples_have_no_figure() {
        let values: Vec<f32> = (0..20).map(|i| (i * i) as f32).collect();
        let index = Index::new(Matrix::new(&values, 1).unwrap(), Metric::Euclid);
        let trust = Trust::of(&index, &values, 1, 10, 100, &()).unwrap();
        assert_eq!((trust.trustworthiness, trust.kept, trust.k), (1.0, 1.0, 9));
        let index = Index::new(Matrix::new(&values[..3], 1).unwrap(), Metric::Euclid);
        assert_eq!(Trust::of(&index, &values[..3], 1, 10, 100, &()), None);
    }
}
