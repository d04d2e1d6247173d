//! Biovision hierarchy: a tree of joints with offsets, and angles for each frame. Places come from forward kinematics.
//!
//! Lengths keep the unit of the file, often centimetres. Angles are degrees; a joint's rotations apply in the order of its
//! channels; position channels add to the offset. End sites are no joints.

use std::path::Path;
use std::sync::Arc;

use jepa_core::error::{Error, Result};

use super::file;
use super::joints::{JointSet, MAX_JOINTS};
use super::sequence::{MAX_VALUES, Sequence};

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Sequence> {
    parse(path, &file::read(path, super::MAX_BYTES)?)
}

/// What a number of a frame does to its joint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Position(usize),
    Rotation(usize),
}

struct Joint {
    name: String,
    parent: Option<u32>,
    offset: [f32; 3],
    channels: Vec<Channel>,
}

/// Words with the numbers of their lines.
struct Words<'a> {
    path: &'a Path,
    words: std::iter::Peekable<Box<dyn Iterator<Item = (usize, &'a str)> + 'a>>,
    line: usize,
}

impl<'a> Words<'a> {
    fn new(path: &'a Path, text: &'a str) -> Self {
        let words = text.lines().enumerate().flat_map(|(at, line)| {
            let words = line.split_ascii_whitespace();
            words.map(move |word| (at + 1, word))
        });
        let words: Box<dyn Iterator<Item = (usize, &'a str)> + 'a> = Box::new(words);
        Self { path, words: words.peekable(), line: 0 }
    }

    fn next(&mut self, what: &str) -> Result<&'a str> {
        let Some((line, word)) = self.words.next() else {
            return Err(Error::format(self.path, format!("ends where {what} was expected; is it cut off?")));
        };
        self.line = line;
        Ok(word)
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let found = self.next(&format!("`{word}`"))?;
        if found.eq_ignore_ascii_case(word) {
            Ok(())
        } else {
            Err(self.bad(format!("expected `{word}`, found `{}`", file::shortened(found))))
        }
    }

    fn number(&mut self) -> Result<f32> {
        let word = self.next("a number")?;
        file::number(self.path, self.line, word)
    }

    fn vector(&mut self) -> Result<[f32; 3]> {
        Ok([self.number()?, self.number()?, self.number()?])
    }

    fn bad(&self, problem: impl std::fmt::Display) -> Error {
        file::bad_line(self.path, self.line, problem)
    }
}

/// Reads a file from its bytes.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Sequence> {
    let mut words = Words::new(path, file::text(path, bytes)?);
    let joints = hierarchy(&mut words)?;
    words.expect("Frames:")?;
    let word = words.next("the number of frames")?;
    let frames = file::count(path, words.line, word, "the number of frames")?;
    words.expect("Frame")?;
    words.expect("Time:")?;
    words.number()?;
    let channels: usize = joints.iter().map(|joint| joint.channels.len()).sum();
    // A number takes two bytes at least: what a file cannot hold is not believed.
    let fits = frames.checked_mul(channels.max(1)).is_some_and(|count| count <= bytes.len());
    let small = frames.checked_mul(joints.len() * 3).is_some_and(|count| count <= MAX_VALUES);
    if frames == 0 || channels == 0 || !fits || !small {
        let problem = format!("{frames} frames of {channels} channels cannot be in a file of {} bytes", bytes.len());
        return Err(words.bad(problem));
    }
    let mut values = Vec::with_capacity(frames * joints.len() * 3);
    let mut places: Vec<([f32; 3], Rotation)> = Vec::with_capacity(joints.len());
    for _ in 0..frames {
        places.clear();
        for joint in &joints {
            let (mut offset, mut turn) = (joint.offset, IDENTITY);
            for channel in &joint.channels {
                let value = words.number()?;
                match channel {
                    Channel::Position(axis) => offset[*axis] += value,
                    Channel::Rotation(axis) => turn = product(&turn, &about(*axis, value.to_radians())),
                }
            }
            let place = match joint.parent.and_then(|parent| places.get(parent as usize)) {
                Some((place, rotation)) => {
                    let moved = apply(rotation, offset);
                    turn = product(rotation, &turn);
                    [0, 1, 2].map(|axis| place[axis] + moved[axis])
                }
                None => offset,
            };
            values.extend(place);
            places.push((place, turn));
        }
    }
    if words.words.next().is_some() {
        return Err(Error::format(path, format!("goes on after the {frames} frames it promises")));
    }
    let parents = joints.iter().map(|joint| joint.parent).collect();
    let set = JointSet::tree("bvh", joints.into_iter().map(|joint| joint.name).collect(), parents);
    Sequence::new(Arc::new(set), frames, 1, values).map_err(|error| Error::format(path, error.to_string()))
}

/// The joints in the order of the file: parents come before their children.
fn hierarchy(words: &mut Words<'_>) -> Result<Vec<Joint>> {
    words.expect("HIERARCHY")?;
    let mut joints: Vec<Joint> = Vec::new();
    // Open joints; none for an end site.
    let mut open: Vec<Option<u32>> = Vec::new();
    loop {
        let word = words.next("`JOINT`, `End Site`, `}` or `MOTION`")?;
        let innermost = open.last().copied().flatten();
        match word.to_ascii_uppercase().as_str() {
            "ROOT" | "JOINT" => {
                let is_root = open.is_empty();
                if is_root != word.eq_ignore_ascii_case("ROOT") || (!is_root && innermost.is_none()) {
                    return Err(words.bad(format!("`{word}` at the wrong place")));
                }
                if joints.len() == MAX_JOINTS {
                    return Err(words.bad(format!("more than {MAX_JOINTS} joints")));
                }
                let name = block_name(words)?;
                open.push(Some(joints.len() as u32));
                joints.push(Joint { name, parent: innermost, offset: [0.0; 3], channels: vec![] });
            }
            "END" => {
                if innermost.is_none() {
                    return Err(words.bad("an end site outside a joint"));
                }
                block_name(words)?;
                open.push(None);
            }
            "OFFSET" => {
                let offset = words.vector()?;
                if let Some(joint) = innermost.and_then(|joint| joints.get_mut(joint as usize)) {
                    joint.offset = offset;
                }
            }
            "CHANNELS" => {
                let channels = channels(words)?;
                // Numbers of a frame come in the order of the file, so a late list would be read wrongly.
                let last = joints.len().checked_sub(1).map(|last| last as u32);
                match innermost.filter(|joint| Some(*joint) == last).and_then(|joint| joints.get_mut(joint as usize)) {
                    Some(joint) if joint.channels.is_empty() => joint.channels = channels,
                    _ => return Err(words.bad("`CHANNELS` at the wrong place")),
                }
            }
            "}" => {
                if open.pop().is_none() {
                    return Err(words.bad("`}` closes nothing"));
                }
            }
            "MOTION" if open.is_empty() && !joints.is_empty() => return Ok(joints),
            _ => return Err(words.bad(format!("`{}` at the wrong place", file::shortened(word)))),
        }
    }
}

/// The name before an opening brace; some programs write spaces in it.
fn block_name(words: &mut Words<'_>) -> Result<String> {
    let mut name = String::new();
    loop {
        match words.next("`{`")? {
            "{" => return Ok(name),
            _ if name.len() > 200 => return Err(words.bad("a name of more than 200 letters")),
            word => {
                if !name.is_empty() {
                    name.push(' ');
                }
                name += &file::shortened(word);
            }
        }
    }
}

fn channels(words: &mut Words<'_>) -> Result<Vec<Channel>> {
    let word = words.next("the number of channels")?;
    let count = file::count(words.path, words.line, word, "the number of channels")?;
    if count > 6 {
        return Err(words.bad(format!("{count} channels, expected at most 6")));
    }
    let mut channels = Vec::with_capacity(count);
    for _ in 0..count {
        let word = words.next("a channel")?;
        let lower = word.to_ascii_lowercase();
        let axis = ["x", "y", "z"].iter().position(|axis| lower.starts_with(axis));
        let channel = match (axis, lower.get(1..)) {
            (Some(axis), Some("position")) => Channel::Position(axis),
            (Some(axis), Some("rotation")) => Channel::Rotation(axis),
            _ => {
                let found = file::shortened(word);
                return Err(words.bad(format!("expected Xposition .. Zrotation, found `{found}`")));
            }
        };
        if channels.contains(&channel) {
            return Err(words.bad(format!("the channel {word} twice")));
        }
        channels.push(channel);
    }
    Ok(channels)
}

type Rotation = [[f32; 3]; 3];

const IDENTITY: Rotation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// The right-handed rotation about an axis.
fn about(axis: usize, angle: f32) -> Rotation {
    let (sin, cos) = angle.sin_cos();
    let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
    let mut matrix = IDENTITY;
    matrix[a][a] = cos;
    matrix[b][b] = cos;
    matrix[a][b] = -sin;
    matrix[b][a] = sin;
    matrix
}

fn product(left: &Rotation, right: &Rotation) -> Rotation {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| left[row][k] * right[k][column]).sum()))
}

fn apply(matrix: &Rotation, vector: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row.iter().zip(&vector).map(|(a, b)| a * b).sum())
}

/// A short file for tests.
#[cfg(test)]
pub(super) const EXAMPLE: &str = "HIERARCHY
ROOT Hips
{
  OFFSET 0 1 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT LeftFoot
    {
      OFFSET 0 -2 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 0 1
      }
    }
  }
  JOINT RightLeg
  {
    OFFSET -1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
  }
}
MOTION
Frames: 3
Frame Time: 0.033333
0 0 0 0 0 0  0 0 0  0 0 0  0 0 0
1 0 2 0 0 0  90 0 0  0 0 0  0 0 0
0 0 0 0 0 90  0 90 0  0 0 0  0 0 0
";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(Path::new("a.bvh"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn joints_are_where_turned_offsets_put_them() {
        let sequence = parse(Path::new("a.bvh"), EXAMPLE.as_bytes()).unwrap();
        assert_eq!((sequence.frames, sequence.joints.names.join(" ").as_str()), (3, "Hips LeftLeg LeftFoot RightLeg"));
        assert_eq!(sequence.joints.parents, [None, Some(0), Some(1), Some(0)]);
        assert_eq!(sequence.joints.mirror, [[1, 3]]);
        let close = |frame: usize, expected: [[f32; 3]; 4]| {
            let found = sequence.pose(frame, 0);
            assert!(found.iter().zip(expected.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-5), "{frame}: {found:?}");
        };
        close(0, [[0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]);
        // A quarter turn of the leg about z takes "down" to "right".
        close(1, [[1.0, 1.0, 2.0], [2.0, 1.0, 2.0], [4.0, 1.0, 2.0], [0.0, 1.0, 2.0]]);
        // The hips turn about y (x to -z); the leg's quarter turn about x takes "down" to "back", turned with the hips.
        close(2, [[0.0, 1.0, 0.0], [0.0, 1.0, -1.0], [-2.0, 1.0, -1.0], [0.0, 1.0, 1.0]]);
    }

    #[test]
    fn broken_trees_and_motions_are_refused_with_their_line() {
        let with = |from: &str, to: &str| refusal(&EXAMPLE.replacen(from, to, 1));
        for (error, expected) in [
            (with("Frames: 3", "Frames: 4"), "ends where a number"),
            (with("Frames: 3", "Frames: 2"), "goes on after the 2 frames"),
            (with("Frames: 3", "Frames: 18446744073709551615"), "cannot be in a file"),
            (with("Frames: 3", "Frames: 0"), "0 frames"),
            (with("OFFSET 0 1 0", "OFFSET 0 x 0"), "line 4: `x`"),
            (with("CHANNELS 6", "CHANNELS 600"), "600 channels"),
            (with("CHANNELS 6", "CHANNELS 5"), "line 5: `Yrotation` at the wrong place"),
            (with("Zrotation Xrotation Yrotation", "Zrotation Xrotation Wrotation"), "found `Wrotation`"),
            (with("Zrotation Xrotation Yrotation", "Zrotation Zrotation Yrotation"), "twice"),
            (with("ROOT", "JOINT"), "`JOINT` at the wrong place"),
            (with("MOTION", "}"), "closes nothing"),
            (with("HIERARCHY", "once"), "expected `HIERARCHY`"),
            (refusal(EXAMPLE.split("MOTION").next().unwrap()), "cut off"),
            (refusal(&format!("HIERARCHY ROOT a {{ {}", "JOINT b { ".repeat(600))), "more than 512 joints"),
            (refusal("HIERARCHY ROOT a { } MOTION Frames: 9 Frame Time: 1"), "9 frames of 0 channels"),
        ] {
            assert!(error.contains("a.bvh") && error.contains(expected), "{expected}: {error}");
        }
    }
}
