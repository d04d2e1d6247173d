//! Training: schedules, optimiser, replicas, guard, and the loop on one page.

pub mod config;
mod exchange;
mod guard;
mod lars;
mod learner;
mod online;
mod optimizer;
mod replicas;
mod run;
mod samples;
mod schedule;
mod session;
mod trainer;

pub use config::RunConfig;
pub use exchange::Exchange;
pub use guard::{Guard, GuardConfig, Verdict};
pub use lars::LarsForm;
pub use learner::Learner;
pub use optimizer::{AdamW, AdamWConfig, ClipScope, DecayRule, UpdateRule};
pub(crate) use replicas::add_gradients;
pub use replicas::{Replicas, Terms, Work};
pub use schedule::{MomentumLaw, RateLaw, Rates, Schedule, ScheduleConfig};
pub use session::{Outcome, Session, default_replicas};
pub use trainer::train;
