//! A list of recordings as the official code reads it: a text file with `path label` on every line.

use std::path::{Path, PathBuf};

use jepa_core::data::{Split, file, part};
use jepa_core::error::{Error, Result};

use super::files::VideoFiles;
use super::sampling::ClipOptions;

/// Most bytes of a list: ten million lines.
const MAX_BYTES: u64 = 1 << 30;
/// Largest label.
const MAX_LABEL: usize = 65_535;

/// Opens the list at `path`. Relative paths in it start at the list's folder. With `train` in its name, the list of the
/// same name with `test` or `val` instead is the test part; else one recording in ten is held out.
pub(crate) fn open(path: &Path, split: Split, options: &ClipOptions) -> Result<VideoFiles> {
    let test = test_beside(path);
    let mut text = format!("list `{}`", path.display());
    let mut entries = read(path)?;
    let mut largest = largest_label(&entries);
    match (test, split) {
        (Some(test), _) => {
            let others = read(&test)?;
            largest = largest.max(largest_label(&others));
            if split == Split::Test {
                (text, entries) = (format!("list `{}`", test.display()), others);
            }
        }
        (None, _) => {
            text += &format!("; {}", part::RULE);
            let kept = part::nonempty(&path.display().to_string(), entries.len(), split)?;
            entries = kept.into_iter().filter_map(|i| entries.get_mut(i as usize).map(std::mem::take)).collect();
        }
    }
    let classes = (0..=largest).map(|label| label.to_string()).collect();
    VideoFiles::new(text, entries, classes, options)
}

fn largest_label(entries: &[(PathBuf, Option<u32>)]) -> u32 {
    entries.iter().filter_map(|(_, label)| *label).max().unwrap_or(0)
}

fn read(path: &Path) -> Result<Vec<(PathBuf, Option<u32>)>> {
    let bytes = file::read(path, MAX_BYTES)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut entries = Vec::new();
    for (at, line) in file::text(path, &bytes)?.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let Some((recording, label)) = line.rsplit_once(' ') else {
            let problem = format!("expected `path label`, found `{}`", file::shortened(line));
            return Err(file::bad_line(path, at + 1, problem));
        };
        let label = file::count(path, at + 1, label, "a class number at the end")?;
        if label > MAX_LABEL {
            return Err(file::bad_line(path, at + 1, format!("class {label} is beyond {MAX_LABEL}")));
        }
        // Paths with spaces are quoted, as pandas writes them.
        let recording = recording.trim().trim_matches('"');
        entries.push((folder.join(recording), Some(label as u32)));
    }
    if entries.is_empty() {
        return Err(Error::format(path, "lists no recordings; expected lines of `path label`"));
    }
    Ok(entries)
}

/// The list of the test part, where there is one.
fn test_beside(path: &Path) -> Option<PathBuf> {
    let name = file::name(path);
    let beside = |part| Some(path.with_file_name(name.replace("train", part))).filter(|other| other.is_file());
    name.contains("train").then(|| beside("test").or_else(|| beside("val")))?
}
