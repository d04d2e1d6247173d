//! All terms of the flow beside the energy, with their weights.

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::train::Exchange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consistency, Photometric, Smoothness, smoothness, spread, visible};
use crate::pyramid::Map;

/// Fewest rows and columns of a grid that a loss is computed on.
const LEAST: usize = 4;

/// When and how strongly the flow is learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MotionLoss {
    /// Share of the run after which the flow is learnt beside the content (MC-JEPA: 10 of 100 epochs).
    pub start: f64,
    /// Factor of the energy and of every term below, beside the content's terms (MC-JEPA: 0.1).
    pub weight: f64,
    /// Factor of the energy, which is a mean over levels; the number of levels makes it the published sum.
    pub regression: f64,
    /// Factor of the photometric distances.
    pub reconstruction: f64,
    /// Photometric distances between a frame and the other one, warped onto it.
    pub photometric: Photometric,
    /// Grids that frames are compared on: the picture itself, then the levels from `flow.finest` on (MC-JEPA: 1).
    pub scales: usize,
    /// Smoothness, at the level `flow.finest`, of the flow over the shorter side of that level.
    pub smoothness: Smoothness,
    /// Factor of the cycle: features warped there and back beside themselves, summed over levels.
    pub cycle: f64,
    /// Factors of the variance of each level's places, the finest level first.
    pub variance: Vec<f64>,
    /// Factors of their covariance.
    pub covariance: Vec<f64>,
    /// What counts as occluded and is left out of the photometric distances. Absent: everything is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occlusion: Option<Consistency>,
}

/// What the terms look at: frames t and then t + 1.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Pictures in [0, 1].
    pub frames: &'a Map,
    /// Features, the finest level first.
    pub pyramid: &'a [Map],
    /// Flows of each level.
    pub flows: &'a [Map],
    /// Features of the counterparts, warped by the flows.
    pub predicted: &'a [Map],
    /// Finest level that a flow is estimated at.
    pub finest: usize,
}

impl MotionLoss {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str, levels: usize, finest: usize, size: [usize; 2]) -> Result<()> {
        let wrong = |key: &str, problem: String| Err(Error::config(format!("{place}.{key}"), problem));
        if !(0.0..=1.0).contains(&self.start) {
            return wrong("start", format!("{} must lie in [0, 1]", self.start));
        }
        let Smoothness { weight, edges, .. } = self.smoothness;
        let numbers = [self.weight, self.regression, self.reconstruction, self.cycle, weight, edges];
        if numbers.iter().chain(&self.variance).chain(&self.covariance).any(|v| !(v.is_finite() && *v >= 0.0)) {
            return wrong("weight", "weights must be finite and not negative".into());
        }
        for (key, weights) in [("variance", &self.variance), ("covariance", &self.covariance)] {
            if weights.len() != levels {
                return wrong(key, format!("expected a weight for each of {levels} levels, found {}", weights.len()));
            }
        }
        self.photometric.check(&format!("{place}.photometric"))?;
        // The coarsest grid that frames are compared on, and the one of the smoothness.
        let coarsest = finest + self.scales.max(2) - 1;
        if self.scales == 0 || coarsest > levels {
            return wrong("scales", format!("{} must lie in 1..={}", self.scales, levels - finest + 1));
        }
        if size.iter().any(|side| side >> coarsest < LEAST) {
            let problem = format!("{size:?} pixels leave fewer than {LEAST} at the coarsest grid compared on");
            return wrong("scales", problem);
        }
        Ok(())
    }

    /// The weighted terms, by name.
    pub fn terms(&self, seen: Seen<'_>, exchange: &Exchange) -> Vec<(&'static str, Tensor<1>)> {
        let own = [
            ("reconstruction", self.reconstruction, self.reconstruct(seen)),
            ("smoothness", self.smoothness.weight, self.smooth(seen)),
            ("cycle", self.cycle, cycle(seen)),
            ("spread", 1.0, self.spread(seen, exchange)),
        ];
        own.into_iter().filter_map(|(name, weight, term)| Some((name, term? * (weight * self.weight)))).collect()
    }

    fn reconstruct(&self, seen: Seen<'_>) -> Option<Tensor<1>> {
        let grids = (0..self.scales).filter_map(|scale| match scale.checked_sub(1) {
            None => Some((seen.frames.clone(), seen.flows.get(seen.finest)?.flow_resized(seen.frames.size))),
            Some(above) => {
                let level = seen.finest + above;
                Some((seen.frames.averaged(2 << level), seen.flows.get(level)?.clone()))
            }
        });
        let parts = grids.filter_map(|(frames, flow)| {
            let mask = self.occlusion.map(|rule| visible(&flow, rule));
            self.photometric.distance(&frames, &frames.swapped().warped(&flow), mask.as_ref())
        });
        Some(parts.reduce(|a, b| a + b)? / self.scales as f64)
    }

    fn smooth(&self, seen: Seen<'_>) -> Option<Tensor<1>> {
        let flow = seen.flows.get(seen.finest)?;
        let shorter = flow.size[0].min(flow.size[1]) as f64;
        let unit = Map::new(flow.values.clone() / shorter, flow.size);
        let Smoothness { edges, second_order, .. } = self.smoothness;
        Some(smoothness(&unit, &seen.frames.averaged(2 << seen.finest), edges, second_order))
    }

    fn spread(&self, seen: Seen<'_>, exchange: &Exchange) -> Option<Tensor<1>> {
        let levels = seen.pyramid.iter().zip(self.variance.iter().zip(&self.covariance));
        let parts = levels.filter(|(_, (v, c))| **v > 0.0 || **c > 0.0).map(|(map, (variance, covariance))| {
            let [frames, places, width] = map.values.dims();
            spread(map.values.clone().reshape([frames * places, width]), [*variance, *covariance], exchange)
        });
        parts.reduce(|a, b| a + b)
    }
}

/// Features warped to the other frame and back, beside themselves: a sum over levels of mean squares.
fn cycle(seen: Seen<'_>) -> Option<Tensor<1>> {
    let levels = seen.pyramid.iter().zip(seen.flows).zip(seen.predicted);
    let parts = levels.map(|((features, flow), predicted)| {
        (predicted.swapped().warped(flow).values - features.values.clone()).powi_scalar(2).mean()
    });
    parts.reduce(|a, b| a + b)
}
