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
    /// The linear probe with 1, 5, 10 and 50 labels a class, and with 1 % and 10 % of all labels
    LowShot,
    /// All weights trained with a linear head, on 1 %, 10 % and all of the labels
    FineTune,
}

#[derive(Args)]
pub(crate) struct Probe {
    /// Run folder, imported folder or checkpoint
    weights: PathBuf,
    /// Which probe
    #[arg(long, value_enum)]
    kind: Kind,
    /// Labelled data; the default is what the run was trained on, other data shows what transfers
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// A setting of the probe laid over the run's, as in --set probe.fine_tune.epochs=20; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
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
            Kind::FineTune => ProbeKind::FineTune,
        };
        let plugin = plugin::of_run(&self.weights)?;
        let report = plugin.probe(&ProbeRequest {
            path: self.weights,
            kind,
            data: self.data,
            assignments: self.set,
            engine: self.device.open()?,
        })?;
        if self.json {
            print_json(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        println!("trained on {}", report.trained_on);
        println!("{}: {} training, {} test samples", report.data, report.train, report.test);
        for row in &report.rows {
            let shots = row.shots.map(|n| format!("{n:>3} labels a class"));
            let share = row.share.map(|share| format!("{:>5}% of labels", 100.0 * share));
            let labels = shots.or(share).map_or(String::new(), |labels| format!("{labels:<18} "));
            let spread = row.deviation.map_or(String::new(), |d| format!(" +- {d:.1}"));
            let twins = row.twins.map_or(String::new(), |twins| format!("  within pairs {twins:.1} %"));
            println!("{:<18} {labels}{:>6.1} %{spread}{twins}", row.features, row.accuracy);
        }
        Ok(ExitCode::SUCCESS)
    }
}
