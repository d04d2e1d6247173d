//! A folder with one image a frame, in natural order: `frame-2.png` before `frame-10.png`.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use jepa_core::data::file;
use jepa_core::error::{Error, Result};
use jepa_core::picture::{EXTENSIONS, Picture};

use super::{Gathered, animation_kind};
use crate::data::clip::Clip;

/// The frames of one recording.
#[derive(Debug)]
pub(crate) struct FrameFolder {
    folder: PathBuf,
    frames: Vec<PathBuf>,
}

impl FrameFolder {
    /// Lists the frames in `folder` without decoding them.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let frames = frames_in(file::list(folder)?.files);
        if frames.is_empty() {
            let problem = format!("holds no frames; expected images ending in {}", EXTENSIONS.join(", "));
            return Err(Error::format(folder, problem));
        }
        Ok(Self { folder: folder.to_path_buf(), frames })
    }

    /// Number of frames.
    pub(crate) fn count(&self) -> usize {
        self.frames.len()
    }

    /// The frames `wanted`, ascending.
    pub(crate) fn read(&self, wanted: &[usize], shorter: Option<usize>) -> Result<Clip> {
        let mut gathered = Gathered::new(wanted.len(), shorter);
        for index in wanted {
            let Some(path) = self.frames.get(*index) else { break };
            gathered.push(Picture::open(path)?).map_err(|problem| Error::format(path, problem))?;
        }
        gathered.finish(&self.folder)
    }
}

/// The files that are frames, in natural order.
pub(crate) fn frames_in(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut frames: Vec<PathBuf> = files.into_iter().filter(|path| is_frame(path)).collect();
    frames.sort_by(|a, b| natural(&file::name(a), &file::name(b)));
    frames
}

/// Whether a folder's first image is a recording of its own: then they all are, and not frames.
pub(crate) fn holds_animations(frames: &[PathBuf]) -> bool {
    frames.first().is_some_and(|path| {
        let kind = animation_kind(path).ok().flatten();
        kind.is_some_and(|kind| kind.is_animated(path))
    })
}

fn is_frame(path: &Path) -> bool {
    let ending = file::extension(path);
    ending != "gif" && EXTENSIONS.contains(&ending.as_str())
}

/// Compares runs of digits by their value and everything else by its characters.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while !left.is_empty() && !right.is_empty() {
        let (digits_left, digits_right) = (digits(left), digits(right));
        let order = if digits_left > 0 && digits_right > 0 {
            let trimmed = |text: &'_ str, end: usize| text[..end].trim_start_matches('0').to_owned();
            let (x, y) = (trimmed(left, digits_left), trimmed(right, digits_right));
            (left, right) = (&left[digits_left..], &right[digits_right..]);
            x.len().cmp(&y.len()).then_with(|| x.cmp(&y))
        } else {
            let (mut x, mut y) = (left.chars(), right.chars());
            let order = x.next().cmp(&y.next());
            (left, right) = (x.as_str(), y.as_str());
            order
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    // Names that differ in leading zeros alone still need an order.
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = vec!["f10.png", "f9.png", "f009.png", "a.png", "f1b2.png", "f1b10.png", "f1.png", "ü2", "ü10"];
        names.sort_by(|a, b| natural(a, b));
        let expected = ["a.png", "f1.png", "f1b2.png", "f1b10.png", "f009.png", "f9.png", "f10.png", "ü2", "ü10"];
        assert_eq!(names, expected);
        let huge = "9".repeat(50);
        assert_eq!(natural(&format!("f{huge}"), &format!("f1{huge}")), Ordering::Less);
        assert_eq!(natural("f", "f"), Ordering::Equal);
    }
}
