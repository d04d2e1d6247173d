//! A folder of files with one sequence each: CSV, NumPy, BVH or C3D.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jepa_core::data::file::Listing;
use jepa_core::data::folders::{Folders, Labelled};
use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::joints::JointSet;
use super::sequence::Sequence;
use super::{bvh, c3d, csv, file, npy};

/// Endings of the files that count as sequences, in lower case.
pub const EXTENSIONS: &[&str] = &["csv", "tsv", "npy", "bvh", "c3d"];

/// Files tried for the joints of the set before it is given up.
const TRIES: usize = 16;

/// A folder of files of one sequence each: [one sub-folder a class](jepa_core::data::folders), or flat and without
/// labels. Every file must have the joints of the first one for training.
#[derive(Debug)]
pub struct SequenceFolder {
    root: PathBuf,
    found: Labelled,
    joints: Arc<JointSet>,
}

impl SequenceFolder {
    /// Lists the files below `root` and reads the first, for its joints.
    pub fn open(root: &Path, split: Split) -> Result<Self> {
        let expected = format!("files ending in {}", EXTENSIONS.join(", "));
        let folders = Folders { what: "sequences", expected: &expected, pick: sequences };
        let joints = joints(root, &folders.open(root, Split::Train)?)?;
        Ok(Self { root: root.to_path_buf(), found: folders.open(root, split)?, joints })
    }
}

impl Source for SequenceFolder {
    type Sample = Sequence;

    fn len(&self) -> usize {
        self.found.samples.len()
    }

    fn read(&self, index: usize) -> Result<Sequence> {
        let Some(path) = self.found.path(index) else {
            return Err(Error::data(self.root.display().to_string(), no_sample(index, self.len())));
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
        self.found.samples.get(index)?.1
    }

    fn classes(&self) -> &[String] {
        &self.found.classes
    }

    fn name(&self, index: usize) -> String {
        let found = self.found.path(index).map(|path| path.display().to_string());
        found.unwrap_or_else(|| no_sample(index, self.len()))
    }

    fn describe(&self) -> String {
        let (about, joints) = (self.found.about("sequences"), self.joints.len());
        format!("folder `{}`, {joints} joints: {about}", self.root.display())
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
fn joints(root: &Path, found: &Labelled) -> Result<Arc<JointSet>> {
    let mut first = None;
    for (path, _) in found.samples.iter().take(TRIES) {
        match read(path) {
            Ok(sequence) => return Ok(sequence.joints),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let cause = first.map_or_else(String::new, |error| error.to_string());
    let tried = found.samples.len().min(TRIES);
    Err(Error::data(
        root.display().to_string(),
        format!("none of its first {tried} files can be read; the first: {cause}"),
    ))
}

fn sequences(mut listing: Listing) -> Result<Listing> {
    listing.files.retain(|path| is_sequence(path));
    Ok(listing)
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
        assert!(train.describe().contains("2 joints: 2 sequences in 2 classes"), "{}", train.describe());
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
