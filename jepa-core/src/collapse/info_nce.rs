//! InfoNCE (van den Oord et al. 2018, arXiv 1807.03748): of many candidates, find the other view of the same sample.

use burn::prelude::*;
use burn::tensor::activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::views::unit;
use super::{Moment, Regulariser, Views};
use crate::error::Result;

/// A negative so large that a candidate drops out of every softmax, in every type of float.
const NEVER: f64 = -1e9;

/// −log softmax of cosines / τ at the right candidate, views [samples n, width d] made unit rows.
///
/// Candidates of other samples push apart what would otherwise fall together: a constant makes all candidates equal, the
/// loss log(candidates). Without it, and with only the pull between views, everything collapses to a point. What counts
/// as a negative is a sample of the same batch or of earlier ones; a large batch or a queue makes the task hard enough.
///
/// The queue holds unit rows of earlier steps, no gradient goes into it, and a checkpoint keeps it. It fills while training
/// goes: at first there are fewer negatives than it has places.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InfoNce {
    /// Whose candidates and scale.
    pub form: InfoNceForm,
    /// τ (SimCLR: 0.1, on CIFAR 0.5; MoCo v2 and v3: 0.2).
    pub temperature: f64,
    /// Keys of earlier batches that are kept as further negatives (MoCo v2: 65,536).
    #[serde(default)]
    pub queue: usize,
}

/// Who is a candidate, and how the parts are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InfoNceForm {
    /// SimCLR's NT-Xent: both views of the batch but the query itself, 2n − 1 candidates; the mean over all 2n queries.
    /// (SimCLR's own code reports twice that.)
    NtXent,
    /// MoCo v3: the other view of the batch, n candidates, times 2τ; the sum of both directions, or the one direction
    /// from `on` to `against`.
    MocoV3,
    /// MoCo v1 and v2: the right key and the queue, never the batch; the mean over directions. Nothing is contrasted
    /// until the queue holds something: the first step's value is 0.
    MocoV2,
}

impl InfoNce {
    /// The mean of −log softmax over a row's candidates at its place on the diagonal.
    fn of_diagonal(logits: Tensor<2>) -> Tensor<1> {
        let [rows, _] = logits.dims();
        let places: Vec<i32> = (0..rows as i32).collect();
        let places = Tensor::<2, Int>::from_data(TensorData::new(places, [rows, 1]), &logits.device().inner());
        activation::log_softmax(logits, 1).gather(1, places).mean() * -1.0
    }

    fn with_queue(&self, queries: &Tensor<2>, mut candidates: Vec<Tensor<2>>, moment: &Moment) -> Tensor<2> {
        if let Some(queue) = &moment.queue {
            candidates.push(queries.clone().matmul(queue.clone().cast(queries.dtype()).transpose()));
        }
        Tensor::cat(candidates, 1) / self.temperature
    }

    /// Queries a and b each look for the other among both.
    fn both_views(&self, a: Tensor<2>, b: Tensor<2>, moment: &Moment) -> Tensor<1> {
        let n = a.dims()[0];
        let queries = Tensor::cat(vec![a.clone(), b.clone()], 0);
        // The right answer lies on the diagonal when the other view comes first; the query itself half-way round.
        let similarity = queries.clone().matmul(Tensor::cat(vec![b, a], 0).transpose());
        let itself: Vec<f32> = (0..4 * n * n)
            .map(|i| if (i / (2 * n) + n) % (2 * n) == i % (2 * n) { NEVER as f32 } else { 0.0 })
            .collect();
        let itself = Tensor::<2>::from_data(TensorData::new(itself, [2 * n, 2 * n]), &queries.device().inner());
        let similarity = similarity + itself.cast(queries.dtype());
        Self::of_diagonal(self.with_queue(&queries, vec![similarity], moment))
    }

    /// Queries look for their key among those of the batch.
    fn other_view(&self, queries: Tensor<2>, keys: Tensor<2>, moment: &Moment) -> Tensor<1> {
        let similarity = queries.clone().matmul(keys.transpose());
        Self::of_diagonal(self.with_queue(&queries, vec![similarity], moment)) * (2.0 * self.temperature)
    }

    /// Queries look for their key among those of earlier batches.
    fn queue_alone(&self, queries: Tensor<2>, keys: Tensor<2>, moment: &Moment) -> Tensor<1> {
        let right = (queries.clone() * keys).sum_dim(1);
        let logits = self.with_queue(&queries, vec![right], moment);
        activation::log_softmax(logits, 1).narrow(1, 0, 1).mean() * -1.0
    }
}

impl Regulariser for InfoNce {
    fn name(&self) -> &'static str {
        "info_nce"
    }

    fn check(&self) -> Result<(), String> {
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(format!("temperature {} must be positive", self.temperature));
        }
        if self.form == InfoNceForm::MocoV2 && self.queue == 0 {
            return Err("form moco-v2 has no negatives but those of its queue: set queue, for example to 4096".into());
        }
        if self.queue > 1 << 24 {
            return Err(format!("queue {} must be at most {}", self.queue, 1 << 24));
        }
        Ok(())
    }

    fn compares(&self) -> bool {
        true
    }

    fn penalty(&self, views: &Views, moment: &Moment) -> Result<Tensor<1>> {
        let one_way = views.one_way();
        views.over_pairs(self.name(), |a, b| {
            let (a, b) = (unit(a), unit(b));
            Ok(match self.form {
                InfoNceForm::NtXent => self.both_views(a, b, moment),
                InfoNceForm::MocoV3 if one_way => self.other_view(a, b, moment),
                InfoNceForm::MocoV3 => self.other_view(a.clone(), b.clone(), moment) + self.other_view(b, a, moment),
                InfoNceForm::MocoV2 if one_way => self.queue_alone(a, b, moment),
                InfoNceForm::MocoV2 => {
                    (self.queue_alone(a.clone(), b.clone(), moment) + self.queue_alone(b, a, moment)) / 2.0
                }
            })
        })
    }

    fn keys(&self, views: &Views) -> Option<Tensor<2>> {
        let keys = if views.one_way() { views.against() } else { views.of() };
        (self.queue > 0 && !keys.is_empty()).then(|| Tensor::cat(keys.iter().map(unit).collect(), 0))
    }

    fn queue(&self) -> usize {
        self.queue
    }
}
