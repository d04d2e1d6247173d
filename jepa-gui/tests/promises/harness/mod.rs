//! The app without a window or a graphics adapter, with every modality registered.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use jepa_gui::app::App;
use jepa_gui::runs::Program;

use jepa_image as _;
use jepa_motion as _;
use jepa_point as _;
use jepa_skeleton as _;
use jepa_video as _;

pub(crate) type Window = Harness<'static, Option<App>>;

pub(crate) fn window(folder: &Path) -> Window {
    let folder = folder.to_owned();
    let draw = move |ui: &mut egui::Ui, app: &mut Option<App>| {
        let context = ui.ctx().clone();
        let app = app.get_or_insert_with(|| App::new(&folder, &context));
        app.poll(&context);
        app.draw(ui);
    };
    let mut window = Harness::builder().with_size([1400.0, 900.0]).with_max_steps(8).build_ui_state(draw, None);
    window.run_ok();
    window
}

/// The training program: the one that `JEPA_XTASK` names, else the one that was built beside the tests.
pub(crate) fn program() -> Program {
    let test = std::env::current_exe().unwrap();
    let beside = || test.ancestors().nth(2).unwrap().join("xtask");
    let path = std::env::var_os("JEPA_XTASK").map_or_else(beside, PathBuf::from);
    // Tests run in the folder of their package; a path is meant as seen from the workspace.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    assert!(path.is_file(), "`{}` is not there: cargo build --package xtask", path.display());
    Program { path, shown: "cargo xtask".into() }
}

pub(crate) fn app(window: &mut Window) -> &mut App {
    window.state_mut().as_mut().unwrap()
}

pub(crate) fn wait(window: &mut Window, what: &str, done: impl Fn(&Window) -> bool) {
    let clock = Instant::now();
    loop {
        window.step();
        if done(window) {
            return;
        }
        assert!(clock.elapsed() < Duration::from_secs(60), "{what} does not appear");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn shows(text: impl Into<String>) -> impl Fn(&Window) -> bool {
    let text = text.into();
    move |window| window.query_all_by_label_contains(&text).next().is_some()
}
