//! The tables of the package pose-classification-kit (MIT): poses from a real detector, with its noise and gaps.
//!
//! `BodyPose_Dataset.csv` has the columns label, accuracy, x0, y0, .. of 25 OpenPose joints; `HandPose_Dataset.csv` label,
//! hand, accuracy and 21 joints. The rows of a class are consecutive frames of a few videos, so windows of them are short
//! movements. They are poses first of all: the mean pose nearly solves the classes, and a few videos a class are no
//! benchmark. Coordinates are two-dimensional, centred and scaled to about 0.7; (0, 0) is a joint that was not found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::file;
use super::joints::JointSet;
use super::npy;
use super::sequence::Sequence;

/// Frames of a window.
pub const WINDOW: usize = 32;
/// Frames from one window to the next.
pub const STRIDE: usize = 8;
/// Of each ten rows of a recording, the first seven are for training.
const TRAIN_TENTHS: usize = 7;
/// Most classes.
const MAX_CLASSES: usize = 1000;

/// Which of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PckKind {
    /// Bodies of 25 joints.
    Body,
    /// Hands of 21 joints, left and right.
    Hand,
}

impl PckKind {
    /// The first columns; the coordinates follow.
    pub(super) fn columns(self) -> &'static str {
        match self {
            Self::Body => "label,accuracy,",
            Self::Hand => "label,hand,accuracy,",
        }
    }

    fn joints(self) -> Arc<JointSet> {
        match self {
            Self::Body => JointSet::openpose25(),
            Self::Hand => JointSet::hand21(),
        }
    }
}

/// Windows of one part of a table.
#[derive(Debug)]
pub struct PckTable {
    path: PathBuf,
    kind: PckKind,
    /// [rows, joints, 2].
    values: Vec<f32>,
    /// First row and class of each window.
    windows: Vec<(usize, u32)>,
    classes: Vec<String>,
}

impl PckTable {
    /// Reads the table at `path`.
    pub fn open(path: &Path, kind: PckKind, split: Split) -> Result<Self> {
        Self::parse(path, &file::read(path, super::MAX_BYTES)?, kind, split)
    }

    pub(super) fn parse(path: &Path, bytes: &[u8], kind: PckKind, split: Split) -> Result<Self> {
        let mut lines = file::text(path, bytes)?.lines();
        let first = kind.columns();
        if !lines.next().unwrap_or_default().starts_with(first) {
            return Err(Error::format(path, format!("expected a first line that begins with `{first}`")));
        }
        let (words, width) = (first.matches(',').count(), kind.joints().len() * 2);
        let mut values = Vec::new();
        // Recordings: the words before the coordinates (without the accuracy), and the rows.
        let mut runs: Vec<(Vec<&str>, std::ops::Range<usize>)> = Vec::new();
        for (at, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let found = line.split(',').count();
            if found != words + width {
                let problem = format!("{found} columns, expected {}", words + width);
                return Err(file::bad_line(path, at + 2, problem));
            }
            let row = values.len() / width;
            let key: Vec<&str> = line.split(',').take(words - 1).collect();
            for word in line.split(',').skip(words) {
                values.push(file::number(path, at + 2, word.trim())?);
            }
            match runs.last_mut() {
                Some((last, rows)) if *last == key => rows.end = row + 1,
                _ => runs.push((key, row..row + 1)),
            }
        }
        let classes: BTreeSet<&str> = runs.iter().filter_map(|(key, _)| key.first().copied()).collect();
        if classes.is_empty() || classes.len() > MAX_CLASSES {
            let problem = format!("{} classes, expected 1 to {MAX_CLASSES}", classes.len());
            return Err(Error::format(path, problem));
        }
        let classes: Vec<String> = classes.into_iter().map(str::to_owned).collect();
        let mut windows = Vec::new();
        for (key, rows) in &runs {
            let class = key.first().and_then(|class| classes.binary_search_by(|name| name.as_str().cmp(class)).ok());
            let middle = rows.start + rows.len() * TRAIN_TENTHS / 10;
            let part = if split == Split::Train { rows.start..middle } else { middle..rows.end };
            let starts = part.clone().step_by(STRIDE).filter(|start| start + WINDOW <= part.end);
            windows.extend(starts.filter_map(|start| Some((start, class? as u32))));
        }
        if windows.is_empty() {
            let problem = format!("no class has the {WINDOW} rows of a window in this part");
            return Err(Error::format(path, problem));
        }
        Ok(Self { path: path.to_path_buf(), kind, values, windows, classes })
    }
}

impl Source for PckTable {
    type Sample = Sequence;

    fn len(&self) -> usize {
        self.windows.len()
    }

    fn read(&self, index: usize) -> Result<Sequence> {
        let Some(&(start, _)) = self.windows.get(index) else {
            return Err(Error::format(&self.path, no_sample(index, self.len())));
        };
        let joints = self.kind.joints();
        let width = joints.len() * 2;
        let rows = self.values.get(start * width..(start + WINDOW) * width).unwrap_or(&[]);
        Sequence::new(joints, WINDOW, 1, npy::with_depth(rows))
            .map_err(|error| Error::format(&self.path, error.to_string()))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.windows.get(index).map(|&(_, class)| class)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let start = self.windows.get(index).map_or(0, |&(start, _)| start);
        format!("rows {} to {} of {}", start + 2, start + WINDOW + 1, self.path.display())
    }

    fn describe(&self) -> String {
        let (what, path) = (if self.kind == PckKind::Body { "bodies" } else { "hands" }, self.path.display());
        let (count, classes) = (self.len(), self.classes.len());
        format!(
            "pose-classification-kit, {what}, `{path}`: {count} windows of {WINDOW} detected poses in {classes} classes, \
             two-dimensional; the first 70 % of each recording train"
        )
    }
}

/// A table for tests: `classes` classes of `rows` rows.
#[cfg(test)]
pub(super) fn written(kind: PckKind, classes: usize, rows: usize) -> String {
    let width = kind.joints().len() * 2;
    let names: Vec<String> = (0..width).map(|i| format!("{}{}", ["x", "y"][i % 2], i / 2)).collect();
    let mut text = format!("{}{}\n", kind.columns(), names.join(","));
    for (class, row) in (0..classes).flat_map(|class| (0..rows).map(move |row| (class, row))) {
        let values: Vec<String> = (0..width).map(|i| format!("{}.25", class * 1000 + row + i)).collect();
        let hand = if kind == PckKind::Hand { "left," } else { "" };
        text += &format!("class {},{hand}19.5,{}\n", classes - class, values.join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_one_class_are_cut_from_the_first_rows_and_from_the_last() {
        for kind in [PckKind::Body, PckKind::Hand] {
            let text = written(kind, 2, 120);
            let open = |split| PckTable::parse(Path::new("a.csv"), text.as_bytes(), kind, split).unwrap();
            let (train, test) = (open(Split::Train), open(Split::Test));
            // 84 rows: starts 0, 8, .. 48; 36 rows: start 84.
            assert_eq!((train.len(), test.len(), train.classes().len()), (14, 2, 2));
            assert_eq!((train.label(0), train.label(7), test.label(1)), (Some(1), Some(0), Some(0)));
            let window = train.read(8).unwrap();
            assert_eq!((window.frames, window.joints.len()), (WINDOW, kind.joints().len()));
            assert_eq!(window.values[..6], [1008.25, 1009.25, 0.0, 1010.25, 1011.25, 0.0]);
            assert!(train.read(14).is_err());
            assert_eq!(test.name(0), "rows 86 to 117 of a.csv");
        }
    }

    #[test]
    fn other_tables_and_damaged_rows_are_refused() {
        let text = written(PckKind::Body, 1, 120);
        let refusal = |text: &str| {
            PckTable::parse(Path::new("a.csv"), text.as_bytes(), PckKind::Body, Split::Train).unwrap_err().to_string()
        };
        for (text, expected) in [
            (written(PckKind::Hand, 1, 120), "`label,accuracy,`"),
            (text.replacen(",7.25,", ",x,", 1), "line 2: `x`"),
            (text.replacen(",7.25,", ",", 1), "line 2: 51 columns, expected 52"),
            (written(PckKind::Body, 3, 40), "32 rows"),
            (text.lines().next().unwrap().to_owned(), "0 classes"),
        ] {
            let error = refusal(&text);
            assert!(error.contains("a.csv") && error.contains(expected), "{error}");
        }
    }
}
