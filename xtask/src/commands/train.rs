use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use jepa_core::plugin::{self, Settings, TrainRequest};
use jepa_core::runlog::RunState;
use jepa_core::{Error, Result};

use super::{DeviceArg, SettingsArgs, command_line, print_json};
use crate::terminal::Progress;

/// Exit code of a run that was stopped on request.
const INTERRUPTED: u8 = 130;

#[derive(Args)]
pub(crate) struct Train {
    /// Variant, as `cargo xtask variants` lists them
    variant: String,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    device: DeviceArg,
    /// Run folder; the default is a new one under runs/
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue the run in --out, or the newest unfinished one
    #[arg(long)]
    resume: bool,
    /// Begin a new run with the weights, and the optimiser state where there is any, of a run or of imported weights, as a
    /// cooldown does; the configuration stays the one that is given here
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    from: Option<PathBuf>,
    /// Do not probe the encoder at the end
    #[arg(long)]
    no_probes: bool,
    /// Print the outcome as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Train {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let plugin = plugin::find(&self.variant)?;
        let stop = stop_on_signals()?;
        let request = TrainRequest {
            settings: Settings { from: self.from, ..self.settings.into() },
            out: self.out,
            resume: self.resume,
            engine: self.device.open()?,
            command: command_line(),
            stop,
            probes: !self.no_probes,
        };
        let mut progress = Progress::default();
        let outcome = plugin.train(&request, &mut progress)?;
        progress.finish();
        if self.json {
            print_json(&serde_json::json!({
                "out": outcome.out, "step": outcome.step, "state": outcome.state, "probes": outcome.probes,
            }))?;
        }
        if outcome.state == RunState::Interrupted {
            eprintln!(
                "stopped after step {} and saved; go on with: cargo xtask train {} --resume --out {}",
                outcome.step,
                self.variant,
                outcome.out.display()
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
        eprintln!("run folder: {}", outcome.out.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// A flag that SIGINT and SIGTERM set. A second signal ends the process at once; the last checkpoint stays.
pub(super) fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let failed = |e: std::io::Error| Error::Engine(format!("cannot listen for signals: {e}"));
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), stop.clone())
            .map_err(failed)?;
        signal_hook::flag::register(signal, stop.clone()).map_err(failed)?;
    }
    Ok(stop)
}
