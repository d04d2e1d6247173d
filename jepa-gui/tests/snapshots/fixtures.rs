//! Run folders whose every figure is given, so that their pictures are the same every time.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use jepa_core::collapse::Diagnostics;
use jepa_core::device::Engine;
use jepa_core::plugin::{self, Settings, TrainRequest};
use jepa_core::probe::{Features, ProbeRow, ProbeTable, write_features};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::runlog::{self, Event, RunFolder, RunInfo, RunState, Silent};
use jepa_gui::screens::embeddings::origin::RunPart;
use serde_json::{Value, json};

use crate::studio::Outcome;

/// Steps of the written runs.
const STEPS: u64 = 300;
/// A day in seconds: ages are shown in days, and a snapshot takes none.
const DAY: u64 = 86_400;

fn info(variant: &str, state: RunState, days: u64) -> RunInfo {
    RunInfo {
        variant: variant.into(),
        preset: "tiny".into(),
        version: "0.1.0".into(),
        engine: "cpu".into(),
        replicas: 1,
        seed: 0,
        state,
        command: ["cargo", "xtask", "train", variant, "--preset", "tiny"].map(str::to_owned).to_vec(),
        from: None,
        started: runlog::now() - days * DAY - DAY / 2,
    }
}

fn config(variant: &str) -> String {
    let presets = plugin::find(variant).unwrap().presets().unwrap();
    presets.into_iter().find(|preset| preset.name == "tiny").unwrap().config
}

/// A run that is described and has said nothing.
pub(crate) fn silent(folder: &str, name: &str, state: RunState, days: u64) -> Outcome {
    let path = Path::new(folder).join(name);
    RunFolder::create(&path, &config("i-jepa"), &info("i-jepa", state, days)).map(drop).map_err(|e| e.to_string())
}

/// A run with everything that a trainer writes into its log, healthy or collapsing.
pub(crate) fn told(folder: &str, name: &str, state: RunState, days: u64, is_healthy: bool) -> Outcome {
    silent(folder, name, state, days)?;
    let (data, engine) = ("built-in pictures, 4000 of them".to_owned(), "cpu, 1 replica".to_owned());
    let mut lines = vec![line(&Event::Start { step: 1, steps: STEPS, data, parameters: 12_345, engine }, 0)];
    let last = if state == RunState::Finished { STEPS } else { 2 * STEPS / 3 };
    for step in 1..=last {
        lines.push(line(&step_event(step, days), step));
        if step == 1 || step % 50 == 0 {
            let figures = diagnostics(step as f64 / STEPS as f64, is_healthy);
            lines.push(line(&Event::Collapse { step, figures }, step));
            // An event that the app has no name for.
            let accuracy = 70.0 - 40.0 * (-(step as f64) / 100.0).exp();
            lines.push(format!(r#"{{"kind":"probe-on-the-way","step":{step},"accuracy":{accuracy},"time":1.7e9}}"#));
        }
        if step % 100 == 0 {
            let path = Path::new("checkpoints").join(format!("step-{step:09}"));
            let place = Path::new(folder).join(name).join(&path);
            fs::create_dir_all(&place).map_err(|e| e.to_string())?;
            fs::write(place.join("manifest.json"), "{}").map_err(|e| e.to_string())?;
            lines.push(line(&Event::Checkpoint { step, path }, step));
        }
    }
    if !is_healthy {
        let message = "the embeddings are collapsing: lower schedule.lr or add the variance regulariser".into();
        lines.push(line(&Event::Warning { step: last, message }, last));
    }
    if state == RunState::Finished {
        lines.push(line(&Event::Probes { step: last, table: table() }, last));
        lines.push(line(&Event::End { step: last, state }, last));
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(Path::new(folder).join(name).join("events.jsonl"), text).map_err(|e| e.to_string())
}

/// An event at a time of its own: a tenth of a second a step.
fn line(event: &Event, step: u64) -> String {
    let event = serde_json::to_string(event).unwrap();
    // As a trainer writes it: what kind it is comes first, when it was said last.
    format!(r#"{},"time":{}}}"#, event.strip_suffix('}').unwrap(), 1_700_000_000.0 + 0.1 * step as f64)
}

fn step_event(step: u64, seed: u64) -> Event {
    let at = step as f64;
    let wave = 0.02 * (1.7 * at + seed as f64).sin() + 0.01 * (0.31 * at).cos();
    let energy = 0.1 + 0.5 * (-at / 40.0).exp() + wave;
    let variance = 0.04 + 0.1 * (-at / 80.0).exp();
    let terms = [("energy", energy), ("variance", variance), ("context_tokens", 6.0)];
    let terms = terms.map(|(name, value)| (name.to_owned(), value)).into();
    let lr = 1e-3 * (at / 30.0).min(1.0) * (0.5 + 0.5 * (at / STEPS as f64 * std::f64::consts::PI).cos());
    let loss = energy + variance;
    Event::Step { step, loss, terms, lr, decay: 0.04, momentum: 0.996, grad_norm: 1.0 + wave, rate: 512.0 }
}

fn diagnostics(at: f64, is_healthy: bool) -> Diagnostics {
    let kept = if is_healthy { 1.0 + 0.4 * at } else { 1.0 - 0.95 * at };
    Diagnostics {
        std: 0.5 * kept,
        rank_me: 1.0 + 20.0 * kept,
        participation: 1.0 + 4.0 * kept,
        content: 0.6 * kept,
        entropy_rank: None,
        uniformity: None,
        dead: None,
        student_distance: None,
    }
}

fn table() -> ProbeTable {
    let row = |features: &str, knn, linear| ProbeRow { features: features.into(), width: 96, knn, linear, twins: None };
    let rows =
        vec![row("trained encoder", 73.5, 80.2), row("untrained encoder", 63.6, 76.3), row("raw input", 83.2, 85.5)];
    ProbeTable { train: 4000, test: 1000, classes: 10, rows, note: None }
}

/// Results as `cargo xtask probe` leaves them: a table, and pictures of an evaluation.
pub(crate) fn probed(run: &str) -> Outcome {
    let time = runlog::now() - 3 * DAY - DAY / 2;
    let rows = json!([
        { "features": "trained encoder", "accuracy": 73.5 },
        { "features": "untrained encoder", "accuracy": 63.6 },
        { "features": "raw input", "accuracy": 83.2 },
    ]);
    let knn = json!({ "kind": "knn", "data": null, "time": time, "text": "trained encoder  73.5 %", "figures": {
        "data": "built-in pictures", "train": 4000, "test": 1000, "rows": rows,
    }});
    let episodes: Vec<Value> = (0..3).map(|i| json!({ "start": [1.5, 2.0], "success": i != 1 })).collect();
    let plans = json!({ "kind": "planning", "data": null, "time": time, "text": "who plans   success %", "figures": {
        "rows": [
            { "name": "trained", "success": 0.83, "interval": [0.71, 0.91], "distance": 3.2, "episodes": episodes },
            { "name": "random actions", "success": 0.08, "interval": [0.03, 0.18], "distance": 21.7, "episodes": [] },
        ],
    }});
    for (kind, report) in [("knn", knn), ("planning", plans)] {
        let path = Path::new(run).join("probes").join(kind).join("report.json");
        runlog::write(&path, report.to_string().as_bytes()).map_err(|e| e.to_string())?;
    }
    for number in 0..3usize {
        let path = Path::new(run).join(format!("probes/planning/episode-{number}.png"));
        // A path through two rooms.
        let ground = [[236, 236, 236], [120, 120, 120]];
        let picture = image::RgbImage::from_fn(65, 65, |x, y| {
            let on_path = (x as usize * (number + 1) / 2).abs_diff(y as usize) < 2;
            image::Rgb(if on_path { [213, 94, 0] } else { ground[usize::from(x == 32 && y.abs_diff(20) > 5)] })
        });
        picture.save(&path).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// A run of two steps that was really trained, once for all, with features beside it that are drawn here.
pub(crate) fn trained() -> Outcome<&'static str> {
    static RUN: OnceLock<Outcome<&'static str>> = OnceLock::new();
    RUN.get_or_init(|| train("trained/two-steps").map(|()| "trained/two-steps")).clone()
}

fn train(run: &str) -> Outcome {
    let assignments = ["run.checkpoint_every=1", "run.diagnose_every=1"].map(str::to_owned).to_vec();
    let (preset, steps, replicas) = (Some("tiny".into()), Some(2), Some(1));
    let request = TrainRequest {
        settings: Settings { preset, assignments, steps, replicas, ..Settings::default() },
        out: Some(run.into()),
        resume: false,
        engine: Engine::cpu(),
        command: Vec::new(),
        stop: Default::default(),
        probes: false,
    };
    let plugin = plugin::find("i-jepa").map_err(|e| e.to_string())?;
    plugin.train(&request, &mut Silent).map_err(|e| e.to_string())?;
    write_features(&features()?, &RunPart::newest(Path::new(run)).cache()).map(drop).map_err(|e| e.to_string())
}

/// Ten clouds in twelve dimensions, the first directions longer than the others.
fn features() -> Outcome<Features> {
    let (rows, width, classes) = (240, 12, 10);
    let mut draw = Stream::new(3, Purpose::Test, 0, 0);
    let centres: Vec<f32> = (0..classes * width).map(|_| 3.0 * draw.normal()).collect();
    let place = |i: usize| (i / width % classes) * width + i % width;
    let long = |i: usize| 1.0 + 2.0 / (1.0 + (i % width) as f32);
    let values = (0..rows * width).map(|i| long(i) * (centres[place(i)] + draw.normal())).collect();
    let labels = (0..rows).map(|row| Some((row % classes) as u32)).collect();
    let names = (0..classes).map(|class| format!("class {class}")).collect();
    Features::new(values, labels, (0..rows).collect(), names).map_err(|e| e.to_string())
}
