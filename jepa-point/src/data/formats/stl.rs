//! STL, ASCII and binary: three corners for each triangle.
//!
//! Binary layout: 80 bytes of anything, a little-endian u32 count, then 50 bytes a triangle: normal and three corners as
//! f32, two bytes of anything. Binary files may begin with `solid` as well, so that the length decides.

use super::super::mesh::Mesh;
use super::{Shape, text};

const HEADER: usize = 84;
const TRIANGLE: usize = 50;

/// Reads a file as a mesh.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let count = bytes.first_chunk::<HEADER>().map(|head| u32::from_le_bytes([head[80], head[81], head[82], head[83]]));
    let needed = count.map(|count| HEADER as u64 + u64::from(count) * TRIANGLE as u64);
    let corners = if needed == Some(bytes.len() as u64) {
        binary(&bytes[HEADER..])
    } else if bytes.trim_ascii_start().starts_with(b"solid") {
        ascii(bytes)?
    } else {
        let Some((count, needed)) = count.zip(needed) else {
            return Err(format!("has {} bytes, too few for the {HEADER} of a binary header", bytes.len()));
        };
        return Err(format!(
            "its header promises {count} triangles in {needed} bytes, it has {}; and it is not text that begins with \
             `solid`: cut off or damaged",
            bytes.len()
        ));
    };
    let triangles = (0..corners.len() as u32 / 3).map(|i| [3 * i, 3 * i + 1, 3 * i + 2]).collect();
    Ok(Shape::Surface(Mesh::checked(corners, triangles)?))
}

fn binary(bytes: &[u8]) -> Vec<[f32; 3]> {
    let (triangles, _) = bytes.as_chunks::<TRIANGLE>();
    let corners = triangles.iter().flat_map(|triangle| {
        let (floats, _) = triangle[12..48].as_chunks::<4>();
        let value = |i: usize| f32::from_le_bytes(floats[i]);
        (0..3).map(move |corner| std::array::from_fn(|axis| value(corner * 3 + axis)))
    });
    corners.collect()
}

fn ascii(bytes: &[u8]) -> Result<Vec<[f32; 3]>, String> {
    let bytes = text::of(bytes)?;
    let mut corners = Vec::new();
    let mut closed = false;
    for (number, line) in text::lines(bytes) {
        let mut words = text::words(line);
        let first = words.next().unwrap_or_default();
        match first.to_ascii_lowercase().as_slice() {
            b"vertex" => {
                corners.push(text::triple(&mut words).map_err(text::at(number))?);
                closed = false;
            }
            b"endloop" if !corners.len().is_multiple_of(3) => {
                return Err(text::at(number)("a facet has other than three corners".into()));
            }
            b"endsolid" => closed = true,
            b"" | b"solid" | b"facet" | b"outer" | b"endloop" | b"endfacet" => {}
            _ => return Err(text::at(number)(format!("{} is not part of an STL file", text::shown(first)))),
        }
    }
    if !closed {
        return Err("does not end with `endsolid`: cut off".into());
    }
    if !corners.len().is_multiple_of(3) {
        return Err("a facet has other than three corners".into());
    }
    Ok(corners)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: &str = "solid part\n facet normal 0 0 1\n  outer loop\n   vertex 0 0 1\n   vertex 1 0 1\n   vertex 1 1 \
                         1\n  endloop\n endfacet\nendsolid part\n";

    fn binary_file(name: &[u8], corners: [[f32; 3]; 3]) -> Vec<u8> {
        let mut bytes = name.to_vec();
        bytes.resize(80, b' ');
        bytes.extend(1u32.to_le_bytes());
        bytes.extend([0f32, 0.0, 1.0].iter().chain(corners.as_flattened()).flat_map(|v| v.to_le_bytes()));
        bytes.extend([0, 0]);
        bytes
    }

    #[test]
    fn both_encodings_give_one_mesh_also_when_the_binary_one_begins_with_solid() {
        let corners = [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]];
        for bytes in
            [ASCII.as_bytes().to_vec(), binary_file(b"made by hand", corners), binary_file(b"solid x", corners)]
        {
            let Shape::Surface(mesh) = decode(&bytes).unwrap() else { panic!("expected a mesh") };
            assert_eq!((mesh.corners(), mesh.triangles()), (&corners[..], &[[0, 1, 2]][..]));
        }
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        let with = |from: &str, to: &str| ASCII.replace(from, to).into_bytes();
        let good = binary_file(b"x", [[0.0; 3], [1.0; 3], [2.0, 0.0, 0.0]]);
        let mut huge = good.clone();
        huge[80..84].copy_from_slice(&u32::MAX.to_le_bytes());
        for (bytes, expected) in [
            (huge, "promises 4294967295 triangles"),
            (good[..good.len() - 1].to_vec(), "promises 1 triangles in 134 bytes, it has 133"),
            (binary_file(b"x", [[0.0; 3], [f32::NAN; 3], [2.0, 0.0, 0.0]]), "finite"),
            (binary_file(b"x", [[0.0; 3]; 3]), "no area"),
            (good[..50].to_vec(), "too few"),
            (with("endsolid part", ""), "cut off"),
            (with("   vertex 1 1 1\n", ""), "other than three corners"),
            (with("vertex 1 1 1", "vertex 1 1 nan"), "line 6: `nan`"),
            (with("facet normal", "face normal"), "`face` is not part"),
            (with("part", "\0part"), "binary data"),
            (b"solid\nendsolid".to_vec(), "no area"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
