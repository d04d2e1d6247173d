//! Who chooses the actions of an episode.

use burn::prelude::*;
use jepa_core::error::Result;
use jepa_core::hierarchy::Tower;
use jepa_core::planning::{Controller, HierarchicalController, Levels as _, PlanningConfig};
use jepa_core::random::{Purpose, Stream};

use super::episode::Task;
use super::imagination::{Imagination, Truth, embed};
use super::layout::Place;
use super::walk::action;
use crate::world::{ACTION, HJepa, WorldJepa};

/// Who chooses the actions.
pub enum Agent<'a> {
    /// A planner that imagines with a world model.
    Latent(&'a WorldJepa, &'a PlanningConfig, &'a Device),
    /// Planners on all levels of a hierarchy, a configuration each, the lowest first.
    Levels(&'a HJepa, &'a [PlanningConfig], &'a Device),
    /// The same planner in the true state space: it knows the walls, and how far the way through the door is.
    Truth(&'a PlanningConfig, &'a Device),
    /// Nobody: actions by the law of the data.
    Random,
}

/// What an agent means to do next.
pub(super) struct Chosen {
    /// Actions, as far as it planned.
    pub(super) actions: Vec<Place>,
    /// How many of them are executed before it looks again.
    pub(super) execute: usize,
}

/// From the place where the agent is, and how many actions are left, to what it means to do.
type Chooser<'a> = Box<dyn FnMut(Place, usize) -> Result<Chosen> + 'a>;

impl Agent<'_> {
    /// Whether it plans.
    pub(super) fn plans(&self) -> bool {
        !matches!(self, Self::Random)
    }

    /// What chooses the actions of one episode. A planner of pictures sees where the agent is, and never the place itself.
    pub(super) fn chooser(&self, task: &Task, seed: u64) -> Chooser<'_> {
        let Task { number, rooms, goal, .. } = *task;
        let chosen = |actions: &[Vec<f32>], execute| {
            let actions = actions.iter().flatten().copied().collect::<Vec<f32>>();
            Chosen { actions: actions.chunks_exact(ACTION).map(|a| [a[0], a[1]]).collect(), execute }
        };
        match *self {
            Self::Latent(world, planning, device) => {
                let mut control = Controller::new(planning, seed, number);
                let goal = embed(world, &[(rooms, goal)], device);
                Box::new(move |at, left| {
                    let start = embed(world, &[(rooms, at)], device);
                    let plan = control.plan(&Imagination { world, device }, &start, &goal, 1, left)?;
                    Ok(chosen(&plan.actions, planning.execute))
                })
            }
            Self::Levels(HJepa { world, stack }, planning, device) => {
                let mut control = HierarchicalController::new(planning, seed, number);
                let mut top = None;
                Box::new(move |at, left| {
                    let levels = Tower { lowest: &Imagination { world, device }, stack };
                    let goal = match &top {
                        Some(goal) => goal,
                        None => top.insert(levels.summit(&embed(world, &[(rooms, goal)], device))?),
                    };
                    let start = embed(world, &[(rooms, at)], device);
                    let descent = control.plan(&levels, &start, goal, 1, left)?;
                    Ok(chosen(&descent.plan.actions, descent.execute))
                })
            }
            Self::Truth(planning, device) => {
                let mut control = Controller::new(planning, seed, number);
                Box::new(move |at, left| {
                    let truth = Truth { rooms: vec![rooms], device };
                    let plan = control.plan(&truth, &vec![at], &vec![goal], 1, left)?;
                    Ok(chosen(&plan.actions, planning.execute))
                })
            }
            Self::Random => {
                let mut chance = Stream::new(seed, Purpose::Probe, 3, number);
                Box::new(move |_, _| Ok(Chosen { actions: vec![action(&mut chance)], execute: 1 }))
            }
        }
    }
}
