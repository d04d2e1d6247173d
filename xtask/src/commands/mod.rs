//! One command a file.

mod bench;
mod chaos;
mod check;
mod compare;
mod embed;
mod export;
mod gui;
mod import;
mod new;
mod probe;
mod train;
mod variants;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jepa_core::Result;
use jepa_core::device::Engine;
use jepa_core::plugin::Settings;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Train a variant, then probe it
    Train(train::Train),
    /// List the registered variants and their presets
    Variants(variants::Variants),
    /// Score frozen features: k-NN, linear, low-shot
    Probe(probe::Probe),
    /// Write frozen features of a data set to a file
    Embed(embed::Embed),
    /// Read weights of other projects into a run folder
    Import(import::Import),
    /// Write the target encoder in another project's layout
    Export(export::Export),
    /// Measure speed and memory
    Bench(bench::Bench),
    /// Train variants on equal terms: tables and pictures of accuracy against compute
    Compare(compare::Compare),
    /// Open the desktop app
    Gui(gui::Gui),
    /// Write a new modality crate that compiles, trains and is listed
    New(new::New),
    /// Format, lints, documentation, tests, conformance: what CI runs
    Check(check::Check),
    /// Kill training runs at random moments and compare what they resume to
    Chaos(chaos::Chaos),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Train(command) => command.run(),
            Self::Variants(command) => command.run(),
            Self::Probe(command) => command.run(),
            Self::Embed(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::Export(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Compare(command) => command.run(),
            Self::Gui(command) => command.run(),
            Self::New(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Chaos(command) => command.run(),
        }
    }
}

/// Flags that choose an engine.
#[derive(Args, Clone)]
pub(crate) struct DeviceArg {
    /// Engine: auto, cpu, and what the binary was built with (cuda:0, vulkan:0, wgpu:0, tch:cpu, tch:cuda:0)
    #[arg(long, default_value = "auto", value_name = "ENGINE")]
    device: String,
}

impl DeviceArg {
    pub(crate) fn open(&self) -> Result<Engine> {
        Engine::open(&self.device)
    }
}

/// Flags that make a configuration.
#[derive(Args, Clone)]
pub(crate) struct SettingsArgs {
    /// Preset to begin from; the default is the first that `variants` lists
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// TOML file laid over the preset
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One value laid over both, as in --set model.masks.min_keep=4; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Data: builtin, a folder, a file, or format:path
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// Copies that share a batch; the default is one a core on the CPU
    #[arg(long, value_name = "N")]
    replicas: Option<usize>,
    /// Steps of the run
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl From<SettingsArgs> for Settings {
    fn from(args: SettingsArgs) -> Self {
        let SettingsArgs { preset, config, set, data, replicas, steps, seed } = args;
        Self { preset, file: config, assignments: set, data, steps, seed, replicas, from: None }
    }
}

/// The command line, for the record.
pub(crate) fn command_line() -> Vec<String> {
    ["cargo".to_owned(), "xtask".to_owned()].into_iter().chain(std::env::args().skip(1)).collect()
}

/// Prints a line of results on standard output. Who closes it has read enough: that is no error.
macro_rules! say {
    ($($text:tt)*) => { $crate::commands::print_line(format_args!($($text)*))? };
}
pub(crate) use say;

/// What [`say!`] does.
pub(crate) fn print_line(text: std::fmt::Arguments) -> Result<()> {
    use std::io::{ErrorKind, Write as _};
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(jepa_core::Error::io("write", "standard output")(error))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON object on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|e| jepa_core::Error::Engine(e.to_string()))?;
    say!("{text}");
    Ok(())
}
