//! Accuracy against compute as shapes on a plane.

/// Lines over one axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the axis counts.
    pub(crate) across: String,
    pub(crate) series: Vec<Series>,
    /// A dashed level with its name.
    pub(crate) level: Option<(f64, String)>,
}

/// One line: place, height, and half the height of the band around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<[f64; 3]>,
}

/// What a drawing is made of, in pixels from the upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Connected points.
    Line { points: Vec<[f32; 2]>, colour: [u8; 3], width: f32, dashed: bool },
    /// A filled polygon, a little see-through.
    Area { points: Vec<[f32; 2]>, colour: [u8; 3] },
    /// Words, vertically centred on their point.
    Text { at: [f32; 2], text: String, anchor: Anchor, colour: [u8; 3] },
}

/// Which end of words lies at their point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Shapes on white.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawing {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) shapes: Vec<Shape>,
}

/// How much of an area's colour covers what lies behind it.
pub(crate) const SHADE: f32 = 0.18;

const INK: [u8; 3] = [40, 40, 40];
const FAINT: [u8; 3] = [225, 225, 225];
/// Colours that people who see few colours tell apart (Okabe and Ito), then darker ones of them.
const COLOURS: [[u8; 3]; 12] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [90, 90, 90],
    [0, 70, 110],
    [140, 60, 0],
    [0, 100, 70],
    [130, 70, 105],
    [150, 105, 0],
];

/// Size of the picture and edges of the plot within it.
const SIZE: [usize; 2] = [960, 560];
const LEFT: f32 = 60.0;
const RIGHT: f32 = 720.0;
const TOP: f32 = 50.0;
const BOTTOM: f32 = 500.0;

impl Chart {
    /// The chart with axes and names.
    pub(crate) fn draw(&self) -> Drawing {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let longest = points().map(|p| p[0]).fold(0.0, f64::max);
        let ends = points().flat_map(|[_, y, d]| [y - d, y + d]).chain(self.level.iter().map(|(level, _)| *level));
        let (low, high) = ends.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
        // Nothing to show, or one height for everything: a plot of one percent.
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high.max(low + 1.0)) };
        let across = ticks(0.0, longest.max(1e-9));
        let up = ticks(low, high);
        let edge = |ticks: &[f64], last: bool| if last { ticks.last() } else { ticks.first() }.copied().unwrap_or(0.0);
        let (x_0, x_1) = (0.0, longest.max(1e-9));
        let (y_0, y_1) = (edge(&up, false).min(low), edge(&up, true).max(high));
        let x = |v: f64| LEFT + ((v - x_0) / (x_1 - x_0)) as f32 * (RIGHT - LEFT);
        let y = |v: f64| BOTTOM - ((v - y_0) / (y_1 - y_0)) as f32 * (BOTTOM - TOP);

        let mut shapes = Vec::new();
        let line = |points: Vec<[f32; 2]>, colour, width, dashed| Shape::Line { points, colour, width, dashed };
        let text = |at, text: String, anchor, colour| Shape::Text { at, text, anchor, colour };
        for v in up.iter().copied() {
            shapes.push(line(vec![[LEFT, y(v)], [RIGHT, y(v)]], FAINT, 1.0, false));
            shapes.push(text([LEFT - 8.0, y(v)], label(v, &up), Anchor::End, INK));
        }
        for v in across.iter().copied().filter(|v| *v <= x_1) {
            shapes.push(line(vec![[x(v), BOTTOM], [x(v), BOTTOM + 5.0]], INK, 1.0, false));
            shapes.push(text([x(v), BOTTOM + 18.0], label(v, &across), Anchor::Middle, INK));
        }
        shapes.push(line(vec![[LEFT, TOP], [LEFT, BOTTOM], [RIGHT, BOTTOM]], INK, 1.0, false));
        shapes.push(text([LEFT, 24.0], self.title.clone(), Anchor::Start, INK));
        shapes.push(text([(LEFT + RIGHT) / 2.0, BOTTOM + 42.0], self.across.clone(), Anchor::Middle, INK));

        let coloured = || self.series.iter().zip(COLOURS.iter().cycle());
        for (series, colour) in coloured() {
            let above = series.points.iter().map(|[at, v, d]| [x(*at), y(v + d)]);
            let below = series.points.iter().rev().map(|[at, v, d]| [x(*at), y(v - d)]);
            shapes.push(Shape::Area { points: above.chain(below).collect(), colour: *colour });
        }
        for (series, colour) in coloured() {
            let points = series.points.iter().map(|[at, v, _]| [x(*at), y(*v)]).collect();
            shapes.push(line(points, *colour, 2.0, false));
        }
        let mut place = TOP + 10.0;
        for (series, colour) in coloured() {
            let last = series.points.last().map_or(String::new(), |[_, v, _]| format!(" {v:.1}"));
            shapes.push(line(vec![[RIGHT + 16.0, place], [RIGHT + 40.0, place]], *colour, 2.0, false));
            shapes.push(text([RIGHT + 48.0, place], format!("{}{last}", series.name), Anchor::Start, INK));
            place += 22.0;
        }
        if let Some((level, name)) = &self.level {
            shapes.push(line(vec![[LEFT, y(*level)], [RIGHT, y(*level)]], INK, 1.0, true));
            shapes.push(line(vec![[RIGHT + 16.0, place], [RIGHT + 40.0, place]], INK, 1.0, true));
            shapes.push(text([RIGHT + 48.0, place], format!("{name} {level:.1}"), Anchor::Start, INK));
        }
        Drawing { width: SIZE[0], height: SIZE[1], shapes }
    }
}

/// Round numbers around low..high, four to nine of them; `high` must lie above `low`.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let range = (high - low).max(1e-9);
    let power = 10f64.powf((range / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| range / step <= 6.0).unwrap_or(power);
    let (first, last) = ((low / step).floor() as i64, (high / step - 1e-9).ceil() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// A tick with as many digits as its distance to the next asks for.
fn label(value: f64, ticks: &[f64]) -> String {
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
    let digits = (-step.log10() - 1e-9).ceil().max(0.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn chart() -> Chart {
        let series = |name: &str, end| Series { name: name.into(), points: vec![[0.0, 50.0, 1.0], [2.0, end, 3.0]] };
        Chart {
            title: "linear accuracy in %".into(),
            across: "seconds".into(),
            series: vec![series("a/small", 80.0), series("b & <c>", 60.0)],
            level: Some((85.0, "raw values".into())),
        }
    }

    #[test]
    fn a_line_a_variant_with_its_band_inside_the_plot() {
        let drawing = chart().draw();
        let inside = |[x, y]: [f32; 2]| (LEFT..=RIGHT).contains(&x) && (TOP - 0.01..=BOTTOM + 0.01).contains(&y);
        let mut bands = 0;
        for shape in &drawing.shapes {
            if let Shape::Area { points, .. } = shape {
                bands += 1;
                assert!(points.len() == 4 && points.iter().all(|p| inside(*p)), "{points:?}");
            }
        }
        assert_eq!(bands, 2);
        let thick: Vec<_> = drawing
            .shapes
            .iter()
            .filter_map(|s| match s {
                Shape::Line { points, width, .. } if *width == 2.0 && points[0][0] == LEFT => Some(points.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(thick.len(), 2);
        assert_eq!(thick[0][0], thick[1][0], "both begin untrained");
        assert!(thick[0][1][1] < thick[1][1][1], "the better one ends higher");
    }

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        for (low, high) in [(0.0, 1.0), (47.3, 88.1), (0.0, 0.037), (50.0, 51.0), (0.0, 123_456.0)] {
            let ticks = ticks(low, high);
            assert!((2..=9).contains(&ticks.len()), "{ticks:?}");
            assert!(ticks[0] <= low && ticks[ticks.len() - 1] >= high, "{ticks:?} around {low}..{high}");
        }
        assert_eq!(label(0.25, &[0.0, 0.25]), "0.2");
        assert_eq!(label(20.0, &[0.0, 20.0]), "20");
        let flat = Series { name: "flat".into(), points: vec![[0.0, 50.0, 0.0], [0.0, 50.0, 0.0]] };
        for series in [Vec::new(), vec![flat]] {
            let drawing = Chart { series, level: None, ..chart() }.draw();
            let whole = |[x, y]: [f32; 2]| x.is_finite() && y.is_finite();
            assert!(drawing.shapes.iter().all(|shape| match shape {
                Shape::Line { points, .. } | Shape::Area { points, .. } => points.iter().all(|p| whole(*p)),
                Shape::Text { at, .. } => whole(*at),
            }));
        }
    }
}
