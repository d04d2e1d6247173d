//! What `probe --kind planning` does: episodes that a planner plays with what the networks imagine, beside the same
//! planner that knows the truth, networks that learned nothing, and chance.

use std::time::Instant;

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::planning::PlanningConfig;
use jepa_core::plugin::Evaluated;
use jepa_core::train::Replicas;
use serde::Serialize;

use super::EpisodesConfig;
use super::agent::Agent;
use super::episode::{Attempt, Task};
use super::position::{self, PositionFigures, Sight};
use super::{Place, picture};

/// Episodes that are drawn.
const DRAWN: usize = 4;
/// Name of the planner that knows the truth.
const TRUTH: &str = "true states";
/// Name of chance.
const CHANCE: &str = "random actions";

/// How actions are chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Searches {
    /// By one search.
    Flat(PlanningConfig),
    /// By one a level, the lowest first, and beside them by one on the lowest level alone.
    Levels {
        /// On the lowest level alone; the planner that knows the truth is this one too.
        flat: PlanningConfig,
        /// One a level.
        levels: Vec<PlanningConfig>,
    },
}

/// What is played and measured.
pub struct Exam<'a> {
    /// Who plays on networks, by name; the first is drawn, as the first of `sights` sees it.
    pub agents: Vec<(String, Agent<'a>)>,
    /// Whose embeddings are to tell where the agent is.
    pub sights: Vec<(String, Sight<'a>)>,
    /// How the agents search.
    pub searches: Searches,
    /// How many episodes.
    pub episodes: EpisodesConfig,
    /// Whether wall and door are the same in all of them.
    pub fixed_wall: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanningReport {
    /// How actions were chosen.
    pub planning: Searches,
    /// How many episodes, of how many steps, from which seed.
    pub episodes: EpisodesConfig,
    /// Whether wall and door were the same in all of them.
    pub fixed_wall: bool,
    /// Who played.
    pub rows: Vec<PlanningRow>,
    /// How well embeddings tell where the agent is.
    pub position: Vec<PositionFigures>,
}

/// The episodes of one player.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanningRow {
    /// Who.
    pub name: String,
    /// Share of episodes that ended at the goal.
    pub success: f64,
    /// Its 95 % interval (Wilson).
    pub interval: [f64; 2],
    /// Mean distance from the goal at the end, in pixels.
    pub distance: f64,
    /// Mean time of an episode, in seconds.
    pub seconds: f64,
    /// Every episode.
    pub episodes: Vec<EpisodeFigures>,
}

/// One episode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpisodeFigures {
    /// x of the wall, y of the door.
    pub rooms: Place,
    /// Where it began.
    pub start: Place,
    /// Where it was to end.
    pub goal: Place,
    /// Where it ended.
    pub end: Place,
    /// Whether that is near enough.
    pub success: bool,
}

/// Plays the episodes with every agent, the planner that knows the truth and chance, and measures what embeddings tell.
pub fn evaluate(exam: Exam<'_>, device: &Device, workers: &Replicas) -> Result<Evaluated> {
    let Exam { mut agents, sights, searches, episodes, fixed_wall } = exam;
    if episodes.count == 0 || episodes.steps == 0 {
        return Err(Error::config("model.episodes", "count and steps must be positive"));
    }
    let tasks: Vec<Task> = (0..episodes.count as u64).map(|n| Task::draw(fixed_wall, episodes.seed, n)).collect();
    let (Searches::Flat(flat) | Searches::Levels { flat, .. }) = &searches;
    agents.push((TRUTH.to_owned(), Agent::Truth(flat, device)));
    agents.push((CHANCE.to_owned(), Agent::Random));
    let (mut rows, mut files) = (Vec::new(), Vec::new());
    for (at, (name, agent)) in agents.iter().enumerate() {
        let played = workers.map(tasks.iter().collect(), |task: &Task| {
            let clock = Instant::now();
            Ok((task.play(agent, &episodes)?, clock.elapsed().as_secs_f64()))
        })?;
        let seconds = played.iter().map(|(_, seconds)| seconds).sum::<f64>() / played.len() as f64;
        let attempts: Vec<Attempt> = played.into_iter().map(|(attempt, _)| attempt).collect();
        rows.push(PlanningRow::of(name, &attempts, seconds));
        if let (0, Some((_, Sight { world, .. }))) = (at, sights.first()) {
            for (number, attempt) in attempts.iter().take(DRAWN).enumerate() {
                let Task { rooms, start, .. } = attempt.task;
                let imagined = position::nearest(world, &rooms, start, &attempt.first_plan, device)?;
                files.push((format!("episode-{number}.png"), picture::draw(attempt, &imagined)?));
            }
        }
    }
    let measure = |(name, sight): &(String, Sight<'_>)| position::measure(name, sight, fixed_wall, device, workers);
    let position = sights.iter().map(measure).collect::<Result<_>>()?;
    let report = PlanningReport { planning: searches.clone(), episodes, fixed_wall, rows, position };
    let figures = serde_json::to_value(&report).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(Evaluated { text: report.to_string(), figures, files })
}

impl PlanningRow {
    fn of(name: &str, attempts: &[Attempt], seconds: f64) -> Self {
        let count = attempts.len() as f64;
        let reached = attempts.iter().filter(|attempt| attempt.success()).count() as f64;
        let figures = |attempt: &Attempt| EpisodeFigures {
            rooms: [attempt.task.rooms.wall, attempt.task.rooms.door],
            start: attempt.task.start,
            goal: attempt.task.goal,
            end: attempt.path.last().copied().unwrap_or(attempt.task.start),
            success: attempt.success(),
        };
        Self {
            name: name.to_owned(),
            success: reached / count,
            interval: wilson(reached, count),
            distance: attempts.iter().map(|attempt| f64::from(attempt.distance())).sum::<f64>() / count,
            seconds,
            episodes: attempts.iter().map(figures).collect(),
        }
    }
}

/// The 95 % interval of a share of `hits` in `count`.
fn wilson(hits: f64, count: f64) -> [f64; 2] {
    let (z, share) = (1.959_964, hits / count);
    let (middle, half) =
        (share + z * z / (2.0 * count), (share * (1.0 - share) / count + (z / count).powi(2) / 4.0).sqrt());
    [-z, z].map(|z| ((middle + z * half) / (1.0 + z * z / count)).clamp(0.0, 1.0))
}

impl std::fmt::Display for PlanningReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let EpisodesConfig { count, steps, seed } = self.episodes;
        let layout = if self.fixed_wall { "a fixed wall and door" } else { "any wall and door" };
        writeln!(f, "{count} episodes of {steps} steps, {layout}, seed {seed}; success: within 4.5 pixels at the end")?;
        writeln!(
            f,
            "{:<22} {:>9} {:>15} {:>11} {:>11}",
            "who plans", "success %", "95 % interval", "distance px", "s an episode"
        )?;
        for row in &self.rows {
            let [low, high] = row.interval.map(|v| 100.0 * v);
            let interval = format!("{low:.0} to {high:.0}");
            let (success, distance, seconds) = (100.0 * row.success, row.distance, row.seconds);
            writeln!(f, "{:<22} {success:>9.0} {interval:>15} {distance:>11.1} {seconds:>11.2}", row.name)?;
        }
        write!(f, "\n{:<22} {:>9} {:>15} {:>11}", "position, linear", "R2", "error px", "imagined px")?;
        for figures in &self.position {
            let last = figures.imagined.last().copied().unwrap_or(f64::NAN);
            write!(f, "\n{:<22} {:>9.3} {:>15.2} {last:>11.2}", figures.name, figures.r2, figures.rmse)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // 8 of 10: 0.490 to 0.943.
        let [low, high] = wilson(8.0, 10.0);
        assert!((low - 0.490).abs() < 1e-3 && (high - 0.943).abs() < 1e-3, "{low} {high}");
        assert_eq!(wilson(0.0, 20.0)[0], 0.0);
    }
}
