//! Start and goal in different rooms, and what became of an attempt to get from one to the other.

use jepa_core::error::Result;
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::EpisodesConfig;
use super::agent::{Agent, Chosen};
use super::layout::{BLUR, HIGH, LOW, Place, Rooms};

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
        let mut choose = agent.chooser(self, config.seed);
        let mut attempt = Attempt { task: *self, path: vec![self.start], first_plan: Vec::new() };
        let mut at = self.start;
        while attempt.path.len() <= config.steps {
            let left = config.steps + 1 - attempt.path.len();
            let Chosen { actions, execute } = choose(at, left)?;
            for action in actions.iter().take(execute.min(left)) {
                at = self.rooms.push(at, *action, Some(&mut bounces));
                attempt.path.push(at);
            }
            if agent.plans() && attempt.first_plan.is_empty() {
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

/// The distance between two places, in pixels.
pub(super) fn far(a: Place, b: Place) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::prelude::*;
    use jepa_core::planning::{Bounds, Cem, EnergyOf, Planner, PlanningConfig};

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
