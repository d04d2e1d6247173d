//! A question that is answered in the background: the newest one counts, and one is worked on at a time.

use crate::jobs::{Job, Update, Worker};

/// The answer to the last question, and the work on the next.
#[derive(Debug)]
pub struct Ask<K, T> {
    asked: Option<K>,
    job: Option<Job<T>>,
    answer: Option<(K, Result<T, String>)>,
    /// Grows with every answer: what was made of an older one is stale.
    pub revision: u64,
}

impl<K, T> Default for Ask<K, T> {
    fn default() -> Self {
        Self { asked: None, job: None, answer: None, revision: 0 }
    }
}

impl<K: Clone + PartialEq, T: Send + 'static> Ask<K, T> {
    /// Asks, unless the same was asked last. While another question is worked on nothing happens: call it again.
    pub fn want(
        &mut self,
        key: &K,
        context: &egui::Context,
        title: &str,
        work: impl FnOnce(&Worker<T>) -> Result<T, String> + Send + 'static,
    ) {
        if self.asked.as_ref() == Some(key) || self.is_running() {
            return;
        }
        self.asked = Some(key.clone());
        self.job = Some(Job::start(title, context, work));
    }

    /// Takes what was found. Returns whether there is something new.
    pub fn poll(&mut self) -> bool {
        let before = self.revision;
        while let Some(update) = self.job.as_mut().and_then(Job::poll) {
            let result = match update {
                Update::Partial(value) | Update::Done(value) => Ok(value),
                Update::Failed(problem) => Err(problem),
            };
            if let Some(key) = &self.asked {
                self.answer = Some((key.clone(), result));
                self.revision += 1;
            }
        }
        self.revision != before
    }

    /// What was found last, to whatever question.
    pub fn last(&self) -> Option<&T> {
        self.answer.as_ref()?.1.as_ref().ok()
    }

    /// The question that was answered last.
    pub fn asked(&self) -> Option<&K> {
        self.answer.as_ref().map(|(key, _)| key)
    }

    /// Why there is no answer to the last question.
    pub fn problem(&self) -> Option<&str> {
        self.answer.as_ref()?.1.as_ref().err().map(String::as_str)
    }

    /// The answer to this question, if it is there.
    pub fn to(&self, key: &K) -> Option<Result<&T, &str>> {
        let (known, answer) = self.answer.as_ref()?;
        (known == key).then(|| answer.as_ref().map_err(String::as_str))
    }

    /// Whether something is worked on.
    pub fn is_running(&self) -> bool {
        self.job.as_ref().is_some_and(Job::is_running)
    }

    /// How far the work is.
    pub fn progress(&self) -> crate::jobs::Progress {
        self.job.as_ref().map(Job::progress).unwrap_or_default()
    }

    /// Forgets everything, so that the same question is asked again.
    pub fn forget(&mut self) {
        *self = Self { revision: self.revision + 1, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn wait(ask: &mut Ask<u32, u32>) {
        let clock = Instant::now();
        while !ask.poll() {
            assert!(clock.elapsed() < Duration::from_secs(20), "nothing arrived");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn one_question_at_a_time_and_each_once() {
        let context = egui::Context::default();
        let mut ask = Ask::<u32, u32>::default();
        ask.want(&3, &context, "asks", |_| Ok(9));
        ask.want(&4, &context, "is not asked yet", |_| Ok(16));
        wait(&mut ask);
        assert_eq!((ask.to(&3), ask.to(&4), ask.last()), (Some(Ok(&9)), None, Some(&9)));
        ask.want(&3, &context, "is known", |_| Err("again".into()));
        assert!(!ask.is_running());
        ask.want(&4, &context, "fails", |_| Err("no such".into()));
        wait(&mut ask);
        assert_eq!((ask.to(&4), ask.problem(), ask.last()), (Some(Err("no such")), Some("no such"), None));
        ask.forget();
        assert!(ask.problem().is_none());
    }
}
