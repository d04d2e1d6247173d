//! One map of the screen: its features, what is computed on them, and how it is looked at. A second one stands beside it
//! for comparison.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Color32, Context};

use super::camera::Camera;
use super::cloud::{Cloud, Points, Stress};
use super::colour::{ColourBy, Colours, colours};
use super::origin::Origin;
use super::projection::{Choice, Map, Prepared, TRUST_K, TRUST_QUERIES, Watching, project};
use super::selection::Selection;
use super::table::Table;
use crate::analysis::{Index, Neighbour, Trust};
use crate::compute::Compute;
use crate::jobs::{Job, Progress, Update};
use crate::theme::Theme;

/// What opening features has come to.
#[derive(Debug)]
enum Opened {
    /// They are read.
    Read(Arc<Table>),
    /// They are ready for maps.
    Ready(Arc<Prepared>),
}

/// A sample and its nearest ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhood {
    /// The sample.
    pub of: usize,
    /// Its nearest, nearest first; rows of the prepared table.
    pub nearest: Vec<Neighbour>,
}

/// How good the map is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Judgement {
    /// Not known yet, or the map still moves.
    #[default]
    Open,
    /// Known.
    Known(Trust),
    /// Too few samples for a figure.
    TooFew,
}

/// One map.
#[derive(Debug, Default)]
pub struct Side {
    /// Where the features come from.
    pub origin: Option<Origin>,
    /// Why there is no map.
    pub problem: Option<String>,
    /// What was opened, whole.
    pub whole: Option<Arc<Table>>,
    /// What is shown: all of it, or the isolated samples.
    pub prepared: Option<Arc<Prepared>>,
    /// Where the rows are.
    pub map: Option<Arc<Map>>,
    /// How far to believe it.
    pub judgement: Judgement,
    /// Nearest samples of the one that is looked at.
    pub neighbourhood: Option<Neighbourhood>,
    /// How it is looked at.
    pub camera: Camera,
    /// What components are computed on.
    pub compute: Compute,
    /// Drawing.
    pub cloud: Cloud,
    /// Colours and what they mean.
    pub colours: Option<Colours>,
    points: Points,
    points_of: Option<PointsKey>,
    colours_of: Option<(usize, ColourBy, bool)>,
    opening: Option<Job<Opened>>,
    projecting: Option<Job<Arc<Map>>>,
    judging: Option<Job<Option<Trust>>>,
    finding: Option<(usize, usize, Job<Vec<Neighbour>>)>,
    was_stopped: bool,
    maps: u64,
    revisions: u64,
}

/// What the points were made from; the map by its number.
#[derive(Debug, Clone, PartialEq)]
struct PointsKey {
    map: u64,
    selection: u64,
    neighbours: Option<usize>,
    colours: (usize, ColourBy, bool),
}

impl Side {
    /// Opens features in the background and makes the first map.
    pub fn open(&mut self, origin: Origin, program: Option<PathBuf>, choice: Choice, context: &Context) {
        let camera = Camera { is_solid: choice.dims == 3, ..self.camera };
        let compute = std::mem::take(&mut self.compute);
        *self = Self { origin: Some(origin.clone()), camera, compute: compute.clone(), ..Self::default() };
        let title = format!("Features of {}", origin.title());
        self.opening = Some(Job::start(title, context, move |worker| {
            let table = Arc::new(origin.load(program.as_deref(), worker)?);
            worker.publish(Opened::Read(table.clone()));
            Ok(Opened::Ready(Arc::new(Prepared::new(table, choice.metric(), compute, worker)?)))
        }));
    }

    /// A table that is there already, for tests and for isolated samples.
    pub fn show(&mut self, table: Arc<Table>, choice: Choice, context: &Context) {
        self.stop_all();
        let compute = self.compute.clone();
        self.opening = Some(Job::start("Preparing", context, move |worker| {
            Ok(Opened::Ready(Arc::new(Prepared::new(table, choice.metric(), compute, worker)?)))
        }));
    }

    /// Shows only these samples, computed anew; none: all again.
    pub fn isolate(&mut self, samples: Option<&[usize]>, choice: Choice, context: &Context) {
        let Some(whole) = self.whole.clone() else { return };
        let table = match samples {
            None => whole,
            Some(samples) => {
                let rows: Vec<usize> = samples.iter().filter_map(|&sample| whole.row_of(sample)).collect();
                // A map of fewer says nothing.
                if rows.len() < 4 {
                    return;
                }
                Arc::new(whole.subset(&rows))
            }
        };
        self.show(table, choice, context);
    }

    /// Whether only some of the samples are shown.
    pub fn is_isolated(&self) -> bool {
        match (&self.whole, &self.prepared) {
            (Some(whole), Some(prepared)) => prepared.table.rows() < whole.rows(),
            _ => false,
        }
    }

    /// Makes the map anew. What can go on from the map that is there does so, when `goes_on`.
    pub fn project(&mut self, choice: Choice, goes_on: bool, context: &Context) {
        let Some(prepared) = self.prepared.clone() else { return };
        self.was_stopped = false;
        self.judgement = Judgement::Open;
        self.judging = None;
        self.problem = None;
        let is_same = |map: &&Arc<Map>| map.choice.method == choice.method && map.dims == choice.dims.clamp(2, 3);
        let start = self.map.as_ref().filter(|map| goes_on && is_same(map));
        let start = start.filter(|map| map.places.len() == prepared.table.rows()).map(|map| map.coordinates.clone());
        let title = format!("{} of {} samples", choice.method.title(), prepared.table.rows());
        self.projecting = Some(Job::start(title, context, move |worker| {
            let prepared = if prepared.index.metric() == choice.metric() {
                prepared
            } else {
                Arc::new(prepared.with_metric(choice.metric())?)
            };
            project(&prepared, choice, start, worker, |map| {
                worker.publish(map);
            })
        }));
    }

    /// Another idea of nearness: the index is made anew, then the map.
    pub fn set_metric(&mut self, choice: Choice, context: &Context) {
        let Some(prepared) = self.prepared.clone() else { return };
        self.stop_all();
        self.neighbourhood = None;
        self.opening = Some(Job::start("Preparing the neighbours", context, move |_| {
            Ok(Opened::Ready(Arc::new(prepared.with_metric(choice.metric())?)))
        }));
    }

    /// A map that was made elsewhere: a frame of the film, with its features.
    pub fn set_frame(&mut self, prepared: Arc<Prepared>, map: Arc<Map>, trust: Option<Trust>) {
        (self.projecting, self.judging) = (None, None);
        let is_other = self.prepared.as_ref().is_none_or(|old| !Arc::ptr_eq(old, &prepared));
        if is_other {
            // Neighbours are those of the checkpoint that is shown.
            (self.prepared, self.neighbourhood, self.finding) = (Some(prepared), None, None);
        }
        self.judgement = trust.map_or(Judgement::TooFew, Judgement::Known);
        let camera = self.camera;
        self.take_map(map);
        self.camera = camera;
    }

    /// Ends the iterations; the map stays as it is.
    pub fn stop(&mut self) {
        if let Some(job) = &self.projecting {
            job.cancel();
            self.was_stopped = true;
        }
    }

    fn stop_all(&mut self) {
        (self.opening, self.projecting, self.judging, self.finding) = (None, None, None, None);
        self.judgement = Judgement::Open;
    }

    /// Whether a map is being made.
    pub fn is_projecting(&self) -> bool {
        self.projecting.is_some()
    }

    /// What is being done, with its title, if anything that a person waits for.
    pub fn busy(&self) -> Option<(String, Progress)> {
        let opening = self.opening.as_ref().map(|job| (job.title.clone(), job.progress()));
        opening.or_else(|| self.projecting.as_ref().map(|job| (job.title.clone(), job.progress())))
    }

    /// Takes what the jobs have found.
    pub fn poll(&mut self, choice: Choice, context: &Context) {
        while let Some(update) = self.opening.as_mut().and_then(Job::poll) {
            match update {
                Update::Partial(Opened::Read(table)) => self.whole = Some(table),
                Update::Done(Opened::Read(table)) => {
                    (self.whole, self.opening) = (Some(table), None);
                }
                Update::Partial(Opened::Ready(prepared)) | Update::Done(Opened::Ready(prepared)) => {
                    self.whole.get_or_insert_with(|| prepared.table.clone());
                    (self.prepared, self.opening) = (Some(prepared), None);
                    self.map = None;
                    self.neighbourhood = None;
                    self.project(choice, false, context);
                }
                Update::Failed(problem) => (self.problem, self.opening) = (Some(problem), None),
            }
        }
        while let Some(update) = self.projecting.as_mut().and_then(Job::poll) {
            match update {
                Update::Partial(map) => self.take_map(map),
                Update::Done(map) => {
                    self.projecting = None;
                    self.take_map(map);
                    self.judge(context);
                }
                Update::Failed(problem) => {
                    self.projecting = None;
                    self.problem = Some(problem).filter(|_| !self.was_stopped);
                    self.judge(context);
                }
            }
        }
        while let Some(update) = self.judging.as_mut().and_then(Job::poll) {
            self.judging = None;
            self.judgement = match update {
                Update::Partial(Some(trust)) | Update::Done(Some(trust)) => Judgement::Known(trust),
                _ => Judgement::TooFew,
            };
        }
        while let Some(update) = self.finding.as_mut().and_then(|(_, _, job)| job.poll()) {
            if let (Some((of, _, _)), Update::Partial(nearest) | Update::Done(nearest)) = (self.finding.take(), update)
            {
                self.neighbourhood = Some(Neighbourhood { of, nearest });
            }
        }
    }

    fn take_map(&mut self, map: Arc<Map>) {
        let is_solid = map.dims == 3;
        let is_first = self.map.as_ref().is_none_or(|old| old.dims != map.dims || old.choice != map.choice);
        self.maps += 1;
        // A map that is being made grows: the view grows with it, until somebody has chosen his own.
        let moves = self.projecting.is_some() && map.iteration > 0;
        self.map = Some(map);
        if is_first || moves || self.camera.is_solid != is_solid {
            self.frame_all();
        }
    }

    /// Everything in view.
    pub fn frame_all(&mut self) {
        if let Some(map) = &self.map {
            self.camera = self.camera.fit(map.places.iter().copied(), map.dims == 3);
        }
    }

    /// The selected samples in view; all, when none is.
    pub fn frame(&mut self, selection: &Selection) {
        let (Some(map), Some(prepared)) = (&self.map, &self.prepared) else { return };
        let samples = selection.samples().iter().copied().chain(selection.focus());
        let places: Vec<_> = samples
            .filter_map(|sample| prepared.table.row_of(sample))
            .filter_map(|row| map.places.get(row).copied())
            .collect();
        if places.is_empty() {
            self.frame_all();
        } else {
            let whole = self.camera.fit(map.places.iter().copied(), map.dims == 3);
            let near = self.camera.fit(places.iter().copied(), map.dims == 3);
            self.camera = Camera { reach: near.reach.max(whole.reach / 20.0), ..near };
        }
    }

    /// Computes how far to believe the map as it is now.
    pub fn judge(&mut self, context: &Context) {
        let (Some(prepared), Some(map)) = (self.prepared.clone(), self.map.clone()) else { return };
        if map.places.len() != prepared.table.rows() {
            return;
        }
        self.judgement = Judgement::Open;
        self.judging = Some(Job::start("How far to believe the map", context, move |worker| {
            let watch = Watching { worker, text: "Comparing neighbourhoods" };
            Ok(Trust::of(&prepared.index, &map.coordinates, map.dims, TRUST_K, TRUST_QUERIES, &watch))
        }));
    }

    /// Asks for the `k` nearest of a sample, once.
    pub fn find(&mut self, sample: usize, k: usize, context: &Context) {
        let is_known = self.neighbourhood.as_ref().is_some_and(|n| n.of == sample && n.nearest.len() >= k);
        let is_asked = self.finding.as_ref().is_some_and(|(of, asked, _)| (*of, *asked) == (sample, k));
        let Some(prepared) = self.prepared.clone().filter(|_| !is_known && !is_asked) else { return };
        let Some(row) = prepared.table.row_of(sample) else { return };
        let most = prepared.table.rows() - 1;
        if self.neighbourhood.as_ref().is_some_and(|n| n.of == sample && n.nearest.len() == most) {
            return;
        }
        let job = Job::start("Nearest samples", context, move |_| {
            let index: &Index = &prepared.index;
            Ok(index.nearest(prepared.table.row(row), k, Some(row)))
        });
        self.finding = Some((sample, k, job));
    }

    /// The points of the map: colours by `by`, and what the selection makes of them.
    pub fn points(&mut self, selection: &Selection, by: &ColourBy, theme: Theme) -> Option<Points> {
        let (map, prepared) = (self.map.as_ref()?, self.prepared.as_ref()?);
        let table = &prepared.table;
        if map.places.len() != table.rows() {
            return None;
        }
        let colours_of = (Arc::as_ptr(table) as usize, by.clone(), theme.dark);
        if self.colours_of.as_ref() != Some(&colours_of) {
            let made = colours(table, by, theme);
            self.points.colours = Arc::new(made.of_rows.clone());
            self.colours = Some(made);
            self.colours_of = Some(colours_of.clone());
        }
        let near = self.neighbourhood.as_ref().filter(|n| Some(n.of) == selection.focus());
        let key = PointsKey {
            map: self.maps,
            selection: selection.revision(),
            neighbours: near.map(|n| n.nearest.len()),
            colours: colours_of,
        };
        if self.points_of.as_ref() != Some(&key) {
            self.points.places = map.places.clone();
            self.points.stress = Arc::new(stress(table, selection, near));
            self.revisions += 1;
            self.points.revision = self.revisions;
            self.points_of = Some(key);
        }
        Some(self.points.clone())
    }

    /// The colour of a sample on this map.
    pub fn colour_of(&self, sample: usize) -> Option<Color32> {
        let row = self.prepared.as_ref()?.table.row_of(sample)?;
        self.colours.as_ref()?.of_rows.get(row).copied()
    }
}

/// How much each row stands out.
fn stress(table: &Table, selection: &Selection, near: Option<&Neighbourhood>) -> Vec<Stress> {
    let rest = if selection.is_empty() { Stress::Plain } else { Stress::Faint };
    let mut stress = vec![rest; table.rows()];
    let mut set = |row: Option<usize>, to: Stress| {
        if let Some(place) = row.and_then(|row| stress.get_mut(row)) {
            *place = (*place).max(to);
        }
    };
    selection.samples().iter().for_each(|&sample| set(table.row_of(sample), Stress::Strong));
    near.iter().flat_map(|n| &n.nearest).for_each(|n| set(Some(n.index), Stress::Strong));
    [selection.focus(), selection.hovered()].into_iter().flatten().for_each(|s| set(table.row_of(s), Stress::Focus));
    stress
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::projection::Method;
    use super::*;

    fn table() -> Arc<Table> {
        let values = (0..60).map(|i| ((i * 37) % 23) as f32 + (i / 30) as f32 * 50.0).collect();
        Arc::new(Table::new(values, 3, (0..20).map(|i| Some(i / 10)).collect()).unwrap())
    }

    fn settle(side: &mut Side, choice: Choice, context: &Context) {
        let clock = Instant::now();
        while side.busy().is_some() || side.judging.is_some() || side.finding.is_some() {
            side.poll(choice, context);
            assert!(clock.elapsed() < Duration::from_secs(60), "it never settles");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_table_becomes_a_map_with_its_trust_neighbours_and_colours() {
        let (context, choice) = (Context::default(), Choice::default());
        let mut side = Side::default();
        side.show(table(), choice, &context);
        settle(&mut side, choice, &context);
        assert_eq!(side.problem, None);
        assert_eq!(side.map.as_ref().unwrap().places.len(), 20);
        assert!(matches!(side.judgement, Judgement::Known(trust) if trust.k == 9 && trust.trustworthiness > 0.5));
        side.find(4, 5, &context);
        settle(&mut side, choice, &context);
        let mut selection = Selection::default();
        selection.look_at(4);
        let points = side.points(&selection, &ColourBy::Class, Theme { dark: true }).unwrap();
        let count = |stress| points.stress.iter().filter(|s| **s == stress).count();
        assert_eq!((count(Stress::Focus), count(Stress::Strong), count(Stress::Faint)), (1, 5, 14));
        let again = side.points(&selection, &ColourBy::Class, Theme { dark: true }).unwrap();
        assert_eq!(points.revision, again.revision);
    }

    #[test]
    fn isolated_samples_are_computed_alone_and_come_back() {
        let (context, choice) = (Context::default(), Choice { method: Method::Pca, ..Choice::default() });
        let mut side = Side::default();
        side.show(table(), choice, &context);
        settle(&mut side, choice, &context);
        side.isolate(Some(&[3, 5, 6, 7, 19]), choice, &context);
        settle(&mut side, choice, &context);
        assert!(side.is_isolated());
        assert_eq!(side.prepared.as_ref().unwrap().table.samples, [3, 5, 6, 7, 19]);
        side.isolate(None, choice, &context);
        settle(&mut side, choice, &context);
        assert!(!side.is_isolated());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_problem_in_words() {
        let (context, choice) = (Context::default(), Choice::default());
        let mut side = Side::default();
        side.open(Origin::File("/no/such/file.safetensors".into()), None, choice, &context);
        settle(&mut side, choice, &context);
        assert!(side.problem.unwrap().contains("/no/such/file"));
    }
}
