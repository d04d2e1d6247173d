//! The form of a new run: preset, data, settings, engine, cost, and the exact command.

mod data;
mod engines;
mod estimate;
mod rates;

use egui::{RichText, Ui};
use engines::Engines;
use jepa_core::plugin::{self, Checked, Plugin, PresetInfo, Settings};

use super::{Command, Screen, ScreenId};
use crate::form::{self, Form};
use crate::jobs::{Job, Update};
use crate::runs::Program;
use crate::shared::{Action, Shared};
use crate::theme::Band;
use crate::widgets;

/// The screen's state.
#[derive(Default)]
pub struct Launch {
    variants: Vec<&'static Plugin>,
    setup: Option<Result<Setup, String>>,
    engines: Engines,
    device: String,
    filter: form::Filter,
}

/// A run that is being set up.
struct Setup {
    plugin: &'static Plugin,
    presets: Vec<PresetInfo>,
    preset: usize,
    form: Form,
    name: String,
    check: Option<Job<Checked>>,
    checked: Option<Result<Checked, String>>,
    data: data::DataPanel,
    estimate: estimate::Estimate,
}

impl Screen for Launch {
    fn id(&self) -> ScreenId {
        ScreenId::Launch
    }

    fn poll(&mut self, context: &egui::Context, shared: &mut Shared) {
        self.engines.poll(context, shared.program.as_ref());
        let Some(Ok(setup)) = &mut self.setup else { return };
        setup.poll(context);
    }

    fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        if self.setup.is_none() {
            self.begin(None, None, shared);
        }
        if self.device.is_empty() {
            self.device = "auto".into();
        }
        self.choose(ui, shared);
        match &mut self.setup {
            Some(Ok(setup)) => {
                egui::Panel::bottom("command").show(ui, |ui| {
                    setup.command_bar(ui, &self.device, &self.engines, shared);
                });
                let right = egui::Panel::right("what it comes to").default_size(430.0).size_range(300.0..=720.0);
                right.show(ui, |ui| {
                    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                        setup.data.ui(ui, &mut setup.form, setup.plugin, shared.theme);
                        ui.add_space(10.0);
                        setup.engine(ui, &mut self.device, &mut self.engines, shared);
                        ui.add_space(10.0);
                        rates::ui(ui, &setup.form, shared.theme);
                    });
                });
                egui::CentralPanel::no_frame().show(ui, |ui| setup.settings(ui, &mut self.filter));
            }
            Some(Err(problem)) => {
                let problem = problem.clone();
                if widgets::failed(ui, "This variant cannot be set up", &problem) {
                    self.setup = None;
                }
            }
            None => {}
        }
    }

    fn commands(&self, _shared: &Shared) -> Vec<Command> {
        vec![
            Command::here("start", "Start training", "Ctrl+Enter"),
            Command::here("copy", "Copy the command", ""),
            Command::here("estimate", "Measure the cost", ""),
            Command::here("reset", "Back to the preset", ""),
        ]
    }

    /// Besides the commands: "variant/preset" begins a form.
    fn command(&mut self, id: &str, context: &egui::Context, shared: &mut Shared) {
        if let Some((variant, preset)) = id.split_once('/') {
            let preset = Some(preset).filter(|p| !p.is_empty());
            self.begin(Some(variant), preset, shared);
            return;
        }
        let Some(Ok(setup)) = &mut self.setup else { return };
        match id {
            "start" => setup.start(&self.device, &self.engines, shared),
            "copy" => context.copy_text(setup.line(&self.device, shared)),
            "estimate" => setup.measure(&self.device, context, shared),
            "reset" => setup.form.value = setup.form.preset.clone(),
            _ => {}
        }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({ "device": self.device })
    }

    fn restore(&mut self, settings: &serde_json::Value) {
        if let Some(device) = settings.get("device").and_then(|v| v.as_str()) {
            self.device = device.to_owned();
        }
    }
}

impl Launch {
    /// Begins a form anew.
    fn begin(&mut self, variant: Option<&str>, preset: Option<&str>, shared: &Shared) {
        let begin = || -> jepa_core::Result<Setup> {
            let variants = plugin::variants()?;
            let first = variants.first().map(|p| p.description.id);
            let plugin = plugin::find(variant.or(first).unwrap_or_default())?;
            Setup::new(plugin, preset, shared)
        };
        self.variants = plugin::variants().unwrap_or_default();
        self.setup = Some(begin().map_err(|e| e.to_string()));
    }

    /// Variant and preset.
    fn choose(&mut self, ui: &mut Ui, shared: &Shared) {
        let (mut variant, mut preset) = (None, None);
        ui.horizontal(|ui| {
            let setup = self.setup.as_ref().and_then(|s| s.as_ref().ok());
            let label = ui.label("Variant");
            let shown = setup.map_or("", |s| s.plugin.description.title);
            egui::ComboBox::from_id_salt("variant")
                .selected_text(shown)
                .width(150.0)
                .show_ui(ui, |ui| {
                    for plugin in &self.variants {
                        let d = &plugin.description;
                        let chosen = setup.is_some_and(|s| s.plugin.description.id == d.id);
                        if ui.selectable_label(chosen, d.title).on_hover_text(d.summary).clicked() {
                            variant = Some(d.id);
                        }
                    }
                })
                .response
                .labelled_by(label.id);
            let Some(setup) = setup else { return };
            let label = ui.label("Preset");
            let now = &setup.presets[setup.preset];
            egui::ComboBox::from_id_salt("preset")
                .selected_text(&now.name)
                .width(150.0)
                .show_ui(ui, |ui| {
                    for p in &setup.presets {
                        let text = format!("{}: {}", p.name, p.about);
                        if ui.selectable_label(p.name == now.name, text).clicked() {
                            preset = Some((setup.plugin.description.id, p.name.clone()));
                        }
                    }
                })
                .response
                .labelled_by(label.id);
            ui.add(egui::Label::new(RichText::new(&now.about).weak()).truncate());
        });
        ui.separator();
        if let Some(variant) = variant {
            self.begin(Some(variant), None, shared);
        } else if let Some((variant, preset)) = preset {
            self.begin(Some(variant), Some(&preset), shared);
        }
    }
}

impl Setup {
    fn new(plugin: &'static Plugin, preset: Option<&str>, shared: &Shared) -> jepa_core::Result<Self> {
        let presets = plugin.presets()?;
        let known: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
        let wanted = preset.or(known.first().copied()).unwrap_or_default();
        let at = known.iter().position(|name| *name == wanted);
        let at = at.ok_or_else(|| jepa_core::Error::unknown("preset", wanted, &known))?;
        let form = Form::new(plugin.schema()?, &presets[at].config)?;
        let out = shared.new_run(plugin.description.id, &presets[at].name);
        Ok(Self {
            plugin,
            preset: at,
            form,
            name: crate::shared::name_of(&out),
            check: None,
            checked: None,
            data: Default::default(),
            estimate: Default::default(),
            presets,
        })
    }

    fn poll(&mut self, context: &egui::Context) {
        match self.check.as_mut().and_then(Job::poll) {
            Some(Update::Done(checked)) => self.checked = Some(Ok(checked)),
            Some(Update::Failed(problem)) => self.checked = Some(Err(problem)),
            Some(Update::Partial(_)) | None => {}
        }
        if self.check.is_none() {
            self.check_again(context);
        }
        let settings = self.all_settings();
        self.data.poll(context, self.plugin, &settings, &mut self.form);
        self.estimate.poll();
    }

    fn check_again(&mut self, context: &egui::Context) {
        let (plugin, settings) = (self.plugin, self.all_settings());
        self.check = Some(Job::start("Check", context, move |_| plugin.check(&settings).map_err(|e| e.to_string())));
    }

    /// What the form says, in the way the library takes it.
    fn all_settings(&self) -> Settings {
        let assignments = self.form.assignments().into_iter().map(|(path, value)| format!("{path}={value}")).collect();
        Settings { preset: Some(self.presets[self.preset].name.clone()), assignments, ..Settings::default() }
    }

    /// The flags of the configuration; what has a flag of its own uses it.
    fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--preset".to_owned(), self.presets[self.preset].name.clone()];
        for (path, value) in self.form.assignments() {
            let own = match path.as_str() {
                "data.source" => Some("--data"),
                "run.steps" => Some("--steps"),
                "run.seed" => Some("--seed"),
                "run.replicas" => Some("--replicas"),
                _ => None,
            };
            match own {
                Some(flag) => {
                    let text = self.form.get(&path).and_then(|v| v.as_str()).map_or(value, str::to_owned);
                    flags.extend([flag.to_owned(), text]);
                }
                None => flags.extend(["--set".to_owned(), format!("{path}={value}")]),
            }
        }
        flags
    }

    /// Everything after the program's name.
    fn arguments(&self, device: &str, shared: &Shared) -> (Vec<String>, std::path::PathBuf) {
        let out = shared.library.folder.join(&self.name);
        let mut arguments = vec!["train".to_owned(), self.plugin.description.id.to_owned()];
        arguments.extend(self.flags());
        if device != "auto" {
            arguments.extend(["--device".to_owned(), device.to_owned()]);
        }
        arguments.extend(["--out".to_owned(), out.display().to_string()]);
        (arguments, out)
    }

    fn line(&self, device: &str, shared: &Shared) -> String {
        let program = shared.program.clone();
        let program = program.unwrap_or_else(|| Program { path: "xtask".into(), shown: "cargo xtask".into() });
        program.line(&self.arguments(device, shared).0)
    }

    fn problem(&self, device: &str, engines: &Engines, shared: &Shared) -> Option<String> {
        let out = shared.library.folder.join(&self.name);
        if self.name.trim().is_empty() || self.name.contains(['/', '\\']) || self.name.starts_with('.') {
            return Some("the name of a run is the name of its folder: letters, digits, hyphens".to_owned());
        }
        if out.exists() {
            return Some(format!("there is already a run called {}", self.name));
        }
        if engines.lacks(device).is_some() {
            return Some(format!("the training program was built without `{device}`"));
        }
        match &self.checked {
            Some(Err(problem)) => Some(problem.clone()),
            _ => None,
        }
    }

    fn start(&mut self, device: &str, engines: &Engines, shared: &mut Shared) {
        if let Some(problem) = self.problem(device, engines, shared) {
            shared.notices.error(problem);
            return;
        }
        let (arguments, out) = self.arguments(device, shared);
        shared.ask(Action::Launch { arguments, out });
        // The next one of the same kind gets the next number.
        let next = shared.new_run(self.plugin.description.id, &self.presets[self.preset].name);
        let taken = crate::shared::name_of(&next) == self.name;
        self.name = if taken { format!("{}-next", self.name) } else { crate::shared::name_of(&next) };
    }

    fn measure(&mut self, device: &str, context: &egui::Context, shared: &Shared) {
        let mut arguments = vec!["bench".to_owned(), self.plugin.description.id.to_owned()];
        arguments.extend(self.flags());
        arguments.extend(["--device", device, "--rounds", "2", "--json"].map(str::to_owned));
        self.estimate.start(shared.program.as_ref(), arguments, context);
    }

    fn settings(&mut self, ui: &mut Ui, filter: &mut form::Filter) {
        let changes = self.form.assignments().len();
        ui.horizontal(|ui| {
            let edit = egui::TextEdit::singleline(&mut filter.text).hint_text("Find a setting").desired_width(200.0);
            let response = ui.add(edit);
            response.ctx.accesskit_node_builder(response.id, |node| node.set_label("Find a setting"));
            ui.checkbox(&mut filter.changed, format!("Changed only ({changes})"));
            if ui.add_enabled(changes > 0, egui::Button::new("Back to the preset")).clicked() {
                self.form.value = self.form.preset.clone();
                self.check = None;
            }
        });
        match &self.checked {
            Some(Err(problem)) => {
                ui.label(RichText::new(problem).color(ui.visuals().error_fg_color));
            }
            Some(Ok(checked)) if checked.flops > 0.0 => {
                let flops = widgets::count(checked.flops);
                ui.label(RichText::new(format!("Sound; {flops}FLOP a step, forward and backward")).weak());
            }
            Some(Ok(_)) => drop(ui.label(RichText::new("Sound").weak())),
            None => drop(ui.label(RichText::new("Checking…").weak())),
        }
        ui.separator();
        let area = egui::ScrollArea::vertical().auto_shrink(false).id_salt("settings");
        let edited = area.show(ui, |ui| form::draw(ui, &mut self.form, filter)).inner;
        if edited {
            self.check = None;
        }
    }

    fn engine(&mut self, ui: &mut Ui, device: &mut String, engines: &mut Engines, shared: &mut Shared) {
        ui.label(RichText::new("Engine and cost").strong());
        engines.pick(ui, device, shared);
        ui.horizontal(|ui| {
            let can = shared.program.is_some() && engines.lacks(device).is_none() && !self.estimate.is_running();
            let button = ui.add_enabled(can, egui::Button::new("Measure the cost"));
            if button.on_hover_text("Computes a few steps in a process of its own, without a run folder").clicked() {
                self.measure(device, ui.ctx(), shared);
            }
        });
        let steps = self.form.get("run.steps").and_then(|v| v.as_f64()).unwrap_or(0.0);
        self.estimate.ui(ui, steps, &self.flags(), shared.theme);
    }

    fn command_bar(&mut self, ui: &mut Ui, device: &str, engines: &Engines, shared: &mut Shared) {
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            let label = ui.label("Run name");
            ui.add(egui::TextEdit::singleline(&mut self.name).desired_width(200.0)).labelled_by(label.id);
            let problem = self.problem(device, engines, shared);
            let can = problem.is_none() && shared.program.is_some();
            let button = egui::Button::new(RichText::new("Start training").strong()).min_size(egui::vec2(130.0, 30.0));
            let keys = egui::KeyboardShortcut::new(egui::Modifiers::COMMAND, egui::Key::Enter);
            let pressed = ui.input_mut(|i| i.consume_shortcut(&keys));
            let clicked = ui.add_enabled(can, button).on_hover_text("Runs the command below (Ctrl+Enter)").clicked();
            if clicked || (pressed && can) {
                self.start(device, engines, shared);
            }
            if shared.program.is_none() {
                ui.label(
                    RichText::new("the training program was not found: start with cargo xtask gui")
                        .color(shared.theme.band(Band::Bad)),
                );
            } else if let Some(problem) = problem {
                ui.add(egui::Label::new(RichText::new(problem).color(shared.theme.band(Band::Bad))).truncate());
            }
        });
        ui.horizontal(|ui| {
            let line = self.line(device, shared);
            if ui.button("Copy").on_hover_text("Copy the command").clicked() {
                ui.ctx().copy_text(line.clone());
                shared.notices.info("The command is in the clipboard");
            }
            ui.add(egui::Label::new(RichText::new(line).monospace()).wrap().selectable(true));
        });
        ui.add_space(4.0);
    }
}
