//! The run folder: what the trainer writes and everybody else only reads.
//!
//! ```text
//! runs/<id>/  config.toml  run.json  events.jsonl (one event a line, append only)  quarantine.jsonl
//!             checkpoints/step-000001200/{student,target,optimizer}.safetensors, state.json, manifest.json
//!             samples/{pictures,step-000000200}.safetensors (what is made of a few samples)
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::collapse::{Alarm, Diagnostics};
use crate::data::QuarantineEntry;
use crate::error::{Error, Result};
use crate::probe::ProbeTable;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// Training begins or goes on.
    Start {
        /// First step that will be computed.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// What is trained on, in words.
        data: String,
        /// Trained parameters.
        parameters: usize,
        /// Engine and replicas, in words.
        engine: String,
    },
    /// A step was computed.
    Step {
        /// Its number, from 1.
        step: u64,
        /// The total loss.
        loss: f64,
        /// Loss terms and figures of the batch.
        terms: BTreeMap<String, f64>,
        /// Learning rate.
        lr: f64,
        /// Weight decay.
        decay: f64,
        /// EMA momentum.
        momentum: f64,
        /// Global gradient norm.
        grad_norm: f64,
        /// Samples a second over the last steps.
        rate: f64,
    },
    /// Collapse figures of the target encoder.
    Collapse {
        /// After which step.
        step: u64,
        /// The figures.
        figures: Diagnostics,
    },
    /// The embeddings have begun to collapse.
    Alarm {
        /// After which step.
        step: u64,
        /// What, why, and what to do.
        alarm: Alarm,
    },
    /// What the probe that learns beside the run says of the samples since it spoke last.
    Online {
        /// After which step.
        step: u64,
        /// Accuracy in percent, each batch judged before it was learned from.
        accuracy: f64,
        /// Mean cross-entropy.
        loss: f64,
        /// Samples.
        samples: u64,
    },
    /// Something a person should know; the run goes on.
    Warning {
        /// At which step.
        step: u64,
        /// In words.
        message: String,
    },
    /// A sample could not be read.
    Quarantine(QuarantineEntry),
    /// A checkpoint is complete.
    Checkpoint {
        /// After which step.
        step: u64,
        /// Its folder.
        path: PathBuf,
    },
    /// Probes of the finished run.
    Probes {
        /// After which step.
        step: u64,
        /// Trained, untrained and raw figures.
        table: ProbeTable,
    },
    /// The run ended.
    End {
        /// After which step.
        step: u64,
        /// How.
        state: RunState,
    },
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// A process is working on it, or died without a word.
    Running,
    /// All steps done.
    Finished,
    /// Stopped on request; can be resumed.
    Interrupted,
    /// Ended with an error.
    Failed,
    /// Weights of another project, never trained here.
    Imported,
}

/// Somebody who watches a run: the terminal, a window.
pub trait Observer {
    /// Called for every event, from the training thread.
    fn event(&mut self, event: &Event);
}

/// Watches nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

/// `run.json`: what a person needs to know what this folder is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Variant id.
    pub variant: String,
    /// Preset it began from.
    pub preset: String,
    /// Version of this library.
    pub version: String,
    /// Engine name.
    pub engine: String,
    /// Replicas.
    pub replicas: usize,
    /// Seed.
    pub seed: u64,
    /// How it stands.
    pub state: RunState,
    /// The command that began it.
    pub command: Vec<String>,
    /// The run or imported weights it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Seconds since 1970 at the beginning.
    pub started: u64,
}

/// A line of the log: an event and when it happened, in seconds since 1970.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    time: f64,
}

/// A run folder held for writing.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    events: File,
    /// The operating system's lock; it falls with the process, whatever way that ends.
    _lock: File,
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl RunFolder {
    /// Creates the folder of a new run; one that already holds a run is refused.
    pub fn create(path: &Path, config: &str, info: &RunInfo) -> Result<Self> {
        if path.join("run.json").exists() {
            return Err(Error::config(
                path.display().to_string(),
                "there is already a run in this folder: add --resume to continue it, or choose another --out",
            ));
        }
        std::fs::create_dir_all(path.join("checkpoints")).map_err(Error::io("create", path))?;
        let folder = Self::hold(path)?;
        write(&path.join("config.toml"), config.as_bytes())?;
        folder.set_info(info)?;
        Ok(folder)
    }

    /// Opens the folder of a run to continue it.
    pub fn resume(path: &Path) -> Result<Self> {
        if !path.join("run.json").is_file() {
            return Err(Error::config(path.display().to_string(), "there is no run in this folder to resume"));
        }
        Self::hold(path)
    }

    fn hold(path: &Path) -> Result<Self> {
        let place = path.join("lock");
        let lock = File::create(&place).map_err(Error::io("create", &place))?;
        lock.try_lock()
            .map_err(|_| Error::config(path.display().to_string(), "another process is training in this folder"))?;
        let place = path.join("events.jsonl");
        let events = OpenOptions::new().create(true).append(true).open(&place).map_err(Error::io("open", &place))?;
        Ok(Self { path: path.to_owned(), events, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where checkpoints lie.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Rewrites `run.json`.
    pub fn set_info(&self, info: &RunInfo) -> Result<()> {
        let text = serde_json::to_vec_pretty(info).map_err(|e| Error::Engine(e.to_string()))?;
        write(&self.path.join("run.json"), &text)
    }

    /// Appends an event. A log that cannot be written is no reason to lose a run: it is said once a run, on the log.
    pub fn log(&mut self, event: &Event) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_millis() as f64 / 1e3);
        let Ok(mut line) = serde_json::to_vec(&Line { event, time }) else { return };
        line.push(b'\n');
        if let Err(error) = self.events.write_all(&line) {
            tracing::warn!("cannot append to `{}`: {error}", self.path.join("events.jsonl").display());
        }
    }

    /// Writes a file beside the others, atomically.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.path.join(name), bytes)
    }
}

/// Writes a small file by way of a scratch file, so that a reader never sees half of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut scratch = tempfile::NamedTempFile::new_in(folder).map_err(Error::io("write into", folder))?;
    scratch.write_all(bytes).map_err(Error::io("write", path))?;
    scratch.as_file().sync_all().map_err(Error::io("write", path))?;
    scratch.persist(path).map_err(|e| Error::io("write", path)(e.error))?;
    Ok(())
}

/// Reads `run.json`.
pub fn read_info(run: &Path) -> Result<RunInfo> {
    let path = run.join("run.json");
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    serde_json::from_slice(&text).map_err(|e| Error::format(&path, format!("not a run description: {e}")))
}

/// Reads the events of a run, live or finished. A last line that is still being written is left out; lines of a newer
/// version that this one does not know are too.
pub fn read_events(run: &Path) -> Result<Vec<Event>> {
    let path = run.join("events.jsonl");
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let complete = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    Ok(text[..complete].split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> RunInfo {
        RunInfo {
            variant: "v".into(),
            preset: "p".into(),
            version: "0".into(),
            engine: "cpu".into(),
            replicas: 1,
            seed: 0,
            state: RunState::Running,
            command: vec![],
            from: None,
            started: 0,
        }
    }

    #[test]
    fn any_prefix_of_a_log_reads_as_the_events_completed_by_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let mut run = RunFolder::create(&path, "", &info()).unwrap();
        for step in 0..5 {
            run.log(&Event::Warning { step, message: "x\ny".into() });
        }
        let whole = std::fs::read(path.join("events.jsonl")).unwrap();
        for end in 0..=whole.len() {
            std::fs::write(path.join("events.jsonl"), &whole[..end]).unwrap();
            let lines = whole[..end].iter().filter(|b| **b == b'\n').count();
            assert_eq!(read_events(&path).unwrap().len(), lines);
        }
    }

    #[test]
    fn two_trainers_in_one_folder_are_refused_and_a_second_new_run_too() {
        let folder = tempfile::tempdir().unwrap();
        let held = RunFolder::create(folder.path(), "", &info()).unwrap();
        assert!(RunFolder::resume(folder.path()).unwrap_err().to_string().contains("another process"));
        drop(held);
        assert!(RunFolder::resume(folder.path()).is_ok());
        assert!(RunFolder::create(folder.path(), "", &info()).unwrap_err().to_string().contains("--resume"));
    }
}
