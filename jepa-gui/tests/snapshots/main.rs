//! Every panel as a picture: empty, filled, in error, light and dark, compared with the one that is kept.
//!
//! ```sh
//! cargo test --package jepa-gui --test snapshots                          # all
//! cargo test --package jepa-gui --test snapshots -- run sample            # those whose names hold one of the words
//! UPDATE_SNAPSHOTS=1 cargo test --package jepa-gui --test snapshots       # renews what differs: look at it, then commit
//! ```
//!
//! They are drawn by a graphics adapter in software (on Debian the package `mesa-vulkan-drivers`), so that they are the
//! same on every machine. Where there is none, each is said to be left out; with `JEPA_SNAPSHOTS=required` that is a failure.
//!
//! A panel is taken when it has come to rest: nothing is at work in the background, and frames do not differ any more. What
//! is true of one moment or machine only (its load, how long an answer took) is blanked out. How much a picture may differ
//! from the kept one is said in `pictures`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fixtures;
mod pictures;
mod scenes;
mod studio;

use std::process::ExitCode;

use scenes::SCENES;

/// Where a software adapter comes from.
const REMEDY: &str = "A Vulkan adapter in software is missing: apt-get install mesa-vulkan-drivers (Debian, Ubuntu), dnf \
                      install mesa-vulkan-drivers (Fedora), pacman -S vulkan-swrast (Arch)";

fn main() -> ExitCode {
    // The flags of the usual test programs ask for what there is nothing of here.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--ignored" || a == "--list") {
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let is_asked = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let asked: Vec<_> = SCENES.iter().filter(|(name, _)| is_asked(name)).collect();
    let adapter = match studio::adapter() {
        Ok(adapter) => adapter,
        Err(why) => {
            for (name, _) in &asked {
                println!("SKIPPED snapshot {name}: {why}");
            }
            println!("SKIPPED all {} panels: none was drawn, none compared. {REMEDY}", asked.len());
            let is_required = std::env::var("JEPA_SNAPSHOTS").is_ok_and(|word| word == "required");
            return if is_required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    // Paths that are shown are short and the same everywhere.
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    println!("{} panels, light and dark, drawn by {adapter}", asked.len());
    let clock = std::time::Instant::now();
    let mut failed = Vec::new();
    for (name, scene) in asked {
        let clock = std::time::Instant::now();
        // A panic is a widget that was looked for in vain; the other panels are drawn all the same.
        let drawn = std::panic::catch_unwind(|| scene().and_then(|shot| shot.take(name)));
        let outcome = drawn.unwrap_or_else(|_| Err("a panic, see above".to_owned()));
        println!("{name} ({:.1} s): {}", clock.elapsed().as_secs_f64(), outcome.as_ref().map_or("FAILED", |()| "ok"));
        if let Err(problem) = outcome {
            println!("{problem}");
            failed.push(*name);
        }
    }
    println!("{} failed in {:.0} s {failed:?}", failed.len(), clock.elapsed().as_secs_f64());
    if !failed.is_empty() {
        println!(
            "beside each kept picture lie the new one (.new.png) and what differs (.diff.png); if the change is meant, \
             renew with UPDATE_SNAPSHOTS=1, look, and commit"
        );
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
