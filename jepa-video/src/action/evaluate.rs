//! What `probe --kind planning` does for frames with actions: which actions lead from one frame to a later one?
//!
//! The goal is a frame that really came. How much of the way to its state do the planned actions cover, and where does the
//! energy of one action have its minimum, at the true action?

use std::time::Instant;

use burn::prelude::*;
use image::{Rgb, RgbImage};
use jepa_core::error::{Error, Result};
use jepa_core::planning::{Axis, Controller, EnergyOf, Landscape, PlanningConfig, Problems, landscape};
use jepa_core::plugin::Evaluated;
use jepa_core::train::Replicas;
use serde::Serialize;

use super::{Foresight, Kinematics, Seen, Trajectory};
use crate::network::{ActionBatch, ActionJepa, VideoEncoder};

/// Landscapes that are drawn.
const DRAWN: usize = 4;
/// Points of a landscape along a side.
const POINTS: usize = 11;
/// Pixels of one of them.
const CELL: u32 = 28;

/// Networks that plan.
#[derive(Clone, Copy)]
pub struct Contestant<'a> {
    /// Their name in the table.
    pub name: &'a str,
    /// Pred.
    pub student: &'a ActionJepa,
    /// The encoder.
    pub encoder: &'a VideoEncoder,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionReport {
    /// How actions were chosen.
    pub planning: PlanningConfig,
    /// What was looked at, in words.
    pub data: String,
    /// Goals.
    pub trials: usize,
    /// Who planned.
    pub rows: Vec<ActionRow>,
}

/// The figures of one planner.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionRow {
    /// Who.
    pub name: String,
    /// Mean distance from the goal's state after the planned actions, over that before them: 0 is there, 1 as far as
    /// before.
    pub left: f64,
    /// Mean distance between the least energy's action and the true one, over the length of the true one; two numbers of
    /// the action, one step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Mean time of a plan, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

struct Trial {
    planned: Vec<f32>,
    minimum: f64,
    seconds: f64,
    landscape: Landscape,
}

/// Plans from the first frame of every sample to the one `planning.horizon` frames later. Samples are trajectories with
/// their clean frames as the networks read them, one a batch.
pub fn evaluate(
    contestants: &[Contestant<'_>],
    samples: &[(Trajectory, ActionBatch)],
    data: String,
    planning: &PlanningConfig,
    kinematics: Kinematics,
    device: &Device,
    workers: &Replicas,
) -> Result<Evaluated> {
    let horizon = planning.horizon;
    if samples.is_empty() || samples.iter().any(|(sample, _)| sample.states.len() <= horizon) {
        let problem =
            format!("goals lie {horizon} frames ahead: set model.view.clip.frames to {} or more", horizon + 1);
        return Err(Error::config("model.planning.horizon", problem));
    }
    let ends = |sample: &Trajectory| [0, horizon].map(|at| sample.states[at].clone());
    let way: f64 = samples.iter().map(|(sample, _)| far(&ends(sample)[0], &ends(sample)[1])).sum();
    // What is left after some actions, over what there was before.
    let left = |actions: &[Vec<f32>]| {
        let after = samples.iter().zip(actions).map(|((sample, _), actions)| {
            let [start, goal] = ends(sample);
            let moved = actions.chunks_exact(kinematics.width()).fold(start, |state, a| kinematics.moved(&state, a));
            far(&moved, &goal)
        });
        after.sum::<f64>() / way.max(1e-12)
    };
    let (mut rows, mut files) = (Vec::new(), Vec::new());
    for (at, contestant) in contestants.iter().enumerate() {
        let numbered: Vec<_> = samples.iter().enumerate().collect();
        let trials = workers.map(numbered, |(number, (sample, batch))| {
            contestant.trial(number as u64, sample, batch, planning, kinematics, device)
        })?;
        let mean = |of: fn(&Trial) -> f64| trials.iter().map(of).sum::<f64>() / trials.len() as f64;
        rows.push(ActionRow {
            name: contestant.name.to_owned(),
            left: left(&trials.iter().map(|trial| trial.planned.clone()).collect::<Vec<_>>()),
            minimum: Some(mean(|trial| trial.minimum)),
            seconds: Some(mean(|trial| trial.seconds)),
        });
        for (number, (trial, (sample, _))) in trials.iter().zip(samples).take(DRAWN).enumerate().filter(|_| at == 0) {
            files.push((format!("landscape-{number}.png"), draw(&trial.landscape, &sample.actions[0])?));
        }
    }
    // The actions of the next sample: right in kind, wrong in this place.
    let others: Vec<Vec<f32>> =
        samples.iter().cycle().skip(1).take(samples.len()).map(|(s, _)| s.actions[..horizon].concat()).collect();
    rows.push(ActionRow { name: "another's actions".into(), left: left(&others), minimum: None, seconds: None });
    rows.push(ActionRow { name: "no action".into(), left: 1.0, minimum: None, seconds: None });
    let report = ActionReport { planning: planning.clone(), data, trials: samples.len(), rows };
    let figures = serde_json::to_value(&report).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(Evaluated { text: report.to_string(), figures, files })
}

impl Contestant<'_> {
    fn trial(
        &self,
        number: u64,
        sample: &Trajectory,
        batch: &ActionBatch,
        planning: &PlanningConfig,
        kinematics: Kinematics,
        device: &Device,
    ) -> Result<Trial> {
        let world = Foresight { predictor: &self.student.predictor, kinematics, device };
        let features = batch.features(self.encoder, device);
        let frame = self.student.predictor.frame();
        let at = |time: usize| features.clone().narrow(1, time * frame, frame);
        let start = Seen { features: at(0), actions: None, states: batch.states(1, device) };
        let clock = Instant::now();
        let mut control = Controller::new(planning, 0, number);
        let plan = control.plan(&world, &start, &at(planning.horizon), 1, planning.horizon)?;
        let seconds = clock.elapsed().as_secs_f64();
        let truth = sample.actions.first().map_or(&[][..], Vec::as_slice);
        // Twice as far as the true action goes, so that its place is not the border.
        let reach = 2.0 * truth[..2].iter().map(|v| f64::from(v.abs())).fold(1e-3, f64::max);
        let axis = |value| Axis { value, low: -reach, high: reach, points: POINTS };
        let problems = Problems {
            world: &world,
            start: &start,
            goal: &at(1),
            count: 1,
            first: number,
            horizon: 1,
            energy: EnergyOf::Last,
            seed: 0,
            moment: 0,
        };
        let landscape = landscape(&problems, truth, 0, [axis(0), axis(1)])?;
        let ([x, y], _) = landscape.minimum();
        let [tx, ty] = [0, 1].map(|axis| f64::from(truth[axis]));
        let minimum = (x - tx).hypot(y - ty) / tx.hypot(ty).max(1e-3);
        let planned = plan.actions.into_iter().next().unwrap_or_default();
        Ok(Trial { planned, minimum, seconds, landscape })
    }
}

fn far(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

/// Energies from dark, low, to light; a green frame around the cell of the true action, a red one around the minimum.
fn draw(landscape: &Landscape, truth: &[f32]) -> Result<Vec<u8>> {
    let [across, down] = landscape.axes;
    let (least, most) = landscape.energy.iter().fold((f64::MAX, f64::MIN), |(a, b), e| (a.min(*e), b.max(*e)));
    let mut canvas = RgbImage::new(across.points as u32 * CELL, down.points as u32 * CELL);
    let nearest = |axis: &Axis, value: f64| {
        let place = (value - axis.low) / (axis.high - axis.low).max(1e-12) * (axis.points - 1) as f64;
        place.round().clamp(0.0, (axis.points - 1) as f64) as usize
    };
    let ([x, y], _) = landscape.minimum();
    let cells = [(x, y, [200, 30, 30]), (f64::from(truth[0]), f64::from(truth[1]), [40, 150, 60])];
    let marked = cells.map(|(x, y, colour)| (nearest(&across, x), nearest(&down, y), colour));
    for (at, energy) in landscape.energy.iter().enumerate() {
        let (column, row) = (at % across.points, at / across.points);
        let shade = ((energy - least) / (most - least).max(1e-12) * 255.0) as u8;
        for (dy, dx) in (0..CELL).flat_map(|dy| (0..CELL).map(move |dx| (dy, dx))) {
            let mut colour = [shade, shade, (shade / 2).saturating_add(100)];
            for (inset, (x, y, mark)) in marked.iter().enumerate() {
                let [low, high] = [4 * inset as u32, CELL - 1 - 4 * inset as u32];
                let inside = (low..=high).contains(&dx) && (low..=high).contains(&dy);
                let core = (low + 3..=high - 3).contains(&dx) && (low + 3..=high - 3).contains(&dy);
                if (column, row) == (*x, *y) && inside && !core {
                    colour = *mark;
                }
            }
            canvas.put_pixel(column as u32 * CELL + dx, row as u32 * CELL + dy, Rgb(colour));
        }
    }
    let mut png = std::io::Cursor::new(Vec::new());
    canvas.write_to(&mut png, image::ImageFormat::Png).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(png.into_inner())
}

impl std::fmt::Display for ActionReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {} goals, {} frames ahead each", self.data, self.trials, self.planning.horizon)?;
        writeln!(
            f,
            "left: of the way to the goal's state after the plan; minimum: of one action's energy, from the true"
        )?;
        writeln!(f, "one, over its length")?;
        write!(f, "{:<18} {:>7} {:>9} {:>9}", "who plans", "left", "minimum", "s a plan")?;
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
        for row in &self.rows {
            let (minimum, seconds) = (number(row.minimum), number(row.seconds));
            write!(f, "\n{:<18} {:>7.3} {minimum:>9} {seconds:>9}", row.name, row.left)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_action_and_the_minimum_are_marked() {
        let axis = |value| Axis { value, low: -1.0, high: 1.0, points: POINTS };
        let energy = (0..POINTS * POINTS).map(|i| (i as f64 - 30.0).abs()).collect();
        let png = draw(&Landscape { axes: [axis(0), axis(1)], energy }, &[0.6, -0.2]).unwrap();
        let picture = image::load_from_memory(&png).unwrap().into_rgb8();
        let count = |colour: [u8; 3]| picture.pixels().filter(|pixel| pixel.0 == colour).count();
        assert!(count([200, 30, 30]) > 100 && count([40, 150, 60]) > 100);
    }
}
