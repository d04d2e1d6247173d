//! The schedules of the form as curves: learning rate, decay and momentum over the run.

use egui::{RichText, Ui};
use egui_plot::{Line, Plot, PlotPoints};
use jepa_core::train::{Schedule, ScheduleConfig};

use crate::form::Form;
use crate::theme::Theme;
use crate::widgets;

/// Points of a curve.
const POINTS: u64 = 160;

pub(super) fn ui(ui: &mut Ui, form: &Form, theme: Theme) {
    ui.label(RichText::new("Schedules").strong());
    let steps = form.get("run.steps").and_then(|v| v.as_u64()).unwrap_or(0);
    let config = form.get("schedule").cloned().unwrap_or_default();
    let schedule = serde_json::from_value::<ScheduleConfig>(config)
        .map_err(|e| e.to_string())
        .and_then(|config| Schedule::new(&config, steps).map_err(|e| e.to_string()));
    let schedule = match schedule {
        Ok(schedule) if steps > 0 => schedule,
        Ok(_) => return drop(ui.weak("The run has no steps")),
        Err(problem) => return drop(ui.weak(problem)),
    };
    let at = |i: u64| 1 + i * (steps - 1) / (POINTS - 1);
    type Pick = fn(&jepa_core::train::Rates) -> f64;
    let curves: [(&str, Pick); 3] =
        [("learning rate", |r| r.lr), ("weight decay", |r| r.decay), ("EMA momentum", |r| r.momentum)];
    for (i, (name, pick)) in curves.into_iter().enumerate() {
        let points: Vec<[f64; 2]> = (0..POINTS).map(at).map(|s| [s as f64, pick(&schedule.at(s))]).collect();
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p[1]), h.max(p[1])));
        ui.horizontal(|ui| {
            let plot = Plot::new((name, "schedule"))
                .height(44.0)
                .width(ui.available_width() * 0.55)
                .show_axes(false)
                .show_grid(false)
                .allow_drag(false)
                .allow_zoom(false)
                .allow_scroll(false)
                .allow_boxed_zoom(false)
                .show_background(false)
                .label_formatter(move |_| None);
            plot.show(ui, |plot| {
                plot.line(Line::new(name, PlotPoints::from(points)).color(theme.category(i)).width(2.0));
            });
            ui.vertical(|ui| {
                ui.label(RichText::new(name).small().color(theme.category(i)));
                ui.label(RichText::new(format!("{} to {}", widgets::figure(low), widgets::figure(high))).small());
            });
        });
    }
}
