//! A thread that reads an event log from the beginning and stays at its end.
//!
//! It survives whatever happens to the file: half a line at the end (left until it is whole), truncation and
//! replacement (reading begins anew), deletion (said, and looked for again), lines that are no events (counted).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::Block;

/// Bytes read at once.
const CHUNK: usize = 4 << 20;
/// Longest line; what is longer is skipped.
const LONGEST: usize = 64 << 20;
/// Messages that may wait for the window; then reading waits too, and memory stays bounded.
const WAITING: usize = 8;
/// Pause at the end of the file.
const PAUSE: Duration = Duration::from_millis(120);

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// The next events, and how much of the file is read by then.
    Events {
        /// The events.
        block: Block,
        /// Bytes read so far.
        read: u64,
        /// Bytes there are.
        of: u64,
    },
    /// The file is another one now: forget everything.
    Anew,
    /// There is no file, or it cannot be read.
    Missing(String),
}

/// The window's side of the thread; dropping it ends the thread.
#[derive(Debug)]
pub struct Tail {
    found: Receiver<Found>,
    stop: Arc<AtomicBool>,
}

impl Tail {
    /// Follows the log of the run in `folder`.
    pub fn follow(folder: &Path, context: &egui::Context) -> Self {
        let (sender, found) = sync_channel(WAITING);
        let stop = Arc::<AtomicBool>::default();
        let reader = Reader {
            path: folder.join("events.jsonl"),
            sender: sender.clone(),
            stop: stop.clone(),
            context: context.clone(),
        };
        if let Err(error) = thread::Builder::new().name("event log".into()).spawn(move || reader.run()) {
            let _ = sender.try_send(Found::Missing(format!("no thread can be started: {error}")));
        }
        Self { found, stop }
    }

    /// The next thing found, if any.
    pub fn next(&self) -> Option<Found> {
        self.found.try_recv().ok()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Reader {
    path: PathBuf,
    sender: SyncSender<Found>,
    stop: Arc<AtomicBool>,
    context: egui::Context,
}

/// The listener has gone.
struct Gone;

impl Reader {
    fn run(self) {
        let mut missing = false;
        while !self.stop.load(Ordering::Relaxed) {
            let file = File::open(&self.path).and_then(|f| Ok((identity(&f.metadata()?), f)));
            let ended = match file {
                Ok((identity, file)) => {
                    missing = false;
                    self.send(Found::Anew).and_then(|()| self.read(file, identity))
                }
                Err(error) if !missing => {
                    missing = true;
                    self.send(Found::Missing(error.to_string()))
                }
                Err(_) => Ok(()),
            };
            if ended.is_err() {
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Reads one file until it is no longer that file.
    fn read(&self, mut file: File, known: Option<(u64, u64)>) -> Result<(), Gone> {
        let (mut offset, mut rest, mut skipping) = (0u64, Vec::new(), false);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Gone);
            }
            // The path may have been given to another file, or the file cut short.
            let now = std::fs::metadata(&self.path).ok();
            let Some(now) = now.filter(|m| identity(m) == known && m.len() >= offset) else { return Ok(()) };
            let seek = file.seek(SeekFrom::Start(offset));
            let before = rest.len();
            if seek.and_then(|_| (&mut file).take(CHUNK as u64).read_to_end(&mut rest)).is_err() {
                return Ok(());
            }
            let got = (rest.len() - before) as u64;
            offset += got;
            let Some(end) = rest.iter().rposition(|b| *b == b'\n').map(|at| at + 1) else {
                if rest.len() > LONGEST {
                    rest.clear();
                    skipping = true;
                }
                if got == 0 {
                    self.send_progress(offset, now.len())?;
                    thread::sleep(PAUSE);
                }
                continue;
            };
            let mut lines = &rest[..end];
            if std::mem::take(&mut skipping) {
                let first = lines.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
                lines = &lines[first..];
            }
            // Who listens takes the last block for the end of the file, and none before it.
            let mut ahead = lines.len() as u64;
            for (block, bytes) in in_parallel(lines) {
                ahead -= bytes as u64;
                self.send(Found::Events { block, read: offset - ahead, of: now.len().max(offset) })?;
            }
            rest.drain(..end);
        }
    }

    /// Says once that the end is reached, so that a window can tell loading from waiting.
    fn send_progress(&self, read: u64, of: u64) -> Result<(), Gone> {
        // Nothing new: no message when one is already waiting, the next round says it.
        match self.sender.try_send(Found::Events { block: Block::default(), read, of }) {
            Ok(()) | Err(std::sync::mpsc::TrySendError::Full(_)) => Ok(()),
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => Err(Gone),
        }
    }

    fn send(&self, found: Found) -> Result<(), Gone> {
        self.sender.send(found).map_err(|_| Gone)?;
        self.context.request_repaint();
        Ok(())
    }
}

/// Blocks of consecutive lines, read on every core, with the bytes of each.
fn in_parallel(lines: &[u8]) -> Vec<(Block, usize)> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(8);
    if lines.len() < 1 << 16 || cores == 1 {
        return vec![(Block::read(lines), lines.len())];
    }
    let (mut parts, mut rest) = (Vec::new(), lines);
    let size = lines.len().div_ceil(cores);
    while !rest.is_empty() {
        let cut = rest.iter().skip(size).position(|b| *b == b'\n').map_or(rest.len(), |at| size + at + 1);
        let (part, after) = rest.split_at(cut.min(rest.len()));
        parts.push(part);
        rest = after;
    }
    thread::scope(|scope| {
        let workers: Vec<_> = parts.iter().map(|part| scope.spawn(|| Block::read(part))).collect();
        workers
            .into_iter()
            .zip(&parts)
            .map(|(worker, part)| (worker.join().unwrap_or_else(|_| Block::read(part)), part.len()))
            .collect()
    })
}

/// Which file this is, where the system tells.
#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> Option<(u64, u64)> {
    None
}
