//! Distances between a frame and the other one, warped onto it.
//!
//! The formulas are those of ARFlow (Liu et al. 2020, `losses/loss_blocks.py`). A mask is laid on both pictures, and the
//! loss of a frame divided by the mean of its mask.

use burn::prelude::*;
use burn::tensor::ops::PadMode;
use jepa_core::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pyramid::Map;

/// Constants of SSIM for values in [0, 1].
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;
/// Least mean of a mask that a loss is divided by.
const LEAST: f64 = 1e-3;

/// Weights of the photometric distances.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Photometric {
    /// Of |a − b|.
    pub l1: f64,
    /// Of (a − b)².
    pub l2: f64,
    /// Of the structural distance.
    pub ssim: f64,
    /// Of the census distance: what does not change with brightness.
    #[serde(default)]
    pub census: f64,
}

impl Photometric {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        let all = [self.l1, self.l2, self.ssim, self.census];
        if all.iter().all(|weight| weight.is_finite() && *weight >= 0.0) {
            return Ok(());
        }
        Err(Error::config(place, format!("weights {all:?} must be finite and not negative")))
    }

    /// The weighted distances of `found` from `picture`, three channels in [0, 1], where `mask` [frames, places, 1] is
    /// not 0; none where every weight is 0.
    pub fn distance(&self, picture: &Map, found: &Map, mask: Option<&Tensor<3>>) -> Option<Tensor<1>> {
        let masked = |map: &Map| match mask {
            Some(mask) => Map::new(map.values.clone() * mask.clone(), map.size),
            None => map.clone(),
        };
        let (a, b) = (masked(picture), masked(found));
        let difference = || a.values.clone() - b.values.clone();
        let [frames, _, _] = a.values.dims();
        let share = mask.map(|mask| mask.clone().mean_dim(1).reshape([frames]).clamp_min(LEAST));
        // A number a frame, and then the mean over frames.
        let mean = |x: Tensor<3>| {
            let each = x.mean_dim(2).mean_dim(1).reshape([frames]);
            match &share {
                Some(share) => (each / share.clone()).mean(),
                None => each.mean(),
            }
        };
        let tokens = |x: Tensor<4>| {
            let [frames, rows, columns, channels] = x.dims();
            x.reshape([frames, rows * columns, channels])
        };
        let mut sum: Option<Tensor<1>> = None;
        let mut add = |weight: f64, of: &dyn Fn() -> Tensor<1>| {
            if weight > 0.0 {
                let part = of() * weight;
                sum = Some(match sum.take() {
                    Some(sum) => sum + part,
                    None => part,
                });
            }
        };
        add(self.l1, &|| mean(difference().abs()));
        add(self.l2, &|| mean(difference().powi_scalar(2)));
        add(self.ssim, &|| mean(tokens(structural(a.grid(), b.grid()))));
        add(self.census, &|| mean(tokens(census(picture.grid(), found.grid(), mask))));
        sum
    }
}

/// Mean of every 3 x 3 places: [frames, rows, columns, channels] to [frames, rows − 2, columns − 2, channels].
fn pooled(x: Tensor<4>) -> Tensor<4> {
    let three = |x: Tensor<4>, axis: usize| {
        let side = x.dims()[axis] - 2;
        x.clone().narrow(axis, 0, side) + x.clone().narrow(axis, 1, side) + x.narrow(axis, 2, side)
    };
    three(three(x, 1), 2) / 9.0
}

/// (1 − SSIM) / 2 within [0, 1], over 3 x 3 places without padding: [frames, rows − 2, columns − 2, channels].
pub fn structural(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    let (mean_a, mean_b) = (pooled(a.clone()), pooled(b.clone()));
    let (square_a, square_b) = (mean_a.clone().powi_scalar(2), mean_b.clone().powi_scalar(2));
    let product = mean_a * mean_b;
    let spread_a = pooled(a.clone().powi_scalar(2)) - square_a.clone();
    let spread_b = pooled(b.clone().powi_scalar(2)) - square_b.clone();
    let common = pooled(a * b) - product.clone();
    let above = (product * 2.0 + C1) * (common * 2.0 + C2);
    let below = (square_a + square_b + C1) * (spread_a + spread_b + C2);
    ((above / below) * -0.5 + 0.5).clamp(0.0, 1.0)
}

/// How differently places stand out from their eight neighbours, one number a place, [frames, rows, columns, 1]; zero at
/// the border, whose neighbours are missing, and where `mask` is.
pub fn census(a: Tensor<4>, b: Tensor<4>, mask: Option<&Tensor<3>>) -> Tensor<4> {
    let [frames, rows, columns, _] = a.dims();
    let inner = |x: &Tensor<4>, dy: usize, dx: usize| x.clone().narrow(1, dy, rows - 2).narrow(2, dx, columns - 2);
    // Luma, in bytes.
    let grey = |x: Tensor<4>| {
        let part = |channel: usize, share: f64| x.clone().narrow(3, channel, 1) * (255.0 * share);
        part(0, 0.2989) + part(1, 0.587) + part(2, 0.114)
    };
    let (a, b) = (grey(a), grey(b));
    let soft = |x: &Tensor<4>, dy: usize, dx: usize| {
        let step = inner(x, dy, dx) - inner(x, 1, 1);
        step.clone() / (step.powi_scalar(2) + 0.81).sqrt()
    };
    let neighbours = (0..9).filter(|tap| *tap != 4).map(|tap| {
        let square = (soft(&a, tap / 3, tap % 3) - soft(&b, tap / 3, tap % 3)).powi_scalar(2);
        square.clone() / (square + 0.1)
    });
    // The ninth, the place itself, is the same in both.
    let sum = neighbours.reduce(|sum, part| sum + part).unwrap_or_else(|| inner(&a, 1, 1) * 0.0) / 9.0;
    let sum = match mask {
        Some(mask) => sum * inner(&mask.clone().reshape([frames, rows, columns, 1]), 1, 1),
        None => sum,
    };
    sum.pad([(0, 0), (1, 1), (1, 1), (0, 0)], PadMode::Constant(0.0))
}
