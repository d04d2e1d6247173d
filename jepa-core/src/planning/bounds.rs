//! Actions that are allowed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Actions that are allowed; others are moved to the nearest allowed one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Bounds {
    /// All.
    #[default]
    None,
    /// Those of at most this Euclidean length (Two Rooms: 2.45).
    Norm {
        /// The length.
        limit: f64,
    },
    /// Those whose every number lies between two others (V-JEPA 2-AC: ±0.05, gripper ±0.75).
    Box {
        /// Least, a number for each of an action's.
        low: Vec<f64>,
        /// Largest, a number for each of an action's.
        high: Vec<f64>,
    },
}

impl Bounds {
    /// Checks the numbers for actions of so many values.
    pub(super) fn check(&self, width: usize, place: &str) -> Result<()> {
        let problem = match self {
            Self::None => return Ok(()),
            Self::Norm { limit } if *limit > 0.0 && limit.is_finite() => return Ok(()),
            Self::Norm { limit } => format!("the limit {limit} must be positive"),
            Self::Box { low, high } => {
                let ordered = low.iter().zip(high).all(|(low, high)| low <= high);
                if ordered && low.len() == width && high.len() == width {
                    return Ok(());
                }
                format!("low {low:?} and high {high:?}: expected {width} numbers each, low at most high")
            }
        };
        Err(Error::config(format!("{place}.bounds"), problem))
    }

    /// Moves one action to the nearest allowed one.
    pub fn apply(&self, action: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Norm { limit } => {
                let norm = action.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                if norm > *limit {
                    action.iter_mut().for_each(|v| *v = (f64::from(*v) * limit / norm) as f32);
                }
            }
            Self::Box { low, high } => {
                for ((v, low), high) in action.iter_mut().zip(low).zip(high) {
                    *v = v.clamp(*low as f32, *high as f32);
                }
            }
        }
    }
}
