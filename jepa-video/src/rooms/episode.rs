//! Start and goal in different rooms, agents that try to get from one to the other, and what became of it.

use burn::prelude::*;
use jepa_core::error::Result;
use jepa_core::host;
use jepa_core::planning::{Controller, PlanningConfig, WorldModel};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::EpisodesConfig;
use super::layout::{BLUR, CHANNELS, HIGH, LOW, Place, Rooms, SIDE};
use super::walk::action;
use crate::world::{ACTION, WorldJepa};

/// Farthest that the end of an episode may be from the goal (DINO-WM's threshold, in pixels).
const REACHED: f32 = 4.5;

/// One episode's layout, start and goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task {
    /// Number of the episode.
    pub number: u64,
    /// Where wall and door are.
    pub rooms: Rooms,
    /// Where the agent begins.
    pub start: Place,
    /// Where it is to end, in the other room.
    pub goal: Place,
}

/// What became of an episode.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The task.
    pub task: Task,
    /// Where the agent was, the start first.
    pub path: Vec<Place>,
    /// Actions of the first plan, where it planned.
    pub first_plan: Vec<Place>,
}

/// Who chooses the actions.
pub enum Agent<'a> {
    /// A planner that imagines with a world model.
    Latent(&'a WorldJepa, &'a PlanningConfig, &'a Device),
    /// The same planner in the true state space: it knows the walls, and how far the way through the door is.
    Truth(&'a PlanningConfig, &'a Device),
    /// Nobody: actions by the law of the data.
    Random,
}

impl Task {
    /// Episode `number` of an evaluation.
    pub fn draw(fixed: bool, seed: u64, number: u64) -> Self {
        let mut stream = Stream::new(seed, Purpose::Probe, 1, number);
        let rooms = if fixed { Rooms::FIXED } else { Rooms::draw(&mut stream) };
        // Twice the blur away from everything.
        let (margin, [left, right]) = (2.0 * BLUR, rooms.sides());
        let mut ends = [[LOW + margin, left - margin], [right + margin, HIGH - margin]].map(|[low, high]| {
            let x = stream.between(low, high);
            [x, stream.between(LOW + margin, HIGH - margin)]
        });
        if stream.uniform() < 0.5 {
            ends.reverse();
        }
        Self { number, rooms, start: ends[0], goal: ends[1] }
    }

    /// Plays the episode.
    pub fn play(&self, agent: &Agent<'_>, config: &EpisodesConfig) -> Result<Attempt> {
        let mut bounces = Stream::new(config.seed, Purpose::Probe, 2, self.number);
        let mut chance = Stream::new(config.seed, Purpose::Probe, 3, self.number);
        let mut control = match agent {
            Agent::Latent(_, planning, _) | Agent::Truth(planning, _) => {
                Some((Controller::new(planning, config.seed, self.number), planning.execute))
            }
            Agent::Random => None,
        };
        let goal = match agent {
            Agent::Latent(world, _, device) => Some(embed(world, &[(self.rooms, self.goal)], device)),
            _ => None,
        };
        let mut attempt = Attempt { task: *self, path: vec![self.start], first_plan: Vec::new() };
        let mut at = self.start;
        while attempt.path.len() <= config.steps {
            let left = config.steps + 1 - attempt.path.len();
            let plan = match (agent, &mut control) {
                (Agent::Latent(world, _, device), Some((control, _))) => {
                    let start = embed(world, &[(self.rooms, at)], device);
                    let goal = goal.clone().unwrap_or_else(|| start.clone());
                    Some(control.plan(&Imagination { world, device }, &start, &goal, 1, left)?)
                }
                (Agent::Truth(_, device), Some((control, _))) => {
                    let truth = Truth { rooms: vec![self.rooms], device };
                    Some(control.plan(&truth, &vec![at], &vec![self.goal], 1, left)?)
                }
                _ => None,
            };
            let actions: Vec<Place> = match plan.as_ref().and_then(|plan| plan.actions.first()) {
                Some(actions) => actions.chunks_exact(ACTION).map(|a| [a[0], a[1]]).collect(),
                None => vec![action(&mut chance)],
            };
            let execute = control.as_ref().map_or(1, |(_, execute)| *execute).min(left);
            for action in actions.iter().take(execute) {
                at = self.rooms.push(at, *action, Some(&mut bounces));
                attempt.path.push(at);
            }
            if plan.is_some() && attempt.first_plan.is_empty() {
                attempt.first_plan = actions;
            }
        }
        Ok(attempt)
    }
}

impl Attempt {
    /// How far the last place is from the goal, in pixels.
    pub fn distance(&self) -> f32 {
        let at = self.path.last().copied().unwrap_or(self.task.start);
        far(at, self.task.goal)
    }

    /// Whether the last place counts as the goal.
    pub fn success(&self) -> bool {
        self.distance() < REACHED
    }
}

fn far(a: Place, b: Place) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Embeddings of an agent at places: [places, width].
pub(super) fn embed(world: &WorldJepa, places: &[(Rooms, Place)], device: &Device) -> Tensor<2> {
    let values: Vec<f32> = places.iter().flat_map(|(rooms, at)| rooms.seen(*at)).collect();
    let pictures = Tensor::from_data(TensorData::new(values, [places.len(), CHANNELS, SIDE, SIDE]), device);
    let states = world.encoder.forward(pictures);
    let [rows, _, width] = states.dims();
    states.reshape([rows, width])
}

/// A trained world model as planners see it: states are embeddings, [rows, width], and so are goals; the energy is the
/// mean squared difference.
pub struct Imagination<'a> {
    /// The networks.
    pub world: &'a WorldJepa,
    /// Where tensors live.
    pub device: &'a Device,
}

impl WorldModel for Imagination<'_> {
    type State = Tensor<2>;
    type Goal = Tensor<2>;

    fn action_width(&self) -> usize {
        ACTION
    }

    fn device(&self) -> &Device {
        self.device
    }

    fn repeat(&self, state: &Tensor<2>, times: usize) -> Tensor<2> {
        let [rows, width] = state.dims();
        state.clone().reshape([rows, 1, width]).repeat_dim(1, times).reshape([rows * times, width])
    }

    fn step(&self, state: Tensor<2>, actions: Tensor<2>) -> Result<Tensor<2>> {
        Ok(self.world.next(state, actions))
    }

    fn energy(&self, state: &Tensor<2>, goal: &Tensor<2>) -> Result<Tensor<1>> {
        let ([rows, width], problems) = (state.dims(), goal.dims()[0]);
        let away =
            state.clone().reshape([problems, rows / problems, width]) - goal.clone().reshape([problems, 1, width]);
        Ok(away.powi_scalar(2).mean_dim(2).reshape([rows]))
    }
}

/// The rooms themselves as a world model, without chance: states are places, the energy is the length of the way through
/// the door.
pub struct Truth<'a> {
    /// The layout of every problem.
    pub rooms: Vec<Rooms>,
    /// Where tensors live.
    pub device: &'a Device,
}

impl WorldModel for Truth<'_> {
    type State = Vec<Place>;
    type Goal = Vec<Place>;

    fn action_width(&self) -> usize {
        ACTION
    }

    fn device(&self) -> &Device {
        self.device
    }

    fn repeat(&self, state: &Vec<Place>, times: usize) -> Vec<Place> {
        state.iter().flat_map(|at| std::iter::repeat_n(*at, times)).collect()
    }

    fn step(&self, state: Vec<Place>, actions: Tensor<2>) -> Result<Vec<Place>> {
        let actions = host::read(actions)?;
        let each = (state.len() / self.rooms.len().max(1)).max(1);
        let rows = state.chunks(each).zip(&self.rooms).flat_map(|(row, rooms)| row.iter().map(move |at| (*at, rooms)));
        Ok(rows.zip(actions.chunks_exact(ACTION)).map(|((at, rooms), a)| rooms.push(at, [a[0], a[1]], None)).collect())
    }

    fn energy(&self, state: &Vec<Place>, goal: &Vec<Place>) -> Result<Tensor<1>> {
        let each = (state.len() / goal.len().max(1)).max(1);
        let way = |(at, (rooms, goal)): (&Place, (&Rooms, &Place))| {
            let same = (at[0] < rooms.wall) == (goal[0] < rooms.wall);
            let door = [rooms.wall, rooms.door];
            if same { far(*at, *goal) } else { far(*at, door) + far(door, *goal) }
        };
        let ends = self.rooms.iter().zip(goal);
        let rows = state.chunks(each).zip(ends).flat_map(|(row, end)| row.iter().map(move |at| (at, end)));
        let energies: Vec<f32> = rows.map(way).collect();
        Ok(Tensor::from_data(TensorData::new(energies.clone(), [energies.len()]), self.device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::planning::{Bounds, Cem, EnergyOf, Planner};

    fn planning() -> PlanningConfig {
        let cem = Cem {
            samples: 64,
            elites: 8,
            iterations: 4,
            deviation: vec![1.2],
            bounds: Bounds::Norm { limit: 2.45 },
            momentum: [0.0; 2],
            mean_is_a_sample: true,
        };
        PlanningConfig { planner: Planner::Cem(cem), horizon: 12, execute: 4, warm_start: true, energy: EnergyOf::All }
    }

    #[test]
    fn tasks_begin_and_end_in_different_rooms_away_from_the_walls() {
        for number in 0..100 {
            let task = Task::draw(number % 2 == 0, 0, number);
            assert!((task.start[0] < task.rooms.wall) != (task.goal[0] < task.rooms.wall));
            assert_eq!(task, Task::draw(number % 2 == 0, 0, number));
            assert!([task.start, task.goal].iter().flatten().all(|v| (6.6..=57.4).contains(v)));
        }
    }

    #[test]
    fn a_planner_that_knows_the_truth_reaches_goals_that_chance_does_not() {
        let (planning, device) = (planning(), Device::flex());
        let config = EpisodesConfig { count: 6, steps: 120, seed: 0 };
        let play = |agent: &Agent<'_>| -> Vec<Attempt> {
            (0..6).map(|number| Task::draw(false, 0, number).play(agent, &config).unwrap()).collect()
        };
        let truth = play(&Agent::Truth(&planning, &device));
        let distances: Vec<f32> = truth.iter().map(Attempt::distance).collect();
        assert!(truth.iter().all(Attempt::success), "{distances:?}");
        assert!(truth.iter().all(|attempt| attempt.path.len() == 121 && attempt.first_plan.len() == 12));
        let chance = play(&Agent::Random);
        assert!(chance.iter().filter(|attempt| attempt.success()).count() <= 2);
        assert_eq!(play(&Agent::Random), chance);
    }
}
