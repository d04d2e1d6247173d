//! Fine-tuning: a linear head on the pooled tokens, and every weight of the encoder trained with it.

use burn::module::Module as _;
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::frozen::{Encoder, chosen};
use super::linear::{accuracy, one_hot};
use super::scarce::part;
use super::{Frozen, Spread};
use crate::data::Source;
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Batch as _, Jepa};
use crate::nn::{Init, InitScheme, Linear, params};
use crate::plugin::{Draws, Variant};
use crate::random::epoch_order;
use crate::train::{AdamW, AdamWConfig, Schedule, ScheduleConfig, add_gradients};

/// How an encoder is fine-tuned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FineTuneConfig {
    /// Shares of the training labels; each is fine-tuned on by itself (S-JEPA: 1 %, 10 % and all).
    pub shares: Vec<f64>,
    /// Draws of a share below 1.
    pub draws: usize,
    /// Passes over the labelled samples.
    pub epochs: usize,
    /// Steps at least, where a share has few samples.
    pub least_steps: usize,
    /// Samples a step.
    pub batch: usize,
    /// Learning rate; it rises linearly over a tenth of the steps and falls to 0 along a cosine.
    pub lr: f64,
    /// Weight decay (MAMP: 0.05).
    pub decay: f64,
    /// Most training samples of which shares are taken.
    pub max_train: usize,
}

impl Default for FineTuneConfig {
    fn default() -> Self {
        Self {
            shares: vec![0.01, 0.1, 1.0],
            draws: 3,
            epochs: 10,
            least_steps: 100,
            batch: 32,
            lr: 1e-3,
            decay: 0.05,
            max_train: 5_000,
        }
    }
}

impl FineTuneConfig {
    pub(super) fn check(&self) -> Result<()> {
        let counts = [self.draws, self.epochs, self.batch, self.max_train];
        let rates = [self.lr, self.decay].iter().all(|v| v.is_finite() && *v >= 0.0);
        let shares = self.shares.iter().all(|share| *share > 0.0 && *share <= 1.0);
        if counts.contains(&0) || !rates || !shares {
            let problem = "draws, epochs, batch and max_train must be positive, lr and decay finite, shares in (0, 1]";
            return Err(Error::config("probe.fine_tune", problem));
        }
        Ok(())
    }

    /// Steps on `samples` labelled ones.
    fn steps(&self, samples: usize) -> u64 {
        (self.epochs * samples.div_ceil(self.batch)).max(self.least_steps) as u64
    }
}

/// Test accuracy of an encoder fine-tuned on a `share` of the labels of `train`, over the draws of the configuration;
/// `max_test` samples of `test` are used.
pub fn fine_tune<V: Variant>(
    frozen: &Frozen<V>,
    train: &dyn Source<Sample = V::Sample>,
    test: &dyn Source<Sample = V::Sample>,
    share: f64,
    (config, max_test): (&FineTuneConfig, usize),
) -> Result<Spread> {
    let draws = if share < 1.0 { config.draws as u64 } else { 1 };
    let accuracy_of = |draw: u64| {
        let labelled = chosen(train.len(), config.max_train);
        let rows = part(labelled.len(), share, draw).into_iter().map(|at| labelled[at]).collect();
        let (encoder, head) = Tuning { frozen, train, config, draw }.run(rows)?;
        let features = frozen.with_encoder(encoder)?.features(test, max_test)?;
        accuracy(head.forward(features.tensor()), &features.known_labels()?)
    };
    Ok(Spread::of(&(0..draws).map(accuracy_of).collect::<Result<Vec<_>>>()?))
}

/// One fine-tuning.
struct Tuning<'a, V: Variant> {
    frozen: &'a Frozen<V>,
    train: &'a dyn Source<Sample = V::Sample>,
    config: &'a FineTuneConfig,
    draw: u64,
}

/// Gradients of the leaves of a module.
type Gradients = Vec<Option<Tensor<1>>>;

impl<V: Variant> Tuning<'_, V> {
    /// Trains on the samples `rows`; batches are those of pre-training, with its augmentation, seen whole.
    fn run(&self, rows: Vec<usize>) -> Result<(Encoder<V>, Linear)> {
        let (config, seed) = (self.config, self.draw);
        let mut labels = Vec::with_capacity(rows.len());
        for row in &rows {
            labels.push(
                self.train
                    .label(*row)
                    .ok_or_else(|| Error::data(self.train.describe(), "fine-tuning needs the class of every sample"))?,
            );
        }
        let classes = labels.iter().max().map_or(0, |m| *m as usize + 1).max(self.train.classes().len());
        let mut encoder = self.frozen.encoder().clone();
        let mut head = self.head(classes, *rows.first().unwrap_or(&0))?;
        let adam = AdamWConfig::default();
        let mut optimizers = (AdamW::new(&adam, &encoder)?, AdamW::new(&adam, &head)?);
        let steps = config.steps(rows.len());
        let rates = ScheduleConfig {
            lr_start: 0.0,
            lr: config.lr,
            lr_final: 0.0,
            warmup: 0.1,
            decay: config.decay,
            decay_final: config.decay,
            ..Default::default()
        };
        let schedule = Schedule::new(&rates, steps)?;
        let a_pass = rows.len().div_ceil(config.batch) as u64;
        for number in 1..=steps {
            let (epoch, at) = ((number - 1) / a_pass, (number - 1) % a_pass);
            let order = epoch_order(seed, epoch, rows.len());
            let chosen = order.chunks(config.batch).nth(at as usize).unwrap_or(&[]);
            let indices: Vec<usize> = chosen.iter().map(|i| rows[*i as usize]).collect();
            let wanted: Vec<u32> = chosen.iter().map(|i| labels[*i as usize]).collect();
            let samples = self.frozen.replicas().map(indices.clone(), |index| self.train.read(index))?;
            let batch = self.frozen.variant().batch(samples, &Draws::new(seed, number, indices))?;
            let (mut sums, parts) = {
                let mut parts = self.gradients(&encoder, &head, &batch, &wanted, classes)?.into_iter();
                let first = parts.next().ok_or_else(|| Error::Engine("a step without samples".into()))?;
                (first, parts)
            };
            for (of_encoder, of_head) in parts {
                add_gradients(&mut sums.0, of_encoder)?;
                add_gradients(&mut sums.1, of_head)?;
            }
            let rates = schedule.at(number);
            encoder = optimizers.0.update(encoder, sums.0, 0.0, rates)?;
            head = optimizers.1.update(head, sums.1, 0.0, rates)?;
        }
        Ok((encoder, head))
    }

    /// A head for features as wide as those of the sample `row`.
    fn head(&self, classes: usize, row: usize) -> Result<Linear> {
        if classes < 2 {
            return Err(Error::data("probe", "fine-tuning needs at least two classes"));
        }
        let width = self.frozen.pooled(&[self.train.read(row)?])?.len();
        let mut init = Init::new(self.draw, InitScheme::Official { depth_rescale: false }, self.frozen.device());
        Ok(Linear::new(&mut init, width, classes))
    }

    /// Gradients of encoder and head, one pair a worker: cross-entropy averaged over the batch.
    fn gradients(
        &self,
        encoder: &Encoder<V>,
        head: &Linear,
        batch: &<V::Model as Jepa>::Batch,
        labels: &[u32],
        classes: usize,
    ) -> Result<Vec<(Gradients, Gradients)>> {
        let (count, device) = (batch.len(), self.frozen.device());
        let workers = self.frozen.workers().min(count).max(1);
        let shards = (0..workers).map(|i| count * i / workers..count * (i + 1) / workers);
        let shards = shards.map(|range| (batch.shard(range.clone()), &labels[range])).collect();
        self.frozen.replicas().map(shards, |(shard, labels): (_, &[u32])| {
            // Leaves of its own: two graphs never share one.
            let (encoder, head) = (encoder.clone().train(), head.clone().train());
            let pooled = self.frozen.pool().apply(V::Model::features(&encoder, &shard, device));
            let scores: Tensor<2> = head.forward(pooled).squeeze_dim(1);
            let wanted = one_hot(labels, classes).to_device(device);
            let loss = (log_softmax(scores, 1) * wanted).sum() / -(count as f64);
            if !host::scalar(loss.clone().inner())?.is_finite() {
                let problem = "the loss is not finite: lower probe.fine_tune.lr";
                return Err(Error::config("probe.fine_tune.lr", problem));
            }
            let mut slopes = loss.backward();
            Ok((params::gradients(&encoder, &mut slopes), params::gradients(&head, &mut slopes)))
        })
    }
}
