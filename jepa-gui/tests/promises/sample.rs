//! The sample screen driven by its labels, without a window or a graphics adapter: networks of two steps on built-in data.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable as _;
use jepa_core::device::Engine;
use jepa_core::plugin::{self, Settings, TrainRequest};
use jepa_core::runlog::Silent;
use jepa_gui::screens::ScreenId;

use crate::harness::{Window, app, shows, wait, window};

/// Clicks the picture at a share of its width and height.
fn click_picture(window: &mut Window, share: f32) {
    let rect = window.get_by_label_contains("Sample 0 of").rect();
    let at = rect.min + share * rect.size();
    window.event(egui::Event::PointerMoved(at));
    for pressed in [true, false] {
        let (button, modifiers) = (egui::PointerButton::Primary, egui::Modifiers::NONE);
        window.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
        window.step();
    }
}

/// A run of `variant` in the folder of runs: two steps of its smallest preset.
fn train(folder: &Path, variant: &str) -> PathBuf {
    let out = folder.join(variant);
    let assignments = ["run.checkpoint_every=1", "run.diagnose_every=1"].map(str::to_owned).to_vec();
    let settings =
        Settings { preset: Some("tiny".into()), assignments, steps: Some(2), replicas: Some(1), ..Settings::default() };
    let request = TrainRequest {
        settings,
        out: Some(out.clone()),
        resume: false,
        engine: Engine::cpu(),
        command: Vec::new(),
        stop: Default::default(),
        probes: false,
    };
    plugin::find(variant).unwrap().train(&request, &mut Silent).unwrap();
    out
}

/// The screen on a run, with the sample on it.
fn look(folder: &Path, run: &Path) -> Window {
    let mut window = window(folder);
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    wait(&mut window, "the run in the list", shows(name));
    app(&mut window).shared.selection.run = Some(run.to_owned());
    app(&mut window).show(ScreenId::Sample);
    wait(&mut window, "the sample", shows("Sample 0 of"));
    window
}

#[test]
fn layers_have_their_colours_and_a_click_or_an_arrow_marks_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let run = train(folder.path(), "i-jepa");
    let mut window = look(folder.path(), &run);
    wait(&mut window, "every layer", shows("Components of features,"));
    for text in ["Components of block 1, ", "Components of block 2, ", "weights after 2 steps"] {
        assert!(shows(text)(&window), "{text}");
    }
    assert!(shows("token 0")(&window));
    // 16 patches in four rows: a little below and right of the middle lies the eleventh.
    click_picture(&mut window, 0.6);
    wait(&mut window, "the token under the pointer", shows("token 10"));
    window.key_press(egui::Key::ArrowLeft);
    wait(&mut window, "its neighbour", shows("token 9"));
    window.key_press(egui::Key::ArrowUp);
    wait(&mut window, "the one above", shows("token 5"));
    window.get_by_label("Similarity").click();
    wait(&mut window, "cosines", shows("Likeness in block 1"));
    window.get_by_label_contains("Likeness in block 1").click();
    wait(&mut window, "the layer at the left", shows("Likeness to token 5 in block 1"));
    window.get_by_label("Attention").click();
    wait(&mut window, "heads", shows("Attention of layer 1, head 2"));
    window.get_by_label("Attention of layer 1, head 2").click();
    wait(&mut window, "the head at the left", shows("What token 5 looks at in layer 1, head 2"));
    window.key_press(egui::Key::N);
    wait(&mut window, "the next sample", shows("Sample 1 of"));
}

#[test]
fn a_painted_mask_is_answered_beside_the_runs_own() {
    let folder = tempfile::tempdir().unwrap();
    let run = train(folder.path(), "i-jepa");
    let mut window = look(folder.path(), &run);
    window.get_by_label("What if").click();
    wait(&mut window, "an answer", shows("Mean error"));
    wait(&mut window, "the run's own", shows("The run's own mask of step 1: 0."));
    assert!(shows("smooth-l1")(&window));
    window.get_by_label("Clear all").click();
    wait(&mut window, "what is missing", shows("Paint at least one token"));
    // One token to be seen by mouse, another to be predicted by keyboard.
    window.get_by_label("Context").click();
    window.run_ok();
    click_picture(&mut window, 0.6);
    wait(&mut window, "the first stroke", shows("Seen 1, to be predicted 0, of 16 tokens"));
    window.key_press(egui::Key::T);
    window.run_ok();
    window.key_press(egui::Key::ArrowLeft);
    window.run_ok();
    window.key_press(egui::Key::Enter);
    wait(&mut window, "both sides", shows("Seen 1, to be predicted 1, of 16 tokens"));
    let clock = Instant::now();
    window.get_by_label("Hide the rest").click();
    wait(&mut window, "the answer", shows("Seen 1, to be predicted 15, of 16 tokens"));
    wait(&mut window, "the answer", shows("answered in"));
    assert!(clock.elapsed() < Duration::from_secs(1), "{:?}", clock.elapsed());
}

#[test]
fn errors_over_training_have_a_time_slider() {
    let folder = tempfile::tempdir().unwrap();
    let run = train(folder.path(), "i-jepa");
    let mut window = look(folder.path(), &run);
    window.get_by_label("Over training").click();
    wait(&mut window, "the newest errors", shows("at step 2; yellow is"));
    assert!(shows("Mean error over training: mean error largest")(&window));
    window.get_by_role_and_label(egui::accesskit::Role::Slider, "Training step").set_value_accesskit(0.0);
    wait(&mut window, "those of the first step", shows("at step 1; yellow is"));
}

#[test]
fn two_checkpoints_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let run = train(folder.path(), "i-jepa");
    let mut window = look(folder.path(), &run);
    window.get_by_label("Beside it").click();
    window.run_ok();
    window.get_by_label("i-jepa, untrained").click();
    wait(&mut window, "the second picture", shows("second weights"));
    wait(&mut window, "its name", shows("untrained"));
}

#[test]
fn every_modality_draws_itself_and_what_has_time_plays_and_surprises() {
    let folder = tempfile::tempdir().unwrap();
    for (variant, has_time) in [("v-jepa", true), ("s-jepa", true), ("point-jepa", false)] {
        let run = train(folder.path(), variant);
        let mut window = look(folder.path(), &run);
        wait(&mut window, "every layer", shows("Components of features,"));
        assert_eq!(window.query_by_label("Play").is_some(), has_time, "{variant}");
        if has_time {
            wait(&mut window, "the curve", shows("Surprise over time: surprise largest"));
            window.key_press(egui::Key::Space);
            wait(&mut window, "playing", |w| w.query_by_label("Stop").is_some());
        }
        window.get_by_label("What if").click();
        wait(&mut window, "an answer", shows("Mean error"));
    }
}

#[test]
fn data_that_cannot_be_opened_is_an_error_with_another_try_and_a_run_without_checkpoint_is_untrained() {
    let folder = tempfile::tempdir().unwrap();
    let run = train(folder.path(), "i-jepa");
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let mut window = look(folder.path(), &run);
    assert!(shows("no checkpoint yet")(&window));
    window.get_by_label("Data").focus();
    window.run_ok();
    window.get_by_label("Data").type_text("/no/such/folder");
    window.run_ok();
    window.key_press(egui::Key::Tab);
    wait(&mut window, "the error", shows("This sample cannot be looked into"));
    assert!(window.query_by_label("Try again").is_some());
    assert!(shows("/no/such/folder")(&window));
}
