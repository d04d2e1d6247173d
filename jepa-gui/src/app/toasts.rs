//! Notices in the corner.

use egui::{Align2, RichText};

use crate::notices::Level;
use crate::shared::Shared;
use crate::theme::Band;

/// Draws what is visible, newest below.
pub(super) fn show(context: &egui::Context, shared: &mut Shared) {
    let visible = shared.notices.visible();
    if visible.is_empty() {
        return;
    }
    context.request_repaint_after(std::time::Duration::from_millis(500));
    let (mut dismissed, mut asked) = (None, None);
    egui::Area::new(egui::Id::unique("notices"))
        .anchor(Align2::RIGHT_BOTTOM, [-14.0, -38.0])
        .order(egui::Order::Foreground)
        .show(context, |ui| {
            ui.set_max_width(430.0);
            for index in visible.into_iter().rev().take(5).rev() {
                let notice = &shared.notices.all()[index];
                let (word, color) = match notice.level {
                    Level::Info => ("Done", shared.theme.band(Band::Good)),
                    Level::Warning => ("Note", shared.theme.band(Band::Doubtful)),
                    Level::Error => ("Error", shared.theme.band(Band::Bad)),
                };
                egui::Frame::popup(ui.style()).show(ui, |ui| {
                    ui.horizontal_top(|ui| {
                        ui.label(RichText::new(word).strong().color(color));
                        ui.vertical(|ui| {
                            ui.set_max_width(320.0);
                            ui.add(egui::Label::new(&notice.text).wrap());
                        });
                        if let Some((label, action)) = &notice.action
                            && ui.button(RichText::new(*label).strong()).clicked()
                        {
                            (dismissed, asked) = (Some(index), Some(action.clone()));
                        }
                        if ui.small_button("×").on_hover_text("Dismiss").clicked() {
                            dismissed = Some(index);
                        }
                    });
                });
            }
        });
    if let Some(index) = dismissed {
        shared.notices.dismiss(index);
    }
    shared.asked.extend(asked);
}
