//! Work in a thread: progress, partial results, cancelling. A frame never waits for any of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Titles of the work that has not ended, in the order it began.
static AT_WORK: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Titles of the work that goes on in this process, in the order it began; that of dropped jobs too, until it ends.
pub fn at_work() -> Vec<String> {
    AT_WORK.lock().map(|titles| titles.clone()).unwrap_or_default()
}

/// Partial results that may wait for the window; a worker that is faster drops what comes between.
const WAITING: usize = 4;

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// 0 to 1; absent where nobody can tell.
    pub fraction: Option<f32>,
    /// What is being done, such as "iteration 120 of 1000".
    pub text: String,
}

/// What a job says to the window.
#[derive(Debug)]
pub enum Update<T> {
    /// A result that will be followed by better ones.
    Partial(T),
    /// The last word.
    Done(T),
    /// Why there is no result, in a sentence for people.
    Failed(String),
}

/// Work in a thread of its own. Dropping it cancels the work.
#[derive(Debug)]
pub struct Job<T> {
    /// What is being done, as a title.
    pub title: String,
    updates: Receiver<Update<T>>,
    cancel: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
    running: bool,
}

/// The worker's side of a [`Job`].
#[derive(Debug)]
pub struct Worker<T> {
    updates: SyncSender<Update<T>>,
    cancel: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
    context: egui::Context,
}

/// A title in the list of what is at work, for as long as this lives.
struct Entry(String);

impl Entry {
    fn of(title: &str) -> Self {
        if let Ok(mut titles) = AT_WORK.lock() {
            titles.push(title.to_owned());
        }
        Self(title.to_owned())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Ok(mut titles) = AT_WORK.lock()
            && let Some(at) = titles.iter().position(|title| *title == self.0)
        {
            titles.remove(at);
        }
    }
}

impl<T: Send + 'static> Job<T> {
    /// Starts `work`. Its error is shown to a person. A panic inside is an error too.
    pub fn start(
        title: impl Into<String>,
        context: &egui::Context,
        work: impl FnOnce(&Worker<T>) -> Result<T, String> + Send + 'static,
    ) -> Self {
        let (sender, updates) = sync_channel(WAITING);
        let (cancel, progress) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Progress>>::default());
        let title = title.into();
        let worker = Worker {
            updates: sender.clone(),
            cancel: cancel.clone(),
            progress: progress.clone(),
            context: context.clone(),
        };
        let repaint = context.clone();
        let entry = Entry::of(&title);
        let body = move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&worker)));
            let last = match result {
                Ok(Ok(value)) => Update::Done(value),
                Ok(Err(problem)) => Update::Failed(problem),
                Err(panic) => Update::Failed(format!("this is a fault of the program: {}", said(panic.as_ref()))),
            };
            // Nobody listens any more when the job was dropped; there is nothing left to tell.
            let _ = worker.updates.send(last);
            drop(entry);
            repaint.request_repaint();
        };
        if let Err(error) = thread::Builder::new().name(title.clone()).spawn(body) {
            let _ = sender.try_send(Update::Failed(format!("no thread can be started: {error}")));
        }
        Self { title, updates, cancel, progress, running: true }
    }

    /// The next thing the job has to say, if any; call it in a loop once a frame.
    pub fn poll(&mut self) -> Option<Update<T>> {
        if !self.running {
            return None;
        }
        match self.updates.try_recv() {
            Ok(update) => {
                self.running = matches!(update, Update::Partial(_));
                Some(update)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.running = false;
                Some(Update::Failed("the work ended without a word".to_owned()))
            }
        }
    }

    /// Whether more is to come.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.lock().map(|p| p.clone()).unwrap_or_default()
    }

    /// Asks it to end soon. What it had found by then still arrives if it chooses to return it.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

impl<T> Worker<T> {
    /// Whether somebody wants this to end: ask now and then, and return early.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Says how far the work is.
    pub fn progress(&self, fraction: impl Into<Option<f32>>, text: impl Into<String>) {
        if let Ok(mut progress) = self.progress.lock() {
            *progress = Progress { fraction: fraction.into(), text: text.into() };
        }
        self.context.request_repaint();
    }

    /// Shows a result that better ones will follow. Dropped when the window has not taken the last ones yet: it is
    /// never worth waiting for. Returns whether it was taken.
    pub fn publish(&self, partial: T) -> bool {
        let taken = self.updates.try_send(Update::Partial(partial)).is_ok();
        if taken {
            self.context.request_repaint();
        }
        taken
    }
}

/// The message of a panic, where it has one.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn wait<T: Send + 'static>(job: &mut Job<T>) -> Update<T> {
        let clock = Instant::now();
        loop {
            if let Some(update) = job.poll() {
                return update;
            }
            assert!(clock.elapsed() < Duration::from_secs(20), "nothing arrived");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_result_and_an_error_arrive_once() {
        let context = egui::Context::default();
        let mut job = Job::start("adds", &context, |_| Ok(1 + 1));
        assert!(matches!(wait(&mut job), Update::Done(2)));
        assert!(!job.is_running() && job.poll().is_none());
        let mut job = Job::<()>::start("fails", &context, |_| Err("no such file".into()));
        assert!(matches!(wait(&mut job), Update::Failed(problem) if problem == "no such file"));
    }

    #[test]
    fn what_is_at_work_is_listed_until_it_has_given_its_last_word() {
        let (title, listed) = ("waits to be let go", || at_work().iter().any(|title| title == "waits to be let go"));
        let (go, wait_for_it) = std::sync::mpsc::channel::<()>();
        let mut job =
            Job::start(title, &egui::Context::default(), move |_| wait_for_it.recv().map_err(|e| e.to_string()));
        assert!(listed());
        go.send(()).unwrap();
        assert!(matches!(wait(&mut job), Update::Done(())));
        let clock = Instant::now();
        while listed() {
            assert!(clock.elapsed() < Duration::from_secs(20), "it stays listed");
            thread::yield_now();
        }
    }

    #[test]
    fn a_panic_is_an_error_and_not_the_end_of_the_program() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut job = Job::<()>::start("panics", &egui::Context::default(), |_| panic!("index 7"));
        let update = wait(&mut job);
        std::panic::set_hook(hook);
        assert!(matches!(update, Update::Failed(problem) if problem.contains("index 7")));
    }

    #[test]
    fn a_worker_is_never_held_up_by_a_window_that_does_not_look_and_ends_when_it_is_dropped() {
        let (sender, ended) = std::sync::mpsc::channel();
        let job = Job::<u32>::start("counts", &egui::Context::default(), move |worker| {
            let mut published = 0;
            while !worker.is_cancelled() {
                published += u32::from(!worker.publish(published));
                worker.progress(0.5, "counting");
            }
            sender.send(published).map_err(|e| e.to_string())?;
            Ok(published)
        });
        while job.progress().text.is_empty() {
            thread::yield_now();
        }
        drop(job);
        ended.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}
