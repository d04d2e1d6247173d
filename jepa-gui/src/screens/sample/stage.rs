//! The sample at the left: one picture a set of weights, what plays it, and how surprising each moment is.

use std::sync::Arc;

use egui::{Color32, Context, EventFilter, Id, Key, PointerButton, RichText, Sense, Ui, Vec2};
use jepa_core::plugin::{Look, Scene};

use super::brush::{Part, SIZES, tokens_at};
use super::canvas::{Drawn, Picture};
use super::curve::{self, Curve};
use super::eye::{Eye, Rows};
use super::paint::{Paint, Tint, range};
use super::{Mode, Sample};
use crate::shared::Shared;
use crate::theme::{Band, Theme};
use crate::widgets::figure;

/// Where the screen remembers which widget the sample is.
fn focus_id() -> Id {
    Id::unique("sample stage focus")
}

impl Sample {
    /// Whether keys are meant for the sample itself.
    pub(super) fn has_stage_focus(&self, context: &Context) -> bool {
        context.data(|data| data.get_temp::<Id>(focus_id())).is_some_and(|id| context.memory(|m| m.has_focus(id)))
    }

    pub(super) fn stages(&mut self, ui: &mut Ui, shared: &Shared) {
        let eyes = std::mem::take(&mut self.eyes);
        let count = eyes.len().max(1) as f32;
        let frames = eyes.first().and_then(Eye::seen).map_or(1, |look| look.scene.frames());
        let below = if frames > 1 { 160.0 } else { 62.0 };
        let height = ((ui.available_height() - below) / count - 24.0).max(80.0);
        let bounds = Vec2::new(ui.available_width(), height);
        let most = self.errors_range(&eyes);
        self.eyes = eyes
            .into_iter()
            .enumerate()
            .map(|(place, mut eye)| {
                self.stage(ui, place, &mut eye, bounds, most, shared);
                eye
            })
            .collect();
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Opacity");
            let slider = egui::Slider::new(&mut self.options.opacity, 0.0..=1.0).show_value(false);
            ui.add(slider).labelled_by(label.id).on_hover_text("How much of the colours is seen over the sample");
            self.playback(ui, frames);
        });
        if frames > 1 {
            self.surprise(ui, frames, shared);
        }
    }

    fn stage(&mut self, ui: &mut Ui, place: usize, eye: &mut Eye, bounds: Vec2, most: f32, shared: &Shared) {
        let title = self.title(eye, place);
        ui.horizontal(|ui| {
            ui.label(RichText::new(title).strong());
            if place > 0
                && let Some(problem) = eye.problem()
            {
                ui.label(RichText::new(problem).color(shared.theme.band(Band::Bad)));
            }
        });
        let Some(look) = eye.seen().cloned() else {
            if eye.problem().is_none() {
                ui.spinner();
            }
            return;
        };
        let paint = self.paint(eye, &look, most);
        let label = format!("Sample {} of {}, token {}", look.sample.index, look.sample.name, self.token);
        let label = if place > 0 { format!("{label}, second weights") } else { label };
        let picture = Picture {
            label: &label,
            scene: &look.scene,
            revision: eye.look.revision,
            paint: &paint,
            marked: Some(self.token),
            sense: Sense::click_and_drag(),
        };
        let drawn = eye.stage.show(ui, picture, &self.view, bounds);
        self.pointed(ui, &drawn, &look, bounds);
        self.arrows(ui, &drawn, &look, place);
        if let Some(at) = drawn.response.hover_pos()
            && let Some(token) = drawn.token(at, look.scene.tokens(self.view.frame))
        {
            let text = self.said(eye, &look, token);
            drawn.response.clone().on_hover_text_at_pointer(text);
        }
    }

    fn title(&self, eye: &Eye, place: usize) -> String {
        let step = eye.inspector.last().map(|inspector| inspector.about().step);
        let whose = match (step, &self.beside) {
            (_, None) => return self.words(eye),
            (None, _) => "opening".to_owned(),
            (Some(None), _) => "untrained".to_owned(),
            (Some(Some(step)), Some(choice)) if place > 0 => {
                format!("{}, step {step}", crate::shared::name_of(&choice.run))
            }
            (Some(Some(step)), _) => format!("step {step}"),
        };
        format!("{whose}: {}", self.words(eye))
    }

    /// What the colours say.
    fn words(&self, eye: &Eye) -> String {
        let look = eye.seen();
        let layer = look.and_then(|look| look.layers.get(self.layer)).map_or("", |layer| layer.name.as_str());
        match self.options.mode {
            Mode::Features => format!("Components of {layer}"),
            Mode::Similarity => format!("Likeness to token {} in {layer}", self.token),
            Mode::Attention => {
                let head = self.head.map_or("mean of all heads".to_owned(), |head| format!("head {}", head + 1));
                format!("What token {} looks at in layer {}, {head}", self.token, self.attention_layer(look) + 1)
            }
            Mode::WhatIf if self.errors => "Error at each hidden token".to_owned(),
            Mode::WhatIf => "The painted mask".to_owned(),
            Mode::Training => "The sample".to_owned(),
        }
    }

    /// The layer whose attention is shown: the chosen one, or the last.
    pub(super) fn attention_layer(&self, look: Option<&Arc<Look>>) -> usize {
        self.layer.min(look.map_or(0, |look| look.attention.len().saturating_sub(1)))
    }

    /// The largest error of any answer that is shown, so that two sets of weights have one scale.
    pub(super) fn errors_range(&self, eyes: &[Eye]) -> f32 {
        let of = |eye: &Eye| {
            let answer = eye.answer.last().and_then(|answer| answer.errors.generators.get(self.generator).cloned());
            answer.and_then(|errors| range(&errors.tokens)).map_or(0.0, |[_, most]| most)
        };
        eyes.iter().map(of).fold(f32::MIN_POSITIVE, f32::max)
    }

    fn paint(&self, eye: &Eye, look: &Arc<Look>, most: f32) -> Paint {
        let opacity = self.options.opacity;
        match self.options.mode {
            Mode::Features => match eye.colours.last().and_then(|colours| colours.get(self.layer)) {
                Some(coloured) => Paint::colours(&coloured.colours, opacity),
                None => Paint::plain(),
            },
            Mode::Similarity => likeness(self.row_of(eye, look), opacity),
            Mode::Attention => attention(self.row_of(eye, look), opacity),
            Mode::WhatIf if self.errors => {
                let errors = eye.answer.last().and_then(|answer| answer.errors.generators.get(self.generator));
                errors.map_or_else(|| self.mask_paint(), |errors| Paint::heat(&errors.tokens, [0.0, most], opacity))
            }
            Mode::WhatIf => self.mask_paint(),
            Mode::Training => Paint::plain(),
        }
    }

    /// The values that the mode lays over the sample.
    fn row_of<'a>(&self, eye: &'a Eye, look: &Arc<Look>) -> &'a [f32] {
        let (rows, place) = match self.options.mode {
            Mode::Similarity => (eye.rows_of(Rows::Likeness), self.layer),
            Mode::Attention => {
                let layer = self.attention_layer(Some(look));
                (eye.rows_of(Rows::Attention(layer)), self.head.map_or(0, |head| head + 1))
            }
            Mode::Features | Mode::WhatIf | Mode::Training => (&[][..], 0),
        };
        rows.get(place).map_or(&[], Vec::as_slice)
    }

    /// What is seen as it is, what is to be predicted in a colour, the rest dark.
    fn mask_paint(&self) -> Paint {
        let colour = Theme { dark: true }.category(1);
        let tint = |token: u32| match self.painted.part(token) {
            Part::Context => Tint::Own,
            Part::Target => Tint::Colour(colour),
            Part::Nothing => Tint::Dim,
        };
        let tints = (0..self.painted.tokens() as u32).map(tint).collect();
        Paint { tints, opacity: self.options.opacity.max(0.35), rest: 0.25 }
    }

    /// What is known of a token, for the hint at the pointer.
    fn said(&self, eye: &Eye, look: &Arc<Look>, token: u32) -> String {
        let at = token as usize;
        let value = match self.options.mode {
            Mode::Similarity => self.row_of(eye, look).get(at).map(|v| ("cosine", *v)),
            Mode::Attention => self.row_of(eye, look).get(at).map(|v| ("share of the attention", *v)),
            Mode::WhatIf => {
                let errors = eye.answer.last().and_then(|answer| answer.errors.generators.get(self.generator));
                errors.and_then(|e| e.tokens.get(at).copied()).filter(|v| v.is_finite()).map(|v| ("error", v))
            }
            Mode::Features | Mode::Training => None,
        };
        let value = value.map_or_else(String::new, |(name, v)| format!("\n{name} {}", figure(f64::from(v))));
        format!("Token {token}{value}")
    }

    /// A click marks a token; dragging paints, or turns what has depth.
    fn pointed(&mut self, ui: &Ui, drawn: &Drawn, look: &Look, bounds: Vec2) {
        let response = &drawn.response;
        let tokens = look.scene.tokens(self.view.frame);
        let is_solid = matches!(look.scene, Scene::Points(_));
        let paints = self.options.mode == Mode::WhatIf;
        if response.clicked() || response.drag_started() {
            response.request_focus();
        }
        if response.clicked()
            && let Some(token) = response.interact_pointer_pos().and_then(|at| drawn.token(at, tokens))
        {
            self.token = token;
        }
        let is_held = response.is_pointer_button_down_on() && ui.input(|input| input.pointer.primary_down());
        if paints
            && (is_held || response.clicked())
            && !ui.input(|input| input.modifiers.shift)
            && let Some(at) = response.interact_pointer_pos()
        {
            let (_, radius) = SIZES[self.options.size.min(SIZES.len() - 1)];
            let parts = drawn.parts(at, radius);
            for token in tokens_at(&look.scene, self.view.frame, &parts, self.options.through) {
                self.painted.put(token, self.part);
            }
        }
        if !is_solid {
            return;
        }
        let turns = response.dragged_by(PointerButton::Secondary)
            || (response.dragged_by(PointerButton::Primary) && (!paints || ui.input(|input| input.modifiers.shift)));
        if turns {
            self.view.camera.orbit(response.drag_delta());
        }
        if let Some(at) = response.hover_pos() {
            let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
            let factor = (scroll / 240.0).exp() * pinch;
            if factor != 1.0 && bounds.x > 0.0 {
                self.view.camera.zoom(response.rect, at, factor);
            }
        }
    }

    /// Arrows move the mark to the nearest token in their direction.
    fn arrows(&mut self, ui: &Ui, drawn: &Drawn, look: &Look, place: usize) {
        let response = &drawn.response;
        if response.has_focus() {
            ui.data_mut(|data| data.insert_temp(focus_id(), response.id));
            let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        }
        let is_free = place == 0 && !ui.ctx().egui_wants_keyboard_input() && !ui.ctx().any_popup_open();
        if !response.has_focus() && !is_free {
            return;
        }
        let ways = [
            (Key::ArrowLeft, Vec2::new(-1.0, 0.0)),
            (Key::ArrowRight, Vec2::new(1.0, 0.0)),
            (Key::ArrowUp, Vec2::new(0.0, -1.0)),
            (Key::ArrowDown, Vec2::new(0.0, 1.0)),
        ];
        for (key, way) in ways {
            if ui.input(|input| input.modifiers.is_none() && input.key_pressed(key)) {
                self.token = drawn.neighbour(self.token, way, look.scene.tokens(self.view.frame));
            }
        }
    }

    fn playback(&mut self, ui: &mut Ui, frames: usize) {
        if frames < 2 {
            return;
        }
        let (text, hint) = if self.view.is_playing { ("Stop", "Stop (Space)") } else { ("Play", "Play (Space)") };
        if ui.button(text).on_hover_text(hint).clicked() {
            self.view.toggle(frames);
        }
        let label = ui.label("Frame");
        let slider = egui::Slider::new(&mut self.view.frame, 0..=frames - 1);
        if ui.add(slider).labelled_by(label.id).on_hover_text("Also with , and .").changed() {
            self.view.is_playing = false;
        }
    }

    /// How badly each moment is predicted from all before it; a click goes there.
    fn surprise(&mut self, ui: &mut Ui, frames: usize, shared: &Shared) {
        ui.horizontal_wrapped(|ui| {
            let hint = "The error of predicting each moment from everything before it, under the frames";
            ui.checkbox(&mut self.options.surprise, "Surprise").on_hover_text(hint);
            let Some(eye) = self.eyes.first().filter(|_| self.options.surprise) else { return };
            if eye.surprise.is_running() {
                ui.spinner();
            }
            if let Some(problem) = eye.surprise.problem() {
                ui.label(RichText::new(problem).color(shared.theme.band(Band::Doubtful)));
            }
            let points = self.surprise_of(eye);
            if let Some([frame, most]) = curve::peak(&points) {
                ui.weak(format!("largest {} at frame {frame}", figure(most)));
            }
        });
        if !self.options.surprise {
            return;
        }
        let colours: [Color32; 2] = [shared.theme.accent(), shared.theme.category(1)];
        let curves: Vec<Curve> = self
            .eyes
            .iter()
            .zip(colours)
            .enumerate()
            .map(|(i, (eye, colour))| {
                let name = if i == 0 { "surprise" } else { "second weights" };
                Curve { name: name.into(), colour, points: self.surprise_of(eye) }
            })
            .collect();
        let across = [0.0, frames.saturating_sub(1) as f64];
        if let Some(at) = curve::show(ui, "Surprise over time", &curves, across, self.view.frame as f64) {
            (self.view.frame, self.view.is_playing) = ((at.round() as usize).min(frames - 1), false);
        }
    }

    fn surprise_of(&self, eye: &Eye) -> Vec<[f64; 2]> {
        let found = eye.surprise.last().map_or(&[][..], Vec::as_slice);
        let of = |(frame, means): &(usize, Vec<f64>)| Some([*frame as f64, *means.get(self.generator)?]);
        found.iter().filter_map(of).collect()
    }
}

/// Cosines to a token as colours, from the least alike to the token itself.
pub(super) fn likeness(cosines: &[f32], opacity: f32) -> Paint {
    match range(cosines) {
        Some([low, _]) => Paint::heat(cosines, [low, 1.0], opacity),
        None => Paint::plain(),
    }
}

/// The attention of a token as colours, from none to the largest share.
pub(super) fn attention(shares: &[f32], opacity: f32) -> Paint {
    match range(shares) {
        Some([_, most]) => Paint::heat(shares, [0.0, most], opacity),
        None => Paint::plain(),
    }
}
