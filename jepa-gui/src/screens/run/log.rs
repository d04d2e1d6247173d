//! What a run said in words, and what its process wrote to the terminal.

use std::path::Path;

use egui::{RichText, Ui};

use crate::runs::{Level, TERMINAL, last_lines};
use crate::shared::Shared;
use crate::theme::Band;

/// The panel's state.
#[derive(Debug, Default)]
pub(super) struct Log {
    warnings: bool,
    terminal: bool,
    text: String,
}

impl Log {
    pub(super) fn ui(&mut self, ui: &mut Ui, run: &Path, shared: &Shared) {
        let Some(history) = shared.followers.get(run).map(|f| &f.history) else { return };
        let count = history.log.iter().filter(|l| l.level == Level::Warning).count();
        ui.add_space(2.0);
        ui.horizontal(|ui| {
            ui.selectable_value(&mut self.terminal, false, "Log");
            ui.selectable_value(&mut self.terminal, true, "Terminal");
            ui.checkbox(&mut self.warnings, format!("Warnings only ({count})"));
            let edit = egui::TextEdit::singleline(&mut self.text).hint_text("Find in the log").desired_width(160.0);
            let response = ui.add(edit);
            response.ctx.accesskit_node_builder(response.id, |node| node.set_label("Find in the log"));
            if history.unknown > 0 {
                let text = format!("{} lines are no events of this version", history.unknown);
                ui.label(RichText::new(text).small().color(shared.theme.band(Band::Doubtful)));
            }
        });
        let area = egui::ScrollArea::both().auto_shrink(false).stick_to_bottom(true);
        if self.terminal {
            let text = last_lines(&run.join(TERMINAL), 200);
            area.id_salt("terminal").show(ui, |ui| match text.is_empty() {
                true => drop(ui.weak("Nothing: the run was not started by this app, or its process said nothing")),
                false => drop(ui.add(egui::Label::new(RichText::new(text).monospace()).extend())),
            });
            return;
        }
        let wanted = self.text.to_lowercase();
        let lines: Vec<_> = history
            .log
            .iter()
            .filter(|l| !self.warnings || l.level == Level::Warning)
            .filter(|l| wanted.is_empty() || l.text.to_lowercase().contains(&wanted))
            .flat_map(|l| l.text.lines().enumerate().map(move |(i, text)| (l, i, text)))
            .collect();
        if lines.is_empty() {
            ui.weak("Nothing of that kind was said");
            return;
        }
        let height = ui.text_style_height(&egui::TextStyle::Monospace);
        area.id_salt("log").show_rows(ui, height, lines.len(), |ui, rows| {
            for (line, i, text) in &lines[rows] {
                let step = line.step.filter(|_| *i == 0).map_or(String::new(), |s| s.to_string());
                let text = RichText::new(format!("{step:>8}  {text}")).monospace();
                let text = match line.level {
                    Level::Warning => text.color(shared.theme.band(Band::Doubtful)),
                    Level::Info => text,
                };
                ui.add(egui::Label::new(text).extend());
            }
        });
    }
}
