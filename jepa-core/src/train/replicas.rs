//! Data parallelism by construction: R copies of the student, each with its shard, gradients summed in replica order.
//!
//! On the CPU every replica runs in a one-thread pool of its own, so that results do not depend on how threads are
//! scheduled. Terms that need statistics of the whole batch see the embeddings of all replicas: R changes the speed,
//! never the objective.

use burn::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Batch, Jepa, Step};
use crate::nn::params;
use crate::objective::Objective;

/// What forward and backward of one step gave.
pub struct Work {
    /// The total loss of the batch.
    pub loss: f64,
    /// Its parts.
    pub terms: Terms,
    /// Summed gradients, one entry a leaf in the order of [`params::visit`].
    pub gradients: Vec<Option<Tensor<1>>>,
    /// Global L2 norm of the gradients; not finite when any of them is not.
    pub norm: f64,
}

/// The workers.
pub struct Replicas {
    pools: Vec<ThreadPool>,
    all: ThreadPool,
}

/// Named values of a step.
pub type Terms = Vec<(&'static str, f64)>;

struct Share<M> {
    student: M,
    loss: Tensor<1>,
    terms: Vec<(&'static str, Tensor<1>)>,
    statistics: Vec<Tensor<2>>,
    weight: f64,
}

struct Part {
    terms: Terms,
    gradients: Vec<Option<Tensor<1>>>,
}

impl Replicas {
    /// `count` replicas, on the CPU each with one thread.
    pub fn new(count: usize) -> Result<Self> {
        let pool = |threads: usize, name: &'static str| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(move |_| name.to_owned())
                .build()
                .map_err(|e| Error::Engine(format!("cannot start worker threads: {e}")))
        };
        if count == 0 || count > 1024 {
            return Err(Error::config("run.replicas", format!("{count} must lie in 1..=1024")));
        }
        let pools = (0..count).map(|_| pool(1, "replica")).collect::<Result<_>>()?;
        Ok(Self { pools, all: pool(count, "update")? })
    }

    /// Number of replicas.
    pub fn count(&self) -> usize {
        self.pools.len()
    }

    /// Runs `f` where element-wise work may use as many threads as there are replicas.
    pub fn with_all<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        self.all.install(f)
    }

    /// Applies `f` to every item, each on the thread of one replica; results come in the order of the items.
    pub fn map<I: Send, O: Send>(&self, items: Vec<I>, f: impl Fn(I) -> O + Sync) -> Vec<O> {
        let mut results = Vec::with_capacity(items.len());
        let mut items = items.into_iter();
        loop {
            let round: Vec<I> = items.by_ref().take(self.count()).collect();
            if round.is_empty() {
                return results;
            }
            results.extend(self.on_each(round, &f));
        }
    }

    /// Loss and gradients of a batch. The order of everything summed is fixed.
    pub fn forward_backward<J: Jepa>(
        &self,
        student: &J,
        target: Option<&J::Target>,
        batch: &J::Batch,
        objective: &Objective,
        step: &Step,
    ) -> Result<Work> {
        let shards: Vec<(J::Batch, f64)> = shards(batch.len(), self.count())
            .into_iter()
            .map(|range| (batch.shard(range.clone()), range.len() as f64 / batch.len() as f64))
            .collect();
        let forward = |(shard, weight): (J::Batch, f64)| {
            // Leaves of its own: two graphs never share one.
            let student = student.clone().train();
            let forward = match target {
                Some(target) => student.forward(target, &shard, step),
                None => student.forward(student.target(), &shard, step),
            };
            let statistics = objective.statistics_inputs(&forward);
            let loss = objective.energy(forward)?;
            Ok(Share { student, loss: loss.total, terms: loss.terms, statistics, weight })
        };
        let parts = if objective.needs_statistics() {
            let shares = self.on_each(shards, forward).into_iter().collect::<Result<Vec<_>>>()?;
            let (shares, penalty) = with_statistics(shares, objective)?;
            let mut parts = self.on_each(shares, backward).into_iter().collect::<Result<Vec<_>>>()?;
            if let Some(first) = parts.first_mut() {
                first.terms.extend(penalty);
            }
            parts
        } else {
            self.on_each(shards, |shard| backward(forward(shard)?)).into_iter().collect::<Result<Vec<_>>>()?
        };
        self.with_all(|| sum(parts))
    }

    fn on_each<I: Send, O: Send>(&self, items: Vec<I>, f: impl Fn(I) -> O + Sync) -> Vec<O> {
        let f = &f;
        if items.len() == 1 {
            return items.into_iter().zip(&self.pools).map(|(item, pool)| pool.install(|| f(item))).collect();
        }
        std::thread::scope(|scope| {
            let running: Vec<_> = items
                .into_iter()
                .zip(&self.pools)
                .map(|(item, pool)| scope.spawn(move || pool.install(|| f(item))))
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }
}

/// Consecutive ranges of nearly equal size, none empty.
fn shards(samples: usize, count: usize) -> Vec<std::ops::Range<usize>> {
    let count = count.min(samples).max(1);
    (0..count).map(|i| samples * i / count..samples * (i + 1) / count).collect()
}

/// Adds to every share a term whose gradient is that of the penalty on the embeddings of all shares together.
fn with_statistics<M>(shares: Vec<Share<M>>, objective: &Objective) -> Result<(Vec<Share<M>>, Terms)> {
    let kinds = shares.first().map_or(0, |s| s.statistics.len());
    let gathered: Vec<Tensor<2>> = (0..kinds)
        .map(|k| {
            let parts = shares.iter().map(|s| s.statistics[k].clone().inner()).collect();
            Tensor::cat(parts, 0).autodiff().require_grad()
        })
        .collect();
    let Some(penalty) = objective.penalty(&gathered) else { return Ok((shares, Vec::new())) };
    let mut values = vec![("penalty", host::scalar(penalty.total.clone().inner())?)];
    for (name, value) in penalty.terms {
        values.push((name, host::scalar(value.inner())?));
    }
    let gradients = penalty.total.backward();
    let mut start = 0;
    let shares = shares
        .into_iter()
        .map(|mut share| {
            let rows = share.statistics.first().map_or(0, |s| s.dims()[0]);
            for (embedding, whole) in share.statistics.drain(..).zip(&gathered) {
                if let Some(gradient) = whole.grad(&gradients) {
                    let slope = gradient.narrow(0, start, rows);
                    // Divided by the weight that `backward` multiplies with: the penalty is of the whole batch.
                    share.loss = share.loss + (embedding * slope).sum() / share.weight;
                }
            }
            start += rows;
            share
        })
        .collect();
    Ok((shares, values))
}

fn backward<M: burn::module::Module>(share: Share<M>) -> Result<Part> {
    let Share { student, loss, terms, weight, .. } = share;
    let mut values = Vec::with_capacity(terms.len());
    for (name, value) in terms {
        values.push((name, host::scalar(if value.is_autodiff() { value.inner() } else { value })? * weight));
    }
    let mut gradients = (loss * weight).backward();
    Ok(Part { terms: values, gradients: params::gradients(&student, &mut gradients) })
}

fn sum(parts: Vec<Part>) -> Result<Work> {
    let mut parts = parts.into_iter();
    let Some(Part { mut terms, mut gradients }) = parts.next() else {
        return Err(Error::Engine("a step without samples".into()));
    };
    for part in parts {
        for (name, value) in part.terms {
            if let Some(term) = terms.iter_mut().find(|(n, _)| *n == name) {
                term.1 += value;
            }
        }
        for (sum, gradient) in gradients.iter_mut().zip(part.gradients) {
            *sum = match (sum.take(), gradient) {
                (Some(a), Some(b)) => Some(add(a, b)?),
                (a, b) => a.or(b),
            };
        }
    }
    let mut squares = 0.0;
    for gradient in gradients.iter().flatten() {
        squares += if host::holds(gradient) {
            host::sum_of_squares(host::view(gradient.clone())?.values())
        } else {
            host::scalar(gradient.clone().powi_scalar(2).sum())?
        };
    }
    // Statistics terms are listed with their weighted sum as `penalty`; the energy terms add up by themselves.
    let penalties = terms.iter().position(|(name, _)| *name == "penalty").unwrap_or(terms.len());
    let loss = terms.iter().take(penalties + 1).map(|(_, v)| v).sum();
    Ok(Work { loss, terms, gradients, norm: squares.sqrt() })
}

fn add(a: Tensor<1>, b: Tensor<1>) -> Result<Tensor<1>> {
    if host::holds(&a) && host::holds(&b) {
        let b = host::view(b)?;
        host::update(a, |a| {
            host::zip([a], [b.values()], |[a], [b]| a.iter_mut().zip(b).for_each(|(a, b)| *a += *b));
        })
    } else {
        Ok(a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_the_batch_in_order_and_none_is_empty() {
        for (samples, count) in [(16, 2), (7, 3), (2, 8), (1, 1)] {
            let shards = shards(samples, count);
            assert!(shards.iter().all(|s| !s.is_empty()));
            assert_eq!(shards.into_iter().flatten().collect::<Vec<_>>(), (0..samples).collect::<Vec<_>>());
        }
    }
}
