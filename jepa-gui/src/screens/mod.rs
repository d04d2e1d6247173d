//! Screens: one folder each. A screen is a struct with its own state that draws itself into the middle of the window.

pub mod compare;
pub mod embeddings;
pub mod launch;
pub mod run;
pub mod sample;
pub mod start;

use serde::{Deserialize, Serialize};

use crate::shared::Shared;

/// Which screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScreenId {
    /// Gallery of variants and recent runs.
    Start,
    /// The form of a new run.
    Launch,
    /// One run, live or finished.
    Run,
    /// Samples as points.
    Embeddings,
    /// One sample in depth.
    Sample,
    /// Several runs beside each other.
    Compare,
}

impl ScreenId {
    /// All of them, in the order of the navigation.
    pub const ALL: [Self; 6] = [Self::Start, Self::Launch, Self::Run, Self::Embeddings, Self::Sample, Self::Compare];

    /// Its name in the navigation.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Launch => "Launch",
            Self::Run => "Run",
            Self::Embeddings => "Embeddings",
            Self::Sample => "Sample",
            Self::Compare => "Compare",
        }
    }

    /// What it answers, in one sentence: the hint over its name.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Start => "Choose a variant, or go on with a run",
            Self::Launch => "Set up a new run and see its exact command",
            Self::Run => "Follow a run: losses, collapse figures, log; stop, resume, branch",
            Self::Embeddings => "See samples as points: projections, neighbours, selection",
            Self::Sample => "Look into one sample: its picture, its masks, what the encoder sees",
            Self::Compare => "Put runs beside each other: differences, curves, notes",
        }
    }
}

/// A screen. The app owns one of each, draws its title, and its empty state where it has one.
pub trait Screen {
    /// Which one.
    fn id(&self) -> ScreenId;

    /// When there is nothing to show: what would be here, and the next step. Drawn instead of [`Self::ui`].
    fn empty(&self, _shared: &Shared) -> Option<Empty> {
        None
    }

    /// Called once a frame for every screen, shown or not and before any is drawn: takes what jobs have found. Never
    /// waits.
    fn poll(&mut self, _context: &egui::Context, _shared: &mut Shared) {}

    /// Draws it.
    fn ui(&mut self, ui: &mut egui::Ui, shared: &mut Shared);

    /// What the command palette offers of it. Only those of the screen that is shown, and those marked global, appear.
    fn commands(&self, _shared: &Shared) -> Vec<Command> {
        Vec::new()
    }

    /// Carries out one of [`Self::commands`] by its id.
    fn command(&mut self, _id: &str, _context: &egui::Context, _shared: &mut Shared) {}

    /// What of it should be remembered over sessions (options, not data); kept in the workspace file.
    fn settings(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Takes back what [`Self::settings`] gave, perhaps an older version's: whatever does not fit is left at its default.
    fn restore(&mut self, _settings: &serde_json::Value) {}
}

/// A screen or panel that has nothing to show yet.
#[derive(Debug, Clone)]
pub struct Empty {
    /// What would be here.
    pub title: String,
    /// How to get it.
    pub text: String,
    /// The next step: a button's label and what it asks for.
    pub action: Option<(String, crate::shared::Action)>,
}

/// A command of a screen in the palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Handed to [`Screen::command`].
    pub id: String,
    /// What a person reads, such as "Projection: t-SNE".
    pub title: String,
    /// Keys that do the same, for people to read.
    pub keys: &'static str,
    /// Whether it is offered when another screen is shown; the app shows this one first.
    pub global: bool,
}

impl Command {
    /// A command of the screen that is shown.
    pub fn here(id: impl Into<String>, title: impl Into<String>, keys: &'static str) -> Self {
        Self { id: id.into(), title: title.into(), keys, global: false }
    }
}
