//! What probes have found of this run, whichever they are: a table each, and what they have drawn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{ColorImage, RichText, TextureHandle, TextureOptions, Ui};

use crate::jobs::{Job, Update};
use crate::runs::{Report, Results, Table, results, tables};
use crate::shared::Shared;
use crate::theme::Band;
use crate::widgets::{self, decode_png};

/// A picture of an evaluation, or why it cannot be shown.
type Drawn = (String, Result<ColorImage, String>);
/// What a look into the folder has found.
type Found = Vec<(Results, Vec<Drawn>)>;

/// The panel's state.
#[derive(Default)]
pub(super) struct Probes {
    job: Option<Job<Found>>,
    /// The run whose results are shown.
    run: Option<PathBuf>,
    looked: Option<Instant>,
    found: Option<Vec<Kind>>,
}

/// The results of one kind, ready to be drawn.
struct Kind {
    results: Results,
    tables: Vec<Vec<Table>>,
    pictures: Vec<(String, Result<TextureHandle, String>)>,
}

/// Pause between two looks into the folder.
const PAUSE: Duration = Duration::from_secs(2);
/// Pictures and rows shown of one kind; the rest lies in its folder.
const PICTURES: usize = 24;
const ROWS: usize = 40;
/// Rows of a table that is open from the beginning, where there are several.
const OPEN: usize = 12;

impl Probes {
    /// Looks into the folder now and then, as long as the panel is shown.
    fn look(&mut self, context: &egui::Context, run: &Path) {
        if self.run.as_deref() != Some(run) {
            *self = Self { run: Some(run.to_owned()), ..Self::default() };
        }
        if let Some(Update::Done(found)) = self.job.as_mut().and_then(Job::poll) {
            let is_new = self.found.as_ref().is_none_or(|known| {
                known.len() != found.len() || known.iter().zip(&found).any(|(known, (new, _))| known.results != *new)
            });
            if is_new {
                self.found =
                    Some(found.into_iter().map(|(results, drawn)| Kind::new(results, drawn, context)).collect());
            }
        }
        let is_due = self.looked.is_none_or(|at| at.elapsed() > PAUSE);
        if is_due && !self.job.as_ref().is_some_and(Job::is_running) {
            self.looked = Some(Instant::now());
            let run = run.to_owned();
            self.job = Some(Job::start("Probe results", context, move |_| {
                let draw = |path: &PathBuf| {
                    let image = std::fs::read(path).map_err(|e| e.to_string()).and_then(|bytes| decode_png(&bytes));
                    (crate::shared::name_of(path), image)
                };
                let with_pictures = |found: Results| {
                    let drawn = found.pictures.iter().take(PICTURES).map(draw).collect();
                    (found, drawn)
                };
                Ok(results(&run).into_iter().map(with_pictures).collect())
            }));
        }
        context.request_repaint_after(PAUSE);
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, run: &Path, shared: &mut Shared) {
        self.look(ui.ctx(), run);
        let Some(found) = &self.found else {
            return widgets::waiting(ui, "Looking for probe results", &Default::default());
        };
        if found.is_empty() {
            return empty(ui, run, shared);
        }
        egui::ScrollArea::both().auto_shrink(false).id_salt("probe results").show(ui, |ui| {
            for kind in found {
                kind.ui(ui, shared);
                ui.add_space(10.0);
            }
        });
    }
}

fn empty(ui: &mut Ui, run: &Path, shared: &mut Shared) {
    let words = ["probe", &run.display().to_string(), "--kind", "knn"].map(str::to_owned);
    let line = shared.program.as_ref().map_or_else(|| format!("cargo xtask {}", words.join(" ")), |p| p.line(&words));
    let empty = crate::screens::Empty {
        title: "No probe results yet".into(),
        text: "What a probe finds of this run is kept in its folder and shown here, by kind: k-NN, linear, \
               attentive, collapse, and what only this variant offers."
            .into(),
        action: None,
    };
    widgets::empty(ui, &empty);
    ui.vertical_centered(|ui| {
        ui.label(RichText::new(&line).monospace());
        if ui.button("Copy").on_hover_text("Copy the command").clicked() {
            ui.ctx().copy_text(line);
            shared.notices.info("The command is in the clipboard");
        }
    });
}

impl Kind {
    fn new(results: Results, drawn: Vec<Drawn>, context: &egui::Context) -> Self {
        let of = |report: &Result<Report, String>| report.as_ref().map_or_else(|_| Vec::new(), |r| tables(&r.figures));
        let tables = results.reports.iter().map(of).collect();
        let texture = |(name, image): Drawn| {
            let texture = image.map(|image| context.load_texture(&name, image, TextureOptions::LINEAR));
            (name, texture)
        };
        Self { tables, pictures: drawn.into_iter().map(texture).collect(), results }
    }

    fn ui(&self, ui: &mut Ui, shared: &Shared) {
        let kind = &self.results.kind;
        ui.label(RichText::new(kind.replace('-', " ")).strong().size(16.0));
        for (number, (report, tables)) in self.results.reports.iter().zip(&self.tables).enumerate() {
            match report {
                Err(problem) => drop(ui.label(RichText::new(problem).color(shared.theme.band(Band::Bad)))),
                Ok(report) => report_ui(ui, (kind, number), report, tables),
            }
        }
        self.pictures(ui, shared);
    }

    fn pictures(&self, ui: &mut Ui, shared: &Shared) {
        ui.horizontal_wrapped(|ui| {
            for (name, picture) in &self.pictures {
                match picture {
                    Err(problem) => {
                        let text = format!("{name} cannot be shown: {problem}");
                        ui.label(RichText::new(text).color(shared.theme.band(Band::Bad)));
                    }
                    Ok(texture) => {
                        // Small ones are enlarged by whole numbers, large ones fit into the panel.
                        let size = texture.size_vec2();
                        let scale = (240.0 / size.max_elem()).floor().max(1.0).min(ui.available_width() / size.x);
                        let image = egui::Image::new((texture.id(), size * scale)).corner_radius(3.0);
                        let label = format!("{} of {}", name.trim_end_matches(".png"), self.results.kind);
                        ui.add(image.alt_text(&label)).on_hover_text(label);
                    }
                }
            }
        });
        let left = self.results.pictures.len().saturating_sub(self.pictures.len());
        if left > 0 {
            ui.weak(format!("{left} more pictures lie in probes/{}", self.results.kind));
        }
    }
}

fn report_ui(ui: &mut Ui, of: (&str, usize), report: &Report, tables: &[Table]) {
    let now = jepa_core::runlog::now();
    let data = report.data.as_ref().map_or_else(|| "the run's own data".to_owned(), |data| format!("data {data}"));
    let when = if report.time > 0 { format!(" · {}", widgets::ago(report.time, now)) } else { String::new() };
    ui.label(RichText::new(format!("{data}{when}")).small().weak());
    for (i, table) in tables.iter().enumerate() {
        let id = (of.0, of.1, i);
        if tables.len() == 1 {
            grid(ui, id, table);
            continue;
        }
        let header = egui::CollapsingHeader::new(format!("{} ({})", table.name, table.rows.len())).id_salt(id);
        header.default_open(table.rows.len() <= OPEN).show(ui, |ui| grid(ui, id, table));
    }
    if !report.text.is_empty() {
        let header = egui::CollapsingHeader::new("As the terminal said it").id_salt((of.0, of.1, "text"));
        header.default_open(tables.is_empty()).show(ui, |ui| {
            ui.add(egui::Label::new(RichText::new(&report.text).monospace()).extend());
        });
    }
}

fn grid(ui: &mut Ui, id: (&str, usize, usize), table: &Table) {
    egui::Grid::new((id, "table")).striped(true).spacing([18.0, 3.0]).show(ui, |ui| {
        for column in &table.columns {
            ui.label(RichText::new(column).small().weak());
        }
        ui.end_row();
        for row in table.rows.iter().take(ROWS) {
            for cell in row {
                ui.label(cell);
            }
            ui.end_row();
        }
    });
    if table.rows.len() > ROWS {
        ui.weak(format!("and {} more, in report.json", table.rows.len() - ROWS));
    }
}
