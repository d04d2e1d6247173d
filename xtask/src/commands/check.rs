use std::ffi::OsStr;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Args;
use jepa_core::{Error, Result};

/// The package of the desktop app.
const GUI: &str = "jepa-gui";

#[derive(Args)]
pub(crate) struct Check {
    /// Leave out the runs that are killed and resumed
    #[arg(long)]
    no_chaos: bool,
    /// The desktop app too, with pictures of its panels; it takes minutes to build
    #[arg(long)]
    gui: bool,
}

impl Check {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let scope: &[&str] = if self.gui { &["--workspace"] } else { &["--workspace", "--exclude", GUI] };
        let with = |command: &[&'static str], rest: &[&'static str]| [command, scope, rest].concat();
        // The kills run cargo anew: the tests may have built this very program again.
        let steps: [(&str, Vec<&str>); 5] = [
            ("format", vec!["fmt", "--all", "--check"]),
            ("lints", with(&["clippy"], &["--all-targets", "--", "--deny", "warnings"])),
            ("documentation", with(&["doc"], &["--no-deps"])),
            ("tests, conformance included", with(&["test"], &[])),
            ("20 kills, resumed", vec!["xtask", "chaos", "--kills", "20", "--seed", "1"]),
        ];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let apart = built_twice(&cargo)?;
        if !apart.is_empty() {
            eprintln!(
                "error: the program and the desktop app switch on different features, so that the engine would be built \
                 twice; name them in both manifests:\n{}",
                apart.join("\n")
            );
            return Ok(ExitCode::FAILURE);
        }
        for (what, arguments) in steps.iter().filter(|(what, _)| !(self.no_chaos && what.contains("kills"))) {
            eprintln!("==> {what}: cargo {}", arguments.join(" "));
            let clock = Instant::now();
            let status = Command::new(&cargo)
                .args(arguments)
                .env("RUSTDOCFLAGS", "--deny warnings")
                .status()
                .map_err(|e| Error::Engine(format!("cargo cannot be started: {e}")))?;
            if !status.success() {
                eprintln!("error: {what} failed");
                return Ok(ExitCode::FAILURE);
            }
            eprintln!("==> {what}: {:.0} s", clock.elapsed().as_secs_f64());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Crates that this program and the desktop app share but with other features, as `cargo tree` writes them.
fn built_twice(cargo: &OsStr) -> Result<Vec<String>> {
    let tree = |package: &str| -> Result<String> {
        let arguments = ["tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--format"];
        let output = Command::new(cargo).args(arguments).arg("{p} {f}").output();
        let output = output.map_err(|e| Error::Engine(format!("cargo cannot be started: {e}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::Engine(format!("cargo tree of {package} failed: {}", said.trim())))
    };
    Ok(differing(&tree("xtask")?, &tree(GUI)?))
}

/// Lines "crate version features" of one tree whose crate the other has with other features only.
fn differing(one: &str, other: &str) -> Vec<String> {
    let split = |line: &str| -> Option<(String, String)> {
        let mut words = line.split(' ').filter(|word| *word != "(*)" && *word != "(proc-macro)");
        let name = format!("{} {}", words.next()?, words.next()?);
        Some((name, words.collect::<Vec<_>>().join(" ")))
    };
    let known: Vec<(String, String)> = other.lines().filter_map(split).collect();
    let mut found: Vec<String> = one
        .lines()
        .filter_map(split)
        .filter(|(name, features)| {
            let mut same = known.iter().filter(|(other, _)| other == name).peekable();
            same.peek().is_some() && same.all(|(_, other)| other != features)
        })
        .map(|(name, features)| format!("{name}: {features}"))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_with_other_features_are_found_and_those_of_one_side_alone_are_not() {
        let one = "xtask v0.1.0 (/here) default\nserde v1.0.0 std\nclap v4.0.0 derive (*)\nuuid v1.0.0 \n";
        let other =
            "jepa-gui v0.1.0 (/here)\nserde v1.0.0 std (*)\nserde v1.0.0 alloc\nuuid v1.0.0 serde\negui v0.3.0 a\n";
        assert_eq!(differing(one, other), ["uuid v1.0.0: "]);
        assert!(differing(one, one).is_empty());
    }
}
