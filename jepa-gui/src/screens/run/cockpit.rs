//! The collapse cockpit: figures that show what the loss hides, each with its band, its meaning and a remedy.

use std::path::Path;

use egui::{RichText, Ui};
use egui_plot::{Line, Plot, PlotPoints};
use jepa_core::collapse::Diagnostics;

use crate::runs::CollapseAt;
use crate::shared::Shared;
use crate::theme::{Band, Theme};
use crate::widgets;

/// One gauge.
struct Gauge {
    name: &'static str,
    meaning: &'static str,
    remedy: &'static str,
    pick: fn(&Diagnostics) -> f64,
    judge: fn(f64, f64) -> Band,
}

/// The limits are those at which the trainer warns (`guard.collapse_ratio` 0.25, RankMe 1.5, content 0.05), with twice
/// or thrice as much on the amber side. The second number is the first figure of the run, near its untrained encoder's.
const GAUGES: [Gauge; 4] = [
    Gauge {
        name: "Spread",
        meaning: "Mean standard deviation of the pooled embeddings; towards 0 all samples are mapped to one point",
        remedy: "lower schedule.lr, raise schedule.momentum, or add the variance regulariser",
        pick: |d| d.std,
        judge: |now, first| band(now, 0.25 * first, 0.5 * first),
    },
    Gauge {
        name: "RankMe",
        meaning: "Effective number of directions that the embeddings use, 1 to their width",
        remedy: "add the covariance regulariser, or check that masks leave enough to predict",
        pick: |d| d.rank_me,
        judge: |now, first| band(now, 1.5, (0.25 * first).max(3.0)),
    },
    Gauge {
        name: "Participation",
        meaning: "Participation ratio of the covariance: how evenly the directions are used, 1 to the width",
        remedy: "add the covariance regulariser, or train longer: it often falls and rises again",
        pick: |d| d.participation,
        judge: |now, first| band(now, 1.1, (0.2 * first).max(1.5)),
    },
    Gauge {
        name: "Content",
        meaning: "Share of the token variance that says what is shown and not only where; towards 0 the features are positions",
        remedy: "lower schedule.lr, or use the fan-in initialisation",
        pick: |d| d.content,
        judge: |now, _| band(now, 0.05, 0.15),
    },
];

fn band(value: f64, bad: f64, doubtful: f64) -> Band {
    match value {
        v if v < bad || !v.is_finite() => Band::Bad,
        v if v < doubtful => Band::Doubtful,
        _ => Band::Good,
    }
}

pub(super) fn ui(ui: &mut Ui, run: &Path, shared: &Shared) {
    let theme = shared.theme;
    ui.label(RichText::new("Collapse cockpit").strong());
    let Some(history) = shared.followers.get(run).map(|f| &f.history) else { return };
    let Some((first, last)) = history.collapse.first().zip(history.collapse.last()) else {
        ui.weak("No figures yet: the first come after step 1, then every run.diagnose_every steps.");
        return;
    };
    for gauge in &GAUGES {
        row(ui, gauge, first, last, &history.collapse, theme);
    }
    ui.label(RichText::new(format!("of the target encoder, after step {}", last.step)).small().weak());
    for gauge in &GAUGES {
        let found = (gauge.judge)((gauge.pick)(&last.figures), (gauge.pick)(&first.figures));
        if found != Band::Good {
            let word = if found == Band::Bad { "Alarm" } else { "Watch" };
            let text = format!("{word}, {}: {}", gauge.name.to_lowercase(), gauge.remedy);
            ui.add(egui::Label::new(RichText::new(text).color(theme.band(found))).wrap());
        }
    }
}

fn row(ui: &mut Ui, gauge: &Gauge, first: &CollapseAt, last: &CollapseAt, all: &[CollapseAt], theme: Theme) {
    let (now, then) = ((gauge.pick)(&last.figures), (gauge.pick)(&first.figures));
    let found = (gauge.judge)(now, then);
    let color = theme.band(found);
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::hover());
        ui.painter().circle_filled(rect.center(), 5.0, color);
        let word = match found {
            Band::Good => "as it should be",
            Band::Doubtful => "worth watching",
            Band::Bad => "collapsing",
        };
        ui.allocate_ui_with_layout(egui::vec2(168.0, 30.0), egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.set_min_width(168.0);
            ui.label(gauge.name).on_hover_text(gauge.meaning);
            ui.label(RichText::new(widgets::figure(now)).strong().color(color)).on_hover_text(format!(
                "{word}; {} at step {}",
                widgets::figure(then),
                first.step
            ));
        });
        let points: Vec<[f64; 2]> = all.iter().map(|c| [c.step as f64, (gauge.pick)(&c.figures)]).collect();
        Plot::new(("gauge", gauge.name))
            .height(30.0)
            .width(ui.available_width())
            .show_axes(false)
            .show_grid(false)
            .show_background(false)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .include_y(0.0)
            .label_formatter(|_| None)
            .show(ui, |plot| plot.line(Line::new(gauge.name, PlotPoints::from(points)).color(color).width(1.6)));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthy_figures_are_green_and_what_the_trainer_warns_of_is_red() {
        let figures = |std, rank_me, participation, content| Diagnostics {
            std,
            rank_me,
            participation,
            content,
            entropy_rank: None,
            uniformity: None,
            dead: None,
            student_distance: None,
        };
        let (healthy, ruined) = (figures(0.5, 30.0, 8.0, 0.6), figures(0.05, 1.2, 1.0, 0.01));
        for gauge in &GAUGES {
            let first = (gauge.pick)(&healthy);
            assert_eq!((gauge.judge)(first, first), Band::Good, "{}", gauge.name);
            assert_eq!((gauge.judge)((gauge.pick)(&ruined), first), Band::Bad, "{}", gauge.name);
            assert_eq!((gauge.judge)(f64::NAN, first), Band::Bad);
        }
    }
}
