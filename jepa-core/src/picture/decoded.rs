//! One decoded image.

use std::io::Cursor;
use std::path::Path;

use crate::data::file;
use crate::error::{Error, Result};
use image::{ColorType, ImageFormat, ImageReader, Limits};

/// Endings of the files that count as images, in lower case.
pub const EXTENSIONS: &[&str] = &["png", "jpg", "jpeg", "webp", "bmp", "gif"];

/// Longest side a picture may have.
pub const MAX_SIDE: u32 = 16_384;

/// Most bytes a file with one image, and the memory to decode it, may take.
const MAX_BYTES: u64 = 512 << 20;

/// An 8-bit image: grey or RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// `height * width * channels` bytes: row by row, channels interleaved.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture of these pixels. Fails unless the sides are positive, there are 1 or 3 channels and the number of
    /// bytes is `width * height * channels`.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Result<Self> {
        let problem = match width.checked_mul(height).and_then(|area| area.checked_mul(channels)) {
            _ if channels != 1 && channels != 3 => "expected 1 channel (grey) or 3 (RGB)".to_owned(),
            Some(0) => "has no pixels".to_owned(),
            Some(expected) if expected == pixels.len() => return Ok(Self { width, height, channels, pixels }),
            _ => format!("expected one byte per value, found {}", pixels.len()),
        };
        Err(Error::data(format!("picture of {width}x{height} with {channels} channels"), problem))
    }

    /// Reads an image file. Its content decides on the format, not its name.
    pub fn open(path: &Path) -> Result<Self> {
        Self::decode(path, &file::read(path, MAX_BYTES)?)
    }

    /// Decodes the bytes of an image file; `path` is for the error. Transparency is dropped, 16 bits become 8, grey
    /// stays grey (in PNG and JPEG; the others store colours only). An orientation in the metadata is not applied, as
    /// in torchvision.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        let bad = |error: image::ImageError| Error::format(path, format!("cannot be decoded: {error}"));
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(Error::io("read", path))?;
        if reader.format().is_none() {
            let problem = format!(
                "is not an image in a known format ({}), whatever its name says; {} bytes, the first: {:02x?}",
                EXTENSIONS.join(", "),
                bytes.len(),
                &bytes[..bytes.len().min(8)],
            );
            return Err(Error::format(path, problem));
        }
        if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_is_whole(bytes) {
            return Err(Error::format(path, "is a JPEG whose end is missing; was a download or copy interrupted?"));
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let image = reader.decode().map_err(bad)?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (channels, pixels) = match image.color() {
            ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16 => (1, image.into_luma8().into_raw()),
            _ => (3, image.into_rgb8().into_raw()),
        };
        Self::new(width, height, channels, pixels).map_err(|error| Error::format(path, error.to_string()))
    }

    /// The same picture in RGB; grey is repeated.
    pub fn to_rgb(&self) -> Self {
        if self.channels == 3 {
            return self.clone();
        }
        let pixels = self.pixels.iter().flat_map(|&grey| [grey; 3]).collect();
        Self { channels: 3, pixels, ..*self }
    }

    /// The same picture in grey: ITU-R 601 luma in the fixed-point arithmetic of Pillow's `convert("L")`.
    pub fn to_grey(&self) -> Self {
        if self.channels == 1 {
            return self.clone();
        }
        let luma = |p: &[u8; 3]| {
            let [r, g, b] = p.map(u32::from);
            ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
        };
        let (pixels, _) = self.pixels.as_chunks::<3>();
        Self { channels: 1, pixels: pixels.iter().map(luma).collect(), ..*self }
    }

    /// The same picture with 1 (grey) or 3 (RGB) channels.
    pub fn to_channels(&self, channels: usize) -> Result<Self> {
        match channels {
            1 => Ok(self.to_grey()),
            3 => Ok(self.to_rgb()),
            _ => Err(Error::data("picture", format!("expected 1 or 3 channels to convert to, found {channels}"))),
        }
    }
}

/// Whether the end marker follows the start of the scan. The decoder fills what a cut file lacks with grey and says
/// nothing; the marker cannot occur in a scan by chance, but it does in the thumbnails of the segments before.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == 0xda {
            return rest.array_windows().any(|pair| *pair == [0xff, 0xd9]);
        }
        let length = match marker {
            // Fill bytes may precede a marker.
            0xff => 1,
            _ => 2 + usize::from(u16::from_be_bytes([high, low])),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    // Segments out of order are for the decoder to judge.
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::DynamicImage;

    fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn decode(bytes: &[u8]) -> Result<Picture> {
        Picture::decode(Path::new("cat.jpg"), bytes)
    }

    #[test]
    fn a_picture_holds_one_byte_per_value_or_is_refused() {
        assert!(Picture::new(2, 3, 3, vec![0; 18]).is_ok());
        for (width, height, channels, bytes) in
            [(2, 3, 3, 17), (2, 3, 4, 24), (2, 3, 0, 0), (0, 3, 1, 0), (usize::MAX, 2, 1, 7)]
        {
            let error = Picture::new(width, height, channels, vec![0; bytes]).unwrap_err().to_string();
            assert!(error.contains(&format!("{width}x{height}")), "{error}");
        }
    }

    #[test]
    fn colour_becomes_grey_as_in_pillow_and_grey_becomes_colour_by_repetition() {
        // Image.frombytes("RGB", (6, 1), ..).convert("L") of Pillow 13.
        let rgb = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 10, 20, 30, 200, 123, 77];
        let grey = Picture::new(6, 1, 3, rgb).unwrap().to_channels(1).unwrap();
        assert_eq!(grey.pixels, [76, 150, 29, 255, 18, 141]);
        let back = grey.to_channels(3).unwrap();
        assert_eq!((back.channels, &back.pixels[..6]), (3, &[76, 76, 76, 150, 150, 150][..]));
        assert!(grey.to_channels(2).is_err());
        assert_eq!(back.to_rgb(), back);
        assert_eq!(grey.to_grey(), grey);
    }

    #[test]
    fn sixteen_bits_become_eight_transparency_is_dropped_and_grey_stays_grey() {
        let deep =
            DynamicImage::ImageLuma16(image::ImageBuffer::from_fn(3, 2, |x, _| image::Luma([x as u16 * 25_700])));
        let picture = decode(&encode(&deep, ImageFormat::Png)).unwrap();
        assert_eq!((picture.width, picture.height, picture.channels), (3, 2, 1));
        assert_eq!(picture.pixels, [0, 100, 200, 0, 100, 200]);
        let clear = DynamicImage::ImageRgba8(image::ImageBuffer::from_pixel(2, 2, image::Rgba([9, 8, 7, 0])));
        let picture = decode(&encode(&clear, ImageFormat::Png)).unwrap();
        assert_eq!((picture.channels, &picture.pixels[..3]), (3, &[9, 8, 7][..]));
    }

    #[test]
    fn the_content_decides_on_the_format_and_text_is_refused_by_name() {
        let png = encode(&DynamicImage::new_rgb8(4, 4), ImageFormat::Png);
        assert_eq!(decode(&png).unwrap().width, 4, "a PNG named .jpg");
        for bytes in [&b"these are words, not pixels"[..], b"", b"\0", &png[..20]] {
            let error = decode(bytes).unwrap_err().to_string();
            assert!(error.contains("cat.jpg"), "{error}");
        }
    }

    #[test]
    fn an_image_cut_off_anywhere_is_an_error_and_never_half_a_picture() {
        let noise = DynamicImage::ImageRgb8(image::RgbImage::from_fn(40, 40, |x, y| {
            image::Rgb([x as u8, y as u8, (x * y) as u8])
        }));
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
            let whole = encode(&noise, format);
            assert!(decode(&whole).is_ok());
            assert!(decode(&[&whole[..], b"trailing words"].concat()).is_ok(), "{format:?}");
            for tenth in 1..10 {
                assert!(decode(&whole[..whole.len() * tenth / 10]).is_err(), "{format:?} cut to {tenth} tenths");
            }
        }
    }

    #[test]
    fn a_header_that_promises_a_giant_or_empty_image_is_refused() {
        // A bitmap header may claim any size in few bytes.
        let claim = |width: i32, height: i32| {
            let mut bmp = encode(&DynamicImage::new_rgb8(4, 4), ImageFormat::Bmp);
            bmp[18..22].copy_from_slice(&width.to_le_bytes());
            bmp[22..26].copy_from_slice(&height.to_le_bytes());
            decode(&bmp)
        };
        assert!(claim(4, 4).is_ok());
        for (width, height) in [(16_385, 1), (1, 16_385), (16_384, 16_384), (0, 4), (4, 0), (i32::MAX, i32::MIN)] {
            assert!(claim(width, height).is_err(), "{width}x{height}");
        }
    }
}
