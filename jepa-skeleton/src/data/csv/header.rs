//! The first row of a table: which column is which coordinate of which joint.

use std::path::Path;

use jepa_core::error::Result;

use super::super::file;

/// The axes in the order in which they stand.
const AXES: [&str; 3] = ["x", "y", "z"];
/// How sure a detector is of a joint: MediaPipe, OpenPose, DeepLabCut.
const SURE: [&str; 9] = ["v", "vis", "visibility", "presence", "c", "conf", "confidence", "score", "likelihood"];
/// Which frame a row is.
const CLOCKS: [&str; 5] = ["frame", "frame_id", "frame_number", "time", "timestamp"];
/// What stands between a joint and its axis.
const MARKS: [char; 4] = ['_', '.', ' ', '-'];

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// The next coordinate of a frame.
    Coordinate,
    /// Another value in every row: frames are not parted over several rows.
    Clock,
    /// Nothing.
    LeftOut,
}

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Every column.
    pub(super) columns: Vec<Column>,
    /// Coordinates of a joint, 2 or 3.
    pub(super) axes: usize,
    /// Names of the joints; none where the table has no row of names.
    pub(super) joints: Option<Vec<String>>,
}

impl Header {
    /// A table without a row of names: coordinates alone, in three dimensions.
    pub(super) fn bare(columns: usize) -> Self {
        Self { columns: vec![Column::Coordinate; columns], axes: AXES.len(), joints: None }
    }

    /// The names of the columns, which stand in line `line` of the file. Without any z there are two dimensions. The
    /// coordinates of a joint stand side by side, in the order of the axes; what is neither a coordinate nor known to be
    /// left out is refused.
    pub(super) fn parse(path: &Path, line: usize, names: &[&str]) -> Result<Self> {
        let wrong = |problem: String| file::bad_line(path, line, problem);
        let meanings = names.iter().map(|name| meaning(name).ok_or_else(|| wrong(unknown(name))));
        let meanings: Vec<Meaning> = meanings.collect::<Result<_>>()?;
        let deep = meanings.iter().any(|meaning| matches!(meaning, Meaning::Axis(2, _)));
        let axes = if deep { 3 } else { 2 };
        let mut joints: Vec<String> = Vec::new();
        let mut columns = Vec::with_capacity(names.len());
        // The axis that has to come next.
        let mut due = 0;
        for (name, meaning) in names.iter().zip(meanings) {
            let (axis, joint) = match meaning {
                Meaning::Axis(axis, joint) => (axis, joint),
                Meaning::Other(column) => {
                    columns.push(column);
                    continue;
                }
            };
            let fits = axis == due && (due == 0 || joints.last().is_some_and(|last| last.eq_ignore_ascii_case(&joint)));
            if !fits {
                let problem =
                    format!("the column `{}` stands where {} is expected", short(name), expected(due, joints.last()));
                return Err(wrong(problem + "; put x, y and z of each joint side by side, in this order"));
            }
            if due == 0 {
                joints.push(joint);
            }
            due = (due + 1) % axes;
            columns.push(Column::Coordinate);
        }
        if due > 0 || joints.is_empty() {
            return Err(wrong(format!("the columns end where {} is expected", expected(due, joints.last()))));
        }
        Ok(Self { columns, axes, joints: Some(joints) })
    }
}

/// What the name of a column says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// The number of an axis, and a joint, whose name may be empty.
    Axis(usize, String),
    Other(Column),
}

/// `nose_x`, `x_nose`, `noseX`, `x0` and `x` are coordinates; a column without a name is the row's number, as pandas
/// writes it, or follows after a last comma.
fn meaning(name: &str) -> Option<Meaning> {
    let lower = name.to_lowercase();
    if lower.is_empty() {
        return Some(Meaning::Other(Column::LeftOut));
    }
    if CLOCKS.contains(&lower.as_str()) {
        return Some(Meaning::Other(Column::Clock));
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    let (before, last) = stem.rsplit_once(MARKS).unwrap_or(("", stem));
    let of_last = (last, format!("{before} {digits}"));
    let of_first = name.split_once(MARKS).map(|(first, joint)| (first, joint.to_owned()));
    let parted = [Some(of_last), of_first].into_iter().flatten();
    parted.chain(capital(name)).find_map(|(word, joint)| {
        let word = word.to_lowercase();
        if SURE.contains(&word.as_str()) {
            return Some(Meaning::Other(Column::LeftOut));
        }
        let axis = AXES.iter().position(|axis| *axis == word)?;
        Some(Meaning::Axis(axis, joint.trim().to_owned()))
    })
}

/// The axis at the end of `noseX` and `12x`, and the joint before it.
fn capital(name: &str) -> Option<(&str, String)> {
    let (at, axis) = name.char_indices().next_back()?;
    let (joint, word) = name.split_at(at);
    let before = joint.chars().next_back()?;
    let parted = before.is_ascii_digit() || (before.is_lowercase() && axis.is_uppercase());
    parted.then(|| (word, joint.to_owned()))
}

/// The axis `due`, of the joint begun last where it is not the first.
fn expected(due: usize, joint: Option<&String>) -> String {
    match joint.filter(|joint| due > 0 && !joint.is_empty()) {
        Some(joint) => format!("{} of `{}`", AXES[due], short(joint)),
        None => format!("{} of a joint", AXES[due]),
    }
}

fn unknown(name: &str) -> String {
    format!(
        "the column `{}` is no coordinate (`nose_x`, `x_nose`, `noseX`, `x0`) and none of those that are left out (frame, \
         time, confidence, visibility and the like): rename it or take it out of the table",
        short(name)
    )
}

fn short(name: &str) -> String {
    file::shortened(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &str) -> Result<Header> {
        Header::parse(Path::new("a.csv"), 3, &names.split(',').collect::<Vec<_>>())
    }

    fn joints(names: &str) -> String {
        parse(names).unwrap().joints.unwrap().join("|")
    }

    #[test]
    fn coordinates_are_told_by_the_usual_spellings() {
        for (names, expected) in [
            ("x,y,z", ""),
            ("nose_x,nose_y,nose_z,neck_x,neck_y,neck_z", "nose|neck"),
            ("x_nose,y_nose,X_left.eye,Y_left.eye", "nose|left.eye"),
            ("noseX,noseY,LeftArmX,LeftArmY", "nose|LeftArm"),
            ("x0,y0,z0,x1,y1,z1", "0|1"),
            ("0x,0y,1x,1y", "0|1"),
            ("hand_x0,hand_y0,hand_x1,hand_y1", "hand 0|hand 1"),
            ("x,y,z,x.1,y.1,z.1", "|1"),
            ("Nose.x,nose.y,nose.z", "Nose"),
        ] {
            assert_eq!(joints(names), expected, "{names}");
        }
        assert_eq!(parse("x,y,z").unwrap().axes, 3);
        assert_eq!(parse("x,y").unwrap().axes, 2);
    }

    #[test]
    fn what_is_known_not_to_be_a_coordinate_is_left_out() {
        use super::Column::{Clock, Coordinate, LeftOut};
        let mediapipe = parse("frame,x1,y1,z1,v1,x2,y2,z2,v2").unwrap();
        let joint = [Coordinate, Coordinate, Coordinate, LeftOut];
        assert_eq!(mediapipe.columns, [&[Clock][..], &joint, &joint].concat());
        assert_eq!((mediapipe.axes, mediapipe.joints.unwrap().len()), (3, 2));
        let flat = parse(",Time,nose_x,nose_y,nose_confidence").unwrap();
        assert_eq!(flat.columns, [LeftOut, Clock, Coordinate, Coordinate, LeftOut]);
    }

    #[test]
    fn other_columns_and_other_orders_are_refused_by_name() {
        for (names, expected) in [
            ("id,x,y,z", "line 3: the column `id` is no coordinate"),
            ("frame,joint,x,y,z", "`joint` is no coordinate"),
            ("index,x,y", "`index`"),
            ("velocity,x,y", "`velocity`"),
            ("qx,qy,qz,qw", "`qx`"),
            ("x,y,z,w", "`w`"),
            ("u0,v0", "`u0`"),
            ("x0,x1,y0,y1", "`x1` stands where y of `0` is expected; put x, y and z"),
            ("x0,y0,x1,y1,z1", "`x1` stands where z of `0`"),
            ("nose_x,neck_y", "`neck_y` stands where y of `nose`"),
            ("y,x", "`y` stands where x of a joint"),
            ("z,y,x", "`z` stands where x of a joint"),
            ("x,y,z,x", "end where y of a joint"),
            ("frame,time", "end where x of a joint"),
        ] {
            let error = parse(names).unwrap_err().to_string();
            assert!(error.contains("a.csv") && error.contains(expected), "{names}: {error}");
        }
        let long = format!("{},x,y", "n".repeat(9000));
        assert!(parse(&long).unwrap_err().to_string().len() < 500);
    }
}
