use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use jepa_core::runlog::{self, Event, Observer};
use jepa_core::{Error, Result};

use super::train::stop_on_signals;
use super::{DeviceArg, print_json, say};
use crate::compare::{Axis, Cell, Equal, Measured, Plan, Request, Summary, png, probe_kind, svg};

#[derive(Args)]
pub(crate) struct Compare {
    /// Variants, as `cargo xtask variants` lists them; with a preset of their own: id/preset; with settings of their own
    /// and a name: 'one-block=i-jepa/small:model.masks.targets=1;run.batch=64'
    #[arg(required = true, value_name = "[NAME=]ID[/PRESET][:KEY=VALUE;..]")]
    variants: Vec<String>,
    /// Folder of the comparison; one that is there goes on where it was
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Preset of those that name none; the default is the first of each
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Data of all of them: builtin, a folder, a file, or format:path
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// A value laid over the configuration of every variant, as in --set run.batch=64; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Runs of every variant, with seeds from 0
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u64,
    /// What all get the same of
    #[arg(long, value_enum, default_value = "steps")]
    equal: Equal,
    /// Steps, 1e12 operations, or seconds of a run; the default is what the first variant's preset comes to
    #[arg(long, value_name = "N")]
    budget: Option<f64>,
    /// Moments of a run at which its encoder is probed
    #[arg(long, value_name = "N", default_value_t = 4)]
    points: u64,
    /// Probes: linear, knn, low-shot, attentive; the first is drawn
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_value = "linear,knn")]
    probes: Vec<String>,
    /// Labels a class of the low-shot probe
    #[arg(long, value_name = "N", default_value_t = 12)]
    shots: usize,
    /// Runs at once, each with its part of the cores
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    #[command(flatten)]
    device: DeviceArg,
    /// Print everything that was measured as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Exit code of a comparison that was stopped on request.
const INTERRUPTED: u8 = 130;

impl Compare {
    pub(crate) fn run(self) -> Result<ExitCode> {
        for probe in &self.probes {
            probe_kind(probe)?;
        }
        for (flag, value) in [("--seeds", self.seeds), ("--points", self.points), ("--jobs", self.jobs as u64)] {
            if !(1..=1000).contains(&value) {
                return Err(Error::config(flag, format!("{value} must lie in 1..=1000")));
            }
        }
        let engine = self.device.open()?;
        let request = Request {
            variants: self.variants,
            preset: self.preset,
            data: self.data,
            assignments: self.set,
            seeds: (0..self.seeds).collect(),
            equal: self.equal,
            budget: self.budget,
            points: self.points,
            probes: self.probes,
            shots: self.shots,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.min(request.variants.len() * request.seeds.len());
        let replicas = (jobs > 1 && engine.is_cpu()).then(|| (cores / jobs).max(1));
        let plan = Plan::open(&request, &self.out, &engine, replicas)?;
        let out = &self.out;
        // Seed by seed, so that a comparison stopped early has something of every variant.
        let cells: Vec<Cell> = (request.seeds.iter())
            .flat_map(|seed| plan.entries.iter().map(move |entry| (*seed, entry)))
            .map(|(seed, entry)| Cell { plan: &plan, entry, seed, out, engine: &engine, replicas })
            .collect();
        let stop = stop_on_signals()?;
        let Some(runs) = all(&cells, jobs, &stop)? else {
            eprintln!("stopped and saved; the same command goes on with it");
            return Ok(ExitCode::from(INTERRUPTED));
        };

        let summary = Summary::new(&plan, runs);
        let markdown = summary.markdown();
        let json = serde_json::to_vec_pretty(&summary).map_err(|e| Error::Engine(e.to_string()))?;
        runlog::write(&out.join("table.md"), markdown.as_bytes())?;
        runlog::write(&out.join("table.csv"), summary.csv().as_bytes())?;
        runlog::write(&out.join("comparison.json"), &json)?;
        for (name, axis) in [("flops", Axis::Flops), ("time", Axis::Time)] {
            let drawing = summary.chart(axis).draw();
            runlog::write(&out.join(name).with_extension("svg"), svg::render(&drawing).as_bytes())?;
            runlog::write(&out.join(name).with_extension("png"), &png::render(&drawing)?)?;
        }
        if self.json {
            print_json(&summary)?;
        } else {
            say!("{}", markdown.trim_end());
        }
        eprintln!("tables and pictures: {}", out.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// Trains and probes every cell, `jobs` at once; none when stopped. The first error ends the others.
fn all(cells: &[Cell], jobs: usize, stop: &Arc<AtomicBool>) -> Result<Option<Vec<Measured>>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Measured)>> = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(at) else { return Ok(()) };
            if stop.load(Ordering::Relaxed) || !cell.train(stop, &mut Notice(cell.name()))? {
                return Ok(());
            }
            let measured = cell.measure()?;
            eprintln!("[{}/{}] {}: {}", at + 1, cells.len(), cell.name(), last_scores(&measured));
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, measured));
        }
    };
    let guarded = || work().inspect_err(|_| stop.store(true, Ordering::Relaxed));
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..jobs.min(cells.len())).map(|_| scope.spawn(guarded)).collect();
        running.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    Ok((done.len() == cells.len()).then(|| done.into_iter().map(|(_, measured)| measured).collect()))
}

fn last_scores(measured: &Measured) -> String {
    let scores = measured.points.last().map(|point| &point.scores[..]).unwrap_or_default();
    scores.iter().map(|score| format!("{} {:.1} %", score.probe, score.accuracy)).collect::<Vec<_>>().join(", ")
}

/// Says what a person should know of one run among many.
struct Notice(String);

impl Observer for Notice {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Start { step, steps, .. } => eprintln!("{}: steps {step} to {steps}", self.0),
            Event::Alarm { step, alarm } => eprintln!("{}: ALARM, step {step}: {alarm}", self.0),
            Event::Warning { step, message } => eprintln!("{}: warning, step {step}: {message}", self.0),
            _ => {}
        }
    }
}
