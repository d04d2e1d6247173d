//! Arrays in NumPy's `.npy`: the header is read here, because it may claim anything.

use std::path::Path;

use jepa_core::error::{Error, Result};

use super::file;
use super::joints::{JointSet, MAX_JOINTS};
use super::sequence::{MAX_PERSONS, MAX_VALUES, Sequence};

/// The first bytes of a file.
const MAGIC: &[u8] = b"\x93NUMPY";
/// Most bytes of a header; NumPy writes 118.
const MAX_HEADER: usize = 4096;
/// Bytes that hold every header allowed here.
pub(super) const HEAD: usize = MAX_HEADER + 12;

/// The kinds of numbers that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Half,
    Single,
    Double,
}

impl Kind {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Half => 2,
            Self::Single => 4,
            Self::Double => 8,
        }
    }
}

/// What the header of an array says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    /// Where the numbers begin.
    pub(super) start: usize,
}

impl Header {
    /// Reads a header from the first bytes of an array: little-endian floating point in C order.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let wrong = |problem: String| Error::format(path, problem);
        let rest =
            bytes.strip_prefix(MAGIC).ok_or_else(|| wrong("is no NumPy array: `\\x93NUMPY` is missing".into()))?;
        let (length, before) = match rest {
            [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 10),
            [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
            _ => return Err(wrong("is a NumPy array of an unknown version; expected 1, 2 or 3".into())),
        };
        if length > MAX_HEADER || bytes.len() < before + length {
            let problem = format!("its header of {length} bytes is cut off or longer than the {MAX_HEADER} allowed");
            return Err(wrong(problem));
        }
        let text = String::from_utf8_lossy(&bytes[before..before + length]).into_owned();
        let value = |key: &str| {
            let (_, rest) = text.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let kind = match value("descr").and_then(|rest| rest.get(..5)) {
            Some("'<f2'") => Kind::Half,
            Some("'<f4'") => Kind::Single,
            Some("'<f8'") => Kind::Double,
            found => {
                let found = found.unwrap_or("nothing");
                let problem = format!("holds {found}; expected '<f2', '<f4' or '<f8': save it as array.astype('<f4')");
                return Err(wrong(problem));
            }
        };
        if !value("fortran_order").is_some_and(|rest| rest.starts_with("False")) {
            return Err(wrong("is not in C order; save numpy.ascontiguousarray(array)".into()));
        }
        let shape = value("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).map(|(inside, _)| inside);
        let numbers = shape.unwrap_or("x").split(',').map(str::trim).filter(|number| !number.is_empty());
        let shape = numbers.map(|number| number.parse::<usize>().ok()).collect::<Option<Vec<usize>>>();
        let shape = shape.filter(|shape| shape.len() <= 8).ok_or_else(|| wrong("its shape cannot be read".into()))?;
        Ok(Self { kind, shape, start: before + length })
    }

    /// Number of numbers, where it fits.
    pub(super) fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))
    }
}

/// Little-endian bytes as numbers.
pub(super) fn numbers(kind: Kind, bytes: &[u8]) -> Vec<f32> {
    match kind {
        Kind::Half => bytes.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect(),
        Kind::Single => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Kind::Double => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
    }
}

/// A number of IEEE half precision.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Reads a sequence from the bytes of an array: [frames, joints, 2 or 3] or [frames, persons, joints, 2 or 3]. Two
/// coordinates are given a third, 0. The joints are told by their number.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Sequence> {
    let header = Header::parse(path, bytes)?;
    let (frames, persons, joints, axes) = match header.shape[..] {
        [frames, joints, axes] => (frames, 1, joints, axes),
        [frames, persons, joints, axes] => (frames, persons, joints, axes),
        _ => (0, 0, 0, 0),
    };
    let persons_fit = (1..=MAX_PERSONS).contains(&persons);
    if frames == 0 || !persons_fit || !(1..=MAX_JOINTS).contains(&joints) || !matches!(axes, 2 | 3) {
        let problem = format!(
            "is an array of shape {:?}; expected [frames, joints, 3] or [frames, persons, joints, 3] with 1 to \
             {MAX_PERSONS} persons, 1 to {MAX_JOINTS} joints and 2 or 3 coordinates",
            header.shape
        );
        return Err(Error::format(path, problem));
    }
    let found = bytes.len() - header.start;
    let count = header.count().filter(|count| *count <= MAX_VALUES);
    let Some(count) = count.filter(|count| count * header.kind.bytes() == found) else {
        let problem = format!(
            "its shape {:?} asks for {} bytes a number and at most {MAX_VALUES} numbers; found {found} bytes; is it \
             cut off?",
            header.shape,
            header.kind.bytes()
        );
        return Err(Error::format(path, problem));
    };
    let mut values = numbers(header.kind, &bytes[header.start..]);
    if axes == 2 {
        values = with_depth(&values);
    }
    debug_assert_eq!(values.len(), count / axes * 3);
    Sequence::new(JointSet::by_shape(joints, axes), frames, persons, values)
        .map_err(|error| Error::format(path, error.to_string()))
}

/// Pairs of coordinates with a third, 0.
pub(super) fn with_depth(values: &[f32]) -> Vec<f32> {
    values.as_chunks().0.iter().flat_map(|[x, y]| [*x, *y, 0.0]).collect()
}

/// Reads the array at `path`.
pub(super) fn read(path: &Path) -> Result<Sequence> {
    parse(path, &file::read(path, super::MAX_BYTES)?)
}

/// An array as NumPy writes it, for tests.
#[cfg(test)]
pub(super) fn written(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape:?}, }}");
    text = text.replace('[', "(").replace(']', if shape.len() == 1 { ",)" } else { ")" });
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        parse(Path::new("a.npy"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn one_and_several_persons_in_two_and_three_dimensions_are_read() {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let read = |shape: &[usize]| parse(Path::new("a.npy"), &written(shape, &values)).unwrap();
        let one = read(&[4, 2, 3]);
        assert_eq!((one.frames, one.persons, one.joints.len(), one.values[23]), (4, 1, 2, 23.0));
        let two = read(&[2, 2, 2, 3]);
        assert_eq!((two.frames, two.persons, two.pose(1, 1)[0]), (2, 2, 18.0));
        let flat = read(&[4, 3, 2]);
        assert_eq!((flat.joints.len(), &flat.values[..6]), (3, &[0.0, 1.0, 0.0, 2.0, 3.0, 0.0][..]));
        let body = parse(Path::new("a"), &written(&[1, 25, 3], &[1.0; 75])).unwrap();
        assert_eq!(body.joints.name, "kinect25");
    }

    #[test]
    fn half_and_double_precision_are_read() {
        assert_eq!(
            [0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x8000].map(half),
            [1.0, -2.0, 0.333_251_95, 5.960_464_5e-8, 65504.0, -0.0]
        );
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        let mut bytes = written(&[1, 1, 3], &[]);
        let at = bytes.iter().position(|byte| *byte == b'4').unwrap();
        bytes[at] = b'8';
        bytes.extend([1.5f64, -2.0, 3.25].iter().flat_map(|value| value.to_le_bytes()));
        assert_eq!(parse(Path::new("a"), &bytes).unwrap().values, [1.5, -2.0, 3.25]);
    }

    #[test]
    fn headers_that_lie_are_refused_before_anything_is_allocated() {
        let good = written(&[2, 1, 3], &[1.0; 6]);
        let with = |from: &str, to: &str| {
            let text = String::from_utf8_lossy(&good[10..]).into_owned();
            let head = text.split('\n').next().unwrap().replace(from, to);
            let mut bytes = [MAGIC, &[1, 0], &(head.len() as u16).to_le_bytes(), head.as_bytes()].concat();
            bytes.extend([0; 24]);
            bytes
        };
        for (bytes, expected) in [
            (with("(2, 1, 3)", "(18446744073709551615, 1, 3)"), "is it cut off"),
            (with("(2, 1, 3)", "(99999999999999999999999, 1, 3)"), "shape cannot be read"),
            (with("(2, 1, 3)", "(2, 3)"), "expected [frames, joints, 3]"),
            (with("(2, 1, 3)", "(2, 1, 4)"), "expected [frames, joints, 3]"),
            (with("(2, 1, 3)", "(0, 1, 3)"), "expected [frames, joints, 3]"),
            (with("(2, 1, 3)", "(((((("), "shape cannot be read"),
            (with("False", "True"), "ascontiguousarray"),
            (with("<f4", "<i4"), "'<i4'"),
            (with("<f4", "|O"), "astype"),
            (good[..good.len() - 1].to_vec(), "is it cut off"),
            (good[..40].to_vec(), "cut off or longer"),
            (b"PK\x03\x04".to_vec(), "no NumPy array"),
            (written(&[1, 1, 3], &[f32::NAN; 3]), "not a finite place"),
        ] {
            let error = refusal(&bytes);
            assert!(error.contains("a.npy") && error.contains(expected), "{error}");
        }
    }
}
