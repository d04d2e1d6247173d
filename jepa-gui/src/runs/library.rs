//! The list of runs: a thread looks into the folder of runs once a second.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use jepa_core::runlog::{self, RunInfo, RunState};

use super::{Latest, holder};

/// How a run stands, as far as can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A process trains in it now.
    Running,
    /// It says that it is running, and nobody is: the process died. It can be resumed.
    Died,
    /// All steps done.
    Finished,
    /// Stopped on request; can be resumed.
    Interrupted,
    /// Ended with an error; can be resumed when the cause is removed.
    Failed,
    /// Weights of another project.
    Imported,
}

impl Standing {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Died => "died",
            Self::Finished => "finished",
            Self::Interrupted => "stopped",
            Self::Failed => "failed",
            Self::Imported => "imported",
        }
    }

    /// Whether `--resume` makes sense.
    pub const fn can_resume(self) -> bool {
        matches!(self, Self::Died | Self::Interrupted | Self::Failed)
    }
}

/// A run in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its folder.
    pub path: PathBuf,
    /// The folder's name.
    pub name: String,
    /// `run.json`.
    pub info: RunInfo,
    /// How it stands.
    pub standing: Standing,
    /// `config.toml`; empty when it cannot be read.
    pub config: String,
    /// Where it is.
    pub latest: Option<Latest>,
}

/// The runs that are known, newest first.
#[derive(Debug)]
pub struct Library {
    /// Folder of runs.
    pub folder: PathBuf,
    /// The runs.
    pub runs: Vec<RunSummary>,
    /// Why the folder cannot be read; none when it can, or when it does not exist yet.
    pub problem: Option<String>,
    /// Whether the folder has been looked into yet.
    pub looked: bool,
    found: Option<Receiver<(Vec<RunSummary>, Option<String>)>>,
}

impl Library {
    /// Begins to watch a folder of runs.
    pub fn watch(folder: &Path, context: &egui::Context) -> Self {
        let (sender, found) = sync_channel(1);
        let (path, context) = (folder.to_owned(), context.clone());
        let work = move || {
            let (mut cache, mut last) = (Cache::default(), None);
            loop {
                let now = list(&path, &mut cache);
                if last.as_ref() != Some(&now) {
                    match sender.try_send(now.clone()) {
                        Ok(()) => {
                            last = Some(now);
                            context.request_repaint();
                        }
                        Err(TrySendError::Full(_)) => {}
                        Err(TrySendError::Disconnected(_)) => return,
                    }
                }
                thread::sleep(Duration::from_millis(700));
            }
        };
        let problem = thread::Builder::new().name("runs".into()).spawn(work).err();
        Self {
            folder: folder.to_owned(),
            runs: Vec::new(),
            problem: problem.map(|e| format!("no thread can be started: {e}")),
            looked: false,
            found: Some(found),
        }
    }

    /// A list that is given, for tests and pictures.
    pub fn of(folder: &Path, runs: Vec<RunSummary>) -> Self {
        Self { folder: folder.to_owned(), runs, problem: None, looked: true, found: None }
    }

    /// Takes the newest list. Returns whether it changed.
    pub fn poll(&mut self) -> bool {
        let Some((runs, problem)) = self.found.as_ref().and_then(|found| found.try_iter().last()) else { return false };
        (self.runs, self.problem, self.looked) = (runs, problem, true);
        true
    }

    /// A run by its folder.
    pub fn get(&self, path: &Path) -> Option<&RunSummary> {
        self.runs.iter().find(|run| run.path == path)
    }
}

/// What was read of runs.
type Cache = BTreeMap<PathBuf, Known>;

/// What was read of a run: its two files, valid while they have not changed, and its log, while it has not grown.
#[derive(Debug, Clone)]
struct Known {
    changed: Option<SystemTime>,
    info: RunInfo,
    config: String,
    logged: u64,
    latest: Option<Latest>,
}

fn list(folder: &Path, cache: &mut Cache) -> (Vec<RunSummary>, Option<String>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Vec::new(), None),
        Err(error) => return (Vec::new(), Some(format!("`{}` cannot be read: {error}", folder.display()))),
    };
    let mut runs: Vec<RunSummary> = entries.filter_map(|entry| summary(&entry.ok()?.path(), cache)).collect();
    runs.sort_by(|a, b| (b.info.started, &b.name).cmp(&(a.info.started, &a.name)));
    cache.retain(|path, _| runs.iter().any(|run| run.path == *path));
    (runs, None)
}

fn summary(path: &Path, cache: &mut Cache) -> Option<RunSummary> {
    let changed = std::fs::metadata(path.join("run.json")).ok()?.modified().ok();
    let mut known = match cache.remove(path).filter(|known| known.changed.is_some() && known.changed == changed) {
        Some(known) => known,
        None => {
            let info = runlog::read_info(path).ok()?;
            let config = std::fs::read_to_string(path.join("config.toml")).unwrap_or_default();
            Known { changed, info, config, logged: 0, latest: None }
        }
    };
    let log = path.join("events.jsonl");
    let logged = std::fs::metadata(&log).map_or(0, |log| log.len());
    if logged != known.logged {
        (known.logged, known.latest) = (logged, Latest::read(&log));
    }
    let Known { info, config, latest, .. } = known.clone();
    cache.insert(path.to_owned(), known);
    let standing = match info.state {
        RunState::Running if holder(path).is_some() || recently_written(path) => Standing::Running,
        RunState::Running => Standing::Died,
        RunState::Finished => Standing::Finished,
        RunState::Interrupted => Standing::Interrupted,
        RunState::Failed => Standing::Failed,
        RunState::Imported => Standing::Imported,
    };
    Some(RunSummary { name: crate::shared::name_of(path), path: path.to_owned(), info, standing, config, latest })
}

/// Where the holder of a lock is not known, a log that grew in the last minute means somebody is there.
fn recently_written(path: &Path) -> bool {
    if cfg!(target_os = "linux") {
        return false;
    }
    let written = std::fs::metadata(path.join("events.jsonl")).and_then(|m| m.modified());
    written.ok().and_then(|at| at.elapsed().ok()).is_some_and(|age| age < Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(state: RunState, started: u64) -> RunInfo {
        RunInfo {
            variant: "v".into(),
            preset: "p".into(),
            version: "0".into(),
            engine: "cpu".into(),
            replicas: 1,
            seed: 0,
            state,
            command: vec![],
            from: None,
            started,
        }
    }

    #[test]
    fn runs_are_listed_newest_first_and_foreign_folders_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for (name, state, started) in
            [("a", RunState::Finished, 5), ("b", RunState::Running, 9), ("c", RunState::Interrupted, 7)]
        {
            let path = folder.path().join(name);
            drop(runlog::RunFolder::create(&path, "x = 1", &info(state, started)).unwrap());
        }
        std::fs::create_dir(folder.path().join("foreign")).unwrap();
        std::fs::create_dir(folder.path().join("broken")).unwrap();
        std::fs::write(folder.path().join("broken/run.json"), "{").unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        let mut cache = Cache::default();
        for _ in 0..2 {
            let (runs, problem) = list(folder.path(), &mut cache);
            let found: Vec<(&str, Standing)> = runs.iter().map(|r| (r.name.as_str(), r.standing)).collect();
            assert_eq!(found, [("b", Standing::Died), ("c", Standing::Interrupted), ("a", Standing::Finished)]);
            assert_eq!((problem, runs[0].config.as_str()), (None, "x = 1"));
        }
        let held = runlog::RunFolder::resume(&folder.path().join("b")).unwrap();
        if holder(&folder.path().join("b")).is_some() {
            assert_eq!(list(folder.path(), &mut cache).0[0].standing, Standing::Running);
        }
        drop(held);
        assert_eq!(list(&folder.path().join("none"), &mut cache), (vec![], None));
        assert!(list(&folder.path().join("file"), &mut cache).1.is_some());
    }
}
