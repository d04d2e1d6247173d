//! The networks: a pyramid encoder that motion and content share, a flow estimator, an expander.
//!
//! | file | noun |
//! |---|---|
//! | [`encoder`](PyramidEncoder) | pictures to feature maps of several sizes |
//! | [`flow`](FlowEstimator) | two pyramids to flows, coarse to fine |
//! | [`expander`](Expander) | pooled features to what VICReg compares |
//! | [`batch`](MotionBatch) | pairs of frames and views on the host |
//! | [`conv`](Conv) | the layers they are made of |

mod batch;
mod conv;
mod encoder;
mod expander;
mod flow;

pub use batch::{MotionBatch, Pictures};
pub use conv::{Conv, ConvNextBlock, Depthwise};
pub use encoder::{Downsample, PyramidConfig, PyramidEncoder};
pub use expander::{Expander, ExpanderLayer};
pub use flow::{Context, Estimator, FlowConfig, FlowEstimator};

use burn::module::Module;
use burn::prelude::*;
use jepa_core::jepa::{Forward, Jepa, Pair, Role, Step};

use crate::losses::{MotionLoss, Seen};
use crate::pyramid::Map;

/// MC-JEPA.
#[derive(Module, Debug)]
pub struct MotionNetworks {
    /// Shared by motion and content.
    pub encoder: PyramidEncoder,
    /// Pred's parameter: from two pyramids to the flow field z.
    pub flow: FlowEstimator,
    /// Of the content branch.
    pub expander: Expander,
    /// When and how strongly the flow is learnt.
    #[module(skip)]
    pub loss: MotionLoss,
    /// Factor of VICReg's invariance between the two views.
    #[module(skip)]
    pub invariance: f64,
}

/// What the content branch adds to a forward pass.
struct Content {
    /// Coarsest features of the first views.
    context: Tensor<3>,
    forward: Forward,
}

impl MotionNetworks {
    /// Flows of frames t to t + 1 in pixels, on the grid of the pictures: [pairs, rows · columns, 2].
    pub fn predict(&self, batch: &MotionBatch, device: &Device) -> Map {
        let frames = batch.upload_frames(device);
        let flows = self.flow.forward(&self.encoder.forward(&frames));
        let flow = flows.get(self.flow.finest).cloned().unwrap_or_else(|| frames.clone());
        let flow = flow.flow_resized(frames.size);
        let pairs = flow.values.dims()[0] / 2;
        Map::new(flow.values.narrow(0, 0, pairs), flow.size)
    }

    /// VICReg on two views: the invariance as a term, both embeddings for the objective's variance and covariance.
    fn content(&self, views: &Map, step: &Step) -> Content {
        let features = self.encoder.coarsest(views);
        let [rows, _, width] = features.dims();
        let pictures = rows / 2;
        let pooled = features.clone().mean_dim(1).reshape([rows, width]);
        let views = [0, pictures].map(|first| pooled.clone().narrow(0, first, pictures));
        let ([a, b], statistics) = self.expander.both(views, step, "expander");
        let invariance = (a.clone() - b.clone()).powi_scalar(2).mean() * self.invariance;
        let embedding = Tensor::cat(vec![a, b], 0).unsqueeze_dim(1);
        let forward = Forward {
            terms: vec![("invariance", invariance)],
            embeddings: vec![(Role::Predicted, embedding)],
            statistics,
            ..Forward::default()
        };
        Content { context: features.narrow(0, 0, pictures), forward }
    }

    /// Adds the flow's terms to a forward pass; returns the coarsest features of frames t.
    fn motion(&self, target: &PyramidEncoder, frames: &Map, step: &Step, forward: &mut Forward) -> Option<Tensor<3>> {
        let pyramid = self.encoder.forward(frames);
        let flows = self.flow.forward(&pyramid);
        // Pred: the features of the other frame, read where the flow leads.
        let counterparts = pyramid.iter().zip(&flows);
        let predicted: Vec<Map> = counterparts.map(|(features, flow)| features.swapped().warped(flow)).collect();
        let targets = if target.is_tracked() { pyramid.clone() } else { target.forward(frames) };
        let seen = Seen { frames, pyramid: &pyramid, flows: &flows, predicted: &predicted, finest: self.flow.finest };
        forward.terms.extend(self.loss.terms(seen, &step.exchange));
        forward.energy_weight = Some(self.loss.weight * self.loss.regression);
        let pairs = predicted.into_iter().zip(targets);
        forward.pairs = pairs.map(|(p, t)| Pair { predicted: p.values, target: t.values }).collect();
        pyramid.last().map(|map| map.values.clone().narrow(0, 0, map.values.dims()[0] / 2))
    }
}

impl Jepa for MotionNetworks {
    type Batch = MotionBatch;
    type Target = PyramidEncoder;

    fn target(&self) -> &PyramidEncoder {
        &self.encoder
    }

    fn forward(&self, target: &PyramidEncoder, batch: &MotionBatch, step: &Step) -> Forward {
        let content = batch.upload_views(&step.device).map(|views| self.content(&views, step));
        let (seen, mut forward) = content.map_or_else(Default::default, |c| (Some(c.context), c.forward));
        let moving = step.number as f64 > self.loss.start * step.total as f64;
        let first =
            if moving { self.motion(target, &batch.upload_frames(&step.device), step, &mut forward) } else { None };
        // s_x: features of frame t, and of the pictures' first views; a row a picture.
        let context = match (seen, first) {
            (Some(seen), Some(first)) => {
                let ([rows, ..], [pairs, places, width]) = (seen.dims(), first.dims());
                let each = rows / pairs;
                let first = first.unsqueeze_dim::<4>(1).repeat_dim(1, each).reshape([rows, places, width]);
                Some(Tensor::cat(vec![seen, first], 1))
            }
            (seen, first) => seen.or(first),
        };
        forward.embeddings.extend(context.map(|context| (Role::Context, context)));
        forward
    }

    fn features(encoder: &PyramidEncoder, batch: &MotionBatch, device: &Device) -> Tensor<3> {
        encoder.coarsest(&batch.upload_first(device))
    }
}
