//! What is shown: a run and its checkpoint, a file, colours, search.

use egui::{ComboBox, Rect, RichText, TextEdit, Ui};

use super::super::colour::{ColourBy, Legend};
use super::super::{Embeddings, Form};
use crate::shared::{Shared, name_of};
use crate::theme::{Band, Theme};
use crate::widgets;

impl Embeddings {
    pub(super) fn data(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let context = ui.ctx().clone();
        ui.heading("Data");
        self.run_form(ui, shared);
        ui.horizontal_wrapped(|ui| {
            if ui.button("Open file…").on_hover_text("A file that `cargo xtask embed` wrote").clicked() {
                self.choose(0, &context);
            }
            if !self.sides.is_empty()
                && ui.button("File beside…").on_hover_text("Open a file as a second map").clicked()
            {
                self.choose(1, &context);
            }
        });
        if self.choosing.is_some() {
            ui.weak("Waiting for the file dialog");
        }
        let mut closes = false;
        for (at, side) in self.sides.iter().enumerate() {
            ui.separator();
            ui.horizontal(|ui| {
                ui.strong(side.origin.as_ref().map_or_else(|| "Features".to_owned(), |origin| origin.title()));
                closes |= at == 1 && ui.small_button("Close").on_hover_text("Close the second map").clicked();
            });
            if let Some(prepared) = &side.prepared {
                let table = &prepared.table;
                ui.label(format!("{} samples x {} features", table.rows(), table.width()));
                let unknown = table.labels.iter().filter(|label| label.is_none()).count();
                if unknown > 0 {
                    ui.weak(format!("{unknown} without a class"));
                }
            }
        }
        if closes {
            self.sides.truncate(1);
            self.active = 0;
        }
        if !self.pictures.data.is_empty() {
            ui.weak(&self.pictures.data);
        }
        if let Some(problem) = &self.pictures.problem {
            ui.label(RichText::new(format!("No pictures: {problem}")).color(shared.theme.band(Band::Doubtful)));
        }
        if self.sides.first().is_some_and(|side| side.prepared.is_some()) {
            ui.separator();
            self.colouring(ui);
            ui.separator();
            self.searching(ui);
        }
    }

    /// The run in focus: checkpoint, data, and the button that embeds.
    pub(super) fn run_form(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let context = ui.ctx().clone();
        let chosen = self.form.run.as_ref().map_or_else(|| "Choose a run".to_owned(), |run| name_of(run));
        let mut other = None;
        ComboBox::from_label("Run").selected_text(chosen).width(150.0).show_ui(ui, |ui| {
            if shared.library.runs.is_empty() {
                ui.weak("No runs in this folder yet");
            }
            for run in &shared.library.runs {
                if ui.selectable_label(self.form.run.as_ref() == Some(&run.path), &run.name).clicked() {
                    other = Some(run.path.clone());
                }
            }
        });
        if let Some(run) = other {
            self.form = Form { run: Some(run.clone()), ..Form::default() };
            shared.selection.run = Some(run);
            self.read_form(&context);
        }
        if self.form.run.is_none() {
            return;
        }
        let shown = self.form.step.map_or_else(|| "weights".to_owned(), |step| format!("step {step}"));
        ComboBox::from_label("Checkpoint").selected_text(shown).width(150.0).show_ui(ui, |ui| {
            for &step in self.form.steps.iter().rev() {
                ui.selectable_value(&mut self.form.step, Some(step), format!("step {step}"));
            }
        });
        ui.horizontal(|ui| {
            let label = ui.label("Data");
            let edit = TextEdit::singleline(&mut self.form.data).desired_width(120.0);
            ui.add(edit).labelled_by(label.id).on_hover_text("builtin, a folder, a file, or format:path");
            ui.selectable_value(&mut self.form.is_test, false, "train");
            ui.selectable_value(&mut self.form.is_test, true, "test");
        });
        let Some(part) = self.form.part() else { return };
        let is_cached = part.cache().is_file();
        ui.horizontal_wrapped(|ui| {
            let verb = if is_cached { "Open" } else { "Embed" };
            let program = shared.program.as_ref().map_or_else(|| "xtask".to_owned(), |p| p.line(&part.arguments()));
            let hint = if is_cached { "The features are there".to_owned() } else { format!("Runs {program}") };
            if ui.button(RichText::new(verb).strong()).on_hover_text(&hint).clicked() {
                self.open_form(0, &context, shared);
            }
            let beside = format!("{verb} beside");
            if !self.sides.is_empty() && ui.button(beside).on_hover_text("As a second map, one selection").clicked() {
                self.open_form(1, &context, shared);
            }
        });
    }

    pub(super) fn colouring(&mut self, ui: &mut Ui) {
        let Some(side) = self.sides.first() else { return };
        let Some(prepared) = &side.prepared else { return };
        ComboBox::from_label("Colour").selected_text(self.options.colour.title().to_owned()).width(150.0).show_ui(
            ui,
            |ui| {
                for by in ColourBy::offered(&prepared.table) {
                    let title = by.title().to_owned();
                    ui.selectable_value(&mut self.options.colour, by, title);
                }
            },
        );
        let mut wanted = None;
        match side.colours.as_ref().map(|colours| &colours.legend) {
            Some(Legend::Classes(classes)) => {
                for &(class, count, colour) in classes {
                    ui.horizontal(|ui| {
                        let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(10.0), egui::Sense::hover());
                        ui.painter().circle_filled(rect.center(), 5.0, colour);
                        let name = self.pictures.class(class);
                        let button = ui.add(egui::Button::new(name).frame(false));
                        ui.weak(format!("{count}"));
                        if button.on_hover_text("Select this class; with Shift add it").clicked() {
                            wanted = Some(class);
                        }
                    });
                }
                if classes.len() > Theme::CATEGORIES {
                    ui.weak(format!("Colours repeat after {} classes", Theme::CATEGORIES));
                }
            }
            Some(Legend::Numbers { low, high }) => {
                scale(ui);
                ui.horizontal(|ui| {
                    ui.weak(widgets::number(f64::from(*low)));
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        ui.weak(widgets::number(f64::from(*high)));
                    });
                });
            }
            _ => {}
        }
        if let Some(class) = wanted {
            let table = &prepared.table;
            let rows = table.labels.iter().zip(&table.samples).filter(|(label, _)| **label == Some(class));
            self.selection.select(rows.map(|(_, sample)| *sample), ui.input(|input| input.modifiers.shift));
        }
    }

    pub(super) fn searching(&mut self, ui: &mut Ui) {
        let Some(prepared) = self.sides.first().and_then(|side| side.prepared.clone()) else { return };
        let label = ui.label("Search");
        let edit = TextEdit::singleline(&mut self.search.text).hint_text("Class, name, or place").desired_width(200.0);
        let edit = ui.add(edit).labelled_by(label.id);
        let found = self.search.found(&prepared.table, &self.pictures).to_vec();
        if self.search.text.trim().is_empty() {
            return;
        }
        ui.horizontal(|ui| {
            ui.label(format!("{} found", found.len()));
            let is_entered = edit.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let select = ui.add_enabled(!found.is_empty(), egui::Button::new("Select"));
            if (select.clicked() || is_entered) && !found.is_empty() {
                if let [only] = found.as_slice() {
                    self.selection.look_at(*only);
                }
                self.selection.select(found, ui.input(|input| input.modifiers.shift));
                self.wants_frame = true;
            }
        });
    }
}

/// The sequential colours from left to right.
fn scale(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(ui.available_width().min(220.0), 10.0), egui::Sense::hover());
    let steps = 64;
    for i in 0..steps {
        let left = rect.left() + rect.width() * i as f32 / steps as f32;
        let part =
            Rect::from_min_size(egui::pos2(left, rect.top()), egui::vec2(rect.width() / steps as f32 + 0.5, 10.0));
        let colour = crate::theme::sequential(i as f32 / (steps - 1) as f32);
        ui.painter().rect_filled(part, egui::CornerRadius::ZERO, colour);
    }
}
