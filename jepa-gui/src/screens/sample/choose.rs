//! What is looked at: weights, data, sample.

use egui::{RichText, Ui};
use jepa_core::probe::Network;

use super::Sample;
use super::eye::{Choice, Which};
use crate::runs::RunSummary;
use crate::shared::Shared;
use crate::theme::Band;

impl Sample {
    pub(super) fn choose(&mut self, ui: &mut Ui, run: &RunSummary, shared: &Shared) {
        ui.horizontal_wrapped(|ui| {
            self.weights(ui, run, shared);
            self.network(ui);
            self.source(ui);
            self.walker(ui);
        });
        self.about(ui, shared);
    }

    fn weights(&mut self, ui: &mut Ui, run: &RunSummary, shared: &Shared) {
        let steps = self.steps.last().cloned().unwrap_or_default();
        let mut offered: Vec<(Which, String)> = Vec::new();
        if !steps.is_empty() {
            offered.push((Which::Newest, "newest checkpoint".into()));
        }
        offered.extend(steps.iter().rev().map(|step| (Which::Step(*step), format!("step {step}"))));
        offered.push((Which::Untrained, "untrained".into()));
        let meant = self.meant().unwrap_or(self.which);
        let name = offered.iter().find(|(which, _)| *which == meant).map_or("…", |(_, name)| name.as_str());
        let label = ui.label("Weights");
        egui::ComboBox::from_id_salt("sample weights")
            .selected_text(name)
            .show_ui(ui, |ui| {
                for (which, name) in &offered {
                    ui.selectable_value(&mut self.which, *which, name);
                }
            })
            .response
            .labelled_by(label.id);
        let others = shared.library.runs.iter().filter(|r| r.info.variant == run.info.variant && r.path != run.path);
        let own = offered.iter().map(|(which, _)| Choice { run: run.path.clone(), which: *which });
        let beside: Vec<Choice> =
            own.chain(others.map(|other| Choice { run: other.path.clone(), which: Which::Newest })).collect();
        let text = self.beside.as_ref().map_or_else(|| "nothing".to_owned(), Choice::title);
        let label = ui.label("Beside it").on_hover_text("A second set of weights on the same sample, for comparison");
        egui::ComboBox::from_id_salt("sample beside")
            .selected_text(text)
            .show_ui(ui, |ui| {
                ui.selectable_value(&mut self.beside, None, "nothing");
                for choice in beside {
                    let title = choice.title();
                    ui.selectable_value(&mut self.beside, Some(choice), title);
                }
            })
            .response
            .labelled_by(label.id);
    }

    fn network(&mut self, ui: &mut Ui) {
        let label = ui.label("Encoder");
        let names = [(Network::Target, "target"), (Network::Student, "context")];
        let name = names.iter().find(|(network, _)| *network == self.network).map_or("", |(_, name)| name);
        egui::ComboBox::from_id_salt("sample encoder")
            .width(70.0)
            .selected_text(name)
            .show_ui(ui, |ui| {
                for (network, name) in names {
                    ui.selectable_value(&mut self.network, network, name);
                }
            })
            .response
            .labelled_by(label.id)
            .on_hover_text("The slow copy that gives targets, or the one that is trained");
    }

    fn source(&mut self, ui: &mut Ui) {
        let label = ui.label("Data");
        let edit = egui::TextEdit::singleline(&mut self.typed).hint_text("the run's own").desired_width(130.0);
        let response = ui.add(edit).labelled_by(label.id);
        let response =
            response.on_hover_text("builtin, a folder, a file, or format:path; empty: what the run trains on");
        if response.lost_focus() {
            let typed = self.typed.trim();
            let data = (!typed.is_empty()).then(|| typed.to_owned());
            if data != self.data {
                (self.data, self.index) = (data, 0);
            }
        }
        for (is_test, name) in [(false, "train"), (true, "test")] {
            if ui.selectable_label(self.is_test == is_test, name).on_hover_text("Part of the data").clicked() {
                self.is_test = is_test;
            }
        }
    }

    fn walker(&mut self, ui: &mut Ui) {
        let samples = self.eyes.first().and_then(|eye| eye.inspector.last()).map_or(1, |i| i.about().samples.max(1));
        if ui.add_enabled(self.index > 0, egui::Button::new("Previous")).on_hover_text("Previous sample (P)").clicked()
        {
            self.walk(-1);
        }
        let label = ui.label("Sample");
        ui.add(egui::DragValue::new(&mut self.index).range(0..=samples - 1).speed(0.2)).labelled_by(label.id);
        ui.add(egui::Label::new(RichText::new(format!("of {samples}")).weak()).extend());
        let next = ui.add_enabled(self.index + 1 < samples, egui::Button::new("Next"));
        if next.on_hover_text("Next sample (N)").clicked() {
            self.walk(1);
        }
    }

    fn about(&self, ui: &mut Ui, shared: &Shared) {
        ui.horizontal_wrapped(|ui| {
            let Some(eye) = self.eyes.first() else { return };
            let Some(inspector) = eye.inspector.last() else { return };
            let about = inspector.about();
            if let Some(look) = eye.seen() {
                let class = look.sample.label.map(|label| {
                    about.classes.get(label as usize).cloned().unwrap_or_else(|| format!("class {label}"))
                });
                let class = class.map_or_else(String::new, |class| format!(", {class}"));
                ui.label(RichText::new(format!("{}{class}", look.sample.name)).strong());
            }
            match about.step {
                None if self.which != Which::Untrained => {
                    let text = "this run has no checkpoint yet: these are its networks before training";
                    ui.label(RichText::new(text).color(shared.theme.band(Band::Doubtful)));
                }
                None => drop(ui.weak("networks before training")),
                Some(0) => drop(ui.weak("imported weights")),
                Some(step) => drop(ui.weak(format!("weights after {step} steps"))),
            }
            if eye.look.is_running() || eye.inspector.is_running() {
                ui.spinner();
            }
            ui.add(egui::Label::new(RichText::new(&about.data).weak()).truncate());
        });
    }
}
