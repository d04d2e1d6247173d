//! Training: schedules, optimiser, replicas, guard, and the loop on one page.

pub mod config;
mod guard;
mod optimizer;
mod replicas;
mod schedule;
mod trainer;

pub use config::RunConfig;
pub use guard::{Guard, GuardConfig, Verdict};
pub use optimizer::{AdamW, AdamWConfig};
pub use replicas::{Replicas, Terms, Work};
pub use schedule::{Rates, Schedule, ScheduleConfig};
pub use trainer::{Learner, Outcome, Session, default_replicas, train};
