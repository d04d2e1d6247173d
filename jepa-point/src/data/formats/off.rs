//! OFF: corners and polygons as text.
//!
//! Layout (Geomview's manual): the word `OFF`, with `C`, `N` or `ST` before it where corners have colours, normals or
//! texture coordinates; the numbers of corners, faces and edges; a line for each corner; a line for each face, which
//! begins with its number of corners. Some files of ModelNet join the first two lines.

use super::super::mesh::{Mesh, fan};
use super::{Shape, text};

/// Reads a file: a mesh where it has faces, else points.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let bytes = text::of(bytes)?;
    let size = bytes.len();
    let mut lines =
        text::lines(bytes).map(|(number, line)| (number, text::before(line, b'#'))).filter(|(_, l)| !l.is_empty());
    let (number, first) = lines.next().ok_or("holds nothing but comments")?;
    let (normals, after) = prefix(first).map_err(text::at(number))?;
    let (number, counts) = match after.trim_ascii() {
        [] => lines.next().ok_or("ends before the numbers of corners and faces")?,
        joined => (number, joined),
    };
    let counts: Vec<u64> = text::words(counts).map(text::whole).collect::<Result<_, _>>().map_err(text::at(number))?;
    let &[corners, faces, ..] = counts.as_slice() else {
        return Err(text::at(number)("expected the numbers of corners, faces and edges".into()));
    };
    // The shortest corner is `0 0 0`, the shortest face `0`, each with the end of its line.
    let needed = corners.saturating_mul(6).saturating_add(faces.saturating_mul(2));
    if needed > size as u64 + 1 {
        return Err(format!(
            "its header promises {corners} corners and {faces} faces, at least {needed} bytes; it has {size}: cut off \
             or damaged"
        ));
    }
    let mut points = Vec::with_capacity(corners as usize);
    let mut directions = Vec::with_capacity(if normals { corners as usize } else { 0 });
    for at in 0..corners {
        let (number, line) = lines.next().ok_or_else(|| format!("ends at corner {at} of {corners}: cut off"))?;
        let mut words = text::words(line);
        points.push(text::triple(&mut words).map_err(text::at(number))?);
        if normals {
            directions.push(text::triple(&mut words).map_err(text::at(number))?);
        }
    }
    let (mut triangles, mut polygon) = (Vec::new(), Vec::new());
    for at in 0..faces {
        let (number, line) = lines.next().ok_or_else(|| format!("ends at face {at} of {faces}: cut off"))?;
        let mut words = text::words(line);
        let count = words.next().map_or(Ok(0), text::whole).map_err(text::at(number))?;
        polygon.clear();
        for _ in 0..count {
            let word = words.next().ok_or_else(|| text::at(number)(format!("expected {count} corner numbers")))?;
            let corner = text::whole(word).map_err(text::at(number))?;
            if corner >= corners {
                return Err(text::at(number)(format!("a face names corner {corner}, there are {corners}")));
            }
            polygon.push(corner as u32);
        }
        fan(&polygon, &mut triangles);
    }
    if let Some((number, _)) = lines.next() {
        return Err(text::at(number)(format!("follows after the {corners} corners and {faces} faces of the header")));
    }
    if faces > 0 {
        return Ok(Shape::Surface(Mesh::checked(points, triangles)?));
    }
    Shape::points(points, normals.then_some(directions))
}

/// Whether corners have normals, and what follows the word `OFF`.
fn prefix(line: &[u8]) -> Result<(bool, &[u8]), String> {
    let at = line.windows(3).position(|word| word == b"OFF");
    let Some(at) = at.filter(|at| *at <= 4) else {
        return Err(format!("expected `OFF`, found {}", text::shown(line)));
    };
    let (before, after) = (&line[..at], &line[at + 3..]);
    if after.trim_ascii().starts_with(b"BINARY") {
        return Err("binary OFF is not read: save it as text".into());
    }
    match before {
        b"" | b"C" | b"ST" | b"STC" => Ok((false, after)),
        b"N" | b"CN" | b"STN" | b"STCN" => Ok((true, after)),
        _ => Err(format!("{} is not read, only OFF with C, N or ST before it", text::shown(&line[..at + 3]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "OFF\n# a square\n4 2 0\n0 0 1\n1 0 1 # corner\n\n1 1 1\n0 1 1\n4 0 1 2 3\n3 0 1 2 255 0 0\n";

    #[test]
    fn headers_of_every_kind_give_one_mesh() {
        let coloured = SQUARE.replace("OFF\n", "COFF\n").replace("1 1 1\n", "1 1 1 0.5 0.5 0.5 1\n");
        let textured = SQUARE.replace("OFF\n", "STOFF\n").replace("0 0 1\n", "0 0 1 0.25 0.75\n");
        let joined = SQUARE.replace("OFF\n# a square\n", "OFF");
        let unix = SQUARE.replace('\n', "\r\n");
        for file in [SQUARE, &coloured, &textured, &joined, &unix] {
            let Ok(Shape::Surface(mesh)) = decode(file.as_bytes()) else { panic!("{:?}", decode(file.as_bytes())) };
            assert_eq!(mesh.corners(), [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]);
            assert_eq!(mesh.triangles(), [[0, 1, 2], [0, 2, 3], [0, 1, 2]]);
        }
    }

    #[test]
    fn without_faces_it_is_a_cloud_with_its_normals() {
        let Shape::Points(cloud) = decode(b"NOFF 2 0 0\n1 2 3 0 0 1\n4 5 6 0 1 0").unwrap() else { panic!() };
        assert_eq!((cloud.points()[1], cloud.normals().unwrap()[1]), ([4.0, 5.0, 6.0], [0.0, 1.0, 0.0]));
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        let with = |from: &str, to: &str| SQUARE.replace(from, to).into_bytes();
        for (bytes, expected) in [
            (with("4 2 0", "4000000000 2 0"), "promises 4000000000 corners"),
            (with("4 2 0", "4 18446744073709551615 0"), "promises 4 corners and 18446744073709551615"),
            (with("4 2 0", "-4 2 0"), "line 3: `-4` is not a whole number"),
            (with("4 2 0", "4"), "expected the numbers"),
            (with("4 2 0", "3 2 0"), "line 9: a face names corner 3, there are 3"),
            (with("4 2 0", "4 1 0"), "line 10: follows after"),
            (with("1 1 1", "1 nan 1"), "line 7: `nan` is not a finite number"),
            (with("1 1 1", "1 1"), "z is missing"),
            (with("3 0 1 2", "3 0 1 7"), "names corner 7"),
            (with("3 0 1 2 255 0 0", "99 0 1 2"), "expected 99 corner numbers"),
            (with("3 0 1 2 255 0 0\n", ""), "ends at face 1 of 2"),
            (with("OFF", "OBJ"), "expected `OFF`"),
            (with("OFF", "4OFF"), "is not read"),
            (with("OFF", "OFF BINARY"), "binary OFF"),
            (with("4 0 1 2 3\n3 0 1 2", "1 0\n1 0"), "no area"),
            (with("0 1 1", "0 1 \0"), "binary data"),
            (b"OFF".to_vec(), "ends before"),
            (b"# nothing".to_vec(), "nothing but comments"),
            (b"OFF\n0 0 0\n".to_vec(), "no points"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
