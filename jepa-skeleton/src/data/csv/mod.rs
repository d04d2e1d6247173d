//! A sequence as a table in text: one row a frame, x, y and z of each joint in columns.
//!
//! Columns are parted by commas, semicolons or tabs. A first row of names is optional; `nose_x, nose_y, nose_z, ..` names
//! the joints, and a [header] without any z means two dimensions. With it the columns of a frame, a time and of
//! confidences may stand beside the coordinates.

mod header;

use std::path::Path;
use std::sync::Arc;

use jepa_core::error::{Error, Result};

use super::file;
use super::joints::{JointSet, MAX_JOINTS};
use super::npy;
use super::sequence::{MAX_VALUES, Sequence};
use header::{Column, Header};

/// Most columns: three coordinates of every joint, its confidence, and as many others.
const MAX_COLUMNS: usize = 8 * MAX_JOINTS;

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
    let count = first.split(mark).count();
    if count > MAX_COLUMNS {
        return Err(file::bad_line(path, first_number, format!("{count} columns; at most {MAX_COLUMNS} are read")));
    }
    let names: Vec<&str> = first.split(mark).map(|word| word.trim().trim_matches('"')).collect();
    let named = names.iter().any(|word| word.parse::<f32>().is_err() && !word.is_empty());
    let header = if named { Header::parse(path, first_number, &names)? } else { Header::bare(names.len()) };
    let Header { columns, axes, joints: named_joints } = header;
    let width = columns.iter().filter(|column| **column == Column::Coordinate).count();
    if !width.is_multiple_of(axes) || width / axes > MAX_JOINTS {
        let problem = format!("{width} columns; expected {axes} for each of 1 to {MAX_JOINTS} joints");
        return Err(file::bad_line(path, first_number, problem));
    }
    let mut values = Vec::new();
    let mut clocks: Vec<Option<&str>> = vec![None; columns.len()];
    let data = (!named).then_some((first_number, first)).into_iter().chain(rows);
    for (number, line) in data {
        if values.len() + width > MAX_VALUES {
            return Err(file::bad_line(path, number, format!("more than {MAX_VALUES} numbers")));
        }
        let found = line.split(mark).count();
        if found != columns.len() {
            let problem = format!("{found} columns, line {first_number} has {}", columns.len());
            return Err(file::bad_line(path, number, problem));
        }
        for ((word, column), clock) in line.split(mark).map(str::trim).zip(&columns).zip(&mut clocks) {
            match column {
                Column::Coordinate => values.push(file::number(path, number, word)?),
                Column::Clock => {
                    another_frame(clock.replace(word), word).map_err(|problem| file::bad_line(path, number, problem))?
                }
                Column::LeftOut => {}
            }
        }
    }
    let frames = values.len() / width;
    if frames == 0 {
        return Err(Error::format(path, "holds a row of names and no frame"));
    }
    if axes == 2 {
        values = npy::with_depth(&values);
    }
    Sequence::new(joints(named_joints, width / axes, axes), frames, 1, values)
        .map_err(|error| Error::format(path, error.to_string()))
}

/// Refuses a second row of one frame: such tables have a row a joint or a person.
fn another_frame(before: Option<&str>, word: &str) -> Result<(), String> {
    if before != Some(word) {
        return Ok(());
    }
    Err(format!(
        "the frame or time is `{}` as in the row before; expected one row a frame with all its joints",
        file::shortened(word)
    ))
}

fn separator(line: &str) -> char {
    [',', ';', '\t'].into_iter().find(|mark| line.contains(*mark)).unwrap_or(',')
}

/// The joints: a built-in set by number, else points under the names of the header.
fn joints(names: Option<Vec<String>>, count: usize, axes: usize) -> Arc<JointSet> {
    let known = JointSet::by_shape(count, axes);
    let Some(names) = names.filter(|_| known.name == "points") else { return known };
    let name = |(joint, name): (usize, String)| match name.chars().take(64).collect::<String>() {
        empty if empty.is_empty() => format!("point {joint}"),
        short => short,
    };
    Arc::new(JointSet::points(names.into_iter().enumerate().map(name).collect()))
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
    fn confidences_times_and_numbers_of_frames_never_become_coordinates() {
        let flat = sequence("frame,time,x,y,confidence\n7,0.1,1,2,0.9\n8,0.2,3,4,\n");
        assert_eq!((flat.frames, &flat.values[..]), (2, &[1.0, 2.0, 0.0, 3.0, 4.0, 0.0][..]));
        let names: Vec<String> = (1..=33).map(|i| format!("x{i},y{i},z{i},v{i}")).collect();
        let row: Vec<String> = (1..=33).map(|i| format!("{i},0.5,-1,0.99")).collect();
        let pose = sequence(&format!("{}\n{}\n", names.join(","), row.join(",")));
        assert_eq!((pose.joints.len(), pose.joints.names[32].as_str(), pose.frames), (33, "33", 1));
        assert_eq!(pose.values, (1..=33).flat_map(|i| [i as f32, 0.5, -1.0]).collect::<Vec<_>>());
        assert_eq!(sequence("x,y,z\n1,2,3").joints.names, ["point 0"]);
    }

    #[test]
    fn ragged_tables_and_words_are_refused_with_their_line() {
        let (wide, many) = (format!("x{}", ",".repeat(9000)), vec!["0"; 3 * MAX_JOINTS + 3].join(","));
        for (text, expected) in [
            ("1,2,3\n1,2\n", "line 2: 2 columns, line 1 has 3"),
            ("1,2,3\n1,nan,3\n", "line 2: `nan`"),
            ("1,2,3\n1,,3\n", "line 2: ``"),
            ("1,2,3,4\n", "4 columns"),
            ("x0,y0,z0\n", "no frame"),
            ("\n\n", "holds no row"),
            ("once upon a time\n1,2,3\n", "line 1: the column `once upon a time` is no coordinate"),
            ("id,x,y,z\n0,1,2,3\n", "line 1: the column `id`"),
            ("1,2,3x\n1,2,3\n", "line 1: the column `1` is no coordinate"),
            ("frame,x,y,z\n0,1,2,3\n0,4,5,6\n", "line 3: the frame or time is `0` as in the row before"),
            (&wide[..], "9001 columns; at most 4096"),
            (&many[..], "1539 columns; expected 3 for each of 1 to 512 joints"),
            ("# by hand\nx,y,v\n1,2,3\n1,2\n", "line 4: 2 columns, line 2 has 3"),
        ] {
            let error = parse(Path::new("a.csv"), text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("a.csv") && error.contains(expected), "{text}: {error}");
        }
    }
}
