//! A folder of recordings: one sub-folder a class, or flat.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use jepa_core::data::{Split, file, part};
use jepa_core::error::{Error, Result};
use jepa_core::picture::EXTENSIONS;

use super::files::VideoFiles;
use super::recording::frames::{frames_in, holds_animations};
use super::recording::{ANIMATIONS, VIDEOS, is_recording};
use super::sampling::ClipOptions;

/// Names of the sub-folder that holds the test part, in order of preference.
const TEST_FOLDERS: &[&str] = &["test", "val"];

/// Opens a folder. A recording is a video file, an animation, or a folder with one image a frame. When `root` holds
/// `train/`, that is the training part and `test/` or `val/` the other one; else one recording in ten is held out.
pub(crate) fn open(root: &Path, split: Split, options: &ClipOptions) -> Result<VideoFiles> {
    let spec = root.display().to_string();
    let train_folder = root.join("train");
    let (train, test) =
        if train_folder.is_dir() { (Tree::scan(&train_folder)?, test_tree(root)?) } else { (Tree::scan(root)?, None) };
    if train.count() == 0 {
        let problem = format!(
            "no recordings found in `{}`: expected files ending in {}, {}, or folders of frames ({}), directly in it or \
             in one sub-folder per class",
            train.folder.display(),
            VIDEOS.join(", "),
            ANIMATIONS.join(", "),
            EXTENSIONS.join(", "),
        );
        return Err(Error::data(spec, problem));
    }
    // One numbering for both parts, whichever is opened.
    let names = [Some(&train), test.as_ref()].into_iter().flatten().flat_map(|tree| &tree.classes);
    let classes: BTreeSet<String> = names.map(|(name, _)| name.clone()).collect();
    let classes: Vec<String> = classes.into_iter().collect();

    let mut text = format!("folder `{}`", root.display());
    let (tree, kept) = match (split, test) {
        (Split::Test, Some(test)) => (test, None),
        (Split::Train, Some(_)) => (train, None),
        (_, None) => {
            text += &format!("; {}", part::RULE);
            let kept = part::nonempty(&spec, train.count(), split)?;
            (train, Some(kept))
        }
    };
    if !tree.classes.is_empty() && !tree.loose.is_empty() {
        text += &format!("; {} recordings beside the class folders left out", tree.loose.len());
    }
    let mut paths = tree.into_paths(&classes);
    if let Some(kept) = kept {
        paths = kept.into_iter().filter_map(|i| paths.get_mut(i as usize).map(std::mem::take)).collect();
    }
    VideoFiles::new(text, paths, classes, options)
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

/// Recordings below one folder: those in class folders and those beside them.
struct Tree {
    folder: PathBuf,
    classes: Vec<(String, Vec<PathBuf>)>,
    loose: Vec<PathBuf>,
}

impl Tree {
    fn scan(folder: &Path) -> Result<Self> {
        let listing = file::list(folder)?;
        let (mut classes, mut loose) = (Vec::new(), recordings(listing.files));
        for inner in listing.folders {
            if is_frames(&inner)? {
                loose.push(inner);
                continue;
            }
            let mut found = Vec::new();
            collect(&inner, &mut HashSet::new(), &mut found)?;
            // A folder of notes or scripts is not a class.
            if !found.is_empty() {
                found.sort();
                classes.push((file::name(&inner), found));
            }
        }
        loose.sort();
        Ok(Self { folder: folder.to_path_buf(), classes, loose })
    }

    /// Number of recordings that are used: the loose ones count only where there are no classes.
    fn count(&self) -> usize {
        match self.classes.len() {
            0 => self.loose.len(),
            _ => self.classes.iter().map(|(_, found)| found.len()).sum(),
        }
    }

    fn into_paths(self, names: &[String]) -> Vec<(PathBuf, Option<u32>)> {
        if self.classes.is_empty() {
            return self.loose.into_iter().map(|path| (path, None)).collect();
        }
        let labelled = self.classes.into_iter().flat_map(|(name, found)| {
            let label = names.binary_search(&name).ok().map(|label| label as u32);
            found.into_iter().map(move |path| (path, label))
        });
        labelled.collect()
    }
}

/// The test part of a folder with `train/`: the first candidate with labels, else the first with recordings.
fn test_tree(root: &Path) -> Result<Option<Tree>> {
    let mut best: Option<Tree> = None;
    for folder in TEST_FOLDERS.iter().map(|name| root.join(name)).filter(|folder| folder.is_dir()) {
        let tree = Tree::scan(&folder)?;
        let better = best.as_ref().is_none_or(|best| best.classes.is_empty() && !tree.classes.is_empty());
        if tree.count() > 0 && better {
            best = Some(tree);
        }
    }
    Ok(best)
}

/// Adds the recordings at any depth below `folder`; `seen` breaks circles of links.
fn collect(folder: &Path, seen: &mut HashSet<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    if !seen.insert(folder.canonicalize().map_err(Error::io("read", folder))?) {
        return Ok(());
    }
    if is_frames(folder)? {
        found.push(folder.to_path_buf());
        return Ok(());
    }
    let listing = file::list(folder)?;
    found.extend(recordings(listing.files));
    listing.folders.iter().try_for_each(|inner| collect(inner, seen, found))
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
