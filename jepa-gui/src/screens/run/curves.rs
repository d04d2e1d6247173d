//! Loss, its terms, schedules and probes over steps or time.

use std::path::Path;

use egui::{RichText, Ui};
use serde::{Deserialize, Serialize};

use crate::runs::History;
use crate::shared::{Action, Shared, name_of};
use crate::theme::Theme;
use crate::widgets::vector::{self, Series};
use crate::widgets::{Curve, CurvePlot, XAxis};

/// How curves are drawn; remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// Logarithmic values.
    pub(super) log: bool,
    /// Weight of the smoothing.
    pub(super) smoothing: f32,
    /// What lies to the right.
    pub(super) x: XAxis,
    /// The column of the second plot.
    pub(super) second: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { log: false, smoothing: 0.9, x: XAxis::Step, second: "lr".into() }
    }
}

/// Points of height that losses, schedules and probe results have at least, their legends included.
const LEAST: [f32; 3] = [140.0, 110.0, 170.0];

/// The panel.
#[derive(Debug, Default)]
pub(super) struct Curves {
    pub(super) options: Options,
    hidden: std::collections::BTreeSet<String>,
}

/// Columns in words.
pub(in crate::screens) fn words(column: &str) -> String {
    match column {
        "loss" => "loss".into(),
        "lr" => "learning rate".into(),
        "decay" => "weight decay".into(),
        "momentum" => "EMA momentum".into(),
        "grad_norm" => "gradient norm".into(),
        "rate" => "samples a second".into(),
        other => other.strip_prefix("term:").unwrap_or(other).replace('_', " "),
    }
}

impl Curves {
    pub(super) fn ui(&mut self, ui: &mut Ui, run: &Path, shared: &mut Shared) {
        let main = shared.run_color(run);
        let theme = shared.theme;
        let Some(history) = shared.followers.get(run).map(|f| &f.history) else { return };
        let mut asked = None;
        let terms: Vec<String> = history.names().filter(|n| n.starts_with("term:")).map(str::to_owned).collect();
        // Terms of the loss lie in its range; counts of tokens do not belong on its axis.
        let (losses, others): (Vec<_>, Vec<_>) = terms.into_iter().partition(|name| !is_count(history, name));
        ui.horizontal_wrapped(|ui| {
            ui.checkbox(&mut self.options.log, "Log axis");
            ui.label("Smoothing");
            let slider = egui::Slider::new(&mut self.options.smoothing, 0.0..=0.999).show_value(false);
            let response =
                ui.add(slider).on_hover_text(format!("{:.3}; the raw curve stays faint", self.options.smoothing));
            response.ctx.accesskit_node_builder(response.id, |node| node.set_label("Smoothing"));
            ui.selectable_value(&mut self.options.x, XAxis::Step, "Steps");
            ui.selectable_value(&mut self.options.x, XAxis::Time, "Time");
            for name in &losses {
                let mut on = !self.hidden.contains(name);
                if ui.checkbox(&mut on, words(name)).changed() {
                    if on {
                        self.hidden.remove(name)
                    } else {
                        self.hidden.insert(name.clone())
                    };
                }
            }
            ui.menu_button("Export…", |ui| {
                for (label, kind) in [("Curves as SVG", "svg"), ("Curves as CSV", "csv"), ("This plot as PNG", "png")] {
                    if ui.button(label).clicked() {
                        asked = Some(kind);
                        ui.close();
                    }
                }
            });
        });
        let room = ui.available_height();
        let curve = |column: &str, color| Curve { name: words(column), history, column: leak(column, history), color };
        let mut curves = vec![curve("loss", main)];
        for (i, name) in losses.iter().enumerate().filter(|(_, n)| !self.hidden.contains(*n)) {
            if !same(history, "loss", name) {
                curves.push(curve(name, theme.category(i + 3)));
            }
        }
        let probes = probe_points(history, theme);
        let share = if probes.is_empty() { 0.6 } else { 0.46 };
        let marks: Vec<u64> = history.checkpoints.iter().map(|(step, _)| *step).collect();
        let Options { log, smoothing, x, .. } = self.options;
        // A low window scrolls: curves of a few points' height say nothing.
        let scroll = egui::ScrollArea::vertical().id_salt("curves").auto_shrink(false);
        let area = scroll
            .show(ui, |ui| {
                let area = CurvePlot {
                    id: "losses",
                    height: (room * share - 12.0).max(LEAST[0]),
                    x,
                    log,
                    smoothing,
                    curves,
                    points: Vec::new(),
                    marks: marks.clone(),
                    label: "loss",
                }
                .show(ui);
                ui.horizontal_wrapped(|ui| {
                    let base = ["lr", "decay", "momentum", "grad_norm", "rate"].map(str::to_owned);
                    for name in base.iter().chain(&others).filter(|name| history.column(name).is_some()) {
                        ui.selectable_value(&mut self.options.second, name.clone(), words(name));
                    }
                });
                let second = self.options.second.clone();
                let rest = ui.available_height();
                let height = if probes.is_empty() { rest - 8.0 } else { rest * 0.5 - 14.0 };
                CurvePlot {
                    id: "second",
                    height: height.max(LEAST[1]),
                    x,
                    log: false,
                    smoothing: if matches!(second.as_str(), "grad_norm" | "rate") { smoothing } else { 0.0 },
                    curves: vec![curve(&second, theme.accent())],
                    points: Vec::new(),
                    marks,
                    label: &words(&second),
                }
                .show(ui);
                if !probes.is_empty() {
                    ui.label(RichText::new("Probe accuracy, percent").small().weak());
                    CurvePlot {
                        id: "probes",
                        height: (ui.available_height() - 6.0).max(LEAST[2]),
                        x,
                        log: false,
                        smoothing: 0.0,
                        curves: Vec::new(),
                        points: probes,
                        marks: Vec::new(),
                        label: "accuracy",
                    }
                    .show(ui);
                }
                area
            })
            .inner;
        match asked {
            Some("png") => shared.ask(Action::SavePicture(area)),
            Some(kind) => self.export(run, kind, shared),
            None => {}
        }
    }

    /// Writes the shown curves beside the run's files.
    pub(super) fn export(&self, run: &Path, kind: &str, shared: &mut Shared) {
        let Some(history) = shared.followers.get(run).map(|f| &f.history) else { return };
        let mut names: Vec<&str> = vec!["loss"];
        names.extend(history.names().filter(|n| n.starts_with("term:") && !self.hidden.contains(*n)));
        let theme = Theme { dark: false };
        let series: Vec<Series> = names
            .iter()
            .enumerate()
            .filter_map(|(i, name)| series(history, name, words(name), theme.category(i)))
            .collect();
        let text = match kind {
            "svg" => vector::svg(&name_of(run), "step", "loss", &series, self.options.log),
            _ => vector::csv("step", "loss", &series),
        };
        let path = run.join(format!("curves.{kind}"));
        match jepa_core::runlog::write(&path, text.as_bytes()) {
            Ok(()) => shared.notices.info(format!("Saved {}", path.display())),
            Err(error) => shared.notices.error(error.to_string()),
        }
    }
}

/// A column as a series with all its points; at most a few thousand of them, extremes kept.
pub(in crate::screens) fn series(
    history: &History,
    column: &str,
    name: String,
    color: egui::Color32,
) -> Option<Series> {
    let (values, steps) = (history.column(column)?, history.steps());
    let range = crate::runs::Range { first: 0, end: values.len() };
    let points = crate::runs::decimate(range, 4000, |i| steps[i] as f64, |i| values[i]);
    Some(Series { name, color, points })
}

/// The name as the history holds it, which lives as long.
fn leak<'a>(column: &str, history: &'a History) -> &'a str {
    history.names().find(|name| *name == column).unwrap_or("")
}

/// Whether a term counts something: whole numbers above one.
fn is_count(history: &History, name: &str) -> bool {
    let values = history.column(name).unwrap_or(&[]);
    values.iter().rev().take(50).filter(|v| v.is_finite()).all(|v| v.fract() == 0.0 && *v >= 1.0)
}

/// Whether two columns say the same, as a loss of one term and that term do.
fn same(history: &History, a: &str, b: &str) -> bool {
    let tail = |name| history.column(name).unwrap_or(&[]).iter().rev().take(50);
    tail(a).zip(tail(b)).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs())
}

type Named = (String, egui::Color32, Vec<[f64; 2]>);

fn probe_points(history: &History, theme: Theme) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    // Accuracies of events that have no name here; those that are shares become percent like the others.
    for ((kind, name), points) in &history.figures {
        let text = format!("{kind} {name}").to_lowercase();
        if ["accuracy", "knn", "k-nn", "linear"].iter().any(|word| text.contains(word)) {
            let is_share = points.iter().all(|[_, value]| (0.0..=1.0).contains(value));
            let scale = if is_share { 100.0 } else { 1.0 };
            let points = points.iter().map(|[step, value]| [*step, scale * value]).collect();
            found.push((format!("{name} ({})", kind.replace('-', " ")), theme.category(found.len()), points));
        }
    }
    for probed in &history.probes {
        for row in &probed.table.rows {
            for (kind, value) in [("k-NN", row.knn), ("linear", row.linear)] {
                let name = format!("{}, {kind}", row.features);
                let at = found.iter().position(|(known, ..)| *known == name).unwrap_or_else(|| {
                    found.push((name, theme.category(found.len()), Vec::new()));
                    found.len() - 1
                });
                found[at].2.push([probed.step as f64, value]);
            }
        }
    }
    if !history.online.is_empty() {
        let points = history.online.iter().map(|(step, accuracy)| [*step as f64, *accuracy]).collect();
        found.push(("online probe".to_owned(), theme.category(found.len()), points));
    }
    found
}
