//! A drawing as PNG: smooth lines and areas, letters of a bitmap font.

use std::convert::Infallible;
use std::io::Cursor;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_7X13;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use embedded_graphics::{Drawable as _, Pixel};
use image::{ImageFormat, RgbImage};
use jepa_core::{Error, Result};

use super::chart::{Anchor, Drawing, SHADE, Shape};

/// Dash and gap of a dashed line in pixels.
const DASH: [f32; 2] = [6.0, 4.0];
/// Samples along a side of a pixel for the edge of an area.
const SAMPLES: usize = 3;

/// The whole file.
pub(crate) fn render(drawing: &Drawing) -> Result<Vec<u8>> {
    let mut canvas =
        Canvas { image: RgbImage::from_pixel(drawing.width as u32, drawing.height as u32, image::Rgb([255; 3])) };
    for shape in &drawing.shapes {
        match shape {
            Shape::Area { points, colour } => canvas.area(points, *colour),
            Shape::Line { points, colour, width, dashed } => {
                let segments = if *dashed { dashes(points) } else { pairs(points) };
                canvas.segments(&segments, *colour, *width);
            }
            Shape::Text { at, text, anchor, colour } => canvas.text(*at, text, *anchor, *colour),
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    canvas
        .image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::Engine(format!("cannot encode a picture: {e}")))?;
    Ok(bytes.into_inner())
}

type Segment = [[f32; 2]; 2];

fn pairs(points: &[[f32; 2]]) -> Vec<Segment> {
    points.windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

fn dashes(points: &[[f32; 2]]) -> Vec<Segment> {
    let mut cut = Vec::new();
    for [a, b] in pairs(points) {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = dx.hypot(dy);
        let at = |distance: f32| {
            let part = (distance / length.max(1e-6)).min(1.0);
            [a[0] + part * dx, a[1] + part * dy]
        };
        let mut start = 0.0;
        while start < length {
            cut.push([at(start), at(start + DASH[0])]);
            start += DASH[0] + DASH[1];
        }
    }
    cut
}

struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// Covers a share of a pixel.
    fn blend(&mut self, x: u32, y: u32, colour: [u8; 3], share: f32) {
        if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
            for (old, new) in pixel.0.iter_mut().zip(colour) {
                *old = (f32::from(*old) + share * (f32::from(new) - f32::from(*old))).round() as u8;
            }
        }
    }

    /// Pixels around points, widened by `margin`.
    fn around(&self, points: impl Iterator<Item = [f32; 2]> + Clone, margin: f32) -> [std::ops::Range<u32>; 2] {
        let range = |axis: usize, side: u32| {
            let values = points.clone().map(|p| p[axis]);
            let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
            (low - margin).max(0.0) as u32..((high + margin).max(0.0) as u32 + 1).min(side)
        };
        [range(0, self.image.width()), range(1, self.image.height())]
    }

    fn area(&mut self, points: &[[f32; 2]], colour: [u8; 3]) {
        let [across, down] = self.around(points.iter().copied(), 1.0);
        for y in down {
            for x in across.clone() {
                let place = |pixel: u32, sample: usize| pixel as f32 + (sample as f32 + 0.5) / SAMPLES as f32;
                let samples =
                    (0..SAMPLES * SAMPLES).filter(|s| inside(points, place(x, s % SAMPLES), place(y, s / SAMPLES)));
                let share = samples.count() as f32 / (SAMPLES * SAMPLES) as f32;
                if share > 0.0 {
                    self.blend(x, y, colour, share * SHADE);
                }
            }
        }
    }

    /// Lines of one colour. A pixel between two of them is covered once.
    fn segments(&mut self, segments: &[Segment], colour: [u8; 3], width: f32) {
        let [across, down] = self.around(segments.iter().flatten().copied(), width + 1.0);
        for y in down {
            for x in across.clone() {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let nearest = segments.iter().map(|s| distance(*s, px, py)).fold(f32::MAX, f32::min);
                let share = (width / 2.0 + 0.5 - nearest).clamp(0.0, 1.0);
                if share > 0.0 {
                    self.blend(x, y, colour, share);
                }
            }
        }
    }

    fn text(&mut self, [x, y]: [f32; 2], text: &str, anchor: Anchor, [r, g, b]: [u8; 3]) {
        let alignment = match anchor {
            Anchor::Start => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::End => Alignment::Right,
        };
        let place = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Middle).build();
        let letters = MonoTextStyle::new(&FONT_7X13, Rgb888::new(r, g, b));
        let Ok(_) =
            Text::with_text_style(text, Point::new(x.round() as i32, y.round() as i32), letters, place).draw(self);
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> std::result::Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) {
                self.blend(x, y, [colour.r(), colour.g(), colour.b()], 1.0);
            }
        }
        Ok(())
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.image.width(), self.image.height())
    }
}

/// Whether a point lies inside a polygon: a ray to the right crosses its edge an odd number of times.
fn inside(points: &[[f32; 2]], x: f32, y: f32) -> bool {
    let ends = points.iter().zip(points.iter().cycle().skip(1));
    let crossed =
        ends.filter(|(a, b)| (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]);
    crossed.count() % 2 == 1
}

/// From a point to the nearest of a segment.
fn distance([a, b]: Segment, x: f32, y: f32) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let along = (((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
    (x - a[0] - along * dx).hypot(y - a[1] - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_cover_the_pixels_they_should() {
        let shapes = vec![
            Shape::Area { points: vec![[2.0, 2.0], [12.0, 2.0], [12.0, 12.0], [2.0, 12.0]], colour: [0, 0, 0] },
            Shape::Line { points: vec![[0.0, 20.5], [40.0, 20.5]], colour: [255, 0, 0], width: 1.0, dashed: false },
            Shape::Line { points: vec![[0.0, 30.5], [40.0, 30.5]], colour: [0, 0, 255], width: 1.0, dashed: true },
            Shape::Text { at: [60.0, 20.0], text: "ab".into(), anchor: Anchor::Start, colour: [0, 0, 0] },
        ];
        let bytes = render(&Drawing { width: 80, height: 40, shapes }).unwrap();
        let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
        let grey = (255.0 * (1.0 - SHADE)).round() as u8;
        assert_eq!(picture.get_pixel(7, 7).0, [grey; 3]);
        assert_eq!(picture.get_pixel(14, 7).0, [255; 3]);
        assert_eq!(picture.get_pixel(20, 20).0, [255, 0, 0]);
        assert_eq!(picture.get_pixel(20, 23).0, [255; 3]);
        assert_eq!((picture.get_pixel(3, 30).0, picture.get_pixel(8, 30).0), ([0, 0, 255], [255; 3]));
        let written = picture.enumerate_pixels().filter(|(x, _, p)| *x >= 60 && p.0 == [0; 3]).count();
        assert!((10..100).contains(&written), "{written}");
    }
}
