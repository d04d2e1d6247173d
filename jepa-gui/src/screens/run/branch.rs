//! The dialog for a run that goes on from a checkpoint of this one.

use std::path::{Path, PathBuf};

use egui::RichText;

use crate::jobs::{Job, Update};
use crate::runs::{Branch, checkpoints};
use crate::shared::{Action, Shared, name_of};

/// The dialog's state.
#[derive(Debug, Default)]
pub(super) struct BranchDialog {
    shown: bool,
    fresh: bool,
    step: u64,
    name: String,
    changes: String,
    problem: Option<String>,
    job: Option<Job<(PathBuf, String)>>,
}

impl BranchDialog {
    pub(super) fn open(&mut self) {
        *self = Self { shown: true, fresh: true, ..Self::default() };
    }

    pub(super) fn ui(&mut self, context: &egui::Context, run: &Path, shared: &mut Shared) {
        match self.job.as_mut().and_then(Job::poll) {
            Some(Update::Done((out, variant))) => {
                self.shown = false;
                let place = out.display().to_string();
                let arguments = ["train", &variant, "--resume", "--out", &place].map(str::to_owned).to_vec();
                shared.ask(Action::Launch { arguments, out });
            }
            Some(Update::Failed(problem)) => self.problem = Some(problem),
            Some(Update::Partial(_)) | None => {}
        }
        if !self.shown {
            return;
        }
        let found = checkpoints(run);
        if std::mem::take(&mut self.fresh) {
            self.step = found.last().map_or(0, |(step, _)| *step);
            let name = |n: usize| format!("{}-branch-{n}", name_of(run));
            self.name = (1..1000).map(name).find(|n| !shared.library.folder.join(n).exists()).unwrap_or_default();
        }
        let modal = egui::Modal::new(egui::Id::unique("branch")).show(context, |ui| {
            ui.set_width(460.0);
            // On the ground of a dialog only their edge tells fields from text.
            ui.visuals_mut().widgets.inactive.bg_stroke = ui.visuals().window_stroke;
            ui.heading("Branch from a checkpoint");
            ui.weak("A new run folder with that checkpoint, which goes on by itself. This run stays as it is.");
            if found.is_empty() {
                ui.label("This run has no complete checkpoint yet.");
                return ui.button("Close").clicked();
            }
            ui.horizontal_wrapped(|ui| {
                ui.label("Step");
                for (step, _) in &found {
                    ui.selectable_value(&mut self.step, *step, step.to_string());
                }
            });
            ui.horizontal(|ui| {
                let label = ui.label("Run name");
                ui.text_edit_singleline(&mut self.name).labelled_by(label.id);
            });
            let label = ui.label("Changes, one key=value a line, such as schedule.lr=0.0005");
            ui.add(egui::TextEdit::multiline(&mut self.changes).desired_rows(3).code_editor()).labelled_by(label.id);
            if let Some(problem) = &self.problem {
                ui.label(RichText::new(problem).color(ui.visuals().error_fg_color));
            }
            let mut close = false;
            ui.horizontal(|ui| {
                let busy = self.job.as_ref().is_some_and(Job::is_running);
                let button = egui::Button::new(RichText::new("Branch and train").strong());
                if ui.add_enabled(!busy && !self.name.trim().is_empty(), button).clicked() {
                    self.start(context, run, shared);
                }
                close = ui.button("Cancel").clicked();
            });
            close
        });
        if modal.inner || modal.should_close() {
            self.shown = false;
        }
    }

    fn start(&mut self, context: &egui::Context, run: &Path, shared: &Shared) {
        self.problem = None;
        let Some(variant) = shared.library.get(run).map(|r| r.info.variant.clone()) else {
            self.problem = Some("this run is not in the list of runs".into());
            return;
        };
        let (from, to) = (run.to_owned(), shared.library.folder.join(self.name.trim()));
        let (step, changes) = (self.step, self.changes.clone());
        self.job = Some(Job::start("Branch", context, move |_| {
            let work = || -> jepa_core::Result<()> {
                let mut table = jepa_core::train::config::read_table(&from.join("config.toml"))?;
                for change in changes.lines().filter(|l| !l.trim().is_empty()) {
                    jepa_core::train::config::set(&mut table, change.trim())?;
                }
                let text = toml::to_string_pretty(&table).map_err(|e| jepa_core::Error::config("", e.to_string()))?;
                // The trainer would refuse it after the copy; better before.
                let checked = checked_config(&variant, &text)?;
                Branch::create(&from, step, &checked, &to)
            };
            work().map_err(|e| e.to_string())?;
            Ok((to, variant))
        }));
    }
}

/// The configuration after the variant's own checks.
fn checked_config(variant: &str, text: &str) -> jepa_core::Result<String> {
    let path = std::env::temp_dir().join(format!("jepa-branch-{}.toml", std::process::id()));
    jepa_core::runlog::write(&path, text.as_bytes())?;
    let settings = jepa_core::plugin::Settings { file: Some(path.clone()), ..Default::default() };
    let checked = jepa_core::plugin::find(variant).and_then(|plugin| plugin.check(&settings));
    // A leftover of a few bytes in the folder for such is no reason to fail.
    drop(std::fs::remove_file(&path));
    Ok(checked?.config)
}
