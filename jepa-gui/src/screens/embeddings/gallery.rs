//! The grid of samples under the maps: what is selected, or the neighbours of what is looked at, or all.

use egui::{Align2, CornerRadius, FontId, Id, Pos2, Rect, ScrollArea, Sense, Stroke, StrokeKind, Ui, Vec2};
use egui::{Color32, Role, WidgetInfo};

use super::pictures::Pictures;
use super::plot::is_chosen;
use super::selection::Selection;
use super::side::Side;
use crate::theme::Theme;

/// Points of a cell.
const CELL: f32 = 76.0;
/// Points between cells.
const GAP: f32 = 6.0;

/// Which samples the grid holds, and why these.
pub(super) fn content(side: &Side, selection: &Selection) -> (String, Vec<usize>) {
    let Some(prepared) = &side.prepared else { return (String::new(), Vec::new()) };
    let table = &prepared.table;
    if !selection.samples().is_empty() {
        let there: Vec<usize> = selection.samples().iter().copied().filter(|&s| table.row_of(s).is_some()).collect();
        return (format!("{} selected", there.len()), there);
    }
    if let Some(near) = side.neighbourhood.as_ref().filter(|near| Some(near.of) == selection.focus()) {
        let others = near.nearest.iter().filter_map(|n| table.samples.get(n.index).copied());
        let samples: Vec<usize> = std::iter::once(near.of).chain(others).collect();
        return (format!("1 sample and its {} nearest", samples.len() - 1), samples);
    }
    (format!("All {} samples", table.rows()), table.samples.clone())
}

/// Draws the grid; only the rows in view are laid out.
pub(super) fn show(
    ui: &mut Ui,
    samples: &[usize],
    side: &Side,
    selection: &mut Selection,
    pictures: &mut Pictures,
    theme: Theme,
) {
    let columns = ((ui.available_width() + GAP) / (CELL + GAP)).floor().max(1.0) as usize;
    let rows = samples.len().div_ceil(columns);
    let area = ScrollArea::vertical().id_salt("samples").auto_shrink(false);
    area.show_rows(ui, CELL, rows, |ui, range| {
        for row in range {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = GAP;
                for &sample in samples.iter().skip(row * columns).take(columns) {
                    cell(ui, sample, side, selection, pictures, theme);
                }
            });
        }
    });
}

/// One sample: its picture, or its class and place where there is none.
pub(super) fn cell(
    ui: &mut Ui,
    sample: usize,
    side: &Side,
    selection: &mut Selection,
    pictures: &mut Pictures,
    theme: Theme,
) {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(CELL), Sense::click());
    if !ui.is_rect_visible(rect) {
        return;
    }
    let label = class_of(sample, side, pictures);
    let colour = side.colour_of(sample).unwrap_or(theme.faint());
    let thumbnail = pictures.get(sample).cloned();
    let name = thumbnail.as_ref().map_or_else(|| format!("sample {sample}"), |t| t.name.clone());
    let title = label.map_or_else(|| name.clone(), |label| format!("{name}, {label}"));
    let is_marked = selection.samples().contains(&sample) || selection.focus() == Some(sample);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_marked, &title));
    let painter = ui.painter();
    painter.rect_filled(rect, CornerRadius::same(3), ui.visuals().faint_bg_color);
    match thumbnail.as_ref().map(|t| (&t.picture, t.size(CELL - 8.0))) {
        Some((Ok(texture), size)) => {
            let uv = Rect::from_min_max(Pos2::ZERO, egui::pos2(1.0, 1.0));
            painter.image(texture.id(), Rect::from_center_size(rect.center(), size), uv, Color32::WHITE);
        }
        _ => {
            let font = FontId::proportional(12.0);
            painter.text(rect.center(), Align2::CENTER_CENTER, sample, font, ui.visuals().text_color());
        }
    }
    let bar = Rect::from_min_max(rect.left_bottom() - egui::vec2(0.0, 4.0), rect.right_bottom());
    painter.rect_filled(bar, CornerRadius::ZERO, colour);
    let is_hovered = selection.hovered() == Some(sample);
    if is_marked || is_hovered || response.has_focus() {
        let color = if is_marked { theme.accent() } else { theme.faint() };
        painter.rect_stroke(rect, CornerRadius::same(3), Stroke::new(2.0, color), StrokeKind::Inside);
    }
    if is_chosen(&response, ui) {
        if ui.input(|input| input.modifiers.shift || input.modifiers.command) {
            selection.toggle(sample);
        } else {
            selection.look_at(sample);
        }
    }
    // What the pointer is over here stands out on the maps, and is forgotten when it leaves.
    let mark = Id::unique("sample under the pointer in a list");
    if response.hovered() {
        selection.hover(Some(sample));
        ui.data_mut(|data| data.insert_temp(mark, sample));
    } else if is_hovered && ui.data(|data| data.get_temp(mark)) == Some(sample) {
        selection.hover(None);
        ui.data_mut(|data| data.remove::<usize>(mark));
    }
    response.on_hover_text(title);
}

/// The name of a sample's class.
pub(super) fn class_of(sample: usize, side: &Side, pictures: &Pictures) -> Option<String> {
    let table = &side.prepared.as_ref()?.table;
    table.labels[table.row_of(sample)?].map(|label| pictures.class(label))
}
