//! The states of a panel without content: nothing yet, on its way, failed.

use egui::{Align, Layout, RichText, Ui};

use crate::jobs::Progress;
use crate::screens::Empty;
use crate::shared::Action;
use crate::theme::{Band, Theme};

/// Nothing to show yet: what would be here, and the next step. Returns the action of the button when it was pressed.
pub fn empty(ui: &mut Ui, empty: &Empty) -> Option<Action> {
    let mut asked = None;
    middle(ui, |ui| {
        ui.label(RichText::new(&empty.title).heading());
        ui.add(egui::Label::new(RichText::new(&empty.text).weak()).wrap());
        if let Some((label, action)) = &empty.action {
            ui.add_space(6.0);
            if ui.button(RichText::new(label).strong()).clicked() {
                asked = Some(action.clone());
            }
        }
    });
    asked
}

/// Something is on its way.
pub fn waiting(ui: &mut Ui, title: &str, progress: &Progress) {
    middle(ui, |ui| {
        ui.label(RichText::new(title).strong());
        match progress.fraction {
            Some(fraction) => drop(ui.add(egui::ProgressBar::new(fraction).desired_width(240.0).show_percentage())),
            None => drop(ui.add(egui::Spinner::new().size(22.0))),
        }
        if !progress.text.is_empty() {
            ui.label(RichText::new(&progress.text).weak());
        }
    });
}

/// Something went wrong: what, and why. Returns whether another try was asked for.
pub fn failed(ui: &mut Ui, title: &str, cause: &str) -> bool {
    let mut again = false;
    let theme = Theme::of(ui.ctx());
    middle(ui, |ui| {
        ui.label(RichText::new(title).strong().color(theme.band(Band::Bad)));
        ui.add(egui::Label::new(cause).wrap());
        again = ui.button("Try again").clicked();
    });
    again
}

fn middle(ui: &mut Ui, body: impl FnOnce(&mut Ui)) {
    let width = ui.available_width().min(520.0);
    let space = (ui.available_height() * 0.25).clamp(4.0, 140.0);
    ui.with_layout(Layout::top_down(Align::Center), |ui| {
        ui.add_space(space);
        ui.set_max_width(width);
        body(ui);
    });
}
