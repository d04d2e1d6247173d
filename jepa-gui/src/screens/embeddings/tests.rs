//! The screen as a person uses it: by labels, with features in memory and on disk.

use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use jepa_core::probe::{Features, write_features};

use super::*;
use crate::theme::{self, Theme};

struct Bench {
    screen: Embeddings,
    shared: Shared,
    _folder: tempfile::TempDir,
}

/// Three clusters of twenty samples in five dimensions.
fn features() -> Features {
    let value = |i: usize| ((i * 7919) % 101) as f32 / 50.0 + 10.0 * ((i / 100) as f32 * 2.1 + (i % 5) as f32).sin();
    let labels = (0..60).map(|i| Some(i / 20)).collect();
    Features::new((0..300).map(value).collect(), labels, (0..60).collect(), Vec::new()).unwrap()
}

fn harness(dark: bool) -> Harness<'static, Bench> {
    let folder = tempfile::tempdir().unwrap();
    let shared = Shared::new(folder.path(), &egui::Context::default());
    let bench = Bench { screen: Embeddings::default(), shared, _folder: folder };
    let mut themed = false;
    let theme = if dark { egui::Theme::Dark } else { egui::Theme::Light };
    Harness::builder().with_size([1280.0, 800.0]).with_theme(theme).build_ui_state(
        move |ui, bench: &mut Bench| {
            if !std::mem::replace(&mut themed, true) {
                theme::apply(ui.ctx());
                ui.ctx().set_theme(theme);
            }
            bench.shared.theme = Theme::of(ui.ctx());
            bench.screen.poll(ui.ctx(), &mut bench.shared);
            bench.screen.ui(ui, &mut bench.shared);
        },
        bench,
    )
}

/// Frames until something is there.
fn wait(harness: &mut Harness<'static, Bench>, what: &str, is_there: impl Fn(&Harness<'static, Bench>) -> bool) {
    let clock = Instant::now();
    while !is_there(harness) {
        harness.step();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.elapsed() < Duration::from_secs(60), "waited for {what} in vain");
    }
    harness.step();
    harness.step();
}

fn settled(harness: &Harness<'static, Bench>) -> bool {
    let sides = &harness.state().screen.sides;
    sides.iter().all(|side| side.busy().is_none() && side.judgement != side::Judgement::Open)
}

fn open(harness: &mut Harness<'static, Bench>, at: usize) {
    let path = harness.state()._folder.path().join("features.safetensors");
    write_features(&features(), &path).unwrap();
    let context = harness.ctx.clone();
    let Bench { screen, shared, .. } = harness.state_mut();
    screen.open_at(at, Origin::File(path), &context, shared);
    wait(harness, "the map", settled);
}

#[test]
fn without_features_the_screen_says_what_would_be_here_and_offers_the_next_step() {
    let mut harness = harness(false);
    harness.step();
    harness.get_by_label("No run and no features yet");
    harness.get_by_label("Open a run…").click();
    harness.step();
    assert_eq!(harness.state().shared.asked, [crate::shared::Action::ChooseRun]);
}

#[test]
fn a_file_becomes_a_map_with_its_figures_and_every_method_is_one_click_away() {
    let mut harness = harness(true);
    open(&mut harness, 0);
    harness.get_by_label("60 samples x 5 features");
    harness.get_by_label_contains("Map: PCA of 60 samples, 0 selected");
    harness.get_by_label_contains("of true neighbours kept");
    for method in ["UMAP", "t-SNE", "PCA"] {
        harness.get_by_label(method).click();
        harness.step();
        wait(&mut harness, method, settled);
        harness.get_by_label_contains(&format!("Map: {method} of 60 samples"));
    }
    harness.get_by_label("3-D").click();
    harness.step();
    wait(&mut harness, "a solid map", settled);
    assert!(harness.state().screen.sides[0].camera.is_solid);
}

#[test]
fn a_search_selects_and_a_single_find_lists_its_nearest_samples() {
    let mut harness = harness(false);
    open(&mut harness, 0);
    harness.state_mut().screen.search.text = "class 1".into();
    harness.step();
    harness.get_by_label("20 found");
    harness.get_by_label("Select").click();
    harness.step();
    harness.step();
    assert_eq!(harness.state().screen.selection.samples().len(), 20);
    harness.state_mut().screen.search.text = "25".into();
    harness.step();
    harness.get_by_label("Select").click();
    harness.step();
    wait(&mut harness, "neighbours", |harness| harness.state().screen.sides[0].neighbourhood.is_some());
    harness.get_by_label_contains("are class 1 too");
    let near = harness.state().screen.sides[0].neighbourhood.clone().unwrap();
    assert_eq!(near.of, 25);
    assert!(near.nearest.iter().all(|n| n.index != 25));
    harness.key_press(Key::Escape);
    harness.step();
    assert!(harness.state().screen.selection.is_empty());
}

#[test]
fn clicking_a_point_looks_at_its_sample_and_a_box_selects_what_it_covers() {
    let mut harness = harness(false);
    open(&mut harness, 0);
    let plot = harness.get_by_label_contains("Map: PCA").rect();
    let state = &harness.state().screen;
    let places = state.sides[0].map.as_ref().unwrap().places.clone();
    let projector = state.sides[0].camera.projector(plot);
    let at = projector.at(places[7]).0;
    harness.hover_at(at);
    harness.step();
    // Of points that cover each other the one in front.
    let found = harness.state().screen.selection.hovered().unwrap();
    assert!(projector.at(places[found]).0.distance(at) < 2.0, "{found}");
    harness.drag_at(at);
    harness.step();
    harness.drop_at(at);
    harness.step();
    harness.step();
    assert_eq!(harness.state().screen.selection.focus(), Some(found));
    harness.key_press(Key::B);
    harness.step();
    assert_eq!(harness.state().screen.tool, Tool::Box);
    harness.drag_at(plot.min + egui::vec2(3.0, 3.0));
    harness.step();
    for share in [0.3, 0.6, 1.0] {
        harness.hover_at(plot.min + share * (plot.size() - egui::vec2(6.0, 6.0)) + egui::vec2(3.0, 3.0));
        harness.step();
    }
    harness.drop_at(plot.max - egui::vec2(3.0, 3.0));
    harness.step();
    harness.step();
    assert_eq!(harness.state().screen.selection.samples().len(), 60);
}

#[test]
fn two_maps_stand_side_by_side_with_one_selection() {
    let mut harness = harness(true);
    open(&mut harness, 0);
    open(&mut harness, 1);
    harness.state_mut().screen.selection.look_at(3);
    wait(&mut harness, "neighbours on both", |harness| {
        harness.state().screen.sides.iter().all(|side| side.neighbourhood.is_some())
    });
    harness.get_by_label_contains("Left map: PCA of 60 samples, 0 selected, looking at sample 3");
    harness.get_by_label_contains("Right map: PCA");
    harness.get_by_label("20 on both maps");
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_another_try() {
    let mut harness = harness(false);
    let context = harness.ctx.clone();
    let Bench { screen, shared, .. } = harness.state_mut();
    screen.open_at(0, Origin::File("/no/such/features.safetensors".into()), &context, shared);
    wait(&mut harness, "the error", |harness| harness.state().screen.sides[0].problem.is_some());
    harness.get_by_label("The features are not there");
    harness.get_by_label_contains("/no/such/features.safetensors");
    harness.get_by_label("Try again").click();
    harness.step();
    assert!(harness.state().screen.sides[0].busy().is_some() || harness.state().screen.sides[0].problem.is_some());
}

#[test]
fn options_come_back_and_those_of_another_version_are_put_in_range() {
    let mut screen = Embeddings::default();
    screen.options.choice.method = Method::Umap;
    screen.options.nearest = Nearest(33);
    let stored = screen.settings();
    let mut again = Embeddings::default();
    again.restore(&stored);
    assert_eq!(again.options, screen.options);
    again.restore(&serde_json::json!({ "nearest": 100_000, "choice": { "dims": 17 }, "unknown": [] }));
    assert_eq!((again.options.nearest.0, again.options.choice.dims), (200, 3));
    again.restore(&serde_json::json!("nonsense"));
    assert_eq!(again.options, Options::default());
}

/// Right of the data column, whose buttons open dialogs of the system.
#[test]
fn random_input_does_no_harm() {
    use jepa_core::random::{Draw as _, Purpose, Stream};
    let mut harness = harness(false);
    open(&mut harness, 0);
    let mut draw = Stream::new(11, Purpose::Test, 0, 0);
    let keys = [Key::Num1, Key::Num2, Key::Num3, Key::D, Key::F, Key::L, Key::B, Key::V, Key::Escape, Key::Space];
    for _ in 0..1500 {
        let at = egui::pos2(draw.between(260.0, 1280.0), draw.between(0.0, 800.0));
        match draw.below(6) {
            0 => harness.drag_at(at),
            1 => harness.drop_at(at),
            2 => harness.key_press(keys[draw.below(keys.len())]),
            3 => harness.event(egui::Event::MouseWheel {
                unit: egui::MouseWheelUnit::Point,
                delta: egui::vec2(0.0, draw.between(-90.0, 90.0)),
                phase: egui::TouchPhase::Move,
                source: egui::MouseWheelSource::Wheel,
                modifiers: egui::Modifiers::NONE,
            }),
            _ => harness.hover_at(at),
        }
        harness.step();
    }
    let camera = harness.state().screen.sides[0].camera;
    assert!(camera.reach.is_finite() && camera.centre.iter().all(|v| v.is_finite()));
}
