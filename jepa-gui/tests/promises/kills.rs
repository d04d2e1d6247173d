//! 100 kills each way: of the training process while the app follows it, and of the app while a process trains.
//!
//! `cargo build --package xtask; cargo test --package jepa-gui --test promises kills -- --ignored --nocapture --test-threads 1`;
//! `JEPA_KILLS=10` for fewer, `JEPA_XTASK` for another training program. The app is the whole one, without a window: it is
//! drawn and never shown.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable as _;
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::runlog::{RunState, read_info};
use jepa_gui::runs::{Follower, checkpoints, holder};
use jepa_gui::screens::ScreenId;
use jepa_gui::shared::Action;

use crate::harness::{self, Window, app, program, shows, wait};

/// Steps of a run that is killed again and again.
const STEPS: u64 = 60;

fn count() -> usize {
    std::env::var("JEPA_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

fn window(runs: &Path) -> Window {
    let mut window = harness::window(runs);
    app(&mut window).shared.program = Some(program());
    window
}

fn arguments(out: &Path, steps: u64) -> Vec<String> {
    let words = "train i-jepa --preset tiny --device cpu --replicas 1 --no-probes --set run.checkpoint_every=5 --steps";
    let mut arguments: Vec<String> = words.split(' ').map(str::to_owned).collect();
    arguments.extend([steps.to_string(), "--out".into(), out.display().to_string()]);
    arguments
}

fn kill(process: u32) {
    // One that ended by itself in the last moment is no failure.
    let _ = Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
}

/// Draws the app until the time is over.
fn draw(window: &mut Window, time: Duration) {
    let clock = Instant::now();
    while clock.elapsed() < time {
        window.step();
        std::thread::sleep(Duration::from_millis(4));
    }
}

fn told(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    match times.as_slice() {
        [] => "never".to_owned(),
        times => format!("median {:.2} s, longest {:.2} s", times[times.len() / 2], times[times.len() - 1]),
    }
}

/// Every step and its loss, as the app has them when the log is read to its end.
fn history(run: &Path) -> (Vec<u64>, Vec<f32>) {
    let context = egui::Context::default();
    let mut follower = Follower::new(run, &context);
    let clock = Instant::now();
    while follower.reading != jepa_gui::runs::Reading::Live && clock.elapsed() < Duration::from_secs(20) {
        follower.poll(&context);
        std::thread::sleep(Duration::from_millis(5));
    }
    (follower.history.steps().to_vec(), follower.history.column("loss").unwrap_or(&[]).to_vec())
}

fn launch(window: &mut Window, out: &Path) {
    app(window).shared.ask(Action::Launch { arguments: arguments(out, STEPS), out: out.to_owned() });
    window.step();
    window.step();
}

/// As the button does, without the probes at the end, which would take longer than all steps.
fn resume(window: &mut Window, out: &Path) {
    let place = out.display().to_string();
    let arguments = ["train", "i-jepa", "--resume", "--device", "cpu", "--no-probes", "--out", &place];
    let arguments = arguments.map(str::to_owned).to_vec();
    app(window).shared.ask(Action::Launch { arguments, out: out.to_owned() });
    window.step();
    window.step();
}

#[test]
#[ignore = "needs the training program; minutes"]
fn a_training_that_is_killed_is_shown_and_resumed_from_the_app_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let whole = runs.join("whole");
    let clock = Instant::now();
    let status = Command::new(program().path).args(arguments(&whole, STEPS)).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    let usual = clock.elapsed();
    let expected = history(&whole);
    assert_eq!(expected.0, (1..=STEPS).collect::<Vec<_>>());

    let mut window = window(&runs);
    let mut moments = Stream::new(1, Purpose::Test, 0, 0);
    let (mut killed, mut early, mut finished, mut shown) = (0, 0, 0, Vec::new());
    while killed < count() {
        let out = runs.join(format!("run-{finished}-{killed}"));
        launch(&mut window, &out);
        loop {
            draw(&mut window, usual.mul_f32(moments.uniform()));
            let Some(process) = app(&mut window).shared.children.process(&out).filter(|_| killed < count()) else {
                break;
            };
            let clock = Instant::now();
            kill(process);
            wait(&mut window, "the end of the process", |w| {
                w.state().as_ref().unwrap().shared.children.running().next().is_none()
            });
            let Ok(info) = read_info(&out) else {
                // Killed before it began: there is nothing to resume, and the app says what happened.
                (killed, early) = (killed + 1, early + 1);
                launch(&mut window, &out);
                continue;
            };
            if info.state == RunState::Finished {
                break;
            }
            killed += 1;
            wait(&mut window, "death", shows("died"));
            shown.push(clock.elapsed().as_secs_f64());
            resume(&mut window, &out);
        }
        // Whatever it is at, it is let through, and has lost nothing.
        let ended = out.clone();
        wait(&mut window, "its end", move |_| read_info(&ended).is_ok_and(|info| info.state == RunState::Finished));
        assert_eq!(history(&out), expected, "{}", out.display());
        for index in app(&mut window).shared.notices.visible() {
            app(&mut window).shared.notices.dismiss(index);
        }
        finished += 1;
    }
    println!(
        "{killed} kills of the training over {finished} runs ({early} before it began): shown by the app after {}; every \
         run ended with the steps and losses of one that was left alone",
        told(shown)
    );
}

/// Kills what trains in a folder when the test ends, whatever way.
struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(process) = holder(&self.0) {
            kill(process);
        }
    }
}

const FOLDER: &str = "JEPA_KILLS_RUNS";
/// Before the step that an app shows, on its output.
const SEES: &str = "sees step ";

/// The app in a process of its own; it begins a training where there is none and then tells what it sees for ever.
#[test]
#[ignore = "a part of the next one"]
fn an_app_to_be_killed() {
    let Some(runs) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let run = runs.join("long");
    let mut window = window(&runs);
    if run.exists() {
        app(&mut window).shared.ask(Action::OpenRun(run.clone()));
    } else {
        let arguments = arguments(&run, 10_000_000);
        app(&mut window).shared.ask(Action::Launch { arguments, out: run.clone() });
    }
    loop {
        draw(&mut window, Duration::from_millis(20));
        let step = app(&mut window).shared.followers.get(&run).map_or(0, |follower| follower.history.step());
        if step > 0 && shows("running")(&window) {
            let mut out = std::io::stdout();
            if writeln!(out, "{SEES}{step}").and_then(|()| out.flush()).is_err() {
                return;
            }
        }
    }
}

fn start(runs: &Path) -> (Child, Receiver<u64>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kills::an_app_to_be_killed", "--exact", "--ignored", "--nocapture"]).env(FOLDER, runs);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (sender, seen) = channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    std::thread::spawn(move || {
        let steps = lines.map_while(Result::ok).filter_map(|line| line.rsplit_once(SEES)?.1.trim().parse().ok());
        for step in steps {
            if sender.send(step).is_err() {
                return;
            }
        }
    });
    (child, seen)
}

#[test]
#[ignore = "needs the training program; minutes"]
fn an_app_that_is_killed_harms_no_training_and_the_next_one_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("long");
    let _guard = Guard(run.clone());
    let mut moments = Stream::new(2, Purpose::Test, 0, 0);
    let (mut process, mut last, mut found) = (None, 0, Vec::new());
    for number in 0..count() {
        let clock = Instant::now();
        let (mut child, seen) = start(folder.path());
        // Every second one dies at any moment, the others after they have found a training that has gone on.
        if number % 2 == 0 {
            while let Ok(step) = seen.recv_timeout(Duration::from_secs(60)) {
                if step > last {
                    found.push(clock.elapsed().as_secs_f64());
                    last = step;
                    break;
                }
            }
        }
        std::thread::sleep(Duration::from_secs_f32(0.8 * moments.uniform()));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = holder(&run);
        assert!(now.is_some(), "nobody trains after kill {number}");
        assert_eq!(*process.get_or_insert(now), now, "another process trains after kill {number}");
    }
    assert_eq!(found.len(), count().div_ceil(2), "an app did not find the training, or it stood still");
    let mut window = window(folder.path());
    app(&mut window).shared.ask(Action::OpenRun(run.clone()));
    wait(&mut window, "the training", |w| w.query_by_label("Stop").is_some());
    assert_eq!(app(&mut window).screen(), ScreenId::Run);
    window.get_by_label("Stop").click();
    wait(&mut window, "its end", shows("stopped"));
    let (steps, _) = history(&run);
    let last = steps.last().copied().unwrap_or(0);
    assert_eq!(steps, (1..=last).collect::<Vec<_>>(), "a step is missing, or there twice");
    assert_eq!(checkpoints(&run).last().map(|(step, _)| *step), Some(last));
    println!(
        "{} kills of the app: one process trained on through all of them to step {last}, which it saved on request; a new \
         app showed it after {} from its start",
        count(),
        told(found)
    );
}
