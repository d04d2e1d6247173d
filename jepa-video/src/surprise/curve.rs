//! Surprise over time under the frames, as a picture.

use std::convert::Infallible;
use std::ops::Range;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::primitives::{Line, Primitive as _, PrimitiveStyle, Rectangle, StyledDrawable as _};
use embedded_graphics::text::{Alignment, Baseline, Text};
use embedded_graphics::{Drawable as _, Pixel};
use image::RgbImage;
use jepa_core::error::{Error, Result};

use super::windows::Protocol;
use crate::data::Clip;

/// Pixels across.
const WIDTH: u32 = 1000;
/// Pixels left of the curve, for its scale.
const LEFT: u32 = 60;
/// Pixels right of it.
const RIGHT: u32 = 16;
/// Height of the curve.
const CURVE: u32 = 160;
/// Room for the words above the frames and below the curve.
const WORDS: u32 = 18;
/// Most frames shown.
const SHOWN: usize = 12;

/// One video with the surprise of its windows.
#[derive(Debug, Clone, Copy)]
pub struct Track<'a> {
    /// What it is called in the picture.
    pub name: &'a str,
    /// The looked-at frames.
    pub video: &'a Clip,
    /// Surprises, each of hidden frames of its own.
    pub surprise: &'a [f32],
    /// The looked-at frames that each of them is about.
    pub hidden: &'a [Range<usize>],
}

/// The most surprising looked-at frames of a track.
pub fn peak(track: &Track<'_>) -> Option<Range<usize>> {
    let (most, _) = track.surprise.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    track.hidden.get(most).cloned()
}

/// The tracks under each other, all curves on one scale, the most surprising frames marked and named; a PNG.
///
/// A surprise stands at the first of its hidden frames.
pub fn draw(tracks: &[Track<'_>], protocol: &Protocol) -> Result<Vec<u8>> {
    let values = || tracks.iter().flat_map(|track| track.surprise.iter().copied());
    let most = values().fold(f32::MIN, f32::max);
    let least = values().fold(f32::MAX, f32::min);
    if !most.is_finite() || !least.is_finite() || tracks.iter().any(|track| track.video.frames == 0) {
        return Err(Error::data("surprise", "there is nothing to draw: no windows"));
    }
    let inner = WIDTH - LEFT - RIGHT;
    let strip = |track: &Track<'_>| {
        let shown = SHOWN.min(track.video.frames) as u32;
        let width = inner / shown;
        let fitting =
            (width.saturating_mul(track.video.height as u32) / (track.video.width as u32).max(1)).clamp(8, 400);
        (shown, width, fitting)
    };
    let heights: Vec<u32> = tracks.iter().map(|track| strip(track).2 + CURVE + 3 * WORDS).collect();
    let mut canvas = Canvas(RgbImage::from_pixel(WIDTH, heights.iter().sum(), image::Rgb([255; 3])));
    let mut top = 0;
    for (track, height) in tracks.iter().zip(heights) {
        let (shown, width, fitting) = strip(track);
        let frames = track.video.frames;
        canvas.text(track.name, LEFT, top + 4, Alignment::Left, Rgb888::BLACK);
        for i in 0..shown {
            let index = i as usize * frames / shown as usize;
            canvas.frame(track.video, index, [LEFT + i * width, top + WORDS], [width.saturating_sub(2), fitting]);
        }
        let bounds = [top + WORDS + fitting + 4, top + WORDS + fitting + CURVE];
        canvas.curve(track, protocol.step, bounds, [least, most], inner);
        top += height;
    }
    let mut png = std::io::Cursor::new(Vec::new());
    canvas.0.write_to(&mut png, image::ImageFormat::Png).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(png.into_inner())
}

struct Canvas(RgbImage);

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = image::Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

impl Canvas {
    fn text(&mut self, text: &str, x: u32, y: u32, alignment: Alignment, colour: Rgb888) {
        let style = MonoTextStyle::new(&FONT_6X10, colour);
        let mut text = Text::with_alignment(text, Point::new(x as i32, y as i32), style, alignment);
        text.text_style.baseline = Baseline::Top;
        let Ok(_) = text.draw(self);
    }

    fn line(&mut self, from: [u32; 2], to: [u32; 2], colour: Rgb888, width: u32) {
        let point = |[x, y]: [u32; 2]| Point::new(x as i32, y as i32);
        let line = Line::new(point(from), point(to)).into_styled(PrimitiveStyle::with_stroke(colour, width));
        let Ok(()) = line.draw(self);
    }

    /// One frame, its nearest pixels.
    fn frame(&mut self, video: &Clip, index: usize, [left, top]: [u32; 2], [width, height]: [u32; 2]) {
        let Some(frame) = video.frame(index) else { return };
        for y in 0..height {
            for x in 0..width {
                let column = (x as usize * video.width / width as usize).min(video.width - 1);
                let row = (y as usize * video.height / height as usize).min(video.height - 1);
                let start = (row * video.width + column) * 3;
                if let (Some(pixel), Some(rgb)) =
                    (self.0.get_pixel_mut_checked(left + x, top + y), frame.get(start..start + 3))
                {
                    pixel.0.copy_from_slice(rgb);
                }
            }
        }
    }

    fn curve(&mut self, track: &Track<'_>, step: usize, [top, bottom]: [u32; 2], [least, most]: [f32; 2], inner: u32) {
        let grey = Rgb888::new(170, 170, 170);
        let red = Rgb888::new(200, 30, 30);
        let blue = Rgb888::new(30, 80, 180);
        let right = LEFT + inner;
        let x = |frame: usize| LEFT + (frame as u32 * inner) / (track.video.frames as u32).max(1);
        let span = (most - least).max(f32::MIN_POSITIVE);
        let y = |value: f32| bottom - ((value - least) / span * (bottom - top) as f32) as u32;
        if let Some(Range { start, end }) = peak(track) {
            let edges = [start, end].map(x);
            let corner = Point::new(edges[0] as i32, top as i32);
            let area = Rectangle::new(corner, Size::new(edges[1] - edges[0], bottom - top));
            let Ok(()) = area.draw_styled(&PrimitiveStyle::with_fill(Rgb888::new(252, 232, 226)), self);
            let name = format!("most surprising: frames {} to {}", start * step, end.saturating_sub(1) * step);
            self.text(&name, LEFT, bottom + 4, Alignment::Left, red);
        }
        self.line([LEFT, top], [LEFT, bottom], grey, 1);
        self.line([LEFT, bottom], [right, bottom], grey, 1);
        self.text(&format!("{most:.3}"), LEFT - 4, top, Alignment::Right, Rgb888::BLACK);
        self.text(&format!("{least:.3}"), LEFT - 4, bottom - 10, Alignment::Right, Rgb888::BLACK);
        self.text(&format!("frame {}", track.video.frames * step), right, bottom + 4, Alignment::Right, Rgb888::BLACK);
        let points: Vec<[u32; 2]> =
            track.surprise.iter().zip(track.hidden).map(|(value, hidden)| [x(hidden.start), y(*value)]).collect();
        points.windows(2).for_each(|pair| self.line(pair[0], pair[1], blue, 2));
        for [x, y] in points {
            self.line([x.saturating_sub(2), y], [x + 2, y], blue, 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::Concept;
    use crate::surprise::pairs;

    #[test]
    fn the_picture_shows_frames_curve_and_the_most_surprising_window() {
        let protocol = Protocol { contexts: vec![4], ..Protocol::intphys() };
        let movies = pairs::scenes(&[Concept::Permanence], pairs::Part::Test, 1);
        let clips = [movies[0].possible.read(&protocol).unwrap(), movies[0].impossible.read(&protocol).unwrap()];
        let curves = [[0.2, 0.3, 0.25, 0.2, 0.22], [0.2, 0.3, 0.7, 0.5, 0.22]];
        let hidden = protocol.hidden(5, 4);
        let tracks = [0, 1].map(|i| Track { name: "a scene", video: &clips[i], surprise: &curves[i], hidden: &hidden });
        let png = draw(&tracks, &protocol).unwrap();
        let picture = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(picture.width(), WIDTH);
        let count = |colour: [u8; 3]| picture.pixels().filter(|pixel| pixel.0 == colour).count();
        assert!(count([30, 80, 180]) > 500, "the curves");
        assert!(count([252, 232, 226]) > 2000, "the marked frames");
        assert!(count([200, 30, 30]) > 100, "their names");
        assert_eq!(peak(&tracks[1]), Some(8..20));
        assert!(draw(&[], &protocol).is_err());
        if let Some(folder) = std::env::var_os("JEPA_KEEP") {
            std::fs::write(std::path::Path::new(&folder).join("curve.png"), png).unwrap();
        }
    }
}
