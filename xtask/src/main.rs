//! `cargo xtask <command>`: train, probe, embed, import, export, bench, compare and check every registered variant.

mod commands;
mod compare;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;

// The modality crates: naming them links them, linking them registers their variants.
use jepa_image as _;
use jepa_motion as _;
use jepa_point as _;
use jepa_skeleton as _;
use jepa_video as _;

/// A training step allocates and frees the same sizes again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tells the allocator to keep freed pages: giving them back and clearing them anew costs a tenth of a step.
fn keep_freed_pages() {
    /// `mi_option_purge_delay` in mimalloc.h; -1: never.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: called before any other thread exists; the option is a number that mimalloc checks.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}

/// Self-supervised learning by joint-embedding prediction.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    keep_freed_pages();
    let filter = tracing_subscriber::EnvFilter::try_from_env("JEPA_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
