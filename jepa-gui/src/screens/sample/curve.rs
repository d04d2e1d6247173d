//! A small curve over frames or steps; a click says where.

use egui::{Align2, Color32, CornerRadius, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2};

use crate::widgets::{figure, number};

/// A curve.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// Its colour.
    pub colour: Color32,
    /// Places, ascending in the first number.
    pub points: Vec<[f64; 2]>,
}

/// Points high.
const HEIGHT: f32 = 78.0;

/// Draws curves over `across`, with a line at `marked`; returns where it was clicked or dragged to.
pub fn show(ui: &mut Ui, label: &str, curves: &[Curve], across: [f64; 2], marked: f64) -> Option<f64> {
    let (rect, response) =
        ui.allocate_exact_size(Vec2::new(ui.available_width().max(40.0), HEIGHT), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, described(label, curves)));
    let visuals = ui.visuals();
    let (ground, line, faint) =
        (visuals.extreme_bg_color, visuals.widgets.noninteractive.bg_stroke, visuals.weak_text_color());
    ui.painter().rect(rect, CornerRadius::same(3), ground, line, StrokeKind::Inside);
    let inner = rect.shrink2(Vec2::new(6.0, 8.0));
    let values = || curves.iter().flat_map(|curve| curve.points.iter().map(|p| p[1])).filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let wide = (across[1] - across[0]).max(1e-9);
    let x = |v: f64| inner.left() + inner.width() * ((v - across[0]) / wide) as f32;
    let at = |[a, b]: [f64; 2]| {
        let up = if high > low { (b - low) / (high - low) } else { 0.5 };
        pos2(x(a), inner.bottom() - inner.height() * up as f32)
    };
    let painter = ui.painter().with_clip_rect(rect);
    painter.vline(x(marked), rect.y_range(), Stroke::new(1.0, visuals.strong_text_color()));
    for curve in curves {
        let places: Vec<_> = curve.points.iter().filter(|p| p[1].is_finite()).map(|p| at(*p)).collect();
        for place in &places {
            painter.circle_filled(*place, 2.5, curve.colour);
        }
        painter.line(places, Stroke::new(1.5, curve.colour));
    }
    if low <= high {
        let font = FontId::proportional(11.0);
        painter.text(rect.left_top() + Vec2::new(6.0, 2.0), Align2::LEFT_TOP, figure(high), font.clone(), faint);
        painter.text(rect.left_bottom() + Vec2::new(6.0, -2.0), Align2::LEFT_BOTTOM, figure(low), font, faint);
    }
    pointed(&response, inner, across)
}

fn pointed(response: &egui::Response, inner: Rect, across: [f64; 2]) -> Option<f64> {
    let at = response.interact_pointer_pos().filter(|_| response.clicked() || response.dragged())?;
    let share = f64::from(((at.x - inner.left()) / inner.width().max(1.0)).clamp(0.0, 1.0));
    Some(across[0] + share * (across[1] - across[0]))
}

/// In words: the largest value of every curve and where it is.
fn described(label: &str, curves: &[Curve]) -> String {
    let peak = |curve: &Curve| {
        let most = peak(&curve.points)?;
        Some(format!("{} largest {} at {}", curve.name, figure(most[1]), number(most[0])))
    };
    let peaks: Vec<String> = curves.iter().filter_map(peak).collect();
    format!("{label}: {}", peaks.join("; "))
}

/// The place of the largest value.
pub fn peak(points: &[[f64; 2]]) -> Option<[f64; 2]> {
    points.iter().copied().filter(|p| p[1].is_finite()).max_by(|a, b| a[1].total_cmp(&b[1]))
}
