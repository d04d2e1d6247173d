//! One sample in depth: its picture, its masks, and where its tokens lie.

use egui::{RichText, Ui};
use jepa_core::data::Split;
use jepa_core::plugin::{self, DataPreview, PreviewRequest, Settings, Shown};

use super::{Empty, Screen, ScreenId};
use crate::jobs::{Job, Update};
use crate::shared::{Action, Shared};
use crate::theme::Band;
use crate::widgets::{
    self,
    picture::{Overlay, PictureView},
};

/// The screen's state.
pub struct Sample {
    job: Option<Job<DataPreview>>,
    of: Option<(std::path::PathBuf, u64)>,
    found: Option<Result<DataPreview, String>>,
    views: [PictureView; 3],
    step: u64,
    at: usize,
    generator: usize,
    token: Option<u32>,
}

impl Default for Sample {
    fn default() -> Self {
        let views = std::array::from_fn(|_| PictureView::default());
        Self { job: None, of: None, found: None, views, step: 1, at: 0, generator: 0, token: None }
    }
}

/// Samples of a batch that can be leafed through.
const COUNT: usize = 16;

impl Screen for Sample {
    fn id(&self) -> ScreenId {
        ScreenId::Sample
    }

    fn empty(&self, shared: &Shared) -> Option<Empty> {
        shared.focused().is_none().then(|| Empty {
            title: "No run is chosen".into(),
            text: "Choose one above: its samples appear here with the masks of any step.".into(),
            action: Some(("Choose a variant".into(), Action::Show(ScreenId::Start))),
        })
    }

    fn poll(&mut self, _context: &egui::Context, _shared: &mut Shared) {
        let found = match self.job.as_mut().and_then(Job::poll) {
            Some(Update::Done(found)) => Ok(found),
            Some(Update::Failed(problem)) => Err(problem),
            Some(Update::Partial(_)) | None => return,
        };
        self.found = Some(found);
        self.views.iter_mut().for_each(PictureView::forget);
    }

    fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let Some(run) = shared.focused().cloned() else { return };
        let wanted = (run.path.clone(), self.step);
        if self.of.as_ref() != Some(&wanted) && !self.job.as_ref().is_some_and(Job::is_running) {
            let step = self.step;
            self.of = Some(wanted);
            let (file, variant) = (run.path.join("config.toml"), run.info.variant.clone());
            self.job = Some(Job::start("Sample", ui.ctx(), move |_| {
                let settings = Settings { file: Some(file), ..Settings::default() };
                let samples = Shown::Batch { step, count: COUNT };
                let request = PreviewRequest { settings, split: Split::Train, samples };
                plugin::find(&variant).and_then(|p| p.preview(&request)).map_err(|e| e.to_string())
            }));
        }
        let found = match &self.found {
            None => return widgets::waiting(ui, "Reading samples", &Default::default()),
            Some(Err(problem)) => {
                let problem = problem.clone();
                if widgets::failed(ui, "The samples of this run cannot be read", &problem) {
                    (self.of, self.found) = (None, None);
                }
                return;
            }
            Some(Ok(found)) => found.clone(),
        };
        self.choose(ui, &found);
        match found.pictures.get(self.at.min(found.pictures.len().saturating_sub(1))) {
            Some(Ok(sample)) => self.pictures(ui, sample),
            Some(Err(problem)) => drop(ui.label(RichText::new(problem).color(shared.theme.band(Band::Bad)))),
            None => drop(ui.weak("This batch is empty")),
        }
    }
}

impl Sample {
    fn choose(&mut self, ui: &mut Ui, found: &DataPreview) {
        let last = found.pictures.len().saturating_sub(1);
        self.at = self.at.min(last);
        let before = self.at;
        ui.horizontal(|ui| {
            let label = ui.label("Step");
            ui.add(egui::DragValue::new(&mut self.step).range(1..=1_000_000_000).speed(0.2)).labelled_by(label.id);
            let label = ui.label("Sample of the batch");
            ui.add(egui::Slider::new(&mut self.at, 0..=last)).labelled_by(label.id);
            let generators = found.pictures.iter().flatten().map(|p| p.masks.len()).max().unwrap_or(0);
            for i in 0..generators {
                if generators > 1 {
                    ui.selectable_value(&mut self.generator, i, format!("generator {}", i + 1));
                }
            }
            ui.add(egui::Label::new(RichText::new(&found.data).weak()).truncate());
        });
        if self.at != before {
            self.views.iter_mut().for_each(PictureView::forget);
        }
        ui.separator();
    }

    fn pictures(&mut self, ui: &mut Ui, sample: &plugin::SamplePicture) {
        let label = sample.label.map_or(String::new(), |l| format!(", class {l}"));
        ui.label(RichText::new(format!("{}{label}", sample.name)).strong());
        let generator = self.generator;
        let parts = [
            ("What there is", Overlay::Plain),
            ("What the context encoder sees", Overlay::Seen { generator }),
            ("What is to be predicted", Overlay::Masks { generator, block: None }),
        ];
        let wide = sample.picture.width > 2 * sample.picture.height;
        let space = ui.available_size();
        let bounds = if wide {
            egui::vec2(space.x, space.y / 3.0 - 34.0)
        } else {
            egui::vec2(space.x / 3.0 - 10.0, space.y - 60.0)
        };
        let mut hovered = None;
        let mut draw = |ui: &mut Ui, views: &mut [PictureView; 3]| {
            for ((title, overlay), view) in parts.iter().zip(views) {
                ui.vertical(|ui| {
                    ui.weak(*title);
                    hovered = view.show(ui, title, sample, overlay, bounds).1.or(hovered);
                });
            }
        };
        if wide {
            ui.vertical(|ui| draw(ui, &mut self.views));
        } else {
            ui.horizontal_top(|ui| draw(ui, &mut self.views));
        }
        self.token = hovered;
        let text = self.token.map_or("Point at a picture to see its tokens".to_owned(), |token| {
            let role = sample.masks.get(generator).map_or("", |masks| {
                if masks.context.iter().any(|m| m.contains(&token)) {
                    "seen by the context encoder"
                } else if masks.target.iter().any(|m| m.contains(&token)) {
                    "to be predicted"
                } else {
                    "neither seen nor predicted in this step"
                }
            });
            format!("Token {token}: {role}")
        });
        ui.weak(text);
    }
}
