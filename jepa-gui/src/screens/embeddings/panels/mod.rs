//! The three columns: what is shown, the maps with what makes them, and what is looked at.

mod data;
mod inspector;
mod projection;

use egui::{CentralPanel, Frame, Panel, ScrollArea, Ui};

use super::Embeddings;
use crate::shared::Shared;

impl Embeddings {
    pub(super) fn columns(&mut self, ui: &mut Ui, shared: &mut Shared) {
        Panel::left("embeddings data").default_size(248.0).size_range(180.0..=420.0).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.data(ui, shared));
        });
        Panel::right("embeddings inspector").default_size(268.0).size_range(200.0..=480.0).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.inspector(ui, shared.theme));
        });
        if !self.sides.is_empty() {
            Panel::top("embeddings projection").frame(Frame::NONE).show_separator_line(false).show(ui, |ui| {
                self.toolbar(ui, shared);
                ui.add_space(4.0);
            });
            if self.film.is_some() {
                Panel::bottom("embeddings film").frame(Frame::NONE).show_separator_line(false).show(ui, |ui| {
                    self.film_bar(ui, shared.theme);
                });
            }
            if self.options.grid.0 && self.sides[0].map.is_some() {
                let grid = Panel::bottom("embeddings samples").frame(Frame::NONE).default_size(176.0);
                grid.size_range(100.0..=600.0).show(ui, |ui| self.grid(ui, shared.theme));
            }
        }
        CentralPanel::default().frame(Frame::NONE).show(ui, |ui| self.maps(ui, shared));
    }
}
