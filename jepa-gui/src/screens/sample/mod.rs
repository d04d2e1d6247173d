//! One sample in depth: what a network makes of it layer by layer, what a token is like and looks at, and how well it is
//! predicted under masks that are painted by hand.
//!
//! | file | holds |
//! |---|---|
//! | `mod`, `choose`, `stage`, `panels` | the screen: state, keys, commands; what is looked at; the sample; its maps |
//! | [`eye`], [`ask`] | a set of weights, opened once and asked in the background |
//! | [`canvas`], [`view`], [`paint`] | drawing a scene of any modality with colours of its tokens |
//! | [`rainbow`] | principal components as colours |
//! | [`brush`] | masks painted by hand |
//! | [`training`], [`curve`] | errors over training; small curves |

pub mod ask;
pub mod brush;
pub mod canvas;
mod choose;
pub mod curve;
pub mod eye;
pub mod paint;
mod panels;
pub mod rainbow;
mod stage;
pub mod training;
pub mod view;

use std::path::{Path, PathBuf};
use std::time::Instant;

use egui::{Context, Key, Ui};
use jepa_core::probe::Network;
use serde::{Deserialize, Serialize};

use super::{Command, Empty, Screen, ScreenId};
use crate::runs::{Standing, checkpoints};
use crate::shared::{Action, Shared};
use crate::widgets;
use ask::Ask;
use brush::{Painted, Part};
use eye::{Choice, Eye, Opening, Rows, Wanted, Which};
use rainbow::{Foreground, Over};
use training::Training;
use view::View;

/// What is laid over the sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Principal components of a layer as colours.
    #[default]
    Features,
    /// Likeness of all tokens to one.
    Similarity,
    /// What a token looks at.
    Attention,
    /// Errors under a painted mask.
    WhatIf,
    /// Errors over training.
    Training,
}

impl Mode {
    /// All of them with their names and hints.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Features, "Features", "The three strongest components of each layer as red, green and blue (1)"),
        (Self::Similarity, "Similarity", "How alike all tokens are to the one that is marked (2)"),
        (Self::Attention, "Attention", "What the marked token looks at, by layer and head (3)"),
        (Self::WhatIf, "What if", "Paint a mask and see how well the hidden tokens are predicted (4)"),
        (Self::Training, "Over training", "Errors of the samples that the run follows, step by step (5)"),
    ];
}

/// What is remembered over sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Options {
    mode: Mode,
    opacity: f32,
    over: Over,
    foreground: Foreground,
    surprise: bool,
    /// Place in [`brush::SIZES`].
    size: usize,
    /// Whether a stroke goes through all frames.
    through: bool,
}

impl Default for Options {
    fn default() -> Self {
        let (mode, over, foreground) = Default::default();
        Self { mode, opacity: 0.8, over, foreground, surprise: true, size: 0, through: true }
    }
}

/// The screen's state.
#[derive(Debug)]
pub struct Sample {
    options: Options,
    /// The run that everything below is about.
    run: Option<PathBuf>,
    steps: Ask<(PathBuf, u64), Vec<u64>>,
    which: Which,
    beside: Option<Choice>,
    /// Data specification; absent: the run's own.
    data: Option<String>,
    typed: String,
    is_test: bool,
    index: usize,
    network: Network,
    /// Step whose masks are the run's own.
    step: u64,
    generator: usize,
    token: u32,
    layer: usize,
    head: Option<usize>,
    view: View,
    painted: Painted,
    part: Part,
    /// Whether errors are shown, or the mask.
    errors: bool,
    eyes: Vec<Eye>,
    /// The look that the view was fitted to.
    fitted: Option<u64>,
    training: Training,
    since: Instant,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            options: Options::default(),
            run: None,
            steps: Ask::default(),
            which: Which::Newest,
            beside: None,
            data: None,
            typed: String::new(),
            is_test: false,
            index: 0,
            network: Network::Target,
            step: 1,
            generator: 0,
            token: 0,
            layer: usize::MAX,
            head: None,
            view: View::default(),
            painted: Painted::default(),
            part: Part::Target,
            errors: true,
            eyes: Vec::new(),
            fitted: None,
            training: Training::default(),
            since: Instant::now(),
        }
    }
}

impl Screen for Sample {
    fn id(&self) -> ScreenId {
        ScreenId::Sample
    }

    fn empty(&self, shared: &Shared) -> Option<Empty> {
        shared.focused().is_none().then(|| Empty {
            title: "No run is chosen".into(),
            text: "Choose one above: its networks are looked into here, one sample at a time.".into(),
            action: Some(("Choose a variant".into(), Action::Show(ScreenId::Start))),
        })
    }

    fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let Some(run) = shared.focused().cloned() else { return };
        self.turn_to(&run.path);
        self.ask(ui.ctx(), shared);
        self.settle();
        self.keys(ui.ctx());
        self.choose(ui, &run, shared);
        ui.separator();
        let problem = self.eyes.first().and_then(Eye::problem).map(str::to_owned);
        if let Some(problem) = problem {
            if widgets::failed(ui, "This sample cannot be looked into", &problem) {
                self.eyes.iter_mut().for_each(Eye::again);
            }
            return;
        }
        let Some(eye) = self.eyes.first().filter(|eye| eye.seen().is_some()) else {
            let progress = self.eyes.first().map(|eye| eye.inspector.progress()).unwrap_or_default();
            return widgets::waiting(ui, "Opening the networks and the data", &progress);
        };
        let (frames, rate) = eye.seen().map_or((1, 1.0), |look| (look.scene.frames(), look.scene.rate()));
        self.view.advance(ui.input(|input| input.stable_dt), rate, frames);
        if self.view.is_playing {
            ui.ctx().request_repaint();
        }
        let is_live = run.standing == Standing::Running;
        ui.columns(2, |columns| {
            self.stages(&mut columns[0], shared);
            self.tabs(&mut columns[1], &run.path, is_live, shared);
        });
    }

    fn commands(&self, _shared: &Shared) -> Vec<Command> {
        let mut commands = vec![
            Command::here("next", "Next sample", "N"),
            Command::here("previous", "Previous sample", "P"),
            Command::here("play", "Play or stop", "Space"),
            Command::here("reset", "See all of it again", "F"),
        ];
        for ((_, title, _), keys) in Mode::ALL.into_iter().zip(["1", "2", "3", "4", "5"]) {
            commands.push(Command::here(title, format!("Show {}", title.to_lowercase()), keys));
        }
        for ((_, title, _), keys) in Part::ALL.into_iter().zip(["C", "T", "X"]) {
            commands.push(Command::here(title, format!("Brush: {}", title.to_lowercase()), keys));
        }
        commands
    }

    fn command(&mut self, id: &str, _context: &Context, _shared: &mut Shared) {
        match id {
            "next" => self.walk(1),
            "previous" => self.walk(-1),
            "play" => self.play(),
            "reset" => self.fitted = None,
            _ => {
                if let Some((mode, ..)) = Mode::ALL.into_iter().find(|(_, title, _)| *title == id) {
                    self.options.mode = mode;
                }
                if let Some((part, ..)) = Part::ALL.into_iter().find(|(_, title, _)| *title == id) {
                    (self.part, self.options.mode) = (part, Mode::WhatIf);
                }
            }
        }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::to_value(&self.options).unwrap_or_default()
    }

    fn restore(&mut self, settings: &serde_json::Value) {
        self.options = serde_json::from_value(settings.clone()).unwrap_or_default();
        self.options.opacity = self.options.opacity.clamp(0.0, 1.0);
        self.options.size = self.options.size.min(brush::SIZES.len() - 1);
    }
}

impl Sample {
    /// Another run begins anew; what a person arranged stays.
    fn turn_to(&mut self, run: &Path) {
        if self.run.as_deref() != Some(run) {
            let options = self.options.clone();
            *self = Self { options, run: Some(run.to_owned()), ..Self::default() };
        }
    }

    /// Which weights are meant: before the first checkpoint there are only those before training.
    fn meant(&self) -> Option<Which> {
        let steps = self.steps.last()?;
        Some(if self.which == Which::Newest && steps.is_empty() { Which::Untrained } else { self.which })
    }

    fn ask(&mut self, context: &Context, shared: &Shared) {
        let Some(run) = self.run.clone() else { return };
        self.steps.poll();
        let key = (run.clone(), self.since.elapsed().as_secs() / 3);
        let folder = run.clone();
        self.steps.want(&key, context, "Checkpoints", move |_| {
            Ok(checkpoints(&folder).into_iter().map(|(step, _)| step).collect())
        });
        let Some(which) = self.meant() else { return };
        // The newest is followed: a checkpoint that comes is opened.
        let newest = self.steps.last().and_then(|steps| steps.last().copied());
        let which = newest.filter(|_| which == Which::Newest).map_or(which, Which::Step);
        let choices = std::iter::once(Choice { run, which }).chain(self.beside.clone());
        let choices: Vec<Choice> = choices.collect();
        let rows = self.rows();
        let is_training = shared.library.runs.iter().any(|run| run.standing == Standing::Running);
        let engine = shared.compute.for_samples(is_training);
        self.eyes.resize_with(choices.len(), Eye::default);
        for (eye, choice) in self.eyes.iter_mut().zip(choices) {
            let wanted = Wanted {
                opening: Opening { choice, data: self.data.clone(), is_test: self.is_test },
                index: self.index,
                network: self.network,
                step: self.step,
                over: self.options.over,
                foreground: self.options.foreground,
                rows: rows.map(|rows| (rows, self.token)),
                painted: (self.options.mode == Mode::WhatIf).then(|| self.painted.clone()),
                surprise: self.options.surprise,
            };
            eye.poll(&wanted, &engine, context);
        }
    }

    /// Values of tokens that the mode shows.
    fn rows(&self) -> Option<Rows> {
        match self.options.mode {
            Mode::Similarity => Some(Rows::Likeness),
            Mode::Attention => {
                let look = self.eyes.first().and_then(Eye::seen);
                Some(Rows::Attention(self.attention_layer(look)))
            }
            Mode::Features | Mode::WhatIf | Mode::Training => None,
        }
    }

    /// Brings what was chosen into what there is: a new sample may have fewer tokens, layers, frames.
    fn settle(&mut self) {
        let Some(eye) = self.eyes.first() else { return };
        let Some(look) = eye.seen().cloned() else { return };
        if let Some(inspector) = eye.inspector.last() {
            self.index = self.index.min(inspector.about().samples.saturating_sub(1));
        }
        let tokens = look.layers.first().map_or(0, jepa_core::plugin::Layer::tokens);
        if self.token as usize >= tokens.max(1) {
            self.token = 0;
        }
        self.layer = self.layer.min(look.layers.len().saturating_sub(1));
        if let Some(own) = eye.own.last() {
            self.generator = self.generator.min(own.masks.len().saturating_sub(1));
            if self.painted.tokens() != tokens
                && let Some(sets) = own.masks.get(self.generator)
            {
                self.painted = Painted::of(sets, tokens);
            }
        }
        if self.fitted != Some(eye.look.revision) {
            // A turned cloud stays turned when the next one is looked at.
            let (frame, is_playing) = (self.view.frame, self.view.is_playing);
            self.view.fit(&look.scene);
            if self.fitted.is_some() {
                (self.view.frame, self.view.is_playing) = (frame, is_playing);
            }
            self.fitted = Some(eye.look.revision);
        }
    }

    /// To another sample.
    fn walk(&mut self, by: isize) {
        let samples = self.eyes.first().and_then(|eye| eye.inspector.last()).map_or(0, |i| i.about().samples);
        self.index = self.index.saturating_add_signed(by).min(samples.saturating_sub(1));
    }

    fn play(&mut self) {
        let frames = self.eyes.first().and_then(Eye::seen).map_or(1, |look| look.scene.frames());
        self.view.toggle(frames);
    }

    /// Keys that no widget claims.
    fn keys(&mut self, context: &Context) {
        let is_typing = context.egui_wants_keyboard_input() && !self.has_stage_focus(context);
        if is_typing || context.any_popup_open() {
            return;
        }
        let pressed = |key| context.input(|input| input.modifiers.is_none() && input.key_pressed(key));
        let digits = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];
        for (key, (mode, ..)) in digits.into_iter().zip(Mode::ALL) {
            if pressed(key) {
                self.options.mode = mode;
            }
        }
        for (key, (part, ..)) in [Key::C, Key::T, Key::X].into_iter().zip(Part::ALL) {
            if pressed(key) {
                (self.part, self.options.mode) = (part, Mode::WhatIf);
            }
        }
        if pressed(Key::Enter) && self.options.mode == Mode::WhatIf {
            self.painted.put(self.token, self.part);
        }
        for (key, by) in [(Key::N, 1), (Key::P, -1)] {
            if pressed(key) {
                self.walk(by);
            }
        }
        let frames = self.eyes.first().and_then(Eye::seen).map_or(1, |look| look.scene.frames());
        for (key, by) in [(Key::Comma, -1), (Key::Period, 1)] {
            if pressed(key) {
                self.view.step(by, frames);
            }
        }
        if pressed(Key::Space) {
            self.view.toggle(frames);
        }
        if pressed(Key::F) {
            self.fitted = None;
        }
    }
}
