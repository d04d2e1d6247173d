//! Planning from the top down: what one level imagines is what the level below tries to reach.

use std::collections::VecDeque;

use burn::prelude::*;

use super::{Controller, Plan, PlanningConfig, WorldModel};
use crate::error::{Error, Result};

/// World models on top of each other, 0 is the lowest: each has states, actions and a rate of its own. Rows are those of
/// [`WorldModel`].
pub trait Levels {
    /// A state of any level, one row a candidate.
    type State: Clone;

    /// How many levels there are.
    fn count(&self) -> usize;

    /// Actions of the level below that one action of this level spans; 1 on the lowest.
    fn stride(&self, level: usize) -> usize;

    /// Numbers of one action of a level.
    fn action_width(&self, level: usize) -> usize;

    /// Where actions go; plain.
    fn device(&self) -> &Device;

    /// Every row `times` over, the copies of one row beside each other.
    fn repeat(&self, state: &Self::State, times: usize) -> Self::State;

    /// The next state of a level for one of its actions a row, [rows, action width].
    fn step(&self, level: usize, state: Self::State, actions: Tensor<2>) -> Result<Self::State>;

    /// What the level above makes of a state of `level`.
    fn lift(&self, level: usize, state: &Self::State) -> Result<Self::State>;

    /// How far every row is from its problem's goal, both states of `level`: `[rows]`.
    fn energy(&self, level: usize, state: &Self::State, goal: &Self::State) -> Result<Tensor<1>>;

    /// What the topmost level makes of a state of the lowest: a goal, from what is seen there.
    fn summit(&self, state: &Self::State) -> Result<Self::State> {
        (1..self.count()).try_fold(state.clone(), |state, above| self.lift(above - 1, &state))
    }
}

/// One of several levels as a world model. On the topmost goals are states of its own; below they are states of the level
/// above, and what is imagined is lifted before it is compared.
#[derive(Debug)]
pub struct Rung<'a, L> {
    /// All of them.
    pub levels: &'a L,
    /// Which.
    pub level: usize,
}

impl<L: Levels> WorldModel for Rung<'_, L> {
    type State = L::State;
    type Goal = L::State;

    fn action_width(&self) -> usize {
        self.levels.action_width(self.level)
    }

    fn device(&self) -> &Device {
        self.levels.device()
    }

    fn repeat(&self, state: &L::State, times: usize) -> L::State {
        self.levels.repeat(state, times)
    }

    fn step(&self, state: L::State, actions: Tensor<2>) -> Result<L::State> {
        self.levels.step(self.level, state, actions)
    }

    fn energy(&self, state: &L::State, goal: &L::State) -> Result<Tensor<1>> {
        if self.level + 1 == self.levels.count() {
            return self.levels.energy(self.level, state, goal);
        }
        self.levels.energy(self.level + 1, &self.levels.lift(self.level, state)?, goal)
    }
}

/// Chooses the actions of episodes on several levels (LeCun 2022, hierarchical "Mode-2"): the topmost searches macro
/// actions towards the goal; the first state it imagines is the goal of the level below for as many of that level's
/// actions as the macro action spans; and so on down to actions. A level searches again when as many of its actions as
/// its [`PlanningConfig::execute`] says are used up, each from what is seen then.
///
/// With one level it is a [`Controller`].
#[derive(Debug)]
pub struct HierarchicalController<'a, S> {
    controllers: Vec<Controller<'a>>,
    configs: &'a [PlanningConfig],
    routes: Vec<Route<S>>,
    executed: usize,
}

/// Where a level is on its way.
#[derive(Debug)]
struct Route<S> {
    /// Its imagined states that are still to be reached: the first is the goal of the level below.
    ahead: VecDeque<S>,
    /// Actions of the level below that are already spent on the first of them.
    spent: usize,
}

/// What is to be done next.
#[derive(Debug)]
pub struct Descent<S> {
    /// Of the lowest level.
    pub plan: Plan,
    /// How many of its actions are to be executed before the next look.
    pub execute: usize,
    /// What every level but the topmost is after, the lowest first: a state of the level above each.
    pub sub_goals: Vec<S>,
}

impl<'a, S: Clone> HierarchicalController<'a, S> {
    /// For episodes numbered from `first`. One configuration a level, the lowest first; their horizons count the level's
    /// own actions.
    pub fn new(configs: &'a [PlanningConfig], seed: u64, first: u64) -> Self {
        // Levels draw from streams of their own; episodes are fewer than 2^48.
        let controller = |(level, config)| Controller::new(config, seed, first | (level as u64) << 48);
        let route = || Route { ahead: VecDeque::new(), spent: 0 };
        Self {
            controllers: configs.iter().enumerate().map(controller).collect(),
            configs,
            routes: configs.iter().map(|_| route()).collect(),
            executed: 0,
        }
    }

    /// Searches from what is seen now, a state of the lowest level, for a goal that is a state of the topmost, with `left`
    /// of the lowest level's actions left in the episodes. The first [`Descent::execute`] actions of the plan are to be
    /// executed before the next call.
    pub fn plan<L: Levels<State = S>>(
        &mut self,
        levels: &L,
        start: &S,
        goal: &S,
        count: usize,
        left: usize,
    ) -> Result<Descent<S>> {
        if levels.count() == 0 || levels.count() != self.configs.len() {
            let problem = format!("{} levels, {} configurations: each needs one", levels.count(), self.configs.len());
            return Err(Error::config("planning", problem));
        }
        let top = levels.count() - 1;
        self.advance(levels);
        let mut now = vec![start.clone()];
        for level in 0..top {
            now.push(levels.lift(level, &now[level])?);
        }
        for level in (1..=top).rev() {
            if self.routes[level].ahead.is_empty() {
                let span: usize = (1..=level).map(|level| levels.stride(level)).product();
                let (goal, left) = self.aim(levels, level, goal, left.div_ceil(span));
                let rung = Rung { levels, level };
                let plan = self.controllers[level].plan(&rung, &now[level], &goal, count, left)?;
                let followed = self.configs[level].execute.min(left);
                self.routes[level] = Route { ahead: imagine(&rung, &now[level], &plan, followed)?, spent: 0 };
            }
        }
        let (aim, left) = self.aim(levels, 0, goal, left);
        let plan = self.controllers[0].plan(&Rung { levels, level: 0 }, start, &aim, count, left)?;
        self.executed = self.configs[0].execute.min(left);
        let sub_goals = self.routes.iter().skip(1).filter_map(|route| route.ahead.front().cloned()).collect();
        Ok(Descent { plan, execute: self.executed, sub_goals })
    }

    /// What a level is after, and how many of its actions it has for it.
    fn aim<L: Levels<State = S>>(&self, levels: &L, level: usize, goal: &S, left: usize) -> (S, usize) {
        match self.routes.get(level + 1) {
            Some(Route { ahead, spent }) => {
                let stretch = levels.stride(level + 1).saturating_sub(*spent).max(1);
                (ahead.front().unwrap_or(goal).clone(), stretch.min(left.max(1)))
            }
            None => (goal.clone(), left),
        }
    }

    /// Counts what was executed: a level whose stretch is used up goes on to its next imagined state.
    fn advance<L: Levels<State = S>>(&mut self, levels: &L) {
        let mut executed = std::mem::take(&mut self.executed);
        for level in 1..self.routes.len() {
            let route = &mut self.routes[level];
            route.spent += executed;
            executed = 0;
            if route.spent >= levels.stride(level) {
                route.ahead.pop_front();
                route.spent = 0;
                executed = 1;
            }
        }
    }
}

/// The first `count` states that a plan is thought to lead to.
fn imagine<L: Levels>(rung: &Rung<'_, L>, start: &L::State, plan: &Plan, count: usize) -> Result<VecDeque<L::State>> {
    let width = rung.action_width();
    let mut state = start.clone();
    let mut states = VecDeque::with_capacity(count);
    for step in 0..count {
        let at = step * width..(step + 1) * width;
        let actions: Vec<f32> = plan.actions.iter().flat_map(|actions| actions[at.clone()].iter().copied()).collect();
        let shape = [plan.actions.len(), width];
        state = rung.step(state, Tensor::from_data(TensorData::new(actions, shape), rung.device()))?;
        states.push_back(state.clone());
    }
    Ok(states)
}
