//! A folder of files, one shape each.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use jepa_core::data::Split;
use jepa_core::error::{Error, Result};

use super::super::files::{CloudFiles, counted};
use super::super::formats::{EXTENSIONS, is_shape};
use super::super::{file, part};

/// Names of the sub-folder that holds the test part, in order of preference.
const TEST_FOLDERS: &[&str] = &["test", "val"];

/// Lists the shapes below `root` without reading them: one sub-folder a class, or flat and without labels. When it holds
/// `train/`, that is the training part and `test/` or `val/` the other one; else one shape in ten is held out.
pub(in super::super) fn open(root: &Path, split: Split) -> Result<CloudFiles> {
    let spec = root.display().to_string();
    match std::fs::metadata(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::data(spec, "there is no such folder"));
        }
        Err(error) => return Err(Error::io("read", root)(error)),
        Ok(found) if !found.is_dir() => return Err(Error::data(spec, "is not a folder")),
        Ok(_) => {}
    }
    let train_folder = root.join("train");
    let (train, test) =
        if train_folder.is_dir() { (Tree::scan(&train_folder)?, test_tree(root)?) } else { (Tree::scan(root)?, None) };
    if train.count() == 0 {
        let problem = format!(
            "no clouds or meshes found in `{}`: expected files ending in {}, directly in it or in one sub-folder per \
             class",
            train.folder.display(),
            EXTENSIONS.join(", "),
        );
        return Err(Error::data(spec, problem));
    }
    // One numbering for both parts, whichever is opened.
    let classes: BTreeSet<String> =
        [Some(&train), test.as_ref()].into_iter().flatten().flat_map(Tree::class_names).collect();
    let classes: Vec<String> = classes.into_iter().collect();

    let mut notes = String::new();
    let (tree, kept) = match (split, test) {
        (Split::Test, Some(test)) => (test, None),
        (Split::Train, Some(_)) => (train, None),
        (_, None) => {
            let kept = part::nonempty(&spec, train.count(), split)?;
            notes += &format!("; {}", part::RULE);
            (train, Some(kept))
        }
    };
    if !tree.classes.is_empty() && !tree.loose.is_empty() {
        notes += &format!("; {} files beside the class folders left out", tree.loose.len());
    }
    let mut files = tree.into_files(&classes);
    if let Some(kept) = kept {
        files = kept.into_iter().filter_map(|i| files.get_mut(i as usize).map(std::mem::take)).collect();
    }
    let about = format!("folder `{spec}`: {}{notes}", counted(files.len(), &classes));
    Ok(CloudFiles::new(files, classes, about))
}

/// Shapes below one folder: those in class folders and those beside them.
struct Tree {
    folder: PathBuf,
    classes: Vec<(String, Vec<PathBuf>)>,
    loose: Vec<PathBuf>,
}

impl Tree {
    fn scan(folder: &Path) -> Result<Self> {
        let listing = file::list(folder)?;
        let mut classes = Vec::new();
        for class in listing.folders {
            let mut files = Vec::new();
            collect(&class, &mut HashSet::new(), &mut files)?;
            // A folder of notes or scripts is not a class.
            if !files.is_empty() {
                files.sort();
                classes.push((file::name(&class), files));
            }
        }
        let loose = listing.files.into_iter().filter(|path| is_shape(path)).collect();
        Ok(Self { folder: folder.to_path_buf(), classes, loose })
    }

    /// Number of files that are used: the loose ones count only where there are no classes.
    fn count(&self) -> usize {
        if self.classes.is_empty() { self.loose.len() } else { self.classes.iter().map(|(_, files)| files.len()).sum() }
    }

    fn class_names(&self) -> impl Iterator<Item = String> {
        self.classes.iter().map(|(name, _)| name.clone())
    }

    fn into_files(self, names: &[String]) -> Vec<(PathBuf, Option<u32>)> {
        if self.classes.is_empty() {
            return self.loose.into_iter().map(|path| (path, None)).collect();
        }
        let labelled = self.classes.into_iter().flat_map(|(name, files)| {
            let label = names.binary_search(&name).ok().map(|label| label as u32);
            files.into_iter().map(move |path| (path, label))
        });
        labelled.collect()
    }
}

/// The test part of a folder with `train/`: the first candidate with labels, else the first with shapes.
fn test_tree(root: &Path) -> Result<Option<Tree>> {
    let mut best: Option<Tree> = None;
    for name in TEST_FOLDERS {
        let folder = root.join(name);
        if folder.is_dir() {
            let tree = Tree::scan(&folder)?;
            let better = best.as_ref().is_none_or(|best| best.classes.is_empty() && !tree.classes.is_empty());
            if tree.count() > 0 && better {
                best = Some(tree);
            }
        }
    }
    Ok(best)
}

/// Adds the shapes at any depth below `folder`; `seen` breaks circles of links.
fn collect(folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<()> {
    if !seen.insert(folder.canonicalize().map_err(Error::io("read", folder))?) {
        return Ok(());
    }
    let listing = file::list(folder)?;
    files.extend(listing.files.into_iter().filter(|path| is_shape(path)));
    listing.folders.iter().try_for_each(|inner| collect(inner, seen, files))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::data::Source as _;

    fn save(root: &Path, name: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("0 0 0\n{} 1 1\n", name.len())).unwrap();
    }

    #[test]
    fn sub_folders_are_classes_in_sorted_order_and_both_parts_agree_on_labels() {
        let dir = tempfile::tempdir().unwrap();
        for class in ["zebra", "ant", "cat"] {
            (0..10).for_each(|i| save(dir.path(), &format!("{class}/{i}.XYZ")));
        }
        std::fs::create_dir(dir.path().join("notes")).unwrap();
        let [train, test] = [Split::Train, Split::Test].map(|split| open(dir.path(), split).unwrap());
        assert_eq!(train.classes(), ["ant", "cat", "zebra"]);
        assert_eq!((train.len(), test.len(), test.classes()), (27, 3, train.classes()));
        for source in [&train, &test] {
            for i in 0..source.len() {
                let class = &source.classes()[source.label(i).unwrap() as usize];
                assert!(source.name(i).contains(&format!("/{class}/")), "{}", source.name(i));
                assert_eq!(source.read(i).unwrap().len(), 2);
            }
        }
        let names = |s: &CloudFiles| (0..s.len()).map(|i| s.name(i)).collect::<BTreeSet<_>>();
        assert!(names(&train).is_disjoint(&names(&test)), "no cloud is trained and tested on");
        let about = train.describe();
        assert!(about.contains("27 clouds in 3 classes; held out by index hash, 1 in 10"), "{about}");
    }

    #[test]
    fn train_and_val_folders_are_the_two_parts_and_share_one_numbering() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["train/dog/a.xyz", "train/ant/deep/er/b.xyz", "train/stray.xyz", "val/dog/c.xyz", "test/none.xyz"]
        {
            save(dir.path(), name);
        }
        let [train, test] = [Split::Train, Split::Test].map(|split| open(dir.path(), split).unwrap());
        assert_eq!((train.len(), test.len()), (2, 1), "val has labels, test has none");
        assert_eq!((train.label(0), train.label(1), test.label(0)), (Some(0), Some(1), Some(1)));
        assert!(train.describe().contains("1 files beside the class folders left out"), "{}", train.describe());
    }

    #[test]
    fn a_flat_folder_has_no_labels_and_surfaces_give_the_same_points_each_time() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..12 {
            std::fs::write(dir.path().join(format!("{i:02}.off")), "OFF 3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
                .unwrap();
        }
        std::fs::write(dir.path().join("._00.off"), "resource fork").unwrap();
        let source = open(dir.path(), Split::Train).unwrap();
        assert_eq!((source.len(), source.label(0), source.classes().len()), (11, None, 0));
        assert_eq!(source.read(0).unwrap().len(), 8192);
        assert_eq!(source.read(0).unwrap(), source.read(0).unwrap());
        assert!(source.describe().contains("11 clouds without labels"), "{}", source.describe());
        assert!(source.read(11).unwrap_err().to_string().contains("index 11"));
    }

    #[test]
    fn a_folder_that_is_missing_or_empty_or_a_file_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        std::fs::create_dir_all(dir.path().join("empty/train")).unwrap();
        for (name, expected) in
            [("missing", "no such folder"), ("file", "not a folder"), ("empty", "no clouds or meshes found")]
        {
            let path = dir.path().join(name);
            let error = open(&path, Split::Train).unwrap_err();
            assert!(matches!(error, Error::Data { .. }));
            let text = error.to_string();
            assert!(text.contains(&path.display().to_string()) && text.contains(expected), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_a_circle_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "cat/a.xyz");
        std::os::unix::fs::symlink(dir.path().join("cat"), dir.path().join("cat/again")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("cat"), dir.path().join("dog")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("nowhere"), dir.path().join("cat/b.xyz")).unwrap();
        let source = open(dir.path(), Split::Train).unwrap();
        assert_eq!((source.len(), source.classes().len()), (2, 2));
    }
}
