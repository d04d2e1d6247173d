//! The three columns: what is shown, the maps with what makes them, and what is looked at.

use egui::{CentralPanel, ComboBox, DragValue, Frame, Panel, Rect, RichText, ScrollArea, Slider, TextEdit, Ui};

use super::colour::{ColourBy, Legend};
use super::film::FRAMES;
use super::plot::{Plot, Tool};
use super::projection::{COMPONENTS, Method};
use super::side::{Judgement, Side};
use super::{Embeddings, gallery};
use crate::screens::Empty;
use crate::shared::{Shared, name_of};
use crate::theme::{Band, Theme};
use crate::widgets;

impl Embeddings {
    pub(super) fn columns(&mut self, ui: &mut Ui, shared: &mut Shared) {
        Panel::left("embeddings data").default_size(248.0).size_range(180.0..=420.0).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.data(ui, shared));
        });
        Panel::right("embeddings inspector").default_size(268.0).size_range(200.0..=480.0).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.inspector(ui, shared.theme));
        });
        if !self.sides.is_empty() {
            Panel::top("embeddings projection").frame(Frame::NONE).show_separator_line(false).show(ui, |ui| {
                self.toolbar(ui, shared);
                ui.add_space(4.0);
            });
            if self.film.is_some() {
                Panel::bottom("embeddings film").frame(Frame::NONE).show_separator_line(false).show(ui, |ui| {
                    self.film_bar(ui, shared.theme);
                });
            }
            if self.options.grid.0 && self.sides[0].map.is_some() {
                let grid = Panel::bottom("embeddings samples").frame(Frame::NONE).default_size(176.0);
                grid.size_range(100.0..=600.0).show(ui, |ui| self.grid(ui, shared.theme));
            }
        }
        CentralPanel::default().frame(Frame::NONE).show(ui, |ui| self.maps(ui, shared));
    }

    // --- data ------------------------------------------------------------------------------------------------------

    fn data(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let context = ui.ctx().clone();
        ui.heading("Data");
        self.run_form(ui, shared);
        ui.horizontal_wrapped(|ui| {
            if ui.button("Open file…").on_hover_text("A file that `cargo xtask embed` wrote").clicked() {
                self.choose(0, &context);
            }
            if !self.sides.is_empty() && ui.button("Beside…").on_hover_text("Open a file as a second map").clicked() {
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
    fn run_form(&mut self, ui: &mut Ui, shared: &mut Shared) {
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
            self.form = super::Form { run: Some(run.clone()), ..super::Form::default() };
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

    fn colouring(&mut self, ui: &mut Ui) {
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

    fn searching(&mut self, ui: &mut Ui) {
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

    // --- projection ------------------------------------------------------------------------------------------------

    fn toolbar(&mut self, ui: &mut Ui, shared: &Shared) {
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

    fn maps(&mut self, ui: &mut Ui, shared: &mut Shared) {
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
    fn map(&mut self, ui: &mut Ui, at: usize, shared: &mut Shared) {
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

    fn film_bar(&mut self, ui: &mut Ui, theme: Theme) {
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

    fn grid(&mut self, ui: &mut Ui, theme: Theme) {
        let Some(side) = self.sides.first() else { return };
        let (title, samples) = gallery::content(side, &self.selection);
        ui.add_space(4.0);
        ui.weak(title);
        gallery::show(ui, &samples, side, &mut self.selection, &mut self.pictures, theme);
    }

    // --- inspector -------------------------------------------------------------------------------------------------

    fn inspector(&mut self, ui: &mut Ui, theme: Theme) {
        let context = ui.ctx().clone();
        ui.heading("Inspector");
        if self.sides.iter().all(|side| side.map.is_none()) {
            ui.weak("What is looked at appears here: its neighbours, and how far to believe the map");
            return;
        }
        for (at, side) in self.sides.iter().enumerate() {
            let name = if self.sides.len() == 1 { "This map" } else { ["Left map", "Right map"][at] };
            trust(ui, name, side, theme);
        }
        if let Some(side) = self.sides.first()
            && self.options.choice.method == Method::Pca
            && let Some(prepared) = &side.prepared
        {
            ui.collapsing("Explained variance", |ui| {
                let shares: Vec<f64> = (0..prepared.pca.len()).map(|i| prepared.pca.explained(i)).collect();
                for (i, share) in shares.iter().enumerate() {
                    let text = format!("PC {}  {:.1} %", i + 1, 100.0 * share);
                    let bar = (share / shares[0].max(f64::MIN_POSITIVE)) as f32;
                    ui.add(egui::ProgressBar::new(bar).text(text).desired_height(16.0));
                }
                ui.weak(format!("Together {:.1} %", 100.0 * shares.iter().sum::<f64>()));
            });
        }
        ui.separator();
        self.selected(ui, &context);
        ui.separator();
        self.neighbours(ui, theme);
    }

    fn selected(&mut self, ui: &mut Ui, context: &egui::Context) {
        let count = self.selection.samples().len();
        ui.strong(if count == 0 { "Nothing selected".to_owned() } else { format!("{count} selected") });
        if let Some(prepared) = self.sides.first().and_then(|side| side.prepared.as_ref())
            && count > 0
        {
            let mut classes = std::collections::BTreeMap::<Option<u32>, usize>::new();
            for row in self.selection.samples().iter().filter_map(|&sample| prepared.table.row_of(sample)) {
                *classes.entry(prepared.table.labels[row]).or_default() += 1;
            }
            let mut classes: Vec<(Option<u32>, usize)> = classes.into_iter().collect();
            classes.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            for (class, n) in classes.iter().take(8) {
                let name = class.map_or_else(|| "without a class".to_owned(), |class| self.pictures.class(class));
                ui.label(format!("{n} · {name}"));
            }
        }
        ui.horizontal_wrapped(|ui| {
            let samples = self.to_isolate();
            let button = ui.add_enabled(samples.len() >= 4, egui::Button::new("Isolate"));
            let button = button.on_hover_text("Show only these, computed anew");
            if button.on_disabled_hover_text("Select at least four samples").clicked() {
                self.isolate(Some(samples), context);
            }
            if self.sides.iter().any(Side::is_isolated) && ui.button("Show all").clicked() {
                self.isolate(None, context);
            }
            if ui.add_enabled(!self.selection.is_empty(), egui::Button::new("Clear")).on_hover_text("Esc").clicked() {
                self.selection.clear();
            }
            if ui.button("Frame").on_hover_text("Bring the selection into view (F)").clicked() {
                self.wants_frame = true;
            }
        });
    }

    fn neighbours(&mut self, ui: &mut Ui, theme: Theme) {
        let Some(focus) = self.selection.focus() else {
            ui.strong("Nearest samples");
            ui.weak("Click a point to see which samples its features are nearest to");
            return;
        };
        ui.horizontal(|ui| {
            ui.strong("Nearest samples");
            let count = DragValue::new(&mut self.options.nearest.0).range(1..=200).suffix(" shown");
            ui.add(count);
        });
        ui.horizontal(|ui| {
            let side = &self.sides[0];
            gallery::cell(ui, focus, side, &mut self.selection, &mut self.pictures, theme);
            ui.vertical(|ui| {
                ui.label(self.pictures.name(focus).map_or_else(|| format!("sample {focus}"), str::to_owned));
                ui.weak(gallery::class_of(focus, side, &self.pictures).unwrap_or_else(|| "class unknown".to_owned()));
            });
        });
        let mut next = None;
        let (mut lists, mut common) = (Vec::new(), None);
        for side in &self.sides {
            let near = side.neighbourhood.as_ref().filter(|near| near.of == focus);
            let list = near.zip(side.prepared.as_ref()).map(|(near, prepared)| {
                let named = near.nearest.iter().map(|n| (prepared.table.samples[n.index], n.distance));
                named.take(self.options.nearest.0).collect::<Vec<(usize, f32)>>()
            });
            lists.push(list);
        }
        if let [Some(left), Some(right)] = lists.as_slice() {
            common = Some(left.iter().filter(|(sample, _)| right.iter().any(|(s, _)| s == sample)).count());
        }
        if let Some(common) = common {
            ui.label(format!("{common} on both maps"));
        }
        for (at, list) in lists.iter().enumerate() {
            let side = &self.sides[at];
            if self.sides.len() > 1 {
                ui.weak(["Left map", "Right map"][at]);
            }
            let Some(list) = list else {
                let is_here = side.prepared.as_ref().is_some_and(|p| p.table.row_of(focus).is_some());
                ui.weak(if is_here { "Looking" } else { "This sample is not on this map" });
                continue;
            };
            if let (Some(own), Some(prepared)) = (gallery::class_of(focus, side, &self.pictures), &side.prepared) {
                let label = prepared.table.row_of(focus).and_then(|row| prepared.table.labels[row]);
                let same = |sample: usize| prepared.table.row_of(sample).map(|row| prepared.table.labels[row]);
                let count = list.iter().filter(|(sample, _)| same(*sample) == Some(label)).count();
                ui.label(format!("{count} of {} are {own} too", list.len()));
            }
            for &(sample, distance) in list {
                ui.horizontal(|ui| {
                    gallery::cell(ui, sample, side, &mut self.selection, &mut self.pictures, theme);
                    ui.vertical(|ui| {
                        let name = self.pictures.name(sample).map_or_else(|| format!("sample {sample}"), str::to_owned);
                        if ui.link(name).clicked() {
                            next = Some(sample);
                        }
                        if let Some(class) = gallery::class_of(sample, side, &self.pictures) {
                            ui.weak(class);
                        }
                        ui.label(format!("{distance:.4}"));
                    });
                });
            }
        }
        if let Some(sample) = next {
            self.selection.look_at(sample);
        }
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

const HELP: &str = "Trustworthiness over 10 neighbours: 1 when no sample is shown among the nearest that is not. Kept: \
                    share of the true 10 nearest that are the 10 nearest on the map. A two-dimensional map of many \
                    classes seldom keeps more than half.";

/// Whether a map shows neighbours as they are.
fn band(trustworthiness: f64) -> Band {
    match trustworthiness {
        t if t >= 0.95 => Band::Good,
        t if t >= 0.85 => Band::Doubtful,
        _ => Band::Bad,
    }
}

fn trust(ui: &mut Ui, name: &str, side: &Side, theme: Theme) {
    ui.horizontal(|ui| {
        ui.label(name);
        match side.judgement {
            Judgement::Known(trust) => {
                let text = format!("{:.3}", trust.trustworthiness);
                ui.label(RichText::new(text).strong().color(theme.band(band(trust.trustworthiness))));
                let share = format!("{:.0} % kept, k = {}", 100.0 * trust.kept, trust.k);
                ui.weak(share).on_hover_text(HELP);
                if trust.queries < trust.rows {
                    ui.weak(format!("on {} samples", trust.queries));
                }
            }
            Judgement::TooFew => drop(ui.weak("too few samples")),
            Judgement::Open => drop(ui.weak("not measured yet")),
        }
    });
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
