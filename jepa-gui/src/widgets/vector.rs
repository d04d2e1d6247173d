//! Curves as files: SVG for papers, CSV for tables.

use std::fmt::Write as _;

use egui::Color32;
use jepa_core::data::file::csv_field;

use super::number;

/// A curve with all its points.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub color: Color32,
    /// Its points, x ascending.
    pub points: Vec<[f64; 2]>,
}

/// Size of a picture in pixels, and its margins.
const SIZE: [f64; 2] = [720.0, 420.0];
const MARGINS: [f64; 4] = [70.0, 20.0, 30.0, 46.0];

/// Curves as an SVG picture on a white ground.
pub fn svg(title: &str, x_label: &str, y_label: &str, series: &[Series], log: bool) -> String {
    let value = |y: f64| if log { y.log10() } else { y };
    let drawn: Vec<(&Series, Vec<[f64; 2]>)> = series
        .iter()
        .map(|s| {
            let points = s.points.iter().map(|[x, y]| [*x, value(*y)]);
            (s, points.filter(|p| p.iter().all(|v| v.is_finite())).collect())
        })
        .collect();
    let all = || drawn.iter().flat_map(|(_, points)| points);
    let bounds = |axis: usize| {
        let (low, high) = all().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p[axis]), h.max(p[axis])));
        if low > high {
            (0.0, 1.0)
        } else if low == high {
            (low - 0.5, high + 0.5)
        } else {
            (low, high)
        }
    };
    let ([width, height], [left, right, top, bottom]) = (SIZE, MARGINS);
    let (xs, ys) = (bounds(0), bounds(1));
    let place = |p: &[f64; 2]| {
        [
            left + (p[0] - xs.0) / (xs.1 - xs.0) * (width - left - right),
            height - bottom - (p[1] - ys.0) / (ys.1 - ys.0) * (height - top - bottom),
        ]
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut text = |x: f64, y: f64, anchor: &str, words: &str| {
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
    };
    text(width / 2.0, 18.0, "middle", title);
    text(width / 2.0, height - 8.0, "middle", x_label);
    text(8.0, 18.0, "start", y_label);
    for tick in ticks(xs) {
        text(place(&[tick, ys.0])[0], height - bottom + 16.0, "middle", &number(tick));
    }
    for tick in ticks(ys) {
        let shown = if log { 10f64.powf(tick) } else { tick };
        text(left - 6.0, place(&[xs.0, tick])[1] + 4.0, "end", &number(shown));
    }
    for (i, (s, _)) in drawn.iter().enumerate() {
        text(width - right - 14.0, top + 14.0 + 16.0 * i as f64, "end", &s.name);
    }
    for tick in ticks(ys) {
        let y = place(&[xs.0, tick])[1];
        let _ = writeln!(out, "<path d=\"M{left} {y:.1}H{:.1}\" stroke=\"#ddd\"/>", width - right);
    }
    for (i, (s, points)) in drawn.iter().enumerate() {
        let [r, g, b, _] = s.color.to_array();
        let color = format!("#{r:02x}{g:02x}{b:02x}");
        let y = top + 10.0 + 16.0 * i as f64;
        let _ =
            writeln!(out, "<path d=\"M{:.1} {y:.1}h10\" stroke=\"{color}\" stroke-width=\"3\"/>", width - right - 10.0);
        let path: Vec<String> = points.iter().map(place).map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" points=\"{}\"/>",
            path.join(" ")
        );
    }
    let _ = writeln!(
        out,
        "<path d=\"M{left} {top}V{:.1}H{:.1}\" fill=\"none\" stroke=\"#333\"/>",
        height - bottom,
        width - right
    );
    out.push_str("</svg>\n");
    out
}

/// About five round numbers between two.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let size = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * size).find(|s| *s >= raw).unwrap_or(raw);
    if !(step > 0.0 && step.is_finite()) {
        return vec![low];
    }
    let first = (low / step).ceil() as i64;
    (first..first + 12).map(|i| i as f64 * step).take_while(|t| *t <= high + 1e-9 * step).collect()
}

/// Curves as a table: name, x, y, one point a line.
pub fn csv(x_label: &str, y_label: &str, series: &[Series]) -> String {
    let mut out = format!("curve,{},{}\n", csv_field(x_label), csv_field(y_label));
    for s in series {
        for [x, y] in &s.points {
            let _ = writeln!(out, "{},{x},{y}", csv_field(&s.name));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Vec<Series> {
        let points = (0..50).map(|i| [f64::from(i), 1.0 / f64::from(i + 1)]).collect();
        vec![Series { name: "a, \"b\" <c>".into(), color: Color32::from_rgb(1, 2, 255), points }]
    }

    #[test]
    fn a_picture_holds_every_point_inside_its_frame_and_escapes_names() {
        for log in [false, true] {
            let text = svg("t", "step", "loss", &series(), log);
            let points = text.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
            let places: Vec<(f64, f64)> = points
                .split(' ')
                .map(|p| p.split_once(',').unwrap())
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                .collect();
            assert_eq!(places.len(), 50);
            assert!(places.iter().all(|(x, y)| (0.0..=SIZE[0]).contains(x) && (0.0..=SIZE[1]).contains(y)));
            assert!(text.contains("&lt;c>") && text.contains("#0102ff") && text.ends_with("</svg>\n"));
        }
    }

    #[test]
    fn empty_constant_and_infinite_curves_are_no_trouble() {
        let curve = |points: Vec<[f64; 2]>| vec![Series { points, ..series().remove(0) }];
        for points in
            [vec![], vec![[1.0, 1.0]], vec![[0.0, f64::NAN], [1.0, f64::INFINITY]], vec![[0.0, 0.0], [1.0, 0.0]]]
        {
            for log in [false, true] {
                let text = svg("t", "x", "y", &curve(points.clone()), log);
                assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            }
        }
    }

    #[test]
    fn a_table_has_a_line_a_point_and_quotes_what_needs_it() {
        let text = csv("step", "loss", &series());
        assert_eq!(text.lines().count(), 51);
        assert!(text.starts_with("curve,step,loss\n\"a, \"\"b\"\" <c>\",0,1\n"));
    }
}
