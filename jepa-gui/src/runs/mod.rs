//! Run folders: the list of them, the tail of an event log, the process that writes one. All reading happens in
//! threads; what they find arrives through bounded channels.

mod block;
mod branch;
mod child;
mod curve;
mod follower;
mod history;
mod holder;
mod latest;
mod library;
mod results;
mod tail;
mod trash;

pub use block::{Block, Figures, Other};
pub use branch::{Branch, checkpoints};
pub use child::{Children, Ended, Program, TERMINAL, last_lines, shell};
pub use curve::{Range, decimate, smooth};
pub use follower::{Follower, Followers, Reading};
pub use history::{CollapseAt, History, Level, LogLine, Probed};
pub use holder::holder;
pub use latest::Latest;
pub use library::{Library, RunSummary, Standing};
pub use results::{Report, Results, Table, results, tables};
pub use tail::{Found, Tail};
pub use trash::{TRASH, Trashed};
