use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jepa_core::plugin::{self, Beside, EvaluateRequest, Plugin, ProbeKind, ProbeReport, ProbeRequest};
use jepa_core::{Error, Result, runlog};

use super::{DeviceArg, print_json, say};

/// The probes that every variant has.
const KINDS: [(&str, ProbeKind); 9] = [
    ("knn", ProbeKind::Knn),
    ("linear", ProbeKind::Linear),
    ("four-way", ProbeKind::FourWay),
    ("attentive", ProbeKind::Attentive),
    ("low-shot", ProbeKind::LowShot),
    ("fine-tune", ProbeKind::FineTune),
    ("svm", ProbeKind::Svm),
    ("few-shot", ProbeKind::FewShot),
    ("parts", ProbeKind::Parts),
];

#[derive(Args)]
pub(crate) struct Probe {
    /// Run folder, imported folder or checkpoint
    weights: PathBuf,
    /// knn, linear, four-way (linear on the last block or the last four, standardised or not), attentive, low-shot (1, 2, 5, 12 labels a class; 1 % and 10 % of all), fine-tune (all weights with
    /// a linear head), svm (over several views), few-shot (5 and 10 classes, 10 and 20 labels each), parts (the part each
    /// point belongs to), collapse (every collapse figure), or an evaluation of the variant's own, such as surprise or planning
    #[arg(long)]
    kind: String,
    /// Labelled data; the default is what the run was trained on, other data shows what transfers
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// Column of labels, where samples have several, or all of them; the default is the class. Numbers are regressed
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// A setting of the probe laid over the run's, as in --set probe.fine_tune.epochs=20; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Another run of the same variant in the same table, for evaluations of the variant's own; repeatable
    #[arg(long, value_name = "RUN")]
    beside: Vec<PathBuf>,
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
        let folder = self.folder();
        if !self.beside.is_empty() {
            let problem = format!("`{}` looks at one run: leave it out", self.kind);
            return Err(Error::config("--beside", problem));
        }
        // Results of other data, of another column of labels or of other settings are another file.
        let asked: Vec<&str> =
            [&self.data, &self.label].into_iter().flatten().chain(&self.set).map(String::as_str).collect();
        let asked = (!asked.is_empty()).then(|| asked.join(" "));
        let reports = plugin.probe(&ProbeRequest {
            path: self.weights,
            kinds: vec![kind],
            beside: Beside::Floors,
            data: self.data,
            label: self.label,
            assignments: self.set,
            engine: self.device.open()?,
        })?;
        for report in reports {
            let text = words(&report);
            keep(&folder, &self.kind, asked.as_deref(), &text, serde_json::json!(report));
            if self.json {
                print_json(&report)?;
            } else {
                say!("{}", text.trim_end());
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Where results are kept: in the folder of the weights.
    fn folder(&self) -> PathBuf {
        self.weights.join("probes").join(&self.kind)
    }

    /// What only this variant offers; its files go into the folder of the weights.
    fn evaluate(self, plugin: &Plugin) -> Result<ExitCode> {
        if self.label.is_some() {
            let problem = format!("`{}` reads no labels: leave it out, or ask for one of the probes", self.kind);
            return Err(Error::config("--label", problem));
        }
        if let Some(assignment) = self.set.first() {
            let problem = format!("`{}` reads no settings of probes, as `{assignment}`: leave it out", self.kind);
            return Err(Error::config("--set", problem));
        }
        let own = plugin.evaluations();
        if !own.iter().any(|evaluation| evaluation.name == self.kind) {
            let known: Vec<&str> = KINDS.iter().map(|(name, _)| *name).chain(own.iter().map(|e| e.name)).collect();
            return Err(Error::unknown("kind of probe", &self.kind, &known));
        }
        let engine = self.device.open()?;
        let folder = self.folder();
        let request =
            EvaluateRequest { path: self.weights, name: self.kind, beside: self.beside, data: self.data, engine };
        let found = plugin.evaluate(&request)?;
        keep(&folder, &request.name, request.data.as_deref(), &found.text, found.figures.clone());
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
            say!("{}", found.text);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A report for people.
fn words(report: &ProbeReport) -> String {
    let mut text = format!(
        "trained on {}\n{}: {} training, {} test samples\n",
        report.trained_on, report.data, report.train, report.test
    );
    for row in &report.rows {
        let way = row.way.as_ref().map_or(String::new(), |way| format!("{way:<26} "));
        let ways = row.ways.map_or(String::new(), |n| format!("{n:>3} classes "));
        let shots = row.shots.map(|n| format!("{n:>3} labels a class"));
        let share = row.share.map(|share| format!("{:>5}% of labels", 100.0 * share));
        let labels = shots.or(share).map_or(String::new(), |labels| format!("{labels:<18} "));
        let spread = row.deviation.map_or(String::new(), |d| format!(" +- {d:.1}"));
        let twins = row.twins.map_or(String::new(), |twins| format!("  within pairs {twins:.1} %"));
        let categories = row.category_iou.map_or(String::new(), |iou| format!(", {iou:.1} % over categories"));
        let column = row.label.as_ref().map_or(String::new(), |label| format!("{label:<12} "));
        let features = format!("{column}{:<18}", row.features);
        // Writing into a text does not fail.
        let _ = writeln!(text, "{features} {way}{ways}{labels}{:>6.1} %{spread}{twins}{categories}", row.accuracy);
    }
    for line in &report.numbers {
        let features = format!("{:<12} {:<18}", line.label, line.features);
        let _ = writeln!(text, "{features} R2 {:>6.3}, RMSE {:.3} {}", line.r2, line.rmse, line.unit);
    }
    text
}

/// Keeps a result beside the weights, where the desktop app finds it. That it cannot be kept is no reason to lose it.
fn keep(folder: &Path, kind: &str, data: Option<&str>, text: &str, figures: serde_json::Value) {
    let name = data.map_or_else(|| "report.json".to_owned(), |data| format!("report-{}.json", slug(data)));
    let report = serde_json::json!({
        "kind": kind, "data": data, "time": runlog::now(), "text": text, "figures": figures,
    });
    if let Err(error) = runlog::write(&folder.join(name), report.to_string().as_bytes()) {
        eprintln!("the result is not kept: {error}");
    }
}

/// A data specification as a part of a file name.
fn slug(data: &str) -> String {
    let parts: Vec<&str> = data.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let text = parts.join("-").to_lowercase();
    // Its end tells more than its beginning.
    text[text.len().saturating_sub(80)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_kept_by_kind_and_data_and_a_folder_that_takes_none_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("probes/knn");
        keep(&place, "knn", None, "words", serde_json::json!({ "rows": [] }));
        keep(&place, "knn", Some("mnist:/data/Mnist (raw)"), "words", serde_json::json!({}));
        let read = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(place.join(name)).unwrap()).unwrap()
        };
        let (own, other) = (read("report.json"), read("report-mnist-data-mnist-raw.json"));
        assert_eq!((&own["text"], &own["data"]), (&"words".into(), &serde_json::Value::Null));
        assert_eq!(other["data"], "mnist:/data/Mnist (raw)");
        std::fs::write(folder.path().join("file"), "x").unwrap();
        keep(&folder.path().join("file/knn"), "knn", None, "", serde_json::Value::Null);
    }
}
