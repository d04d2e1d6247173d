//! The maps at the right: features layer by layer, similarity, attention by head, the painted mask and its answer.

use egui::{RichText, ScrollArea, Sense, Stroke, StrokeKind, Ui, Vec2};

use super::brush::{Painted, Part, SIZES};
use super::canvas::Picture;
use super::eye::{Eye, Rows};
use super::paint::Paint;
use super::rainbow::{Foreground, Over, TOGETHER};
use super::stage::{attention, likeness};
use super::{Mode, Sample};
use crate::shared::Shared;
use crate::theme::Band;
use crate::widgets::{duration, figure};

/// Points along a side of a small picture.
const SMALL: f32 = 118.0;

/// A small picture in a row.
struct Small {
    /// Below it.
    caption: String,
    /// For those who cannot see it.
    label: String,
    paint: Paint,
    is_chosen: bool,
}

impl Sample {
    pub(super) fn tabs(&mut self, ui: &mut Ui, run: &std::path::Path, is_live: bool, shared: &Shared) {
        ui.horizontal_wrapped(|ui| {
            for (mode, title, hint) in Mode::ALL {
                ui.selectable_value(&mut self.options.mode, mode, title).on_hover_text(hint);
            }
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            if self.options.mode == Mode::Training {
                return self.training.ui(ui, run, is_live, shared);
            }
            let mut eyes = std::mem::take(&mut self.eyes);
            match self.options.mode {
                Mode::Features => self.features(ui, &mut eyes, shared),
                Mode::Similarity => self.likeness(ui, &mut eyes),
                Mode::Attention => self.heads(ui, &mut eyes, shared),
                Mode::WhatIf => self.what_if(ui, &eyes, shared),
                Mode::Training => {}
            }
            self.eyes = eyes;
        });
    }

    fn features(&mut self, ui: &mut Ui, eyes: &mut [Eye], shared: &Shared) {
        ui.horizontal_wrapped(|ui| {
            ui.label("Components over");
            let together = format!("{TOGETHER} samples");
            for (over, name, hint) in [
                (Over::Sample, "this sample", "Fitted on the tokens of this sample"),
                (
                    Over::Samples,
                    together.as_str(),
                    "Fitted on this sample and the ones after it: colours mean the same",
                ),
            ] {
                ui.selectable_value(&mut self.options.over, over, name).on_hover_text(hint);
            }
            let label = ui.label("Shown");
            let chosen = Foreground::ALL.into_iter().find(|(f, _)| *f == self.options.foreground);
            egui::ComboBox::from_id_salt("sample foreground")
                .selected_text(chosen.map_or("", |(_, name)| name))
                .show_ui(ui, |ui| {
                    for (foreground, name) in Foreground::ALL {
                        ui.selectable_value(&mut self.options.foreground, foreground, name);
                    }
                })
                .response
                .labelled_by(label.id)
                .on_hover_text("The first component often tells the object from its ground");
        });
        for (place, eye) in eyes.iter_mut().enumerate() {
            self.heading(ui, eye, place);
            if eye.colours.is_running() {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.weak(format!("Components {}", eye.colours.progress().text));
                });
            }
            if let Some(problem) = eye.colours.problem() {
                ui.label(RichText::new(problem).color(shared.theme.band(Band::Bad)));
            }
            let found = eye.colours.last().cloned().unwrap_or_default();
            let small = found.iter().enumerate().map(|(i, coloured)| {
                let [a, b, c] = coloured.explained.map(|share| 100.0 * share);
                let sum = a + b + c;
                Small {
                    caption: format!("{}\n{a:.0} + {b:.0} + {c:.0} %", coloured.name),
                    label: format!("Components of {}, {sum:.0} % of the variance explained", coloured.name),
                    paint: Paint::colours(&coloured.colours, self.options.opacity),
                    is_chosen: i == self.layer,
                }
            });
            let small: Vec<Small> = small.collect();
            if let Some(layer) = self.row(ui, eye, small) {
                self.layer = layer;
            }
        }
        let words = "Red, green, blue: places on the three strongest components; below: the variance they explain. \
                     A click shows a layer at the left.";
        ui.label(RichText::new(words).small().weak());
    }

    fn likeness(&mut self, ui: &mut Ui, eyes: &mut [Eye]) {
        ui.weak(format!("Click a token at the left, or move the mark with the arrows: token {}", self.token));
        for (place, eye) in eyes.iter_mut().enumerate() {
            self.heading(ui, eye, place);
            let Some(look) = eye.seen().cloned() else { continue };
            let rows = look.layers.iter().zip(eye.rows_of(Rows::Likeness));
            let small = rows.enumerate().map(|(i, (layer, cosines))| {
                let low = cosines.iter().copied().fold(1.0, f32::min);
                Small {
                    caption: format!("{}\n{low:.2} to 1", layer.name),
                    label: format!("Likeness in {}, lowest cosine {low:.2}", layer.name),
                    paint: likeness(cosines, self.options.opacity),
                    is_chosen: i == self.layer,
                }
            });
            let small: Vec<Small> = small.collect();
            if let Some(layer) = self.row(ui, eye, small) {
                self.layer = layer;
            }
        }
        let words =
            "Cosine of every token with the marked one, from the least alike (dark) to the token itself (yellow).";
        ui.label(RichText::new(words).small().weak());
    }

    fn heads(&mut self, ui: &mut Ui, eyes: &mut [Eye], shared: &Shared) {
        let layers = eyes.first().and_then(Eye::seen).map_or(0, |look| look.attention.len());
        if layers > 1 {
            let mut shown = self.layer.min(layers - 1) + 1;
            ui.horizontal(|ui| {
                let label = ui.label("Layer");
                if ui.add(egui::Slider::new(&mut shown, 1..=layers)).labelled_by(label.id).changed() {
                    self.layer = shown - 1;
                }
            });
        }
        for (place, eye) in eyes.iter_mut().enumerate() {
            self.heading(ui, eye, place);
            let Some(look) = eye.seen().cloned() else { continue };
            let layer = self.attention_layer(Some(&look));
            if let Err(problem) = look.heads(layer) {
                let text = RichText::new(problem.to_string()).color(shared.theme.band(Band::Doubtful));
                ui.add(egui::Label::new(text).wrap());
                continue;
            }
            let rows = eye.rows_of(Rows::Attention(layer)).iter().enumerate();
            let small: Vec<Small> = rows.map(|(place, shares)| self.head(layer, place, shares)).collect();
            if let Some(chosen) = self.row(ui, eye, small) {
                self.head = chosen.checked_sub(1);
            }
        }
        let words = "How the marked token shares its attention out among all tokens; worked out from the queries and keys \
                     of the pass itself. A click shows a head at the left.";
        ui.label(RichText::new(words).small().weak());
    }

    /// One head, or at place 0 the mean of all.
    fn head(&self, layer: usize, place: usize, shares: &[f32]) -> Small {
        let name = if place > 0 { format!("head {place}") } else { "mean of heads".to_owned() };
        Small {
            caption: name.clone(),
            label: format!("Attention of layer {}, {name}", layer + 1),
            paint: attention(shares, self.options.opacity),
            is_chosen: self.head.map_or(0, |head| head + 1) == place,
        }
    }

    fn what_if(&mut self, ui: &mut Ui, eyes: &[Eye], shared: &Shared) {
        self.brushes(ui, eyes);
        let generators = eyes.first().and_then(|eye| eye.own.last()).map_or(1, |own| own.masks.len());
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("The run's own mask of step");
            ui.add(egui::DragValue::new(&mut self.step).range(1..=1_000_000_000).speed(0.2)).labelled_by(label.id);
            for i in 0..generators {
                if generators > 1 {
                    ui.selectable_value(&mut self.generator, i, format!("generator {}", i + 1));
                }
            }
        });
        ui.horizontal_wrapped(|ui| {
            ui.label("At the left");
            ui.selectable_value(&mut self.errors, true, "errors").on_hover_text("The error at each hidden token");
            ui.selectable_value(&mut self.errors, false, "mask")
                .on_hover_text("Lit is seen, coloured is to be predicted");
        });
        ui.separator();
        let [context, target] = [Part::Context, Part::Target].map(|part| self.painted.list(part).len());
        ui.label(format!("Seen {context}, to be predicted {target}, of {} tokens", self.painted.tokens()));
        if context == 0 || target == 0 {
            let text = "Paint at least one token that is seen and one that is to be predicted";
            ui.label(RichText::new(text).color(shared.theme.band(Band::Doubtful)));
        }
        for (place, eye) in eyes.iter().enumerate() {
            self.heading(ui, eye, place);
            self.answers(ui, eye, shared);
        }
        let words = "Context encoder, predictor and target encoder run on the clean sample with the mask as painted; \
                     everything painted as target is one block. Yellow is the largest error.";
        ui.label(RichText::new(words).small().weak());
    }

    fn brushes(&mut self, ui: &mut Ui, eyes: &[Eye]) {
        ui.horizontal_wrapped(|ui| {
            ui.label("Brush");
            for (part, name, hint) in Part::ALL {
                ui.selectable_value(&mut self.part, part, name).on_hover_text(hint);
            }
            ui.separator();
            for (i, (name, _)) in SIZES.iter().enumerate() {
                ui.selectable_value(&mut self.options.size, i, *name).on_hover_text("Size of the brush");
            }
            if eyes.first().and_then(Eye::seen).is_some_and(|look| look.scene.frames() > 1) {
                let hint = "A stroke hides a place at all times, as training does";
                ui.checkbox(&mut self.options.through, "Through time").on_hover_text(hint);
            }
        });
        ui.horizontal_wrapped(|ui| {
            let own = eyes.first().and_then(|eye| eye.own.last()).and_then(|own| own.masks.get(self.generator));
            let take = ui.add_enabled(own.is_some(), egui::Button::new("Take the run's own mask"));
            if take.on_hover_text("Begin with the mask that training draws").clicked()
                && let Some(sets) = own
            {
                self.painted = Painted::of(sets, self.painted.tokens());
            }
            let rest = ui.button("Hide the rest").on_hover_text("Everything that is not seen is to be predicted");
            if rest.clicked() {
                self.painted.hide_the_rest();
            }
            if ui.button("Clear all").on_hover_text("Nothing is seen, nothing is to be predicted").clicked() {
                self.painted.fill(Part::Nothing);
            }
            let one = ui.button("Paint the marked token").on_hover_text("What the brush does, at the mark (Enter)");
            if one.clicked() {
                self.painted.put(self.token, self.part);
            }
        });
    }

    fn answers(&self, ui: &mut Ui, eye: &Eye, shared: &Shared) {
        let bad = |ui: &mut Ui, text: &str| {
            ui.add(egui::Label::new(RichText::new(text).color(shared.theme.band(Band::Doubtful))).wrap());
        };
        let distance = eye.inspector.last().map_or_else(String::new, |inspector| inspector.about().distance.clone());
        ui.horizontal_wrapped(|ui| {
            match (eye.answer.last(), eye.answer.problem()) {
                (Some(answer), _) => {
                    let mean = answer.errors.generators.get(self.generator).map_or(f64::NAN, |errors| errors.mean);
                    ui.label(RichText::new(format!("Mean error {} ({distance})", figure(mean))).strong());
                    ui.weak(format!("answered in {}", duration(answer.took.as_secs_f64())));
                }
                (None, Some(problem)) => bad(ui, problem),
                (None, None) => drop(ui.weak("No answer yet")),
            }
            if eye.answer.is_running() {
                ui.spinner();
            }
        });
        match (eye.own.last(), eye.own.problem()) {
            (Some(own), _) => match &own.answer {
                Ok(errors) => {
                    let mean = errors.generators.get(self.generator).map_or(f64::NAN, |errors| errors.mean);
                    ui.label(format!("The run's own mask of step {}: {}", self.step, figure(mean)));
                }
                Err(problem) => bad(ui, problem),
            },
            (None, Some(problem)) => bad(ui, problem),
            (None, None) => drop(ui.spinner()),
        }
    }

    /// Of two sets of weights, which.
    fn heading(&self, ui: &mut Ui, eye: &Eye, place: usize) {
        let Some(beside) = &self.beside else { return };
        let step = eye.inspector.last().and_then(|inspector| inspector.about().step);
        let step = step.map_or("untrained".to_owned(), |step| format!("step {step}"));
        let name = if place > 0 { crate::shared::name_of(&beside.run) } else { "This run".to_owned() };
        ui.label(RichText::new(format!("{name}, {step}")).strong());
        if let Some(problem) = eye.problem() {
            ui.label(problem);
        }
    }

    /// Small pictures beside each other; which one was clicked.
    fn row(&self, ui: &mut Ui, eye: &mut Eye, pictures: Vec<Small>) -> Option<usize> {
        let look = eye.seen().cloned()?;
        let revision = eye.look.revision;
        let mut chosen = None;
        ui.horizontal_wrapped(|ui| {
            for (i, Small { caption, label, paint, is_chosen }) in pictures.iter().enumerate() {
                ui.vertical(|ui| {
                    ui.set_width(SMALL);
                    let picture = Picture {
                        label,
                        scene: &look.scene,
                        revision,
                        paint,
                        marked: Some(self.token).filter(|_| self.options.mode != Mode::Features),
                        sense: Sense::click(),
                    };
                    let drawn = eye.canvas(i).show(ui, picture, &self.view, Vec2::splat(SMALL));
                    if *is_chosen {
                        let stroke = Stroke::new(2.0, ui.visuals().selection.stroke.color);
                        ui.painter().rect_stroke(drawn.response.rect.expand(1.0), 2.0, stroke, StrokeKind::Outside);
                    }
                    if drawn.response.clicked() {
                        chosen = Some(i);
                    }
                    ui.label(RichText::new(caption).small());
                });
            }
        });
        chosen
    }
}
