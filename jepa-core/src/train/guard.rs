//! Numbers going wrong: a step that is not finite is skipped, too many of them roll the run back, and when that does not
//! help the run stops.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collapse::OnCollapse;

/// Limits of what a run tolerates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    /// Skipped steps within `window` steps that trigger a roll-back to the last good checkpoint.
    pub max_skips: usize,
    /// Length of the window in steps.
    pub window: u64,
    /// Roll-backs after which the run stops with an error.
    pub max_rollbacks: usize,
    /// Share of the samples of an epoch that may be damaged.
    pub max_bad_fraction: f64,
    /// Raise the alarm when the mean standard deviation of the embeddings falls below this share of the untrained
    /// encoder's.
    pub collapse_ratio: f64,
    /// What follows an alarm.
    #[serde(default)]
    pub on_collapse: OnCollapse,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            max_skips: 5,
            window: 100,
            max_rollbacks: 3,
            max_bad_fraction: 0.05,
            collapse_ratio: 0.25,
            on_collapse: OnCollapse::Warn,
        }
    }
}

/// What to do with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Loss and gradients are finite: update.
    Apply,
    /// They are not: leave the weights as they are and go on.
    Skip,
    /// Too many skips: go back to the last good checkpoint and avoid the steps that failed.
    RollBack,
    /// Rolling back did not help.
    Stop,
}

/// Memory of what went wrong; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Steps whose numbers were not finite, and those suspected to have caused it; never computed again after a
    /// roll-back.
    pub failed: BTreeSet<u64>,
    /// Roll-backs so far.
    pub rollbacks: usize,
}

impl Guard {
    /// Judges a step by its loss and gradient norm.
    pub fn judge(&mut self, config: &GuardConfig, step: u64, loss: f64, norm: f64) -> Verdict {
        if loss.is_finite() && norm.is_finite() {
            return Verdict::Apply;
        }
        self.failed.insert(step);
        let recent = self.failed.range(step.saturating_sub(config.window)..).count();
        if recent < config.max_skips.max(1) {
            Verdict::Skip
        } else if self.rollbacks < config.max_rollbacks {
            self.rollbacks += 1;
            Verdict::RollBack
        } else {
            Verdict::Stop
        }
    }

    /// The step that a roll-back after the failure of `step` must come before, and that is not computed again: the one
    /// before the first failure of the window. Its loss was finite, and its update may have ruined the weights. Every
    /// further roll-back in the same window suspects one step more.
    pub fn suspect(&mut self, config: &GuardConfig, step: u64) -> u64 {
        let first = self.failed.range(step.saturating_sub(config.window)..).next().copied().unwrap_or(step);
        let suspect = first.saturating_sub(1).max(1);
        self.failed.insert(suspect);
        suspect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_step_is_skipped_many_roll_back_and_many_roll_backs_stop() {
        let config = GuardConfig { max_skips: 2, window: 10, max_rollbacks: 1, ..Default::default() };
        let mut guard = Guard::default();
        assert_eq!(guard.judge(&config, 1, 0.4, 1.0), Verdict::Apply);
        assert_eq!(guard.judge(&config, 2, f64::NAN, 1.0), Verdict::Skip);
        assert_eq!(guard.judge(&config, 50, 0.1, f64::INFINITY), Verdict::Skip);
        assert_eq!(guard.judge(&config, 51, 0.1, f64::NAN), Verdict::RollBack);
        assert_eq!((guard.suspect(&config, 51), guard.suspect(&config, 51)), (49, 48));
        assert_eq!(guard.judge(&config, 52, f64::NAN, 0.0), Verdict::Stop);
    }
}
