//! The attentive probe: a learned query looks at all frozen tokens of a sample, a linear map names its class (V-JEPA,
//! V-JEPA 2). Several heads are trained, one for every pair of learning rate and weight decay; held-out training
//! samples choose among them, test samples choose nothing.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Features;
use super::linear::one_hot;
use crate::error::{Error, Result};
use crate::host;
use crate::nn::{AttentiveClassifier, AttentiveShape, BlockConfig, Init, InitScheme, params};
use crate::random::{Draw as _, Purpose, Stream};
use crate::train::{AdamW, AdamWConfig, Replicas, Schedule, ScheduleConfig};

/// Size and training of the attentive probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttentiveConfig {
    /// Blocks; the last is the query's, those before it look among tokens (V-JEPA: 1, V-JEPA 2: 4).
    pub depth: usize,
    /// Attention heads; absent: as many as are at least 24 wide (V-JEPA 2: 16).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// Passes over the training samples (V-JEPA 2: 20).
    pub epochs: usize,
    /// Samples a step.
    pub batch: usize,
    /// Learning rates tried; each rises linearly over a tenth of the steps and falls to 0 along a cosine.
    pub lr: Vec<f64>,
    /// Weight decays tried with every learning rate.
    pub decay: Vec<f64>,
    /// Most training samples; their tokens are kept in memory.
    pub max_train: usize,
}

impl Default for AttentiveConfig {
    fn default() -> Self {
        Self {
            depth: 1,
            heads: None,
            epochs: 20,
            batch: 64,
            lr: vec![1e-3, 3e-3],
            decay: vec![1e-2, 1e-1],
            max_train: 5_000,
        }
    }
}

impl AttentiveConfig {
    pub(super) fn check(&self) -> Result<()> {
        let positive = |values: &[f64]| !values.is_empty() && values.iter().all(|v| *v >= 0.0 && v.is_finite());
        let counts = [self.depth, self.epochs, self.batch, self.max_train];
        if counts.contains(&0) || self.heads == Some(0) || !positive(&self.lr) || !positive(&self.decay) {
            return Err(Error::config(
                "probe.attentive",
                "depth, heads, epochs, batch and max_train must be positive, lr and decay lists of numbers",
            ));
        }
        Ok(())
    }

    fn heads(&self, width: usize) -> Result<usize> {
        match self.heads {
            Some(heads) if width.is_multiple_of(heads) => Ok(heads),
            Some(heads) => {
                Err(Error::config("probe.attentive.heads", format!("{heads} does not divide the width {width}")))
            }
            None => Ok((1..=width / 24).rev().find(|heads| width.is_multiple_of(*heads)).unwrap_or(1)),
        }
    }
}

/// A fresh head.
fn head(seed: u64, config: &AttentiveConfig, width: usize, classes: usize) -> Result<AttentiveClassifier> {
    let init = &mut Init::new(seed, InitScheme::Official { depth_rescale: true }, &Device::flex());
    let block = BlockConfig { width, heads: config.heads(width)?, hidden: 4 * width, eps: 1e-6 };
    Ok(AttentiveClassifier::new(init, &AttentiveShape { blocks: config.depth - 1, block, classes }))
}

/// Frozen tokens of samples with their labels: rows are [tokens, width].
#[derive(Debug, Clone)]
pub struct TokenTable {
    /// One row a sample.
    pub rows: Features,
    /// Tokens of a sample.
    pub tokens: usize,
}

impl TokenTable {
    fn tensor(&self, rows: &[usize]) -> Tensor<3> {
        let width = self.rows.width() / self.tokens;
        let values = rows.iter().flat_map(|i| self.rows.row(*i).iter().copied()).collect::<Vec<f32>>();
        Tensor::from_data(TensorData::new(values, [rows.len(), self.tokens, width]), &Device::flex())
    }
}

/// Share of `rows` whose class has the highest score.
fn accuracy(head: &AttentiveClassifier, table: &TokenTable, rows: &[usize], labels: &[u32]) -> Result<f64> {
    let mut right = 0;
    for chunk in rows.chunks(128) {
        let scores = head.forward(table.tensor(chunk));
        let classes = scores.dims()[1];
        for (row, at) in host::read(scores)?.chunks_exact(classes).zip(chunk) {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i as u32);
            right += usize::from(best == Some(labels[*at]));
        }
    }
    Ok(right as f64 / rows.len().max(1) as f64)
}

struct Trial {
    lr: f64,
    decay: f64,
}

/// Trains one head on `rows`.
fn train(
    trial: &Trial,
    config: &AttentiveConfig,
    table: &TokenTable,
    rows: &[usize],
    labels: &[u32],
    classes: usize,
) -> Result<AttentiveClassifier> {
    let mut head = head(0, config, table.rows.width() / table.tokens, classes)?;
    let mut optimizer = AdamW::new(&AdamWConfig::default(), &head)?;
    let steps = config.epochs * rows.len().div_ceil(config.batch);
    let schedule = Schedule::new(
        &ScheduleConfig {
            lr_start: 0.0,
            lr: trial.lr,
            lr_final: 0.0,
            warmup: 0.1,
            decay: trial.decay,
            decay_final: trial.decay,
            ..Default::default()
        },
        steps as u64,
    )?;
    let mut number = 0;
    for epoch in 0..config.epochs as u64 {
        let order = Stream::new(0, Purpose::Probe, epoch, 7).permutation(rows.len());
        for chunk in order.chunks(config.batch) {
            number += 1;
            let chosen: Vec<usize> = chunk.iter().map(|i| rows[*i as usize]).collect();
            let wanted: Vec<u32> = chosen.iter().map(|i| labels[*i]).collect();
            let tracked = head.clone().train();
            let scores = tracked.forward(table.tensor(&chosen));
            let loss = (log_softmax(scores, 1) * one_hot(&wanted, classes)).sum() / -(chosen.len() as f64);
            let gradients = params::gradients(&tracked, &mut loss.backward());
            head = optimizer.update(head, gradients, 0.0, schedule.at(number))?;
        }
    }
    Ok(head)
}

/// A trained attentive probe.
#[derive(Debug, Clone)]
pub struct AttentiveProbe {
    head: AttentiveClassifier,
}

impl AttentiveProbe {
    /// Share of the samples of a table whose class has the highest score.
    pub fn accuracy(&self, table: &TokenTable) -> Result<f64> {
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        accuracy(&self.head, table, &rows, &table.rows.known_labels()?)
    }

    /// The best of a grid of heads, which share `workers`, on held-out samples of `bank`.
    pub fn fit(bank: &TokenTable, config: &AttentiveConfig, workers: &Replicas) -> Result<Self> {
        Ok(Self { head: fit(bank, config, workers)? })
    }
}

fn fit(bank: &TokenTable, config: &AttentiveConfig, workers: &Replicas) -> Result<AttentiveClassifier> {
    let labels = bank.rows.known_labels()?;
    let classes = labels.iter().max().map_or(0, |m| *m as usize + 1).max(bank.rows.classes.len());
    let mut seen = vec![0usize; classes];
    let (mut fit, mut check) = (Vec::new(), Vec::new());
    for (row, label) in labels.iter().enumerate() {
        let count = &mut seen[*label as usize];
        *count += 1;
        if count.is_multiple_of(10) { check.push(row) } else { fit.push(row) }
    }
    if classes < 2 || check.is_empty() {
        return Err(Error::data("probe", "an attentive probe needs two classes and at least ten samples in one"));
    }
    let trials =
        config.lr.iter().flat_map(|lr| config.decay.iter().map(|decay| Trial { lr: *lr, decay: *decay })).collect();
    let trained = workers.map(trials, |trial| {
        let head = train(&trial, config, bank, &fit, &labels, classes)?;
        Ok((accuracy(&head, bank, &check, &labels)?, head))
    })?;
    // The first of equally good ones, so that the choice does not depend on the number of workers.
    let best = trained.into_iter().reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, head)| head).ok_or_else(|| Error::Engine("no head was trained".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classes differ in one token at a random place; its mean over tokens drowns in the others.
    fn table(seed: u64, samples: usize) -> TokenTable {
        let (tokens, width) = (9, 24);
        let mut stream = Stream::new(seed, Purpose::Test, 3, 0);
        let mut values = Vec::new();
        for sample in 0..samples {
            let at = stream.below(tokens);
            for token in 0..tokens {
                for d in 0..width {
                    let sign = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
                    let mark = if d == 20 {
                        4.0
                    } else if d == sample % 3 {
                        3.0
                    } else {
                        0.0
                    };
                    values.push(if token == at { mark } else { sign * stream.uniform() * 2.0 });
                }
            }
        }
        let labels = (0..samples).map(|i| Some(i as u32 % 3)).collect();
        TokenTable { rows: Features::new(values, labels, (0..samples).collect(), Vec::new()).unwrap(), tokens }
    }

    #[test]
    fn one_marked_token_among_many_is_found_where_a_linear_probe_on_the_mean_fails() {
        let (bank, queries) = (table(1, 300), table(2, 150));
        let config = AttentiveConfig { epochs: 12, batch: 30, lr: vec![3e-3], ..Default::default() };
        let found: Vec<f64> = [1, 2]
            .into_iter()
            .map(|n| {
                AttentiveProbe::fit(&bank, &config, &Replicas::new(n).unwrap()).unwrap().accuracy(&queries).unwrap()
            })
            .collect();
        assert!(found[0] > 0.95, "{found:?}");
        assert_eq!(found[0], found[1], "whatever the number of workers");
    }
}
