//! The maps, with what makes them, the film and the samples below.

use egui::{ComboBox, DragValue, Rect, RichText, Slider, Ui};

use super::super::film::FRAMES;
use super::super::plot::{Plot, Tool};
use super::super::projection::{COMPONENTS, Method};
use super::super::side::{Judgement, Side};
use super::super::{Embeddings, gallery};
use super::inspector::{HELP, band};
use crate::screens::Empty;
use crate::shared::Shared;
use crate::theme::{Band, Theme};
use crate::widgets;

impl Embeddings {
    pub(super) fn toolbar(&mut self, ui: &mut Ui, shared: &Shared) {
        let context = ui.ctx().clone();
        let before = self.options.choice;
        ui.horizontal_wrapped(|ui| {
            for method in Method::ALL {
                let button = ui.selectable_label(self.options.choice.method == method, method.title());
                if button.on_hover_text(method.help()).clicked() {
                    self.options.choice.method = method;
                }
            }
            ui.separator();
            for (dims, title) in [(2, "2-D"), (3, "3-D")] {
                ui.selectable_value(&mut self.options.choice.dims, dims, title);
            }
            ui.separator();
            for tool in Tool::ALL {
                let button = ui.selectable_label(self.tool == tool, tool.title());
                if button.on_hover_text(tool.help()).clicked() {
                    self.tool = tool;
                }
            }
            ui.separator();
            ui.toggle_value(&mut self.options.grid.0, "Samples").on_hover_text("The grid of samples under the map");
            let can_film = self.form.steps.len() > 1 && self.sides[0].map.is_some() && self.film.is_none();
            let hint = format!("Maps of up to {FRAMES} checkpoints of this run, laid over each other");
            let film = ui.add_enabled(can_film, egui::Button::new("Film")).on_hover_text(hint);
            if film.on_disabled_hover_text("A film needs an embedded run with several checkpoints").clicked() {
                self.start_film(&context, shared);
            }
        });
        let mut again = false;
        ui.horizontal_wrapped(|ui| {
            let choice = &mut self.options.choice;
            match choice.method {
                Method::Pca => components(ui, &self.sides[0], &mut choice.components[..choice.dims]),
                Method::Tsne => {
                    let hint = "How many neighbours count, roughly";
                    ui.add(Slider::new(&mut choice.perplexity, 2.0..=100.0).logarithmic(true).text("Perplexity"))
                        .on_hover_text(hint);
                    ui.label("Iterations");
                    ui.add(DragValue::new(&mut choice.iterations).range(50..=10_000).speed(10));
                }
                Method::Umap => {
                    ui.add(Slider::new(&mut choice.neighbours, 3..=100).logarithmic(true).text("Neighbours"));
                    ui.add(Slider::new(&mut choice.min_dist, 0.0..=0.99).text("Least distance"));
                    ui.label("Seed");
                    ui.add(DragValue::new(&mut choice.seed));
                }
            }
            ui.separator();
            ui.selectable_value(&mut choice.by_angle, true, "Cosine").on_hover_text("Near is a small angle");
            ui.selectable_value(&mut choice.by_angle, false, "Euclid").on_hover_text("Near is a small distance");
            if choice.method != Method::Pca {
                if self.sides.iter().any(Side::is_projecting) {
                    if ui.button("Stop").on_hover_text("The map stays as it is (Space)").clicked() {
                        self.sides.iter_mut().for_each(Side::stop);
                    }
                } else {
                    again = ui.button("Run").on_hover_text("From the map as it is").clicked();
                }
            }
        });
        let after = self.options.choice;
        if after.by_angle != before.by_angle {
            self.set_metric(&context);
        } else if again {
            self.project_all(true, &context);
        } else if after != before {
            self.project_all(false, &context);
        }
    }

    pub(super) fn maps(&mut self, ui: &mut Ui, shared: &mut Shared) {
        if self.sides.is_empty() {
            let text = "Choose a run and embed its data with a checkpoint, or open a file of features. Every sample \
                        becomes a point; samples that the encoder takes for alike lie together.";
            let title = "No run and no features yet".to_owned();
            let action = Some(("Open a run…".to_owned(), crate::shared::Action::ChooseRun));
            if let Some(action) = widgets::empty(ui, &Empty { title, text: text.to_owned(), action }) {
                shared.ask(action);
            }
            return;
        }
        if std::mem::take(&mut self.wants_frame) {
            let (sides, selection) = (&mut self.sides, &self.selection);
            sides.iter_mut().for_each(|side| side.frame(selection));
        }
        let whole = ui.available_rect_before_wrap();
        let count = self.sides.len();
        let width = (whole.width() - 8.0 * (count - 1) as f32) / count as f32;
        for at in 0..count {
            let left = whole.left() + at as f32 * (width + 8.0);
            let rect = Rect::from_min_size(egui::pos2(left, whole.top()), egui::vec2(width, whole.height()));
            ui.scope_builder(egui::UiBuilder::new().max_rect(rect).id_salt(("map", at)), |ui| {
                self.map(ui, at, shared);
            });
        }
        ui.advance_cursor_after_rect(whole);
    }

    /// One map with its caption, or what stands in its place.
    pub(super) fn map(&mut self, ui: &mut Ui, at: usize, shared: &mut Shared) {
        let name = if self.sides.len() == 1 { "Map" } else { ["Left map", "Right map"][at] };
        let Some(side) = self.sides.get_mut(at) else { return };
        if side.map.is_none() {
            match (&side.problem, side.busy()) {
                (Some(problem), _) => {
                    if widgets::failed(ui, "The features are not there", problem)
                        && let Some(origin) = side.origin.clone()
                    {
                        self.open_at(at, origin, ui.ctx(), shared);
                    }
                }
                (None, Some((title, progress))) => widgets::waiting(ui, &title, &progress),
                (None, None) => drop(ui.weak("Nothing to show")),
            }
            return;
        }
        caption(ui, side, shared.theme);
        let samples = self.selection.samples().iter().copied().chain(self.selection.focus()).take(40);
        let film = self.film.as_ref().filter(|_| at == 0);
        let trails = film.map(|film| samples.map(|sample| film.trail(sample)).collect()).unwrap_or_default();
        let rect = ui.available_rect_before_wrap();
        let plot = Plot {
            side,
            selection: &mut self.selection,
            pictures: &mut self.pictures,
            colour: &self.options.colour,
            tool: self.tool,
            held: &mut self.held,
            theme: shared.theme,
            trails,
            name,
        };
        let id = ui.scope_id().with("plot");
        let touched = plot.show(ui, rect, id);
        if touched.is_active {
            self.active = at;
        }
        if touched.isolates {
            let samples = self.to_isolate();
            if samples.len() >= 4 {
                self.isolate(Some(samples), ui.ctx());
            }
        }
    }

    pub(super) fn film_bar(&mut self, ui: &mut Ui, theme: Theme) {
        let Some(film) = &mut self.film else { return };
        let mut closes = false;
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            let is_ready = film.frames.len() > 1;
            let play = if film.is_playing { "Stop" } else { "Play" };
            if ui.add_enabled(is_ready, egui::Button::new(play)).on_hover_text("Space").clicked() {
                film.toggle();
            }
            let end = film.frames.len().saturating_sub(1) as f32;
            ui.spacing_mut().slider_width = (ui.available_width() - 330.0).clamp(80.0, 600.0);
            let slider = Slider::new(&mut film.at, 0.0..=end.max(0.001)).show_value(false);
            let slider =
                ui.add_enabled(is_ready, slider).on_hover_text("Checkpoint; arrow keys go from one to the next");
            if slider.dragged() {
                film.is_playing = false;
            }
            if let Some(frame) = film.nearest() {
                ui.strong(format!("step {}", frame.step));
                if let Some(retained) = frame.retained {
                    let text = format!("{:.0} % of neighbours stay", 100.0 * retained);
                    ui.label(text).on_hover_text("Nearest 10 that are so at the next checkpoint too, on 500 samples");
                }
            }
            closes = ui.small_button("Close").on_hover_text("Close the film").clicked();
        });
        if let Some(progress) = film.making() {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.weak(format!("{} of {} checkpoints · {}", film.frames.len(), film.planned, progress.text));
            });
        }
        if let Some(problem) = &film.problem {
            ui.label(RichText::new(format!("The film is not whole: {problem}")).color(theme.band(Band::Doubtful)));
        }
        if closes {
            // Back to the checkpoint that the film began with: the newest frame is its map.
            if let (Some(frame), Some(side)) = (film.frames.last().cloned(), self.sides.first_mut()) {
                side.set_frame(frame.prepared, frame.map, frame.trust);
            }
            self.film = None;
        }
    }

    pub(super) fn grid(&mut self, ui: &mut Ui, theme: Theme) {
        let Some(side) = self.sides.first() else { return };
        let (title, samples) = gallery::content(side, &self.selection);
        ui.add_space(4.0);
        ui.weak(title);
        gallery::show(ui, &samples, side, &mut self.selection, &mut self.pictures, theme);
    }
}

/// Which components lie on the axes.
fn components(ui: &mut Ui, side: &Side, axes: &mut [usize]) {
    let pca = side.prepared.as_ref().map(|prepared| &prepared.pca);
    let known = pca.map_or(COMPONENTS, |pca| pca.len());
    let title = |i: usize| match pca {
        Some(pca) if i < pca.len() => format!("PC {} · {:.1} %", i + 1, 100.0 * pca.explained(i)),
        _ => format!("PC {}", i + 1),
    };
    for (axis, name) in axes.iter_mut().zip(["x", "y", "z"]) {
        ComboBox::from_label(name).selected_text(title(*axis)).width(104.0).show_ui(ui, |ui| {
            for i in 0..known {
                ui.selectable_value(axis, i, title(i));
            }
        });
    }
    if let Some(pca) = pca {
        let shown: f64 = axes.iter().filter(|i| **i < pca.len()).map(|i| pca.explained(*i)).sum();
        ui.weak(format!("{:.1} % of the variance", 100.0 * shown))
            .on_hover_text("What these axes explain; the rest is not seen on this map");
    }
}

/// Which map this is, how far it is, and how far to believe it.
fn caption(ui: &mut Ui, side: &Side, theme: Theme) {
    ui.horizontal_wrapped(|ui| {
        if let Some(origin) = &side.origin {
            ui.strong(origin.title());
        }
        match side.judgement {
            Judgement::Known(trust) => {
                let text =
                    format!("Trust {:.3} · {:.0} % of true neighbours kept", trust.trustworthiness, 100.0 * trust.kept);
                ui.label(RichText::new(text).color(theme.band(band(trust.trustworthiness)))).on_hover_text(HELP);
            }
            Judgement::TooFew => drop(ui.weak("Too few samples for a trust figure")),
            Judgement::Open if side.is_projecting() => drop(ui.weak("Trust is measured when the map has settled")),
            Judgement::Open => drop(ui.weak("Measuring trust")),
        }
        if side.is_isolated()
            && let Some(prepared) = &side.prepared
        {
            ui.label(format!("{} isolated", prepared.table.rows()));
        }
        if let Some((_, progress)) = side.busy() {
            ui.weak(progress.text);
        }
        if let Some(problem) = &side.problem {
            ui.label(RichText::new(problem).color(theme.band(Band::Bad)));
        }
    });
}
