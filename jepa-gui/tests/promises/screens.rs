//! Every screen driven by its labels, without a window or a graphics adapter.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use jepa_core::runlog::{Event, RunFolder, RunInfo, RunState};
use jepa_gui::runs::Program;
use jepa_gui::screens::ScreenId;

use crate::harness::{Window, app, program, shows, wait, window};

fn finished_run(folder: &Path, name: &str, steps: u64) -> PathBuf {
    let path = folder.join(name);
    let tiny = &jepa_core::plugin::find("i-jepa").unwrap().presets().unwrap();
    let config = &tiny.iter().find(|p| p.name == "tiny").unwrap().config;
    let info = RunInfo {
        variant: "i-jepa".into(),
        preset: "tiny".into(),
        version: "0".into(),
        engine: "cpu".into(),
        replicas: 1,
        seed: 0,
        state: RunState::Interrupted,
        command: vec!["cargo".into(), "xtask".into(), "train".into()],
        from: None,
        started: 1_700_000_000,
    };
    let mut run = RunFolder::create(&path, config, &info).unwrap();
    let (data, engine) = ("built-in pictures".to_owned(), "cpu, 1 replica".to_owned());
    run.log(&Event::Start { step: 1, steps: 60, data, parameters: 12_345, engine });
    for step in 1..=steps {
        let terms = [("energy".to_owned(), 0.5 / step as f64), ("context_tokens".to_owned(), 6.0)].into();
        let loss = 0.5 / step as f64;
        run.log(&Event::Step { step, loss, terms, lr: 1e-3, decay: 0.04, momentum: 0.99, grad_norm: 1.0, rate: 99.0 });
    }
    let figures = |std| jepa_core::collapse::Diagnostics {
        std,
        rank_me: 9.0,
        participation: 4.0,
        content: 0.5,
        entropy_rank: None,
        uniformity: None,
        dead: None,
        student_distance: None,
    };
    run.log(&Event::Collapse { step: 1, figures: figures(0.5) });
    run.log(&Event::Collapse { step: steps, figures: figures(0.01) });
    run.log(&Event::Warning { step: steps, message: "the embeddings are collapsing".into() });
    run.log(&Event::End { step: steps, state: RunState::Interrupted });
    path
}

#[test]
fn the_gallery_shows_every_variant_of_the_registry_and_an_empty_folder_says_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window(folder.path());
    wait(&mut window, "the list of runs", shows("No runs yet"));
    for plugin in jepa_core::plugin::variants().unwrap() {
        let title = plugin.description.title;
        assert!(window.query_by_label(&format!("Try {title} now")).is_some(), "{title}");
    }
    for screen in ["Run", "Embeddings", "Sample"] {
        window.get_by_label(screen).click();
        window.run_ok();
        assert!(window.query_all_by_label_contains("No run").next().is_some(), "{screen} without a run");
    }
}

#[cfg(unix)]
#[test]
fn one_click_starts_the_command_a_terminal_would() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (script, said) = (folder.path().join("program"), folder.path().join("said"));
    fs::write(&script, format!("#!/bin/sh\necho \"$@\" >> '{}'\necho no data here >&2\nexit 1\n", said.display()))
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let runs = folder.path().join("runs");
    let mut window = window(&runs);
    app(&mut window).shared.program = Some(Program { path: script, shown: "cargo xtask".into() });
    window.run_ok();
    window.get_by_label("Try I-JEPA now").click();
    wait(&mut window, "the run", |w| w.state().as_ref().unwrap().screen() == ScreenId::Run);
    wait(&mut window, "the program", |_| fs::read_to_string(&said).is_ok_and(|s| s.contains("train")));
    let out = runs.join("i-jepa-small-1");
    let expected = format!("train i-jepa --preset small --data builtin --out {}", out.display());
    assert!(fs::read_to_string(&said).unwrap().lines().any(|line| line == expected));
    // Its last words are shown, whichever way it ends.
    wait(&mut window, "its last words", shows("no data here"));
}

#[test]
fn the_form_shows_the_schema_and_finds_settings_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window(folder.path());
    window.get_by_label("Launch").click();
    wait(&mut window, "the command", shows("--preset"));
    wait(&mut window, "the verdict of the library", shows("Sound"));
    assert!(window.query_all_by_label_contains("Learning rate of step 0").next().is_some(), "help from the schema");
    window.get_by_label("Find a setting").focus();
    window.run_ok();
    window.get_by_label("Find a setting").type_text("diagnose_every");
    window.run_ok();
    assert!(window.query_all_by_label("diagnose_every").next().is_some());
    assert!(window.query_all_by_label("checkpoint_every").next().is_none());
}

#[cfg(unix)]
#[test]
fn an_engine_that_the_program_was_built_without_is_offered_with_the_command_that_builds_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("program");
    fs::write(&script, "#!/bin/sh\necho '{ \"engines\": [\"auto\", \"cpu\"] }'\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut window = window(&folder.path().join("runs"));
    app(&mut window).shared.program = Some(Program { path: script, shown: "cargo xtask".into() });
    window.get_by_label("Launch").click();
    wait(&mut window, "the verdict of the library", shows("Sound"));
    // Samples that arrive move what is below them, and a click would miss it.
    wait(&mut window, "samples", shows("Masks"));
    window.run_steps(10);
    let can_start = |w: &Window| !w.get_by_label("Start training").accesskit_node().is_disabled();
    assert!(can_start(&window));
    for (engine, feature) in [("cuda:0: NVIDIA", "cuda"), ("vulkan:0: any GPU through Vulkan", "vulkan")] {
        window.get_by_label("Engine").click();
        wait(&mut window, "the engines", |w| w.query_by_label(engine).is_some());
        window.get_by_label(engine).click();
        wait(&mut window, "the way to it", shows(format!("--features {feature} -- gui")));
        wait(&mut window, "the button", |w| !can_start(w));
    }
    window.get_by_label("Engine").click();
    let cpu = "cpu: pure Rust, the reference";
    wait(&mut window, "the engines", |w| w.query_by_label(cpu).is_some());
    window.get_by_label(cpu).click();
    wait(&mut window, "the button", can_start);
}

#[test]
fn a_run_shows_its_curves_its_log_and_an_alarm_and_survives_the_loss_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = finished_run(folder.path(), "broken", 40);
    let mut window = window(folder.path());
    wait(&mut window, "the run in the list", shows("broken"));
    app(&mut window).shared.selection.run = Some(run.clone());
    app(&mut window).show(ScreenId::Run);
    wait(&mut window, "the log", shows("the embeddings are collapsing"));
    for text in ["step 40 of 60", "Collapse cockpit", "Alarm, spread", "Resume", "stopped"] {
        assert!(window.query_all_by_label_contains(text).next().is_some(), "{text}");
    }
    fs::remove_dir_all(&run).unwrap();
    for _ in 0..50 {
        window.step();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(app(&mut window).screen(), ScreenId::Run);
}

#[test]
fn a_run_goes_to_the_trash_and_comes_back_by_a_click_or_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let run = finished_run(folder.path(), "unloved", 40);
    let mut window = window(folder.path());
    wait(&mut window, "the run in the list", shows("unloved"));
    app(&mut window).shared.selection.run = Some(run.clone());
    app(&mut window).show(ScreenId::Run);
    wait(&mut window, "its buttons", |w| w.query_by_label("Delete").is_some());
    window.get_by_label("Delete").click();
    wait(&mut window, "the way back", |w| w.query_by_label("Undo").is_some());
    assert!(!run.exists());
    assert_eq!(app(&mut window).shared.selection.run, None);
    window.get_by_label("Undo").click();
    wait(&mut window, "the run", shows("unloved is back"));
    assert!(run.join("events.jsonl").is_file());
    wait(&mut window, "its buttons", |w| w.query_by_label("Delete").is_some());
    // Another window finds it in the trash.
    window.get_by_label("Delete").click();
    wait(&mut window, "the way back", |w| w.query_by_label("Undo").is_some());
    let mut window = self::window(folder.path());
    wait(&mut window, "the list of runs", shows("No runs yet"));
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::P);
    window.run_ok();
    window.get_by_label("Command").type_text("take unloved back");
    window.run_ok();
    window.key_press(egui::Key::Enter);
    wait(&mut window, "the run", shows("unloved is back"));
    assert!(run.join("run.json").is_file());
}

#[test]
fn results_of_any_probe_are_tables_and_pictures_and_accuracies_on_the_way_are_drawn() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let run = finished_run(folder.path(), "probed", 40);
    let mut log = fs::File::options().append(true).open(run.join("events.jsonl")).unwrap();
    // An event of a trainer that this program does not know.
    writeln!(log, r#"{{"kind":"probe-on-the-way","step":40,"accuracy":0.715,"time":1.0}}"#).unwrap();
    let mut window = window(folder.path());
    wait(&mut window, "the run in the list", shows("probed"));
    app(&mut window).shared.selection.run = Some(run.clone());
    app(&mut window).show(ScreenId::Run);
    wait(&mut window, "the event in words", shows("probe on the way: accuracy 0.715"));
    assert!(shows("Probe accuracy, percent")(&window));
    window.get_by_label("Probe results").click();
    wait(&mut window, "what would be here", shows("No probe results yet"));
    assert!(shows("--kind knn")(&window));
    let report = r#"{"kind":"unheard-of","time":1,"text":"in words",
        "figures":{"rows":[{"who":"planner","success":0.875},{"who":"chance","success":0.125}]}}"#;
    jepa_core::runlog::write(&run.join("probes/unheard-of/report.json"), report.as_bytes()).unwrap();
    let pixels = egui::ColorImage::filled([4, 4], egui::Color32::RED);
    let png = jepa_gui::widgets::encode_png(&pixels).unwrap();
    jepa_core::runlog::write(&run.join("probes/unheard-of/episode-0.png"), &png).unwrap();
    wait(&mut window, "the picture", shows("episode-0 of unheard-of"));
    for text in ["unheard of", "planner", "0.875", "chance", "success"] {
        assert!(shows(text)(&window), "{text}");
    }
}

#[test]
fn a_click_on_the_legend_hides_a_curve_and_another_brings_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = finished_run(folder.path(), "two-terms", 40);
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap();
    fs::write(run.join("events.jsonl"), text.replace("\"energy\":", "\"variance\":0.25,\"energy\":")).unwrap();
    let mut window = window(folder.path());
    wait(&mut window, "the run in the list", shows("two-terms"));
    app(&mut window).shared.selection.run = Some(run);
    app(&mut window).show(ScreenId::Run);
    let is_shown = |window: &Window| {
        let entries = window.query_all_by_role_and_label(egui::accesskit::Role::CheckBox, "loss");
        entries.map(|node| node.accesskit_node().toggled()).next()
    };
    wait(&mut window, "the legend", |w| is_shown(w).is_some());
    for toggled in [egui::accesskit::Toggled::False, egui::accesskit::Toggled::True] {
        window.get_by_role_and_label(egui::accesskit::Role::CheckBox, "loss").click();
        window.run_ok();
        assert_eq!(is_shown(&window), Some(Some(toggled)));
    }
}

#[test]
fn runs_are_compared_by_what_differs_and_notes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (finished_run(folder.path(), "one", 20), finished_run(folder.path(), "two", 20));
    let text = fs::read_to_string(two.join("config.toml")).unwrap();
    fs::write(two.join("config.toml"), text.replace("seed = 0", "seed = 7")).unwrap();
    let mut window = window(folder.path());
    wait(&mut window, "the runs", shows("one"));
    app(&mut window).shared.selection.compared = vec![one, two];
    app(&mut window).show(ScreenId::Compare);
    wait(&mut window, "the difference", shows("run.seed"));
    app(&mut window).shared.workspace.content.notes.insert("one".into(), "the good one".into());
    app(&mut window).save();
    let mut again = self::window(folder.path());
    assert_eq!(app(&mut again).shared.workspace.content.notes["one"], "the good one");
}

#[test]
fn every_screen_and_command_is_reached_by_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window(folder.path());
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Num6);
    window.run_ok();
    assert_eq!(app(&mut window).screen(), ScreenId::Compare);
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::P);
    window.run_ok();
    window.get_by_label("Command").type_text("show launch");
    window.run_ok();
    window.key_press(egui::Key::Enter);
    window.run_ok();
    assert_eq!(app(&mut window).screen(), ScreenId::Launch);
}

/// Random clicks, keys, texts and sizes: `JEPA_MONKEY=100000` for many.
#[test]
fn random_input_does_no_harm() {
    use jepa_core::random::{Draw as _, Purpose, Stream};
    let folder = tempfile::tempdir().unwrap();
    finished_run(folder.path(), "monkey", 30);
    let count: u64 = std::env::var("JEPA_MONKEY").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    let mut window = window(folder.path());
    // No program: a monkey must not start trainings.
    app(&mut window).shared.program = None;
    let keys =
        [egui::Key::Tab, egui::Key::Enter, egui::Key::Escape, egui::Key::Space, egui::Key::ArrowDown, egui::Key::P];
    for i in 0..count {
        let mut draw = Stream::new(1, Purpose::Test, i, 0);
        let at = egui::pos2(draw.uniform() * 1400.0, draw.uniform() * 900.0);
        let modifiers = if draw.below(4) == 0 { egui::Modifiers::COMMAND } else { egui::Modifiers::NONE };
        match draw.below(8) {
            0..=3 => {
                window.event(egui::Event::PointerMoved(at));
                for pressed in [true, false] {
                    let button = egui::PointerButton::Primary;
                    window.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
                }
            }
            4 => window.key_press_modifiers(modifiers, keys[draw.below(keys.len())]),
            5 => window.event(egui::Event::Text(["1e9", "-3", "Ω", "0.5", "model"][draw.below(5)].to_owned())),
            6 => window.event(egui::Event::MouseWheel {
                unit: egui::MouseWheelUnit::Point,
                delta: egui::vec2(0.0, 200.0 * (draw.uniform() - 0.5)),
                phase: egui::TouchPhase::Move,
                source: egui::MouseWheelSource::Wheel,
                modifiers,
            }),
            _ if i % 7 == 0 => {
                window.set_size(egui::vec2(720.0 + draw.uniform() * 900.0, 480.0 + draw.uniform() * 500.0));
            }
            _ => app(&mut window).show(ScreenId::ALL[draw.below(6)]),
        }
        window.step();
    }
}

/// `cargo build --package xtask; cargo test --package jepa-gui --test promises screens -- --ignored --nocapture`
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs the training program"]
fn a_click_trains_a_stop_saves_a_resume_goes_on_and_neither_death_harms_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let mut window = window(&runs);
    app(&mut window).shared.program = Some(program());
    window.run_ok();
    let clock = Instant::now();
    window.get_by_label("Try I-JEPA now").click();
    let out = runs.join("i-jepa-small-1");
    let run = out.clone();
    wait(&mut window, "the first loss", move |w| {
        let followers = &w.state().as_ref().unwrap().shared.followers;
        followers.get(&run).is_some_and(|f| f.history.step() > 0)
    });
    println!("first loss point {:.2} s after the click", clock.elapsed().as_secs_f64());
    wait(&mut window, "masks", shows("to be predicted"));
    println!("masks of the batch shown after {:.2} s", clock.elapsed().as_secs_f64());
    wait(&mut window, "running", shows("running"));
    let clock = Instant::now();
    window.get_by_label("Stop").click();
    wait(&mut window, "stopped", shows("stopped"));
    println!("stopped and shown {:.2} s after the click", clock.elapsed().as_secs_f64());
    let clock = Instant::now();
    wait(&mut window, "resume", |w| w.query_by_label("Resume").is_some());
    window.get_by_label("Resume").click();
    wait(&mut window, "running", shows("running"));
    println!("running again after {:.2} s", clock.elapsed().as_secs_f64());
    // The window dies, the training goes on, and another window finds it.
    let pid = app(&mut window).shared.children.process(&out).unwrap();
    drop(window);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(jepa_gui::runs::holder(&out), Some(pid));
    let mut again = self::window(&runs);
    app(&mut again).shared.selection.run = Some(out.clone());
    app(&mut again).show(ScreenId::Run);
    wait(&mut again, "re-attached", shows("running"));
    // The training dies, and the window says so.
    let clock = Instant::now();
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    wait(&mut again, "death", shows("died"));
    println!("a killed child is shown after {:.2} s", clock.elapsed().as_secs_f64());
}
