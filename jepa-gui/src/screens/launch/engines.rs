//! Which engines the training program has.

use egui::{RichText, Ui};

use crate::jobs::{Job, Update};
use crate::runs::Program;

/// The engines, asked of the program itself: it may have been built with others than this window.
#[derive(Default)]
pub(super) struct Engines {
    job: Option<Job<Vec<String>>>,
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
        let Some(program) = program.filter(|_| self.job.is_none()) else { return };
        let path = program.path.clone();
        self.job = Some(Job::start("Engines", context, move |_| {
            let output = std::process::Command::new(&path).args(["variants", "--json"]).output();
            let output = output.map_err(|e| format!("`{}` cannot be asked: {e}", path.display()))?;
            let answer: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
            let engines = answer.get("engines").and_then(|v| v.as_array()).ok_or("the program names no engines")?;
            Ok(engines.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect())
        }));
    }

    /// The choice; `adapters` are the graphics adapters of this machine in words.
    pub(super) fn pick(&self, ui: &mut Ui, device: &mut String, adapters: &[String]) {
        let own = || jepa_core::device::available().into_iter().map(str::to_owned).collect();
        let engines: Vec<String> = self.known.clone().unwrap_or_else(own);
        ui.horizontal(|ui| {
            let label = ui.label("Engine");
            egui::ComboBox::from_id_salt("engine")
                .selected_text(device.as_str())
                .width(120.0)
                .show_ui(ui, |ui| {
                    for engine in &engines {
                        let text = format!("{engine}: {}", words(engine));
                        ui.selectable_value(device, engine.clone(), text);
                    }
                })
                .response
                .labelled_by(label.id);
            ui.add(egui::Label::new(RichText::new(words(device)).weak()).truncate());
        });
        if !engines.contains(device) && !engines.iter().any(|e| same_kind(e, device)) {
            let text = format!("the training program has no engine `{device}`");
            ui.label(RichText::new(text).color(ui.visuals().error_fg_color));
        }
        if let Some(problem) = &self.problem {
            ui.label(RichText::new(format!("Engines of the program are not known: {problem}")).small().weak());
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        ui.label(RichText::new(format!("This machine: {threads} cores; {}", listed(adapters))).small().weak());
    }
}

fn listed(adapters: &[String]) -> String {
    if adapters.is_empty() { "no graphics adapter known".to_owned() } else { adapters.join("; ") }
}

fn same_kind(engine: &str, device: &str) -> bool {
    let kind = |name: &str| name.rsplit_once(':').map_or_else(|| name.to_owned(), |(kind, _)| kind.to_owned());
    engine.ends_with(":0") && kind(engine) == kind(device)
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
