//! The command palette and the shortcuts: everything by name, everything by keyboard.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::App;
use crate::runs::Trashed;
use crate::screens::{Command, ScreenId};
use crate::shared::Action;

/// State of the palette.
#[derive(Debug, Default)]
pub(super) struct Palette {
    shown: bool,
    fresh: bool,
    text: String,
    at: usize,
}

/// What an entry does.
#[derive(Debug, Clone)]
enum Entry {
    Act(Action),
    Screen(ScreenId, String),
    Theme(&'static str),
}

const OPEN: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::P);
const DIGITS: [Key; 6] = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6];

impl Palette {
    /// Opens it, empty.
    pub(super) fn open(&mut self) {
        *self = Self { shown: true, fresh: true, ..Self::default() };
    }
}

impl App {
    pub(super) fn shortcuts(&mut self, context: &egui::Context) {
        if context.input_mut(|i| i.consume_shortcut(&OPEN)) {
            if self.palette.shown {
                self.palette.shown = false;
            } else {
                self.palette.open();
            }
        }
        for (key, screen) in DIGITS.into_iter().zip(ScreenId::ALL) {
            if context.input_mut(|i| i.consume_key(Modifiers::COMMAND, key)) {
                self.show(screen);
            }
        }
    }

    fn entries(&self) -> Vec<(String, &'static str, Entry)> {
        let mut entries = Vec::new();
        for screen in &self.screens {
            for Command { id, title, keys, global } in screen.commands(&self.shared) {
                if global || screen.id() == self.screen {
                    entries.push((format!("{}: {title}", screen.id().title()), keys, Entry::Screen(screen.id(), id)));
                }
            }
        }
        const KEYS: [&str; 6] = ["Ctrl+1", "Ctrl+2", "Ctrl+3", "Ctrl+4", "Ctrl+5", "Ctrl+6"];
        for (screen, keys) in ScreenId::ALL.into_iter().zip(KEYS) {
            entries.push((format!("Show {}", screen.title()), keys, Entry::Act(Action::Show(screen))));
        }
        for plugin in jepa_core::plugin::variants().unwrap_or_default() {
            let d = &plugin.description;
            let action = Action::Configure { variant: d.id.to_owned(), preset: None };
            entries.push((format!("New run of {}", d.title), "", Entry::Act(action)));
        }
        for run in self.shared.library.runs.iter().take(200) {
            entries.push((format!("Open run {}", run.name), "", Entry::Act(Action::OpenRun(run.path.clone()))));
        }
        for trashed in Trashed::list(&self.shared.library.folder) {
            let title = format!("Take {} back out of the trash", crate::shared::name_of(&trashed.from));
            entries.push((title, "", Entry::Act(Action::Restore(trashed))));
        }
        for theme in ["light", "dark", "system"] {
            entries.push((format!("Theme: {theme}"), "", Entry::Theme(theme)));
        }
        entries.push(("Choose a folder of runs…".into(), "", Entry::Act(Action::ChooseRuns)));
        entries.push(("Open a run folder…".into(), "", Entry::Act(Action::ChooseRun)));
        entries
    }

    pub(super) fn palette(&mut self, context: &egui::Context) {
        if !self.palette.shown {
            return;
        }
        let text = self.palette.text.clone();
        let mut entries: Vec<(i32, (String, &'static str, Entry))> =
            self.entries().into_iter().filter_map(|e| Some((score(&text, &e.0)?, e))).collect();
        entries.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).take(60).collect();
        let (up, down, enter) = context.input_mut(|i| {
            let mut pressed = |key| i.consume_key(Modifiers::NONE, key);
            (pressed(Key::ArrowUp), pressed(Key::ArrowDown), pressed(Key::Enter))
        });
        let last = entries.len().saturating_sub(1);
        self.palette.at = match (up, down) {
            (true, _) => self.palette.at.saturating_sub(1),
            (_, true) => self.palette.at + 1,
            _ => self.palette.at,
        }
        .min(last);
        let mut chosen = enter.then_some(self.palette.at);
        let palette = &mut self.palette;
        let area = egui::Modal::default_area(egui::Id::unique("palette")).anchor(egui::Align2::CENTER_TOP, [0.0, 90.0]);
        let modal = egui::Modal::new(egui::Id::unique("palette")).area(area).show(context, |ui| {
            ui.set_width(520.0);
            let edit =
                egui::TextEdit::singleline(&mut palette.text).hint_text("Type a command").desired_width(f32::INFINITY);
            let response = ui.add(edit);
            response.ctx.accesskit_node_builder(response.id, |node| node.set_label("Command"));
            if std::mem::take(&mut palette.fresh) {
                response.request_focus();
            }
            if response.changed() {
                palette.at = 0;
            }
            ui.separator();
            egui::ScrollArea::vertical().max_height(360.0).auto_shrink([false, true]).show(ui, |ui| {
                for (i, (title, keys, _)) in entries.iter().enumerate() {
                    let button = egui::Button::selectable(i == palette.at, title.as_str()).right_text(*keys);
                    let response = ui.add(button.min_size(egui::vec2(ui.available_width(), 0.0)));
                    if (up || down) && i == palette.at {
                        response.scroll_to_me(None);
                    }
                    if response.clicked() {
                        chosen = Some(i);
                    }
                }
                if entries.is_empty() {
                    ui.weak("No command is called like that");
                }
            });
        });
        if modal.should_close() {
            self.palette.shown = false;
        }
        if let Some((_, _, entry)) = chosen.and_then(|i| entries.get(i)) {
            self.palette.shown = false;
            match entry.clone() {
                Entry::Act(action) => self.shared.ask(action),
                Entry::Screen(screen, id) => {
                    self.show(screen);
                    self.screens[screen as usize].command(&id, context, &mut self.shared);
                }
                Entry::Theme(theme) => self.choose_theme(theme, context),
            }
        }
    }
}

/// How well what was typed names an entry: every letter in order, better at beginnings of words and side by side; none
/// when a letter is missing.
pub fn score(typed: &str, title: &str) -> Option<i32> {
    let (mut score, mut from, mut last) = (0, 0, None);
    let letters: Vec<char> = title.to_lowercase().chars().collect();
    for wanted in typed.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let starts = |i: usize| i == 0 || !letters[i - 1].is_alphanumeric();
        let next = last.filter(|l: &usize| letters.get(l + 1) == Some(&wanted)).map(|l| l + 1);
        let place = next
            .or_else(|| (from..letters.len()).find(|i| letters[*i] == wanted && starts(*i)))
            .or_else(|| (from..letters.len()).find(|i| letters[*i] == wanted))?;
        score += 1 + if next.is_some() { 8 } else { 0 } + if starts(place) { 6 } else { 0 };
        (from, last) = (place + 1, Some(place));
    }
    Some(score * 16 - letters.len().min(100) as i32)
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn initials_and_whole_words_come_first_and_a_missing_letter_leaves_out() {
        assert!(score("emb", "Show Embeddings") > score("emb", "Theme: number"));
        assert!(score("sr", "Show Run") > score("sr", "Cursor"));
        assert!(score("dark", "Theme: dark") > score("dark", "Download a remarkable kernel"));
        assert_eq!(score("xyz", "Show Run"), None);
        assert!(score("", "anything").is_some());
    }
}
