//! The legend of a plot: a row above it, so that no curve lies behind it. A click hides a curve, another brings it back.

use std::collections::BTreeSet;

use egui::{Color32, Id, Role, Sense, TextStyle, Ui, WidgetInfo, WidgetText, vec2};

/// Points across and down of a patch of colour.
const PATCH: f32 = 8.0;

/// Draws the entries, wrapped where the row is full, and returns the names of those that are hidden. A single curve is
/// named by its axis and needs no legend.
pub(super) fn legend(ui: &mut Ui, id: Id, entries: &[(&str, Color32)]) -> BTreeSet<String> {
    if entries.len() < 2 {
        return BTreeSet::new();
    }
    let mut hidden: BTreeSet<String> = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(12.0, 2.0);
        for (name, color) in entries {
            let is_hidden = hidden.contains(*name);
            if entry(ui, name, *color, !is_hidden) {
                if is_hidden {
                    hidden.remove(*name)
                } else {
                    hidden.insert((*name).to_owned())
                };
            }
        }
    });
    ui.data_mut(|data| data.insert_temp(id, hidden.clone()));
    hidden
}

/// One entry; returns whether it was clicked.
fn entry(ui: &mut Ui, name: &str, color: Color32, is_shown: bool) -> bool {
    let text = WidgetText::from(name).into_galley(ui, None, f32::INFINITY, TextStyle::Small);
    let size = vec2(PATCH + 5.0 + text.size().x, text.size().y.max(PATCH) + 2.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, ui.is_enabled(), is_shown, name));
    let visuals = ui.visuals();
    let ink = if is_shown { visuals.text_color() } else { visuals.weak_text_color() };
    let ink = if response.hovered() { visuals.strong_text_color() } else { ink };
    let middle = rect.left_center() + vec2(0.5 * PATCH, 0.0);
    match is_shown {
        true => drop(ui.painter().circle_filled(middle, 0.5 * PATCH, color)),
        false => drop(ui.painter().circle_stroke(middle, 0.5 * PATCH - 0.5, (1.0, color))),
    }
    let at = rect.left_center() + vec2(PATCH + 5.0, -0.5 * text.size().y);
    ui.painter().galley(at, text, ink);
    response.on_hover_text(if is_shown { "Hide this curve" } else { "Show this curve" }).clicked()
}
