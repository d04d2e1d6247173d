//! The window: navigation above, a screen in the middle, the state of things below, notices in the corner.

mod chrome;
mod palette;
mod toasts;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::jobs::{Job, Update};
use crate::runs::Trashed;
use crate::screens::{
    Screen, ScreenId, compare::Compare, embeddings::Embeddings, launch::Launch, run::Run, sample::Sample, start::Start,
};
use crate::shared::{Action, Shared, name_of};
use crate::theme::{self, Theme};
use crate::widgets;

pub use palette::score;

/// The whole app.
pub struct App {
    /// What screens share.
    pub shared: Shared,
    screens: [Box<dyn Screen>; 6],
    screen: ScreenId,
    palette: palette::Palette,
    dialog: Option<Job<(Wanted, Option<PathBuf>)>>,
    pictures: (Sender<egui::ColorImage>, Receiver<egui::ColorImage>),
}

/// What a dialog for a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Runs,
    Run,
}

impl App {
    /// The app over a folder of runs.
    pub fn new(folder: &Path, context: &egui::Context) -> Self {
        theme::apply(context);
        let shared = Shared::new(folder, context);
        let mut app = Self {
            screens: [
                Box::<Start>::default(),
                Box::<Launch>::default(),
                Box::<Run>::default(),
                Box::<Embeddings>::default(),
                Box::<Sample>::default(),
                Box::<Compare>::default(),
            ],
            // The last screen may have needed a run that is not in focus any more; the first always has content.
            screen: ScreenId::Start,
            palette: palette::Palette::default(),
            dialog: None,
            pictures: channel(),
            shared,
        };
        app.set_theme(context);
        for screen in &mut app.screens {
            if let Some(settings) = app.shared.workspace.content.screens.get(screen.id().title()) {
                screen.restore(settings);
            }
        }
        app
    }

    /// The screen that is shown.
    pub fn screen(&self) -> ScreenId {
        self.screen
    }

    /// Shows a screen.
    pub fn show(&mut self, screen: ScreenId) {
        self.screen = screen;
        self.shared.workspace.content.screen = Some(screen);
    }

    /// Switches to the theme `light`, `dark` or, for any other word, that of the system.
    pub fn choose_theme(&mut self, theme: &str, context: &egui::Context) {
        self.shared.workspace.content.theme = theme.to_owned();
        self.set_theme(context);
    }

    fn set_theme(&self, context: &egui::Context) {
        context.set_theme(match self.shared.workspace.content.theme.as_str() {
            "light" => egui::ThemePreference::Light,
            "dark" => egui::ThemePreference::Dark,
            _ => egui::ThemePreference::System,
        });
    }

    /// Everything that happens whether the window is drawn or not.
    pub fn poll(&mut self, context: &egui::Context) {
        if self.shared.library.poll() && self.shared.selection.run.is_none() {
            // Who has runs looks at the newest until another is chosen.
            self.shared.selection.run = self.shared.library.runs.first().map(|run| run.path.clone());
        }
        self.shared.followers.poll(context);
        for ended in self.shared.children.poll() {
            let name = name_of(&ended.out);
            if ended.well {
                self.shared.notices.info(format!("{name}: its process has ended"));
            } else {
                self.shared.notices.error(format!("{name}: its process ended with an error\n{}", ended.last_words));
            }
        }
        if self.shared.children.running().next().is_some() {
            // A child that ends makes no event of this window.
            context.request_repaint_after(std::time::Duration::from_millis(500));
        }
        for screen in &mut self.screens {
            screen.poll(context, &mut self.shared);
        }
        match self.dialog.as_mut().and_then(Job::poll) {
            Some(Update::Done((wanted, Some(folder)))) => self.chosen(wanted, &folder, context),
            Some(Update::Failed(problem)) => self.shared.notices.error(problem),
            _ => {}
        }
        if self.dialog.as_ref().is_some_and(|d| !d.is_running()) {
            self.dialog = None;
        }
    }

    fn chosen(&mut self, wanted: Wanted, folder: &Path, context: &egui::Context) {
        match wanted {
            Wanted::Runs => {
                self.save();
                let program = self.shared.program.take();
                let children = std::mem::take(&mut self.shared.children);
                let adapters = std::mem::take(&mut self.shared.adapters);
                let compute = std::mem::take(&mut self.shared.compute);
                self.shared = Shared::new(folder, context);
                (self.shared.children, self.shared.adapters) = (children, adapters);
                (self.shared.program, self.shared.compute) = (program, compute);
            }
            Wanted::Run if folder.join("run.json").is_file() => {
                self.shared.ask(Action::OpenRun(folder.to_owned()));
            }
            Wanted::Run => {
                let problem = format!("`{}` is no run folder: it has no run.json", folder.display());
                self.shared.notices.error(problem);
            }
        }
    }

    /// Draws the window.
    pub fn draw(&mut self, ui: &mut egui::Ui) {
        let context = ui.ctx().clone();
        self.shared.theme = Theme::of(&context);
        self.shortcuts(&context);
        chrome::top(self, ui);
        chrome::bottom(self, ui);
        egui::CentralPanel::default().show(ui, |ui| {
            let at = self.screen as usize;
            match self.screens[at].empty(&self.shared) {
                Some(empty) => {
                    if let Some(action) = widgets::empty(ui, &empty) {
                        self.shared.ask(action);
                    }
                }
                None => self.screens[at].ui(ui, &mut self.shared),
            }
        });
        self.palette(&context);
        toasts::show(&context, &mut self.shared);
        self.receive_picture();
        for action in std::mem::take(&mut self.shared.asked) {
            self.act(action, &context);
        }
    }

    fn act(&mut self, action: Action, context: &egui::Context) {
        match action {
            Action::Show(screen) => self.show(screen),
            Action::OpenRun(run) => {
                self.shared.selection.run = Some(run);
                self.show(ScreenId::Run);
            }
            Action::OpenEmbeddings(run) => {
                self.shared.selection.run = Some(run);
                self.show(ScreenId::Embeddings);
            }
            Action::Configure { variant, preset } => {
                let id = format!("{variant}/{}", preset.unwrap_or_default());
                self.screens[ScreenId::Launch as usize].command(&id, context, &mut self.shared);
                self.show(ScreenId::Launch);
            }
            Action::Launch { arguments, out } => self.launch(&arguments, out),
            Action::Stop(run) => match self.shared.children.stop(&run) {
                Ok(()) => self.shared.notices.info(format!("{}: asked to save and stop", name_of(&run))),
                Err(error) => self.shared.notices.error(error.to_string()),
            },
            Action::Trash(run) => self.throw_away(&run),
            Action::Restore(trashed) => match trashed.restore() {
                Ok(()) => {
                    self.shared.notices.info(format!("{} is back", name_of(&trashed.from)));
                    self.shared.selection.run = Some(trashed.from);
                }
                Err(error) => self.shared.notices.error(error.to_string()),
            },
            Action::ChooseRuns => self.choose(Wanted::Runs, context),
            Action::ChooseRun => self.choose(Wanted::Run, context),
            Action::SavePicture(area) => {
                let (sender, again, scale) = (self.pictures.0.clone(), context.clone(), context.pixels_per_point());
                context.request_screenshot(move |image| {
                    // Nobody is left to save it when the app has ended meanwhile.
                    let _ = sender.send(image.region(&area, Some(scale)));
                    again.request_repaint();
                });
            }
        }
    }

    fn launch(&mut self, arguments: &[String], out: PathBuf) {
        let Some(program) = self.shared.program.clone() else {
            let problem =
                "The training program was not found: start this app with `cargo xtask gui`, or name it in JEPA_XTASK";
            self.shared.notices.error(problem);
            return;
        };
        match self.shared.children.start(&program, arguments, &out) {
            Ok(()) => {
                self.shared.selection.run = Some(out);
                self.show(ScreenId::Run);
            }
            Err(error) => self.shared.notices.error(error.to_string()),
        }
    }

    /// Moves a run to the trash and looks at another one.
    fn throw_away(&mut self, run: &Path) {
        let name = name_of(run);
        if self.shared.children.running().any(|r| r == run) {
            self.shared.notices.error(format!("{name} is training: stop it first"));
            return;
        }
        let trashed = match Trashed::throw(run) {
            Ok(trashed) => trashed,
            Err(error) => return self.shared.notices.error(error.to_string()),
        };
        let selection = &mut self.shared.selection;
        selection.compared.retain(|other| other != run);
        if selection.run.as_deref() == Some(run) {
            let other = self.shared.library.runs.iter().find(|other| other.path != run);
            selection.run = other.map(|other| other.path.clone());
        }
        self.shared.notices.offer(format!("{name} is in the trash"), "Undo", Action::Restore(trashed));
    }

    /// A dialog of the system, in a thread of its own.
    fn choose(&mut self, wanted: Wanted, context: &egui::Context) {
        if self.dialog.is_some() {
            return;
        }
        let start = self.shared.library.folder.clone();
        self.dialog = Some(Job::start("Choose a folder", context, move |_| {
            let dialog = rfd::FileDialog::new().set_title(match wanted {
                Wanted::Runs => "Folder of runs",
                Wanted::Run => "Run folder",
            });
            Ok((wanted, dialog.set_directory(start).pick_folder()))
        }));
    }

    /// Writes what is to be remembered.
    pub fn save(&mut self) {
        for screen in &self.screens {
            let settings = screen.settings();
            if !settings.is_null() {
                self.shared.workspace.content.screens.insert(screen.id().title().to_owned(), settings);
            }
        }
        if let Err(error) = self.shared.workspace.save() {
            self.shared.notices.warning(format!("What you arranged here cannot be remembered: {error}"));
        }
    }

    /// The part of a screenshot that was asked for, as a PNG beside the runs.
    fn receive_picture(&mut self) {
        let Ok(part) = self.pictures.1.try_recv() else { return };
        let path = (1..).map(|n| self.shared.library.folder.join(format!("plot-{n}.png"))).find(|p| !p.exists());
        let Some(path) = path else { return };
        let written = widgets::encode_png(&part)
            .and_then(|bytes| jepa_core::runlog::write(&path, &bytes).map_err(|e| e.to_string()));
        match written {
            Ok(()) => self.shared.notices.info(format!("Saved {}", path.display())),
            Err(error) => self.shared.notices.error(format!("The picture could not be saved: {error}")),
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, context: &egui::Context, _frame: &mut eframe::Frame) {
        self.poll(context);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if self.shared.adapters.is_empty()
            && let Some(state) = frame.wgpu_render_state()
        {
            self.shared.adapters = chrome::adapters(state);
            crate::screens::embeddings::cloud::install(state, ui.ctx());
        }
        let size = ui.ctx().content_rect().size();
        self.shared.workspace.content.window = Some([size.x.round(), size.y.round()]);
        self.draw(ui);
        if ui.ctx().input(|i| i.viewport().close_requested()) {
            self.save();
        }
    }

    fn on_exit(&mut self) {
        self.save();
    }
}
