//! Every panel in every state that it was designed for.

use std::fs;

use egui_kittest::kittest::Queryable as _;
use jepa_core::runlog::RunState;
use jepa_gui::runs::Program;
use jepa_gui::screens::ScreenId;
use jepa_gui::shared::Action;

use crate::fixtures::{probed, silent, told, trained};
use crate::studio::{Outcome, Part, Shot, Window, app, open, press, says, settle, show, sized, steps, wait, write};

type Scene = fn() -> Outcome<Shot>;

/// Name and panel.
pub(crate) const SCENES: [(&str, Scene); 34] = [
    ("start-filled", start_filled),
    ("start-no-variant", start_no_variant),
    ("start-runs-empty", start_runs_empty),
    ("start-runs-error", start_runs_error),
    ("launch-filled", launch_filled),
    ("launch-error", launch_error),
    ("launch-no-program", launch_no_program),
    ("launch-no-engine", launch_no_engine),
    ("run-empty", || nothing(ScreenId::Run)),
    ("run-filled", run_filled),
    ("run-alarm", run_alarm),
    ("run-without-events", run_without_events),
    ("run-gone", run_gone),
    ("run-probes-empty", run_probes_empty),
    ("run-probes-filled", run_probes_filled),
    ("run-probes-error", run_probes_error),
    ("branch-empty", branch_empty),
    ("branch-filled", branch_filled),
    ("branch-error", branch_error),
    ("embeddings-empty", || nothing(ScreenId::Embeddings)),
    ("embeddings-filled", embeddings_filled),
    ("embeddings-error", embeddings_error),
    ("sample-empty", || nothing(ScreenId::Sample)),
    ("sample-features", || sample("Features", "Components of block 1", None)),
    ("sample-similarity", || sample("Similarity", "Likeness in block 1", None)),
    ("sample-attention", || sample("Attention", "Attention of layer 2, head 2", None)),
    ("sample-what-if", || sample("What if", "answered in", None)),
    ("sample-training", || sample("Over training", "Mean error over training", None)),
    ("sample-error", || sample("Features", "cannot be looked into", Some("nowhere/at/all"))),
    ("compare-empty", || nothing(ScreenId::Compare)),
    ("compare-none-ticked", compare_none_ticked),
    ("compare-filled", compare_filled),
    ("compare-error", compare_error),
    ("palette-and-notices", palette_and_notices),
];

/// A folder of runs of its own for each scene, so that none depends on another.
fn runs(scene: &str) -> String {
    format!("{scene}-runs")
}

/// A screen where there is no run at all.
fn nothing(screen: ScreenId) -> Outcome<Shot> {
    let mut window = open("no-runs")?;
    show(&mut window, screen, None);
    Ok(Shot::whole(window))
}

fn start_filled() -> Outcome<Shot> {
    let folder = runs("start");
    told(&folder, "i-jepa-tiny-1", RunState::Finished, 9, true)?;
    told(&folder, "i-jepa-tiny-2", RunState::Running, 2, true)?;
    silent(&folder, "i-jepa-tiny-3", RunState::Failed, 1)?;
    let mut window = sized(&folder, [1040.0, 840.0])?;
    gallery(&mut window)?;
    Ok(Shot::whole(window))
}

/// Waits for the pictures of the gallery.
fn gallery(window: &mut Window) -> Outcome {
    for plugin in jepa_core::plugin::variants().map_err(|e| e.to_string())? {
        let name = format!("Masks of {} on a sample", plugin.description.id);
        wait(window, &name, |window| window.query_by_label(&name).is_some())?;
    }
    Ok(())
}

fn start_no_variant() -> Outcome<Shot> {
    let mut window = open("no-runs")?;
    gallery(&mut window)?;
    write(&mut window, "Find a variant", "perpetuum mobile");
    wait(&mut window, "the answer", says("No variant mentions “perpetuum mobile”"))?;
    Ok(Shot::whole(window))
}

fn start_runs_empty() -> Outcome<Shot> {
    let mut window = open("no-runs")?;
    gallery(&mut window)?;
    Ok(Shot { window, part: Part::RightFrom("Recent runs") })
}

fn start_runs_error() -> Outcome<Shot> {
    fs::write("a-file", "no folder of runs").map_err(|e| e.to_string())?;
    let mut window = open("a-file")?;
    gallery(&mut window)?;
    Ok(Shot { window, part: Part::RightFrom("Recent runs") })
}

fn launch(folder: &str) -> Outcome<Window> {
    let mut window = open(folder)?;
    app(&mut window).shared.ask(Action::Configure { variant: "i-jepa".into(), preset: None });
    steps(&mut window, 3);
    wait(&mut window, "the verdict of the library", says("Sound"))?;
    wait(&mut window, "samples", says("Masks"))?;
    wait(&mut window, "what the program answers", says("Engines of the program are not known"))?;
    Ok(window)
}

fn launch_filled() -> Outcome<Shot> {
    Ok(Shot::whole(launch("no-runs")?))
}

fn launch_error() -> Outcome<Shot> {
    let mut window = launch("no-runs")?;
    write(&mut window, "From", "/no/such/folder");
    window.key_press(egui::Key::Tab);
    wait(&mut window, "the error of the data", says("format:path with one of"))?;
    Ok(Shot::whole(window))
}

fn launch_no_program() -> Outcome<Shot> {
    let mut window = launch("no-runs")?;
    app(&mut window).shared.program = None;
    Ok(Shot::whole(window))
}

/// A graphics card is chosen, and the training program was built for none.
fn launch_no_engine() -> Outcome<Shot> {
    use std::os::unix::fs::PermissionsExt as _;
    let (path, answer) = ("without-a-gpu", "#!/bin/sh\necho '{ \"engines\": [\"auto\", \"cpu\"] }'\n");
    fs::write(path, answer).map_err(|e| e.to_string())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    let mut window = launch("no-runs")?;
    app(&mut window).shared.program = Some(Program { path: "./without-a-gpu".into(), shown: "cargo xtask".into() });
    wait(&mut window, "its answer", |window| !says("Engines of the program are not known")(window))?;
    settle(&mut window)?;
    press(&mut window, "Engine");
    press(&mut window, "vulkan:0: any GPU through Vulkan");
    wait(&mut window, "the way to it", says("--features vulkan -- gui"))?;
    Ok(Shot::whole(window))
}

/// The run screen on a run that has said everything.
fn told_run(scene: &str, state: RunState, is_healthy: bool) -> Outcome<Window> {
    let folder = runs(scene);
    told(&folder, "i-jepa-tiny-1", state, 2, is_healthy)?;
    let mut window = sized(&folder, [1040.0, 860.0])?;
    show(&mut window, ScreenId::Run, Some(&format!("{folder}/i-jepa-tiny-1")));
    let (last, batch) = match state {
        RunState::Finished => ("step 300 of 300", "batch of step 300"),
        _ => ("step 200 of 300", "batch of step 200"),
    };
    wait(&mut window, "the log", says(last))?;
    // Those of a step before are shown for a while when the log was read in two pieces.
    wait(&mut window, "masks of the last step", says(batch))?;
    wait(&mut window, "masks", says("to be predicted"))?;
    wait(&mut window, "the load", says("No process trains in this run"))?;
    Ok(window)
}

fn run_filled() -> Outcome<Shot> {
    told_run("run-filled", RunState::Finished, true).map(Shot::whole)
}

/// It says that it is running, its process is gone, and its embeddings were collapsing.
fn run_alarm() -> Outcome<Shot> {
    told_run("run-alarm", RunState::Running, false).map(Shot::whole)
}

fn run_without_events() -> Outcome<Shot> {
    let folder = runs("run-without-events");
    silent(&folder, "i-jepa-tiny-1", RunState::Failed, 2)?;
    let run = format!("{folder}/i-jepa-tiny-1");
    let words = "reading data\nerror: `data.source`: `nowhere` is no folder, no file and no format\n";
    fs::write(format!("{run}/terminal.log"), words).map_err(|e| e.to_string())?;
    fs::remove_file(format!("{run}/events.jsonl")).map_err(|e| e.to_string())?;
    let mut window = open(&folder)?;
    show(&mut window, ScreenId::Run, Some(&run));
    wait(&mut window, "its last words", says("is no folder, no file"))?;
    Ok(Shot::whole(window))
}

fn run_gone() -> Outcome<Shot> {
    let mut window = open("no-runs")?;
    show(&mut window, ScreenId::Run, Some("no-runs/gone"));
    wait(&mut window, "what is wrong", says("not there any more"))?;
    Ok(Shot::whole(window))
}

fn probe_results(scene: &str, done: &'static str, prepare: fn(&str) -> Outcome) -> Outcome<Shot> {
    prepare(&format!("{}/i-jepa-tiny-1", runs(scene)))?;
    let mut window = told_run(scene, RunState::Finished, true)?;
    press(&mut window, "Probe results");
    wait(&mut window, done, says(done))?;
    Ok(Shot::whole(window))
}

fn run_probes_empty() -> Outcome<Shot> {
    probe_results("run-probes-empty", "No probe results yet", |_| Ok(()))
}

fn run_probes_filled() -> Outcome<Shot> {
    probe_results("run-probes-filled", "episode-2 of planning", probed)
}

fn run_probes_error() -> Outcome<Shot> {
    probe_results("run-probes-error", "no probe result", |run| {
        let folder = format!("{run}/probes/linear");
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        fs::write(format!("{folder}/report.json"), "{ \"figures\": ").map_err(|e| e.to_string())?;
        fs::write(format!("{folder}/curve.png"), "no picture").map_err(|e| e.to_string())
    })
}

fn branch_empty() -> Outcome<Shot> {
    let folder = runs("branch-empty");
    silent(&folder, "i-jepa-tiny-1", RunState::Failed, 2)?;
    let mut window = open(&folder)?;
    show(&mut window, ScreenId::Run, Some(&format!("{folder}/i-jepa-tiny-1")));
    wait(&mut window, "the buttons", says("Resume"))?;
    press(&mut window, "Branch…");
    Ok(Shot::whole(window))
}

/// The dialog over a run whose log is lost, so that nothing behind it changes from moment to moment.
fn branch(scene: &str) -> Outcome<Window> {
    let folder = runs(scene);
    told(&folder, "i-jepa-tiny-1", RunState::Finished, 2, true)?;
    fs::remove_file(format!("{folder}/i-jepa-tiny-1/events.jsonl")).map_err(|e| e.to_string())?;
    let mut window = open(&folder)?;
    show(&mut window, ScreenId::Run, Some(&format!("{folder}/i-jepa-tiny-1")));
    wait(&mut window, "its state", says("has written no events"))?;
    press(&mut window, "Branch…");
    Ok(window)
}

fn branch_filled() -> Outcome<Shot> {
    branch("branch-filled").map(Shot::whole)
}

fn branch_error() -> Outcome<Shot> {
    let mut window = branch("branch-error")?;
    // The name that the dialog has chosen is taken while it is open.
    let taken = format!("{}/i-jepa-tiny-1-branch-1", runs("branch-error"));
    fs::create_dir(taken).map_err(|e| e.to_string())?;
    press(&mut window, "Branch and train");
    wait(&mut window, "the error", says("exists already"))?;
    steps(&mut window, 4);
    Ok(Shot::whole(window))
}

fn embeddings_filled() -> Outcome<Shot> {
    let run = trained()?;
    let mut window = open("trained")?;
    show(&mut window, ScreenId::Embeddings, Some(run));
    wait(&mut window, "the map", says("Map: PCA"))?;
    wait(&mut window, "its trust", says("of true neighbours kept"))?;
    Ok(Shot::whole(window))
}

fn embeddings_error() -> Outcome<Shot> {
    let folder = runs("embeddings");
    told(&folder, "i-jepa-tiny-1", RunState::Finished, 2, true)?;
    let run = format!("{folder}/i-jepa-tiny-1");
    let mut window = open(&folder)?;
    show(&mut window, ScreenId::Embeddings, Some(&run));
    wait(&mut window, "its checkpoints", says("Embed"))?;
    press(&mut window, "Embed");
    wait(&mut window, "the error", says("cannot be started"))?;
    Ok(Shot::whole(window))
}

fn sample(mode: &str, done: &'static str, data: Option<&str>) -> Outcome<Shot> {
    let run = trained()?;
    let mut window = open("trained")?;
    show(&mut window, ScreenId::Sample, Some(run));
    wait(&mut window, "the sample", says("Sample 0 of"))?;
    if let Some(data) = data {
        write(&mut window, "Data", data);
        window.key_press(egui::Key::Tab);
        wait(&mut window, done, says(done))?;
        return Ok(Shot::whole(window));
    }
    wait(&mut window, "every layer", says("Components of features,"))?;
    press(&mut window, mode);
    wait(&mut window, done, says(done))?;
    Ok(Shot::whole(window))
}

/// Two runs, the second with another seed, or without its log and with a configuration that is none.
fn compared(scene: &str, is_broken: bool) -> Outcome<(Window, [String; 2])> {
    let folder = runs(scene);
    told(&folder, "first", RunState::Finished, 9, true)?;
    told(&folder, "second", RunState::Running, 2, false)?;
    let runs = ["first", "second"].map(|name| format!("{folder}/{name}"));
    let config = format!("{}/config.toml", runs[1]);
    let text = fs::read_to_string(&config).map_err(|e| e.to_string())?;
    let text = if is_broken { "no toml".to_owned() } else { text.replace("seed = 0", "seed = 7") };
    fs::write(config, text).map_err(|e| e.to_string())?;
    if is_broken {
        fs::remove_file(format!("{}/events.jsonl", runs[1])).map_err(|e| e.to_string())?;
    }
    let mut window = open(&folder)?;
    show(&mut window, ScreenId::Compare, None);
    Ok((window, runs))
}

fn compare_none_ticked() -> Outcome<Shot> {
    compared("compare-none", false).map(|(window, _)| Shot::whole(window))
}

fn compare_filled() -> Outcome<Shot> {
    let (mut window, runs) = compared("compare-filled", false)?;
    app(&mut window).shared.workspace.content.notes.insert("first".into(), "the good one".into());
    app(&mut window).shared.workspace.content.tags.insert("first".into(), vec!["kept".into()]);
    app(&mut window).shared.selection.compared = runs.iter().map(Into::into).collect();
    wait(&mut window, "the difference", says("run.seed"))?;
    wait(&mut window, "both curves", |window| {
        let followers = &window.state().as_ref().unwrap().shared.followers;
        runs.iter()
            .zip([300, 200])
            .all(|(run, last)| followers.get(run.as_ref()).is_some_and(|f| f.history.step() == last))
    })?;
    Ok(Shot::whole(window))
}

fn compare_error() -> Outcome<Shot> {
    let (mut window, runs) = compared("compare-error", true)?;
    app(&mut window).shared.selection.compared = runs.iter().map(Into::into).collect();
    wait(&mut window, "the curve of the sound one", |window| {
        let followers = &window.state().as_ref().unwrap().shared.followers;
        followers.get(runs[0].as_ref()).is_some_and(|f| f.history.step() == 300)
    })?;
    Ok(Shot::whole(window))
}

fn palette_and_notices() -> Outcome<Shot> {
    let mut window = open("no-runs")?;
    let notices = &mut app(&mut window).shared.notices;
    notices.error("i-jepa-tiny-1: its process ended with an error\nerror: the disk is full");
    notices.offer("i-jepa-tiny-2 is in the trash", "Undo", Action::ChooseRuns);
    app(&mut window).show(ScreenId::Compare);
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::P);
    steps(&mut window, 3);
    window.get_by_label("Command").type_text("show");
    steps(&mut window, 3);
    Ok(Shot::whole(window))
}
