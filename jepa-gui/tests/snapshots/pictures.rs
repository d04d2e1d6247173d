//! Pictures that are kept: cropped, compared, and written small.

use std::path::{Path, PathBuf};

use egui_kittest::{SnapshotOptions, try_image_snapshot_options};
use image::{Rgba, RgbaImage};

use crate::studio::Outcome;

/// Difference of two pixels that counts: a squared distance of luma and chroma. 10 is one of two greys that are 4 or 5 of
/// 255 apart, 33,000 black from white. Below it lies how adapters round: between Mesa's and SwiftShader's, up to 14,000
/// pixels of a picture differ at all.
const SEEN: f32 = 10.0;
/// Pixels that may differ by more. Those two differ in up to 19, where the edge of a line falls between two pixels. Three
/// panels differ between them in up to 911: magnified samples, whose pixels end in the very middle of one on the screen.
const DIFFERING: usize = 25;

/// Where the pictures are kept.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/kept")
}

/// Fills a part with one colour; it is in points, of which each is a pixel.
pub(crate) fn blank(image: &mut RgbaImage, rect: egui::Rect) {
    let inside = |v: f32, most: u32| (v.max(0.0) as u32).min(most);
    let (width, height) = image.dimensions();
    for y in inside(rect.top().floor(), height)..inside(rect.bottom().ceil(), height) {
        for x in inside(rect.left().floor(), width)..inside(rect.right().ceil(), width) {
            image.put_pixel(x, y, Rgba([128, 128, 128, 255]));
        }
    }
}

pub(crate) fn crop(image: &RgbaImage, rect: egui::Rect) -> RgbaImage {
    let [left, top] = [rect.left(), rect.top()].map(|v| v.max(0.0) as u32);
    let [width, height] = [rect.width() as u32, rect.height() as u32];
    image::imageops::crop_imm(image, left, top, width, height).to_image()
}

/// Compares it with the kept one; with `UPDATE_SNAPSHOTS=1` a picture that differs takes its place.
pub(crate) fn compare(image: &RgbaImage, name: &str) -> Outcome {
    let options = SnapshotOptions::default().output_path(folder()).threshold(SEEN).max_failed_pixels(DIFFERING);
    try_image_snapshot_options(image, name, &options).map_err(|error| error.to_string())?;
    let kept = folder().join(format!("{name}.png"));
    for left in ["old", "diff"] {
        let _ = std::fs::remove_file(folder().join(format!("{name}.{left}.png")));
    }
    shrink(&kept).map_err(|error| format!("`{}`: {error}", kept.display()))
}

/// Writes a picture that was just renewed without its opaque fourth channel and as small as can be.
fn shrink(path: &Path) -> Outcome {
    let image = image::open(path).map_err(|e| e.to_string())?;
    if image.color() != image::ColorType::Rgba8 {
        return Ok(());
    }
    let image = image.to_rgb8();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    writer.write_image_data(image.as_raw()).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    std::fs::write(path, bytes).map_err(|e| e.to_string())
}
