//! Samples that lie in folders: one sub-folder a class, or flat and without labels.
//!
//! When the root holds `train/`, that is the training part and `test/` or `val/` the other one; else one sample in ten
//! is held out ([`part`]). Classes are the sub-folders of both parts that hold samples at any depth, in sorted order, so
//! that labels mean the same in both.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::file::{self, Listing};
use super::{Split, part};
use crate::error::{Error, Result};

/// Names of the sub-folder that holds the test part, in order of preference.
const TEST_FOLDERS: &[&str] = &["test", "val"];

/// What counts as a sample of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'a> {
    /// Plural, as in "no images found".
    pub what: &'a str,
    /// What a sample looks like, as in "files ending in png, jpg".
    pub expected: &'a str,
    /// Leaves of a listing the samples, as its files, and the folders that are still to be looked into.
    pub pick: fn(Listing) -> Result<Listing>,
}

/// Paths of samples with their classes.
#[derive(Debug, Default)]
pub struct Labelled {
    /// A path each, and its place among the classes.
    pub samples: Vec<(PathBuf, Option<u32>)>,
    /// Names of the classes; none where the samples lie flat.
    pub classes: Vec<String>,
    /// What a description should say: the rule of the parts, what was left out.
    pub notes: Vec<String>,
}

impl Labelled {
    /// "7 images in 2 classes; notes": the rest of a description.
    pub fn about(&self, what: &str) -> String {
        let classes = match self.classes.len() {
            0 => "without labels".to_owned(),
            n => format!("in {n} classes"),
        };
        let counted = format!("{} {what} {classes}", self.samples.len());
        std::iter::once(counted).chain(self.notes.iter().cloned()).collect::<Vec<_>>().join("; ")
    }

    /// Path of sample `index`.
    pub fn path(&self, index: usize) -> Option<&Path> {
        Some(self.samples.get(index)?.0.as_path())
    }
}

impl Folders<'_> {
    /// Lists one part of what lies below `root`, without reading any of it. A root that is no folder, holds no sample,
    /// or too few to hold some out is an error about it.
    pub fn open(&self, root: &Path, split: Split) -> Result<Labelled> {
        let spec = root.display().to_string();
        match std::fs::metadata(root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::data(spec, "there is no such folder"));
            }
            Err(error) => return Err(Error::io("read", root)(error)),
            Ok(found) if !found.is_dir() => return Err(Error::data(spec, "is not a folder")),
            Ok(_) => {}
        }
        let folder = root.join("train");
        let parted = folder.is_dir();
        let folder = if parted { folder } else { root.to_path_buf() };
        let train = Tree::scan(&folder, self.pick)?;
        let test = if parted { test_tree(root, self.pick)? } else { None };
        if train.count() == 0 {
            let problem = format!(
                "no {} found in `{}`: expected {}, directly in it or in one sub-folder per class",
                self.what,
                folder.display(),
                self.expected,
            );
            return Err(Error::data(spec, problem));
        }
        let names = [Some(&train), test.as_ref()].into_iter().flatten().flat_map(|tree| &tree.classes);
        let classes: BTreeSet<String> = names.map(|(name, _)| name.clone()).collect();
        let classes: Vec<String> = classes.into_iter().collect();

        let mut notes = Vec::new();
        let (tree, kept) = match (split, test) {
            (Split::Test, Some(test)) => (test, None),
            (Split::Train, Some(_)) => (train, None),
            (_, None) => {
                notes.push(part::RULE.to_owned());
                let kept = part::nonempty(&spec, train.count(), split)?;
                (train, Some(kept))
            }
        };
        if !tree.classes.is_empty() && !tree.loose.is_empty() {
            notes.push(format!("{} {} beside the class folders left out", tree.loose.len(), self.what));
        }
        let mut samples = tree.labelled(&classes);
        if let Some(kept) = kept {
            samples = kept.into_iter().filter_map(|i| samples.get_mut(i as usize).map(std::mem::take)).collect();
        }
        Ok(Labelled { samples, classes, notes })
    }
}

/// Samples below one folder: those in class folders and those beside them.
#[derive(Default)]
struct Tree {
    classes: Vec<(String, Vec<PathBuf>)>,
    loose: Vec<PathBuf>,
}

impl Tree {
    fn scan(folder: &Path, pick: fn(Listing) -> Result<Listing>) -> Result<Self> {
        let listing = pick(file::list(folder)?)?;
        let mut tree = Self { classes: Vec::new(), loose: listing.files };
        for class in listing.folders {
            let mut found = Vec::new();
            collect(&class, pick, &mut HashSet::new(), &mut found)?;
            // A folder of notes or scripts is not a class.
            if !found.is_empty() {
                found.sort();
                tree.classes.push((file::name(&class), found));
            }
        }
        tree.loose.sort();
        Ok(tree)
    }

    /// Number of samples that are used: the loose ones count only where there are no classes.
    fn count(&self) -> usize {
        match self.classes.len() {
            0 => self.loose.len(),
            _ => self.classes.iter().map(|(_, found)| found.len()).sum(),
        }
    }

    fn labelled(self, names: &[String]) -> Vec<(PathBuf, Option<u32>)> {
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

/// The test part of a folder with `train/`: the first candidate with labels, else the first with samples.
fn test_tree(root: &Path, pick: fn(Listing) -> Result<Listing>) -> Result<Option<Tree>> {
    let mut best: Option<Tree> = None;
    for folder in TEST_FOLDERS.iter().map(|name| root.join(name)).filter(|folder| folder.is_dir()) {
        let tree = Tree::scan(&folder, pick)?;
        let better = best.as_ref().is_none_or(|best| best.classes.is_empty() && !tree.classes.is_empty());
        if tree.count() > 0 && better {
            best = Some(tree);
        }
    }
    Ok(best)
}

/// Adds the samples at any depth below `folder`; `seen` breaks circles of links.
fn collect(
    folder: &Path,
    pick: fn(Listing) -> Result<Listing>,
    seen: &mut HashSet<PathBuf>,
    found: &mut Vec<PathBuf>,
) -> Result<()> {
    if !seen.insert(folder.canonicalize().map_err(Error::io("read", folder))?) {
        return Ok(());
    }
    let listing = pick(file::list(folder)?)?;
    found.extend(listing.files);
    listing.folders.iter().try_for_each(|inner| collect(inner, pick, seen, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: Folders<'static> = Folders { what: "notes", expected: "files ending in txt", pick: texts };

    fn texts(mut listing: Listing) -> Result<Listing> {
        listing.files.retain(|path| file::extension(path) == "txt");
        Ok(listing)
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "a").unwrap();
        }
        dir
    }

    #[test]
    fn both_parts_number_the_classes_alike_and_a_class_of_one_part_alone_counts() {
        let dir = folder(&["train/b/1.txt", "train/c/x/2.TXT", "train/notes/a.md", "test/a/3.txt", "test/c/4.txt"]);
        let [train, test] = [Split::Train, Split::Test].map(|split| NOTES.open(dir.path(), split).unwrap());
        assert_eq!((train.classes.join(""), test.classes.join("")), ("abc".into(), "abc".into()));
        let labels = |part: &Labelled| part.samples.iter().map(|(_, label)| label.unwrap()).collect::<Vec<_>>();
        assert_eq!((labels(&train), labels(&test)), (vec![1, 2], vec![0, 2]));
        assert_eq!(train.about("notes"), "2 notes in 3 classes");
    }

    #[test]
    fn a_test_part_with_labels_is_preferred_and_without_one_a_tenth_is_held_out() {
        let dir = folder(&["train/b/1.txt", "test/2.txt", "val/b/3.txt"]);
        let test = NOTES.open(dir.path(), Split::Test).unwrap();
        assert!(test.path(0).unwrap().ends_with("val/b/3.txt"), "{test:?}");
        let names: Vec<String> = (10..30).map(|i| format!("{i}.txt")).collect();
        let dir = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let [train, test] = [Split::Train, Split::Test].map(|split| NOTES.open(dir.path(), split).unwrap());
        assert_eq!((train.samples.len(), test.samples.len()), (18, 2));
        assert!(train.samples.iter().all(|sample| !test.samples.contains(sample)));
        assert!(test.about("notes").contains("1 in 10"), "{}", test.about("notes"));
    }

    #[test]
    fn what_is_left_out_or_missing_is_said() {
        let dir = folder(&["a/1.txt", "a/2.txt", "loose.txt"]);
        let train = NOTES.open(dir.path(), Split::Train).unwrap();
        assert!(train.about("notes").ends_with("1 notes beside the class folders left out"), "{train:?}");
        let refusal = |path: &Path| NOTES.open(path, Split::Train).unwrap_err().to_string();
        assert!(refusal(folder(&["a/1.md"]).path()).contains("no notes found in"));
        assert!(refusal(&dir.path().join("nowhere")).contains("no such folder"));
        assert!(refusal(&dir.path().join("loose.txt")).contains("not a folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_circle_of_links_ends() {
        let dir = folder(&["a/1.txt"]);
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("a/again")).unwrap();
        assert_eq!(NOTES.open(dir.path(), Split::Train).unwrap().samples.len(), 1);
    }
}
