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
    /// How the learning rate moves between its three values.
    #[serde(default)]
    pub lr_law: RateLaw,
    /// How the momentum moves between its two values.
    #[serde(default)]
    pub momentum_law: MomentumLaw,
}

impl Default for ScheduleConfig {
    /// I-JEPA's, H/14.
    fn default() -> Self {
        Self {
            lr_start: 2e-4,
            lr: 1e-3,
            lr_final: 1e-6,
            warmup: 40.0 / 300.0,
            decay: 0.04,
            decay_final: 0.4,
            momentum: 0.996,
            momentum_final: 1.0,
            stretch: 1.0,
            lr_law: RateLaw::Step,
            momentum_law: MomentumLaw::Linear,
        }
    }
}

/// How the learning rate moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "law")]
pub enum RateLaw {
    /// Every step: a line over the warm-up, then a cosine (I-JEPA, V-JEPA, MAMP).
    #[default]
    Step,
    /// Every step: a line over the warm-up, then a line to the end (V-JEPA 2's cooldown, without warm-up).
    Line,
    /// Every step: a line over the warm-up, then constant, then a line to the end over the last steps (V-JEPA 2-AC).
    Plateau {
        /// Share of the steps that the line to the end takes (V-JEPA 2-AC: 15 of 315 epochs).
        anneal: f64,
    },
    /// Once an epoch, from 0: the warm-up's last epoch has the full rate already, and the first of the cosine repeats
    /// it (Point-JEPA, as Lightning's schedule does).
    Epoch {
        /// Steps of one epoch.
        steps: u64,
    },
}

/// How the EMA momentum moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MomentumLaw {
    /// A line (I-JEPA, V-JEPA).
    #[default]
    Linear,
    /// A line, after two updates that copy the student (Point-JEPA's EMA class).
    LinearAfterTwoCopies,
    /// Half a cosine (S-JEPA, DINO).
    Cosine,
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
        if let RateLaw::Plateau { anneal } = c.lr_law
            && !(0.0..=1.0).contains(&anneal)
        {
            return Err(Error::config("schedule.lr_law.anneal", format!("{anneal} must lie in [0, 1]")));
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
        let lr = match c.lr_law {
            RateLaw::Step | RateLaw::Line | RateLaw::Plateau { .. } if s < self.warmup => {
                c.lr_start + s / self.warmup * (c.lr - c.lr_start)
            }
            RateLaw::Step => {
                cosine(c.lr, c.lr_final, (s - self.warmup) / (self.total - self.warmup).max(1.0)).max(c.lr_final)
            }
            RateLaw::Line => c.lr + (s - self.warmup) / (self.total - self.warmup).max(1.0) * (c.lr_final - c.lr),
            RateLaw::Plateau { anneal } => {
                let length = (anneal * self.total).max(1.0);
                let progress = 1.0 - (self.total - s) / length;
                c.lr + progress.clamp(0.0, 1.0) * (c.lr_final - c.lr)
            }
            RateLaw::Epoch { steps } => {
                let steps = steps.max(1) as f64;
                let epoch = ((s - 1.0) / steps).floor();
                let (warmup, total) = ((self.warmup / steps).round(), (self.total / steps).round());
                if epoch < warmup {
                    c.lr_start + epoch / (warmup - 1.0).max(1.0) * (c.lr - c.lr_start)
                } else {
                    cosine(c.lr, c.lr_final, (epoch - warmup) / (total - warmup).max(1.0))
                }
            }
        };
        let decay = cosine(c.decay, c.decay_final, s / self.total);
        let decay = if c.decay_final <= c.decay { decay.max(c.decay_final) } else { decay.min(c.decay_final) };
        let progress = (s - 1.0) / self.total;
        let momentum = match c.momentum_law {
            MomentumLaw::LinearAfterTwoCopies if step <= 2 => 0.0,
            MomentumLaw::Linear | MomentumLaw::LinearAfterTwoCopies => {
                c.momentum + progress * (c.momentum_final - c.momentum)
            }
            MomentumLaw::Cosine => cosine(c.momentum, c.momentum_final, progress),
        };
        Rates { lr, decay, momentum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_between_two_lines_has_the_recorded_rates() {
        let share = 15.0 / 315.0;
        let config = ScheduleConfig {
            lr_start: 7.5e-5,
            lr: 4.25e-4,
            lr_final: 0.0,
            warmup: share,
            lr_law: RateLaw::Plateau { anneal: share },
            ..ScheduleConfig::default()
        };
        let schedule = Schedule::new(&config, 94_500).unwrap();
        for (step, expected) in [
            (1, 7.507_777_78e-5),
            (4_500, 4.25e-4),
            (90_000, 4.25e-4),
            (90_001, 4.249_055_56e-4),
            (92_250, 2.125e-4),
            (94_500, 0.0),
        ] {
            let found = schedule.at(step).lr;
            assert!((found - expected).abs() < 1e-12, "step {step}: {found}, expected {expected}");
        }
        let config = ScheduleConfig { lr_law: RateLaw::Plateau { anneal: 1.5 }, ..config };
        assert!(Schedule::new(&config, 100).unwrap_err().to_string().contains("anneal"));
    }

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
            lr_law: RateLaw::Step,
            momentum_law: MomentumLaw::Linear,
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

    #[test]
    fn point_jepas_rates_change_once_an_epoch_and_its_target_copies_twice() {
        let config = ScheduleConfig {
            lr_start: 1e-5,
            lr: 1e-3,
            lr_final: 1e-6,
            warmup: 30.0 / 500.0,
            decay: 0.05,
            decay_final: 0.05,
            momentum: 0.9995,
            momentum_final: 0.99999,
            stretch: 1.0,
            lr_law: RateLaw::Epoch { steps: 81 },
            momentum_law: MomentumLaw::LinearAfterTwoCopies,
        };
        let schedule = Schedule::new(&config, 500 * 81).unwrap();
        for (epoch, lr) in [(0, 1e-5), (1, 4.413_793e-5), (29, 1e-3), (30, 1e-3), (265, 5.005e-4), (499, 1.011_2e-6)] {
            for step in [epoch * 81 + 1, epoch * 81 + 81] {
                let found = schedule.at(step).lr;
                assert!((found / lr - 1.0).abs() < 5e-5, "lr in epoch {epoch}: {found}");
            }
        }
        let schedule = Schedule::new(&config, 100).unwrap();
        let mut teacher = 0f64;
        for (call, expected) in
            [1.0, 2.0, 2.000_490_188_6, 2.001_460_552_2, 2.002_901_077_3, 2.004_801_750_2].into_iter().enumerate()
        {
            let tau = schedule.at(call as u64 + 1).momentum;
            teacher = tau * teacher + (1.0 - tau) * (call + 1) as f64;
            assert!((teacher - expected).abs() < 1e-6, "call {call}: {teacher}");
        }
    }

    #[test]
    fn s_jepas_rates_equal_the_recorded_ones() {
        let config = ScheduleConfig {
            lr_start: 0.0,
            lr: 1e-3,
            lr_final: 5e-4,
            warmup: 20.0 / 400.0,
            decay: 0.05,
            decay_final: 0.05,
            momentum: 0.9999,
            momentum_final: 1.0,
            stretch: 1.0,
            lr_law: RateLaw::Step,
            momentum_law: MomentumLaw::Cosine,
        };
        let schedule = Schedule::new(&config, 400).unwrap();
        for (step, lr) in [(10, 5e-4), (20, 1e-3), (110, 9.339_309_767e-4), (210, 7.5e-4), (400, 5e-4)] {
            let found = schedule.at(step).lr;
            assert!((found / lr - 1.0).abs() < 1e-8, "lr at {step}: {found}");
        }
        for (step, momentum) in [(1, 0.9999), (101, 0.999_914_644_660_940_7), (201, 0.999_95), (401, 1.0)] {
            let found = schedule.at(step).momentum;
            assert!((found - momentum).abs() < 1e-12, "momentum at {step}: {found}");
        }
    }

    #[test]
    fn v_jepas_stretched_schedules_equal_the_recorded_ones() {
        let config = ScheduleConfig {
            lr: 6.25e-4,
            warmup: 12_000.0 / 90_000.0,
            momentum: 0.998,
            stretch: 1.25,
            ..ScheduleConfig::default()
        };
        let schedule = Schedule::new(&config, 90_000).unwrap();
        for (step, lr, decay, momentum) in [
            (1, 0.000_200_035_417, 0.040_000_000_1, 0.998),
            (300, 0.000_210_625, 0.040_006_316_5, 0.998_005_316),
            (6_000, 0.000_412_5, 0.042_520_713_3, 0.998_106_649),
            (12_000, 0.000_625, 0.050_012_253_4, 0.998_213_316),
            (45_000, 0.000_473_203_948, 0.164_376_941, 0.998_799_982),
            (75_000, 0.000_191_915_342, 0.31, 0.999_333_316),
            (90_000, 7.504_222_44e-5, 0.365_623_059, 0.999_599_982),
        ] {
            let rates = schedule.at(step);
            assert!((rates.lr / lr - 1.0).abs() < 1e-8, "lr at {step}: {}", rates.lr);
            assert!((rates.decay - decay).abs() < 1e-9, "decay at {step}: {}", rates.decay);
            assert!((rates.momentum - momentum).abs() < 1e-9, "momentum at {step}: {}", rates.momentum);
        }
        // The cooldown stops before the end of its line.
        let cooldown = ScheduleConfig { lr: 5.25e-4, warmup: 0.0, lr_law: RateLaw::Line, ..config };
        let schedule = Schedule::new(&cooldown, 12_000).unwrap();
        for (step, lr) in [(1, 0.000_524_965_067), (6_000, 0.000_315_4), (12_000, 0.000_105_8)] {
            let found = schedule.at(step).lr;
            assert!((found / lr - 1.0).abs() < 1e-8, "lr at {step}: {found}");
        }
    }
}
