//! C3D, the file of motion laboratories: points with labels; analog channels are skipped.
//!
//! Layout (<https://www.c3d.org>): blocks of 512 bytes; a header, a section of parameters in groups, the data. Three
//! processors' byte orders exist. Points are floats, or integers with a scale; a negative residual marks a point that was
//! not seen, which becomes (0, 0, 0). Millimetres and centimetres become metres.

use std::path::Path;
use std::sync::Arc;

use jepa_core::error::{Error, Result};

use super::file;
use super::joints::{JointSet, MAX_JOINTS};
use super::sequence::{MAX_VALUES, Sequence};

const BLOCK: usize = 512;

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Sequence> {
    parse(path, &file::read(path, super::MAX_BYTES)?)
}

/// How a processor writes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Intel,
    Dec,
    Mips,
}

/// Bytes in the order of one processor; reads beyond the end give nothing.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    bytes: &'a [u8],
    order: Order,
}

impl<'a> Bytes<'a> {
    fn slice(&self, at: usize, len: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(len)?)
    }

    fn word(&self, at: usize) -> Option<u16> {
        let bytes = [*self.bytes.get(at)?, *self.bytes.get(at.checked_add(1)?)?];
        Some(if self.order == Order::Mips { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn float(&self, at: usize) -> Option<f32> {
        let [a, b, c, d] = *self.slice(at, 4)?.first_chunk()?;
        Some(match self.order {
            Order::Intel => f32::from_le_bytes([a, b, c, d]),
            Order::Mips => f32::from_be_bytes([a, b, c, d]),
            // A VAX float: words swapped, exponent larger by two.
            Order::Dec => f32::from_le_bytes([c, d, a, b]) / 4.0,
        })
    }
}

/// Reads a file from its bytes.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Sequence> {
    let wrong = |problem: &str| Error::format(path, problem);
    let [parameters, 0x50, ..] = *bytes else { return Err(wrong("is no C3D file: its second byte is not 0x50")) };
    if bytes.len() < BLOCK * 2 || parameters == 0 {
        return Err(wrong("is cut off: a C3D file has a header and parameters of 512 bytes each"));
    }
    let section = (usize::from(parameters) - 1) * BLOCK;
    let order = match bytes.get(section + 3) {
        Some(84) => Order::Intel,
        Some(85) => Order::Dec,
        Some(86) => Order::Mips,
        found => {
            let problem = format!("names processor {found:?}; expected 84 (Intel), 85 (DEC) or 86 (MIPS)");
            return Err(Error::format(path, problem));
        }
    };
    let bytes = Bytes { bytes, order };
    let header = |at: usize| bytes.word(at).map(usize::from).unwrap_or_default();
    let (points, analog, first, last) = (header(2), header(4), header(6), header(8));
    let scale = bytes.float(12).filter(|scale| scale.is_finite() && *scale != 0.0);
    let scale = scale.ok_or_else(|| wrong("its header holds no scale of the points"))?;
    let start = header(16).checked_sub(1).ok_or_else(|| wrong("its header says nothing of where the data begin"))?;
    let data = bytes.bytes.get(start * BLOCK..).ok_or_else(|| wrong("ends before its data begin; is it cut off?"))?;
    if points == 0 || points > MAX_JOINTS {
        return Err(Error::format(path, format!("holds {points} points a frame, expected 1 to {MAX_JOINTS}")));
    }
    let size = if scale < 0.0 { 4 } else { 2 };
    let frame = (points * 4 + analog) * size;
    // The header counts to 65,535; longer recordings are as long as the file.
    let frames = if last == usize::from(u16::MAX) { data.len() / frame } else { (last + 1).saturating_sub(first) };
    if frames == 0 || frames * frame > data.len() || frames * points * 3 > MAX_VALUES {
        let problem = format!(
            "promises {frames} frames of {frame} bytes, found {} bytes of data and at most {MAX_VALUES} numbers allowed; \
             is it cut off?",
            data.len()
        );
        return Err(Error::format(path, problem));
    }
    let described = Parameters::parse(bytes, section);
    let unit = described.unit();
    let data = Bytes { bytes: data, order };
    let mut values = Vec::with_capacity(frames * points * 3);
    for at in (0..frames).flat_map(|f| (0..points).map(move |point| f * frame + point * 4 * size)) {
        let number = |place: usize| {
            let at = at + place * size;
            if size == 4 { data.float(at) } else { data.word(at).map(|word| f32::from(word as i16)) }.unwrap_or(0.0)
        };
        let seen = number(3) >= 0.0;
        let factor = if size == 4 { unit } else { unit * scale };
        values.extend([0, 1, 2].map(|axis| if seen { number(axis) * factor } else { 0.0 }));
    }
    let mut labels = described.labels();
    labels.truncate(points);
    labels.extend((labels.len()..points).map(|point| format!("point {point}")));
    Sequence::new(Arc::new(JointSet::points(labels)), frames, 1, values)
        .map_err(|error| Error::format(path, error.to_string()))
}

/// The parameters of the group POINT that matter here.
#[derive(Default)]
struct Parameters {
    labels: Vec<String>,
    units: String,
}

impl Parameters {
    /// Walks through the records; what cannot be read ends the walk, for names are not worth a recording.
    fn parse(bytes: Bytes<'_>, section: usize) -> Self {
        let (mut group, mut texts) = (None, Vec::new());
        let blocks = usize::from(bytes.bytes.get(section + 2).copied().unwrap_or(0));
        let end = section + blocks.max(1) * BLOCK;
        let mut at = section + 4;
        while let Some((name, id, next, body)) = record(bytes, at).filter(|_| at < end) {
            match id {
                i8::MIN..=-1 if name == "POINT" => group = Some(-i16::from(id)),
                1.. => texts.push((i16::from(id), name, body)),
                _ => {}
            }
            if next <= at {
                break;
            }
            at = next;
        }
        let find = |wanted: &str| {
            let found = texts.iter().find(|(id, name, _)| Some(*id) == group && name == wanted);
            found.and_then(|(_, _, body)| strings(bytes, *body)).unwrap_or_default()
        };
        Self { labels: find("LABELS"), units: find("UNITS").concat() }
    }

    fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    /// Metres of one unit of the file.
    fn unit(&self) -> f32 {
        match self.units.trim().to_ascii_lowercase().as_str() {
            "mm" => 0.001,
            "cm" => 0.01,
            _ => 1.0,
        }
    }
}

/// A record: its name, group, where the next begins (0 at the end) and where its content does.
fn record(bytes: Bytes<'_>, at: usize) -> Option<(String, i8, usize, usize)> {
    let length = usize::from(bytes.bytes.get(at)?.cast_signed().unsigned_abs());
    let id = bytes.bytes.get(at + 1)?.cast_signed();
    let name = String::from_utf8_lossy(bytes.slice(at + 2, length)?).to_ascii_uppercase();
    let pointer = at + 2 + length;
    let offset = usize::from(bytes.word(pointer)?);
    if length == 0 || id == 0 {
        return None;
    }
    Some((name, id, if offset == 0 { 0 } else { pointer + offset }, pointer + 2))
}

/// A parameter of characters: [length, number] or [length].
fn strings(bytes: Bytes<'_>, body: usize) -> Option<Vec<String>> {
    let [kind, rank] = *bytes.slice(body, 2)?.first_chunk()?;
    if kind.cast_signed() != -1 || !(1..=2).contains(&rank) {
        return None;
    }
    let sides = bytes.slice(body + 2, usize::from(rank))?;
    let length = usize::from(*sides.first()?);
    let count = usize::from(sides.get(1).copied().unwrap_or(1));
    let text = bytes.slice(body + 2 + usize::from(rank), length * count)?;
    Some(text.chunks(length.max(1)).map(|word| String::from_utf8_lossy(word).trim().to_owned()).collect())
}

/// A short file for tests: two markers, in millimetres; the second frame loses the second marker.
#[cfg(test)]
pub(super) fn written(mips: bool, floats: bool) -> Vec<u8> {
    let word = |value: u16| if mips { value.to_be_bytes() } else { value.to_le_bytes() };
    let float = |value: f32| if mips { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut header = vec![0u8; BLOCK];
    header[..2].copy_from_slice(&[2, 0x50]);
    for (at, value) in [(2, 2), (4, 3), (6, 1), (8, 2), (16, 3)] {
        header[at..at + 2].copy_from_slice(&word(value));
    }
    header[12..16].copy_from_slice(&float(if floats { -0.5 } else { 0.5 }));
    let mut section = vec![1, 80, 1, if mips { 86 } else { 84 }];
    section.extend([5, 0xff]);
    section.extend(b"POINT");
    section.extend(word(3));
    section.push(0);
    for (name, rank, text) in [("UNITS", &[2u8][..], &b"mm"[..]), ("LABELS", &[4, 2], b"LKNERKNE")] {
        section.extend([name.len() as u8, 1]);
        section.extend(name.as_bytes());
        section.extend(word((2 + 2 + rank.len() + text.len() + 1) as u16));
        section.extend([0xff, rank.len() as u8]);
        section.extend(rank);
        section.extend(text);
        section.push(0);
    }
    section.resize(BLOCK, 0);
    let mut data = Vec::new();
    for (frame, residual) in [(0, 0.0), (1, -1.0)] {
        for (point, residual) in [(0, 0.0), (1, residual)] {
            for value in [1000.0, 200.0 * point as f32, 30.0 * frame as f32, residual] {
                if floats { data.extend(float(value)) } else { data.extend(word((value as i16).cast_unsigned())) }
            }
        }
        data.extend(vec![9; if floats { 12 } else { 6 }]);
    }
    data.resize(BLOCK, 0);
    [header, section, data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_both_kinds_and_orders_become_metres() {
        for (mips, floats, factor) in [(false, true, 1.0), (true, true, 1.0), (false, false, 0.5), (true, false, 0.5)] {
            let sequence = parse(Path::new("a.c3d"), &written(mips, floats)).unwrap();
            assert_eq!((sequence.frames, sequence.joints.names.join(" ").as_str()), (2, "LKNE RKNE"));
            assert_eq!(sequence.joints.mirror, [[0, 1]]);
            let expected = [1.0, 0.0, 0.0, 1.0, 0.2, 0.0, 1.0, 0.0, 0.03, 0.0, 0.0, 0.0].map(|v: f32| v * factor);
            let close = sequence.values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close, "{mips} {floats}: {:?}", sequence.values);
        }
    }

    #[test]
    fn the_numbers_of_a_vax_are_understood() {
        // 1.0 and -0.15625 as a VAX writes them.
        for (bytes, expected) in [([0x80, 0x40, 0, 0], 1.0), ([0x20, 0xbf, 0, 0], -0.15625)] {
            assert_eq!(Bytes { bytes: &bytes, order: Order::Dec }.float(0), Some(expected));
        }
    }

    #[test]
    fn files_that_promise_more_than_they_hold_are_refused() {
        let good = written(false, true);
        let with = |at: usize, value: [u8; 2]| {
            let mut bytes = good.clone();
            bytes[at..at + 2].copy_from_slice(&value);
            parse(Path::new("a.c3d"), &bytes).unwrap_err().to_string()
        };
        for (error, expected) in [
            (with(0, [2, 0]), "no C3D file"),
            (with(2, [0, 0]), "0 points"),
            (with(2, [0xff, 0xff]), "65535 points"),
            (with(8, [0, 9]), "promises 2304 frames"),
            (with(8, [0, 0]), "promises 0 frames"),
            (with(16, [0, 0]), "where the data begin"),
            (with(16, [9, 0]), "ends before its data"),
            (with(14, [0, 0]), "no scale"),
            (with(514, [1, 9]), "processor Some(9)"),
            (parse(Path::new("a.c3d"), &good[..600]).unwrap_err().to_string(), "cut off"),
        ] {
            assert!(error.contains("a.c3d") && error.contains(expected), "{expected}: {error}");
        }
        // The longest count of the header means "as long as the file".
        let mut long = good.clone();
        long[8..10].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(parse(Path::new("a.c3d"), &long).unwrap().frames, 512 / 44);
    }
}
