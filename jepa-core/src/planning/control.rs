//! Plan, act, look, plan again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EnergyOf, Plan, Planner, Problems, WorldModel};
use crate::error::{Error, Result};

/// How actions are chosen over an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanningConfig {
    /// The search.
    pub planner: Planner,
    /// Actions of a plan; fewer where fewer are left (Two Rooms: 90; V-JEPA 2-AC: 2).
    pub horizon: usize,
    /// Actions executed before the next look (1: at every step).
    pub execute: usize,
    /// Begin a search where the last plan would have gone on; otherwise at no action at all (both official codes).
    #[serde(default)]
    pub warm_start: bool,
    /// Which imagined states count.
    #[serde(default)]
    pub energy: EnergyOf,
}

impl PlanningConfig {
    /// Checks the numbers for actions of so many values; `place` is the key path for the message.
    pub fn check(&self, width: usize, place: &str) -> Result<()> {
        if !(1..=self.horizon).contains(&self.execute) || self.horizon > 1 << 16 {
            let problem = format!("execute {} must lie in 1..={}, the horizon", self.execute, self.horizon);
            return Err(Error::config(place, problem));
        }
        self.planner.check(width, &format!("{place}.planner"))
    }
}

/// Chooses the actions of one or more episodes that go on side by side.
#[derive(Debug)]
pub struct Controller<'a> {
    config: &'a PlanningConfig,
    seed: u64,
    first: u64,
    moment: u64,
    /// What is left of the last plans.
    rest: Option<Vec<Vec<f32>>>,
}

impl<'a> Controller<'a> {
    /// For episodes numbered from `first`.
    pub fn new(config: &'a PlanningConfig, seed: u64, first: u64) -> Self {
        Self { config, seed, first, moment: 0, rest: None }
    }

    /// Searches from what is seen now, with `left` actions left in the episodes. Of each plan the first
    /// [`PlanningConfig::execute`] actions are to be executed, or as many as are left.
    pub fn plan<W: WorldModel>(
        &mut self,
        world: &W,
        start: &W::State,
        goal: &W::Goal,
        count: usize,
        left: usize,
    ) -> Result<Plan> {
        let (width, horizon) = (world.action_width(), self.config.horizon.min(left));
        let problems = Problems {
            world,
            start,
            goal,
            count,
            first: self.first,
            horizon,
            energy: self.config.energy,
            seed: self.seed,
            moment: self.moment,
        };
        let warm = self.rest.take().map(|rest| {
            let fitted = |mut actions: Vec<f32>| {
                actions.resize(horizon * width, 0.0);
                actions
            };
            rest.into_iter().map(fitted).collect::<Vec<_>>()
        });
        let plan = self.config.planner.plan(&problems, warm.as_deref())?;
        self.moment += 1;
        if self.config.warm_start {
            let executed = self.config.execute.min(horizon) * width;
            self.rest = Some(plan.actions.iter().map(|actions| actions[executed..].to_vec()).collect());
        }
        Ok(plan)
    }
}
