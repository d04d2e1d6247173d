use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jepa_core::Result;
use jepa_core::plugin::{self, ProbeKind, ProbeRequest};

use super::{DeviceArg, print_json};

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Weighted k-nearest neighbours
    Knn,
    /// Logistic regression, penalty chosen on held-out training samples
    Linear,
    /// A learned query over all tokens, several heads trained, the best chosen on held-out training samples
    Attentive,
    /// The linear probe with 1, 5, 10 and 50 labels a class
    LowShot,
    /// A linear support vector machine, over several views of the samples
    Svm,
    /// The same on 5 and 10 classes with 10 and 20 labels each, several draws
    FewShot,
    /// The part each point belongs to: mean intersection over union, over samples and over categories
    Parts,
}

#[derive(Args)]
pub(crate) struct Probe {
    /// Run folder, imported folder or checkpoint
    weights: PathBuf,
    /// Which probe
    #[arg(long, value_enum)]
    kind: Kind,
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
        let kind = match self.kind {
            Kind::Knn => ProbeKind::Knn,
            Kind::Linear => ProbeKind::Linear,
            Kind::Attentive => ProbeKind::Attentive,
            Kind::LowShot => ProbeKind::LowShot,
            Kind::Svm => ProbeKind::Svm,
            Kind::FewShot => ProbeKind::FewShot,
            Kind::Parts => ProbeKind::Parts,
        };
        let plugin = plugin::of_run(&self.weights)?;
        let report =
            plugin.probe(&ProbeRequest { path: self.weights, kind, data: self.data, engine: self.device.open()? })?;
        if self.json {
            print_json(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        println!("{}: {} training, {} test samples", report.data, report.train, report.test);
        for row in &report.rows {
            let ways = row.ways.map_or(String::new(), |n| format!("{n:>3} classes "));
            let shots = row.shots.map_or(String::new(), |n| format!("{n:>3} labels a class "));
            let spread = row.deviation.map_or(String::new(), |d| format!(" +- {d:.1}"));
            let categories = row.category_iou.map_or(String::new(), |iou| format!(", {iou:.1} % over categories"));
            println!("{:<18} {ways}{shots}{:>6.1} %{spread}{categories}", row.features, row.accuracy);
        }
        Ok(ExitCode::SUCCESS)
    }
}
