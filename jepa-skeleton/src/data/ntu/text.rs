//! The `.skeleton` text of NTU RGB+D.
//!
//! The number of frames; for each frame the number of bodies; for each body a line of ten values that begins with its id,
//! the number of joints, and a line of twelve values for each joint that begins with x, y, z in metres. The layout is
//! that of `Matlab/read_skeleton_file.m` of the authors. Of the other values only the number is looked at: published
//! files hold `NaN` among the image coordinates.

use std::fmt::Write as _;
use std::path::Path;

use jepa_core::error::{Error, Result};

use crate::data::file;

/// Joints of a body.
pub const JOINTS: usize = 25;
/// Values in the line of a body.
const BODY_VALUES: usize = 10;
/// Values in the line of a joint.
const JOINT_VALUES: usize = 12;
/// Most bodies in a frame; the sensor tracks six.
const MAX_BODIES: usize = 16;

/// A body in one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct NtuBody {
    /// What the sensor calls this body; it needs 64 bits, and changes when the body is lost and found again.
    pub id: u64,
    /// Places of the joints in metres, in camera space.
    pub joints: [[f32; 3]; JOINTS],
}

/// The content of one file: the bodies of every frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NtuRecording {
    /// Bodies of each frame, in the order of the file.
    pub frames: Vec<Vec<NtuBody>>,
}

impl NtuRecording {
    /// Reads the text of a file; `path` says in errors where it came from.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut lines = Lines { path, lines: file::text(path, bytes)?.lines(), number: 0 };
        let count = lines.count("the number of frames")?;
        // Every frame takes a line, so a count beyond the bytes left is a lie that must not be believed.
        if count == 0 || count > bytes.len() {
            let problem = format!("it promises {count} frames in a file of {} bytes", bytes.len());
            return Err(file::bad_line(path, 1, problem));
        }
        let mut frames = Vec::new();
        for frame in 0..count {
            let bodies = lines.count(&format!("the number of bodies in frame {frame} of {count}"))?;
            if bodies > MAX_BODIES {
                return Err(lines.bad(format!("{bodies} bodies in a frame, expected at most {MAX_BODIES}")));
            }
            let mut found = Vec::with_capacity(bodies);
            for _ in 0..bodies {
                found.push(lines.body()?);
            }
            frames.push(found);
        }
        lines.end(count)?;
        Ok(Self { frames })
    }

    /// The text of a file that [`Self::parse`] reads back to a micrometre. Image coordinates are those of a pinhole
    /// camera of the sensor's size; orientations, which nothing here reads, are written as none.
    pub fn render(&self) -> String {
        let bodies: usize = self.frames.iter().map(Vec::len).sum();
        let mut text = String::with_capacity(64 + self.frames.len() * 4 + bodies * (64 + JOINTS * 72));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", self.frames.len());
        for frame in &self.frames {
            let _ = writeln!(text, "{}", frame.len());
            for body in frame {
                let _ = writeln!(text, "{} 0 1 1 1 1 0 0.0 0.0 2\n{JOINTS}", body.id);
                for joint in &body.joints {
                    render_joint(&mut text, *joint);
                }
            }
        }
        text
    }
}

/// Focal length of the depth image in pixels.
const DEPTH_FOCAL: f32 = 365.0;
/// Centre of the depth image (512 x 424).
const DEPTH_CENTRE: [f32; 2] = [256.0, 212.0];
/// Centre of the colour image (1920 x 1080).
const COLOUR_CENTRE: [f32; 2] = [960.0, 540.0];
/// Focal length of the colour image over that of the depth image.
const COLOUR_SCALE: f32 = 2.9;

fn render_joint(text: &mut String, [x, y, z]: [f32; 3]) {
    for value in [x, y, z] {
        fixed(text, value, 6);
        text.push(' ');
    }
    let depth = z.max(0.1);
    let (right, down) = (x / depth * DEPTH_FOCAL, -y / depth * DEPTH_FOCAL);
    for (centre, scale) in [(DEPTH_CENTRE, 1.0), (COLOUR_CENTRE, COLOUR_SCALE)] {
        for (middle, distance) in centre.iter().zip([right, down]) {
            fixed(text, middle + distance * scale, 1);
            text.push(' ');
        }
    }
    text.push_str("0 0 0 0 2\n");
}

/// A number with a fixed number of digits after the point; formatting through the library takes four times as long.
fn fixed(text: &mut String, value: f32, digits: u32) {
    let scale = 10u64.pow(digits);
    let scaled = (f64::from(value.abs()) * scale as f64).round() as u64;
    if value < 0.0 && scaled > 0 {
        text.push('-');
    }
    let mut buffer = [b'0'; 24];
    let (mut rest, mut at) = (scaled, buffer.len());
    for place in 0..=digits.max(20) {
        if place == digits {
            at -= 1;
            buffer[at] = b'.';
        }
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 && place >= digits {
            break;
        }
    }
    text.extend(buffer[at..].iter().map(|&byte| char::from(byte)));
}

/// The lines of a file with their numbers.
struct Lines<'a> {
    path: &'a Path,
    lines: std::str::Lines<'a>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self, what: &str) -> Result<&'a str> {
        self.number += 1;
        self.lines.next().map(str::trim).ok_or_else(|| {
            Error::format(self.path, format!("ends after line {}, expected {what}; is it cut off?", self.number - 1))
        })
    }

    fn count(&mut self, what: &str) -> Result<usize> {
        let line = self.next(what)?;
        file::count(self.path, self.number, line, what)
    }

    fn bad(&self, problem: impl std::fmt::Display) -> Error {
        file::bad_line(self.path, self.number, problem)
    }

    fn body(&mut self) -> Result<NtuBody> {
        let line = self.next("the line of a body")?;
        let found = line.split_ascii_whitespace().count();
        if found != BODY_VALUES {
            return Err(self.bad(format!("the line of a body has {BODY_VALUES} values, found {found}")));
        }
        let id = line.split_ascii_whitespace().next().unwrap_or_default();
        let id = id.parse().map_err(|_| self.bad(format!("`{}` is not the id of a body", file::shortened(id))))?;
        let joints = self.count("the number of joints")?;
        if joints != JOINTS {
            return Err(self.bad(format!("a body of {joints} joints, expected {JOINTS}")));
        }
        let mut body = NtuBody { id, joints: [[0.0; 3]; JOINTS] };
        for joint in &mut body.joints {
            let line = self.next("the line of a joint")?;
            let mut words = line.split_ascii_whitespace();
            for value in joint.iter_mut() {
                *value = file::number(self.path, self.number, words.next().unwrap_or_default())?;
            }
            let found = 3 + words.count();
            if found != JOINT_VALUES {
                return Err(self.bad(format!("the line of a joint has {JOINT_VALUES} values, found {found}")));
            }
        }
        Ok(body)
    }

    fn end(&mut self, frames: usize) -> Result<()> {
        match self.lines.find(|line| !line.trim().is_empty()) {
            Some(_) => Err(Error::format(self.path, format!("goes on after the {frames} frames it promises"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(id: u64) -> NtuBody {
        let joints = std::array::from_fn(|j| [j as f32 * 0.1 - 1.0, 0.5 - j as f32 * 0.033, 3.0 + j as f32 / 7.0]);
        NtuBody { id, joints }
    }

    fn refusal(text: &str) -> String {
        NtuRecording::parse(Path::new("a.skeleton"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back_with_large_ids_and_empty_frames() {
        let recording =
            NtuRecording { frames: vec![vec![body(72_057_594_037_931_101)], vec![], vec![body(1), body(2)]] };
        let read = NtuRecording::parse(Path::new("a"), recording.render().as_bytes()).unwrap();
        assert_eq!(read.frames.len(), 3);
        for (written, read) in recording.frames.iter().flatten().zip(read.frames.iter().flatten()) {
            assert_eq!(written.id, read.id);
            for (a, b) in written.joints.iter().flatten().zip(read.joints.iter().flatten()) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
        let again = NtuRecording::parse(Path::new("a"), read.render().as_bytes()).unwrap();
        assert_eq!(read, again);
    }

    #[test]
    fn numbers_are_written_as_the_library_writes_them() {
        for value in [0.0, -0.0, 1.0, -2.5, 0.001, 123.456, 1e-9, -1e-9, 99.999_99, 16_777_216.0] {
            for digits in [1, 6] {
                let mut text = String::new();
                fixed(&mut text, value, digits);
                let expected = format!("{:.*}", digits as usize, f64::from(value));
                assert_eq!(text.trim_start_matches('-'), expected.trim_start_matches('-'), "{value}");
                assert_eq!(text.parse::<f32>().unwrap(), expected.parse::<f32>().unwrap());
            }
        }
    }

    #[test]
    fn every_damage_names_the_line_and_what_was_expected() {
        let good = NtuRecording { frames: vec![vec![body(7)]] }.render();
        let replaced = |line: usize, with: &str| {
            let mut lines: Vec<&str> = good.lines().collect();
            lines[line - 1] = with;
            refusal(&lines.join("\n"))
        };
        let joint = "0.1 nan 3 0 0 0 0 0 0 0 0 2";
        for (error, expected) in [
            (replaced(1, "18446744073709551615"), "it promises 18446744073709551615 frames"),
            (replaced(1, "0"), "0 frames"),
            (replaced(1, "2"), "the number of bodies in frame 1 of 2"),
            (replaced(1, "x"), "line 1: expected the number of frames, found `x`"),
            (replaced(2, "4000000000"), "line 2: 4000000000 bodies"),
            (replaced(2, "0"), "goes on after the 1 frames"),
            (replaced(3, "7 0 1"), "line 3: the line of a body has 10 values, found 3"),
            (replaced(3, "-7 0 1 1 1 1 0 0 0 2"), "`-7` is not the id"),
            (replaced(4, "20"), "line 4: a body of 20 joints, expected 25"),
            (replaced(9, joint), "line 9: `nan` is not a finite number"),
            (replaced(9, "1 2 3"), "line 9: the line of a joint has 12 values, found 3"),
            (refusal(&good[..good.len() / 2]), "line"),
            (refusal(""), "ends after line 0"),
        ] {
            assert!(error.contains("a.skeleton") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn values_that_nobody_reads_may_be_missing_numbers() {
        let good = NtuRecording { frames: vec![vec![body(7)]] }.render();
        let odd = good.replace(" 0 0 0 0 2\n", " NaN -inf NaN 0 2\n");
        assert!(NtuRecording::parse(Path::new("a"), odd.as_bytes()).is_ok());
    }
}
