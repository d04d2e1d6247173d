//! From features to a map: what is computed in the background, step by step, and what of it is kept for the next map.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::camera::Place;
use super::table::Table;
use crate::analysis::{Index, Metric, Neighbours, Pca, Tsne, Umap, Watch, umap};
use crate::compute::Compute;
use crate::jobs::Worker;

/// How features become places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Principal components.
    #[default]
    Pca,
    /// t-SNE.
    Tsne,
    /// UMAP.
    Umap,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pca, Self::Tsne, Self::Umap];

    /// Its name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Pca => "PCA",
            Self::Tsne => "t-SNE",
            Self::Umap => "UMAP",
        }
    }

    /// What it shows and what not.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Pca => "Directions of largest variance: distances mean something, much is not seen",
            Self::Tsne => "Near neighbours stay near: sizes of clusters and distances between them mean little",
            Self::Umap => "Near neighbours stay near, somewhat more of the whole is kept: look at the trust figure",
        }
    }
}

/// What a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// Method.
    pub method: Method,
    /// Coordinates: 2 or 3.
    pub dims: usize,
    /// Principal components on the axes, from 0.
    pub components: [usize; 3],
    /// Whether neighbours are near by angle; else by distance.
    pub by_angle: bool,
    /// t-SNE: neighbours that count, roughly.
    pub perplexity: f32,
    /// t-SNE: iterations.
    pub iterations: usize,
    /// UMAP: neighbours, the sample itself counted.
    pub neighbours: usize,
    /// UMAP: distance of points that belong together.
    pub min_dist: f32,
    /// UMAP: which random numbers.
    pub seed: u64,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            method: Method::Pca,
            dims: 2,
            components: [0, 1, 2],
            by_angle: true,
            perplexity: 30.0,
            iterations: 1000,
            neighbours: 15,
            min_dist: 0.1,
            seed: 0,
        }
    }
}

impl Choice {
    /// The metric of neighbours.
    pub fn metric(&self) -> Metric {
        if self.by_angle { Metric::Cosine } else { Metric::Euclid }
    }

    /// The components on the axes of a map.
    pub fn axes(&self) -> &[usize] {
        &self.components[..self.dims.clamp(2, 3)]
    }

    /// What does not fit (a stored choice of another version) put in range.
    pub fn in_range(self) -> Self {
        Self {
            dims: self.dims.clamp(2, 3),
            components: self.components.map(|c| c.min(COMPONENTS - 1)),
            perplexity: if self.perplexity.is_finite() { self.perplexity.clamp(2.0, 100.0) } else { 30.0 },
            iterations: self.iterations.clamp(50, 10_000),
            neighbours: self.neighbours.clamp(3, 100),
            min_dist: if self.min_dist.is_finite() { self.min_dist.clamp(0.0, 0.99) } else { 0.1 },
            ..self
        }
    }
}

/// Principal components that are computed and offered.
pub const COMPONENTS: usize = 10;

/// Neighbourhoods that trust is measured on.
pub const TRUST_K: usize = 10;

/// Samples that trust is estimated on, where there are more.
pub const TRUST_QUERIES: usize = 2000;

/// What every map of a table needs, computed once.
#[derive(Debug)]
pub struct Prepared {
    /// The features.
    pub table: Arc<Table>,
    /// Their principal components.
    pub pca: Arc<Pca>,
    /// Their neighbours.
    pub index: Arc<Index>,
    /// What the components were computed on, and those of other checkpoints are.
    pub compute: Compute,
    /// All nearest neighbours, once somebody asked.
    all: Mutex<Option<Arc<Neighbours>>>,
}

impl Prepared {
    /// Principal components and the index of neighbours.
    pub fn new<T: Send + 'static>(
        table: Arc<Table>,
        metric: Metric,
        compute: Compute,
        worker: &Worker<T>,
    ) -> Result<Self, String> {
        let features = table.features().map_err(|e| e.to_string())?;
        worker.progress(None::<f32>, format!("Principal components of {} x {}", features.rows(), features.width()));
        let pca = Arc::new(compute.principal(features, COMPONENTS).map_err(|e| e.to_string())?);
        worker.progress(None::<f32>, "Preparing the neighbours");
        let index = Arc::new(Index::new(features, metric));
        Ok(Self { table, pca, index, compute, all: Mutex::new(None) })
    }

    /// The same features with another idea of nearness.
    pub fn with_metric(&self, metric: Metric) -> Result<Self, String> {
        let features = self.table.features().map_err(|e| e.to_string())?;
        let index = Arc::new(Index::new(features, metric));
        let (table, pca, compute) = (self.table.clone(), self.pca.clone(), self.compute.clone());
        Ok(Self { table, pca, index, compute, all: Mutex::new(None) })
    }

    /// The `k` nearest of every sample; kept for the next map.
    fn neighbours<T: Send>(&self, k: usize, worker: &Worker<T>) -> Result<Arc<Neighbours>, String> {
        let k = k.min(self.table.rows().saturating_sub(1));
        let kept = self.all.lock().ok().and_then(|all| all.clone());
        if let Some(all) = kept.filter(|all| all.k() >= k) {
            return Ok(if all.k() == k { all } else { Arc::new(all.nearest(k)) });
        }
        let watch = Watching { worker, text: "Finding neighbours" };
        let found = Arc::new(self.index.all(k, &watch).ok_or("stopped while neighbours were found")?);
        if let Ok(mut all) = self.all.lock() {
            *all = Some(found.clone());
        }
        Ok(found)
    }
}

/// A job's worker as the audience of an analysis.
pub struct Watching<'a, T> {
    /// The worker.
    pub worker: &'a Worker<T>,
    /// What is being done.
    pub text: &'static str,
}

impl<T: Send> Watch for Watching<'_, T> {
    fn progress(&self, share: f32) {
        self.worker.progress(share, self.text);
    }

    fn stopped(&self) -> bool {
        self.worker.is_cancelled()
    }
}

/// Places of the rows of a table.
#[derive(Debug, Clone)]
pub struct Map {
    /// How it was made.
    pub choice: Choice,
    /// Coordinates a row: 2 or 3.
    pub dims: usize,
    /// Row-major coordinates.
    pub coordinates: Vec<f32>,
    /// The same with a third coordinate, for drawing.
    pub places: Arc<Vec<Place>>,
    /// Iterations done, where it is made by iterating.
    pub iteration: usize,
}

impl Map {
    /// A map of `dims` coordinates a row.
    pub fn new(choice: Choice, coordinates: Vec<f32>, iteration: usize) -> Self {
        let dims = choice.dims.clamp(2, 3);
        let place = |row: &[f32]| [row[0], row[1], row.get(2).copied().unwrap_or(0.0)];
        let places = Arc::new(coordinates.chunks_exact(dims).map(place).collect());
        Self { choice, dims, coordinates, places, iteration }
    }
}

/// Makes a map. Maps that are made by iterating are handed to `show` while they settle; `start` (of as many coordinates)
/// is where they begin, by default on the strongest components. Giving up returns the map as it is.
pub fn project<T: Send>(
    prepared: &Prepared,
    choice: Choice,
    start: Option<Vec<f32>>,
    worker: &Worker<T>,
    show: impl Fn(Arc<Map>),
) -> Result<Arc<Map>, String> {
    let say = |e: jepa_core::Error| e.to_string();
    let features = prepared.table.features().map_err(say)?;
    let dims = choice.dims.clamp(2, 3);
    let known = prepared.pca.len();
    let on = |axes: &[usize]| -> Result<Vec<f32>, String> {
        // Fewer components than axes: what is missing lies at 0.
        let there: Vec<usize> = axes.iter().copied().filter(|&axis| axis < known).collect();
        let narrow = prepared.pca.project(features, &there).map_err(say)?;
        if there.len() == axes.len() {
            return Ok(narrow);
        }
        let row = |row: usize| {
            let narrow = &narrow[row * there.len()..(row + 1) * there.len()];
            axes.iter()
                .map(|axis| there.iter().position(|a| a == axis).map_or(0.0, |at| narrow[at]))
                .collect::<Vec<_>>()
        };
        Ok((0..features.rows()).flat_map(row).collect())
    };
    let strongest = || on(&[0, 1, 2][..dims]);
    let show = &show;
    let live = |total: usize| {
        move |iteration: usize, coordinates: &[f32]| {
            if worker.is_cancelled() {
                return ControlFlow::Break(());
            }
            let share = iteration as f32 / total as f32;
            worker.progress(share, format!("Iteration {iteration} of {total}"));
            show(Arc::new(Map::new(choice, coordinates.to_vec(), iteration)));
            ControlFlow::Continue(())
        }
    };
    match choice.method {
        Method::Pca => Ok(Arc::new(Map::new(choice, on(choice.axes())?, 0))),
        Method::Tsne => {
            let neighbours = prepared.neighbours(Tsne::neighbours_for(choice.perplexity), worker)?;
            let early = if start.is_some() { 0 } else { Tsne::default().early.min(choice.iterations / 2) };
            let start = start.map_or_else(strongest, Ok)?;
            let Choice { perplexity, iterations, .. } = choice;
            let settings = Tsne { perplexity, iterations, early, ..Tsne::default() };
            let found = settings.layout(&neighbours, &start, dims, live(choice.iterations)).map_err(say)?;
            Ok(Arc::new(Map::new(choice, found.map, found.iteration)))
        }
        Method::Umap => {
            let neighbours = prepared.neighbours(choice.neighbours.max(2) - 1, worker)?;
            let graph = umap::Graph::new(&neighbours);
            let epochs = Umap::usual_epochs(neighbours.rows());
            let settings = Umap { min_dist: choice.min_dist, seed: choice.seed, epochs, ..Umap::default() };
            let start = start.map_or_else(strongest, Ok)?;
            let (mut last, live) = (0, live(epochs));
            let report = |iteration: usize, coordinates: &[f32]| {
                last = iteration;
                live(iteration, coordinates)
            };
            let found = settings.layout(&graph, &start, dims, report).map_err(say)?;
            Ok(Arc::new(Map::new(choice, found, last)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jepa_core::random::{Draw as _, Purpose, Stream};

    use super::*;
    use crate::jobs::{Job, Update};

    fn table(rows: usize, width: usize) -> Arc<Table> {
        let mut draw = Stream::new(1, Purpose::Test, 0, 0);
        let values = (0..rows * width).map(|i| 8.0 * ((i / width) % 2) as f32 + draw.normal()).collect();
        Arc::new(Table::new(values, width, vec![None; rows]).unwrap())
    }

    /// Every map shown on the way, and the last.
    fn run(table: Arc<Table>, choice: Choice, stops_after: usize) -> (usize, Arc<Map>) {
        let mut job = Job::start("projects", &egui::Context::default(), move |worker: &Worker<Arc<Map>>| {
            let show = |map| {
                worker.publish(map);
            };
            let prepared = Prepared::new(table, choice.metric(), Compute::default(), worker)?;
            project(&prepared, choice, None, worker, show)
        });
        let (clock, mut shown) = (Instant::now(), 0);
        loop {
            match job.poll() {
                Some(Update::Partial(_)) => {
                    shown += 1;
                    if shown == stops_after {
                        job.cancel();
                    }
                }
                Some(Update::Done(map)) => return (shown, map),
                Some(Update::Failed(problem)) => panic!("{problem}"),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(clock.elapsed() < Duration::from_secs(60));
        }
    }

    #[test]
    fn every_method_gives_a_place_to_every_row_in_two_and_three_dimensions() {
        for method in Method::ALL {
            for dims in [2, 3] {
                let choice = Choice { method, dims, iterations: 60, ..Choice::default() };
                let (shown, map) = run(table(150, 6), choice, usize::MAX);
                assert_eq!((map.places.len(), map.coordinates.len()), (150, 150 * dims), "{method:?}");
                assert!(map.coordinates.iter().all(|v| v.is_finite()));
                assert_eq!(shown > 0, method != Method::Pca, "{method:?} {shown}");
            }
        }
    }

    #[test]
    fn a_map_that_is_stopped_stays_as_it_is() {
        for method in [Method::Tsne, Method::Umap] {
            let choice = Choice { method, iterations: 10_000, ..Choice::default() };
            let (_, map) = run(table(400, 6), choice, 2);
            assert!(map.iteration > 0 && map.iteration < 10_000, "{method:?} {}", map.iteration);
        }
    }

    #[test]
    fn a_table_with_one_feature_still_has_a_map() {
        let (_, map) = run(table(20, 1), Choice { dims: 3, ..Choice::default() }, usize::MAX);
        assert!(map.places.iter().all(|p| p[1] == 0.0 && p[2] == 0.0));
        let stored = Choice { dims: 9, perplexity: f32::NAN, components: [700, 0, 1], ..Choice::default() }.in_range();
        assert_eq!((stored.dims, stored.perplexity, stored.components[0]), (3, 30.0, COMPONENTS - 1));
    }
}
