//! Draws every screen on a folder of runs as PNG files, without a window: the pictures of the documentation.
//!
//! ```sh
//! cargo run -p jepa-gui --example pictures -- runs jepa-gui/docs            # dark
//! cargo run -p jepa-gui --example pictures -- runs /tmp/pictures light
//! ```
//!
//! The newest run is the one that is looked into; it needs a checkpoint, and `JEPA_XTASK` names the training program. Where there is no graphics card a software
//! adapter draws; `VK_ICD_FILENAMES` chooses among several.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui_wgpu;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use jepa_gui::app::App;
use jepa_gui::screens::ScreenId;
use jepa_gui::screens::embeddings::cloud;

use jepa_image as _;
use jepa_motion as _;
use jepa_point as _;
use jepa_skeleton as _;
use jepa_video as _;

/// Points around what the harness shows.
const MARGIN: f32 = 8.0;

type Window = Harness<'static, Option<App>>;
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (Some(runs), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("give a folder of runs and a folder for the pictures".into());
    };
    let out = PathBuf::from(out);
    std::fs::create_dir_all(&out)?;
    let theme = arguments.next().unwrap_or_else(|| "dark".into());
    let mut window = window(Path::new(&runs), &theme);
    wait(&mut window, "the runs", |w| app(w).is_some_and(|app| app.shared.library.looked))?;
    if app(&window).is_some_and(|app| app.shared.selection.run.is_none()) {
        return Err(format!("`{runs}` holds no runs").into());
    }
    let take = |name: &str, window: &mut Window| -> Outcome {
        for _ in 0..8 {
            window.step();
        }
        // Without the frame that the harness draws around.
        let (whole, edge) = (window.render()?, MARGIN as u32);
        let (width, height) = (whole.width() - 2 * edge, whole.height() - 2 * edge);
        image::imageops::crop_imm(&whole, edge, edge, width, height)
            .to_image()
            .save(out.join(format!("{name}.png")))?;
        println!("{name}.png");
        Ok(())
    };

    // Pictures of the gallery are drawn in the background.
    let clock = Instant::now();
    wait(&mut window, "the gallery", |_| clock.elapsed() > Duration::from_secs(8))?;
    take("start", &mut window)?;

    press(&mut window, "Launch");
    wait(&mut window, "the form", says("Sound"))?;
    wait(&mut window, "samples", says("Masks"))?;
    let clock = Instant::now();
    wait(&mut window, "their pictures", |_| clock.elapsed() > Duration::from_secs(3))?;
    take("launch", &mut window)?;

    show(&mut window, ScreenId::Run);
    wait(&mut window, "the run", says("Collapse cockpit"))?;
    let clock = Instant::now();
    wait(&mut window, "its masks", |_| clock.elapsed() > Duration::from_secs(4))?;
    take("run", &mut window)?;

    show(&mut window, ScreenId::Embeddings);
    wait(&mut window, "its checkpoints", says("Checkpoint"))?;
    press(&mut window, "test");
    let label = if window.query_by_label("Open").is_some() { "Open" } else { "Embed" };
    press(&mut window, label);
    wait(&mut window, "a map", says("Map: PCA"))?;
    press(&mut window, "UMAP");
    wait(&mut window, "its trust", |w| says("Map: UMAP")(w) && says("of true neighbours kept")(w))?;
    look_at_a_point(&mut window)?;
    let clock = Instant::now();
    wait(&mut window, "thumbnails", |_| clock.elapsed() > Duration::from_secs(4))?;
    take("embeddings", &mut window)?;

    show(&mut window, ScreenId::Sample);
    wait(&mut window, "features", says("features"))?;
    wait(&mut window, "colours", says("strongest components"))?;
    take("sample", &mut window)?;
    press(&mut window, "What if");
    wait(&mut window, "an answer", says("answered in"))?;
    take("what-if", &mut window)?;

    if let Some(app) = window.state_mut() {
        app.shared.selection.compared = app.shared.library.runs.iter().map(|run| run.path.clone()).collect();
    }
    show(&mut window, ScreenId::Compare);
    wait(&mut window, "curves", says("Smoothing"))?;
    take("compare", &mut window)
}

fn window(runs: &Path, theme: &str) -> Window {
    let (runs, theme) = (runs.to_owned(), theme.to_owned());
    let state = create_render_state(default_wgpu_setup(), egui_wgpu::RendererOptions::PREDICTABLE);
    let renderer = WgpuTestRenderer::from_render_state(state.clone());
    let draw = move |ui: &mut egui::Ui, app: &mut Option<App>| {
        let context = ui.ctx().clone();
        let app = app.get_or_insert_with(|| {
            let mut app = App::new(&runs, &context);
            cloud::install(&state, &context);
            app.choose_theme(&theme, &context);
            app.shared.adapters = vec![state.adapter.get_info().name];
            app
        });
        app.poll(&context);
        app.draw(ui);
    };
    let size = [1360.0 + 2.0 * MARGIN, 860.0 + 2.0 * MARGIN];
    Harness::builder().with_size(size).with_render_cursor(false).renderer(renderer).build_ui_state(draw, None)
}

/// Its app, once it was drawn.
fn app(window: &Window) -> Option<&App> {
    window.state().as_ref()
}

fn show(window: &mut Window, screen: ScreenId) {
    if let Some(app) = window.state_mut() {
        app.show(screen);
    }
    window.step();
}

fn press(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    window.step();
    window.step();
}

/// Places on the map are tried until one has a point.
fn look_at_a_point(window: &mut Window) -> Outcome {
    let rect = window.get_by_label_contains("Map: ").rect();
    for try_ in 0..200u32 {
        // A grid of 20 columns whose rows go from the middle outwards.
        let (column, row) = ((try_ * 7) % 20, try_ / 20);
        let y = 0.5 + 0.04 * f32::from(row.div_ceil(2) as u8) * if row % 2 == 0 { 1.0 } else { -1.0 };
        let at = rect.min + egui::vec2(0.1 + 0.04 * column as f32, y) * rect.size();
        window.hover_at(at);
        window.step();
        window.drag_at(at);
        window.step();
        window.drop_at(at);
        window.step();
        window.step();
        if says("1 sample and its")(window) {
            return wait(window, "neighbours", says(" too"));
        }
    }
    Err("the map shows no points".into())
}

fn says(text: &'static str) -> impl Fn(&Window) -> bool {
    move |window| window.query_all_by_label_contains(text).next().is_some()
}

fn wait(window: &mut Window, what: &str, done: impl Fn(&Window) -> bool) -> Outcome {
    let clock = Instant::now();
    while !done(window) {
        if clock.elapsed() > Duration::from_secs(120) {
            return Err(format!("waited for {what} in vain").into());
        }
        window.step();
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
