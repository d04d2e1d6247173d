//! Uniform manifold approximation and projection (McInnes, Healy and Melville 2018, arXiv 1802.03426): a weighted graph
//! of neighbours, laid out by attraction along its edges and repulsion from random samples.
//!
//! The layout is one thread's work from a counter-based stream, so that a seed gives the same bits on every machine.

use std::ops::ControlFlow;

use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::{Error, Result};

use super::neighbours::Neighbours;

/// Settings; the defaults are the paper's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Umap {
    /// Distance of points that belong together on the map, 0 to `spread`.
    pub min_dist: f32,
    /// Scale of the map.
    pub spread: f32,
    /// Passes over the edges.
    pub epochs: usize,
    /// Random samples a drawn edge is repelled from.
    pub negatives: usize,
    /// First step length; falls to 0 linearly.
    pub learning_rate: f32,
    /// Which random samples.
    pub seed: u64,
}

impl Default for Umap {
    fn default() -> Self {
        Self { min_dist: 0.1, spread: 1.0, epochs: 500, negatives: 5, learning_rate: 1.0, seed: 0 }
    }
}

/// The fuzzy graph: how sure it is that two samples are neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    rows: usize,
    /// Ends, smaller row first, and weight in (0, 1]; sorted.
    edges: Vec<(u32, u32, f32)>,
}

impl Graph {
    /// The graph of nearest neighbours. What the paper calls n_neighbors counts the sample itself: one more than `k`.
    pub fn new(neighbours: &Neighbours) -> Self {
        let rows = neighbours.rows();
        let all: f64 = (0..rows).flat_map(|i| neighbours.distances(i)).map(|&d| f64::from(d)).sum();
        let counted = rows * (neighbours.k() + 1);
        let mean = if counted > 0 { all / counted as f64 } else { 0.0 };
        let mut directed = Vec::with_capacity(rows * neighbours.k());
        for i in 0..rows {
            let distances = neighbours.distances(i);
            let (nearest, width) = scale(distances, mean);
            for (&j, &distance) in neighbours.indices(i).iter().zip(distances) {
                let beyond = f64::from(distance) - nearest;
                let weight = if beyond <= 0.0 || width == 0.0 { 1.0 } else { (-beyond / width).exp() };
                let i = i as u32;
                directed.push((i.min(j), i.max(j), weight as f32));
            }
        }
        directed.sort_by_key(|&(a, b, _)| (a, b));
        let mut edges: Vec<(u32, u32, f32)> = Vec::with_capacity(directed.len());
        for (a, b, weight) in directed {
            match edges.last_mut() {
                // Seen from both ends: one or the other is right.
                Some(last) if (last.0, last.1) == (a, b) => last.2 = last.2 + weight - last.2 * weight,
                _ => edges.push((a, b, weight)),
            }
        }
        edges.retain(|edge| edge.2 > 0.0);
        Self { rows, edges }
    }

    /// Ends, smaller row first, and weight of every edge.
    pub fn edges(&self) -> &[(u32, u32, f32)] {
        &self.edges
    }
}

/// Distance to the nearest neighbour that is no copy, and the width at which the weights of all sum to log2 of their
/// number.
fn scale(distances: &[f32], mean_of_all: f64) -> (f64, f64) {
    /// Widths below this share of the mean distance would make every neighbour but one vanish.
    const LEAST: f64 = 1e-3;
    let nearest = distances.iter().copied().find(|&d| d > 0.0).map_or(0.0, f64::from);
    let target = ((distances.len() + 1) as f64).log2();
    let sum =
        |width: f64| -> f64 { distances.iter().map(|&d| (-(f64::from(d) - nearest).max(0.0) / width).exp()).sum() };
    let (mut low, mut high, mut width) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..64 {
        let found = sum(width);
        if (found - target).abs() < 1e-5 {
            break;
        }
        if found > target {
            high = width;
            width = (low + high) / 2.0;
        } else {
            low = width;
            width = if high.is_finite() { (low + high) / 2.0 } else { width * 2.0 };
        }
    }
    let mean = distances.iter().map(|&d| f64::from(d)).sum::<f64>() / (distances.len() + 1) as f64;
    (nearest, width.max(LEAST * if nearest > 0.0 { mean } else { mean_of_all }))
}

impl Umap {
    /// Epochs that a data set of this size needs to settle, as in the paper's implementation.
    pub fn usual_epochs(rows: usize) -> usize {
        if rows <= 10_000 { 500 } else { 200 }
    }

    /// Lays the graph out from `start`, `dims` coordinates a row (principal components, or the map of another
    /// checkpoint). `report` sees the map after every epoch, from 1, and may end it there.
    pub fn layout(
        &self,
        graph: &Graph,
        start: &[f32],
        dims: usize,
        mut report: impl FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<Vec<f32>> {
        if dims == 0 || start.len() != graph.rows * dims {
            let problem = format!("a start of {} values does not fit {} samples", start.len(), graph.rows);
            return Err(Error::data("features", problem));
        }
        let positive = self.min_dist >= 0.0 && self.min_dist <= self.spread && self.spread > 0.0;
        if !positive || self.epochs == 0 {
            let problem = "min_dist lies between 0 and spread, spread is positive, epochs at least 1";
            return Err(Error::config("umap", problem));
        }
        let curve = Curve::fit(self.min_dist, self.spread);
        let mut map = start.to_vec();
        // A step moves a point by 4 at most: a map that begins much larger would never be gathered.
        let reach = map.iter().fold(0.0f32, |a, v| a.max(v.abs()));
        if reach > 0.0 {
            map.iter_mut().for_each(|v| *v *= 10.0 / reach);
        }
        let mut schedule = Schedule::new(graph, self.epochs);
        for epoch in 1..=self.epochs {
            let step = self.learning_rate * (1.0 - (epoch - 1) as f32 / self.epochs as f32);
            let mut draw = Stream::new(self.seed, Purpose::Probe, epoch as u64, 0);
            schedule.due(epoch as f32, |head, tail| {
                curve.attract(&mut map, dims, head, tail, step);
                for _ in 0..self.negatives {
                    let other = draw.below(graph.rows);
                    if other != head {
                        curve.repel(&mut map, dims, head, other, step);
                    }
                }
            });
            if report(epoch, &map).is_break() {
                break;
            }
        }
        Ok(map)
    }
}

/// When each edge is drawn: in proportion to its weight, the heaviest once an epoch.
struct Schedule {
    /// Both directions of every edge: head, tail, epochs between draws, epoch of the next one.
    edges: Vec<(u32, u32, f32, f32)>,
}

impl Schedule {
    fn new(graph: &Graph, epochs: usize) -> Self {
        let heaviest = graph.edges.iter().fold(0.0f32, |a, e| a.max(e.2));
        let mut edges = Vec::with_capacity(2 * graph.edges.len());
        // Edges that would not be drawn once are left out.
        for &(a, b, weight) in graph.edges.iter().filter(|e| e.2 * epochs as f32 >= heaviest) {
            let period = heaviest / weight;
            edges.extend([(a, b, period, period), (b, a, period, period)]);
        }
        edges.sort_by_key(|e| (e.0, e.1));
        Self { edges }
    }

    fn due(&mut self, epoch: f32, mut draw: impl FnMut(usize, usize)) {
        for (head, tail, period, next) in &mut self.edges {
            if *next <= epoch {
                draw(*head as usize, *tail as usize);
                *next += *period;
            }
        }
    }
}

/// Nearness on the map as a function of distance, 1 / (1 + a d^2b).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Curve {
    a: f32,
    b: f32,
}

impl Curve {
    /// The least-squares fit to 1 up to `min_dist` and exp(-(d - min_dist) / spread) beyond, at 300 distances up to
    /// three spreads, by Gauss-Newton steps on the logarithm of a and on b.
    fn fit(min_dist: f32, spread: f32) -> Self {
        let (min_dist, spread) = (f64::from(min_dist), f64::from(spread));
        let targets: Vec<(f64, f64)> = (0..300)
            .map(|i| 3.0 * spread * f64::from(i) / 299.0)
            .map(|d| (d, if d < min_dist { 1.0 } else { (-(d - min_dist) / spread).exp() }))
            .collect();
        let error = |log_a: f64, b: f64| -> f64 {
            targets.iter().map(|(d, y)| (1.0 / (1.0 + log_a.exp() * d.powf(2.0 * b)) - y).powi(2)).sum()
        };
        let (mut log_a, mut b, mut damping) = (0.0f64, 1.0f64, 1e-3);
        for _ in 0..200 {
            // The normal equations of the two unknowns.
            let (mut aa, mut ab, mut bb, mut along_a, mut along_b) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for &(d, y) in targets.iter().skip(1) {
                let power = log_a.exp() * d.powf(2.0 * b);
                let value = 1.0 / (1.0 + power);
                let by_a = -value * value * power;
                let by_b = by_a * 2.0 * d.ln();
                aa += by_a * by_a;
                ab += by_a * by_b;
                bb += by_b * by_b;
                along_a += by_a * (value - y);
                along_b += by_b * (value - y);
            }
            let (p, q) = (aa * (1.0 + damping), bb * (1.0 + damping));
            let determinant = p * q - ab * ab;
            let step = [(ab * along_b - q * along_a) / determinant, (ab * along_a - p * along_b) / determinant];
            if !step[0].is_finite() || !step[1].is_finite() {
                break;
            }
            if error(log_a + step[0], b + step[1]) < error(log_a, b) {
                (log_a, b, damping) = (log_a + step[0], b + step[1], damping / 3.0);
            } else {
                damping *= 4.0;
            }
        }
        Self { a: log_a.exp() as f32, b: b as f32 }
    }

    /// Moves both ends of an edge towards each other.
    fn attract(self, map: &mut [f32], dims: usize, head: usize, tail: usize, step: f32) {
        let squared = squared(map, dims, head, tail);
        if squared > 0.0 {
            let power = squared.powf(self.b);
            let pull = -2.0 * self.a * self.b * power / squared / (self.a * power + 1.0);
            for i in 0..dims {
                let move_by = (pull * (map[head * dims + i] - map[tail * dims + i])).clamp(-4.0, 4.0) * step;
                map[head * dims + i] += move_by;
                map[tail * dims + i] -= move_by;
            }
        }
    }

    /// Moves a point away from another.
    fn repel(self, map: &mut [f32], dims: usize, head: usize, other: usize, step: f32) {
        let squared = squared(map, dims, head, other);
        if squared > 0.0 {
            let push = 2.0 * self.b / ((0.001 + squared) * (self.a * squared.powf(self.b) + 1.0));
            for i in 0..dims {
                let move_by = (push * (map[head * dims + i] - map[other * dims + i])).clamp(-4.0, 4.0) * step;
                map[head * dims + i] += move_by;
            }
        }
    }
}

fn squared(map: &[f32], dims: usize, a: usize, b: usize) -> f32 {
    let (a, b) = (&map[a * dims..(a + 1) * dims], &map[b * dims..(b + 1) * dims]);
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{Index, Matrix, Metric, Pca, Trust, reference};
    use super::*;

    fn on(_: usize, _: &[f32]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Graph and start of the reference samples, four clusters.
    fn graph(k: usize) -> (Graph, Vec<f32>) {
        let (values, width) = reference::load().table("samples");
        let samples = Matrix::new(&values, width).unwrap();
        let neighbours = Index::new(samples, Metric::Euclid).all(k, &()).unwrap();
        let start = Pca::fit(samples, 2).unwrap().project(samples, &[0, 1]).unwrap();
        (Graph::new(&neighbours), start)
    }

    #[test]
    fn the_curve_is_the_one_that_scipy_fits() {
        let reference = reference::load();
        for row in reference.values("umap.curves").chunks(4) {
            let curve = Curve::fit(row[0], row[1]);
            assert!(
                (curve.a / row[2] - 1.0).abs() < 1e-3 && (curve.b / row[3] - 1.0).abs() < 1e-3,
                "{row:?} {curve:?}"
            );
        }
    }

    #[test]
    fn the_graph_is_umap_learns_edge_by_edge() {
        let reference = reference::load();
        let (graph, _) = graph(14);
        let expected = reference.values("umap.graph");
        assert_eq!(graph.edges().len(), expected.len() / 3);
        for (&(a, b, weight), row) in graph.edges().iter().zip(expected.chunks(3)) {
            assert_eq!((a, b), (row[0] as u32, row[1] as u32));
            assert!((weight - row[2]).abs() < 2e-3, "{a} {b}: {weight} {}", row[2]);
        }
    }

    #[test]
    fn one_seed_is_one_map_to_the_last_bit_and_another_seed_another() {
        let (graph, start) = graph(14);
        let layout = |seed| Umap { epochs: 30, seed, ..Umap::default() }.layout(&graph, &start, 2, on).unwrap();
        assert_eq!(layout(5), layout(5));
        assert_ne!(layout(5), layout(6));
    }

    #[test]
    fn clusters_that_are_apart_stay_apart_and_neighbourhoods_are_kept() {
        let reference = reference::load();
        let (values, width) = reference.table("samples");
        let clusters: Vec<u32> = reference.values("clusters").iter().map(|&c| c as u32).collect();
        let (graph, start) = graph(14);
        let map = Umap { epochs: 200, ..Umap::default() }.layout(&graph, &start, 2, on).unwrap();
        let index = Index::new(Matrix::new(&map, 2).unwrap(), Metric::Euclid);
        let shown = index.all(1, &()).unwrap();
        let strangers = (0..clusters.len()).filter(|&i| clusters[shown.indices(i)[0] as usize] != clusters[i]).count();
        assert!(strangers <= clusters.len() / 100, "{strangers} of {}", clusters.len());
        let features = Index::new(Matrix::new(&values, width).unwrap(), Metric::Euclid);
        let trust = |map: &[f32]| Trust::of(&features, map, 2, 10, 1000, &()).unwrap();
        assert!(trust(&map).kept > trust(&start).kept, "{:?} {:?}", trust(&map), trust(&start));
        assert!(trust(&map).trustworthiness > 0.9, "{:?}", trust(&map));
    }

    #[test]
    fn a_report_can_end_it_and_settings_that_make_no_map_are_refused() {
        let (graph, start) = graph(5);
        let mut epochs = 0;
        let stop = |epoch: usize, _: &[f32]| {
            epochs = epoch;
            if epoch == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Umap::default().layout(&graph, &start, 2, stop).unwrap();
        assert_eq!(epochs, 3);
        assert!(Umap { min_dist: 2.0, ..Umap::default() }.layout(&graph, &start, 2, on).is_err());
        assert!(Umap::default().layout(&graph, &start[2..], 2, on).is_err());
    }
}
