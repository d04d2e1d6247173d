//! One map on the screen: points, what the pointer does to them, and what is written over them.

use egui::{Align2, Color32, CornerRadius, FontId, Id, Key, PointerButton, Pos2, Rect, Sense, Stroke, StrokeKind, Ui};
use egui::{Response, Role, Vec2, WidgetInfo};

use super::camera::{Place, Projector};
use super::colour::ColourBy;
use super::pick;
use super::pictures::Pictures;
use super::projection::Method;
use super::selection::Selection;
use super::side::Side;
use super::table::Table;
use crate::theme::Theme;

/// What dragging means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tool {
    /// Moves or turns the map.
    #[default]
    Move,
    /// Draws a line around points.
    Lasso,
    /// Draws a box around points.
    Box,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Move, Self::Lasso, Self::Box];

    /// Its name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Lasso => "Lasso",
            Self::Box => "Box",
        }
    }

    /// What it does, with its key.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Move => "Drag to move or turn the map (V)",
            Self::Lasso => "Draw a line around points; with Shift they are added (L)",
            Self::Box => "Draw a box around points; with Shift they are added (B)",
        }
    }
}

/// The line that is being drawn, and on which plot.
#[derive(Debug, Clone, Default)]
pub struct Held {
    plot: Option<Id>,
    line: Vec<Pos2>,
}

/// Points from the pointer within which a point is meant.
const REACH: f32 = 9.0;
/// Points in view up to which they are shown as pictures.
const PICTURES: usize = 60;

/// A map to be drawn.
pub struct Plot<'a> {
    /// The map.
    pub side: &'a mut Side,
    /// What is looked at.
    pub selection: &'a mut Selection,
    /// Thumbnails.
    pub pictures: &'a mut Pictures,
    /// What colours mean.
    pub colour: &'a ColourBy,
    /// What dragging means.
    pub tool: Tool,
    /// The line that is being drawn.
    pub held: &'a mut Held,
    /// Colours of the window.
    pub theme: Theme,
    /// Ways of samples through the film.
    pub trails: Vec<Vec<Place>>,
    /// "Map" or, of two, which.
    pub name: &'a str,
}

/// What was done on a map that others must know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// It was clicked or dragged: keys are meant for it.
    pub is_active: bool,
    /// What is selected, or looked at, is to be shown alone.
    pub isolates: bool,
}

impl Plot<'_> {
    /// Draws the map into `rect`.
    pub fn show(mut self, ui: &mut Ui, rect: Rect, id: Id) -> Touched {
        let mut touched = Touched::default();
        let response = ui.interact(rect, id, Sense::click_and_drag());
        let visuals = ui.visuals();
        let (ground, line) = (visuals.extreme_bg_color, visuals.widgets.noninteractive.bg_stroke);
        ui.painter().rect(rect, CornerRadius::same(4), ground, line, StrokeKind::Inside);
        let Some(points) = self.side.points(self.selection, self.colour, self.theme) else { return touched };
        let (Some(map), Some(prepared)) = (self.side.map.clone(), self.side.prepared.clone()) else { return touched };
        let table = &prepared.table;
        response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, self.described(table)));
        self.move_view(ui, &response, rect);
        let projector = self.side.camera.projector(rect);
        let under = response.hover_pos().filter(|_| self.held.line.is_empty());
        let under = under.and_then(|at| pick::nearest(&map.places, &projector, at, REACH));
        let under = under.and_then(|row| table.samples.get(row).copied());
        // A pointer that has left the plot hovers nothing; one that never came says nothing of other plots.
        let was_here = ui.data_mut(|data| std::mem::replace(data.get_temp_mut_or_default(id), response.hovered()));
        if response.hovered() || was_here {
            self.selection.hover(under);
        }
        if response.clicked() || response.double_clicked() {
            touched.is_active = true;
            let adds = ui.input(|input| input.modifiers.shift || input.modifiers.command);
            match under {
                Some(sample) if adds => self.selection.toggle(sample),
                Some(sample) => self.selection.look_at(sample),
                None if response.double_clicked() => self.side.frame_all(),
                None if !adds => self.selection.clear(),
                None => {}
            }
            touched.isolates = response.double_clicked() && under.is_some();
        }
        touched.is_active |= response.dragged();
        self.gather(ui, &response, &map.places, &projector, table, id);
        self.side.cloud.draw(ui, rect, id, &points, &self.side.camera);
        let painter = ui.painter().with_clip_rect(rect);
        for trail in &self.trails {
            let line: Vec<Pos2> = trail.iter().map(|&place| projector.at(place).0).collect();
            painter.line(line, Stroke::new(1.5, self.theme.accent().gamma_multiply(0.7)));
        }
        let shows = self.near_pictures(ui, rect, &projector, &map.places, table);
        if !shows {
            self.mark_focus(ui, rect, &projector, &map.places, table);
        }
        self.axes(ui, rect);
        self.line(ui, id);
        if let Some(sample) = under {
            response.on_hover_ui_at_pointer(|ui| self.tooltip(ui, sample, table));
        }
        touched
    }

    fn described(&self, table: &Table) -> String {
        let method = self.side.map.as_ref().map_or("", |map| map.choice.method.title());
        let looked = self.selection.focus().map(|s| format!(", looking at {}", self.title(s))).unwrap_or_default();
        let selected = self.selection.samples().len();
        format!("{}: {method} of {} samples, {selected} selected{looked}", self.name, table.rows())
    }

    fn title(&self, sample: usize) -> String {
        self.pictures.name(sample).map_or_else(|| format!("sample {sample}"), str::to_owned)
    }

    /// Scrolling zooms; dragging moves or turns, with the second button whatever the tool is.
    fn move_view(&mut self, ui: &Ui, response: &Response, rect: Rect) {
        let camera = &mut self.side.camera;
        if let Some(at) = response.hover_pos() {
            let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
            let factor = (scroll / 240.0).exp() * pinch;
            if factor != 1.0 {
                camera.zoom(rect, at, factor);
            }
        }
        let by = response.drag_delta();
        if by == Vec2::ZERO {
            return;
        }
        let primary = response.dragged_by(PointerButton::Primary);
        let pans = response.dragged_by(PointerButton::Secondary)
            || response.dragged_by(PointerButton::Middle)
            || (primary && self.tool == Tool::Move && ui.input(|input| input.modifiers.shift));
        if pans {
            camera.pan(rect, by);
        } else if primary && self.tool == Tool::Move {
            if camera.is_solid { camera.orbit(by) } else { camera.pan(rect, by) }
        }
    }

    /// Draws the line of a lasso or box, and selects what is in it when it is let go.
    fn gather(&mut self, ui: &Ui, response: &Response, places: &[Place], projector: &Projector, table: &Table, id: Id) {
        if self.tool == Tool::Move {
            return;
        }
        if response.drag_started_by(PointerButton::Primary) {
            let start = ui.input(|input| input.pointer.press_origin());
            *self.held = Held { plot: Some(id), line: start.into_iter().collect() };
        }
        if self.held.plot != Some(id) {
            return;
        }
        if let Some(at) = response.interact_pointer_pos()
            && self.held.line.last().is_none_or(|last| last.distance(at) > 2.0)
        {
            self.held.line.push(at);
        }
        if response.drag_stopped() {
            let line = std::mem::take(self.held).line;
            let rows = match (self.tool, line.first(), line.last()) {
                (Tool::Box, Some(&a), Some(&b)) => pick::in_box(places, projector, Rect::from_two_pos(a, b)),
                _ => pick::in_lasso(places, projector, &line),
            };
            let samples = rows.into_iter().filter_map(|row| table.samples.get(row).copied());
            self.selection.select(samples, ui.input(|input| input.modifiers.shift));
        }
    }

    fn line(&self, ui: &Ui, id: Id) {
        if self.held.plot != Some(id) {
            return;
        }
        let stroke = Stroke::new(1.5, self.theme.accent());
        match (self.tool, self.held.line.first(), self.held.line.last()) {
            (Tool::Box, Some(&a), Some(&b)) => {
                let fill = self.theme.accent().gamma_multiply(0.12);
                ui.painter().rect(Rect::from_two_pos(a, b), CornerRadius::ZERO, fill, stroke, StrokeKind::Middle);
            }
            _ => {
                let mut line = self.held.line.clone();
                line.extend(self.held.line.first());
                ui.painter().line(line, stroke);
            }
        }
    }

    /// Samples as pictures, when few are in view. Returns whether they were shown.
    fn near_pictures(&mut self, ui: &Ui, rect: Rect, projector: &Projector, places: &[Place], table: &Table) -> bool {
        if !self.pictures.can_draw() {
            return false;
        }
        let mut seen = Vec::new();
        for (row, &place) in places.iter().enumerate() {
            let (at, near) = projector.at(place);
            if rect.contains(at) {
                seen.push((near, row, at));
                if seen.len() > PICTURES {
                    return false;
                }
            }
        }
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let side = (rect.area() / (4.0 * seen.len().max(1) as f32)).sqrt().clamp(20.0, 72.0);
        let painter = ui.painter().with_clip_rect(rect);
        for (_, row, at) in seen {
            let sample = table.samples[row];
            let colour = self.side.colour_of(sample).unwrap_or(Color32::GRAY);
            let Some(thumbnail) = self.pictures.get(sample) else { continue };
            let Ok(texture) = &thumbnail.picture else { continue };
            let place = Rect::from_center_size(at, thumbnail.size(side));
            let uv = Rect::from_min_max(Pos2::ZERO, egui::pos2(1.0, 1.0));
            painter.image(texture.id(), place, uv, Color32::WHITE);
            let marked = self.selection.focus() == Some(sample) || self.selection.samples().contains(&sample);
            let stroke = Stroke::new(if marked { 3.0 } else { 1.5 }, colour);
            painter.rect_stroke(place, CornerRadius::ZERO, stroke, StrokeKind::Outside);
        }
        true
    }

    /// A ring and a name at the sample that is looked at.
    fn mark_focus(&self, ui: &Ui, rect: Rect, projector: &Projector, places: &[Place], table: &Table) {
        let Some(sample) = self.selection.focus() else { return };
        let Some(place) = table.row_of(sample).and_then(|row| places.get(row)) else { return };
        let at = projector.at(*place).0;
        if !rect.contains(at) {
            return;
        }
        let painter = ui.painter().with_clip_rect(rect);
        painter.circle_stroke(at, 9.0, Stroke::new(1.5, ui.visuals().strong_text_color()));
        let label = painter.layout_no_wrap(self.title(sample), FontId::proportional(12.0), ui.visuals().text_color());
        let room = beside(at, label.size(), rect);
        painter.rect_filled(room, CornerRadius::same(3), ui.visuals().extreme_bg_color.gamma_multiply(0.85));
        painter.galley(room.min + Vec2::splat(2.0), label, ui.visuals().text_color());
    }

    /// What the axes are, where they are something.
    fn axes(&self, ui: &Ui, rect: Rect) {
        let (Some(map), Some(prepared)) = (&self.side.map, &self.side.prepared) else { return };
        if map.choice.method != Method::Pca {
            return;
        }
        let axis = |i: usize| {
            let component = map.choice.components[i];
            let known = component < prepared.pca.len();
            let share = if known { 100.0 * prepared.pca.explained(component) } else { 0.0 };
            format!("PC {} · {share:.1} %", component + 1)
        };
        let (painter, color, font) = (ui.painter(), self.theme.faint(), FontId::proportional(11.5));
        if self.side.camera.is_solid {
            let shorter = rect.width().min(rect.height());
            let origin = rect.left_bottom() + egui::vec2(36.0, -36.0);
            for (i, direction) in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].into_iter().enumerate() {
                let turned = self.side.camera.direction(direction) * (shorter * 0.05).clamp(14.0, 28.0);
                painter.line_segment([origin, origin + turned], Stroke::new(1.5, color));
                painter.text(origin + turned * 1.3, Align2::CENTER_CENTER, format!("{}", i + 1), font.clone(), color);
            }
            let text = format!("1: {}   2: {}   3: {}", axis(0), axis(1), axis(2));
            painter.text(rect.left_bottom() + egui::vec2(80.0, -8.0), Align2::LEFT_BOTTOM, text, font, color);
        } else {
            let right = rect.right_bottom() + egui::vec2(-8.0, -6.0);
            painter.text(right, Align2::RIGHT_BOTTOM, axis(0), font.clone(), color);
            let top = rect.left_top() + egui::vec2(8.0, 6.0);
            painter.text(top, Align2::LEFT_TOP, axis(1), font, color);
        }
    }

    fn tooltip(&mut self, ui: &mut Ui, sample: usize, table: &Table) {
        ui.strong(self.title(sample));
        let label = table.row_of(sample).and_then(|row| table.labels[row]);
        if let Some(label) = label {
            ui.label(self.pictures.class(label));
        }
        if let Some(thumbnail) = self.pictures.get(sample)
            && let Ok(texture) = &thumbnail.picture
        {
            ui.image((texture.id(), thumbnail.size(96.0)));
        }
    }
}

/// Whether a sample in a list was chosen by a click or by Enter.
pub fn is_chosen(response: &Response, ui: &Ui) -> bool {
    response.clicked() || (response.has_focus() && ui.input(|input| input.key_pressed(Key::Enter)))
}

/// Where a text of this size lies beside a point: to its right where there is room, else to its left.
fn beside(point: Pos2, size: Vec2, plot: Rect) -> Rect {
    let fits = point.x + 14.0 + size.x <= plot.right();
    let x = if fits { point.x + 12.0 } else { (point.x - 12.0 - size.x).max(plot.left() + 2.0) };
    Rect::from_min_size(egui::pos2(x, point.y - size.y / 2.0), size).expand(2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_point_stays_inside_the_plot() {
        let plot = Rect::from_min_max(egui::pos2(100.0, 0.0), egui::pos2(500.0, 300.0));
        for x in [101.0, 300.0, 420.0, 499.0] {
            let room = beside(egui::pos2(x, 150.0), egui::vec2(180.0, 14.0), plot);
            assert!(plot.contains_rect(room), "{room:?} at {x}");
            assert!(room.right() < x || room.left() > x, "{room:?} hides its point at {x}");
        }
    }
}
