//! The networks: encoder and predictor on grids of times, rows and columns, and the batch they read.
//!
//! | file | noun |
//! |---|---|
//! | `action` | V-JEPA 2-AC: frames, actions and states to the next frames |
//! | `batch` | clips cut into tubelets, with their masks |
//! | `classifier` | what an imported probe makes of the features |
//! | `encoder` | s_x and s_y |
//! | `predictor` | Pred |
//! | `places` | where tokens are: tables added once, or rotary angles in every attention |

mod action;
mod batch;
mod classifier;
mod encoder;
mod places;
mod predictor;

pub use action::{ActionBatch, ActionJepa, ActionParts, ActionPredictor};
pub use batch::VideoBatch;
pub use classifier::ClassifierConfig;
pub use encoder::{EncoderParts, VideoEncoder};
pub use places::{Layout, PlaceConfig};
pub use predictor::{ContextConfig, PredictorParts, VideoPredictor};

use burn::module::Module;
use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::{Batch as _, Forward, Jepa, Pair, Step};
use jepa_core::masks::{Mask, MaskSet, gather};
use jepa_core::nn::{AttentiveClassifier, normalise};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the predictor sees of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextPath {
    /// The encoder sees the visible tokens alone: what training does.
    Alone,
    /// The encoder sees everything, and the visible tokens are picked afterwards: what `transformers` does. Hidden
    /// tokens leak into the prediction.
    Gathered,
}

/// What a network predicts of a hidden tubelet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Predicts {
    /// Its features by the target encoder.
    #[default]
    Features,
    /// Its pixels: not a JEPA, the same network to compare one with.
    Pixels,
}

/// V-JEPA and what came after it.
#[derive(Module, Debug)]
pub struct VideoJepa {
    /// The context encoder; the target encoder is its copy.
    pub encoder: VideoEncoder,
    /// Pred.
    pub predictor: VideoPredictor,
    /// A classifier of frozen features that came with imported weights; nothing here trains it.
    pub classifier: Option<AttentiveClassifier>,
    /// What the predictor predicts.
    #[module(skip)]
    pub predicts: Predicts,
}

impl VideoJepa {
    /// s_x, Pred(s_x, z) at the hidden tokens and, with a context head, what it says at the visible ones, for the masks
    /// of generator number `generator`.
    pub fn predict(
        &self,
        tubelets: Tensor<3>,
        layout: Layout,
        masks: &MaskSet,
        generator: usize,
        path: ContextPath,
    ) -> (Tensor<3>, Tensor<3>, Option<Tensor<3>>) {
        let context = match path {
            ContextPath::Alone => self.encoder.forward_visible(tubelets, layout, &masks.context[0]),
            ContextPath::Gathered => gather(self.encoder.forward(tubelets, layout), &masks.context),
        };
        let (visible, hidden) = (&masks.context[0], &masks.target[0]);
        let (predicted, seen) = self.predictor.forward(context.clone(), layout, visible, hidden, generator);
        (context, predicted, seen)
    }

    /// Whether what is predicted can be compared with what `target` says of it. An error for weights that another, wider
    /// encoder taught, which did not come with them (distilled V-JEPA 2.1).
    pub fn comparable(&self, target: &VideoEncoder) -> Result<()> {
        let [predicted, width] =
            [&self.predictor.predictor_proj, &target.patch_embed.proj].map(|layer| layer.weight.dims()[1]);
        if self.predicts == Predicts::Pixels || predicted == width * target.levels() {
            return Ok(());
        }
        let problem =
            format!("the teacher of {predicted} values a token is not here: a distilled model is for features");
        Err(Error::config("model.dense.teacher_width", problem))
    }

    /// How far each row of a clean batch is from what its first `seen` times made the networks expect: the mean L1
    /// between prediction and target (normalised features, or pixels) at every later time, `[rows, later times]`. The
    /// context encoder sees the first times alone; `target` sees the whole row. An error where both are not
    /// [comparable](Self::comparable).
    pub fn surprise(
        &self,
        target: &VideoEncoder,
        batch: &VideoBatch,
        seen: usize,
        generator: usize,
        device: &Device,
    ) -> Result<Tensor<2>> {
        self.comparable(target)?;
        let (tubelets, layout) = (batch.upload(device), batch.layout());
        let [times, rows, columns] = layout.grid;
        if seen == 0 || seen >= times {
            let problem = format!("{seen} of {times} times cannot be seen while later ones are expected");
            return Err(Error::config("surprise", problem));
        }
        let place = rows * columns;
        let (border, end) = ((seen * place) as u32, layout.tokens() as u32);
        let mask = |tokens: std::ops::Range<u32>| {
            Mask::new(&vec![tokens.collect(); batch.shape()[0]], layout.tokens()).map(|mask| vec![mask])
        };
        let masks = MaskSet { context: mask(0..border)?, target: mask(border..end)? };
        let whole = match self.predicts {
            Predicts::Features => target.normalised(target.forward(tubelets.clone(), layout)),
            Predicts::Pixels => tubelets.clone(),
        };
        let (_, predicted, _) = self.predict(tubelets, layout, &masks, generator, ContextPath::Alone);
        let distance = (predicted - gather(whole, &masks.target)).abs();
        let (rows, later) = (batch.shape()[0], times - seen);
        Ok(distance.mean_dim(2).reshape([rows * later, place]).mean_dim(1).reshape([rows, later]))
    }
}

impl Jepa for VideoJepa {
    type Batch = VideoBatch;
    type Target = VideoEncoder;

    fn target(&self) -> &VideoEncoder {
        &self.encoder
    }

    /// Without a pair where prediction and target are not [comparable](VideoJepa::comparable): who asks for errors is told
    /// that there are none. Batches to train on are refused before.
    fn forward(&self, target: &VideoEncoder, batch: &VideoBatch, step: &Step) -> Forward {
        let (tubelets, layout) = (batch.upload(&step.device), batch.layout());
        if self.comparable(target).is_err() {
            return Forward::of_pairs(std::iter::empty(), target.forward(tubelets, layout));
        }
        let whole = match self.predicts {
            Predicts::Features => target.forward(tubelets.clone(), layout),
            Predicts::Pixels => tubelets.clone(),
        };
        let mut context_loss: Option<Tensor<1>> = None;
        let parts = batch.mask_sets().iter().enumerate().map(|(generator, masks)| {
            let (s_x, predicted, seen) = self.predict(tubelets.clone(), layout, masks, generator, ContextPath::Alone);
            let s_y = gather(whole.clone(), &masks.target);
            if let Some(seen) = seen {
                let s_y = gather(whole.clone(), &masks.context);
                let loss = self.predictor.context_loss(seen, self.encoder.normalised(s_y), layout, masks);
                context_loss = Some(match context_loss.take() {
                    Some(sum) => sum + loss,
                    None => loss,
                });
            }
            (s_x, Pair { predicted, target: s_y })
        });
        let levels = self.encoder.levels();
        let mut forward = Forward::of_pairs(parts, whole.clone());
        if levels > 1 {
            // Targets are normalised level by level.
            forward.pairs = forward.pairs.into_iter().flat_map(|pair| split(pair, levels)).collect();
        }
        if let Some(loss) = context_loss {
            let weight = self.predictor.context_weight(step.number) / batch.mask_sets().len() as f64;
            forward.terms.push(("context", loss * weight));
        }
        forward
    }

    fn features(encoder: &VideoEncoder, batch: &VideoBatch, device: &Device) -> Tensor<3> {
        by_clip(encoder.features(batch.upload(device), batch.layout()), batch)
    }
}

/// The tokens of all segments of a clip behind each other: [rows, tokens, width] to [clips, segments * tokens, width].
fn by_clip(x: Tensor<3>, batch: &VideoBatch) -> Tensor<3> {
    let [rows, tokens, width] = x.dims();
    x.reshape([batch.len(), rows / batch.len() * tokens, width])
}

fn split(pair: Pair, levels: usize) -> impl Iterator<Item = Pair> {
    let width = pair.predicted.dims()[2] / levels;
    (0..levels).map(move |level| {
        let of = |x: &Tensor<3>| x.clone().narrow(2, level * width, width);
        Pair { predicted: of(&pair.predicted), target: of(&pair.target) }
    })
}

/// Each of `levels` slices of the width normalised by itself.
fn normalised(x: Tensor<3>, levels: usize) -> Tensor<3> {
    /// PyTorch's default, as the official code takes it for targets.
    const EPS: f64 = 1e-5;
    let width = x.dims()[2] / levels;
    Tensor::cat((0..levels).map(|level| normalise(x.clone().narrow(2, level * width, width), EPS)).collect(), 2)
}
