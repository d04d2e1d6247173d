//! Notices: short sentences that come up in a corner, and the list of all of them.

use std::time::{Duration, Instant};

use crate::shared::Action;

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something was done.
    Info,
    /// Something a person should know.
    Warning,
    /// Something asked for was not done.
    Error,
}

/// One sentence.
#[derive(Debug, Clone)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// The sentence: what happened, and what to do about it.
    pub text: String,
    /// A button beside it, such as "Undo", and what it asks for.
    pub action: Option<(&'static str, Action)>,
    at: Instant,
    dismissed: bool,
}

/// All notices of this session, newest last.
#[derive(Debug, Default)]
pub struct Notices {
    all: Vec<Notice>,
}

/// Notices kept.
const KEPT: usize = 500;

impl Notices {
    /// Something was done.
    pub fn info(&mut self, text: impl Into<String>) {
        self.push(Level::Info, text.into(), None);
    }

    /// Something was done that can be taken back, or gone on with.
    pub fn offer(&mut self, text: impl Into<String>, label: &'static str, action: Action) {
        self.push(Level::Info, text.into(), Some((label, action)));
    }

    /// Something a person should know.
    pub fn warning(&mut self, text: impl Into<String>) {
        self.push(Level::Warning, text.into(), None);
    }

    /// Something asked for was not done.
    pub fn error(&mut self, text: impl Into<String>) {
        self.push(Level::Error, text.into(), None);
    }

    /// Every notice, oldest first.
    pub fn all(&self) -> &[Notice] {
        &self.all
    }

    /// Indices of those still on the screen: errors until dismissed, the others for a while.
    pub fn visible(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|i| self.all[*i].is_visible()).collect()
    }

    /// Takes one off the screen.
    pub fn dismiss(&mut self, index: usize) {
        if let Some(notice) = self.all.get_mut(index) {
            notice.dismissed = true;
        }
    }

    fn push(&mut self, level: Level, text: String, action: Option<(&'static str, Action)>) {
        // The same sentence again renews the old one instead of filling the screen.
        self.all.retain(|n| n.text != text);
        if self.all.len() >= KEPT {
            self.all.remove(0);
        }
        self.all.push(Notice { level, text, action, at: Instant::now(), dismissed: false });
    }
}

impl Notice {
    fn is_visible(&self) -> bool {
        let time = match (self.level, &self.action) {
            (Level::Info, None) => Duration::from_secs(5),
            (Level::Warning, _) => Duration::from_secs(10),
            // Time enough to notice that it was the wrong one.
            (Level::Info, Some(_)) => Duration::from_secs(30),
            (Level::Error, _) => Duration::MAX,
        };
        !self.dismissed && self.at.elapsed() < time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_until_dismissed_and_a_repeated_sentence_appears_once() {
        let mut notices = Notices::default();
        for _ in 0..3 {
            notices.error("the folder cannot be read");
        }
        assert_eq!(notices.visible(), [0]);
        notices.dismiss(0);
        assert!(notices.visible().is_empty());
        assert_eq!(notices.all().len(), 1);
    }
}
