//! From a clip to tokens: one joint over a few frames.

use jepa_core::error::{Error, Result};

/// How a clip of one person is cut. A token holds `segment` frames of one joint; its number is
/// `segment number x joints + joint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Frames of a token (S-JEPA, MAMP: 4).
    pub segment: usize,
    /// Segments of a clip.
    pub segments: usize,
    /// Joints of a skeleton.
    pub joints: usize,
}

impl Tokens {
    /// Checks that segments of `segment` frames tile clips of `frames`.
    pub fn new(frames: usize, joints: usize, segment: usize) -> Result<Self> {
        if segment == 0 || frames == 0 || !frames.is_multiple_of(segment) {
            let problem = format!("segments of {segment} frames do not tile clips of {frames}");
            return Err(Error::config("model.segment", problem));
        }
        if joints == 0 {
            return Err(Error::config("model.joints", "expected at least one joint"));
        }
        Ok(Self { segment, segments: frames / segment, joints })
    }

    /// Frames of a clip.
    pub fn frames(&self) -> usize {
        self.segments * self.segment
    }

    /// Tokens of a clip.
    pub fn count(&self) -> usize {
        self.segments * self.joints
    }

    /// Numbers of a token.
    pub fn width(&self) -> usize {
        3 * self.segment
    }

    /// Appends the tokens of one person, [frames, joints, 3]. Within a token the order is channel, frame, as a
    /// convolution kernel (3, segment, 1) over [3, frames, joints] reads it.
    pub fn cut(&self, values: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let (expected, found) = (self.frames() * self.joints * 3, values.len());
        if found != expected {
            let problem = format!("has {found} numbers, expected {} frames of {} joints", self.frames(), self.joints);
            return Err(Error::data("clip", problem));
        }
        out.reserve(expected);
        for segment in values.chunks_exact(self.segment * self.joints * 3) {
            for joint in 0..self.joints {
                for channel in 0..3 {
                    let start = joint * 3 + channel;
                    out.extend(segment.iter().skip(start).step_by(self.joints * 3));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_a_convolution_kernel_reads_them() {
        let tokens = Tokens::new(4, 3, 2).unwrap();
        // Number 100 x frame + 10 x joint + channel.
        let values: Vec<f32> = (0..4 * 3 * 3).map(|i| (i / 9 * 100 + i / 3 % 3 * 10 + i % 3) as f32).collect();
        let mut out = vec![-1.0];
        tokens.cut(&values, &mut out).unwrap();
        assert_eq!((tokens.count(), tokens.width(), out.len()), (6, 6, 37));
        // Token 5: segment 1 (frames 2 and 3), joint 2.
        assert_eq!(out[1 + 5 * 6..], [220.0, 320.0, 221.0, 321.0, 222.0, 322.0]);
        assert_eq!(out[1..7], [0.0, 100.0, 1.0, 101.0, 2.0, 102.0]);
    }

    #[test]
    fn the_sizes_of_the_paper_give_750_tokens_of_twelve_numbers() {
        let tokens = Tokens::new(120, 25, 4).unwrap();
        assert_eq!((tokens.segments, tokens.count(), tokens.width()), (30, 750, 12));
    }

    #[test]
    fn clips_that_do_not_fit_are_refused() {
        assert!(Tokens::new(120, 25, 7).unwrap_err().to_string().contains("model.segment"));
        assert!(Tokens::new(120, 0, 4).is_err() && Tokens::new(0, 25, 4).is_err() && Tokens::new(4, 25, 0).is_err());
        assert!(Tokens::new(4, 2, 2).unwrap().cut(&[0.0; 23], &mut Vec::new()).is_err());
    }
}
