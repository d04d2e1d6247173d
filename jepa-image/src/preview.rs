//! A sample as a picture.

use jepa_core::plugin::Preview;

use crate::data::Picture;

/// The picture in RGB with its grid of patches.
pub fn preview(picture: &Picture, rows: usize, columns: usize) -> Preview {
    let rgb = picture.to_rgb();
    Preview { width: rgb.width, height: rgb.height, rgb: rgb.pixels, grid: [rows, columns] }
}
