//! Curves over steps or time, decimated to the pixels they cover.

use egui::{Color32, Ui};
use egui_plot::{AxisHints, HoverPosition, Line, LineStyle, Plot, PlotPoints, Points, VLine};

use super::legend::legend;
use super::number;
use crate::runs::{History, Range, decimate, smooth};

/// What is drawn to the right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XAxis {
    /// Steps.
    #[default]
    Step,
    /// Seconds since the first step.
    Time,
}

/// One curve of one run.
#[derive(Clone)]
pub struct Curve<'a> {
    /// In the legend.
    pub name: String,
    /// The run.
    pub history: &'a History,
    /// Its column.
    pub column: &'a str,
    /// Its colour.
    pub color: Color32,
}

/// Curves on shared axes.
pub struct CurvePlot<'a> {
    /// Identity of the plot: zoom and hidden curves belong to it.
    pub id: &'a str,
    /// Points high, with the legend.
    pub height: f32,
    /// What lies to the right.
    pub x: XAxis,
    /// Whether values are drawn by their decimal logarithm; those that are not positive are left out.
    pub log: bool,
    /// Weight of the smoothing, 0 to 1.
    pub smoothing: f32,
    /// Curves.
    pub curves: Vec<Curve<'a>>,
    /// Single points: name, colour, places.
    pub points: Vec<(String, Color32, Vec<[f64; 2]>)>,
    /// Steps marked by a line, such as checkpoints.
    pub marks: Vec<u64>,
    /// What the numbers are.
    pub label: &'a str,
}

impl CurvePlot<'_> {
    /// Draws them; returns where the plot lies on the screen.
    pub fn show(self, ui: &mut Ui) -> egui::Rect {
        let log = self.log;
        let value = move |y: f32| match (log, y > 0.0) {
            (false, _) => y,
            (true, true) => y.log10(),
            (true, false) => f32::NAN,
        };
        let shown = move |y: f64| if log { number(10f64.powf(y)) } else { number(y) };
        let by_time = self.x == XAxis::Time;
        let label = self.label.to_owned();
        let curves = self.curves.iter().map(|curve| (curve.name.as_str(), curve.color));
        let entries: Vec<(&str, Color32)> =
            curves.chain(self.points.iter().map(|(name, color, _)| (name.as_str(), *color))).collect();
        let top = ui.cursor().top();
        let hidden = legend(ui, egui::Id::unique(("legend", self.id)), &entries);
        let plot = Plot::new(self.id)
            .height((self.height - (ui.cursor().top() - top)).max(60.0))
            .allow_scroll(false)
            // Room for half of the number under the last step.
            .set_margin_fraction(egui::vec2(0.03, 0.06))
            .link_axis(egui::Id::unique("steps"), [self.x == XAxis::Step, false])
            .link_cursor(egui::Id::unique("steps"), [self.x == XAxis::Step, false])
            .grid_color(ui.visuals().weak_text_color().gamma_multiply(0.4))
            .grid_fade(0.3)
            .custom_y_axes(vec![
                AxisHints::new_y()
                    .label_spacing(egui::Rangef::new(14.0, 20.0))
                    .min_thickness(52.0)
                    .formatter(move |mark, _| shown(mark.value)),
            ])
            .x_axis_formatter(move |mark, _| match mark.value {
                v if v < 0.0 => String::new(),
                v if by_time => super::duration(v),
                v => super::count(v),
            })
            .label_formatter(move |place| {
                let (name, at) = match place {
                    HoverPosition::NearDataPoint { plot_name, position, .. } => (*plot_name, position),
                    HoverPosition::Elsewhere { position } => (label.as_str(), position),
                };
                let x = if by_time { super::duration(at.x) } else { format!("step {:.0}", at.x) };
                Some(format!("{name}\n{x}\n{}", shown(at.y)))
            });
        // Single points alone would stand in a plot of their own width.
        let plot = if self.curves.is_empty() { plot.include_x(0.0) } else { plot };
        let response = plot.show(ui, |plot| {
            let bounds = plot.plot_bounds();
            let pixels = plot.response().rect.width().max(16.0) as usize;
            for curve in self.curves.iter().filter(|curve| !hidden.contains(&curve.name)) {
                let Some(values) = curve.history.column(curve.column) else { continue };
                let (steps, times) = (curve.history.steps(), curve.history.times());
                let start = times.iter().copied().find(|t| t.is_finite()).unwrap_or(0.0);
                let x = |i: usize| if by_time { times[i] - start } else { steps[i] as f64 };
                if by_time && !times.first().is_some_and(|t| t.is_finite()) {
                    continue;
                }
                // What is drawn is what is seen; before anything is known that is everything.
                let seen = if bounds.is_valid() && !plot.auto_bounds().x {
                    Range::within(values.len(), x, bounds.min()[0], bounds.max()[0])
                } else {
                    Range { first: 0, end: values.len() }
                };
                let line = |points: Vec<[f64; 2]>, color: Color32, width: f32| {
                    Line::new(curve.name.clone(), PlotPoints::from(points)).color(color).width(width).id((
                        self.id,
                        curve.name.clone(),
                        width.to_bits(),
                    ))
                };
                if self.smoothing > 0.0 {
                    let faint = curve.color.gamma_multiply(0.28);
                    let raw = decimate(seen, pixels, x, |i| value(values[i]));
                    plot.line(line(raw, faint, 1.0).allow_hover(false));
                    // Smoothing looks back a few of its lengths, not to the beginning of a long run.
                    let reach = (8.0 / (1.0 - self.smoothing.min(0.999))) as usize;
                    let from = seen.first.saturating_sub(reach);
                    let smoothed = smooth(&values[from..seen.end.max(from)], self.smoothing);
                    let points = decimate(seen, pixels, x, |i| value(smoothed[i - from]));
                    plot.line(line(points, curve.color, 1.8));
                } else {
                    plot.line(line(decimate(seen, pixels, x, |i| value(values[i])), curve.color, 1.5));
                }
            }
            for (name, color, places) in self.points.iter().filter(|(name, ..)| !hidden.contains(name)) {
                let places: Vec<[f64; 2]> = places.iter().map(|[x, y]| [*x, f64::from(value(*y as f32))]).collect();
                plot.line(
                    Line::new(name.clone(), PlotPoints::from(places.clone()))
                        .color(*color)
                        .style(LineStyle::dashed_loose())
                        .allow_hover(false),
                );
                plot.points(Points::new(name.clone(), PlotPoints::from(places)).color(*color).radius(4.0));
            }
            if !by_time {
                for step in &self.marks {
                    let line = VLine::new("", *step as f64).color(Color32::GRAY.gamma_multiply(0.35)).width(1.0);
                    plot.vline(line.allow_hover(false));
                }
            }
        });
        response.response.rect
    }
}
