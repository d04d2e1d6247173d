//! GIF, animated WebP and animated PNG, decoded here: frames in display order, composed as a viewer shows them.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder as _, DynamicImage, Frames, ImageDecoder, Limits};
use jepa_core::data::file;
use jepa_core::error::{Error, Result};
use jepa_core::picture::{MAX_SIDE, Picture};

use super::{Gathered, check_bytes};
use crate::data::clip::Clip;

/// Most bytes of a file.
const MAX_FILE: u64 = 512 << 20;
/// Most bytes of one frame with what composing it takes.
const MAX_FRAME: u64 = 512 << 20;
/// Most frames of a recording: hours.
const MAX_FRAMES: usize = 1 << 20;

/// Which format an animation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gif,
    WebP,
    Png,
}

impl Kind {
    /// The kind that a file with these first 16 bytes is.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'G', b'I', b'F', b'8', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            _ => None,
        }
    }

    /// Whether the file at `path` moves.
    pub(crate) fn is_animated(self, path: &Path) -> bool {
        Animation::open(path, self).is_ok_and(|animation| self == Self::Gif || animation.count > 1)
    }
}

/// An animation whose header and frame count were read.
#[derive(Debug)]
pub(crate) struct Animation {
    path: PathBuf,
    kind: Kind,
    pub(crate) count: usize,
    pub(crate) rate: Option<f64>,
}

impl Animation {
    /// Counts the frames without decoding them.
    pub(crate) fn open(path: &Path, kind: Kind) -> Result<Self> {
        let bytes = file::read(path, MAX_FILE)?;
        let (count, seconds) = match kind {
            Kind::Gif => gif_length(&bytes),
            Kind::WebP => webp_length(&bytes),
            Kind::Png => png_length(&bytes),
        }
        .map_err(|problem| Error::format(path, problem))?;
        if count == 0 || count > MAX_FRAMES {
            return Err(Error::format(path, format!("holds {count} frames; expected 1 to {MAX_FRAMES}")));
        }
        // Without delays a viewer goes as fast as it likes: there is no rate.
        let rate = Some(count as f64 / seconds).filter(|rate| rate.is_finite() && *rate > 0.0);
        Ok(Self { path: path.to_path_buf(), kind, count, rate })
    }

    /// The frames `wanted`, ascending.
    pub(crate) fn read(&self, wanted: &[usize], shorter: Option<usize>) -> Result<Clip> {
        let bytes = file::read(&self.path, MAX_FILE)?;
        let bad = |error: image::ImageError| Error::format(&self.path, format!("cannot be decoded: {error}"));
        let mut gathered = Gathered::new(wanted.len(), shorter);
        let mut frames = match self.kind {
            Kind::Gif => checked(GifDecoder::new(Cursor::new(&bytes)), &self.path)?.into_frames(),
            Kind::WebP => {
                let decoder = checked(WebPDecoder::new(Cursor::new(&bytes)), &self.path)?;
                if !decoder.has_animation() {
                    return self.still(decoder, gathered, wanted);
                }
                decoder.into_frames()
            }
            Kind::Png => {
                let decoder = PngDecoder::with_limits(Cursor::new(&bytes), limits());
                let decoder = checked(decoder, &self.path)?;
                if !decoder.is_apng().map_err(bad)? {
                    return self.still(decoder, gathered, wanted);
                }
                decoder.apng().map_err(bad)?.into_frames()
            }
        };
        self.collect(&mut frames, wanted, &mut gathered)?;
        gathered.finish(&self.path)
    }

    fn collect(&self, frames: &mut Frames<'_>, wanted: &[usize], gathered: &mut Gathered) -> Result<()> {
        let mut rest = wanted.iter().copied().peekable();
        for (index, frame) in frames.enumerate() {
            let frame =
                frame.map_err(|e| Error::format(&self.path, format!("frame {index} cannot be decoded: {e}")))?;
            if rest.next_if_eq(&index).is_some() {
                self.push(DynamicImage::ImageRgba8(frame.into_buffer()), index, gathered)?;
            }
            if rest.peek().is_none() {
                break;
            }
        }
        Ok(())
    }

    /// A file of one picture: a recording of one frame.
    fn still(&self, decoder: impl ImageDecoder, mut gathered: Gathered, wanted: &[usize]) -> Result<Clip> {
        let image = DynamicImage::from_decoder(decoder);
        let image = image.map_err(|error| Error::format(&self.path, format!("cannot be decoded: {error}")))?;
        if wanted.contains(&0) {
            self.push(image, 0, &mut gathered)?;
        }
        gathered.finish(&self.path)
    }

    fn push(&self, image: DynamicImage, index: usize, gathered: &mut Gathered) -> Result<()> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let picture = Picture::new(width, height, 3, image.into_rgb8().into_raw());
        let picture = picture.map_err(|error| Error::format(&self.path, error.to_string()))?;
        gathered.push(picture).map_err(|problem| Error::format(&self.path, format!("frame {index} {problem}")))
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_FRAME);
    limits
}

/// A decoder whose header promises a size that can be held.
fn checked<D: ImageDecoder>(decoder: image::ImageResult<D>, path: &Path) -> Result<D> {
    let bad = |error: image::ImageError| Error::format(path, format!("cannot be decoded: {error}"));
    let mut decoder = decoder.map_err(bad)?;
    let (width, height) = decoder.dimensions();
    // Composing holds the canvas, the frame and the picture handed over, four bytes a pixel each.
    if check_bytes(6, height as usize, width as usize).is_err() {
        return Err(Error::format(path, format!("promises frames of {width}x{height}, too large to be decoded")));
    }
    decoder.set_limits(limits()).map_err(bad)?;
    Ok(decoder)
}

/// Frames and seconds of a GIF.
fn gif_length(bytes: &[u8]) -> Result<(usize, f64), String> {
    let bad = |error: gif::DecodingError| format!("cannot be decoded: {error}");
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options.read_info(bytes).map_err(bad)?;
    let (mut count, mut hundredths) = (0, 0u64);
    while let Some(frame) = decoder.next_frame_info().map_err(bad)? {
        count += 1;
        hundredths += u64::from(frame.delay);
        if count > MAX_FRAMES {
            break;
        }
    }
    Ok((count, hundredths as f64 / 100.0))
}

/// Frames and seconds of a WebP.
fn webp_length(bytes: &[u8]) -> Result<(usize, f64), String> {
    let decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(|e| format!("cannot be decoded: {e}"))?;
    if !decoder.is_animated() {
        return Ok((1, 0.0));
    }
    Ok((decoder.num_frames() as usize, decoder.loop_duration() as f64 / 1000.0))
}

/// Frames and seconds of a PNG; the seconds are those of the first frame's delay for all.
fn png_length(bytes: &[u8]) -> Result<(usize, f64), String> {
    let reader = png::Decoder::new(Cursor::new(bytes)).read_info().map_err(|e| format!("cannot be decoded: {e}"))?;
    let info = reader.info();
    let Some(control) = info.animation_control() else { return Ok((1, 0.0)) };
    let count = control.num_frames as usize;
    let delay = info.frame_control.map_or(0.0, |frame| {
        // A denominator of 0 means hundredths (APNG specification).
        f64::from(frame.delay_num) / f64::from(if frame.delay_den == 0 { 100 } else { frame.delay_den })
    });
    Ok((count, delay * count as f64))
}
