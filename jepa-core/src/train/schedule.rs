//! Schedules as pure functions of the step: nothing to save, nothing to rewind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Learning rate, weight decay and EMA momentum over a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Learning rate of step 0 (I-JEPA: 2e-4).
    pub lr_start: f64,
    /// Learning rate after the warm-up (I-JEPA: 1e-3 for a batch of 2048).
    pub lr: f64,
    /// Learning rate at the end (I-JEPA: 1e-6).
    pub lr_final: f64,
    /// Share of the steps that warm up linearly (I-JEPA H/14: 40 of 300 epochs).
    pub warmup: f64,
    /// Weight decay at the start (I-JEPA: 0.04).
    pub decay: f64,
    /// Weight decay at the end, reached along a cosine (I-JEPA: 0.4).
    pub decay_final: f64,
    /// EMA momentum of the first update (I-JEPA: 0.996).
    pub momentum: f64,
    /// EMA momentum at the end, reached linearly (I-JEPA: 1).
    pub momentum_final: f64,
    /// Length of all schedules over the length of the run (I-JEPA: 1, V-JEPA: 1.25: the end is cut off).
    pub stretch: f64,
}

/// What the optimiser and the target use in one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Learning rate.
    pub lr: f64,
    /// Weight decay.
    pub decay: f64,
    /// EMA momentum.
    pub momentum: f64,
}

/// A checked schedule for a run of known length.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    config: ScheduleConfig,
    warmup: f64,
    total: f64,
}

impl Schedule {
    /// Schedules of a run of `steps`.
    pub fn new(config: &ScheduleConfig, steps: u64) -> Result<Self> {
        let c = *config;
        let numbers = [c.lr_start, c.lr, c.lr_final, c.decay, c.decay_final];
        if numbers.iter().any(|v| !(v.is_finite() && *v >= 0.0)) {
            return Err(Error::config("schedule", "learning rates and decays must be finite and not negative"));
        }
        if ![c.momentum, c.momentum_final].iter().all(|m| (0.0..=1.0).contains(m)) {
            return Err(Error::config("schedule.momentum", "both momenta must lie in [0, 1]"));
        }
        if !(0.0..=1.0).contains(&c.warmup) || !(1.0..=100.0).contains(&c.stretch) {
            return Err(Error::config(
                "schedule",
                format!("warmup {} must lie in [0, 1], stretch {} in [1, 100]", c.warmup, c.stretch),
            ));
        }
        let total = (c.stretch * steps as f64).floor().max(1.0);
        // The official code floors epochs * iterations; the small term undoes the rounding of the quotient.
        let warmup = (c.warmup * steps as f64 + 1e-6).floor();
        Ok(Self { config: c, warmup, total })
    }

    /// The rates of step `step`, counted from 1.
    pub fn at(&self, step: u64) -> Rates {
        let c = &self.config;
        let s = step as f64;
        let cosine = |from: f64, to: f64, progress: f64| {
            to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
        };
        let lr = if s < self.warmup {
            c.lr_start + s / self.warmup * (c.lr - c.lr_start)
        } else {
            cosine(c.lr, c.lr_final, (s - self.warmup) / (self.total - self.warmup).max(1.0)).max(c.lr_final)
        };
        let decay = cosine(c.decay, c.decay_final, s / self.total);
        let decay = if c.decay_final <= c.decay { decay.max(c.decay_final) } else { decay.min(c.decay_final) };
        let momentum = c.momentum + (s - 1.0) * (c.momentum_final - c.momentum) / self.total;
        Rates { lr, decay, momentum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_equal_the_official_ones_at_the_recorded_steps() {
        let config = ScheduleConfig {
            lr_start: 2e-4,
            lr: 1e-3,
            lr_final: 1e-6,
            warmup: 0.2,
            decay: 0.04,
            decay_final: 0.4,
            momentum: 0.996,
            momentum_final: 1.0,
            stretch: 1.0,
        };
        let schedule = Schedule::new(&config, 1000).unwrap();
        for (step, lr, decay, momentum) in [
            (1, 2.04e-4, 0.040_000_888_3, 0.996),
            (2, 2.08e-4, 0.040_003_553_0, 0.996_004),
            (100, 6.0e-4, 0.048_809_827_1, 0.996_396),
            (199, 9.96e-4, 0.074_045_275_5, 0.996_792),
            (200, 1.0e-3, 0.074_376_941_0, 0.996_796),
            (201, 9.999_961_485_5e-4, 0.074_710_043_8, 0.996_8),
            (500, 6.916_503_744_7e-4, 0.22, 0.997_996),
            (999, 1.003_851_454e-6, 0.399_999_111_7, 0.999_992),
            (1000, 1.0e-6, 0.4, 0.999_996),
        ] {
            let rates = schedule.at(step);
            assert!((rates.lr / lr - 1.0).abs() < 1e-9, "lr at {step}: {}", rates.lr);
            assert!((rates.decay - decay).abs() < 1e-9, "decay at {step}: {}", rates.decay);
            assert!((rates.momentum - momentum).abs() < 1e-12, "momentum at {step}: {}", rates.momentum);
        }
    }
}
