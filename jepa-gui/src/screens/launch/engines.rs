//! Which engines the training program has, and how to come to one that it has not.

use std::path::{Path, PathBuf};

use egui::{RichText, Ui};

use crate::jobs::{Job, Update};
use crate::runs::Program;
use crate::shared::Shared;

/// The engines, asked of the program itself: it may have been built with others than this window.
#[derive(Default)]
pub(super) struct Engines {
    job: Option<Job<Vec<String>>>,
    /// The program that was asked.
    of: Option<PathBuf>,
    known: Option<Vec<String>>,
    problem: Option<String>,
}

impl Engines {
    pub(super) fn poll(&mut self, context: &egui::Context, program: Option<&Program>) {
        match self.job.as_mut().and_then(Job::poll) {
            Some(Update::Done(engines)) => self.known = Some(engines),
            Some(Update::Failed(problem)) => self.problem = Some(problem),
            Some(Update::Partial(_)) | None => {}
        }
        let Some(program) = program.filter(|program| self.of.as_ref() != Some(&program.path)) else { return };
        let path = program.path.clone();
        let job = Job::start("Engines", context, move |_| ask(&path));
        *self = Self { job: Some(job), of: Some(program.path.clone()), ..Self::default() };
    }

    /// The feature that the program was built without, where it has said that it has no such engine.
    pub(super) fn lacks(&self, device: &str) -> Option<&'static str> {
        let known = self.known.as_ref()?;
        let has = known.iter().any(|engine| jepa_core::device::is_kind(engine, device));
        if has { None } else { jepa_core::device::feature(device) }
    }

    /// The choice, with what the adapters of this machine are called.
    pub(super) fn pick(&self, ui: &mut Ui, device: &mut String, shared: &mut Shared) {
        let own = || jepa_core::device::available().into_iter().map(str::to_owned).collect();
        let engines: Vec<String> = self.known.clone().unwrap_or_else(own);
        ui.horizontal(|ui| {
            let label = ui.label("Engine");
            let combo = egui::ComboBox::from_id_salt("engine").selected_text(device.as_str()).width(120.0);
            let choice = combo.show_ui(ui, |ui| {
                for engine in &engines {
                    ui.selectable_value(device, engine.clone(), format!("{engine}: {}", words(engine)));
                }
                let missing = jepa_core::device::ENGINES.iter().filter(|(engine, ..)| self.lacks(engine).is_some());
                for (i, (engine, ..)) in missing.enumerate() {
                    if i == 0 {
                        ui.separator();
                        ui.label(RichText::new("The training program was built without").small().weak());
                    }
                    let text = RichText::new(format!("{engine}: {}", words(engine))).weak();
                    ui.selectable_value(device, (*engine).to_owned(), text);
                }
            });
            choice.response.labelled_by(label.id);
            ui.add(egui::Label::new(RichText::new(words(device)).weak()).truncate());
        });
        if let Some(feature) = self.lacks(device) {
            remedy(ui, device, feature, shared);
        }
        if let Some(problem) = &self.problem {
            ui.label(RichText::new(format!("Engines of the program are not known: {problem}")).small().weak());
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let adapters = listed(&shared.adapters);
        ui.label(RichText::new(format!("This machine: {threads} cores; {adapters}")).small().weak());
        if shared.compute.name().is_some() {
            let text = RichText::new(format!("This window: {}", shared.compute)).small().weak();
            ui.add(egui::Label::new(text).wrap());
        }
    }
}

/// Why the engine cannot be used, and the command that builds a program with it.
fn remedy(ui: &mut Ui, device: &str, feature: &str, shared: &mut Shared) {
    let text = format!("The training program was built without `{device}`. Close this window and start it again with");
    ui.add(egui::Label::new(RichText::new(text).color(ui.visuals().error_fg_color)).wrap());
    let line = format!("cargo run --package xtask --features {feature} -- gui");
    ui.horizontal(|ui| {
        if ui.button("Copy").on_hover_text("Copy this command").clicked() {
            ui.ctx().copy_text(line.clone());
            shared.notices.info("The command is in the clipboard");
        }
        ui.add(egui::Label::new(RichText::new(line).monospace()).wrap());
    });
    let needs = match feature {
        "cuda" => "It needs NVIDIA's driver; the build downloads a compiler.",
        "tch" => "It needs libtorch, named in LIBTORCH.",
        _ => "It needs a graphics driver, such as Mesa's or the vendor's.",
    };
    ui.label(RichText::new(format!("{needs} The first build takes minutes.")).small().weak());
}

/// What the program says it was built with.
fn ask(program: &Path) -> Result<Vec<String>, String> {
    let output = std::process::Command::new(program).args(["variants", "--json"]).output();
    let output = output.map_err(|e| format!("`{}` cannot be asked: {e}", program.display()))?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let engines = answer.get("engines").and_then(|v| v.as_array()).ok_or("the program names no engines")?;
    Ok(engines.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect())
}

fn listed(adapters: &[String]) -> String {
    if adapters.is_empty() { "no graphics adapter known".to_owned() } else { adapters.join("; ") }
}

/// An engine name in words.
fn words(engine: &str) -> &'static str {
    match engine.split(':').next().unwrap_or_default() {
        "auto" => "the first GPU that agrees with the CPU, else the CPU",
        "cpu" => "pure Rust, the reference",
        "vulkan" => "any GPU through Vulkan",
        "wgpu" => "any GPU through the system's API",
        "cuda" => "NVIDIA",
        "tch" => "libtorch",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_the_program_lacks_names_the_feature_that_brings_it() {
        let known = Some(["auto", "cpu", "vulkan:0"].map(str::to_owned).to_vec());
        let engines = Engines { known, ..Engines::default() };
        for has in ["auto", "cpu", "vulkan:0", "vulkan:3", "vulkan"] {
            assert_eq!(engines.lacks(has), None, "{has}");
        }
        for (lacks, feature) in
            [("cuda:0", "cuda"), ("cuda:1", "cuda"), ("wgpu:0", "wgpu"), ("tch:cpu", "tch"), ("tch:cuda:1", "tch")]
        {
            assert_eq!(engines.lacks(lacks), Some(feature), "{lacks}");
        }
        assert_eq!(Engines::default().lacks("cuda:0"), None, "a program that was not heard lacks nothing");
    }
}
