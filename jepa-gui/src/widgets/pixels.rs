//! PNG files.

use egui::ColorImage;

/// Most pixels along a side, and most bytes of a picture that is read.
const LARGEST: u32 = 4096;

/// Pixels as a PNG file.
pub fn encode_png(image: &ColorImage) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.size[0] as u32, image.size[1] as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    let data: Vec<u8> = image.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    writer.write_image_data(&data).map_err(|e| e.to_string())?;
    drop(writer);
    Ok(bytes)
}

/// A PNG file as pixels; palettes, greys and 16 bits become 8-bit colours.
pub fn decode_png(bytes: &[u8]) -> Result<ColorImage, String> {
    let limits = png::Limits { bytes: (4 * LARGEST * LARGEST) as usize };
    let mut decoder = png::Decoder::new_with_limits(std::io::Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let (width, height) = (reader.info().width, reader.info().height);
    if width > LARGEST || height > LARGEST {
        return Err(format!("{width} x {height} pixels are too many: {LARGEST} at most along a side"));
    }
    let length = reader.output_buffer_size().ok_or("its size is not known")?;
    let mut data = vec![0; length];
    let info = reader.next_frame(&mut data).map_err(|e| e.to_string())?;
    let size = [width as usize, height as usize];
    let data = &data[..info.buffer_size()];
    let grey = |step: usize| data.chunks_exact(step).flat_map(|p| [p[0], p[0], p[0], p.get(1).copied().unwrap_or(255)]);
    Ok(match info.color_type {
        png::ColorType::Rgb => ColorImage::from_rgb(size, data),
        png::ColorType::Rgba => ColorImage::from_rgba_unmultiplied(size, data),
        png::ColorType::Grayscale => ColorImage::from_rgba_unmultiplied(size, &grey(1).collect::<Vec<u8>>()),
        png::ColorType::GrayscaleAlpha => ColorImage::from_rgba_unmultiplied(size, &grey(2).collect::<Vec<u8>>()),
        png::ColorType::Indexed => return Err("its palette was not resolved".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use egui::Color32;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_what_is_no_picture_is_an_error() {
        let pixels = (0..6).map(|i| Color32::from_rgb(40 * i, 255 - i, 7)).collect();
        let image = ColorImage::new([3, 2], pixels);
        let bytes = encode_png(&image).unwrap();
        let found = decode_png(&bytes).unwrap();
        assert_eq!((found.size, found.pixels), (image.size, image.pixels));
        assert!(decode_png(b"no picture").is_err() && decode_png(&bytes[..bytes.len() / 2]).is_err());
    }
}
