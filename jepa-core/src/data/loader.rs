//! The loader: batches prepared ahead by threads, handed over in order, the same for any number of threads.
//!
//! Batch `step` reads positions `(step - 1) * size ..` of the endless sequence of epochs, each a permutation that depends
//! on (seed, epoch) alone. A sample that cannot be read is replaced by the next readable one of the permutation and
//! listed in the quarantine; which one that is depends on the data alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use super::Source;
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream, epoch_of, epoch_order};

/// A damaged sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineEntry {
    /// Index in the source.
    pub index: usize,
    /// What a person calls it.
    pub name: String,
    /// Why it could not be read.
    pub cause: String,
}

/// Every damaged sample met so far, by index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine(BTreeMap<usize, QuarantineEntry>);

impl Quarantine {
    /// Adds entries; returns those not known before.
    pub fn add(&mut self, entries: Vec<QuarantineEntry>) -> Vec<QuarantineEntry> {
        entries.into_iter().filter(|e| self.0.insert(e.index, e.clone()).is_none()).collect()
    }

    /// Number of damaged samples.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all samples met so far were sound.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries by index.
    pub fn entries(&self) -> impl Iterator<Item = &QuarantineEntry> {
        self.0.values()
    }
}

/// A batch ready to be trained on.
#[derive(Debug)]
pub struct Prepared<B> {
    /// The step it belongs to.
    pub step: u64,
    /// The collated batch.
    pub batch: B,
    /// Indices of its samples.
    pub indices: Vec<usize>,
    /// Damaged samples met on the way.
    pub damaged: Vec<QuarantineEntry>,
}

struct Plan {
    seed: u64,
    size: usize,
    last: u64,
    ahead: u64,
    bad_limit: usize,
    bad_fraction: f64,
}

struct Queue<B> {
    ready: BTreeMap<u64, Result<Prepared<B>>>,
    /// Next step a thread will take.
    claimed: u64,
    /// Next step to be handed over.
    wanted: u64,
    closed: bool,
}

struct Shared<B> {
    queue: Mutex<Queue<B>>,
    changed: Condvar,
}

impl<B> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, Queue<B>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads that prepare the batches of a run from some step on.
pub struct Loader<B> {
    shared: Arc<Shared<B>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a loader reads and how far ahead.
#[derive(Debug, Clone, Copy)]
pub struct LoaderConfig {
    /// Seed of the run.
    pub seed: u64,
    /// Samples a batch.
    pub batch: usize,
    /// First step to prepare, from 1.
    pub first: u64,
    /// Last step of the run.
    pub last: u64,
    /// Threads that read and collate.
    pub threads: usize,
    /// Share of an epoch that may be damaged.
    pub max_bad_fraction: f64,
}

impl<B: Send + 'static> Loader<B> {
    /// Starts the threads. `collate` makes a batch of samples, given the step and the samples' indices; it must draw
    /// everything random from those.
    pub fn start<S: Send + 'static>(
        source: Arc<dyn Source<Sample = S>>,
        config: LoaderConfig,
        collate: impl Fn(u64, Vec<(usize, S)>) -> Result<B> + Send + Sync + 'static,
    ) -> Result<Self> {
        if source.is_empty() || config.batch == 0 {
            return Err(Error::config(
                "run.batch",
                format!("{} samples cannot fill batches of {}", source.len(), config.batch),
            ));
        }
        let plan = Arc::new(Plan {
            seed: config.seed,
            size: config.batch,
            last: config.last,
            // Every thread at work on one, and two that wait: large batches fill memory otherwise.
            ahead: config.threads as u64 + 2,
            bad_limit: (config.max_bad_fraction * source.len() as f64).floor() as usize,
            bad_fraction: config.max_bad_fraction,
        });
        let queue = Queue { ready: BTreeMap::new(), claimed: config.first, wanted: config.first, closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new() });
        let collate = Arc::new(collate);
        let threads = (0..config.threads.max(1))
            .map(|i| {
                let (source, plan, shared, collate) = (source.clone(), plan.clone(), shared.clone(), collate.clone());
                std::thread::Builder::new()
                    .name(format!("loader-{i}"))
                    .spawn(move || work(source.as_ref(), &plan, &shared, collate.as_ref()))
                    .map_err(|e| Error::Engine(format!("cannot start a loader thread: {e}")))
            })
            .collect::<Result<_>>()?;
        Ok(Self { shared, threads })
    }

    /// The next batch in order, waiting for it if need be.
    pub fn next(&self) -> Result<Prepared<B>> {
        let mut queue = self.shared.lock();
        loop {
            let wanted = queue.wanted;
            if let Some(result) = queue.ready.remove(&wanted) {
                queue.wanted += 1;
                self.shared.changed.notify_all();
                return result;
            }
            if queue.closed {
                return Err(Error::Engine("the loader has stopped".into()));
            }
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<B> Drop for Loader<B> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A loader thread that panicked has already told its reason.
            let _ = thread.join();
        }
    }
}

/// Closes the queue when a thread dies, so that nobody waits for its batch for ever.
struct CloseOnPanic<'a, B>(&'a Shared<B>);

impl<B> Drop for CloseOnPanic<'_, B> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().closed = true;
            self.0.changed.notify_all();
        }
    }
}

fn work<S: Send, B>(
    source: &dyn Source<Sample = S>,
    plan: &Plan,
    shared: &Shared<B>,
    collate: &dyn Fn(u64, Vec<(usize, S)>) -> Result<B>,
) {
    let _guard = CloseOnPanic(shared);
    let mut order = Order::new(plan.seed, source.len());
    loop {
        let step = {
            let mut queue = shared.lock();
            loop {
                if queue.closed || queue.claimed > plan.last {
                    return;
                }
                if queue.claimed < queue.wanted + plan.ahead {
                    break;
                }
                queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.claimed += 1;
            queue.claimed - 1
        };
        let prepared = prepare(source, plan, &mut order, step, collate);
        shared.lock().ready.insert(step, prepared);
        shared.changed.notify_all();
    }
}

struct Order {
    seed: u64,
    len: usize,
    epoch: Option<(u64, Vec<u32>)>,
}

impl Order {
    fn new(seed: u64, len: usize) -> Self {
        Self { seed, len, epoch: None }
    }

    fn at(&mut self, position: u64) -> usize {
        let (epoch, at) = epoch_of(position, self.len);
        if self.epoch.as_ref().is_none_or(|(e, _)| *e != epoch) {
            self.epoch = Some((epoch, epoch_order(self.seed, epoch, self.len)));
        }
        self.epoch.as_ref().and_then(|(_, order)| order.get(at)).map_or(0, |i| *i as usize)
    }
}

fn prepare<S: Send, B>(
    source: &dyn Source<Sample = S>,
    plan: &Plan,
    order: &mut Order,
    step: u64,
    collate: &dyn Fn(u64, Vec<(usize, S)>) -> Result<B>,
) -> Result<Prepared<B>> {
    let mut samples = Vec::with_capacity(plan.size);
    let mut damaged: Vec<QuarantineEntry> = Vec::new();
    for i in 0..plan.size as u64 {
        let mut position = (step - 1) * plan.size as u64 + i;
        loop {
            let index = order.at(position);
            match source.draw(index, &mut Stream::new(plan.seed, Purpose::Part, step, index as u64)) {
                Ok(sample) => {
                    samples.push((index, sample));
                    break;
                }
                Err(error) => {
                    damaged.push(QuarantineEntry { index, name: source.name(index), cause: error.to_string() });
                    if damaged.len() > plan.bad_limit.max(plan.size) {
                        return Err(Error::TooManyBadSamples {
                            bad: damaged.len(),
                            seen: damaged.len() + samples.len(),
                            limit_percent: plan.bad_fraction * 100.0,
                            first: damaged.first().map(|d| d.cause.clone()).unwrap_or_default(),
                        });
                    }
                    position += 1;
                }
            }
        }
    }
    let indices = samples.iter().map(|(index, _)| *index).collect();
    Ok(Prepared { step, batch: collate(step, samples)?, indices, damaged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draw as _;

    struct Numbers {
        len: usize,
        bad: fn(usize) -> bool,
    }

    impl Source for Numbers {
        type Sample = u64;
        fn len(&self) -> usize {
            self.len
        }
        fn read(&self, index: usize) -> Result<u64> {
            if (self.bad)(index) { Err(Error::data("numbers", "damaged")) } else { Ok(0) }
        }
        fn draw(&self, index: usize, draw: &mut Stream) -> Result<u64> {
            self.read(index).map(|_| draw.bits())
        }
        fn label(&self, _: usize) -> Option<u32> {
            None
        }
        fn classes(&self) -> &[String] {
            &[]
        }
        fn name(&self, index: usize) -> String {
            index.to_string()
        }
        fn describe(&self) -> String {
            "numbers".into()
        }
    }

    fn run(len: usize, bad: fn(usize) -> bool, threads: usize, first: u64) -> Result<(Vec<Vec<usize>>, Quarantine)> {
        let config = LoaderConfig { seed: 9, batch: 7, first, last: 40, threads, max_bad_fraction: 0.05 };
        let loader = Loader::start(Arc::new(Numbers { len, bad }), config, |_, samples| Ok(samples))?;
        let mut quarantine = Quarantine::default();
        let mut batches = Vec::new();
        for step in first..=40 {
            let prepared = loader.next()?;
            assert_eq!(prepared.step, step);
            quarantine.add(prepared.damaged);
            batches.push(prepared.indices);
        }
        Ok((batches, quarantine))
    }

    #[test]
    fn batches_are_the_same_for_any_number_of_threads_and_from_any_step() {
        let bad: fn(usize) -> bool = |i| i % 50 == 3;
        let (one, quarantine) = run(100, bad, 1, 1).unwrap();
        for threads in [2, 4, 8] {
            assert_eq!(run(100, bad, threads, 1).unwrap(), (one.clone(), quarantine.clone()));
        }
        assert_eq!(run(100, bad, 2, 18).unwrap().0, one[17..]);
        assert_eq!(quarantine.entries().map(|e| e.index).collect::<Vec<_>>(), [3, 53]);
        assert!(one.iter().flatten().all(|i| !bad(*i)));
    }

    #[test]
    fn parts_of_samples_are_drawn_by_step_and_sample_alone() {
        let parts = |threads, first| {
            let config = LoaderConfig { seed: 9, batch: 5, first, last: 40, threads, max_bad_fraction: 0.0 };
            let source = Arc::new(Numbers { len: 10, bad: |_| false });
            let loader = Loader::start(source, config, |_, samples| Ok(samples)).unwrap();
            (first..=40).map(|_| loader.next().unwrap().batch).collect::<Vec<_>>()
        };
        let one = parts(1, 1);
        assert_eq!(parts(4, 1), one);
        assert_eq!(parts(2, 18), one[17..]);
        let all: std::collections::BTreeSet<(usize, u64)> = one.iter().flatten().copied().collect();
        assert_eq!(all.len(), 200, "a sample is another part every time");
    }

    #[test]
    fn a_source_of_damaged_samples_ends_in_the_first_batch() {
        let error = run(1000, |_| true, 2, 1).unwrap_err().to_string();
        assert!(error.contains("could not be read"), "{error}");
    }
}
