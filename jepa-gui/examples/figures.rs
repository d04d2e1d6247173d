//! Measures what the embeddings screen promises, one JSON line a figure, on synthetic features (ten Gaussian clusters):
//!
//! ```sh
//! cargo run -p jepa-gui --example figures            # all; or some of: pca neighbours tsne umap trust frames memory
//! ```
//!
//! `frames` draws with the software adapter where there is one; `VK_ICD_FILENAMES` chooses among several.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use eframe::egui_wgpu;
use egui_kittest::Harness;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_gui::analysis::{Index, Matrix, Metric, Pca, Trust, Tsne, Umap, umap};
use jepa_gui::screens::embeddings::camera::Camera;
use jepa_gui::screens::embeddings::cloud::{self, Cloud, Points, Stress};
use serde_json::{Value, json};

const CLUSTERS: usize = 10;

fn main() -> jepa_core::Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let large = ["pca", "neighbours", "trust", "memory"].into_iter().any(is_asked);
    if large {
        measure_large(&is_asked)?;
    }
    let small = ["tsne", "umap"].into_iter().any(is_asked);
    if small {
        measure_maps(&is_asked)?;
    }
    if is_asked("frames") {
        for count in [20_000, 100_000] {
            for is_solid in [false, true] {
                frames(count, is_solid);
            }
        }
    }
    Ok(())
}

fn say(figure: &str, value: Value) {
    println!("{}", json!({ "figure": figure, "value": value }));
}

/// Seconds that something takes, with what it gives.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let clock = Instant::now();
    let result = work();
    (clock.elapsed().as_secs_f64(), result)
}

fn features(rows: usize, width: usize) -> Vec<f32> {
    let mut draw = Stream::new(0, Purpose::Synthesis, 0, 0);
    let centres: Vec<f32> = (0..CLUSTERS * width).map(|_| 2.0 * draw.normal()).collect();
    (0..rows)
        .flat_map(|row| (0..width).map(move |i| (row % CLUSTERS) * width + i))
        .map(|at| centres[at] + draw.normal())
        .collect()
}

fn measure_large(is_asked: &impl Fn(&str) -> bool) -> jepa_core::Result<()> {
    let (rows, width) = (100_000, 256);
    let values = features(rows, width);
    let samples = Matrix::new(&values, width)?;
    let name = |what: &str| format!("{what}, {rows} x {width}");
    let (seconds, pca) = timed(|| Pca::fit(samples, 10));
    let pca = pca?;
    let (projection, map) = timed(|| pca.project(samples, &[0, 1]));
    let map = map?;
    if is_asked("pca") {
        say(&name("principal components"), json!({ "fit_s": seconds, "project_s": projection, "target_s": 2.0 }));
    }
    let (seconds, index) = timed(|| Index::new(samples, Metric::Cosine));
    if is_asked("neighbours") {
        let mut queries: Vec<f64> =
            (0..50).map(|i| timed(|| index.nearest(samples.row(i * 1999), 20, Some(i * 1999))).0).collect();
        queries.sort_by(f64::total_cmp);
        let (median, worst) = (queries[25], queries[49]);
        let value = json!({ "prepare_s": seconds, "median_s": median, "worst_s": worst, "target_s": 0.1 });
        say(&name("exact nearest neighbours of one sample"), value);
    }
    if is_asked("trust") {
        let (seconds, trust) = timed(|| Trust::of(&index, &map, 2, 10, 2000, &()));
        let trust =
            trust.map(|t| json!({ "trustworthiness": t.trustworthiness, "kept": t.kept, "queries": t.queries }));
        say(&name("trust of a map"), json!({ "seconds": seconds, "trust": trust }));
    }
    if is_asked("memory") {
        say(&name("largest memory of this process with features, index and map"), memory());
    }
    Ok(())
}

/// The most memory the process has had, where the system says so.
fn memory() -> Value {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(Value::Null, |kib| json!({ "MB": kib * 1024.0 / 1e6, "target_MB": 500.0 }))
}

fn measure_maps(is_asked: &impl Fn(&str) -> bool) -> jepa_core::Result<()> {
    let (rows, width) = (5000, 256);
    let values = features(rows, width);
    let samples = Matrix::new(&values, width)?;
    let begin = || -> jepa_core::Result<(Index, Vec<f32>)> {
        let start = Pca::fit(samples, 2)?.project(samples, &[0, 1])?;
        Ok((Index::new(samples, Metric::Cosine), start))
    };
    let watch = |clock: Instant, until: usize| {
        move |iteration: usize, times: &mut Vec<f64>| {
            times.push(clock.elapsed().as_secs_f64());
            if iteration == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    };
    if is_asked("tsne") {
        let clock = Instant::now();
        let (index, start) = begin()?;
        if let Some(neighbours) = index.all(Tsne::neighbours_for(30.0), &()) {
            let (mut times, see) = (Vec::new(), watch(clock, 500));
            let settled = Tsne::default().layout(&neighbours, &start, 2, |i, _| see(i, &mut times))?;
            report(&format!("t-SNE, {rows} x {width}"), &times, settled.iteration);
        }
    }
    if is_asked("umap") {
        let clock = Instant::now();
        let (index, start) = begin()?;
        if let Some(neighbours) = index.all(14, &()) {
            let graph = umap::Graph::new(&neighbours);
            let (mut times, see) = (Vec::new(), watch(clock, 500));
            Umap::default().layout(&graph, &start, 2, |i, _| see(i, &mut times))?;
            report(&format!("UMAP, {rows} x {width}"), &times, times.len());
        }
    }
    Ok(())
}

fn report(figure: &str, times: &[f64], iterations: usize) {
    let (first, last) = (times.first().copied().unwrap_or(f64::NAN), times.last().copied().unwrap_or(f64::NAN));
    let rate = (times.len() as f64 - 1.0) / (last - first);
    let value = json!({
        "first_picture_s": first,
        "iterations": iterations,
        "iterations_a_second": rate,
        "target": "first picture < 1 s, then >= 10 a second",
    });
    say(figure, value);
}

/// Draws a turning cloud of points 800 x 600 and says how long a frame takes, from the interface to the pixels.
fn frames(count: usize, is_solid: bool) {
    let mut draw = Stream::new(1, Purpose::Synthesis, 0, 0);
    let places: Vec<[f32; 3]> = (0..count).map(|_| std::array::from_fn(|_| draw.normal())).collect();
    let colours = (0..count).map(|i| jepa_gui::theme::sequential(i as f32 / count as f32)).collect();
    let mut camera = Camera::default().fit(places.iter().copied(), is_solid);
    let stress = Arc::new(vec![Stress::Plain; count]);
    let points = Points { places: Arc::new(places), colours: Arc::new(colours), stress, revision: 1 };
    let state = create_render_state(default_wgpu_setup(), egui_wgpu::RendererOptions::PREDICTABLE);
    let adapter = egui_wgpu::adapter_info_summary(&state.adapter.get_info());
    let renderer = WgpuTestRenderer::from_render_state(state.clone());
    let (mut cloud, mut is_installed) = (Cloud::default(), false);
    let mut harness = Harness::builder().with_size([800.0, 600.0]).renderer(renderer).build_ui(move |ui| {
        if !std::mem::replace(&mut is_installed, true) {
            cloud::install(&state, ui.ctx());
        }
        camera.orbit(egui::vec2(if is_solid { 2.0 } else { 0.0 }, 0.0));
        camera.zoom(ui.max_rect(), ui.max_rect().center(), 1.001);
        cloud.draw(ui, ui.max_rect(), egui::Id::unique("cloud"), &points, &camera);
    });
    let mut times: Vec<f64> = (0..120)
        .map(|_| {
            timed(|| {
                harness.step();
                harness.render().is_ok()
            })
            .0
        })
        .skip(10)
        .collect();
    times.sort_by(f64::total_cmp);
    let value = json!({
        "median_ms": 1e3 * times[times.len() / 2],
        "p95_ms": 1e3 * times[times.len() * 95 / 100],
        "target_p95_ms": 50.0,
        "adapter": adapter,
        "with": "the picture read back to memory, which a window does not do",
    });
    say(&format!("frame, {count} points, {}", if is_solid { "3-D, turning" } else { "2-D, zooming" }), value);
}
