//! What every screen sees, and what it may ask for.

use std::path::{Path, PathBuf};

use egui::Color32;

use crate::notices::Notices;
use crate::runs::Library;
use crate::screens::ScreenId;
use crate::theme::Theme;
use crate::workspace::Workspace;

/// What screens share. Screens read all of it and change it freely; what needs the app goes through [`Self::ask`].
#[derive(Debug)]
pub struct Shared {
    /// Run folders that are known, newest first; a thread keeps the list up to date.
    pub library: Library,
    /// The run in focus and those beside it.
    pub selection: Selection,
    /// Colours of the theme in use.
    pub theme: Theme,
    /// Short sentences for the corner of the window.
    pub notices: Notices,
    /// What a person made here: layout, tags, notes, settings.
    pub workspace: Workspace,
    /// The program that trains: `xtask`, or whatever `JEPA_XTASK` names.
    pub program: Option<PathBuf>,
    /// Asked for in this frame, carried out by the app after it.
    pub asked: Vec<Action>,
}

/// What a screen can ask the app for.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Show a screen.
    Show(ScreenId),
    /// Focus a run folder and show it on the run screen.
    OpenRun(PathBuf),
    /// Focus a run folder and show it on the embeddings screen.
    OpenEmbeddings(PathBuf),
    /// Begin a form for a variant.
    Configure {
        /// Its id.
        variant: String,
        /// A preset, absent: its first.
        preset: Option<String>,
    },
    /// Start the program with these arguments; the run appears in `out`.
    Launch {
        /// Everything after the program's name.
        arguments: Vec<String>,
        /// The run folder it writes.
        out: PathBuf,
    },
    /// Ask for a folder of runs to look into.
    ChooseRuns,
}

/// Which runs are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The run in focus.
    pub run: Option<PathBuf>,
    /// Runs beside it, for comparison; may hold the focused one.
    pub compared: Vec<PathBuf>,
}

impl Shared {
    /// Asks the app for something, after this frame.
    pub fn ask(&mut self, action: Action) {
        self.asked.push(action);
    }

    /// The fixed colour of a run, the same on every screen and in every session.
    pub fn run_color(&mut self, run: &Path) -> Color32 {
        let at = self.workspace.color_of(&name_of(run));
        self.theme.category(at)
    }
}

/// The name of a run: its folder's.
pub fn name_of(run: &Path) -> String {
    run.file_name().unwrap_or(run.as_os_str()).to_string_lossy().into_owned()
}
