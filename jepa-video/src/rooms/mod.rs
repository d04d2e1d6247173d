//! Two rooms with a wall between them and a door in it: the smallest world in which "what if I go there" has an answer
//! that is not a straight line.
//!
//! | file | noun |
//! |---|---|
//! | [`layout`](Rooms) | where wall and door are, and what an agent there looks like |
//! | `dynamics` | what a step does: in the data it fails at a wall, in the environment it bounces |
//! | [`walk`](Walk) | random walks, some of them through the door |
//! | [`source`](TwoRooms) | the built-in data: walks of a fixed length |
//! | [`batch`](Episodes) | what the networks read |
//! | [`episode`](Task) | start and goal in different rooms, and what became of an attempt |
//! | [`agent`](Agent) | who chooses the actions: planners on one level or on several, the truth, chance |
//! | [`imagination`](Imagination) | the rooms as planners see them: imagined, and as they are |
//! | [`evaluate`](evaluate()) | what `probe --kind planning` does |
//! | `position` | where the agent is, read from frozen features |
//! | `picture` | an episode as a picture |
//!
//! All numbers are those of eb_jepa's Two Rooms (Terver et al. 2026, arXiv 2602.03604; `eb_jepa/datasets/two_rooms` at
//! 966e61e), which are PLDM's but for the size: 65 x 65 pixels, x right, y down, in pixels.

mod agent;
mod batch;
mod dynamics;
mod episode;
mod evaluate;
mod imagination;
mod layout;
mod picture;
mod position;
mod source;
mod walk;

pub use agent::Agent;
pub use batch::Episodes;
pub use episode::{Attempt, Task};
pub use evaluate::{EpisodeFigures, Exam, PlanningReport, PlanningRow, Searches, evaluate};
pub use imagination::{Imagination, Truth};
pub use layout::{CHANNELS, HIGH, LOW, PIXELS, Place, Rooms, SIDE, normalised};
pub(crate) use picture::frame;
pub use picture::preview;
pub use position::{PositionFigures, Sight};
pub use source::{FORMATS, TwoRooms};
pub use walk::{MOMENTS, Walk, action, coarse};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Episodes that an evaluation plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpisodesConfig {
    /// How many (eb_jepa: 20).
    pub count: usize,
    /// Steps of each (eb_jepa: 200).
    pub steps: usize,
    /// Seed of starts, goals, layouts, bounces and everything that planners draw.
    pub seed: u64,
}
