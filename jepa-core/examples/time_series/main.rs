//! A variant of one's own, as a crate outside this workspace would write it: JEPA on time series.
//!
//! ```text
//! cargo run -p jepa-core --example time_series [PRESET] [KEY=VALUE ..]
//! ```
//!
//! A key is one of the configuration, as in `data.source=csv:FOLDER` or `run.steps=800`. `data.rs` reads the samples, `variant.rs` is the plugin, and this file trains it through the registry, as
//! `cargo xtask train` would.

mod data;
mod variant;

use std::process::ExitCode;

use jepa_core::device::Engine;
use jepa_core::plugin::{self, Settings, TrainRequest};
use jepa_core::runlog::{Event, Observer};

/// Prints a line now and then.
struct Lines;

impl Observer for Lines {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Start { data, parameters, .. } => println!("{data}\n{parameters} trained parameters"),
            Event::Step { step, loss, rate, .. } if step % 50 == 0 => {
                println!("step {step}: loss {loss:.4}, {rate:.0} windows/s");
            }
            Event::Collapse { step, figures } => println!("step {step}: embedding std {:.3}", figures.std),
            Event::Warning { message, .. } => println!("warning: {message}"),
            Event::Probes { table, .. } => println!("{table}"),
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    let (assignments, preset): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.contains('='));
    let settings = Settings { preset: preset.into_iter().next(), assignments, ..Default::default() };
    let request = TrainRequest {
        settings,
        out: None,
        resume: false,
        engine: Engine::cpu(),
        command: std::env::args().collect(),
        stop: Default::default(),
        probes: true,
    };
    match plugin::find("series-jepa").and_then(|plugin| plugin.train(&request, &mut Lines)) {
        Ok(outcome) => {
            println!("run folder: {}", outcome.out.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
