//! Frames with actions: what V-JEPA 2-AC is trained on and plans with.
//!
//! | file | noun |
//! |---|---|
//! | [`kinematics`](Kinematics) | what an action does to a state, and which action leads from one to another |
//! | `sampling` | which frames of a recording make a trajectory |
//! | [`source`](Trajectory) | walks through two rooms as films, and recordings with a table of states beside them |
//! | [`foresight`](Foresight) | the networks as planners see them |
//! | [`evaluate`](evaluate()) | what `probe --kind planning` does: which action leads from one frame to the next? |

mod evaluate;
mod foresight;
mod kinematics;
mod sampling;
mod source;

pub use evaluate::{ActionReport, ActionRow, Contestant, evaluate};
pub use foresight::{Foresight, Seen};
pub use kinematics::Kinematics;
pub use source::{FORMATS, Trajectory, open};
