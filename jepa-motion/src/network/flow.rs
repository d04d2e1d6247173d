//! The flow estimator, coarse to fine: PWC-Net (Sun et al. 2018, arXiv 1709.02371) in the reduced form of ARFlow's
//! PWC-Lite (Liu et al. 2020, arXiv 2003.13045).

use burn::module::Module;
use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::nn::Init;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv::{Conv, leaky};
use super::encoder::PyramidConfig;
use crate::ops::{Window, cost_volume};
use crate::pyramid::Map;

/// Distances between the taps of the context network's filters, by layer.
const DILATIONS: [usize; 6] = [1, 2, 4, 8, 16, 1];
/// Factor of the first weights of what changes the flow: it begins next to nothing, and every level doubles the one
/// before.
const FIRST: f64 = 0.02;
/// Largest radius of the cost volume, and most channels of a layer.
const MOST: [usize; 2] = [8, 4096];

/// Shape of the flow estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowConfig {
    /// Displacements of the cost volume in every direction (PWC-Net: 4, which makes 81 channels).
    pub radius: usize,
    /// Channels that the features of each level are projected to (PWC-Lite: 32).
    pub projection: usize,
    /// Channels of the estimator's layers (PWC-Lite: 128, 128, 96, 64, 32); each reads the two before it.
    pub estimator: [usize; 5],
    /// Channels of the context network's layers (PWC-Lite: 128, 128, 128, 96, 64, 32).
    pub context: [usize; 6],
    /// Finest level that a flow is estimated at, 0 half the size of the picture (PWC-Lite: 1, a quarter). From there the
    /// flow is interpolated.
    pub finest: usize,
}

impl FlowConfig {
    /// PWC-Lite's.
    pub fn pwc_lite() -> Self {
        Self {
            radius: 4,
            projection: 32,
            estimator: [128, 128, 96, 64, 32],
            context: [128, 128, 128, 96, 64, 32],
            finest: 1,
        }
    }

    /// Channels of the cost volume.
    pub fn costs(&self) -> usize {
        (2 * self.radius + 1).pow(2)
    }

    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str, levels: usize) -> Result<()> {
        if !(1..=MOST[0]).contains(&self.radius) {
            let problem = format!("{} must lie in 1..={}", self.radius, MOST[0]);
            return Err(Error::config(format!("{place}.radius"), problem));
        }
        let widths = [&[self.projection][..], &self.estimator, &self.context].concat();
        if widths.iter().any(|width| !(2..=MOST[1]).contains(width)) {
            let problem = format!("channels of every layer must lie in 2..={}, found {widths:?}", MOST[1]);
            return Err(Error::config(format!("{place}.estimator"), problem));
        }
        if self.finest >= levels {
            let problem = format!("{} must be one of the encoder's levels, 0 to {}", self.finest, levels - 1);
            return Err(Error::config(format!("{place}.finest"), problem));
        }
        Ok(())
    }

    /// Multiplications with addition a place of a level.
    pub(crate) fn work(&self, width: usize) -> f64 {
        let conv = |side: usize, inputs: usize, outputs: usize| (side * side * inputs * outputs) as f64;
        let estimator: f64 = self.inputs().iter().zip(&self.estimator).map(|(i, o)| conv(3, *i, *o)).sum();
        let ends = conv(3, self.estimator[3] + self.estimator[4], 2) + conv(3, self.context[5], 2);
        let context: f64 = self.context_inputs().iter().zip(&self.context).map(|(i, o)| conv(3, *i, *o)).sum();
        estimator + context + ends + conv(1, width, self.projection) + (self.costs() * width) as f64
    }

    /// What the estimator's layers read.
    fn inputs(&self) -> [usize; 5] {
        let [a, b, c, d, _] = self.estimator;
        [self.costs() + self.projection + 2, a, a + b, b + c, c + d]
    }

    /// What the context network's layers read.
    fn context_inputs(&self) -> [usize; 6] {
        let [a, b, c, d, e, _] = self.context;
        [self.estimator[4] + 2, a, b, c, d, e]
    }
}

/// Costs, features and flow of a level to a better flow; shared by all levels.
#[derive(Module, Debug)]
pub struct Estimator {
    /// 3 x 3, as all of them.
    pub conv1: Conv,
    /// Reads the first.
    pub conv2: Conv,
    /// Reads the first and the second.
    pub conv3: Conv,
    /// Reads the second and the third.
    pub conv4: Conv,
    /// Reads the third and the fourth.
    pub conv5: Conv,
    /// The fourth and the fifth to a change of the flow.
    pub predict: Conv,
}

/// Flow and what the estimator knows to a better flow, with ever wider filters; shared by all levels.
#[derive(Module, Debug)]
pub struct Context {
    /// 3 x 3 with taps ever further apart.
    pub layers: Vec<Conv>,
    /// To a change of the flow.
    pub predict: Conv,
}

/// Two pyramids to flows.
#[derive(Module, Debug)]
pub struct FlowEstimator {
    /// 1 x 1, the features of each level to one width, the finest level first.
    pub projections: Vec<Conv>,
    /// From costs to flow.
    pub estimator: Estimator,
    /// From flow to flow.
    pub context: Context,
    /// Displacements of the cost volume.
    #[module(skip)]
    pub radius: usize,
    /// Finest level that a flow is estimated at.
    #[module(skip)]
    pub finest: usize,
}

impl FlowEstimator {
    /// Fresh networks.
    pub fn new(init: &mut Init, config: &FlowConfig, pyramid: &PyramidConfig) -> Self {
        let conv =
            |init: &mut Init, inputs, outputs, dilation| Conv::new(init, inputs, outputs, Window::same(3, dilation));
        let point =
            |init: &mut Init, level| Conv::new(init, pyramid.width(level), config.projection, Window::same(1, 1));
        let (inputs, widths) = (config.inputs(), config.estimator);
        let context = config.context_inputs();
        Self {
            projections: (config.finest..pyramid.levels()).map(|level| point(init, level)).collect(),
            estimator: Estimator {
                conv1: conv(init, inputs[0], widths[0], 1),
                conv2: conv(init, inputs[1], widths[1], 1),
                conv3: conv(init, inputs[2], widths[2], 1),
                conv4: conv(init, inputs[3], widths[3], 1),
                conv5: conv(init, inputs[4], widths[4], 1),
                predict: conv(init, widths[3] + widths[4], 2, 1).scaled(FIRST),
            },
            context: Context {
                layers: (0..6).map(|i| conv(init, context[i], config.context[i], DILATIONS[i])).collect(),
                predict: conv(init, config.context[5], 2, 1).scaled(FIRST),
            },
            radius: config.radius,
            finest: config.finest,
        }
    }

    /// Flows of every level, the finest first, in pixels of their level. The pyramid is of frames t and then t + 1;
    /// flows lead from each to its counterpart: of frames t forward, of t + 1 backward.
    pub fn forward(&self, pyramid: &[Map]) -> Vec<Map> {
        let mut flows: Vec<Map> = Vec::with_capacity(pyramid.len());
        for (level, features) in pyramid.iter().enumerate().rev() {
            let known = flows.last().map(|flow| flow.flow_resized(features.size));
            flows.push(match (level.checked_sub(self.finest), known) {
                (None, Some(known)) => known,
                (at, known) => self.refined(at.unwrap_or(0), features, known),
            });
        }
        flows.reverse();
        flows
    }

    /// The flow of one level, from that of the level before.
    fn refined(&self, at: usize, features: &Map, known: Option<Map>) -> Map {
        let other = features.swapped();
        let (flow, other) = match known {
            Some(flow) => {
                let warped = other.warped(&flow);
                (flow, warped)
            }
            None => {
                let [frames, places, _] = features.values.dims();
                let device = features.values.device().inner();
                (Map::new(Tensor::zeros([frames, places, 2], &device), features.size), other)
            }
        };
        let map = |values| Map::new(values, features.size);
        let costs = leaky(cost_volume(features.values.clone(), other.values, features.size, self.radius));
        let mut parts = vec![costs];
        parts.extend(self.projections.get(at).map(|layer| layer.leaky(features).values));
        parts.push(flow.values.clone());
        let (known, change) = self.estimator.forward(&map(Tensor::cat(parts, 2)));
        let flow = flow.values + change;
        let change = self.context.forward(map(Tensor::cat(vec![known, flow.clone()], 2)));
        map(flow + change)
    }
}

impl Estimator {
    /// What the last layer knows, and the change of the flow.
    fn forward(&self, x: &Map) -> (Tensor<3>, Tensor<3>) {
        let first = self.conv1.leaky(x);
        let second = self.conv2.leaky(&first);
        let third = self.conv3.leaky(&beside(&first, &second));
        let fourth = self.conv4.leaky(&beside(&second, &third));
        let fifth = self.conv5.leaky(&beside(&third, &fourth));
        let change = self.predict.forward(&beside(&fourth, &fifth));
        (fifth.values, change.values)
    }
}

impl Context {
    fn forward(&self, x: Map) -> Tensor<3> {
        self.predict.forward(&self.layers.iter().fold(x, |x, layer| layer.leaky(&x))).values
    }
}

/// The channels of two maps.
fn beside(a: &Map, b: &Map) -> Map {
    Map::new(Tensor::cat(vec![a.values.clone(), b.values.clone()], 2), a.size)
}
