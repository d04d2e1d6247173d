//! KITTI's flow: a PNG of 16 bits a channel. Red is 64 u + 32768, green 64 v + 32768, blue 0 where the flow is unknown.

use std::io::Cursor;
use std::path::Path;

use jepa_core::error::{Error, Result};
use jepa_core::picture::MAX_SIDE;

use super::super::Flow;

const ZERO: f32 = 32_768.0;
const STEPS: f32 = 64.0;
/// Most memory that decoding may take.
const MEMORY: usize = 512 << 20;

/// Decodes a file; `path` is for the error.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Flow> {
    let bad = |error: png::DecodingError| Error::format(path, format!("cannot be decoded: {error}"));
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MEMORY });
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(bad)?;
    let (width, height) = (reader.info().width, reader.info().height);
    let (colour, depth) = (reader.info().color_type, reader.info().bit_depth);
    if width.max(height) > MAX_SIDE {
        return Err(Error::format(path, format!("has {width} x {height} pixels; at most {MAX_SIDE} a side are read")));
    }
    if (colour, depth) != (png::ColorType::Rgb, png::BitDepth::Sixteen) {
        let problem = format!("holds {colour:?} of {depth:?} bits; a flow of KITTI's is RGB of sixteen bits");
        return Err(Error::format(path, problem));
    }
    // A head may claim a size that no data follow: six bytes a pixel pack to no less than a thousandth.
    let area = u64::from(width) * u64::from(height) * 6;
    if area / 2048 > bytes.len() as u64 {
        let problem = format!("claims {width} x {height} pixels in {} bytes", bytes.len());
        return Err(Error::format(path, problem));
    }
    let mut pixels = vec![0; area as usize];
    reader.next_frame(&mut pixels).map_err(bad)?;
    let number = |b: &[u8]| f32::from(u16::from_be_bytes([b[0], b[1]]));
    let component = |b: &[u8]| (number(b) - ZERO) / STEPS;
    let values = pixels.chunks_exact(6).map(|p| [component(&p[..2]), component(&p[2..4])]).collect();
    let known = pixels.chunks_exact(6).map(|p| p[4..] != [0, 0]).collect();
    Flow::new(width as usize, height as usize, values, known).map_err(|error| Error::format(path, error.to_string()))
}

/// The bytes of a file; components are rounded to a 64th of a pixel. Fails where one lies beyond ±512 pixels.
pub fn encode(flow: &Flow) -> Result<Vec<u8>> {
    let mut pixels = Vec::with_capacity(6 * flow.values().len());
    for (value, known) in flow.values().iter().zip(flow.known()) {
        for component in value {
            let steps = (component * STEPS + ZERO).round();
            if !(0.0..=65_535.0).contains(&steps) {
                let problem = format!("{component} pixels do not fit into KITTI's sixteen bits; write a .flo file");
                return Err(Error::data("flow", problem));
            }
            pixels.extend((steps as u16).to_be_bytes());
        }
        pixels.extend(u16::from(*known).to_be_bytes());
    }
    let failed = |error: png::EncodingError| Error::Engine(format!("encoding a flow failed: {error}"));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, flow.width() as u32, flow.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Sixteen);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_fourths_of_a_pixel_and_gaps_come_back() {
        let values = vec![[-3.25, 100.5], [0.0, 511.0], [1.0 / 64.0, -512.0]];
        let flow = Flow::new(3, 1, values, vec![true, true, false]).unwrap();
        let again = decode(Path::new("a.png"), &encode(&flow).unwrap()).unwrap();
        assert_eq!(again, flow);
        assert!(encode(&Flow::whole(1, 1, vec![[600.0, 0.0]]).unwrap()).is_err());
    }

    #[test]
    fn other_pictures_are_refused_by_what_they_hold() {
        let mut bytes = Vec::new();
        let mut writer = png::Encoder::new(&mut bytes, 2, 2).write_header().unwrap();
        writer.write_image_data(&[0; 4]).unwrap();
        writer.finish().unwrap();
        let error = decode(Path::new("a.png"), &bytes).unwrap_err().to_string();
        assert!(error.contains("Grayscale") && error.contains("sixteen"), "{error}");
        assert!(decode(Path::new("a.png"), b"words").unwrap_err().to_string().contains("a.png"));
    }
}
