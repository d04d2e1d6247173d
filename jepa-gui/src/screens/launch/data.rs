//! The data of a new run: where it comes from, and pictures of its samples with the masks that training will draw.

use egui::{RichText, Ui};
use jepa_core::data::Split;
use jepa_core::plugin::{DataPreview, Plugin, PreviewRequest, Settings, Shown};

use crate::form::Form;
use crate::jobs::{Job, Update};
use crate::theme::{Band, Theme};
use crate::widgets::picture::{Overlay, PictureView};

/// Pictures shown.
const COUNT: usize = 4;

/// The panel's state.
pub(super) struct DataPanel {
    job: Option<Job<DataPreview>>,
    asked: Option<String>,
    found: Option<Result<DataPreview, String>>,
    views: Vec<PictureView>,
    dialog: Option<Job<Option<std::path::PathBuf>>>,
    step: u64,
    generator: usize,
    masks: bool,
}

impl Default for DataPanel {
    fn default() -> Self {
        let views = (0..COUNT).map(|_| PictureView::default()).collect();
        Self { job: None, asked: None, found: None, views, dialog: None, step: 1, generator: 0, masks: true }
    }
}

impl DataPanel {
    /// Takes what was found, and asks again when the configuration or the step has changed.
    pub(super) fn poll(
        &mut self,
        context: &egui::Context,
        plugin: &'static Plugin,
        settings: &Settings,
        form: &mut Form,
    ) {
        match self.job.as_mut().and_then(Job::poll) {
            Some(Update::Done(found)) => self.take(Ok(found)),
            Some(Update::Failed(problem)) => self.take(Err(problem)),
            Some(Update::Partial(_)) | None => {}
        }
        if let Some(Update::Done(Some(path))) = self.dialog.as_mut().and_then(Job::poll) {
            form.set("data.source", path.display().to_string().into());
        }
        if self.dialog.as_ref().is_some_and(|d| !d.is_running()) {
            self.dialog = None;
        }
        let wanted = format!("{settings:?} {}", self.step);
        if self.asked.as_ref() == Some(&wanted) || self.job.as_ref().is_some_and(Job::is_running) {
            return;
        }
        self.asked = Some(wanted);
        let samples = Shown::Batch { step: self.step, count: COUNT };
        let request = PreviewRequest { settings: settings.clone(), split: Split::Train, samples };
        self.job = Some(Job::start("Samples", context, move |_| plugin.preview(&request).map_err(|e| e.to_string())));
    }

    fn take(&mut self, found: Result<DataPreview, String>) {
        self.views.iter_mut().for_each(PictureView::forget);
        self.found = Some(found);
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, form: &mut Form, plugin: &Plugin, theme: Theme) {
        ui.label(RichText::new("Data").strong());
        self.source(ui, form, plugin);
        match &self.found {
            None => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.weak("Reading samples…");
                });
            }
            Some(Err(problem)) => {
                ui.add(egui::Label::new(RichText::new(problem).color(theme.band(Band::Bad))).wrap());
                let formats = plugin.formats.join(", ");
                ui.weak(format!("Choose `builtin`, a folder, a file, or format:path with one of {formats}"));
            }
            Some(Ok(found)) => {
                ui.add(egui::Label::new(RichText::new(&found.data).weak()).wrap());
                pictures(ui, found, &mut self.views, self.generator, self.masks);
                let generators = found.pictures.iter().flatten().map(|p| p.masks.len()).max().unwrap_or(0);
                ui.horizontal(|ui| {
                    ui.checkbox(&mut self.masks, "Masks").on_hover_text("Lit is seen, coloured is to be predicted");
                    let label = ui.label("of step");
                    ui.add(egui::DragValue::new(&mut self.step).range(1..=1_000_000).speed(0.1)).labelled_by(label.id);
                    for i in 0..generators.max(1) {
                        if generators > 1 {
                            ui.selectable_value(&mut self.generator, i, format!("generator {}", i + 1));
                        }
                    }
                });
                let figures: Vec<String> = found.figures.iter().map(|(name, v)| format!("{name} {v:.0}")).collect();
                if !figures.is_empty() {
                    ui.label(RichText::new(figures.join(" · ")).small().weak());
                }
            }
        }
    }

    fn source(&mut self, ui: &mut Ui, form: &mut Form, plugin: &Plugin) {
        let mut source = form.get("data.source").and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let before = source.clone();
        // Wrapped: in one line the buttons would push the settings beside this panel out of sight.
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("From");
            ui.add(egui::TextEdit::singleline(&mut source).desired_width(170.0)).labelled_by(label.id);
            let inside = plugin.formats.iter().filter(|f| f.starts_with("builtin"));
            for format in inside {
                if ui.selectable_label(source == *format, *format).on_hover_text("Part of the program").clicked() {
                    source = (*format).to_owned();
                }
            }
            for (label, folder) in [("Folder…", true), ("File…", false)] {
                if ui.button(label).clicked() && self.dialog.is_none() {
                    self.dialog = Some(Job::start("Choose data", ui.ctx(), move |_| {
                        let dialog = rfd::FileDialog::new().set_title("Data");
                        Ok(if folder { dialog.pick_folder() } else { dialog.pick_file() })
                    }));
                }
            }
        });
        if source != before {
            form.set("data.source", source.into());
        }
    }
}

/// Samples beside each other, wrapped.
fn pictures(ui: &mut Ui, found: &DataPreview, views: &mut [PictureView], generator: usize, masks: bool) {
    let overlay = if masks { Overlay::Masks { generator, block: None } } else { Overlay::Plain };
    // Wide pictures below each other, square ones in one row.
    let wide = found.pictures.iter().flatten().any(|p| p.picture.width > 2 * p.picture.height);
    let (space, gap) = (ui.available_width(), ui.spacing().item_spacing.x);
    let bounds =
        if wide { egui::vec2(space, 90.0) } else { egui::vec2((space + gap) / COUNT as f32 - gap - 1.0, 150.0) };
    ui.horizontal_wrapped(|ui| {
        for (picture, view) in found.pictures.iter().zip(views) {
            match picture {
                Ok(sample) => {
                    let name = format!("Sample {}", sample.name);
                    let (response, token) = view.show(ui, &name, sample, &overlay, bounds);
                    let label = sample.label.and_then(|l| found.classes.get(l as usize)).map_or("", String::as_str);
                    let token = token.map_or(String::new(), |t| format!("\ntoken {t}"));
                    response.on_hover_text(format!("{} {label}{token}", sample.name));
                }
                Err(problem) => drop(ui.weak(problem)),
            }
        }
    });
}
