//! A drawing as SVG.

use std::fmt::Write as _;

use super::chart::{Anchor, Drawing, SHADE, Shape};

/// The whole file.
pub(crate) fn render(drawing: &Drawing) -> String {
    let Drawing { width, height, shapes } = drawing;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n"
    );
    for shape in shapes {
        let _ = match shape {
            Shape::Line { points, colour, width, dashed } => {
                let dashes = if *dashed { " stroke-dasharray=\"6 4\"" } else { "" };
                writeln!(
                    text,
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dashes}/>",
                    list(points),
                    hex(*colour)
                )
            }
            Shape::Area { points, colour } => writeln!(
                text,
                "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"{SHADE}\"/>",
                list(points),
                hex(*colour)
            ),
            Shape::Text { at: [x, y], text: words, anchor, colour } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                writeln!(
                    text,
                    "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" dominant-baseline=\"central\" \
                     fill=\"{}\">{}</text>",
                    hex(*colour),
                    escaped(words)
                )
            }
        };
    }
    text.push_str("</svg>\n");
    text
}

fn list(points: &[[f32; 2]]) -> String {
    points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_every_shape_is_there() {
        let shapes = vec![
            Shape::Line { points: vec![[0.0, 1.0], [2.0, 3.5]], colour: [255, 0, 16], width: 2.0, dashed: true },
            Shape::Area { points: vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], colour: [0, 0, 0] },
            Shape::Text { at: [4.0, 5.0], text: "b & <c>".into(), anchor: Anchor::End, colour: [0, 0, 0] },
        ];
        let svg = render(&Drawing { width: 10, height: 20, shapes });
        assert!(svg.contains("points=\"0.0,1.0 2.0,3.5\"") && svg.contains("#ff0010") && svg.contains("dasharray"));
        assert!(svg.contains("<polygon") && svg.contains("b &amp; &lt;c&gt;</text>"));
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
