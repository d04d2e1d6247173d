//! What is trained, and for how long.

use std::path::Path;

use clap::ValueEnum;
use jepa_core::data::Split;
use jepa_core::device::Engine;
use jepa_core::plugin::{self, BenchRequest, PreviewRequest, Settings, Shown};
use jepa_core::{Error, Result, runlog};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Written, settings};

/// What all variants get the same of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Equal {
    /// Updates
    Steps,
    /// Floating-point operations of training
    Flops,
    /// Seconds of training, measured before
    Time,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// As [`Written`] takes them apart.
    pub(crate) variants: Vec<String>,
    /// Preset of those that name none; absent: their first.
    pub(crate) preset: Option<String>,
    pub(crate) data: Option<String>,
    /// `key=value`, laid over every configuration.
    pub(crate) assignments: Vec<String>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) equal: Equal,
    /// Steps, units of 1e12 operations, or seconds; absent: what the first variant's preset comes to.
    pub(crate) budget: Option<f64>,
    /// Moments of a run at which it is probed.
    pub(crate) points: u64,
    /// Kinds of probes; the first is drawn.
    pub(crate) probes: Vec<String>,
    /// Labels a class of the low-shot probe.
    pub(crate) shots: usize,
}

/// A request with every number fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) request: Request,
    pub(crate) entries: Vec<Entry>,
}

const FILE: &str = "plan.json";

impl Plan {
    /// The plan of the folder `out`, where it holds one for this request; else a new one, which is written there.
    /// `replicas` are those of a run beside its others.
    pub(crate) fn open(request: &Request, out: &Path, engine: &Engine, replicas: Option<usize>) -> Result<Self> {
        let path = out.join(FILE);
        if path.is_file() {
            let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
            let plan: Self =
                serde_json::from_slice(&bytes).map_err(|e| Error::format(&path, format!("is no plan: {e}")))?;
            if !plan.request.same(request) {
                let problem = "holds another comparison: give the flags it began with, or choose another --out";
                return Err(Error::config(out.display().to_string(), problem));
            }
            return Ok(plan);
        }
        let plan = Self::new(request, engine, replicas)?;
        let bytes = serde_json::to_vec_pretty(&plan).map_err(|e| Error::Engine(e.to_string()))?;
        runlog::write(&path, &bytes)?;
        Ok(plan)
    }

    fn new(request: &Request, engine: &Engine, replicas: Option<usize>) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut data: Option<String> = None;
        for text in &request.variants {
            let Written { name, variant, preset, assignments } = Written::parse(text)?;
            let preset = preset.map(str::to_owned).or_else(|| request.preset.clone());
            let settings = settings(request, preset, &assignments);
            let checked = plugin::find(variant)?.check(&settings)?;
            let Read { source, steps, batch } = Read::of(&checked.config)?;
            let entry = Entry {
                named: name.map(str::to_owned),
                variant: variant.to_owned(),
                steps,
                preset: checked.preset,
                assignments,
                flops: checked.flops,
                batch,
            };
            match &data {
                None => {
                    // What cannot be probed is not trained on for an hour first.
                    labelled(&entry, &settings)?;
                    data = Some(source);
                }
                Some(first) if *first != source => {
                    let problem = format!("learns from `{source}`, the first from `{first}`: give all of them --data");
                    return Err(Error::config(entry.name(), problem));
                }
                Some(_) => {}
            }
            if entries.iter().any(|known| known.folder() == entry.folder()) {
                return Err(Error::config(text.clone(), "is named twice"));
            }
            entries.push(entry);
        }
        let Some(first) = entries.first() else {
            return Err(Error::config("variants", "name at least one; `cargo xtask variants` lists them"));
        };
        if request.equal == Equal::Steps && entries.iter().any(|entry| entry.batch != first.batch) {
            eprintln!("warning: equal steps of unequal batches; the table says how many samples each has seen");
        }
        let budget = match (request.equal, request.budget) {
            (_, Some(budget)) if !(budget > 0.0 && budget.is_finite()) => {
                return Err(Error::config("--budget", format!("{budget} must be positive")));
            }
            (Equal::Flops, budget) => budget.map_or(first.flops * first.steps as f64, |budget| budget * 1e12),
            (_, Some(budget)) => budget,
            (Equal::Steps, None) => first.steps as f64,
            (Equal::Time, None) => return Err(Error::config("--budget", "give the seconds of training of a run")),
        };
        for entry in &mut entries {
            let cost = match request.equal {
                Equal::Steps => 1.0,
                Equal::Flops if entry.flops > 0.0 => entry.flops,
                Equal::Flops => {
                    let problem = "does not say how many operations a step takes: use --equal steps or time";
                    return Err(Error::config(entry.name(), problem));
                }
                Equal::Time => {
                    let settings = Settings { replicas, ..entry.settings(request) };
                    let request = BenchRequest { settings, rounds: 5, engine: engine.clone() };
                    let seconds = plugin::find(&entry.variant)?.bench(&request)?.step_median;
                    eprintln!("{}: {seconds:.3} s a step", entry.name());
                    seconds.max(1e-6)
                }
            };
            entry.steps = (budget / cost).round().max(1.0) as u64;
        }
        Ok(Self { request: request.clone(), entries })
    }
}

impl Request {
    /// Whether both ask for the same; a number may have lost its last bit in a file.
    fn same(&self, other: &Self) -> bool {
        let without = |request: &Self| Self { budget: None, ..request.clone() };
        let close = match (self.budget, other.budget) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * b.abs(),
            (a, b) => a.is_none() && b.is_none(),
        };
        close && without(self) == without(other)
    }
}

/// What a comparison reads in a configuration.
struct Read {
    source: String,
    steps: u64,
    batch: u64,
}

impl Read {
    /// Of a configuration in TOML.
    fn of(config: &str) -> Result<Self> {
        let problem = |e: toml::de::Error| Error::config("", e.message().to_owned());
        let table: toml::Table = config.parse().map_err(problem)?;
        let value = |part: &str, key: &str| table.get(part).and_then(|part| part.get(key));
        let count = |key: &str| {
            let count = value("run", key).and_then(toml::Value::as_integer);
            count.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| Error::config(format!("run.{key}"), "is missing"))
        };
        let source = value("data", "source").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { source, steps: count("steps")?, batch: count("batch")? })
    }
}

/// Fails where the data of an entry has no classes to probe.
fn labelled(entry: &Entry, settings: &Settings) -> Result<()> {
    for split in [Split::Train, Split::Test] {
        let request = PreviewRequest { settings: settings.clone(), split, samples: Shown::Indices(vec![0]) };
        let preview = plugin::find(&entry.variant)?.preview(&request)?;
        let is_labelled = preview.pictures.iter().all(|picture| picture.as_ref().is_ok_and(|p| p.label.is_some()));
        if !is_labelled || preview.classes.len() < 2 {
            return Err(Error::data(preview.data, "has no classes: a comparison probes them"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn request(equal: Equal, budget: Option<f64>) -> Request {
        Request {
            variants: vec!["i-jepa".into(), "mae".into(), "vicreg/tiny".into()],
            preset: Some("tiny".into()),
            data: None,
            assignments: Vec::new(),
            seeds: vec![0],
            equal,
            budget,
            points: 2,
            probes: vec!["knn".into()],
            shots: 12,
        }
    }

    #[test]
    fn budgets_are_shared_out_as_asked_for() {
        let engine = Engine::cpu();
        let of = |equal, budget| Plan::new(&request(equal, budget), &engine, None).unwrap().entries;
        assert!(of(Equal::Steps, None).iter().all(|entry| entry.steps == 60), "the first preset's own steps");
        assert!(of(Equal::Steps, Some(7.0)).iter().all(|entry| entry.steps == 7));
        let entries = of(Equal::Flops, None);
        assert_eq!(entries[0].steps, 60);
        let total = 60.0 * entries[0].flops;
        for entry in &entries {
            let spent = entry.steps as f64 * entry.flops;
            assert!((spent - total).abs() <= entry.flops, "{}: {spent} of {total}", entry.name());
        }
        assert!(entries[2].steps < entries[1].steps, "two whole views cost more than a quarter of the patches");
    }

    #[test]
    fn what_cannot_be_planned_is_said() {
        let engine = Engine::cpu();
        let refusal = |change: &dyn Fn(&mut Request)| {
            let mut request = request(Equal::Steps, Some(4.0));
            change(&mut request);
            Plan::new(&request, &engine, None).unwrap_err().to_string()
        };
        for (refusal, word) in [
            (refusal(&|r| r.variants[0] = "i-jep".into()), "i-jepa"),
            (refusal(&|r| r.variants[2] = "vicreg/tny".into()), "tiny"),
            (refusal(&|r| r.variants[2] = "mae".into()), "named twice"),
            (refusal(&|r| r.variants[2] = "vicreg:run.btch=3".into()), "btch"),
            (refusal(&|r| r.variants[2] = "i-jepa/tiny=mae".into()), "named twice"),
            (refusal(&|r| r.variants.clear()), "at least one"),
            (refusal(&|r| r.variants[1] = "mae:data.source=elsewhere".into()), "give all of them --data"),
            (refusal(&|r| r.data = Some("/nowhere".into())), "/nowhere"),
            (refusal(&|r| r.budget = Some(-1.0)), "positive"),
            (refusal(&|r| (r.equal, r.budget) = (Equal::Time, None)), "--budget"),
            (refusal(&|r| r.assignments.push("run.stps=3".into())), "steps"),
        ] {
            assert!(refusal.contains(word), "{refusal} does not name {word}");
        }
    }

    #[test]
    fn a_folder_with_another_comparison_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::cpu();
        let first = Plan::open(&request(Equal::Steps, Some(4.0)), folder.path(), &engine, None).unwrap();
        let again = Plan::open(&request(Equal::Steps, Some(4.0)), folder.path(), &engine, None).unwrap();
        let steps = |plan: &Plan| plan.entries.iter().map(|entry| (entry.name(), entry.steps)).collect::<Vec<_>>();
        assert_eq!((again.request.clone(), steps(&again)), (first.request.clone(), steps(&first)));
        let error =
            Plan::open(&request(Equal::Steps, Some(5.0)), folder.path(), &engine, None).unwrap_err().to_string();
        assert!(error.contains("another --out"), "{error}");
    }
}
