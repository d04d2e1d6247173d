//! The masks of the batch being trained, over its samples. They are a function of seed and step, so they are drawn here
//! from the configuration, while the run goes on, without a word from it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{RichText, Ui};
use jepa_core::data::Split;
use jepa_core::plugin::{self, DataPreview, PreviewRequest, Settings, Shown};

use crate::jobs::{Job, Update};
use crate::shared::Shared;
use crate::theme::Band;
use crate::widgets::picture::{Overlay, PictureView};

/// The panel's state.
pub(super) struct Masks {
    job: Option<Job<DataPreview>>,
    of: Option<(PathBuf, u64)>,
    asked: Option<Instant>,
    found: Option<Result<DataPreview, String>>,
    shown: u64,
    views: Vec<PictureView>,
    live: bool,
    generator: usize,
    block: usize,
}

/// Samples shown.
const COUNT: usize = 4;
/// Pause between two batches that are shown.
const PAUSE: Duration = Duration::from_millis(1500);

impl Default for Masks {
    fn default() -> Self {
        Self {
            job: None,
            of: None,
            asked: None,
            found: None,
            shown: 0,
            views: (0..COUNT).map(|_| PictureView::default()).collect(),
            live: true,
            generator: 0,
            block: 0,
        }
    }
}

impl Masks {
    pub(super) fn poll(&mut self) {
        let found = match self.job.as_mut().and_then(Job::poll) {
            Some(Update::Done(found)) => Ok(found),
            Some(Update::Failed(problem)) => Err(problem),
            Some(Update::Partial(_)) | None => return,
        };
        self.found = Some(found);
        self.shown = self.of.as_ref().map_or(0, |(_, step)| *step);
        self.views.iter_mut().for_each(PictureView::forget);
    }

    fn ask(&mut self, context: &egui::Context, run: &Path, step: u64, variant: &str) {
        let due = self.asked.is_none_or(|at| at.elapsed() > PAUSE);
        let same = self.of.as_ref().is_some_and(|(known, at)| known == run && (*at == step || !self.live));
        if same || self.job.as_ref().is_some_and(Job::is_running) {
            return;
        }
        if !due && self.of.as_ref().is_some_and(|(known, _)| known == run) {
            context.request_repaint_after(PAUSE);
            return;
        }
        if self.of.as_ref().is_none_or(|(known, _)| known != run) {
            self.found = None;
        }
        (self.of, self.asked) = (Some((run.to_owned(), step)), Some(Instant::now()));
        let (file, variant) = (run.join("config.toml"), variant.to_owned());
        self.job = Some(Job::start("Masks", context, move |_| {
            let settings = Settings { file: Some(file), ..Settings::default() };
            let samples = Shown::Batch { step: step.max(1), count: COUNT };
            let request = PreviewRequest { settings, split: Split::Train, samples };
            plugin::find(&variant).and_then(|p| p.preview(&request)).map_err(|e| e.to_string())
        }));
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, run: &Path, shared: &Shared) {
        let Some(variant) = shared.library.get(run).map(|r| r.info.variant.clone()) else { return };
        let step = shared.followers.get(run).map_or(0, |f| f.history.step());
        self.ask(ui.ctx(), run, step, &variant);
        ui.horizontal(|ui| {
            ui.label(RichText::new("Masks").strong());
            ui.checkbox(&mut self.live, "Live").on_hover_text("Follow the batch that is being trained");
            if self.shown > 0 {
                ui.label(RichText::new(format!("batch of step {}", self.shown)).small().weak());
            }
        });
        let found = self.found.take();
        match &found {
            None => drop(ui.spinner()),
            Some(Err(problem)) => {
                ui.add(egui::Label::new(RichText::new(problem).color(shared.theme.band(Band::Bad))).wrap());
            }
            Some(Ok(found)) => self.pictures(ui, found),
        }
        self.found = found;
        // The reader is small on purpose: a run that writes such maps has one file a checkpoint.
        if run.join("samples").is_dir() {
            ui.label(RichText::new("Samples of this run lie in its folder").small().weak());
        }
    }

    fn pictures(&mut self, ui: &mut Ui, found: &DataPreview) {
        let masks = found.pictures.iter().flatten().find_map(|p| p.masks.get(self.generator));
        let blocks = masks.map_or(0, |m| m.target.len());
        let generators = found.pictures.iter().flatten().map(|p| p.masks.len()).max().unwrap_or(0);
        ui.horizontal(|ui| {
            for i in 0..generators {
                if generators > 1 {
                    ui.selectable_value(&mut self.generator, i, format!("generator {}", i + 1));
                }
            }
            if blocks > 1 {
                let label = ui.label("Block");
                let text = |n: f64, _: std::ops::RangeInclusive<usize>| {
                    if n < 1.0 { "all".to_owned() } else { format!("{n:.0}") }
                };
                let slider = egui::Slider::new(&mut self.block, 0..=blocks).custom_formatter(text);
                ui.add(slider).labelled_by(label.id);
            }
        });
        if let Some(masks) = masks {
            let total =
                found.pictures.iter().flatten().flat_map(|p| p.tokens.iter().flatten()).max().map_or(1, |m| m + 1);
            let seen: usize = masks.context.iter().map(Vec::len).sum();
            let mut hidden: Vec<u32> = masks.target.iter().flatten().copied().collect();
            let sum = hidden.len();
            hidden.sort_unstable();
            hidden.dedup();
            let percent = |n: usize| 100.0 * n as f64 / f64::from(total);
            let text = format!(
                "seen {:.0} %, to be predicted {:.0} %, overlap of blocks {:.0} %",
                percent(seen),
                percent(hidden.len()),
                100.0 * (sum - hidden.len()) as f64 / sum.max(1) as f64
            );
            ui.label(RichText::new(text).small().weak());
        }
        let overlay = Overlay::Masks { generator: self.generator, block: self.block.checked_sub(1) };
        let wide = found.pictures.iter().flatten().any(|p| p.picture.width > 2 * p.picture.height);
        let space = ui.available_width();
        let bounds = if wide { egui::vec2(space, 84.0) } else { egui::vec2(space / 4.0 - 8.0, 120.0) };
        ui.horizontal_wrapped(|ui| {
            for (picture, view) in found.pictures.iter().zip(&mut self.views) {
                let Ok(sample) = picture else { continue };
                let (response, token) = view.show(ui, &format!("Masks of {}", sample.name), sample, &overlay, bounds);
                let token = token.map_or(String::new(), |t| format!(", token {t}"));
                response.on_hover_text(format!("{}{token}", sample.name));
            }
        });
    }
}
