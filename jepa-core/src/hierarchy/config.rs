//! One level in numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A level that stands on another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelConfig {
    /// States of the level below from one state of this level to the next.
    pub stride: usize,
    /// Steps of this level that are predicted from its first state.
    pub horizon: usize,
    /// Width of a state.
    pub width: usize,
    /// Hidden width of its networks.
    pub hidden: usize,
    /// Numbers of a macro action: few, or it carries the answer.
    pub latent: usize,
    /// Deviation of the noise on macro actions in training; they lie in [-1, 1].
    pub noise: f64,
    /// Weight of its energy beside the lowest level's, which is 1.
    pub weight: f64,
    /// Weight of its inverse dynamics: two states that follow each other tell the mean action below between them. 0
    /// leaves the network out.
    pub inverse_weight: f64,
    /// Whether its gradients reach the levels below.
    pub gradient_below: bool,
}

impl LevelConfig {
    /// Checks the numbers; `place` is the key path for the message.
    pub fn check(&self, place: &str) -> Result<()> {
        let sizes = [self.stride, self.horizon, self.width, self.hidden, self.latent];
        if !sizes.iter().all(|n| (1..=8192).contains(n)) {
            let problem = format!("stride, horizon, width, hidden and latent {sizes:?} must lie in 1..=8192");
            return Err(Error::config(place, problem));
        }
        let factors = [self.noise, self.weight, self.inverse_weight];
        if !factors.iter().all(|v| *v >= 0.0 && v.is_finite()) {
            let problem = format!("noise, weight and inverse_weight {factors:?} must be numbers of at least 0");
            return Err(Error::config(place, problem));
        }
        Ok(())
    }
}

/// The times whose states a stack reads in training, ascending: `dense` times from the first on for the lowest level, and
/// for every level as many of its states as its horizon asks for. Where encoding is dear, the times between need not be
/// encoded.
pub fn moments(dense: usize, levels: &[LevelConfig]) -> Vec<usize> {
    let mut times: Vec<usize> = (0..dense.max(1)).collect();
    let mut span = 1;
    for level in levels {
        span *= level.stride;
        times.extend((0..=level.horizon).map(|step| step * span));
    }
    times.sort_unstable();
    times.dedup();
    times
}
