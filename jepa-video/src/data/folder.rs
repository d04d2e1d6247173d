//! A folder of recordings: one sub-folder a class, or flat.

use std::path::{Path, PathBuf};

use jepa_core::data::folders::Folders;
use jepa_core::data::{Split, file};
use jepa_core::error::Result;
use jepa_core::picture::EXTENSIONS;

use super::files::VideoFiles;
use super::recording::frames::{frames_in, holds_animations};
use super::recording::{ANIMATIONS, VIDEOS, is_recording};
use super::sampling::ClipOptions;

/// Opens a folder: [one sub-folder a class](jepa_core::data::folders), or flat and without labels. A recording is a
/// video file, an animation, or a folder with one image a frame.
pub(crate) fn open(root: &Path, split: Split, options: &ClipOptions) -> Result<VideoFiles> {
    let expected = format!(
        "files ending in {}, {}, or folders of frames ({})",
        VIDEOS.join(", "),
        ANIMATIONS.join(", "),
        EXTENSIONS.join(", "),
    );
    let found = Folders { what: "recordings", expected: &expected, pick }.open(root, split)?;
    let notes: String = found.notes.iter().map(|note| format!("; {note}")).collect();
    VideoFiles::new(format!("folder `{}`{notes}", root.display()), found.samples, found.classes, options)
}

/// The recordings of a folder, and the folders in it that are none themselves.
fn pick(listing: file::Listing) -> Result<file::Listing> {
    let mut found = file::Listing { files: recordings(listing.files), folders: Vec::new() };
    for inner in listing.folders {
        let kind = if is_frames(&inner)? { &mut found.files } else { &mut found.folders };
        kind.push(inner);
    }
    Ok(found)
}

/// Opens one file or one folder of frames, as a data set of one recording.
pub(crate) fn open_one(path: &Path, options: &ClipOptions) -> Result<VideoFiles> {
    VideoFiles::new(format!("`{}`", path.display()), vec![(path.to_path_buf(), None)], Vec::new(), options)
}

/// Whether a folder is one recording: it holds frames.
pub(crate) fn is_frames(folder: &Path) -> Result<bool> {
    let frames = frames_in(file::list(folder)?.files);
    Ok(!frames.is_empty() && !holds_animations(&frames))
}

/// The files that are recordings: by their names, and images that move.
fn recordings(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let (mut found, others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|path| is_recording(path));
    let images = frames_in(others);
    if holds_animations(&images) {
        found.extend(images);
    }
    found
}
