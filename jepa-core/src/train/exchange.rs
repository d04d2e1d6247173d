//! Sums over all replicas of a step, in the middle of a forward or backward pass.
//!
//! Whatever needs statistics of the whole batch while a graph is being built (batch normalisation) adds up its numbers
//! here, in replica order, so that the number of replicas changes the speed and never the result.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// One replica's place in the meeting of all.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    shared: Option<Arc<Meeting>>,
    rank: usize,
}

/// Says on drop that a replica is done, so that nobody waits for one that failed.
#[derive(Debug)]
pub(crate) struct Member(Option<Exchange>);

impl Member {
    /// Well so far: another guard watches over what follows.
    pub(crate) fn stay(mut self) {
        self.0 = None;
    }
}

/// What a replica ends with when another one failed before it came to a meeting.
pub(super) struct Abandoned;

#[derive(Debug)]
struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    parts: Vec<Option<Vec<f64>>>,
    sum: Arc<Vec<f64>>,
    round: u64,
    gone: bool,
}

impl Exchange {
    /// The places of a meeting of `count`.
    pub(crate) fn group(count: usize) -> Vec<Self> {
        if count == 1 {
            return vec![Self::default()];
        }
        let state = State { parts: vec![None; count], sum: Arc::default(), round: 0, gone: false };
        let shared = Arc::new(Meeting { state: Mutex::new(state), changed: Condvar::new() });
        (0..count).map(|rank| Self { shared: Some(shared.clone()), rank }).collect()
    }

    /// A guard that tells the others when this replica ends.
    pub(crate) fn member(&self) -> Member {
        Member(Some(self.clone()))
    }

    /// Replaces `values` by their sums over all replicas. Every replica must come with as many values; it waits for
    /// the others.
    pub fn sum(&self, values: &mut [f64]) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        let round = state.round;
        state.parts[self.rank] = Some(values.to_vec());
        if state.parts.iter().all(Option::is_some) {
            let mut sum = vec![0.0; values.len()];
            for part in &mut state.parts {
                sum.iter_mut().zip(part.take().unwrap_or_default()).for_each(|(s, v)| *s += v);
            }
            state.sum = Arc::new(sum);
            state.round += 1;
            shared.changed.notify_all();
        }
        // Nobody can end a further round before everyone has left this one: it needs a part from each.
        while state.round == round {
            if state.gone {
                drop(state);
                std::panic::resume_unwind(Box::new(Abandoned));
            }
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        values.copy_from_slice(&state.sum);
    }
}

impl Meeting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(shared) = self.0.as_ref().and_then(|place| place.shared.as_ref()) {
            shared.lock().gone = true;
            shared.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_gets_the_sum_in_every_round() {
        let places = Exchange::group(3);
        std::thread::scope(|scope| {
            for (rank, place) in places.into_iter().enumerate() {
                scope.spawn(move || {
                    for round in 0..200 {
                        let mut values = [rank as f64, round as f64];
                        place.sum(&mut values);
                        assert_eq!(values, [3.0, 3.0 * round as f64]);
                    }
                });
            }
        });
        let mut values = [7.0];
        Exchange::default().sum(&mut values);
        assert_eq!(values, [7.0]);
    }

    #[test]
    fn nobody_waits_for_a_replica_that_is_gone() {
        let [first, second]: [Exchange; 2] = Exchange::group(2).try_into().unwrap();
        drop(second.member());
        let ended = std::panic::catch_unwind(|| first.sum(&mut [1.0]));
        assert!(ended.unwrap_err().is::<Abandoned>());
    }
}
