//! Wavefront OBJ: corners `v x y z` and faces `f a b c ..` as text; everything else is left out.

use super::super::mesh::{Mesh, fan};
use super::{Shape, text};

/// Reads a file: a mesh where it has faces, else points.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let bytes = text::of(bytes)?;
    let (mut points, mut triangles, mut polygon) = (Vec::new(), Vec::new(), Vec::new());
    let mut faces = 0;
    // A backslash at the end of a line continues it.
    let mut joined: Vec<u8> = Vec::new();
    for (number, line) in text::lines(bytes) {
        let line = text::before(line, b'#');
        if let Some(head) = line.strip_suffix(b"\\") {
            joined.extend_from_slice(head);
            joined.push(b' ');
            continue;
        }
        joined.extend_from_slice(line);
        let whole = std::mem::take(&mut joined);
        let mut words = text::words(&whole);
        match words.next() {
            Some(b"v") => points.push(text::triple(&mut words).map_err(text::at(number))?),
            Some(b"f") => {
                polygon.clear();
                for word in words {
                    polygon.push(corner(word, points.len()).map_err(text::at(number))?);
                }
                faces += 1;
                fan(&polygon, &mut triangles);
            }
            _ => {}
        }
    }
    if points.is_empty() {
        return Err("has no line `v x y z`: empty or not an OBJ file".into());
    }
    if faces > 0 {
        return Ok(Shape::Surface(Mesh::checked(points, triangles)?));
    }
    Shape::points(points, None)
}

/// The corner that `7`, `7/2`, `7//3` or, counted back from the last corner so far, `-1` names.
fn corner(word: &[u8], count: usize) -> Result<u32, String> {
    let end = word.iter().position(|b| *b == b'/').unwrap_or(word.len());
    let named = std::str::from_utf8(&word[..end]).ok().and_then(|word| word.parse::<i64>().ok());
    let named = named.ok_or_else(|| format!("{} names no corner", text::shown(word)))?;
    let index = if named < 0 { (count as i64).checked_add(named) } else { named.checked_sub(1) };
    // Faces may name corners that follow only by mistake: they are counted from the corners so far.
    index
        .filter(|index| (0..count as i64).contains(index))
        .map(|index| index as u32)
        .ok_or_else(|| format!("a face names corner {named}, there are {count} so far"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "# a square\nmtllib a.mtl\no square\nv 0 0 1\nv 1 0 1 0.5 0.5 0.5\nvt 0 0\nvn 0 0 1\n\
                          v 1 1 1\nv 0 1 1\nusemtl red\nf 1/1/1 2//1 \\\n 3/1 4\nf -4 -3 -2\nl 1 2\n";

    #[test]
    fn faces_in_every_notation_give_one_mesh() {
        for file in [SQUARE.to_owned(), SQUARE.replace('\n', "\r\n")] {
            let Shape::Surface(mesh) = decode(file.as_bytes()).unwrap() else { panic!("expected a mesh") };
            assert_eq!(mesh.corners(), [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]);
            assert_eq!(mesh.triangles(), [[0, 1, 2], [0, 2, 3], [0, 1, 2]]);
        }
    }

    #[test]
    fn without_faces_it_is_a_cloud() {
        let Shape::Points(cloud) = decode(b"v 1 2 3\nv 4 5 6").unwrap() else { panic!() };
        assert_eq!(cloud.points(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        let with = |from: &str, to: &str| SQUARE.replace(from, to).into_bytes();
        for (bytes, expected) in [
            (with("v 1 1 1", "v 1 inf 1"), "line 8: `inf` is not a finite number"),
            (with("v 1 1 1", "v 1 1"), "z is missing"),
            (with("v 1 1 1", "v 1 1 x"), "`x` is not a number"),
            (with("f -4", "f -5"), "line 13: a face names corner -5"),
            (with("f -4", "f 0"), "names corner 0"),
            (with("f -4", "f 99999999999"), "names corner 99999999999"),
            (with("f -4", "f -9223372036854775808"), "names corner -9223372036854775808"),
            (with("f -4", "f a/b"), "names no corner"),
            (with("vt 0 0", "vt \0"), "binary data"),
            (b"a poem".to_vec(), "not an OBJ file"),
            (b"v 0 0 0\nf 1 1 1".to_vec(), "no area"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
