//! What everybody else sees of a variant: plain functions, so that the terminal, the desktop app and the conformance
//! suite work on variants they have never seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::variant::{Exported, Format};
use super::{Description, Variant, bench, conformance, probing};
use crate::checkpoint::{self, Disk, Foreign, State};
use crate::data::{Quarantine, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::Jepa as _;
use crate::nn::params;
use crate::probe::{self, Features, Frozen};
use crate::runlog::{self, Observer, RunInfo, RunState};
use crate::train::config::{overlay, read_table, set};
use crate::train::{Outcome, RunConfig, Session};

/// A registered variant.
pub struct Plugin {
    /// The variant in words.
    pub description: Description,
    /// Data formats it reads.
    pub formats: &'static [&'static str],
    presets: fn() -> Result<Vec<PresetInfo>>,
    schema: fn() -> Result<serde_json::Value>,
    train: fn(&TrainRequest, &mut dyn Observer) -> Result<Outcome>,
    probe: fn(&ProbeRequest) -> Result<ProbeReport>,
    embed: fn(&EmbedRequest) -> Result<Features>,
    import: fn(&ImportRequest) -> Result<usize>,
    export: fn(&Path, Format) -> Result<Vec<Exported>>,
    bench: fn(&BenchRequest) -> Result<BenchReport>,
    conformance: fn() -> Result<Vec<&'static str>>,
}

/// A preset in words, with its configuration as TOML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PresetInfo {
    /// Name in `--preset`.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// The configuration.
    pub config: String,
}

/// Layers of a configuration, lowest first: preset, file, assignments, and the flags that have a name of their own.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Preset to begin from; absent: the first.
    pub preset: Option<String>,
    /// TOML file laid over it.
    pub file: Option<PathBuf>,
    /// `a.b=value`, in order.
    pub assignments: Vec<String>,
    /// Data specification.
    pub data: Option<String>,
    /// Steps of the run.
    pub steps: Option<u64>,
    /// Seed of the run.
    pub seed: Option<u64>,
    /// Replicas.
    pub replicas: Option<usize>,
}

/// What `train` is asked to do.
#[derive(Debug, Clone)]
pub struct TrainRequest {
    /// The configuration.
    pub settings: Settings,
    /// Run folder; absent: a new one under `runs`, or with `resume` the newest unfinished one there.
    pub out: Option<PathBuf>,
    /// Continue the run in that folder.
    pub resume: bool,
    /// Where tensors live.
    pub engine: Engine,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Set from outside to stop after the current step.
    pub stop: Arc<AtomicBool>,
    /// Whether to probe at the end.
    pub probes: bool,
}

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// Weighted k-NN.
    Knn,
    /// Logistic regression on pooled features.
    Linear,
    /// The linear probe with a few labels a class.
    LowShot,
    /// A learned query over all tokens.
    Attentive,
    /// A linear support vector machine on pooled features, over several views.
    Svm,
    /// A linear support vector machine on a few classes with a few labels each.
    FewShot,
    /// The part of its object that each element belongs to: mean intersection over union.
    Parts,
}

/// What `probe` is asked to do.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// A run or imported weights.
    pub path: PathBuf,
    /// Which probe.
    pub kind: ProbeKind,
    /// Labelled data; absent: what the run was trained on.
    pub data: Option<String>,
    /// Where tensors live.
    pub engine: Engine,
}

/// Figures in percent of trained features and their floors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Which probe.
    pub kind: ProbeKind,
    /// The data set in words.
    pub data: String,
    /// Labelled training samples.
    pub train: usize,
    /// Test samples.
    pub test: usize,
    /// The lines.
    pub rows: Vec<ProbeLine>,
}

/// One line of a [`ProbeReport`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeLine {
    /// Whose features.
    pub features: String,
    /// Classes, for the few-shot probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ways: Option<usize>,
    /// Labels a class, for the low-shot and the few-shot probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
    /// Accuracy in percent; of the part probe the mean intersection over union, averaged over samples.
    pub accuracy: f64,
    /// Standard deviation over draws or views, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// Mean intersection over union in percent, averaged over categories, for the part probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_iou: Option<f64>,
}

impl ProbeLine {
    /// A line of one figure, 0 to 1.
    pub(super) fn of(features: &str, figure: f64) -> Self {
        let features = features.to_owned();
        Self { features, ways: None, shots: None, accuracy: 100.0 * figure, deviation: None, category_iou: None }
    }
}

/// What `embed` is asked to do.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// A run or imported weights.
    pub path: PathBuf,
    /// What to embed.
    pub data: String,
    /// Which part of it.
    pub split: Split,
    /// Where tensors live.
    pub engine: Engine,
}

/// What `import` is asked to do.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The foreign weights.
    pub foreign: Foreign,
    /// Assignments laid over the configuration found with them.
    pub assignments: Vec<String>,
    /// Folder to write.
    pub out: PathBuf,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// What `bench` is asked to do.
#[derive(Debug, Clone)]
pub struct BenchRequest {
    /// The configuration.
    pub settings: Settings,
    /// Timed steps.
    pub rounds: usize,
    /// Where tensors live.
    pub engine: Engine,
}

/// Times of one variant on one engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// Variant id.
    pub variant: String,
    /// Preset.
    pub preset: String,
    /// Engine name.
    pub engine: String,
    /// Replicas.
    pub replicas: usize,
    /// Samples a step.
    pub batch: usize,
    /// Trained parameters.
    pub parameters: usize,
    /// Seconds of every timed step: forward, backward, optimiser, target; batches prepared before.
    pub step_seconds: Vec<f64>,
    /// Median of them.
    pub step_median: f64,
    /// Samples a second in training.
    pub train_rate: f64,
    /// Floating-point operations a second in training, in units of 1e9.
    pub gflops: f64,
    /// Samples a second through the frozen encoder.
    pub feature_rate: f64,
    /// Batches prepared by one thread, samples a second: decode, crop, masks.
    pub data_rate: f64,
    /// Means over the timed batches of what they say of themselves, such as mask lengths.
    pub figures: BTreeMap<String, f64>,
    /// Largest memory of the process in MiB, where the system tells.
    pub peak_mib: Option<f64>,
}

impl Plugin {
    /// The plugin of a variant; used by [`register!`](crate::register).
    pub const fn of<V: Variant>() -> Self {
        Self {
            description: V::DESCRIPTION,
            formats: V::FORMATS,
            presets: presets::<V>,
            schema: schema::<V>,
            train: train::<V>,
            probe: probing::run::<V>,
            embed: embed::<V>,
            import: import::<V>,
            export: export::<V>,
            bench: bench::run::<V>,
            conformance: conformance::run::<V>,
        }
    }

    /// Its presets; the first is the default.
    pub fn presets(&self) -> Result<Vec<PresetInfo>> {
        (self.presets)()
    }

    /// JSON Schema of its configuration.
    pub fn schema(&self) -> Result<serde_json::Value> {
        (self.schema)()
    }

    /// Trains.
    pub fn train(&self, request: &TrainRequest, observer: &mut dyn Observer) -> Result<Outcome> {
        (self.train)(request, observer)
    }

    /// Probes a run or imported weights.
    pub fn probe(&self, request: &ProbeRequest) -> Result<ProbeReport> {
        (self.probe)(request)
    }

    /// Pooled features of a data set.
    pub fn embed(&self, request: &EmbedRequest) -> Result<Features> {
        (self.embed)(request)
    }

    /// Writes foreign weights as a run folder; returns the number of tensors.
    pub fn import(&self, request: &ImportRequest) -> Result<usize> {
        (self.import)(request)
    }

    /// The target encoder of a run in a foreign layout.
    pub fn export(&self, path: &Path, format: Format) -> Result<Vec<Exported>> {
        (self.export)(path, format)
    }

    /// Measures.
    pub fn bench(&self, request: &BenchRequest) -> Result<BenchReport> {
        (self.bench)(request)
    }

    /// Holds the variant to every promise of [`conformance`]; returns the promises kept, or the first one broken.
    pub fn conformance(&self) -> Result<Vec<&'static str>> {
        (self.conformance)()
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("description", &self.description).finish_non_exhaustive()
    }
}

fn presets<V: Variant>() -> Result<Vec<PresetInfo>> {
    V::presets()
        .into_iter()
        .map(|p| Ok(PresetInfo { name: p.name.into(), about: p.about.into(), config: p.config.to_toml()? }))
        .collect()
}

fn schema<V: Variant>() -> Result<serde_json::Value> {
    serde_json::to_value(schemars::schema_for!(RunConfig<V::Config>)).map_err(|e| Error::Engine(e.to_string()))
}

/// Puts the layers of a configuration together; returns the name of the preset too.
pub(super) fn resolve<V: Variant>(settings: &Settings) -> Result<(String, RunConfig<V::Config>)> {
    let mut presets = V::presets();
    let at = match &settings.preset {
        None => 0,
        Some(name) => presets.iter().position(|p| p.name == name).ok_or_else(|| {
            let known: Vec<&str> = presets.iter().map(|p| p.name).collect();
            Error::unknown("preset", name, &known)
        })?,
    };
    let preset = presets.swap_remove(at);
    let mut table = preset.config.to_table()?;
    if let Some(file) = &settings.file {
        overlay(&mut table, read_table(file)?);
    }
    for assignment in &settings.assignments {
        set(&mut table, assignment)?;
    }
    let mut config = RunConfig::<V::Config>::from_table(table)?;
    if let Some(data) = &settings.data {
        config.data.source.clone_from(data);
    }
    config.run.steps = settings.steps.unwrap_or(config.run.steps);
    config.run.seed = settings.seed.unwrap_or(config.run.seed);
    config.run.replicas = settings.replicas.or(config.run.replicas);
    // The flags above pass through the same checks as everything else.
    Ok((preset.name.to_owned(), RunConfig::from_table(config.to_table()?)?))
}

fn train<V: Variant>(request: &TrainRequest, observer: &mut dyn Observer) -> Result<Outcome> {
    let id = V::DESCRIPTION.id;
    let settings = &request.settings;
    let (out, preset, config) = if request.resume {
        let out = match &request.out {
            Some(out) => out.clone(),
            None => newest_unfinished(Path::new("runs"), id)?,
        };
        let fixed = settings.preset.is_none()
            && settings.file.is_none()
            && settings.assignments.is_empty()
            && settings.data.is_none()
            && settings.steps.is_none()
            && settings.seed.is_none();
        if !fixed {
            return Err(Error::config(
                "--resume",
                "a run goes on with the configuration in its config.toml; only --device and --replicas can be given",
            ));
        }
        if !out.join("run.json").is_file() {
            return Err(Error::config(out.display().to_string(), "there is no run in this folder to resume"));
        }
        let info = runlog::read_info(&out)?;
        if info.variant != id {
            return Err(Error::config(
                out.display().to_string(),
                format!("is a run of `{}`, not of `{id}`", info.variant),
            ));
        }
        if info.state == RunState::Imported {
            return Err(Error::config(out.display().to_string(), "holds imported weights, there is no run to resume"));
        }
        let mut config = RunConfig::<V::Config>::from_table(read_table(&out.join("config.toml"))?)?;
        config.run.replicas = settings.replicas.or(config.run.replicas);
        (out, info.preset, config)
    } else {
        let (preset, config) = resolve::<V>(settings)?;
        let out = request.out.clone().unwrap_or_else(|| {
            let name = |n: usize| Path::new("runs").join(format!("{id}-{preset}-{n}"));
            (1..).map(name).find(|p| !p.exists()).unwrap_or_else(|| name(0))
        });
        (out, preset, config)
    };
    let session = Session {
        out,
        resume: request.resume,
        engine: request.engine.clone(),
        preset,
        command: request.command.clone(),
        stop: request.stop.clone(),
        probes: request.probes,
    };
    crate::train::train::<V>(&config, &session, observer)
}

fn newest_unfinished(runs: &Path, variant: &str) -> Result<PathBuf> {
    let mut candidates: Vec<(u64, PathBuf)> = std::fs::read_dir(runs)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let info = runlog::read_info(&path).ok()?;
            let open = matches!(info.state, RunState::Running | RunState::Interrupted | RunState::Failed);
            (open && info.variant == variant).then_some((info.started, path))
        })
        .collect();
    candidates.sort();
    candidates.pop().map(|(_, path)| path).ok_or_else(|| {
        Error::config(
            "--resume",
            format!("there is no unfinished run of {variant} in `{}`; name its folder with --out", runs.display()),
        )
    })
}

fn embed<V: Variant>(request: &EmbedRequest) -> Result<Features> {
    let frozen = Frozen::<V>::open(&request.path, request.engine.clone())?;
    let source = frozen.open_data(&request.data, request.split)?;
    frozen.features(source.as_ref(), usize::MAX)
}

fn import<V: Variant>(request: &ImportRequest) -> Result<usize> {
    use burn::module::Module as _;
    let imported = V::import(&request.foreign)?;
    let mut table = imported.config.to_table()?;
    for assignment in &request.assignments {
        set(&mut table, assignment)?;
    }
    let config = RunConfig::<V::Config>::from_table(table)?;
    let device = burn::prelude::Device::flex();
    let model = V::new(&config.model)?.model(0, &device);
    // Nothing is written before everything fits.
    let mut count = params::leaves(model.target()).len();
    let encoder = checkpoint::apply(model.target().valid(), &imported.target, &request.foreign.origin)?;
    let mut files =
        BTreeMap::from([("target.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&encoder)?)?)]);
    if let Some(student) = &imported.student {
        count += params::leaves(&model).len();
        let student = checkpoint::apply(model, student, &request.foreign.origin)?;
        files.insert("student.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&student)?)?);
    }
    let id = V::DESCRIPTION.id;
    let state =
        State { variant: id.into(), step: 0, updates: 0, guard: Default::default(), quarantine: Quarantine::default() };
    files.insert("state.json".to_owned(), serde_json::to_vec_pretty(&state).map_err(|e| Error::Engine(e.to_string()))?);
    let text = config.to_toml()?;
    files.insert("config.toml".to_owned(), text.clone().into_bytes());
    let info = RunInfo {
        variant: id.to_owned(),
        preset: format!("imported from {}", request.foreign.origin),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: "none".into(),
        replicas: 0,
        seed: 0,
        state: RunState::Imported,
        command: request.command.clone(),
        started: runlog::now(),
    };
    let folder = runlog::RunFolder::create(&request.out, &text, &info)?;
    checkpoint::save(&Disk, &folder.checkpoints(), id, 0, &files, 1)?;
    Ok(count)
}

fn export<V: Variant>(path: &Path, format: Format) -> Result<Vec<Exported>> {
    let (config, bundle) = probe::open_run::<V>(path)?;
    let name = "target.safetensors";
    let target = checkpoint::decode(bundle.file(name)?, &bundle.path.join(name))?;
    V::new(&config.model)?.export(&target, format)
}

/// A table of the registered variants in Markdown, as the README holds it.
pub struct Table(pub Vec<&'static Plugin>);

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "| variant | modality | x: context | y: target | z: condition | D | against collapse | paper |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for plugin in &self.0 {
            let d = &plugin.description;
            writeln!(
                f,
                "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
                d.id, d.modality, d.context, d.target, d.condition, d.distance, d.against_collapse, d.paper
            )?;
        }
        Ok(())
    }
}
