use std::process::{Command, ExitCode};

use clap::Args;
use jepa_core::{Error, Result};

#[derive(Args)]
pub(crate) struct Check {
    /// Leave out the runs that are killed and resumed
    #[arg(long)]
    no_chaos: bool,
}

impl Check {
    pub(crate) fn run(self) -> Result<ExitCode> {
        // The kills run as a command of their own: the tests may have built this very program anew.
        let steps: [(&str, &[&str]); 5] = [
            ("format", &["fmt", "--all", "--check"]),
            ("lints", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
            ("documentation", &["doc", "--workspace", "--no-deps"]),
            ("tests, conformance included", &["test", "--workspace"]),
            ("20 runs killed and resumed", &["xtask", "chaos", "--runs", "20", "--seed", "1"]),
        ];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        for (what, arguments) in &steps[..if self.no_chaos { 4 } else { 5 }] {
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
