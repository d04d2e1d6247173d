//! Runs beside each other: a table of what differs, their curves, tags and notes, and a report.

mod differences;
mod report;

use std::collections::BTreeSet;
use std::path::PathBuf;

use egui::{RichText, Ui};
use egui_extras::{Column, TableBuilder};

pub use differences::differences;

use super::run::{series, words};
use super::{Command, Empty, Screen, ScreenId};
use crate::runs::RunSummary;
use crate::shared::{Action, Shared};
use crate::theme::Theme;
use crate::widgets::vector;
use crate::widgets::{self, Curve, CurvePlot, XAxis};

/// The screen's state.
#[derive(Default)]
pub struct Compare {
    filter: String,
    column: String,
    log: bool,
    smoothing: f32,
    x: XAxis,
    noted: Option<PathBuf>,
}

/// Most keys of the configuration that are shown as columns.
const KEYS: usize = 8;

impl Screen for Compare {
    fn id(&self) -> ScreenId {
        ScreenId::Compare
    }

    fn empty(&self, shared: &Shared) -> Option<Empty> {
        (shared.library.looked && shared.library.runs.is_empty()).then(|| Empty {
            title: "No runs to compare".into(),
            text: "Runs appear here as soon as they begin: their differences, their curves, your notes.".into(),
            action: Some(("Choose a variant".into(), Action::Show(ScreenId::Start))),
        })
    }

    fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        if self.column.is_empty() {
            (self.column, self.smoothing) = ("loss".into(), 0.9);
        }
        let wanted = self.filter.to_lowercase();
        let says = |run: &&RunSummary| {
            let tags = shared.workspace.content.tags.get(&run.name).map(|t| t.join(" ")).unwrap_or_default();
            let text = format!("{} {} {} {tags}", run.name, run.info.variant, run.standing.word());
            text.to_lowercase().contains(&wanted)
        };
        let runs: Vec<RunSummary> = shared.library.runs.iter().filter(says).cloned().collect();
        let chosen: BTreeSet<PathBuf> = shared.selection.compared.iter().cloned().collect();
        let compared: Vec<RunSummary> = runs.iter().filter(|r| chosen.contains(&r.path)).cloned().collect();
        self.bar(ui, &compared, shared);
        let height = (ui.available_height() * 0.45).max(140.0);
        // Panels keep the size of what they hold: with little in them they would shrink frame by frame.
        egui::Panel::top("runs table").resizable(true).default_size(height).show(ui, |ui| {
            ui.take_available_height();
            self.table(ui, &runs, &compared, shared);
        });
        egui::Panel::right("notes").resizable(true).default_size(280.0).show(ui, |ui| {
            ui.take_available_width();
            self.notes(ui, shared);
        });
        egui::CentralPanel::no_frame().show(ui, |ui| self.curves(ui, &compared, shared));
    }

    fn commands(&self, _shared: &Shared) -> Vec<Command> {
        vec![
            Command::here("all", "Compare every run that is shown", ""),
            Command::here("none", "Compare nothing", ""),
            Command::here("report", "Write a report of the compared runs", ""),
            Command::here("csv", "Export the curves as CSV", ""),
            Command::here("svg", "Export the curves as SVG", ""),
        ]
    }

    fn command(&mut self, id: &str, _context: &egui::Context, shared: &mut Shared) {
        let chosen = shared.selection.compared.clone();
        let compared: Vec<RunSummary> =
            shared.library.runs.iter().filter(|r| chosen.contains(&r.path)).cloned().collect();
        match id {
            "all" => shared.selection.compared = shared.library.runs.iter().map(|r| r.path.clone()).collect(),
            "none" => shared.selection.compared.clear(),
            "report" => report::write(&compared, shared),
            "csv" | "svg" => self.export(id, &compared, shared),
            _ => {}
        }
    }
}

impl Compare {
    fn bar(&mut self, ui: &mut Ui, compared: &[RunSummary], shared: &mut Shared) {
        ui.horizontal(|ui| {
            let edit = egui::TextEdit::singleline(&mut self.filter).hint_text("Find runs").desired_width(180.0);
            let response = ui.add(edit);
            response.ctx.accesskit_node_builder(response.id, |node| node.set_label("Find runs"));
            ui.weak(format!("{} compared", compared.len()));
            let any = !compared.is_empty();
            if ui
                .add_enabled(any, egui::Button::new("Write a report"))
                .on_hover_text("One HTML file beside the runs")
                .clicked()
            {
                report::write(compared, shared);
            }
            for (label, kind) in [("Curves as CSV", "csv"), ("Curves as SVG", "svg")] {
                if ui.add_enabled(any, egui::Button::new(label)).clicked() {
                    self.export(kind, compared, shared);
                }
            }
        });
    }

    /// Every run, with what differs between those that are compared.
    fn table(&mut self, ui: &mut Ui, runs: &[RunSummary], compared: &[RunSummary], shared: &mut Shared) {
        let keys: Vec<(String, Vec<String>)> = differences(compared).into_iter().take(KEYS).collect();
        let mut builder = TableBuilder::new(ui)
            .striped(true)
            .id_salt("runs")
            .cell_layout(egui::Layout::left_to_right(egui::Align::Center))
            .column(Column::exact(26.0))
            .column(Column::initial(190.0).resizable(true).clip(true))
            .columns(Column::initial(78.0).resizable(true).clip(true), 5)
            .column(Column::initial(110.0).resizable(true).clip(true));
        for _ in &keys {
            builder = builder.column(Column::initial(120.0).resizable(true).clip(true));
        }
        let table = builder.header(24.0, |mut header| {
            let fixed = ["", "run", "state", "variant", "step", "loss", "k-NN %", "tags"];
            for name in fixed.into_iter().chain(keys.iter().map(|(key, _)| key.as_str())) {
                header.col(|ui| drop(ui.strong(name)));
            }
        });
        let heads: Vec<RunSummary> = runs.to_vec();
        let folder = shared.library.folder.clone();
        table.body(|body| {
            body.rows(26.0, heads.len(), |mut row| {
                let run = &heads[row.index()];
                let place = compared.iter().position(|r| r.path == run.path);
                let color = shared.run_color(&run.path);
                let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
                let step = or_dash(run.latest.map(|latest| latest.step.to_string()));
                let loss = or_dash(run.latest.and_then(|latest| latest.loss).map(widgets::figure));
                let knn = or_dash(run.latest.and_then(|latest| latest.knn).map(|knn| format!("{knn:.1}")));
                let tags = shared.workspace.content.tags.get(&run.name).map(|t| t.join(", ")).unwrap_or_default();
                row.col(|ui| {
                    let mut on = place.is_some();
                    let tick = ui.add(egui::Checkbox::without_text(&mut on));
                    tick.ctx.accesskit_node_builder(tick.id, |node| node.set_label(format!("Compare {}", run.name)));
                    if tick.changed() {
                        shared.selection.compared.retain(|path| *path != run.path);
                        if on {
                            shared.selection.compared.push(run.path.clone());
                            self.noted = Some(run.path.clone());
                        }
                    }
                });
                row.col(|ui| {
                    let (rect, _) = ui.allocate_exact_size(egui::vec2(5.0, 18.0), egui::Sense::hover());
                    ui.painter().rect_filled(rect, 2.0, color);
                    if ui.link(&run.name).on_hover_text(folder.join(&run.name).display().to_string()).clicked() {
                        shared.ask(Action::OpenRun(run.path.clone()));
                    }
                });
                row.col(|ui| drop(ui.label(run.standing.word())));
                row.col(|ui| drop(ui.label(&run.info.variant)));
                row.col(|ui| drop(ui.label(step)));
                row.col(|ui| drop(ui.label(loss)));
                row.col(|ui| drop(ui.label(knn)));
                row.col(|ui| drop(ui.label(tags)));
                for (_, values) in &keys {
                    row.col(|ui| {
                        if let Some(value) = place.and_then(|i| values.get(i)) {
                            ui.label(RichText::new(value).monospace()).on_hover_text(value);
                        }
                    });
                }
            });
        });
    }

    fn notes(&mut self, ui: &mut Ui, shared: &mut Shared) {
        ui.label(RichText::new("Tags and notes").strong());
        let runs: Vec<PathBuf> = shared.selection.compared.clone();
        let Some(run) = self.noted.clone().filter(|r| runs.contains(r)).or_else(|| runs.first().cloned()) else {
            ui.weak("Tick a run to write down what you think of it.");
            return;
        };
        egui::ComboBox::from_id_salt("noted").selected_text(crate::shared::name_of(&run)).show_ui(ui, |ui| {
            for other in &runs {
                let chosen = self.noted.as_ref() == Some(other);
                if ui.selectable_label(chosen, crate::shared::name_of(other)).clicked() {
                    self.noted = Some(other.clone());
                }
            }
        });
        let name = crate::shared::name_of(&run);
        let content = &mut shared.workspace.content;
        let mut tags = content.tags.get(&name).map(|t| t.join(", ")).unwrap_or_default();
        let label = ui.label("Tags, with commas between");
        if ui.text_edit_singleline(&mut tags).labelled_by(label.id).changed() {
            let list: Vec<String> = tags.split(',').map(|t| t.trim_start().to_owned()).collect();
            match tags.trim().is_empty() {
                true => drop(content.tags.remove(&name)),
                false => drop(content.tags.insert(name.clone(), list)),
            }
        }
        let mut note = content.notes.get(&name).cloned().unwrap_or_default();
        let label = ui.label("Note");
        let edit = egui::TextEdit::multiline(&mut note).desired_rows(6).desired_width(f32::INFINITY);
        if ui.add(edit).labelled_by(label.id).changed() {
            match note.is_empty() {
                true => drop(content.notes.remove(&name)),
                false => drop(content.notes.insert(name, note)),
            }
        }
    }

    fn curves(&mut self, ui: &mut Ui, compared: &[RunSummary], shared: &mut Shared) {
        if compared.is_empty() {
            let empty = Empty {
                title: "Tick runs to compare them".into(),
                text: "Their curves lie over each other here, and the table shows only the settings that differ."
                    .into(),
                action: None,
            };
            widgets::empty(ui, &empty);
            return;
        }
        let context = ui.ctx().clone();
        let colors: Vec<egui::Color32> = compared.iter().map(|r| shared.run_color(&r.path)).collect();
        for run in compared {
            shared.followers.look(&run.path, &context);
        }
        let followed = |run: &RunSummary| shared.followers.get(&run.path).map(|f| &f.history);
        let names: BTreeSet<String> =
            compared.iter().filter_map(followed).flat_map(|h| h.names().map(str::to_owned)).collect();
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Curve");
            let combo = egui::ComboBox::from_id_salt("column").selected_text(words(&self.column));
            combo
                .show_ui(ui, |ui| {
                    for name in &names {
                        ui.selectable_value(&mut self.column, name.clone(), words(name));
                    }
                })
                .response
                .labelled_by(label.id);
            ui.checkbox(&mut self.log, "Log axis");
            ui.label("Smoothing");
            ui.add(egui::Slider::new(&mut self.smoothing, 0.0..=0.999).show_value(false));
            ui.selectable_value(&mut self.x, XAxis::Step, "Steps");
            ui.selectable_value(&mut self.x, XAxis::Time, "Time");
        });
        let curves = compared.iter().zip(&colors).filter_map(|(run, color)| {
            Some(Curve { name: run.name.clone(), history: followed(run)?, column: &self.column, color: *color })
        });
        CurvePlot {
            id: "compared",
            height: (ui.available_height() - 6.0).max(120.0),
            x: self.x,
            log: self.log,
            smoothing: self.smoothing,
            curves: curves.collect(),
            points: Vec::new(),
            marks: Vec::new(),
            label: &words(&self.column),
        }
        .show(ui);
    }

    fn export(&self, kind: &str, compared: &[RunSummary], shared: &mut Shared) {
        let theme = Theme { dark: false };
        let series: Vec<vector::Series> = compared
            .iter()
            .enumerate()
            .filter_map(|(i, run)| {
                let history = &shared.followers.get(&run.path)?.history;
                series(history, &self.column, run.name.clone(), theme.category(i))
            })
            .collect();
        let name = words(&self.column);
        let text = match kind {
            "svg" => vector::svg(&name, "step", &name, &series, self.log),
            _ => vector::csv("step", &name, &series),
        };
        save(shared, &format!("compared.{kind}"), &text);
    }
}

/// Writes a file beside the runs and says so.
fn save(shared: &mut Shared, name: &str, text: &str) {
    let path = shared.library.folder.join(name);
    match jepa_core::runlog::write(&path, text.as_bytes()) {
        Ok(()) => shared.notices.info(format!("Saved {}", path.display())),
        Err(error) => shared.notices.error(error.to_string()),
    }
}
