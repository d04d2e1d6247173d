//! One run, live or finished: losses, schedules, probe results, collapse figures, masks, system load, log; stop, resume,
//! branch, delete.

mod branch;
mod cockpit;
mod curves;
mod header;
mod log;
mod masks;
mod probes;
mod system;

use egui::Ui;

pub(in crate::screens) use curves::{series, words};

use super::{Command, Empty, Screen, ScreenId};
use crate::runs::Reading;
use crate::shared::{Action, Shared};
use crate::widgets;

/// The screen's state.
#[derive(Default)]
pub struct Run {
    curves: curves::Curves,
    probes: probes::Probes,
    shows_probes: bool,
    masks: masks::Masks,
    log: log::Log,
    system: system::SystemPanel,
    branch: branch::BranchDialog,
}

impl Screen for Run {
    fn id(&self) -> ScreenId {
        ScreenId::Run
    }

    fn empty(&self, shared: &Shared) -> Option<Empty> {
        shared.selection.run.is_none().then(|| Empty {
            title: "No run is chosen".into(),
            text: "Choose one above, or start one: its losses, collapse figures and masks appear here while it trains."
                .into(),
            action: Some(("Choose a variant".into(), Action::Show(ScreenId::Start))),
        })
    }

    fn poll(&mut self, context: &egui::Context, shared: &mut Shared) {
        self.masks.poll();
        if let Some(run) = shared.selection.run.clone() {
            self.system.poll(context, shared.children.process(&run));
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let Some(run) = shared.selection.run.clone() else { return };
        let context = ui.ctx().clone();
        let reading = shared.followers.look(&run, &context).reading.clone();
        header::ui(ui, &run, shared, &mut self.branch);
        self.branch.ui(&context, &run, shared);
        ui.separator();
        let nothing =
            shared.followers.get(&run).is_none_or(|f| f.history.log.is_empty() && f.history.steps().is_empty());
        match reading {
            Reading::Opening if nothing => return widgets::waiting(ui, "Opening the event log", &Default::default()),
            Reading::Loading(fraction) if nothing => {
                let progress = crate::jobs::Progress { fraction: Some(fraction), text: String::new() };
                return widgets::waiting(ui, "Reading the event log", &progress);
            }
            Reading::Missing(why) if nothing => return self.without_events(ui, &run, &why, shared),
            _ => {}
        }
        let bottom = egui::Panel::bottom("log").resizable(true).default_size(150.0).size_range(60.0..=480.0);
        bottom.show(ui, |ui| {
            // A panel keeps the height of what it holds: an empty log would make it lower frame by frame.
            ui.take_available_height();
            self.log.ui(ui, &run, shared);
        });
        let right = egui::Panel::right("cockpit").resizable(true).default_size(390.0).size_range(280.0..=640.0);
        right.show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                cockpit::ui(ui, &run, shared);
                ui.add_space(8.0);
                self.masks.ui(ui, &run, shared);
                ui.add_space(8.0);
                self.system.ui(ui, shared.theme);
            });
        });
        egui::CentralPanel::no_frame().show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.selectable_value(&mut self.shows_probes, false, "Curves");
                let hint = "What `cargo xtask probe` has found of this run";
                ui.selectable_value(&mut self.shows_probes, true, "Probe results").on_hover_text(hint);
            });
            match self.shows_probes {
                true => self.probes.ui(ui, &run, shared),
                false => self.curves.ui(ui, &run, shared),
            }
        });
    }

    fn commands(&self, shared: &Shared) -> Vec<Command> {
        if shared.selection.run.is_none() {
            return Vec::new();
        }
        vec![
            Command::here("stop", "Stop and save", ""),
            Command::here("resume", "Resume", ""),
            Command::here("branch", "Branch from a checkpoint…", ""),
            Command::here("probes", "Curves or probe results", ""),
            Command::here("trash", "Delete: move the run to the trash", ""),
            Command::here("log-axis", "Logarithmic axis on or off", ""),
            Command::here("csv", "Export curves as CSV", ""),
            Command::here("svg", "Export curves as SVG", ""),
        ]
    }

    fn command(&mut self, id: &str, _context: &egui::Context, shared: &mut Shared) {
        let Some(run) = shared.selection.run.clone() else { return };
        match id {
            "stop" => shared.ask(Action::Stop(run)),
            "resume" => header::resume(&run, shared),
            "branch" => self.branch.open(),
            "probes" => self.shows_probes = !self.shows_probes,
            "trash" => shared.ask(Action::Trash(run)),
            "log-axis" => self.curves.options.log = !self.curves.options.log,
            "csv" | "svg" => self.curves.export(&run, id, shared),
            _ => {}
        }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::to_value(&self.curves.options).unwrap_or_default()
    }

    fn restore(&mut self, settings: &serde_json::Value) {
        if let Ok(options) = serde_json::from_value(settings.clone()) {
            self.curves.options = options;
        }
    }
}

impl Run {
    /// The run has written no events: it is just starting, it failed before it began, or its folder is gone.
    fn without_events(&self, ui: &mut Ui, run: &std::path::Path, why: &str, shared: &Shared) {
        let words = crate::runs::last_lines(&run.join(crate::runs::TERMINAL), 14);
        if shared.children.running().any(|r| r == run) {
            let progress = crate::jobs::Progress { fraction: None, text: words };
            widgets::waiting(ui, "Starting: engine check, data, first step", &progress);
        } else if run.exists() {
            let text = if words.is_empty() { format!("its event log cannot be read: {why}") } else { words };
            widgets::failed(ui, "This run has written no events", &text);
        } else {
            widgets::failed(ui, "The run folder is not there any more", &run.display().to_string());
        }
    }
}
