//! What every screen sees, and what it may ask for.

use std::path::{Path, PathBuf};

use egui::Color32;

use crate::compute::Compute;
use crate::notices::Notices;
use crate::runs::{Children, Followers, Library, Program, RunSummary, Trashed};
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
    /// The program that trains; none when it was not found.
    pub program: Option<Program>,
    /// Event logs that are being read.
    pub followers: Followers,
    /// Training processes started here.
    pub children: Children,
    /// Graphics adapters of this machine in words, the one that draws this window first; empty without a window.
    pub adapters: Vec<String>,
    /// What the window's own work is computed on.
    pub compute: Compute,
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
    /// Start the program with these arguments; the run appears in `out` and is shown.
    Launch {
        /// Everything after the program's name.
        arguments: Vec<String>,
        /// The run folder it writes.
        out: PathBuf,
    },
    /// Ask a run to save and end.
    Stop(PathBuf),
    /// Move a run folder to the trash, from where it can be taken back.
    Trash(PathBuf),
    /// Take a run back out of the trash.
    Restore(Trashed),
    /// Ask for a folder of runs to look into.
    ChooseRuns,
    /// Ask for a run folder anywhere.
    ChooseRun,
    /// Save the picture of a part of the window, in points.
    SavePicture(egui::Rect),
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
    /// What a window over a folder of runs begins with.
    pub fn new(folder: &Path, context: &egui::Context) -> Self {
        let mut notices = Notices::default();
        let (workspace, problem) = Workspace::open(folder);
        if let Some(problem) = problem {
            notices.warning(problem);
        }
        Self {
            library: Library::watch(folder, context),
            selection: Selection::default(),
            theme: Theme::of(context),
            notices,
            workspace,
            program: Program::find(),
            followers: Followers::default(),
            children: Children::default(),
            adapters: Vec::new(),
            compute: Compute::default(),
            asked: Vec::new(),
        }
    }

    /// Asks the app for something, after this frame.
    pub fn ask(&mut self, action: Action) {
        self.asked.push(action);
    }

    /// The fixed colour of a run, the same on every screen and in every session.
    pub fn run_color(&mut self, run: &Path) -> Color32 {
        let at = self.workspace.color_of(&name_of(run));
        self.theme.category(at)
    }

    /// A folder for a new run: the first free number behind its variant and preset, as the trainer names them.
    pub fn new_run(&self, variant: &str, preset: &str) -> PathBuf {
        let name = |n: usize| self.library.folder.join(format!("{variant}-{preset}-{n}"));
        (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
    }

    /// The run in focus, as the list knows it.
    pub fn focused(&self) -> Option<&RunSummary> {
        self.library.get(self.selection.run.as_deref()?)
    }
}

/// The name of a run: its folder's.
pub fn name_of(run: &Path) -> String {
    run.file_name().unwrap_or(run.as_os_str()).to_string_lossy().into_owned()
}
