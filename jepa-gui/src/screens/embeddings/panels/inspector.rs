//! What is looked at: how far to believe the map, what is selected, the nearest samples.

use egui::{DragValue, RichText, Ui};

use super::super::projection::Method;
use super::super::side::{Judgement, Side};
use super::super::{Embeddings, gallery};
use crate::theme::{Band, Theme};

impl Embeddings {
    pub(super) fn inspector(&mut self, ui: &mut Ui, theme: Theme) {
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

    pub(super) fn selected(&mut self, ui: &mut Ui, context: &egui::Context) {
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

    pub(super) fn neighbours(&mut self, ui: &mut Ui, theme: Theme) {
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

pub(super) const HELP: &str = "Trustworthiness over 10 neighbours: 1 when no sample is shown among the nearest that is not. Kept: \
                    share of the true 10 nearest that are the 10 nearest on the map. A two-dimensional map of many \
                    classes seldom keeps more than half.";

/// Whether a map shows neighbours as they are.
pub(super) fn band(trustworthiness: f64) -> Band {
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
