//! A folder of files with one sequence each: CSV, NumPy, BVH or C3D.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jepa_core::data::{Source, Split};
use jepa_core::error::{Error, Result};

use super::joints::JointSet;
use super::sequence::Sequence;
use super::{bvh, c3d, csv, file, npy, part};

/// Endings of the files that count as sequences, in lower case.
pub const EXTENSIONS: &[&str] = &["csv", "tsv", "npy", "bvh", "c3d"];

/// Names of the sub-folder that holds the test part, in order of preference.
const TEST_FOLDERS: &[&str] = &["test", "val"];

/// Files tried for the joints of the set before it is given up.
const TRIES: usize = 16;

/// Deepest folder that is looked into.
const DEPTH: usize = 16;

/// A folder of files of one sequence each: one sub-folder per class, or flat and without labels. When it holds `train/`,
/// that is the training part and `test/` or `val/` the other one; else one sequence in ten is held out for testing.
/// Every file must have the joints of the first.
#[derive(Debug)]
pub struct SequenceFolder {
    root: PathBuf,
    files: Vec<(PathBuf, Option<u32>)>,
    classes: Vec<String>,
    joints: Arc<JointSet>,
    notes: Vec<String>,
}

/// Files with the name of their class.
type Files = Vec<(PathBuf, Option<String>)>;

impl SequenceFolder {
    /// Lists the files below `root` and reads the first, for its joints.
    pub fn open(root: &Path, split: Split) -> Result<Self> {
        let spec = root.display().to_string();
        if !root.is_dir() {
            return Err(Error::data(spec, "is not a folder"));
        }
        let train_folder = root.join("train");
        let (train, test) = if train_folder.is_dir() {
            let tests = TEST_FOLDERS.iter().map(|name| root.join(name)).filter(|folder| folder.is_dir());
            let tests = tests.map(|folder| scan(&folder)).collect::<Result<Vec<_>>>()?;
            (scan(&train_folder)?, tests.into_iter().find(|files| !files.is_empty()))
        } else {
            (scan(root)?, None)
        };
        if train.is_empty() {
            let problem = format!(
                "holds no sequences: expected files ending in {}, directly in it or in one sub-folder per class",
                EXTENSIONS.join(", ")
            );
            return Err(Error::data(spec, problem));
        }
        let joints = joints(&spec, &train)?;
        let classes: BTreeSet<String> =
            train.iter().chain(test.iter().flatten()).filter_map(|(_, class)| class.clone()).collect();
        let classes: Vec<String> = classes.into_iter().collect();
        let mut notes = Vec::new();
        let files = match (split, test) {
            (Split::Test, Some(test)) => test,
            (Split::Train, Some(_)) => train,
            (_, None) => {
                notes.push(part::RULE.to_owned());
                let mut train: Vec<_> = train.into_iter().map(Some).collect();
                let kept = part::nonempty(&spec, train.len(), split)?;
                kept.into_iter().filter_map(|at| train.get_mut(at as usize).and_then(Option::take)).collect()
            }
        };
        let label = |class: Option<String>| classes.binary_search(&class?).ok().map(|label| label as u32);
        let files = files.into_iter().map(|(path, class)| (path, label(class))).collect();
        Ok(Self { root: root.to_path_buf(), files, classes, joints, notes })
    }
}

impl Source for SequenceFolder {
    type Sample = Sequence;

    fn len(&self) -> usize {
        self.files.len()
    }

    fn read(&self, index: usize) -> Result<Sequence> {
        let Some((path, _)) = self.files.get(index) else {
            return Err(Error::data(self.root.display().to_string(), super::no_such(index, self.len())));
        };
        let sequence = read(path)?;
        if sequence.joints.names != self.joints.names {
            let problem = format!(
                "has other joints than the first file of the set: {} ({}, ..), expected {} ({}, ..)",
                sequence.joints.len(),
                sequence.joints.names.first().map_or("", String::as_str),
                self.joints.len(),
                self.joints.names.first().map_or("", String::as_str),
            );
            return Err(Error::format(path, problem));
        }
        Ok(Sequence { joints: Arc::clone(&self.joints), ..sequence })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.files.get(index)?.1
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let found = self.files.get(index).map(|(path, _)| path.display().to_string());
        found.unwrap_or_else(|| super::no_such(index, self.len()))
    }

    fn describe(&self) -> String {
        let classes = match self.classes.len() {
            0 => "without labels".to_owned(),
            n => format!("in {n} classes"),
        };
        let (count, joints) = (self.len(), self.joints.len());
        let mut text = format!("folder `{}`: {count} sequences {classes}, {joints} joints", self.root.display());
        for note in &self.notes {
            text += &format!("; {note}");
        }
        text
    }
}

/// Reads one file by its ending.
pub(super) fn read(path: &Path) -> Result<Sequence> {
    match file::extension(path).as_str() {
        "npy" => npy::read(path),
        "bvh" => bvh::read(path),
        "c3d" => c3d::read(path),
        _ => csv::read(path),
    }
}

/// The joints of the first file that can be read.
fn joints(spec: &str, files: &Files) -> Result<Arc<JointSet>> {
    let mut first = None;
    for (path, _) in files.iter().take(TRIES) {
        match read(path) {
            Ok(sequence) => return Ok(sequence.joints),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let cause = first.map_or_else(String::new, |error| error.to_string());
    let tried = files.len().min(TRIES);
    Err(Error::data(spec, format!("none of its first {tried} files can be read; the first: {cause}")))
}

/// The files below a folder: those in class folders, or where there are none those directly in it.
fn scan(folder: &Path) -> Result<Files> {
    let listing = file::list(folder)?;
    let mut files = Vec::new();
    for class in &listing.folders {
        let mut found = Vec::new();
        collect(class, DEPTH, &mut HashSet::new(), &mut found)?;
        found.sort();
        files.extend(found.into_iter().map(|path| (path, Some(file::name(class)))));
    }
    if files.is_empty() {
        files.extend(listing.files.into_iter().filter(|path| is_sequence(path)).map(|path| (path, None)));
    }
    Ok(files)
}

/// Adds the files at any depth below `folder`; `seen` breaks circles of links.
fn collect(folder: &Path, depth: usize, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth == 0 || !seen.insert(folder.canonicalize().map_err(Error::io("read", folder))?) {
        return Ok(());
    }
    let listing = file::list(folder)?;
    files.extend(listing.files.into_iter().filter(|path| is_sequence(path)));
    listing.folders.iter().try_for_each(|inner| collect(inner, depth - 1, seen, files))
}

/// Whether the name of a file ends like a sequence.
pub(super) fn is_sequence(path: &Path) -> bool {
    EXTENSIONS.contains(&file::extension(path).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        dir
    }

    #[test]
    fn class_folders_of_every_kind_of_file_are_read() {
        let table = "0,1,2,3,4,5\n6,7,8,9,10,11\n";
        let array = npy::written(&[1, 2, 3], &[1.0; 6]);
        let dir = folder(&[
            ("train/wave/a.csv", table.as_bytes()),
            ("train/clap/deep/b.NPY", &array),
            ("test/wave/c.tsv", table.replace(',', "\t").as_bytes()),
        ]);
        let train = SequenceFolder::open(dir.path(), Split::Train).unwrap();
        let test = SequenceFolder::open(dir.path(), Split::Test).unwrap();
        assert_eq!((train.len(), test.len(), train.classes().join(" ")), (2, 1, "clap wave".to_owned()));
        assert_eq!((train.label(0), train.label(1), test.label(0)), (Some(0), Some(1), Some(1)));
        assert_eq!((train.read(0).unwrap().frames, test.read(0).unwrap().frames), (1, 2));
        assert!(train.describe().contains("2 sequences in 2 classes, 2 joints"), "{}", train.describe());
        for (name, bytes) in [("a.bvh", bvh::EXAMPLE.as_bytes()), ("a.c3d", &c3d::written(false, true))] {
            let dir = folder(&[(&format!("one/{name}"), bytes)]);
            let source = SequenceFolder::open(dir.path(), Split::Train).unwrap();
            assert!(source.read(0).unwrap().frames > 1, "{name}");
        }
    }

    #[test]
    fn one_in_ten_is_held_out_and_a_file_with_other_joints_is_an_error_of_its_own() {
        let mut files: Vec<(String, &[u8])> = (0..20).map(|i| (format!("{i:02}.csv"), &b"1,2,3\n"[..])).collect();
        files[3].1 = b"1,2,3,4,5,6\n";
        files[4].1 = b"words";
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        let dir = folder(&files);
        let train = SequenceFolder::open(dir.path(), Split::Train).unwrap();
        let test = SequenceFolder::open(dir.path(), Split::Test).unwrap();
        assert_eq!((train.len(), test.len(), train.label(0)), (18, 2, None));
        assert!(train.read(3).unwrap_err().to_string().contains("other joints"));
        assert!(train.read(4).unwrap_err().to_string().contains("04.csv"));
        assert!(train.read(18).unwrap_err().to_string().contains("index 18"));
    }

    #[test]
    fn folders_without_a_usable_file_say_what_was_looked_for() {
        let dir = folder(&[("notes.txt", b"words")]);
        let refusal = |path: &Path| SequenceFolder::open(path, Split::Train).unwrap_err().to_string();
        assert!(refusal(dir.path()).contains("csv, tsv, npy, bvh, c3d"));
        assert!(refusal(&dir.path().join("notes.txt")).contains("not a folder"));
        let dir = folder(&[("a.csv", b"words"), ("b.csv", b"")]);
        let error = refusal(dir.path());
        assert!(error.contains("first 2 files") && error.contains("a.csv"), "{error}");
    }
}
