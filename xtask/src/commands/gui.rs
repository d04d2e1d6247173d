use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Args;
use jepa_core::device::ENGINES;
use jepa_core::{Error, Result};

#[derive(Args)]
pub(crate) struct Gui {
    /// Folder of runs to look into; new ones are written there
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
}

impl Gui {
    /// Builds the app, which is no part of this program so that training needs no graphics, and starts it.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |e: std::io::Error| Error::Engine(format!("{what}: {e}"))
        };
        let program = std::env::current_exe().map_err(failed("the place of this program is not known"))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        // The engines that can share a device with the window.
        let engines = ENGINES.iter().filter(|(_, feature, built)| *built && ["vulkan", "wgpu"].contains(feature));
        eprintln!("building the desktop app; the first time takes minutes");
        let status = Command::new(&cargo)
            .args(["run", "--package", "jepa-gui", "--manifest-path", manifest])
            .args(engines.flat_map(|(_, feature, _)| ["--features", *feature]))
            .args(["--", "--runs"])
            .arg(&self.runs)
            // What the app starts to train, and shows as the command: this very program.
            .env("JEPA_XTASK", program)
            .status()
            .map_err(failed("cargo cannot be started"))?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
