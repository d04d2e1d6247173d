//! t-distributed stochastic neighbour embedding (van der Maaten and Hinton 2008; Barnes-Hut form 2014), by `bhtsne`, fed
//! with our exact neighbours and a given start, shown after every iteration.
//!
//! The library cannot be stopped: it is run in chunks, each beginning where the last one ended. Its sums are made in the
//! order of the threads, so that two maps of the same features differ in their last bits, and after hundreds of
//! iterations in more than those.

use std::cell::RefCell;
use std::ops::ControlFlow;

use bhtsne::{Neighbor, tSNE};
use jepa_core::{Error, Result};

use super::neighbours::Neighbours;

/// Settings; the defaults are scikit-learn's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tsne {
    /// How many neighbours count, roughly; lowered where there are not three times as many.
    pub perplexity: f32,
    /// Iterations in all.
    pub iterations: usize,
    /// First iterations, in which neighbours attract each other twelve times as much. 0 goes on from a finished map.
    pub early: usize,
    /// How coarsely far points are summed up; 0 would be exact.
    pub theta: f32,
}

impl Default for Tsne {
    fn default() -> Self {
        Self { perplexity: 30.0, iterations: 1000, early: 250, theta: 0.5 }
    }
}

/// A map and how far it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// Coordinates, row-major.
    pub map: Vec<f32>,
    /// Iterations done.
    pub iteration: usize,
}

/// Iterations until a request to stop is looked at, at the latest: half a second to a second for 5,000 points.
const CHUNK: usize = 25;

/// Standard deviation of the first coordinate that a map begins with.
const BEGINNING: f64 = 1e-4;

/// Who watches, and what was seen last.
struct Watched<R> {
    report: R,
    map: Vec<f32>,
    iteration: usize,
    is_over: bool,
}

impl Tsne {
    /// Neighbours that a perplexity needs.
    pub fn neighbours_for(perplexity: f32) -> usize {
        (3.0 * perplexity).ceil().max(1.0) as usize
    }

    /// Lays the neighbours out from `start`, `dims` (2 or 3) coordinates a row: principal components, whose scale is
    /// brought down first, or with `early` 0 a finished map, whose scale is kept. `report` sees the map after every
    /// iteration, from 1, and may end it there.
    pub fn layout(
        &self,
        neighbours: &Neighbours,
        start: &[f32],
        dims: usize,
        report: impl FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<Settled> {
        let rows = neighbours.rows();
        if !(2..=3).contains(&dims) || start.len() != rows * dims {
            let problem = format!("a start of {} values does not fit {rows} samples in {dims} dimensions", start.len());
            return Err(Error::data("features", problem));
        }
        // The library asks for three neighbours a unit of perplexity, and for a perplexity of more than one.
        let perplexity = self.perplexity.min((rows as f32 - 1.0) / 3.0).min(neighbours.k() as f32 / 3.0);
        let is_sound = perplexity.is_finite() && perplexity > 1.0 && self.theta > 0.0 && self.iterations > 0;
        if !is_sound {
            let problem = format!("{rows} samples with {} neighbours each are too few for t-SNE", neighbours.k());
            return Err(Error::data("features", problem));
        }
        let start = if self.early > 0 { brought_down(start, dims) } else { start.to_vec() };
        let watched = RefCell::new(Watched { report, map: start, iteration: 0, is_over: false });
        let table = table(neighbours);
        // Only the number of samples is asked of the data: the neighbours are known.
        let samples = vec![(); rows];
        macro_rules! settle {
            ($dims:literal) => {{
                let mut tsne = tSNE::<f32, (), $dims>::new(&samples);
                tsne.perplexity(perplexity).momentum_switch_epoch(usize::MAX);
                tsne.epoch_callback(|_, map| watched.borrow_mut().see(map));
                let mut done = 0;
                while done < self.iterations && !watched.borrow().is_over {
                    let is_early = done < self.early;
                    let end = if is_early { self.early.min(self.iterations) } else { self.iterations };
                    let chunk = CHUNK.min(end - done);
                    tsne.initial_embedding(watched.borrow().map.clone());
                    tsne.epochs(chunk);
                    tsne.momentum(if is_early { 0.5 } else { 0.8 });
                    tsne.stop_lying_epoch(if is_early { usize::MAX } else { 0 });
                    if done == 0 {
                        tsne.barnes_hut_with_neighbors(self.theta, &table);
                    } else {
                        // The affinities are there: no distance is asked for.
                        tsne.barnes_hut(self.theta, |_, _| 0.0);
                    }
                    done += chunk;
                }
            }};
        }
        if dims == 2 {
            settle!(2)
        } else {
            settle!(3)
        }
        let Watched { map, iteration, .. } = watched.into_inner();
        if map.iter().any(|v| !v.is_finite()) {
            return Err(Error::data("features", "t-SNE left the finite numbers; try another perplexity"));
        }
        Ok(Settled { map, iteration })
    }
}

impl<R: FnMut(usize, &[f32]) -> ControlFlow<()>> Watched<R> {
    fn see(&mut self, map: &[f32]) {
        if !self.is_over {
            self.iteration += 1;
            self.map.copy_from_slice(map);
            self.is_over = (self.report)(self.iteration, map).is_break();
        }
    }
}

/// The neighbours as the library wants them.
fn table(neighbours: &Neighbours) -> Vec<Vec<Neighbor<f32>>> {
    let row = |i: usize| {
        let pairs = neighbours.indices(i).iter().zip(neighbours.distances(i));
        pairs.map(|(&index, &distance)| Neighbor { index: index as usize, distance }).collect()
    };
    (0..neighbours.rows()).map(row).collect()
}

/// The start with a small first coordinate; one without any spread stays, a little apart by row, or nothing would move.
fn brought_down(start: &[f32], dims: usize) -> Vec<f32> {
    let first = || start.iter().step_by(dims).map(|&v| f64::from(v));
    let rows = first().count() as f64;
    let mean = first().sum::<f64>() / rows;
    let deviation = (first().map(|v| (v - mean).powi(2)).sum::<f64>() / rows).sqrt();
    if deviation > 0.0 {
        return start.iter().map(|&v| (f64::from(v) * BEGINNING / deviation) as f32).collect();
    }
    let angle = |i: usize| (i / dims) as f32 + (i % dims) as f32 * 1.3;
    (0..start.len()).map(|i| BEGINNING as f32 * angle(i).sin()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Index, Matrix, Metric, Pca, Trust, reference};
    use super::*;

    fn on(_: usize, _: &[f32]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn prepared(perplexity: f32, dims: usize) -> (Index, Neighbours, Vec<f32>) {
        let (values, width) = reference::load().table("samples");
        let samples = Matrix::new(&values, width).unwrap();
        let index = Index::new(samples, Metric::Euclid);
        let neighbours = index.all(Tsne::neighbours_for(perplexity), &()).unwrap();
        let start = Pca::fit(samples, dims).unwrap().project(samples, &[0, 1, 2][..dims]).unwrap();
        (index, neighbours, start)
    }

    /// The divergence from its definition, in f64: Gaussian neighbourhoods of the perplexity, symmetric, against Student's
    /// distribution over all pairs.
    fn exact_divergence(neighbours: &Neighbours, map: &[f32], perplexity: f64) -> f64 {
        let rows = neighbours.rows();
        let mut joint = vec![0.0; rows * rows];
        for i in 0..rows {
            let squared: Vec<f64> = neighbours.distances(i).iter().map(|&d| f64::from(d).powi(2)).collect();
            let row = |beta: f64| -> Vec<f64> {
                let raw: Vec<f64> = squared.iter().map(|d| (-beta * (d - squared[0])).exp()).collect();
                let sum: f64 = raw.iter().sum();
                raw.iter().map(|v| v / sum).collect()
            };
            let entropy = |row: &[f64]| -row.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
            let (mut low, mut high) = (1e-12f64, 1e6f64);
            for _ in 0..100 {
                let middle = (low * high).sqrt();
                if entropy(&row(middle)) > perplexity.ln() { low = middle } else { high = middle }
            }
            for (p, &j) in row(low).iter().zip(neighbours.indices(i)) {
                joint[i * rows + j as usize] += p / (2.0 * rows as f64);
                joint[j as usize * rows + i] += p / (2.0 * rows as f64);
            }
        }
        let near = |i: usize, j: usize| -> f64 {
            let (a, b) = (&map[2 * i..2 * i + 2], &map[2 * j..2 * j + 2]);
            1.0 / (1.0 + a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>())
        };
        let pairs = || (0..rows * rows).map(|at| (at / rows, at % rows)).filter(|(i, j)| i != j);
        let sum: f64 = pairs().map(|(i, j)| near(i, j)).sum();
        let positive = pairs().filter(|(i, j)| joint[i * rows + j] > 0.0);
        positive.map(|(i, j)| joint[i * rows + j] * (joint[i * rows + j] * sum / near(i, j)).ln()).sum()
    }

    #[test]
    fn the_divergence_falls_and_ends_near_scikit_learns() {
        let (index, neighbours, start) = prepared(30.0, 2);
        let settled = Tsne::default().layout(&neighbours, &start, 2, on).unwrap();
        assert_eq!(settled.iteration, 1000);
        let exact = |map: &[f32]| exact_divergence(&neighbours, map, 30.0);
        let theirs = f64::from(reference::load().values("tsne.kl")[0]);
        // Seen: 1.03 against 0.90; the components that it began with are at twice that.
        let (ours, before) = (exact(&settled.map), exact(&start));
        assert!((0.8 * theirs..1.25 * theirs).contains(&ours), "{ours} {theirs}");
        assert!(before > 1.25 * theirs, "{before} {theirs}");
        let trust = |map: &[f32]| Trust::of(&index, map, 2, 10, 1000, &()).unwrap();
        assert!(trust(&settled.map).kept > trust(&start).kept);
    }

    #[test]
    fn it_goes_on_from_a_finished_map_without_leaving_it() {
        let (_, neighbours, start) = prepared(20.0, 3);
        let settings = Tsne { perplexity: 20.0, iterations: 400, early: 100, ..Tsne::default() };
        let settled = settings.layout(&neighbours, &start, 3, on).unwrap();
        let more = Tsne { iterations: 100, early: 0, ..settings };
        let further = more.layout(&neighbours, &settled.map, 3, on).unwrap();
        let spread = |map: &[f32]| map.iter().map(|v| v * v).sum::<f32>();
        let moved: f32 = settled.map.iter().zip(&further.map).map(|(a, b)| (a - b).powi(2)).sum();
        assert!(moved < 0.2 * spread(&settled.map), "{moved} {}", spread(&settled.map));
    }

    #[test]
    fn a_report_ends_it_with_the_map_that_was_seen_last() {
        let (_, neighbours, start) = prepared(10.0, 2);
        let mut seen = Vec::new();
        let stop = |iteration: usize, map: &[f32]| {
            seen = map.to_vec();
            if iteration == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let settled = Tsne::default().layout(&neighbours, &start, 2, stop).unwrap();
        assert_eq!(settled.iteration, 7);
        assert_eq!(settled.map, seen);
    }

    #[test]
    fn few_samples_are_refused_in_words_and_equal_starts_still_move() {
        let values = [0.0, 1.0, 2.0];
        let few = Index::new(Matrix::new(&values, 1).unwrap(), Metric::Euclid).all(5, &()).unwrap();
        assert!(Tsne::default().layout(&few, &[0.0; 6], 2, on).unwrap_err().to_string().contains("too few"));
        let (_, neighbours, start) = prepared(10.0, 2);
        let settings = Tsne { perplexity: 10.0, iterations: 50, ..Tsne::default() };
        assert!(settings.layout(&neighbours, &start[1..], 2, on).is_err());
        let settled = settings.layout(&neighbours, &vec![0.0; start.len()], 2, on).unwrap();
        assert!(settled.map[0] != settled.map[2]);
    }
}
