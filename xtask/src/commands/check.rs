use std::process::{Command, ExitCode};

use clap::Args;
use jepa_core::{Error, Result};

/// The package of the desktop app.
const GUI: &str = "jepa-gui";

#[derive(Args)]
pub(crate) struct Check {
    /// Leave out the runs that are killed and resumed
    #[arg(long)]
    no_chaos: bool,
    /// The desktop app too, whose window takes minutes to build
    #[arg(long)]
    gui: bool,
}

impl Check {
    pub(crate) fn run(self) -> Result<ExitCode> {
        // Steps of the desktop app are their own: the others build no window. So are the kills: the tests may have
        // built this very program anew.
        let steps: [(&str, &[&str]); 7] = [
            ("format", &["fmt", "--all", "--check"]),
            ("lints", &["clippy", "--workspace", "--exclude", GUI, "--all-targets", "--", "--deny", "warnings"]),
            ("documentation", &["doc", "--workspace", "--exclude", GUI, "--no-deps"]),
            ("tests, conformance included", &["test", "--workspace", "--exclude", GUI]),
            ("20 runs killed and resumed", &["xtask", "chaos", "--runs", "20", "--seed", "1"]),
            ("lints of the desktop app", &["clippy", "--package", GUI, "--all-targets", "--", "--deny", "warnings"]),
            ("tests of the desktop app", &["test", "--package", GUI]),
        ];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let wanted =
            |what: &str| !(self.no_chaos && what.contains("killed") || !self.gui && what.contains("desktop app"));
        for (what, arguments) in steps.iter().filter(|(what, _)| wanted(what)) {
            eprintln!("==> {what}: cargo {}", arguments.join(" "));
            let status = Command::new(&cargo)
                .args(*arguments)
                .env("RUSTDOCFLAGS", "--deny warnings")
                .status()
                .map_err(|e| Error::Engine(format!("cargo cannot be started: {e}")))?;
            if !status.success() {
                eprintln!("error: {what} failed");
                return Ok(ExitCode::FAILURE);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
