//! Samples as points: Data | Projection | Inspector.
//!
//! | file | holds |
//! |---|---|
//! | `mod`, `panels` | the screen: state, keys, commands; the three columns |
//! | [`table`], [`origin`] | features in memory, and where they come from |
//! | [`projection`], [`side`] | maps made in the background; one map with all that belongs to it |
//! | [`plot`], [`camera`], [`cloud`], [`pick`] | drawing a map, and what the pointer means on it |
//! | [`selection`], [`colour`], [`search`] | what is looked at, what colours say, what a text finds |
//! | [`pictures`], `gallery` | thumbnails, and the grid of them |
//! | [`film`] | maps of the checkpoints of a run, laid over each other |

pub mod camera;
pub mod cloud;
pub mod colour;
pub mod film;
mod gallery;
pub mod origin;
mod panels;
pub mod pick;
pub mod pictures;
pub mod plot;
pub mod projection;
pub mod search;
pub mod selection;
pub mod side;
pub mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Context, Key, Ui};
use serde::{Deserialize, Serialize};

use crate::jobs::{Job, Update};
use crate::screens::{Command, Screen, ScreenId};
use crate::shared::Shared;

use colour::ColourBy;
use film::Film;
use origin::{Origin, RunPart, checkpoints};
use pictures::Pictures;
use plot::{Held, Tool};
use projection::{Choice, Method};
use selection::Selection;
use side::Side;
use table::Table;

/// What is remembered between sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Options {
    choice: Choice,
    colour: ColourBy,
    nearest: Nearest,
    grid: Grid,
}

/// Nearest samples listed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Nearest(usize);

impl Default for Nearest {
    fn default() -> Self {
        Self(20)
    }
}

/// Whether the grid of samples is shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Grid(bool);

impl Default for Grid {
    fn default() -> Self {
        Self(true)
    }
}

/// What a run is asked to embed: the part of the data column that is filled in.
#[derive(Debug, Clone, Default)]
struct Form {
    /// The run it was filled in for.
    run: Option<PathBuf>,
    steps: Vec<u64>,
    step: Option<u64>,
    data: String,
    is_test: bool,
}

impl Form {
    fn of(run: PathBuf) -> Self {
        let part = RunPart::newest(&run);
        Self { steps: checkpoints(&run), run: Some(run), step: part.step, data: part.data, is_test: false }
    }

    /// Read anew, with what was chosen before for the same run; who had the newest checkpoint has it again.
    fn after(self, before: &Self) -> Self {
        if before.run != self.run || before.steps.is_empty() && before.data.is_empty() {
            return self;
        }
        let chosen = before.step.filter(|step| before.steps.last() != Some(step) && self.steps.contains(step));
        let (data, is_test) = (before.data.clone(), before.is_test);
        Self { step: chosen.or(self.step), data, is_test, ..self }
    }

    fn part(&self) -> Option<RunPart> {
        let split = if self.is_test { "test" } else { "train" };
        Some(RunPart { run: self.run.clone()?, step: self.step, data: self.data.trim().to_owned(), split })
    }
}

/// The screen's state.
#[derive(Debug, Default)]
pub struct Embeddings {
    sides: Vec<Side>,
    options: Options,
    selection: Selection,
    pictures: Pictures,
    film: Option<Film>,
    search: search::Search,
    tool: Tool,
    held: Held,
    form: Form,
    /// Looks for the checkpoints of a run.
    reading: Option<Job<Form>>,
    /// The newest checkpoint that its log told of when it was last looked for.
    announced: Option<u64>,
    /// A file is being chosen, for the first map or for the second.
    choosing: Option<(usize, Job<Option<PathBuf>>)>,
    /// Which map keys and the film act on.
    active: usize,
    /// Whether the view is reset in the next frame, or put on the selection.
    wants_frame: bool,
}

impl Screen for Embeddings {
    fn id(&self) -> ScreenId {
        ScreenId::Embeddings
    }

    fn poll(&mut self, context: &Context, shared: &mut Shared) {
        self.follow_focus(context, shared);
        for side in &mut self.sides {
            side.poll(self.options.choice, context);
        }
        self.pictures.poll(context);
        if let Some((at, job)) = &mut self.choosing
            && let Some(update) = job.poll()
        {
            let at = *at;
            self.choosing = None;
            match update {
                Update::Partial(Some(path)) | Update::Done(Some(path)) => {
                    self.open_at(at, Origin::File(path), context, shared);
                }
                Update::Failed(problem) => shared.notices.error(format!("no file was chosen: {problem}")),
                _ => {}
            }
        }
        if let Some(film) = &mut self.film {
            film.poll(context.input(|input| input.stable_dt));
            if film.is_playing {
                context.request_repaint();
            }
        }
        self.show_film();
        if let Some(sample) = self.selection.focus() {
            for side in &mut self.sides {
                side.find(sample, self.options.nearest.0, context);
            }
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        self.keys(ui.ctx());
        self.columns(ui, shared);
    }

    fn commands(&self, _shared: &Shared) -> Vec<Command> {
        let mut commands = vec![
            Command::here("open", "Open a file of features…", ""),
            Command::here("frame", "Frame the selection", "F"),
            Command::here("clear", "Clear the selection", "Esc"),
            Command::here("move", "Tool: move", "V"),
            Command::here("lasso", "Tool: lasso", "L"),
            Command::here("box", "Tool: box", "B"),
            Command::here("solid", "Projection: two or three dimensions", "D"),
        ];
        for (method, keys) in Method::ALL.into_iter().zip(["1", "2", "3"]) {
            commands.push(Command::here(method.title(), format!("Projection: {}", method.title()), keys));
        }
        if self.film.is_some() {
            commands.push(Command::here("play", "Film: play or stop", "Space"));
        }
        commands
    }

    fn command(&mut self, id: &str, context: &Context, _shared: &mut Shared) {
        match id {
            "open" => self.choose(0, context),
            "frame" => self.wants_frame = true,
            "clear" => self.selection.clear(),
            "move" => self.tool = Tool::Move,
            "lasso" => self.tool = Tool::Lasso,
            "box" => self.tool = Tool::Box,
            "solid" => self.turn_solid(context),
            "play" => self.film.iter_mut().for_each(Film::toggle),
            _ => {
                if let Some(method) = Method::ALL.into_iter().find(|method| method.title() == id) {
                    self.set_method(method, context);
                }
            }
        }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::to_value(&self.options).unwrap_or_default()
    }

    fn restore(&mut self, settings: &serde_json::Value) {
        let stored: Options = serde_json::from_value(settings.clone()).unwrap_or_default();
        let nearest = Nearest(stored.nearest.0.clamp(1, 200));
        self.options = Options { choice: stored.choice.in_range(), nearest, ..stored };
    }
}

impl Embeddings {
    /// Shows a table that is in memory, as if it had been opened.
    pub fn show(&mut self, table: Table, context: &Context) {
        self.sides = vec![Side::default()];
        self.sides[0].show(Arc::new(table), self.options.choice, context);
    }

    /// Opens features in place of the first map (0) or beside it (1).
    pub fn open_at(&mut self, at: usize, origin: Origin, context: &Context, shared: &Shared) {
        let at = at.min(self.sides.len()).min(1);
        if at == self.sides.len() {
            self.sides.push(Side::default());
        }
        if at == 0 {
            self.film = None;
            self.selection.clear();
        }
        let program = program(shared);
        self.sides[at].compute = shared.compute.clone();
        self.sides[at].open(origin, program, self.options.choice, context);
        self.follow_pictures();
    }

    /// The run in focus elsewhere in the app is what the form is about.
    fn follow_focus(&mut self, context: &Context, shared: &Shared) {
        if let Some(run) = shared.selection.run.clone().filter(|run| self.form.run.as_ref() != Some(run)) {
            self.form = Form { run: Some(run), ..Form::default() };
            self.read_form(context);
        }
        // A run that trains writes checkpoints while the screen is open.
        let follower = self.form.run.as_ref().and_then(|run| shared.followers.get(run));
        let newest = follower.and_then(|f| f.history.checkpoints.last()).map(|(step, _)| *step);
        if newest != self.announced && self.reading.is_none() {
            self.announced = newest;
            self.read_form(context);
        }
        if let Some(Update::Partial(form) | Update::Done(form)) = self.reading.as_mut().and_then(Job::poll) {
            self.reading = None;
            // A run whose features were embedded before is shown at once, when nothing else is.
            let is_cached = form.part().is_some_and(|part| part.cache().is_file());
            self.form = form.after(&self.form);
            if is_cached && self.sides.is_empty() {
                self.open_form(0, context, shared);
            }
        }
    }

    /// Looks for the checkpoints of the run in the form.
    fn read_form(&mut self, context: &Context) {
        if let Some(run) = self.form.run.clone() {
            self.reading = Some(Job::start("Checkpoints", context, move |_| Ok(Form::of(run))));
        }
    }

    /// Opens what the form says.
    fn open_form(&mut self, at: usize, context: &Context, shared: &Shared) {
        if let Some(part) = self.form.part() {
            self.open_at(at, Origin::Run(part), context, shared);
        }
    }

    fn choose(&mut self, at: usize, context: &Context) {
        let job = Job::start("Choosing a file", context, |_| {
            let dialog = rfd::FileDialog::new().set_title("Open features");
            Ok(dialog.add_filter("Features", &["safetensors"]).pick_file())
        });
        self.choosing = Some((at, job));
    }

    /// Pictures are those of the data set of the first map.
    fn follow_pictures(&mut self) {
        let part = self.sides.first().and_then(|side| match &side.origin {
            Some(Origin::Run(part)) => Some(part),
            _ => None,
        });
        self.pictures.of(part);
    }

    fn set_method(&mut self, method: Method, context: &Context) {
        if self.options.choice.method != method {
            self.options.choice.method = method;
            self.project_all(false, context);
        }
    }

    fn turn_solid(&mut self, context: &Context) {
        self.options.choice.dims = if self.options.choice.dims == 2 { 3 } else { 2 };
        self.project_all(false, context);
    }

    /// Makes every map anew; the film was of the old ones.
    fn project_all(&mut self, goes_on: bool, context: &Context) {
        self.film = None;
        for side in &mut self.sides {
            side.project(self.options.choice, goes_on, context);
        }
    }

    fn set_metric(&mut self, context: &Context) {
        self.film = None;
        for side in &mut self.sides {
            side.set_metric(self.options.choice, context);
        }
    }

    /// Shows only some samples, or all again, on every map.
    fn isolate(&mut self, samples: Option<Vec<usize>>, context: &Context) {
        self.film = None;
        for side in &mut self.sides {
            side.isolate(samples.as_deref(), self.options.choice, context);
        }
    }

    /// The selected samples, or the one that is looked at with its neighbours.
    fn to_isolate(&self) -> Vec<usize> {
        if !self.selection.samples().is_empty() {
            return self.selection.samples().iter().copied().collect();
        }
        let side = self.sides.first();
        let near = side.and_then(|side| Some((side.neighbourhood.as_ref()?, &side.prepared.as_ref()?.table)));
        let near = near.filter(|(near, _)| self.selection.focus() == Some(near.of));
        near.map(|(near, table)| {
            let others = near.nearest.iter().filter_map(|n| table.samples.get(n.index).copied());
            std::iter::once(near.of).chain(others).collect()
        })
        .unwrap_or_default()
    }

    /// Begins the film of the run of the first map.
    fn start_film(&mut self, context: &Context, shared: &Shared) {
        let Some(side) = self.sides.first() else { return };
        let (Some(Origin::Run(part)), Some(prepared), Some(map)) = (&side.origin, &side.prepared, &side.map) else {
            return;
        };
        let steps = &self.form.steps;
        let film = Film::start(part, steps, program(shared), prepared.clone(), map.clone(), context);
        self.film = Some(film);
    }

    /// Puts the film's picture of this moment on the first map.
    fn show_film(&mut self) {
        let (Some(film), Some(side)) = (&mut self.film, self.sides.first_mut()) else { return };
        let moment = Some((film.at.to_bits(), film.frames.len()));
        // Frames come from behind: only what is looked at is shown anew.
        if film.shown == moment || film.frames.is_empty() {
            return;
        }
        if let (Some(map), Some(frame)) = (film.map(), film.nearest()) {
            side.set_frame(frame.prepared.clone(), map, frame.trust);
            film.shown = moment;
        }
    }

    fn keys(&mut self, context: &Context) {
        if context.egui_wants_keyboard_input() || context.any_popup_open() {
            return;
        }
        let pressed = |key| context.input(|input| input.modifiers.is_none() && input.key_pressed(key));
        for (key, tool) in [(Key::V, Tool::Move), (Key::L, Tool::Lasso), (Key::B, Tool::Box)] {
            if pressed(key) {
                self.tool = tool;
            }
        }
        for (key, method) in [Key::Num1, Key::Num2, Key::Num3].into_iter().zip(Method::ALL) {
            if pressed(key) {
                self.set_method(method, context);
            }
        }
        if pressed(Key::Escape) {
            self.selection.clear();
            self.held = Held::default();
        }
        self.wants_frame |= pressed(Key::F);
        if pressed(Key::D) {
            self.turn_solid(context);
        }
        let is_film = self.film.as_ref().is_some_and(|film| film.frames.len() > 1);
        if pressed(Key::Space) {
            match &mut self.film {
                Some(film) if is_film => film.toggle(),
                _ => self.sides.iter_mut().for_each(Side::stop),
            }
        }
        let arrows = [Key::ArrowLeft, Key::ArrowRight, Key::ArrowUp, Key::ArrowDown];
        let arrow = arrows.into_iter().find(|key| pressed(*key));
        match (&mut self.film, arrow) {
            (Some(film), Some(key @ (Key::ArrowLeft | Key::ArrowRight))) if is_film => {
                film.step(key == Key::ArrowRight);
            }
            (_, Some(key)) => self.walk(key),
            _ => {}
        }
    }

    /// Looks at the nearest sample in the direction of an arrow.
    fn walk(&mut self, key: Key) {
        let Some(side) = self.sides.get(self.active).or(self.sides.first()) else { return };
        let (Some(map), Some(prepared)) = (&side.map, &side.prepared) else { return };
        let from = self.selection.focus().and_then(|sample| prepared.table.row_of(sample));
        let direction = match key {
            Key::ArrowLeft => egui::vec2(-1.0, 0.0),
            Key::ArrowRight => egui::vec2(1.0, 0.0),
            Key::ArrowUp => egui::vec2(0.0, -1.0),
            _ => egui::vec2(0.0, 1.0),
        };
        let square = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::Vec2::splat(1000.0));
        let next = match from {
            None => pick::nearest(&map.places, &side.camera.projector(square), square.center(), f32::INFINITY),
            Some(from) => pick::towards(&map.places, &side.camera.projector(square), from, direction),
        };
        if let Some(sample) = next.and_then(|row| prepared.table.samples.get(row)) {
            self.selection.look_at(*sample);
        }
    }
}

/// The program that embeds.
fn program(shared: &Shared) -> Option<PathBuf> {
    shared.program.as_ref().map(|program| program.path.clone())
}
