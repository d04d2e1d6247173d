//! Places that the other frame shows too.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ops;
use crate::pyramid::Map;

/// When a flow and the one back count as consistent: |f + g|² < relative · (|f|² + |g|²) + absolute, in pixels, with g
/// read where f leads. What is not consistent is taken for occluded (Sundaram et al. 2010; UnFlow and ARFlow: 0.01 and
/// 0.5).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// Share of the squared lengths.
    pub relative: f64,
    /// Squared pixels.
    pub absolute: f64,
}

impl Default for Consistency {
    fn default() -> Self {
        Self { relative: 0.01, absolute: 0.5 }
    }
}

/// 1 where a flow is consistent with the one back and leads inside the frame, else 0: [frames, places, 1], without
/// gradient. `flow` is of frames t and then of t + 1, each to its counterpart.
pub fn visible(flow: &Map, rule: Consistency) -> Tensor<3> {
    let flow = Map::new(flow.values.clone().inner(), flow.size);
    let back = flow.swapped().warped(&flow);
    let square = |x: Tensor<3>| x.powi_scalar(2).sum_dim(2);
    let limit = (square(flow.values.clone()) + square(back.values.clone())) * rule.relative + rule.absolute;
    let consistent = square(flow.values.clone() + back.values).lower(limit).float();
    let at = flow.values.clone() + ops::places(flow.size, &flow.values.device());
    let inside = |axis: usize, last: usize| {
        let at = at.clone().narrow(2, axis, 1);
        at.clone().greater_equal_scalar(0.0).float() * at.lower_equal_scalar(last as f64).float()
    };
    consistent * inside(0, flow.size[1] - 1) * inside(1, flow.size[0] - 1)
}
