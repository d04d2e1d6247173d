//! The film: the maps of a run's checkpoints laid over each other, so that what moves on the screen has moved in the
//! representation.
//!
//! The newest checkpoint is the reference. Principal components of older ones are taken on its basis, maps that are made
//! by iterating begin where the next newer one ended, and every map is turned onto the next newer one
//! ([`crate::analysis::procrustes`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use egui::Context;
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::camera::Place;
use super::origin::{Origin, RunPart};
use super::projection::{Map, Method, Prepared, TRUST_K, Watching, project};
use crate::analysis::procrustes::Scale;
use crate::analysis::{Alignment, Index, Trust};
use crate::jobs::{Job, Progress, Update, Worker};

/// Checkpoints of a film; of more, these are spread over all.
pub const FRAMES: usize = 24;
/// Samples that retention and trust of a frame are estimated on.
const QUERIES: usize = 500;

/// A checkpoint in the film.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Steps it was trained for.
    pub step: u64,
    /// Its features and neighbours.
    pub prepared: Arc<Prepared>,
    /// Its map, laid over the next newer one.
    pub map: Arc<Map>,
    /// How far to believe the map.
    pub trust: Option<Trust>,
    /// Share of the nearest neighbours that are still so at the next newer checkpoint; none for the newest.
    pub retained: Option<f64>,
}

/// The film of a run.
#[derive(Debug)]
pub struct Film {
    /// Oldest first; grows at the front while it is made.
    pub frames: Vec<Frame>,
    /// Where it is, in frames from the oldest.
    pub at: f32,
    /// Whether it runs.
    pub is_playing: bool,
    /// Why it is not whole.
    pub problem: Option<String>,
    /// Checkpoints it will have.
    pub planned: usize,
    job: Option<Job<Frame>>,
    /// What is on the screen: place in the film, and frames by then.
    pub(super) shown: Option<(u32, usize)>,
}

/// Frames a second while it runs.
const SPEED: f32 = 1.5;

impl Film {
    /// Begins the film of the run that `reference` is the map of.
    pub fn start(
        part: &RunPart,
        steps: &[u64],
        program: Option<PathBuf>,
        reference: Arc<Prepared>,
        map: Arc<Map>,
        context: &Context,
    ) -> Self {
        let steps = spread(steps, FRAMES);
        let part = part.clone();
        let planned = steps.len();
        let job = Job::start("Film over the checkpoints", context, move |worker| {
            make(&part, &steps, program, reference, map, worker)
        });
        let (frames, at) = (Vec::new(), 0.0);
        Self { frames, at, is_playing: false, problem: None, planned, job: Some(job), shown: None }
    }

    /// How far the making is, while it lasts.
    pub fn making(&self) -> Option<Progress> {
        self.job.as_ref().map(Job::progress)
    }

    /// Takes frames that were made, and moves on when it runs; `seconds` since the last call.
    pub fn poll(&mut self, seconds: f32) {
        while let Some(update) = self.job.as_mut().and_then(Job::poll) {
            match update {
                Update::Partial(frame) => self.take(frame),
                Update::Done(frame) => {
                    self.take(frame);
                    self.job = None;
                }
                Update::Failed(problem) => (self.problem, self.job) = (Some(problem), None),
            }
        }
        if self.is_playing {
            let end = self.frames.len().saturating_sub(1) as f32;
            self.at = (self.at + SPEED * seconds.min(0.1)).min(end);
            self.is_playing = self.at < end;
        }
    }

    fn take(&mut self, frame: Frame) {
        // What is looked at stays what it is when an older frame comes before it.
        self.at = if self.frames.is_empty() { 0.0 } else { self.at + 1.0 };
        self.frames.insert(0, frame);
    }

    /// Plays from here, from the beginning when it is at its end, or stops.
    pub fn toggle(&mut self) {
        self.is_playing = !self.is_playing && self.frames.len() > 1;
        if self.is_playing && self.at >= self.frames.len() as f32 - 1.0 {
            self.at = 0.0;
        }
    }

    /// Goes to the next whole frame in a direction.
    pub fn step(&mut self, forward: bool) {
        self.is_playing = false;
        let to = if forward { self.at.floor() + 1.0 } else { self.at.ceil() - 1.0 };
        self.at = to.clamp(0.0, self.frames.len().saturating_sub(1) as f32);
    }

    /// The frame that is nearest.
    pub fn nearest(&self) -> Option<&Frame> {
        self.frames.get(self.at.round() as usize).or(self.frames.last())
    }

    /// The map at this moment: between two frames of the same samples, between their places.
    pub fn map(&self) -> Option<Arc<Map>> {
        let (from, share) = (self.at.floor() as usize, self.at.fract());
        let (a, b) = (self.frames.get(from)?, self.frames.get(from + 1));
        let moving = b.filter(|b| share > 0.0 && a.map.dims == b.map.dims);
        let Some(b) = moving.filter(|b| a.prepared.table.samples == b.prepared.table.samples) else {
            return self.nearest().map(|frame| frame.map.clone());
        };
        // Slow at the frames, fast between them: the eye finds each frame.
        let eased = share * share * (3.0 - 2.0 * share);
        let between = |(a, b): (&f32, &f32)| a + (b - a) * eased;
        let coordinates = a.map.coordinates.iter().zip(&b.map.coordinates).map(between).collect();
        Some(Arc::new(Map::new(a.map.choice, coordinates, 0)))
    }

    /// The way of a sample through the film up to now.
    pub fn trail(&self, sample: usize) -> Vec<Place> {
        let until = self.at.floor() as usize;
        let place = |frame: &Frame| Some(frame.map.places[frame.prepared.table.row_of(sample)?]);
        let mut trail: Vec<Place> = self.frames.iter().take(until + 1).filter_map(place).collect();
        if self.at.fract() > 0.0
            && let Some(now) = self.map()
        {
            let row = self.frames.first().and_then(|frame| frame.prepared.table.row_of(sample));
            trail.extend(row.and_then(|row| now.places.get(row).copied()));
        }
        trail
    }
}

/// At most `most` of the steps, the first and the last among them.
fn spread(steps: &[u64], most: usize) -> Vec<u64> {
    if steps.len() <= most {
        return steps.to_vec();
    }
    (0..most).map(|i| steps[i * (steps.len() - 1) / (most - 1)]).collect()
}

/// Makes the frames from the newest to the oldest and shows each when it is ready.
fn make(
    part: &RunPart,
    steps: &[u64],
    program: Option<PathBuf>,
    reference: Arc<Prepared>,
    map: Arc<Map>,
    worker: &Worker<Frame>,
) -> Result<Frame, String> {
    let choice = map.choice;
    let mut newer: Option<Frame> = None;
    for (at, &step) in steps.iter().enumerate().rev() {
        let is_reference = part.step == Some(step);
        worker.progress(1.0 - (at + 1) as f32 / steps.len() as f32, format!("Checkpoint of step {step}"));
        let prepared = if is_reference {
            reference.clone()
        } else {
            let origin = Origin::Run(RunPart { step: Some(step), ..part.clone() });
            let mut table = origin.load(program.as_deref(), worker)?;
            if reference.table.rows() < table.rows() {
                // Isolated samples: the film is of them.
                let rows: Vec<usize> = reference.table.samples.iter().filter_map(|&s| table.row_of(s)).collect();
                table = table.subset(&rows);
            }
            Arc::new(Prepared::new(Arc::new(table), choice.metric(), reference.compute.clone(), worker)?)
        };
        let map = match &newer {
            _ if is_reference => map.clone(),
            None => map_of(&prepared, &reference, &map, worker)?,
            Some(newer) => map_of(&prepared, &reference, &newer.map, worker)?,
        };
        let retained = newer.as_ref().map(|newer| retained(&prepared, &newer.prepared));
        let watch = Watching { worker, text: "Comparing neighbourhoods" };
        let trust = Trust::of(&prepared.index, &map.coordinates, map.dims, TRUST_K, QUERIES, &watch);
        let frame = Frame { step, prepared, map, trust, retained };
        if at == 0 {
            return Ok(frame);
        }
        // Frames are few and none may be lost: the window is given time to take the last ones.
        while !worker.publish(frame.clone()) {
            if worker.is_cancelled() {
                return Err("the film was not wanted any more".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        newer = Some(frame);
    }
    Err("a film needs at least one checkpoint".to_owned())
}

/// The map of a checkpoint, laid over `onto`, the map of the next newer one.
fn map_of(prepared: &Prepared, reference: &Prepared, onto: &Map, worker: &Worker<Frame>) -> Result<Arc<Map>, String> {
    let choice = onto.choice;
    let coordinates = if choice.method == Method::Pca {
        let features = prepared.table.features().map_err(|e| e.to_string())?;
        let known: Vec<usize> = choice.axes().iter().copied().filter(|&axis| axis < reference.pca.len()).collect();
        if known.len() < choice.dims {
            return Err("the features have fewer components than the map has axes".to_owned());
        }
        reference.pca.project(features, &known).map_err(|e| e.to_string())?
    } else {
        let same = prepared.table.samples == reference.table.samples;
        let start = same.then(|| onto.coordinates.clone());
        project(prepared, choice, start, worker, drop)?.coordinates.clone()
    };
    let laid = if prepared.table.samples == reference.table.samples && coordinates.len() == onto.coordinates.len() {
        // Components keep their scale: features that collapse are seen to. The scale of the other maps means nothing.
        let scale = if choice.method == Method::Pca { Scale::Kept } else { Scale::Fitted };
        let fitted = Alignment::fit(&coordinates, &onto.coordinates, choice.dims, scale);
        fitted.map_err(|e| e.to_string())?.apply(&coordinates)
    } else {
        coordinates
    };
    Ok(Arc::new(Map::new(choice, laid, 0)))
}

/// Share of the nearest neighbours of one checkpoint that are so at another, on some of the samples of both.
fn retained(of: &Prepared, at: &Prepared) -> f64 {
    let rows = of.table.rows();
    let mut queries = Stream::new(1, Purpose::Probe, 0, rows as u64).permutation(rows);
    queries.truncate(QUERIES);
    let nearest = |prepared: &Prepared, sample: usize| -> Option<Vec<usize>> {
        let row = prepared.table.row_of(sample)?;
        let index: &Index = &prepared.index;
        let found = index.nearest(prepared.table.row(row), TRUST_K, Some(row));
        Some(found.iter().map(|n| prepared.table.samples[n.index]).collect())
    };
    let shares: Vec<f64> = queries
        .iter()
        .filter_map(|&row| {
            let sample = of.table.samples[row as usize];
            let (before, after) = (nearest(of, sample)?, nearest(at, sample)?);
            Some(before.iter().filter(|s| after.contains(s)).count() as f64 / before.len().max(1) as f64)
        })
        .collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use jepa_core::probe::{Features, write_features};

    use super::super::projection::Choice;
    use super::*;
    use crate::analysis::Metric;
    use crate::compute::Compute;

    /// A run with features of three checkpoints in its folder: the same samples, turned and moved a little each time.
    fn run() -> (tempfile::TempDir, RunPart) {
        let folder = tempfile::tempdir().unwrap();
        let part = RunPart { run: folder.path().to_owned(), step: Some(30), data: "builtin".into(), split: "train" };
        for (step, angle) in [(10u64, 1.3f32), (20, 0.6), (30, 0.0)] {
            let mut draw = Stream::new(8, Purpose::Test, 0, 0);
            let values = (0..80)
                .flat_map(|i| {
                    let (x, y) = (draw.normal() + if i < 40 { 8.0 } else { -8.0 }, 3.0 * draw.normal());
                    let (sin, cos) = angle.sin_cos();
                    [x * cos - y * sin, x * sin + y * cos, 0.1 * draw.normal()]
                })
                .collect();
            let labels = (0..80).map(|i| Some(i / 40)).collect();
            let features = Features::new(values, labels, (0..80).collect(), Vec::new()).unwrap();
            write_features(&features, &RunPart { step: Some(step), ..part.clone() }.cache()).unwrap();
        }
        (folder, part)
    }

    fn film(choice: Choice) -> Film {
        let (_folder, part) = run();
        let context = Context::default();
        let origin = Origin::Run(part.clone());
        let mut job = Job::start("reference", &context, move |worker: &Worker<(Arc<Prepared>, Arc<Map>)>| {
            let table = Arc::new(origin.load(None, worker)?);
            let prepared = Arc::new(Prepared::new(table, Metric::Cosine, Compute::default(), worker)?);
            let map = project(&prepared, choice, None, worker, drop)?;
            Ok((prepared, map))
        });
        let clock = Instant::now();
        let (prepared, map) = loop {
            match job.poll() {
                Some(Update::Done(found)) => break found,
                Some(other) => panic!("{other:?}"),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let mut film = Film::start(&part, &[10, 20, 30], None, prepared, map, &context);
        while film.making().is_some() {
            film.poll(0.0);
            assert!(clock.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
        film
    }

    #[test]
    fn checkpoints_become_frames_in_order_and_a_turned_representation_does_not_jump() {
        let mut film = film(Choice::default());
        assert_eq!(film.problem, None);
        assert_eq!(film.frames.iter().map(|f| f.step).collect::<Vec<_>>(), [10, 20, 30]);
        // Features that only turned lie where they lay: neighbours by angle are kept, and the maps are one.
        for pair in film.frames.windows(2) {
            let moved = pair[0].map.coordinates.iter().zip(&pair[1].map.coordinates).map(|(a, b)| (a - b).abs());
            assert!(moved.fold(0.0, f32::max) < 0.1);
            assert!(pair[0].retained.unwrap() > 0.99, "{:?}", pair[0].retained);
        }
        assert_eq!(film.frames[2].retained, None);
        film.at = 0.5;
        let (a, b, between) = (&film.frames[0].map, &film.frames[1].map, film.map().unwrap());
        let middle = (a.coordinates[7] + b.coordinates[7]) / 2.0;
        assert!((between.coordinates[7] - middle).abs() < 1e-4);
        film.at = 2.0;
        assert_eq!(film.trail(5).len(), 3);
    }

    #[test]
    fn maps_that_are_made_by_iterating_go_on_from_the_next_newer_one() {
        let film = film(Choice { method: Method::Umap, neighbours: 8, ..Choice::default() });
        assert_eq!(film.problem, None);
        let [old, _, new] = film.frames.as_slice() else { panic!("three frames") };
        let alignment = Alignment::fit(&old.map.coordinates, &new.map.coordinates, 2, Scale::Fitted).unwrap();
        // Laid over each other already: another turn brings nothing. Two independent maps differ by a half turn.
        let raw = old.map.coordinates.iter().zip(&new.map.coordinates).map(|(a, b)| f64::from(a - b).powi(2));
        let laid = alignment.apply(&old.map.coordinates);
        let better = laid.iter().zip(&new.map.coordinates).map(|(a, b)| f64::from(a - b).powi(2));
        assert!(raw.sum::<f64>() < 2.0 * better.sum::<f64>() + 1.0);
    }

    #[test]
    fn it_plays_to_its_end_and_steps_by_whole_frames() {
        let mut film = film(Choice::default());
        film.toggle();
        assert!(film.is_playing);
        (0..40).for_each(|_| film.poll(0.1));
        assert_eq!((film.at, film.is_playing), (2.0, false));
        film.step(false);
        assert_eq!(film.at, 1.0);
        film.at = 0.4;
        film.step(true);
        assert_eq!(film.at, 1.0);
        assert_eq!(spread(&(0..100).collect::<Vec<_>>(), 4), [0, 33, 66, 99]);
    }

    #[test]
    fn a_checkpoint_that_cannot_be_embedded_leaves_the_frames_that_are_there() {
        let (_folder, part) = run();
        let film = film(Choice::default());
        let newest = &film.frames[2];
        let context = Context::default();
        let mut film = Film::start(&part, &[5, 30], None, newest.prepared.clone(), newest.map.clone(), &context);
        let clock = Instant::now();
        while film.making().is_some() {
            film.poll(0.0);
            assert!(clock.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(film.problem.unwrap().contains("JEPA_XTASK"));
        assert_eq!(film.frames.len(), 1);
    }
}
