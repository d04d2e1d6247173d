use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jepa_core::plugin::{self, EvaluateRequest, Plugin, ProbeKind, ProbeRequest};
use jepa_core::{Error, Result};

use super::{DeviceArg, print_json};

/// The probes that every variant has.
const KINDS: [(&str, ProbeKind); 4] = [
    ("knn", ProbeKind::Knn),
    ("linear", ProbeKind::Linear),
    ("attentive", ProbeKind::Attentive),
    ("low-shot", ProbeKind::LowShot),
];

#[derive(Args)]
pub(crate) struct Probe {
    /// Run folder, imported folder or checkpoint
    weights: PathBuf,
    /// knn, linear, attentive, low-shot, or an evaluation of the variant's own, such as surprise
    #[arg(long)]
    kind: String,
    /// Labelled data; the default is what the run was trained on
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    #[command(flatten)]
    device: DeviceArg,
    /// Print the figures as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Probe {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let plugin = plugin::of_run(&self.weights)?;
        match KINDS.into_iter().find(|(name, _)| *name == self.kind) {
            Some((_, kind)) => self.probe(plugin, kind),
            None => self.evaluate(plugin),
        }
    }

    fn probe(self, plugin: &Plugin, kind: ProbeKind) -> Result<ExitCode> {
        let report =
            plugin.probe(&ProbeRequest { path: self.weights, kind, data: self.data, engine: self.device.open()? })?;
        if self.json {
            print_json(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        println!("{}: {} training, {} test samples", report.data, report.train, report.test);
        for row in &report.rows {
            let shots = row.shots.map_or(String::new(), |n| format!("{n:>3} labels a class "));
            let spread = row.deviation.map_or(String::new(), |d| format!(" +- {d:.1}"));
            println!("{:<18} {shots}{:>6.1} %{spread}", row.features, row.accuracy);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What only this variant offers; its files go into the folder of the weights.
    fn evaluate(self, plugin: &Plugin) -> Result<ExitCode> {
        let own = plugin.evaluations();
        if !own.iter().any(|evaluation| evaluation.name == self.kind) {
            let known: Vec<&str> = KINDS.iter().map(|(name, _)| *name).chain(own.iter().map(|e| e.name)).collect();
            return Err(Error::unknown("kind of probe", &self.kind, &known));
        }
        let engine = self.device.open()?;
        let folder = self.weights.join("probes").join(&self.kind);
        let request = EvaluateRequest { path: self.weights, name: self.kind, data: self.data, engine };
        let found = plugin.evaluate(&request)?;
        if !found.files.is_empty() {
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        for (name, bytes) in &found.files {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(Error::io("write", &path))?;
            eprintln!("wrote {}", path.display());
        }
        if self.json {
            print_json(&found.figures)?;
        } else {
            println!("{}", found.text);
        }
        Ok(ExitCode::SUCCESS)
    }
}
