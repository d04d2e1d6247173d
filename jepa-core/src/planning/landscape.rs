//! The energy over two values of an action.

use serde::Serialize;

use super::{Problems, WorldModel};
use crate::error::{Error, Result};

/// Evenly spaced values of one number of an action.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Axis {
    /// Which number of the action.
    pub value: usize,
    /// First.
    pub low: f64,
    /// Last.
    pub high: f64,
    /// How many.
    pub points: usize,
}

/// Energies over two axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Landscape {
    /// Across and down.
    pub axes: [Axis; 2],
    /// Row-major [down, across].
    pub energy: Vec<f64>,
}

impl Axis {
    /// Value number `at`.
    pub fn at(&self, at: usize) -> f64 {
        self.low + (self.high - self.low) * at as f64 / (self.points.max(2) - 1) as f64
    }
}

impl Landscape {
    /// Where the energy is least: the values across and down, and the energy.
    pub fn minimum(&self) -> ([f64; 2], f64) {
        let across = self.axes[0].points.max(1);
        let least = self.energy.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        let (at, energy) = least.unwrap_or((0, f64::NAN));
        ([self.axes[0].at(at % across), self.axes[1].at(at / across)], energy)
    }
}

/// The energy of `base`, row-major [horizon, action width], with two numbers of action number `step` replaced by every
/// pair of values on the axes: all of them are one batch. For the first of `problems`, which must be the only one.
pub fn landscape<W: WorldModel>(
    problems: &Problems<'_, W>,
    base: &[f32],
    step: usize,
    axes: [Axis; 2],
) -> Result<Landscape> {
    let width = problems.world.action_width();
    let points = axes.map(|axis| axis.points);
    let fits = problems.count == 1 && base.len() == problems.length() && step < problems.horizon;
    if !fits || axes.iter().any(|axis| axis.value >= width || axis.points == 0) || points[0] * points[1] > 1 << 20 {
        let problem = format!(
            "{} problems, {} numbers of actions, step {step}, axes {axes:?}: expected one problem, {} numbers, a step \
             below {}, values below {width}",
            problems.count,
            base.len(),
            problems.length(),
            problems.horizon
        );
        return Err(Error::config("landscape", problem));
    }
    let mut actions = Vec::with_capacity(points[0] * points[1] * base.len());
    for (down, across) in (0..points[1]).flat_map(|down| (0..points[0]).map(move |across| (down, across))) {
        let mut sequence = base.to_vec();
        for (axis, at) in axes.iter().zip([across, down]) {
            sequence[step * width + axis.value] = axis.at(at) as f32;
        }
        actions.extend(sequence);
    }
    let energy = problems.judge(&problems.start(points[0] * points[1]), actions)?;
    Ok(Landscape { axes, energy })
}
