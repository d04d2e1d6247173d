//! A sequence as a table in text: one row a frame, x, y and z of each joint in columns.
//!
//! Columns are parted by commas, semicolons or tabs. A first row of names is optional; `nose_x, nose_y, nose_z, ..` names
//! the joints, and a header without any z means two dimensions.

use std::path::Path;
use std::sync::Arc;

use jepa_core::error::{Error, Result};

use super::file;
use super::joints::{JointSet, MAX_JOINTS};
use super::npy;
use super::sequence::{MAX_VALUES, Sequence};

/// Reads the table at `path`.
pub(super) fn read(path: &Path) -> Result<Sequence> {
    parse(path, &file::read(path, super::MAX_BYTES)?)
}

/// Reads a table from its bytes.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Sequence> {
    let text = file::text(path, bytes)?;
    let mut rows = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| {
        let comment = line.starts_with('#');
        !line.is_empty() && !comment
    });
    let Some((first_number, first)) = rows.next() else {
        return Err(Error::format(path, "holds no row; expected one row a frame with x, y and z of each joint"));
    };
    let mark = separator(first);
    let columns = first.split(mark).count();
    let named = first.split(mark).any(|word| word.trim().parse::<f32>().is_err() && !word.trim().is_empty());
    let header = named.then(|| first.split(mark).map(|word| word.trim().trim_matches('"')).collect::<Vec<_>>());
    let flat = header.as_ref().is_some_and(|names| !names.iter().any(|name| axis_letter(name) == Some('z')));
    let axes = if flat { 2 } else { 3 };
    if columns == 0 || !columns.is_multiple_of(axes) || columns / axes > MAX_JOINTS {
        let problem = format!("{columns} columns; expected {axes} for each of 1 to {MAX_JOINTS} joints");
        return Err(file::bad_line(path, first_number, problem));
    }
    let mut values = Vec::new();
    let data = (!named).then_some((first_number, first)).into_iter().chain(rows);
    for (number, line) in data {
        let before = values.len();
        if before + columns > MAX_VALUES {
            return Err(file::bad_line(path, number, format!("more than {MAX_VALUES} numbers")));
        }
        for word in line.split(mark) {
            values.push(file::number(path, number, word.trim())?);
        }
        let found = values.len() - before;
        if found != columns {
            return Err(file::bad_line(path, number, format!("{found} columns, line {first_number} has {columns}")));
        }
    }
    let frames = values.len() / columns;
    if frames == 0 {
        return Err(Error::format(path, "holds a row of names and no frame"));
    }
    if flat {
        values = npy::with_depth(&values);
    }
    let joints = joints(header.as_deref(), columns / axes, axes);
    Sequence::new(joints, frames, 1, values).map_err(|error| Error::format(path, error.to_string()))
}

/// The axis in the name of a column: the last letter of `nose_z`, `z0` and `Z`.
fn axis_letter(name: &str) -> Option<char> {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).chars().last().map(|letter| letter.to_ascii_lowercase())
}

fn separator(line: &str) -> char {
    [',', ';', '\t'].into_iter().find(|mark| line.contains(*mark)).unwrap_or(',')
}

/// The joints: a built-in set by number, else points under the names of the header.
fn joints(header: Option<&[&str]>, count: usize, axes: usize) -> Arc<JointSet> {
    let known = JointSet::by_shape(count, axes);
    let Some(header) = header.filter(|_| known.name == "points") else { return known };
    let name = |column: &&str| {
        let short: String = column.chars().take(64).collect();
        short.trim_end_matches(['x', 'X']).trim_end_matches(['_', '.', ' ', '-']).to_owned()
    };
    Arc::new(JointSet::points(header.iter().step_by(axes).map(name).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(text: &str) -> Sequence {
        parse(Path::new("a.csv"), text.as_bytes()).unwrap()
    }

    #[test]
    fn tables_with_and_without_names_are_read() {
        let plain = sequence("0,1,2,3,4,5\n6,7,8,9,10,11\n");
        assert_eq!((plain.frames, plain.joints.len()), (2, 2));
        assert_eq!(plain.values, (0..12).map(|i| i as f32).collect::<Vec<_>>());
        let named =
            sequence("# made by hand\nLeftArm_x;LeftArm_y;LeftArm_z;RightArm_x;RightArm_y;RightArm_z\n1;2;3;4;5;6\r\n");
        assert_eq!(
            (named.frames, named.joints.names[1].as_str(), &named.joints.mirror[..]),
            (1, "RightArm", &[[0, 1]][..])
        );
        let flat = sequence("\"x0\"\t\"y0\"\n1\t2\n\n3\t4\n");
        assert_eq!((flat.frames, &flat.values[..]), (2, &[1.0, 2.0, 0.0, 3.0, 4.0, 0.0][..]));
        let body = sequence(&vec!["1"; 75].join(","));
        assert_eq!(body.joints.name, "kinect25");
    }

    #[test]
    fn ragged_tables_and_words_are_refused_with_their_line() {
        for (text, expected) in [
            ("1,2,3\n1,2\n", "line 2: 2 columns, line 1 has 3"),
            ("1,2,3\n1,nan,3\n", "line 2: `nan`"),
            ("1,2,3\n1,,3\n", "line 2: ``"),
            ("1,2,3,4\n", "4 columns"),
            ("x0,y0,z0\n", "no frame"),
            ("\n\n", "holds no row"),
            ("once upon a time\n1,2,3\n", "1 columns"),
        ] {
            let error = parse(Path::new("a.csv"), text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("a.csv") && error.contains(expected), "{text}: {error}");
        }
    }
}
