//! One clip: frames of one size, as many as the network reads.

use jepa_core::error::{Error, Result};

/// Most bytes of one clip in memory: 64 frames of 1080 x 1920 fit twice.
pub const MAX_BYTES: usize = 1 << 30;

/// Decoded frames of one clip, 8-bit RGB. With several segments these follow each other in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// Number of frames, those of all segments together.
    pub frames: usize,
    /// Rows of a frame.
    pub height: usize,
    /// Columns of a frame.
    pub width: usize,
    /// `frames * height * width * 3` bytes, row-major.
    pub rgb: Vec<u8>,
}

impl Clip {
    /// A clip of these bytes. Fails unless every extent is positive and the number of bytes is
    /// `frames * height * width * 3`.
    pub fn new(frames: usize, height: usize, width: usize, rgb: Vec<u8>) -> Result<Self> {
        let problem = match Self::bytes(frames, height, width) {
            Some(0) => "has no pixels".to_owned(),
            Some(expected) if expected == rgb.len() => return Ok(Self { frames, height, width, rgb }),
            Some(expected) if expected > MAX_BYTES => format!("takes more than the {MAX_BYTES} bytes allowed"),
            _ => format!("expected three bytes a pixel, found {} in all", rgb.len()),
        };
        Err(Error::data(format!("clip of {frames} frames of {width}x{height}"), problem))
    }

    /// Bytes of such a clip; `None` when they cannot be counted.
    pub fn bytes(frames: usize, height: usize, width: usize) -> Option<usize> {
        frames.checked_mul(height)?.checked_mul(width)?.checked_mul(3)
    }

    /// Frame `index`: `height * width * 3` bytes.
    pub fn frame(&self, index: usize) -> Option<&[u8]> {
        let size = self.height * self.width * 3;
        self.rgb.get(index * size..(index + 1) * size)
    }

    /// The frames `range` as a clip of their own; segments are cut out with it.
    pub fn cut(&self, range: std::ops::Range<usize>) -> Result<Self> {
        let size = self.height * self.width * 3;
        let rgb = self.rgb.get(range.start * size..range.end * size).unwrap_or_default().to_vec();
        Self::new(range.len(), self.height, self.width, rgb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_holds_three_bytes_a_pixel_or_is_refused() {
        let clip = Clip::new(2, 2, 1, (0..12).collect()).unwrap();
        assert_eq!((clip.frame(1).unwrap(), clip.frame(2)), (&[6, 7, 8, 9, 10, 11][..], None));
        assert_eq!(clip.cut(1..2).unwrap().rgb, [6, 7, 8, 9, 10, 11]);
        assert!(clip.cut(1..3).is_err() && clip.cut(1..1).is_err());
        for (frames, height, width, bytes) in [(2, 2, 1, 11), (0, 2, 2, 0), (usize::MAX, 2, 2, 12)] {
            assert!(Clip::new(frames, height, width, vec![0; bytes]).is_err());
        }
    }
}
