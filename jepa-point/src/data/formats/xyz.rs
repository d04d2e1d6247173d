//! Text with one point a line: XYZ, TXT, PTS, CSV.
//!
//! Values stand between white space, commas or semicolons. Comments begin with `#` or `//`. A first line of names
//! (`x,y,z,nx,ny,nz,label`) says which column is what; without it the first three are x, y and z and the rest is left
//! out. A first line with a single whole number is the number of points.

use super::{Shape, text};

/// Reads a file as points, with normals where the header names nx, ny and nz.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let table = columns(bytes)?;
    let find = |name: &str| table.names.iter().position(|found| found == name);
    let places = |names: [&str; 3]| Some([find(names[0])?, find(names[1])?, find(names[2])?]);
    let xyz = match places(["x", "y", "z"]) {
        Some(xyz) => xyz,
        None if table.names.is_empty() => [0, 1, 2],
        None => return Err(format!("its header names {}, expected x, y and z", table.names.join(", "))),
    };
    if table.width < 3 {
        return Err(format!("has {} columns, expected x, y and z", table.width));
    }
    let triples = |at: [usize; 3]| table.values.chunks_exact(table.width).map(|row| at.map(|at| row[at])).collect();
    Shape::points(triples(xyz), places(["nx", "ny", "nz"]).map(triples))
}

/// Rows of numbers.
#[derive(Debug)]
pub(in super::super) struct Columns {
    /// Names of the columns in lower case, empty without a header.
    pub(in super::super) names: Vec<String>,
    /// Values of a row.
    pub(in super::super) width: usize,
    /// The values, row by row.
    pub(in super::super) values: Vec<f32>,
}

/// Reads rows of numbers, all of one length.
pub(in super::super) fn columns(bytes: &[u8]) -> Result<Columns, String> {
    let bytes = text::of(bytes)?;
    let (mut names, mut width, mut promised) = (Vec::new(), 0, None);
    let mut values: Vec<f32> = Vec::new();
    let mut separator = None;
    let mut first = true;
    for (number, line) in text::lines(bytes) {
        let comment = line.strip_prefix(b"//").or_else(|| line.strip_prefix(b"#"));
        // CloudCompare comments its line of names out.
        let line = match comment {
            Some(comment) if first && is_header(comment) => comment,
            Some(_) => continue,
            None => text::before(line, b'#'),
        };
        if line.is_empty() {
            continue;
        }
        for sign in [b',', b';'] {
            if line.contains(&sign) && *separator.get_or_insert(sign) != sign {
                return Err(text::at(number)(
                    "has commas and semicolons: use one of them, and a point in decimal numbers".into(),
                ));
            }
        }
        if std::mem::take(&mut first) {
            if is_header(line) {
                names =
                    cells(line).map(|name| String::from_utf8_lossy(name).trim_matches('"').to_lowercase()).collect();
                width = names.len();
                continue;
            }
            let mut cells = cells(line);
            if let (Some(only), None) = (cells.next(), cells.next())
                && let Ok(count) = text::whole(only)
            {
                promised = Some(count);
                continue;
            }
        }
        let before = values.len();
        for cell in cells(line) {
            values.push(text::number(cell).map_err(text::at(number))?);
        }
        let found = values.len() - before;
        if width == 0 {
            width = found;
        }
        if found != width {
            return Err(text::at(number)(format!("has {found} values, expected {width} as before")));
        }
    }
    let rows = values.len().checked_div(width).unwrap_or(0);
    if rows == 0 {
        return Err("holds no points".into());
    }
    if let Some(promised) = promised.filter(|promised| *promised != rows as u64) {
        return Err(format!("its first line promises {promised} points, {rows} follow: cut off or damaged"));
    }
    Ok(Columns { names, width, values })
}

/// The values of a line.
fn cells(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| b.is_ascii_whitespace() || *b == b',' || *b == b';').filter(|cell| !cell.is_empty())
}

/// Whether the columns x, y and z are named here.
fn is_header(line: &[u8]) -> bool {
    let named = |name: &[u8]| cells(line).any(|cell| cell.trim_ascii().eq_ignore_ascii_case(name));
    let quoted = |name: &[u8]| named(name) || named(&[b"\"", name, b"\""].concat());
    quoted(b"x") && quoted(b"y") && quoted(b"z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_headers_counts_and_comments_give_one_cloud() {
        for file in [
            "1 2 3\n4 5 6\n",
            "1,2,3\n4, 5, 6",
            "1;2;3\r\n4;5;6\r\n",
            "1\t2\t3\n\n4\t5\t6 # here\n",
            "# a cloud\n// by hand\n1 2 3 255 0 0\n4 5 6 255 0 0",
            "2\n1 2 3\n4 5 6\n",
            "label,z,y,x\n9,3,2,1\n9,6,5,4",
            "//X Y Z R\n1 2 3 9\n4 5 6 9",
            "\"x\",\"y\",\"z\"\n1e0,2.0,+3\n4,5,6",
            "\u{feff}1 2 3\n4 5 6",
        ] {
            let shape = decode(file.as_bytes()).unwrap_or_else(|error| panic!("{file}: {error}"));
            let Shape::Points(cloud) = shape else { panic!("expected points") };
            assert_eq!(cloud.points(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "{file}");
            assert!(cloud.normals().is_none());
        }
    }

    #[test]
    fn normals_are_read_where_they_are_named() {
        let Shape::Points(cloud) = decode(b"x y z nx ny nz\n1 2 3 0 0 1").unwrap() else { panic!() };
        assert_eq!(cloud.normals().unwrap(), [[0.0, 0.0, 1.0]]);
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        for (file, expected) in [
            ("1 2 3\n4 5", "line 2: has 2 values, expected 3"),
            ("1 2 3\n4 5 nan", "line 2: `nan` is not a finite number"),
            ("1 2 3\n4 5 six", "`six` is not a number"),
            ("3\n1 2 3\n4 5 6", "promises 3 points, 2 follow"),
            ("1,5;2,5;3,5", "commas and semicolons"),
            ("1,2,3\n1;2;3", "commas and semicolons"),
            ("1 2\n3 4", "has 2 columns"),
            ("", "no points"),
            ("# nothing", "no points"),
            ("x y z\n", "no points"),
            ("99999999999", "no points"),
            ("1 2 3\0", "binary data"),
            ("a poem of words", "`a` is not a number"),
        ] {
            let error = decode(file.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{file}: {error}");
        }
        let utf16: Vec<u8> = "\u{feff}1 2 3".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(decode(&utf16).unwrap_err().contains("UTF-16"));
    }
}
