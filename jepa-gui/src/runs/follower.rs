//! A run that is being looked at: its history as it grows, and how far reading is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Found, History, Tail};

/// How reading stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Nothing has arrived yet.
    Opening,
    /// So much of the file is read, 0 to 1.
    Loading(f32),
    /// At the end of the file.
    Live,
    /// There is no file: why.
    Missing(String),
}

/// Follows one run.
#[derive(Debug)]
pub struct Follower {
    /// The run folder.
    pub folder: PathBuf,
    /// What it has said so far.
    pub history: History,
    /// How reading stands.
    pub reading: Reading,
    /// When the last event arrived.
    pub heard: Option<Instant>,
    tail: Tail,
}

/// Time a frame may spend taking in what was read.
const BUDGET: Duration = Duration::from_millis(5);

impl Follower {
    /// Begins to follow a run.
    pub fn new(folder: &Path, context: &egui::Context) -> Self {
        Self {
            folder: folder.to_owned(),
            history: History::default(),
            reading: Reading::Opening,
            heard: None,
            tail: Tail::follow(folder, context),
        }
    }

    /// Takes in what was read, as much as a frame has time for. Returns whether anything changed.
    pub fn poll(&mut self, context: &egui::Context) -> bool {
        let clock = Instant::now();
        let mut changed = false;
        while let Some(found) = self.tail.next() {
            match found {
                Found::Events { block, read, of } => {
                    if block != super::Block::default() {
                        self.history.extend(&block);
                        self.heard = Some(Instant::now());
                        changed = true;
                    }
                    let now = if read >= of { Reading::Live } else { Reading::Loading(read as f32 / of.max(1) as f32) };
                    changed |= self.reading != now;
                    self.reading = now;
                }
                Found::Anew => {
                    self.history = self.history.anew();
                    changed = true;
                }
                Found::Missing(why) => {
                    self.reading = Reading::Missing(why);
                    changed = true;
                }
            }
            if clock.elapsed() > BUDGET {
                context.request_repaint();
                break;
            }
        }
        changed
    }
}

/// The runs that are being looked at by any screen.
#[derive(Debug, Default)]
pub struct Followers {
    all: Vec<(Follower, Instant)>,
}

/// A run that nobody has looked at for so long is let go.
const LET_GO: Duration = Duration::from_secs(60);

impl Followers {
    /// The run in `folder`; following begins with the first call.
    pub fn look(&mut self, folder: &Path, context: &egui::Context) -> &Follower {
        let at = self.all.iter().position(|(follower, _)| follower.folder == folder).unwrap_or_else(|| {
            self.all.push((Follower::new(folder, context), Instant::now()));
            self.all.len() - 1
        });
        let (follower, looked) = &mut self.all[at];
        *looked = Instant::now();
        follower
    }

    /// A run that is already followed.
    pub fn get(&self, folder: &Path) -> Option<&Follower> {
        self.all.iter().map(|(follower, _)| follower).find(|follower| follower.folder == folder)
    }

    /// Takes in what was read of every run.
    pub fn poll(&mut self, context: &egui::Context) {
        self.all.retain(|(_, looked)| looked.elapsed() < LET_GO);
        for (follower, _) in &mut self.all {
            follower.poll(context);
        }
    }
}
