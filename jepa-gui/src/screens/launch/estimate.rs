//! What a run will cost: a few steps measured in a process of their own.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use egui::{RichText, Ui};
use serde::Deserialize;

use crate::jobs::{Job, Update};
use crate::runs::Program;
use crate::theme::{Band, Theme};
use crate::widgets;

/// The measurement.
#[derive(Default)]
pub(super) struct Estimate {
    job: Option<Job<Cost>>,
    of: Vec<String>,
    found: Option<Result<Cost, String>>,
}

/// What `bench --json` says of one variant, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Cost {
    engine: String,
    parameters: f64,
    step_seconds: Vec<f64>,
    step_median: f64,
    train_rate: f64,
    peak_mib: Option<f64>,
}

#[derive(Deserialize)]
struct Reports {
    reports: Vec<Cost>,
}

impl Estimate {
    pub(super) fn is_running(&self) -> bool {
        self.job.as_ref().is_some_and(Job::is_running)
    }

    pub(super) fn start(&mut self, program: Option<&Program>, arguments: Vec<String>, context: &egui::Context) {
        let Some(program) = program.cloned() else { return };
        self.of = arguments.clone();
        self.found = None;
        self.job = Some(Job::start("Cost", context, move |worker| {
            let mut command = Command::new(&program.path);
            command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().map_err(|e| format!("`{}`: {e}", program.path.display()))?;
            worker.progress(None, "a few steps in a process of their own");
            // What it writes is a line or two: the pipes never fill.
            let status = loop {
                match child.try_wait().map_err(|e| e.to_string())? {
                    Some(status) => break status,
                    None if worker.is_cancelled() => {
                        let _ = child.kill();
                        let _ = child.wait();
                        return Err("given up".to_owned());
                    }
                    None => std::thread::sleep(Duration::from_millis(50)),
                }
            };
            let (mut out, mut errors) = (String::new(), String::new());
            child.stdout.take().map(|mut pipe| pipe.read_to_string(&mut out));
            child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut errors));
            if !status.success() {
                return Err(errors.trim().trim_start_matches("error: ").to_owned());
            }
            let reports: Reports = serde_json::from_str(&out).map_err(|e| format!("an odd answer: {e}"))?;
            reports.reports.into_iter().next().ok_or_else(|| "an empty answer".to_owned())
        }));
    }

    pub(super) fn poll(&mut self) {
        match self.job.as_mut().and_then(Job::poll) {
            Some(Update::Done(cost)) => self.found = Some(Ok(cost)),
            Some(Update::Failed(problem)) => self.found = Some(Err(problem)),
            Some(Update::Partial(_)) | None => {}
        }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, steps: f64, flags: &[String], theme: Theme) {
        if self.is_running() {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.weak("Computing a few steps…");
                if ui.small_button("Give up").clicked() {
                    self.job = None;
                }
            });
            return;
        }
        match &self.found {
            None => drop(ui.weak("Not measured yet: time and memory are guesses until a few steps were computed")),
            Some(Err(problem)) => {
                ui.add(egui::Label::new(RichText::new(problem).color(theme.band(Band::Bad))).wrap());
            }
            Some(Ok(cost)) => {
                let (low, high) =
                    cost.step_seconds.iter().fold((f64::MAX, 0f64), |(low, high), s| (low.min(*s), high.max(*s)));
                let total = |step: f64| widgets::duration(step * steps);
                egui::Grid::new("cost").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
                    let mut row = |name: &str, text: String| {
                        ui.weak(name);
                        ui.label(text);
                        ui.end_row();
                    };
                    row("Whole run", format!("{} ({} to {})", total(cost.step_median), total(low), total(high)));
                    row("A step", widgets::duration(cost.step_median));
                    row("Throughput", widgets::rate(cost.train_rate));
                    row("Trained parameters", widgets::count(cost.parameters));
                    row("Memory at most", cost.peak_mib.map_or("–".into(), |m| widgets::size(m * 1024.0 * 1024.0)));
                    row("Engine", cost.engine.clone());
                });
                if !flags.iter().all(|flag| self.of.contains(flag)) {
                    ui.label(RichText::new("Measured before the last changes").color(theme.band(Band::Doubtful)));
                }
            }
        }
    }
}
