//! Where a run is carried out, and how it ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::device::Engine;
use crate::probe;
use crate::runlog::RunState;

/// Where and how a run is carried out; nothing here changes what is computed but `replicas`, and that only by rounding.
#[derive(Debug, Clone)]
pub struct Session {
    /// Id of the variant in the registry.
    pub variant: String,
    /// Run folder.
    pub out: PathBuf,
    /// Continue the run in that folder.
    pub resume: bool,
    /// A run or imported weights whose networks, and optimiser state where there is any, a new run begins with.
    pub from: Option<PathBuf>,
    /// Where tensors live.
    pub engine: Engine,
    /// Preset the configuration began from.
    pub preset: String,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Set from outside to end the run after the current step.
    pub stop: Arc<AtomicBool>,
    /// Whether to probe the encoder when all steps are done.
    pub probes: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Run folder.
    pub out: PathBuf,
    /// Steps done.
    pub step: u64,
    /// Finished or interrupted.
    pub state: RunState,
    /// Probes, when it finished.
    pub probes: Option<probe::ProbeTable>,
}

/// One replica a core on the CPU, one elsewhere.
pub fn default_replicas(engine: &Engine) -> usize {
    if engine.is_cpu() { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 }
}
