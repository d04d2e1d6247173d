//! What if: actions chosen by what a world model says they would lead to.
//!
//! A world model is a JEPA whose z is an action: s_{t+1} = Pred(s_t, a_t). Planning searches the actions a_0 .. a_{H−1}
//! whose imagined states have the least energy against a goal, executes the first of them, looks, and searches again
//! (LeCun 2022, "Mode-2"). Planners work on any [`WorldModel`], for several problems at once.
//!
//! | file | noun |
//! |---|---|
//! | [`problems`](Problems) | what is searched for: start, goal, horizon, energy of a sequence of actions |
//! | [`bounds`](Bounds) | actions that are allowed |
//! | `sampling` | draw, keep the best, draw the next around them: what the next two share |
//! | [`cem`](Cem) | the cross-entropy method: refit a normal distribution to the best samples |
//! | [`mppi`](Mppi) | path integrals: the same with samples weighted by exp(−energy / temperature) |
//! | [`gradient`](Gradient) | descent of the energy along the actions, from several beginnings |
//! | [`control`](Controller) | plan, act, look, plan again, from where the last plan ended |
//! | [`levels`](HierarchicalController) | the same on several levels: what one imagines is the goal of the one below |
//! | [`landscape`](landscape()) | the energy over two values of one action: is its minimum at the true action? |
//!
//! Everything random comes from a stream keyed by (seed, planning, moment, number of the problem): a plan depends neither
//! on threads nor on which problems are solved beside it.

mod bounds;
mod cem;
mod control;
mod gradient;
mod landscape;
mod levels;
mod mppi;
mod problems;
mod sampling;

pub use bounds::Bounds;
pub use cem::Cem;
pub use control::{Controller, PlanningConfig};
pub use gradient::Gradient;
pub use landscape::{Axis, Landscape, landscape};
pub use levels::{Descent, HierarchicalController, Levels, Rung};
pub use mppi::{Answer, Mppi};
pub use problems::{EnergyOf, Problems};

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An action-conditioned predictor with an energy. Rows are candidates, those of one problem beside each other: row
/// p · n + i is candidate i of problem p.
pub trait WorldModel {
    /// What the prediction goes on from, one row a candidate: an embedding, or a history of them.
    type State: Clone;
    /// What is wanted, one row a problem.
    type Goal;

    /// Numbers of one action.
    fn action_width(&self) -> usize;

    /// Where actions go; plain.
    fn device(&self) -> &Device;

    /// Every row `times` over, the copies of one row beside each other.
    fn repeat(&self, state: &Self::State, times: usize) -> Self::State;

    /// The next state of every row for one action a row, [rows, action width]. Actions may be tracked for gradients.
    fn step(&self, state: Self::State, actions: Tensor<2>) -> Result<Self::State>;

    /// How far every row is from its problem's goal: `[rows]`.
    fn energy(&self, state: &Self::State, goal: &Self::Goal) -> Result<Tensor<1>>;
}

/// A way of searching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Planner {
    /// The cross-entropy method.
    Cem(Cem),
    /// Model-predictive path integrals.
    Mppi(Mppi),
    /// Descent along the gradient.
    Gradient(Gradient),
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Of every problem its actions, row-major [horizon, action width].
    pub actions: Vec<Vec<f32>>,
    /// Of every problem how the search went.
    pub rounds: Vec<Vec<Round>>,
}

/// Energies of one iteration of one problem.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Round {
    /// Of the best sequence of actions.
    pub best: f64,
    /// Mean of those the search goes on from.
    pub elites: f64,
}

impl Planner {
    /// Checks the numbers for actions of so many values; `place` is the key path for the message.
    pub fn check(&self, width: usize, place: &str) -> Result<()> {
        match self {
            Self::Cem(cem) => cem.check(width, place),
            Self::Mppi(mppi) => mppi.check(width, place),
            Self::Gradient(gradient) => gradient.check(width, place),
        }
    }

    /// Searches. `warm` is where to begin, a sequence of actions a problem; absent: at no action at all.
    pub fn plan<W: WorldModel>(&self, problems: &Problems<'_, W>, warm: Option<&[Vec<f32>]>) -> Result<Plan> {
        match self {
            Self::Cem(cem) => cem.plan(problems, warm),
            Self::Mppi(mppi) => mppi.plan(problems, warm),
            Self::Gradient(gradient) => gradient.plan(problems, warm),
        }
    }
}

impl Plan {
    fn with_capacity(problems: usize) -> Self {
        Self { actions: Vec::with_capacity(problems), rounds: vec![Vec::new(); problems] }
    }
}

/// What is wrong with the deviation of what is drawn.
fn check_deviation(place: &str, deviation: &[f64], width: usize) -> Result<()> {
    let sound = deviation.iter().all(|d| d.is_finite() && *d >= 0.0) && deviation.iter().any(|d| *d > 0.0);
    if !sound || (deviation.len() != 1 && deviation.len() != width) {
        let problem =
            format!("{deviation:?}: expected one number, or one for each of an action's {width}, some above 0");
        return Err(Error::config(format!("{place}.deviation"), problem));
    }
    Ok(())
}
