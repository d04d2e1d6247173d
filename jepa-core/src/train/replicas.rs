//! Data parallelism by construction: R copies of the student, each with its shard, gradients summed in replica order.
//!
//! On the CPU every replica runs in a one-thread pool of its own, so that results do not depend on how threads are
//! scheduled. Terms that need statistics of the whole batch see the embeddings of all replicas: R changes the speed,
//! never the objective.

use std::collections::BTreeMap;

use burn::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::Learner;
use super::exchange::{Abandoned, Exchange};
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Batch, Jepa, Step};
use crate::nn::{BatchStatistics, params};
use crate::objective::{Keys, Memory, Name, Objective, Observed, Penalty};

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
    /// Statistics that batch normalisations met, over the whole batch.
    pub statistics: Vec<(String, BatchStatistics)>,
    /// What the objective asked to remember of this batch.
    pub observed: Observed,
}

/// The workers.
pub struct Replicas {
    pools: Vec<ThreadPool>,
    all: ThreadPool,
}

/// Named values of a step.
pub type Terms = Vec<(Name, f64)>;

struct Share<M> {
    student: M,
    loss: Tensor<1>,
    terms: Vec<(Name, Tensor<1>)>,
    pooled: Vec<Vec<Tensor<2>>>,
    kept: Kept,
    weight: f64,
}

struct Part {
    terms: Terms,
    gradients: Vec<Option<Tensor<1>>>,
    kept: Kept,
}

/// What a shard leaves for the time after the update.
struct Kept {
    statistics: Vec<(String, BatchStatistics)>,
    observed: Observed,
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
    pub fn map<I: Send, O: Send>(&self, items: Vec<I>, f: impl Fn(I) -> Result<O> + Sync) -> Result<Vec<O>> {
        let mut results = Vec::with_capacity(items.len());
        let mut items = items.into_iter();
        loop {
            let round: Vec<I> = items.by_ref().take(self.count()).collect();
            if round.is_empty() {
                return Ok(results);
            }
            results.extend(self.on_each(round, &f)?);
        }
    }

    /// Loss and gradients of a batch. The order of everything summed is fixed.
    pub fn forward_backward<J: Jepa>(
        &self,
        learner: &Learner<J>,
        target: Option<&J::Target>,
        batch: &J::Batch,
        objective: &Objective,
        step: &Step,
    ) -> Result<Work> {
        let ranges = shards(batch.len(), self.count());
        let places = Exchange::group(ranges.len());
        let shards: Vec<Shard<J::Batch>> = ranges
            .into_iter()
            .zip(places)
            .map(|(range, exchange)| {
                let step = Step { first: range.start, exchange, ..step.clone() };
                let shard = batch.shard(range);
                Shard { weight: shard.weight() / batch.weight(), batch: shard, step }
            })
            .collect();
        let forward = |shard: &Shard<J::Batch>| {
            // Leaves of its own: two graphs never share one.
            let student = learner.student.clone().train();
            let target = target.unwrap_or_else(|| student.target());
            let mut forward = step.precision.within(|| student.forward(target, &shard.batch, &shard.step));
            let pooled = objective.pooled(&forward)?;
            let kept = Kept {
                statistics: std::mem::take(&mut forward.statistics),
                observed: objective.observe(&forward, shard.weight)?,
            };
            let loss = objective.energy(forward, &learner.memory)?;
            Ok(Share { student, loss: loss.total, terms: loss.terms, pooled, kept, weight: shard.weight })
        };
        let parts = if objective.needs_statistics() {
            // Two meetings: all forward passes, the terms on embeddings of all, all backward passes.
            let shares = self.on_each(shards.iter().collect(), |shard| {
                let member = shard.step.exchange.member();
                let share = forward(shard)?;
                member.stay();
                Ok(share)
            })?;
            let (shares, penalty, keys) = with_statistics(shares, objective, &learner.memory, step)?;
            let places: Vec<_> = shares.into_iter().zip(&shards).collect();
            let mut parts = self.on_each(places, |(share, shard)| {
                let _member = shard.step.exchange.member();
                backward(share)
            })?;
            if let Some(first) = parts.first_mut() {
                first.terms.extend(penalty);
                first.kept.observed.keys = keys;
            }
            parts
        } else {
            self.on_each(shards, |shard| {
                let _member = shard.step.exchange.member();
                backward(forward(&shard)?)
            })?
        };
        self.with_all(|| sum(parts))
    }

    /// Runs `f` on the items, one a replica, all at once. Of several errors the first that is no consequence of
    /// another is returned.
    fn on_each<I: Send, O: Send>(&self, items: Vec<I>, f: impl Fn(I) -> Result<O> + Sync) -> Result<Vec<O>> {
        let f = &f;
        if items.len() == 1 {
            return items.into_iter().zip(&self.pools).map(|(item, pool)| pool.install(|| f(item))).collect();
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = items
                .into_iter()
                .zip(&self.pools)
                .map(|(item, pool)| scope.spawn(move || pool.install(|| f(item))))
                .collect();
            running.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let mut done = Vec::with_capacity(results.len());
        let mut abandoned = false;
        for result in results {
            match result {
                Ok(result) => done.push(result?),
                Err(panic) if panic.is::<Abandoned>() => abandoned = true,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        if abandoned { Err(Error::Engine("a replica ended before the others".into())) } else { Ok(done) }
    }
}

struct Shard<B> {
    batch: B,
    weight: f64,
    step: Step,
}

/// Consecutive ranges of nearly equal size, none empty.
fn shards(samples: usize, count: usize) -> Vec<std::ops::Range<usize>> {
    let count = count.min(samples).max(1);
    (0..count).map(|i| samples * i / count..samples * (i + 1) / count).collect()
}

/// Shares with their part of the penalty, its terms, and the keys it leaves.
type Penalised<M> = (Vec<Share<M>>, Terms, BTreeMap<usize, Keys>);

/// Adds to every share a term whose gradient is that of the penalty on the embeddings of all shares together.
fn with_statistics<M>(
    shares: Vec<Share<M>>,
    objective: &Objective,
    memory: &Memory,
    step: &Step,
) -> Result<Penalised<M>> {
    let shape: Vec<usize> = shares.first().map(|s| s.pooled.iter().map(Vec::len).collect()).unwrap_or_default();
    let gathered: Vec<Vec<Tensor<2>>> = shape
        .iter()
        .enumerate()
        .map(|(term, views)| {
            let view = |view: usize| {
                let parts = shares.iter().map(|s| s.pooled[term][view].clone().inner()).collect();
                Tensor::cat(parts, 0).autodiff().require_grad()
            };
            (0..*views).map(view).collect()
        })
        .collect();
    let Some(Penalty { loss: penalty, keys }) = objective.penalty(&gathered, memory, step)? else {
        return Ok((shares, Vec::new(), BTreeMap::new()));
    };
    let mut values = vec![(Name::from("penalty"), host::scalar(penalty.total.clone().inner())?)];
    for (name, value) in penalty.terms {
        values.push((name, host::scalar(value.inner())?));
    }
    let gradients = penalty.total.backward();
    let mut starts: Vec<Vec<usize>> = shape.iter().map(|views| vec![0; *views]).collect();
    let shares = shares
        .into_iter()
        .map(|mut share| {
            let here = share.pooled.drain(..).zip(&gathered).zip(&mut starts);
            let views = here.flat_map(|((views, wholes), starts)| views.into_iter().zip(wholes).zip(starts));
            for ((embedding, whole), start) in views {
                let rows = embedding.dims()[0];
                if let Some(gradient) = whole.grad(&gradients) {
                    let slope = gradient.narrow(0, *start, rows);
                    // Divided by the weight that `backward` multiplies with: the penalty is of the whole batch.
                    share.loss = share.loss + (embedding * slope).sum() / share.weight;
                }
                *start += rows;
            }
            share
        })
        .collect();
    Ok((shares, values, keys))
}

fn backward<M: burn::module::Module>(share: Share<M>) -> Result<Part> {
    let Share { student, loss, terms, weight, kept, .. } = share;
    let mut gradients = (loss * weight).backward();
    let gradients = params::gradients(&student, &mut gradients);
    // Read when all work is under way: a device is not kept waiting for the host.
    let (names, values): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
    let values = values.into_iter().map(|v| if v.is_autodiff() { v.inner() } else { v }).collect();
    let terms = names.into_iter().zip(host::scalars(values)?.into_iter().map(|v| v * weight)).collect();
    Ok(Part { terms, gradients, kept })
}

fn sum(parts: Vec<Part>) -> Result<Work> {
    let mut parts = parts.into_iter();
    let Some(Part { mut terms, mut gradients, kept: Kept { statistics, mut observed } }) = parts.next() else {
        return Err(Error::Engine("a step without samples".into()));
    };
    for part in parts {
        for (name, value) in part.terms {
            if let Some(term) = terms.iter_mut().find(|(n, _)| *n == name) {
                term.1 += value;
            }
        }
        if let (Some(sum), Some(part)) = (&mut observed.mean, part.kept.observed.mean) {
            sum.iter_mut().zip(part).for_each(|(s, v)| *s += v);
        }
        add_gradients(&mut gradients, part.gradients)?;
    }
    let squares: f64 = host::squares(gradients.iter().flatten())?.into_iter().fold(0.0, |sum, square| sum + square);
    // Statistics terms are listed with their weighted sum as `penalty`; the energy terms add up by themselves.
    let penalties = terms.iter().position(|(name, _)| *name == "penalty").unwrap_or(terms.len());
    let loss = terms.iter().take(penalties + 1).map(|(_, v)| v).sum();
    Ok(Work { loss, terms, gradients, norm: squares.sqrt(), statistics, observed })
}

/// Adds the gradients of one part to the sum of those before it, leaf by leaf.
pub(crate) fn add_gradients(sum: &mut [Option<Tensor<1>>], part: Vec<Option<Tensor<1>>>) -> Result<()> {
    for (sum, gradient) in sum.iter_mut().zip(part) {
        *sum = match (sum.take(), gradient) {
            (Some(a), Some(b)) => Some(add(a, b)?),
            (a, b) => a.or(b),
        };
    }
    Ok(())
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
