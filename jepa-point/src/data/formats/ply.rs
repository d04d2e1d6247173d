//! PLY, ASCII and binary of either byte order, with any elements and properties.
//!
//! Layout (Greg Turk's `PLY - Polygon File Format`): a text header that lists elements with their counts and
//! properties, ended by `end_header`, then the elements one after the other.

use super::super::mesh::{Mesh, fan};
use super::{Shape, text};

/// Longest header.
const MAX_HEADER: usize = 1 << 16;

/// Reads a file: a mesh where it has faces, else points, with normals where it has nx, ny and nz.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let (header, mut body) = Header::read(bytes)?;
    let (mut points, mut normals, mut triangles) = (Vec::new(), Vec::new(), Vec::new());
    let mut faces = 0;
    for element in &header.elements {
        body.can_hold(element)?;
        let within = |problem: String| format!("element `{}`: {problem}", element.name);
        match element.name.as_str() {
            "vertex" if points.is_empty() => {
                read_vertices(element, &mut body, &mut points, &mut normals).map_err(within)?;
            }
            "face" => {
                faces += element.count;
                read_faces(element, &mut body, &mut triangles).map_err(within)?;
            }
            _ => {
                for _ in 0..element.rows() {
                    element.properties.iter().try_for_each(|p| body.skip(p)).map_err(within)?;
                }
            }
        }
    }
    body.end()?;
    if faces > 0 {
        return Ok(Shape::Surface(Mesh::checked(points, triangles)?));
    }
    Shape::points(points, Some(normals).filter(|normals| !normals.is_empty()))
}

fn read_vertices(
    element: &Element,
    body: &mut Body,
    points: &mut Vec<[f32; 3]>,
    normals: &mut Vec<[f32; 3]>,
) -> Result<(), String> {
    let place = |name: &str| element.properties.iter().position(|p| p.name == name && p.list.is_none());
    let places = |names: [&str; 3]| Some([place(names[0])?, place(names[1])?, place(names[2])?]);
    let Some(xyz) = places(["x", "y", "z"]) else {
        let names: Vec<&str> = element.properties.iter().map(|p| p.name.as_str()).collect();
        return Err(format!("has the properties {}, expected x, y and z", names.join(", ")));
    };
    let nxyz = places(["nx", "ny", "nz"]);
    let is_used = |at: &usize| xyz.contains(at) || nxyz.is_some_and(|nxyz| nxyz.contains(at));
    let used: Vec<bool> = (0..element.properties.len()).map(|at| is_used(&at)).collect();
    let mut row = vec![0f64; element.properties.len()];
    for _ in 0..element.rows() {
        for ((value, property), used) in row.iter_mut().zip(&element.properties).zip(&used) {
            if *used {
                *value = body.value(property.scalar)?;
            } else {
                body.skip(property)?;
            }
        }
        points.push(xyz.map(|at| row[at] as f32));
        if let Some(nxyz) = nxyz {
            normals.push(nxyz.map(|at| row[at] as f32));
        }
    }
    Ok(())
}

fn read_faces(element: &Element, body: &mut Body, triangles: &mut Vec<[u32; 3]>) -> Result<(), String> {
    let corners = element
        .properties
        .iter()
        .position(|p| p.list.is_some() && matches!(p.name.as_str(), "vertex_indices" | "vertex_index"));
    if corners.is_none() && element.count > 0 {
        return Err("has no list `vertex_indices` or `vertex_index`".into());
    }
    let mut polygon = Vec::new();
    for _ in 0..element.rows() {
        for (at, property) in element.properties.iter().enumerate() {
            let (Some(counter), true) = (property.list, Some(at) == corners) else {
                body.skip(property)?;
                continue;
            };
            polygon.clear();
            for _ in 0..body.length(counter, property.scalar)? {
                let index = body.value(property.scalar)?;
                if !(0.0..=f64::from(u32::MAX)).contains(&index) || index.fract() != 0.0 {
                    return Err(format!("a face names corner {index}"));
                }
                polygon.push(index as u32);
            }
            fan(&polygon, triangles);
        }
    }
    Ok(())
}

/// A type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Scalar {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "char" | "int8" => Self::I8,
            "uchar" | "uint8" => Self::U8,
            "short" | "int16" => Self::I16,
            "ushort" | "uint16" => Self::U16,
            "int" | "int32" => Self::I32,
            "uint" | "uint32" => Self::U32,
            "float" | "float32" => Self::F32,
            "double" | "float64" => Self::F64,
            _ => return Err(format!("unknown type {}", text::shown(name.as_bytes()))),
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

#[derive(Debug)]
struct Property {
    name: String,
    /// The type of the value, or of the list's values.
    scalar: Scalar,
    /// The type of the length, where this is a list.
    list: Option<Scalar>,
}

#[derive(Debug)]
struct Element {
    name: String,
    count: u64,
    properties: Vec<Property>,
}

impl Element {
    /// How often there is something to read.
    fn rows(&self) -> u64 {
        if self.properties.is_empty() { 0 } else { self.count }
    }
}

#[derive(Debug)]
struct Header {
    elements: Vec<Element>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<(Self, Body<'_>), String> {
        if !bytes.starts_with(b"ply") {
            return Err("does not start with `ply`".into());
        }
        let end = if bytes.get(3) == Some(&b'\r') && bytes.get(4) != Some(&b'\n') { b'\r' } else { b'\n' };
        let (mut elements, mut encoding, mut at): (Vec<Element>, _, _) = (Vec::new(), None, 0);
        for number in 1.. {
            let rest = &bytes[at..];
            let Some(length) = rest.iter().take(MAX_HEADER).position(|b| *b == end) else {
                return Err("its header has no `end_header`: cut off or not a PLY file".into());
            };
            at += length + 1;
            if at > MAX_HEADER {
                return Err(format!("its header is longer than {MAX_HEADER} bytes"));
            }
            let line = String::from_utf8_lossy(rest[..length].trim_ascii());
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let place = text::at(number);
            match words.as_slice() {
                ["end_header"] => break,
                ["ply"] if number == 1 => {}
                [] | ["comment" | "obj_info", ..] => {}
                ["format", "ascii", "1.0"] => encoding = Some(Encoding::Ascii),
                ["format", "binary_little_endian", "1.0"] => encoding = Some(Encoding::Little),
                ["format", "binary_big_endian", "1.0"] => encoding = Some(Encoding::Big),
                ["element", name, count] => {
                    let count = text::whole(count.as_bytes()).map_err(&place)?;
                    elements.push(Element { name: (*name).to_owned(), count, properties: vec![] });
                }
                ["property", kind @ .., name] => {
                    let (scalar, list) = match kind {
                        [scalar] => (Scalar::parse(scalar).map_err(&place)?, None),
                        ["list", counter, scalar] => {
                            let counter = Scalar::parse(counter).map_err(&place)?;
                            (Scalar::parse(scalar).map_err(&place)?, Some(counter))
                        }
                        _ => return Err(place(format!("unknown property `{line}`"))),
                    };
                    let Some(element) = elements.last_mut() else {
                        return Err(place("a property stands before the first element".into()));
                    };
                    element.properties.push(Property { name: (*name).to_owned(), scalar, list });
                }
                _ => return Err(place(format!("{} is not part of a PLY header", text::shown(line.as_bytes())))),
            }
        }
        let body = match encoding {
            Some(Encoding::Ascii) => Body::Text(text::of(&bytes[at..])?),
            Some(encoding) => Body::Binary(&bytes[at..], encoding == Encoding::Big),
            None => return Err("its header has no line `format`".into()),
        };
        Ok((Self { elements }, body))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Ascii,
    Little,
    Big,
}

/// What follows the header and was not read yet.
enum Body<'a> {
    Text(&'a [u8]),
    /// With whether the largest byte comes first.
    Binary(&'a [u8], bool),
}

impl<'a> Body<'a> {
    /// Refuses a count that the rest of the file is too short for, before anything is allocated.
    fn can_hold(&self, element: &Element) -> Result<(), String> {
        let (left, row) = match self {
            // A digit and a space for each value.
            Self::Text(rest) => (rest.len() + 1, 2 * element.properties.len()),
            Self::Binary(rest, _) => {
                (rest.len(), element.properties.iter().map(|p| p.list.unwrap_or(p.scalar).size()).sum())
            }
        };
        let needed = element.count.saturating_mul(row as u64);
        if needed > left as u64 {
            return Err(format!(
                "its header promises {} of element `{}`, at least {needed} bytes; {left} are left: cut off or damaged",
                element.count, element.name
            ));
        }
        Ok(())
    }

    fn value(&mut self, scalar: Scalar) -> Result<f64, String> {
        match self {
            Self::Text(_) => text::number(self.word()?),
            Self::Binary(_, big) => {
                let big = *big;
                let bytes = self.take(scalar.size())?;
                let mut word = [0; 8];
                // Little-endian in any case, filled up with zeros.
                for (to, from) in word.iter_mut().zip(bytes) {
                    *to = *from;
                }
                if big {
                    word[..bytes.len()].reverse();
                }
                let bits = u64::from_le_bytes(word);
                Ok(match scalar {
                    Scalar::I8 => f64::from(bits as i8),
                    Scalar::U8 => f64::from(bits as u8),
                    Scalar::I16 => f64::from(bits as i16),
                    Scalar::U16 => f64::from(bits as u16),
                    Scalar::I32 => f64::from(bits as i32),
                    Scalar::U32 => f64::from(bits as u32),
                    Scalar::F32 => f64::from(f32::from_bits(bits as u32)),
                    Scalar::F64 => f64::from_bits(bits),
                })
            }
        }
    }

    /// Reads the length of a list and refuses one that the rest of the file is too short for.
    fn length(&mut self, counter: Scalar, item: Scalar) -> Result<usize, String> {
        let length = match self {
            Self::Text(_) => text::whole(self.word()?)? as f64,
            Self::Binary(..) => self.value(counter)?,
        };
        let (left, size) = match self {
            Self::Text(rest) => (rest.len() + 1, 2),
            Self::Binary(rest, _) => (rest.len(), item.size()),
        };
        if length < 0.0 || length.fract() != 0.0 || length * size as f64 > left as f64 {
            return Err(format!("a list promises {length} values, {left} bytes are left"));
        }
        Ok(length as usize)
    }

    /// Passes over a property that is not used: its numbers need not be finite, as scalar fields of scanners are not.
    fn skip(&mut self, property: &Property) -> Result<(), String> {
        let Some(counter) = property.list else {
            return match self {
                Self::Text(_) => text::skipped(self.word()?),
                Self::Binary(..) => self.take(property.scalar.size()).map(drop),
            };
        };
        let length = self.length(counter, property.scalar)?;
        match self {
            Self::Text(_) => (0..length).try_for_each(|_| self.word().map(drop)),
            Self::Binary(..) => self.take(length * property.scalar.size()).map(drop),
        }
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], String> {
        match self {
            Self::Binary(rest, _) if rest.len() >= size => {
                let (head, tail) = rest.split_at(size);
                *rest = tail;
                Ok(head)
            }
            _ => Err("the file ends in the middle of it".into()),
        }
    }

    fn word(&mut self) -> Result<&'a [u8], String> {
        let Self::Text(rest) = self else { return Ok(&[]) };
        let trimmed = rest.trim_ascii_start();
        let end = trimmed.iter().position(u8::is_ascii_whitespace).unwrap_or(trimmed.len());
        let (word, tail) = trimmed.split_at(end);
        *rest = tail;
        if word.is_empty() { Err("the file ends in the middle of it".into()) } else { Ok(word) }
    }

    /// Refuses what is left: counts or encoding are not what the header says.
    fn end(self) -> Result<(), String> {
        let (Self::Text(rest) | Self::Binary(rest, _)) = self;
        match rest.trim_ascii().len() {
            0 => Ok(()),
            left => Err(format!("{left} bytes follow after the last element: the header does not fit the content")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "ply\nformat ENCODING 1.0\ncomment by hand\nelement vertex 4\nproperty double z\n\
         property uchar red\nproperty float x\nproperty list uchar short weights\nproperty float y\n\
         element camera 1\nproperty int focus\nelement face 2\nproperty uchar flags\n\
         property list uchar int vertex_indices\nend_header\n";

    /// A square at z = 2 with a colour, a list in the middle of each corner, an unknown element and two faces.
    fn binary(big: bool) -> Vec<u8> {
        let name = if big { "binary_big_endian" } else { "binary_little_endian" };
        let mut bytes = HEADER.replace("ENCODING", name).into_bytes();
        macro_rules! put {
            ($value:expr) => {
                bytes.extend(if big { $value.to_be_bytes().to_vec() } else { $value.to_le_bytes().to_vec() })
            };
        }
        for (i, [x, y]) in [[0f32, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].into_iter().enumerate() {
            put!(2f64);
            put!(200u8);
            put!(x);
            put!(i as u8);
            for _ in 0..i {
                put!(-7i16);
            }
            put!(y);
        }
        put!(35i32);
        for face in [&[0i32, 1, 2, 3][..], &[0, 1, 2]] {
            put!(1u8);
            put!(face.len() as u8);
            for index in face {
                put!(*index);
            }
        }
        bytes
    }

    fn ascii() -> Vec<u8> {
        let body = "2 200 0 0 0\n2 200 1 1 -7 0\n2 200 1 2 -7 -7 1\n2 200 0 3 -7 -7 -7 1\n35\n1 4 0 1 2 3\n1 3 0 1 2\n";
        (HEADER.replace("ENCODING", "ascii") + body).into_bytes()
    }

    fn refusal(bytes: &[u8]) -> String {
        decode(bytes).unwrap_err()
    }

    #[test]
    fn the_three_encodings_give_one_mesh() {
        for bytes in
            [ascii(), binary(false), binary(true), String::from_utf8(ascii()).unwrap().replace('\n', "\r").into()]
        {
            let Shape::Surface(mesh) = decode(&bytes).unwrap() else { panic!("expected a mesh") };
            assert_eq!(mesh.corners(), [[0.0, 0.0, 2.0], [1.0, 0.0, 2.0], [1.0, 1.0, 2.0], [0.0, 1.0, 2.0]]);
            assert_eq!(mesh.triangles(), [[0, 1, 2], [0, 2, 3], [0, 1, 2]]);
        }
    }

    #[test]
    fn a_file_without_faces_is_a_cloud_with_its_normals() {
        let file = "ply\r\nformat ascii 1.0\r\nelement vertex 2\r\nproperty float x\r\nproperty float y\r\nproperty \
                    float z\r\nproperty float nx\r\nproperty float ny\r\nproperty float nz\r\nelement face 0\r\n\
                    property list uchar int vertex_index\r\nend_header\r\n1 2 3 0 0 1\r\n4 5 6 0 1 0\r\n";
        let Shape::Points(cloud) = decode(file.as_bytes()).unwrap() else { panic!("expected points") };
        assert_eq!(cloud.points(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!(cloud.normals().unwrap()[1], [0.0, 1.0, 0.0]);
    }

    #[test]
    fn what_is_not_used_need_not_be_finite_in_any_encoding() {
        let header = "ply\nformat ENCODING 1.0\nelement vertex 2\nproperty float x\nproperty float scalar_C2C\n\
                      property float y\nproperty float z\nend_header\n";
        let ascii = |rows: &str| (header.replace("ENCODING", "ascii") + rows).into_bytes();
        let values = [1.0, f32::NAN, 2.0, 3.0, 4.0, f32::NEG_INFINITY, 5.0, 6.0];
        let mut binary = header.replace("ENCODING", "binary_little_endian").into_bytes();
        binary.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        for bytes in [ascii("1 nan 2 3\n4 -inf 5 6\n"), ascii("1 -nan(ind) 2 3\n4 0.5 5 6\n"), binary] {
            let Shape::Points(cloud) = decode(&bytes).unwrap() else { panic!("expected points") };
            assert_eq!(cloud.points(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        }
        assert!(refusal(&ascii("1 1 nan 3\n4 0.5 5 6\n")).contains("`nan` is not a finite number"));
        assert!(refusal(&ascii("1 far 2 3\n4 0.5 5 6\n")).contains("`far` is not a number"));
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        let text = |from: &str, to: &str| String::from_utf8(ascii()).unwrap().replace(from, to).into_bytes();
        let nan = {
            let mut bytes = binary(false);
            let at = HEADER.replace("ENCODING", "binary_little_endian").len();
            bytes[at..at + 8].copy_from_slice(&f64::NAN.to_le_bytes());
            bytes
        };
        let mixed = [&text("1.0", "1.0")[..HEADER.len() - 3], &binary(false)[400..]].concat();
        for (bytes, expected) in [
            (text("element vertex 4", "element vertex 99999999999999"), "promises 99999999999999"),
            (text("element vertex 4", "element vertex 18446744073709551615"), "promises 18446744073709551615"),
            (text("element vertex 4", "element vertex -4"), "not a whole number"),
            (text("element vertex 4", "element vertex 3"), "not a whole number"),
            (text("element face 2", "element face 1"), "not fit the content"),
            (text("2 200 1 1 -7", "2e300 200 1 1 -7"), "expected finite coordinates"),
            (text("2 200 1 1 -7", "2 200 nan 1 -7"), "not a finite number"),
            (text("2 200 1 1 -7", "2 200 one 1 -7"), "`one` is not a number"),
            (text("1 4 0 1 2 3\n1 3 0 1 2\n", "1"), "promises 2 of element `face`"),
            (text("1 3 0 1 2\n", ""), "ends in the middle"),
            (text("1 3 0 1 2\n", "1 3 0 1"), "a list promises 3 values"),
            (text("1 3 0 1 2", "1 3 0 1 9"), "there are 4"),
            (text("1 3 0 1 2", "1 3 0 1 -2"), "names corner -2"),
            (text("1 3 0 1 2", "1 9999 0 1 2"), "promises 9999 values"),
            (text("property float x", "property float q"), "expected x, y and z"),
            (text("property float x", "property half x"), "unknown type"),
            (text("end_header", "end"), "not part of a PLY header"),
            (text("vertex_indices", "corners"), "no list"),
            (text("format ascii 1.0\n", ""), "no line `format`"),
            (text("element vertex 4\n", ""), "before the first element"),
            (ascii()[..100].to_vec(), "end_header"),
            (b"ply\nformat ascii 1.0\nend_header\n".to_vec(), "no points"),
            (b"plywood".to_vec(), "end_header"),
            (b"solid".to_vec(), "does not start"),
            (nan, "finite"),
            (binary(true)[..binary(true).len() - 1].to_vec(), "a list promises 3 values"),
            ([binary(false), vec![7]].concat(), "1 bytes follow"),
            (mixed, "is zero"),
            (text("format ascii", "format binary_little_endian"), ""),
        ] {
            let error = refusal(&bytes);
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
