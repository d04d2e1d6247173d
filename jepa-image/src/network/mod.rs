//! Networks that learn from views of a picture, or from its pixels: one type for every method of
//! [`method`](crate::method), so that all of them are compiled once.
//!
//! | file | noun |
//! |---|---|
//! | [`backbone`](Backbone) | ViT or ResNet behind one face |
//! | [`resnet`](ResNet) | ResNet-18 for small pictures |
//! | [`head`](Head) | projector, expander, predictor |
//! | [`batch`](ViewBatch) | views on the host |
//! | [`pass`](Pass) | how batch normalisations normalise |
//! | `pixels` | pixels as targets |

mod backbone;
mod batch;
mod head;
mod pass;
mod pixels;
mod resnet;

pub use backbone::{Backbone, patches};
pub use batch::{Planes, ViewBatch};
pub use head::{Between, End, Head, HeadConfig};
pub use pass::Pass;
pub use pixels::{all_pixels, pixel_decoder, pixel_targets};
pub use resnet::{ResNet, ResNetConfig};

use burn::module::Module;
use burn::prelude::*;
use jepa_core::jepa::{Forward, Jepa, Pair, Role, Step};
use jepa_core::masks::gather;
use jepa_core::nn::Predictor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which views are compared with which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pairing {
    /// Every two global views, once: both come from the same network (VICReg, Barlow Twins, SimCLR).
    Twins,
    /// Every view with the target of every global view but itself (BYOL, MoCo v3, DINO).
    Others,
    /// Every view with the mean of the global ones (LeJEPA).
    Mean,
}

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Embeddings of other views.
    Embeddings(Pairing),
    /// Pixels, each patch brought to mean 0 and variance 1 or not; from visible patches or from one vector.
    Pixels {
        /// Whether patches are normalised.
        normalised: bool,
    },
}

/// What the target copies: an encoder and what projects its mean token to where views are compared.
#[derive(Module, Debug)]
pub struct Branch {
    /// Pictures to tokens. Features come from here.
    pub encoder: Backbone,
    /// The mean token to an embedding. Of an autoencoder: the bottleneck.
    pub projector: Option<Head>,
}

impl Branch {
    /// Tokens [pictures, tokens, width] and the embedding [pictures, outputs] of pictures [pictures, channels, side,
    /// side].
    fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> (Tensor<3>, Tensor<2>) {
        let tokens = self.encoder.forward(x, pass, "branch.encoder");
        let mean = tokens.clone().mean_dim(1).squeeze_dim(1);
        let embedding = match &self.projector {
            Some(projector) => projector.forward(mean, pass, "branch.projector"),
            None => mean,
        };
        (tokens, embedding)
    }
}

/// The networks of a method.
#[derive(Module, Debug)]
pub struct ViewNetworks {
    /// Encoder and projector.
    pub branch: Branch,
    /// From the embedding of a view to the target's of another.
    pub predictor: Option<Head>,
    /// From features to pixels.
    pub decoder: Option<Predictor>,
    /// What is predicted.
    #[module(skip)]
    pub task: Task,
}

impl Jepa for ViewNetworks {
    type Batch = ViewBatch;
    type Target = Branch;

    fn target(&self) -> &Branch {
        &self.branch
    }

    fn forward(&self, target: &Branch, batch: &ViewBatch, step: &Step) -> Forward {
        match (self.task, &self.decoder) {
            (Task::Pixels { normalised }, Some(decoder)) => self.reconstruct(decoder, normalised, batch, step),
            (Task::Embeddings(pairing), _) => self.compare(pairing, target, batch, step),
            _ => Forward::default(),
        }
    }

    fn features(encoder: &Branch, batch: &ViewBatch, device: &Device) -> Tensor<3> {
        let mut views = batch.upload(device);
        encoder.encoder.forward(views.swap_remove(0), &mut Pass::evaluation(), "")
    }
}

impl ViewNetworks {
    /// Embeddings of views beside those of others. The context is what the encoder says of the first view; predictions
    /// are in the order (view, sample).
    fn compare(&self, pairing: Pairing, target: &Branch, batch: &ViewBatch, step: &Step) -> Forward {
        let views = batch.upload(&step.device);
        let globals = batch.globals();
        let mut pass = Pass::training(step);
        let (mut context, mut embeddings) = (Vec::new(), Vec::new());
        // Each view by itself: batch normalisations of the published codes see one view at a time.
        for view in &views {
            let (tokens, embedding) = self.branch.forward(view.clone(), &mut pass);
            if context.is_empty() {
                context.push((Role::Context, tokens));
            }
            embeddings.push(embedding);
        }
        // A target that is the student itself has said already what it says.
        let targets: Vec<Tensor<2>> = if std::ptr::eq(target, &self.branch) {
            embeddings.iter().take(globals).cloned().collect()
        } else {
            let mut unseen = Pass::training(step);
            views.into_iter().take(globals).map(|view| target.forward(view, &mut unseen).1).collect()
        };
        let predicted: Vec<Tensor<2>> = match &self.predictor {
            Some(head) => embeddings.into_iter().map(|z| head.forward(z, &mut pass, "predictor")).collect(),
            None => embeddings,
        };
        let mean = match pairing {
            Pairing::Mean => targets.iter().cloned().reduce(|a, b| a + b).map(|sum| sum / globals as f64),
            Pairing::Twins | Pairing::Others => None,
        };
        let mut pairs = Vec::new();
        let mut pair = |predicted: &Tensor<2>, target: &Tensor<2>| {
            pairs.push(Pair { predicted: rows(predicted.clone()), target: rows(target.clone()) });
        };
        for (view, predicted) in predicted.iter().enumerate() {
            match (&mean, pairing) {
                (Some(mean), _) => pair(predicted, mean),
                (None, Pairing::Twins) => targets.iter().skip(view + 1).for_each(|target| pair(predicted, target)),
                (None, _) => {
                    let others = targets.iter().enumerate().filter(|(other, _)| *other != view);
                    others.for_each(|(_, target)| pair(predicted, target));
                }
            }
        }
        // What a regulariser sets beside the embedding of a view: the mean, or the first other global view.
        let counterpart = |view: usize| match &mean {
            Some(mean) => Some(mean),
            None => targets.get(usize::from(view == 0)),
        };
        let counterparts: Vec<Tensor<2>> = (0..predicted.len()).filter_map(counterpart).cloned().collect();
        let all = [(Role::Predicted, predicted), (Role::Target, counterparts), (Role::Whole, targets)];
        let all = all.into_iter().filter(|(_, parts)| !parts.is_empty());
        context.extend(all.map(|(role, parts)| (role, rows(Tensor::cat(parts, 0)))));
        Forward { pairs, embeddings: context, statistics: pass.met, ..Forward::default() }
    }

    /// Pixels of hidden patches from the visible ones, or of all from one vector.
    fn reconstruct(&self, decoder: &Predictor, normalised: bool, batch: &ViewBatch, step: &Step) -> Forward {
        let (Some(masks), Some(picture)) = (batch.masks(), batch.upload(&step.device).into_iter().next()) else {
            return Forward::default();
        };
        let mut pass = Pass::training(step);
        let pixels = patches(picture.clone(), batch.patch());
        let (context, predicted) = match (&self.branch.encoder, &self.branch.projector) {
            (Backbone::Vit(encoder), None) => {
                let context = encoder.forward_visible(pixels.clone(), &masks.context);
                let predicted = decoder.forward(context.clone(), &masks.context, &masks.target);
                (context, predicted)
            }
            _ => {
                let (tokens, code) = self.branch.forward(picture, &mut pass);
                (tokens, all_pixels(decoder, code))
            }
        };
        let whole = pixel_targets(pixels, normalised);
        let target = gather(whole.clone(), &masks.target);
        let embeddings = vec![
            (Role::Context, context),
            (Role::Predicted, predicted.clone()),
            (Role::Target, target.clone()),
            (Role::Whole, whole),
        ];
        Forward { pairs: vec![Pair { predicted, target }], embeddings, statistics: pass.met, ..Forward::default() }
    }
}

/// Vectors [rows, width] as one token each.
fn rows(x: Tensor<2>) -> Tensor<3> {
    x.unsqueeze_dim(1)
}
