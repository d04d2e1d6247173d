//! The app before a camera: drawn by a software adapter, in one size, with what changes from moment to moment blanked out.

use std::path::Path;
use std::time::{Duration, Instant};

use eframe::{egui_wgpu, wgpu};
use egui::epaint::{ClippedShape, RectShape};
use egui::{Color32, Shape};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use jepa_gui::app::App;
use jepa_gui::jobs;
use jepa_gui::runs::Program;
use jepa_gui::screens::ScreenId;
use jepa_gui::screens::embeddings::cloud;

use jepa_image as _;
use jepa_motion as _;
use jepa_point as _;
use jepa_skeleton as _;
use jepa_video as _;

use crate::pictures;

pub(crate) type Outcome<T = ()> = Result<T, String>;
pub(crate) type Window = Harness<'static, Option<App>>;

/// Points around what the harness shows.
const MARGIN: f32 = 8.0;

/// Frames without a change after which a window is at rest: what is measured in one frame is used in the next, and a panel
/// inside another is one frame later.
const STILL: usize = 6;
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two frames while others are at work.
const PAUSE: Duration = Duration::from_millis(5);
/// The work that goes on as long as its panel is shown: it measures the machine.
const WATCH: &str = "System";

/// Labels whose text is another one every time or on every machine: whatever holds one of these words, with the points
/// across that are blanked out for it.
const BLANKED: [(&str, f32); 2] = [("This machine:", 300.0), ("answered in", 160.0)];

/// The software adapter in words, or why there is none. The harness prefers one to any other.
pub(crate) fn adapter() -> Outcome<String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let state = std::panic::catch_unwind(|| render_state().adapter.get_info());
    std::panic::set_hook(hook);
    let info = state.map_err(|_| "there is no graphics adapter")?;
    match info.device_type {
        wgpu::DeviceType::Cpu => Ok(info.name),
        _ => Err(format!("`{}` is no software adapter", info.name)),
    }
}

fn render_state() -> egui_wgpu::RenderState {
    create_render_state(default_wgpu_setup(), egui_wgpu::RendererOptions::PREDICTABLE)
}

/// What of the window is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// The column that begins with this label, to the right edge.
    RightFrom(&'static str),
}

/// A panel that is ready to be taken.
pub(crate) struct Shot {
    pub(crate) window: Window,
    pub(crate) part: Part,
}

impl Shot {
    pub(crate) fn whole(window: Window) -> Self {
        Self { window, part: Part::Whole }
    }

    /// Takes it light and dark and compares both with what is kept.
    pub(crate) fn take(mut self, name: &str) -> Outcome {
        let mut problems = Vec::new();
        for theme in ["light", "dark"] {
            let context = self.window.ctx.clone();
            app(&mut self.window).choose_theme(theme, &context);
            settle(&mut self.window)?;
            let mut image = self.window.render()?;
            for rect in blanks(&self.window) {
                pictures::blank(&mut image, rect);
            }
            let whole = self.window.ctx.content_rect().shrink(MARGIN);
            let left = match self.part {
                Part::Whole => whole.left(),
                Part::RightFrom(label) => self.window.get_by_label(label).rect().left() - MARGIN,
            };
            let image = pictures::crop(&image, whole.with_min_x(left));
            problems.extend(pictures::compare(&image, &format!("{name}-{theme}")).err());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }
}

/// Where the picture says what is true of this moment only.
fn blanks(window: &Window) -> Vec<egui::Rect> {
    let mut found = Vec::new();
    for (words, width) in BLANKED {
        let labels = window.query_all_by_label_contains(words).map(|node| node.rect());
        found.extend(labels.map(|rect| rect.with_max_x(rect.left() + width)));
    }
    // The load of the machine, from its title to the log below.
    let log = window.query_all_by_label("Terminal").map(|node| node.rect().top()).fold(f32::INFINITY, f32::min);
    let right = window.ctx.content_rect().right();
    for title in window.query_all_by_label("System").map(|node| node.rect()) {
        found.push(egui::Rect::from_min_max(
            title.left_bottom(),
            egui::pos2(right, log.min(title.bottom() + 110.0) - 6.0),
        ));
    }
    found
}

/// The app over a folder of runs, which is looked into by then.
pub(crate) fn open(folder: &str) -> Outcome<Window> {
    sized(folder, [1040.0, 700.0])
}

/// The same in another size, in points.
pub(crate) fn sized(folder: &str, size: [f32; 2]) -> Outcome<Window> {
    let folder = Path::new(folder).to_owned();
    let state = render_state();
    let renderer = WgpuTestRenderer::from_render_state(state.clone());
    let draw = move |ui: &mut egui::Ui, app: &mut Option<App>| {
        let context = ui.ctx().clone();
        let app = app.get_or_insert_with(|| {
            let mut app = App::new(&folder, &context);
            cloud::install(&state, &context);
            context.all_styles_mut(|style| style.visuals.text_cursor.blink = false);
            app.shared.adapters = vec!["a software adapter".into()];
            app.shared.program = Some(Program { path: "no-program".into(), shown: "cargo xtask".into() });
            app
        });
        app.poll(&context);
        app.draw(ui);
    };
    let size = size.map(|points| points + 2.0 * MARGIN);
    let builder = Harness::builder().with_size(size).with_max_steps(8).with_render_cursor(false).renderer(renderer);
    let mut window = builder.build_ui_state(draw, None);
    wait(&mut window, "the runs", |window| window.state().as_ref().is_some_and(|app| app.shared.library.looked))?;
    Ok(window)
}

pub(crate) fn app(window: &mut Window) -> &mut App {
    window.state_mut().as_mut().unwrap()
}

/// A screen on a run.
pub(crate) fn show(window: &mut Window, screen: ScreenId, run: Option<&str>) {
    let app = app(window);
    app.shared.selection.run = run.map(|run| run.into());
    app.show(screen);
    steps(window, 2);
}

pub(crate) fn press(window: &mut Window, label: &str) {
    // What is out of sight cannot be pressed. The tree of all widgets, which a query without an answer prints, helps nobody.
    let found = |window: &Window| window.query_by_label(label).map(|node| node.scroll_to_me()).is_some();
    assert!(found(window), "there is no `{label}` to be pressed");
    steps(window, 3);
    window.get_by_label(label).click();
    steps(window, 3);
    // What is hovered is drawn in another colour, and its hint may come up.
    window.remove_cursor();
    steps(window, 2);
}

pub(crate) fn write(window: &mut Window, label: &str, text: &str) {
    window.get_by_label(label).focus();
    steps(window, 2);
    window.get_by_label(label).type_text(text);
    steps(window, 2);
}

pub(crate) fn steps(window: &mut Window, count: usize) {
    for _ in 0..count {
        window.step();
    }
}

pub(crate) fn says(text: &'static str) -> impl Fn(&Window) -> bool {
    move |window| window.query_all_by_label_contains(text).next().is_some()
}

pub(crate) fn wait(window: &mut Window, what: &str, done: impl Fn(&Window) -> bool) -> Outcome {
    let clock = Instant::now();
    while !done(window) {
        if clock.elapsed() > PATIENCE {
            let labels = window.query_all_by(|node| node.label().is_some());
            let seen: Vec<String> = labels.filter_map(|node| node.accesskit_node().label()).take(80).collect();
            return Err(format!("waited for {what} in vain; there is: {}", seen.join(" | ")));
        }
        window.step();
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Draws until the window has come to rest: nothing is at work in the background, and what is drawn stays the same for
/// [`STILL`] frames. A panel that never does is a fault of the panel.
pub(crate) fn settle(window: &mut Window) -> Outcome {
    let clock = Instant::now();
    let (mut last, mut still) = (drawn(window), 0);
    while still < STILL {
        let busy: Vec<String> = jobs::at_work().into_iter().filter(|title| title != WATCH).collect();
        if clock.elapsed() > PATIENCE {
            return Err(format!("it does not come to rest; at work: {busy:?}"));
        }
        if !busy.is_empty() {
            std::thread::sleep(PAUSE);
        }
        window.step();
        let now = drawn(window);
        still = if busy.is_empty() && now == last { still + 1 } else { 0 };
        last = now;
    }
    Ok(())
}

/// What a frame has drawn, without what is blanked out in its picture.
fn drawn(window: &Window) -> Vec<ClippedShape> {
    let blanked = blanks(window);
    let is_seen = |shape: &&ClippedShape| {
        let rect = shape.shape.visual_bounding_rect().intersect(shape.clip_rect);
        !blanked.iter().any(|blank| blank.contains_rect(rect))
    };
    let shapes = window.output().shapes.iter().filter(is_seen).cloned();
    shapes.map(|shape| ClippedShape { shape: alike(shape.shape), ..shape }).collect()
}

/// The shape as it compares: a call of the graphics adapter is another one every frame, and counts by its place.
fn alike(shape: Shape) -> Shape {
    match shape {
        Shape::Callback(call) => Shape::Rect(RectShape::filled(call.rect, 0.0, Color32::BLACK)),
        Shape::Vec(shapes) => Shape::Vec(shapes.into_iter().map(alike).collect()),
        shape => shape,
    }
}
