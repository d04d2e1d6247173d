//! Flows that change little, but at the edges of the picture.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pyramid::Map;

/// How the smoothness of a flow is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smoothness {
    /// Factor among the flow's terms (ARFlow on KITTI: 75).
    pub weight: f64,
    /// How strongly an edge of the picture, values in [0, 1], frees the flow: exp(−edges · |gradient|) (ARFlow: 10).
    pub edges: f64,
    /// Whether lines through the flow shall be straight (true: second derivatives, ARFlow on KITTI) or level (false).
    pub second_order: bool,
}

/// Half the weighted mean of |derivative| along rows and along columns, first (`second` off) or second ones, each
/// weighted by the picture's own first derivative there. `flow` [.., 2] on the grid of `picture` [.., 3].
pub fn smoothness(flow: &Map, picture: &Map, edges: f64, second: bool) -> Tensor<1> {
    let along = |axis: usize| {
        let of_picture = step(picture.grid(), axis).abs().mean_dim(3);
        let of_flow = step(flow.grid(), axis);
        let (of_flow, of_picture) = if second {
            let side = of_flow.dims()[axis] - 1;
            (step(of_flow, axis), of_picture.narrow(axis, 1, side))
        } else {
            (of_flow, of_picture)
        };
        ((of_picture * -edges).exp() * of_flow.abs()).mean()
    };
    let sum = along(1) + along(2);
    // The first-order form of ARFlow halves the derivatives once more.
    sum * if second { 0.5 } else { 0.25 }
}

/// Differences between neighbours along one axis of [frames, rows, columns, channels].
fn step(x: Tensor<4>, axis: usize) -> Tensor<4> {
    let side = x.dims()[axis] - 1;
    x.clone().narrow(axis, 1, side) - x.narrow(axis, 0, side)
}
