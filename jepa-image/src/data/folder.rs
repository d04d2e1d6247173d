//! A folder of image files.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use jepa_core::data::{Source, Split};
use jepa_core::error::{Error, Result};

use super::file;
use super::part;
use super::{EXTENSIONS, Picture};

/// Names of the sub-folder that holds the test part, in order of preference.
const TEST_FOLDERS: &[&str] = &["test", "val"];

/// A folder of image files: one sub-folder per class, or flat and without labels. When it holds `train/`, that is the
/// training part and `test/` or `val/` the other one; else one image in ten is held out for testing.
#[derive(Debug)]
pub struct ImageFolder {
    root: PathBuf,
    images: Vec<(PathBuf, Option<u32>)>,
    classes: Vec<String>,
    notes: Vec<String>,
}

impl ImageFolder {
    /// Lists the images below `root` without decoding them.
    pub fn open(root: &Path, split: Split) -> Result<Self> {
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
        let (train, test) = if train_folder.is_dir() {
            (Tree::scan(&train_folder)?, test_tree(root)?)
        } else {
            (Tree::scan(root)?, None)
        };
        if train.count() == 0 {
            let problem = format!(
                "no images found in `{}`: expected files ending in {}, directly in it or in one sub-folder per class",
                train.folder.display(),
                EXTENSIONS.join(", "),
            );
            return Err(Error::data(spec, problem));
        }
        // One numbering for both parts, whichever is opened.
        let classes: BTreeSet<String> =
            [Some(&train), test.as_ref()].into_iter().flatten().flat_map(Tree::class_names).collect();
        let classes: Vec<String> = classes.into_iter().collect();

        let mut notes = Vec::new();
        let (tree, kept) = match (split, test) {
            (Split::Test, Some(test)) => (test, None),
            (Split::Train, Some(_)) => (train, None),
            (_, None) => {
                let kept = part::nonempty(&spec, train.count(), split)?;
                notes.push(part::RULE.to_owned());
                (train, Some(kept))
            }
        };
        if !tree.classes.is_empty() && !tree.loose.is_empty() {
            notes.push(format!("{} images beside the class folders left out", tree.loose.len()));
        }
        let mut images = tree.into_images(&classes);
        if let Some(kept) = kept {
            images = kept.into_iter().filter_map(|i| images.get_mut(i as usize).map(std::mem::take)).collect();
        }
        Ok(Self { root: root.to_path_buf(), images, classes, notes })
    }

    /// Path of image `index`.
    fn path(&self, index: usize) -> Result<&Path> {
        let found = self.images.get(index).map(|(path, _)| path.as_path());
        found.ok_or_else(|| Error::data(self.root.display().to_string(), super::no_such(index, self.images.len())))
    }
}

impl Source for ImageFolder {
    type Sample = Picture;

    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize) -> Result<Picture> {
        Picture::open(self.path(index)?)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.images.get(index)?.1
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.path(index).map_or_else(|error| error.to_string(), |path| path.display().to_string())
    }

    fn describe(&self) -> String {
        let classes = match self.classes.len() {
            0 => "without labels".to_owned(),
            n => format!("in {n} classes"),
        };
        let mut text = format!("folder `{}`: {} images {classes}", self.root.display(), self.images.len());
        for note in &self.notes {
            text += &format!("; {note}");
        }
        text
    }
}

/// Images below one folder: those in class folders and those beside them.
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
            let mut images = Vec::new();
            collect(&class, &mut HashSet::new(), &mut images)?;
            // A folder of notes or scripts is not a class.
            if !images.is_empty() {
                images.sort();
                classes.push((file::name(&class), images));
            }
        }
        let loose = listing.files.into_iter().filter(|path| is_image(path)).collect();
        Ok(Self { folder: folder.to_path_buf(), classes, loose })
    }

    /// Number of images that are used: the loose ones count only where there are no classes.
    fn count(&self) -> usize {
        if self.classes.is_empty() {
            self.loose.len()
        } else {
            self.classes.iter().map(|(_, images)| images.len()).sum()
        }
    }

    fn class_names(&self) -> impl Iterator<Item = String> {
        self.classes.iter().map(|(name, _)| name.clone())
    }

    fn into_images(self, names: &[String]) -> Vec<(PathBuf, Option<u32>)> {
        if self.classes.is_empty() {
            return self.loose.into_iter().map(|path| (path, None)).collect();
        }
        let labelled = self.classes.into_iter().flat_map(|(name, images)| {
            let label = names.binary_search(&name).ok().map(|label| label as u32);
            images.into_iter().map(move |path| (path, label))
        });
        labelled.collect()
    }
}

/// The test part of a folder with `train/`: the first candidate with labels, else the first with images.
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

/// Adds the images at any depth below `folder`; `seen` breaks circles of links.
fn collect(folder: &Path, seen: &mut HashSet<PathBuf>, images: &mut Vec<PathBuf>) -> Result<()> {
    if !seen.insert(folder.canonicalize().map_err(Error::io("read", folder))?) {
        return Ok(());
    }
    let listing = file::list(folder)?;
    images.extend(listing.files.into_iter().filter(|path| is_image(path)));
    listing.folders.iter().try_for_each(|inner| collect(inner, seen, images))
}

/// Whether the name of a file ends like an image.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(root: &Path, name: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_pixel(3, 2, image::Luma([name.len() as u8])).save(&path).unwrap();
    }

    fn temporary() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn sub_folders_are_classes_in_sorted_order_and_both_parts_agree_on_labels() {
        let dir = temporary();
        for class in ["zebra", "ant", "cat"] {
            for i in 0..10 {
                save(dir.path(), &format!("{class}/{i}.PNG"));
            }
        }
        std::fs::create_dir(dir.path().join("notes")).unwrap();
        let train = ImageFolder::open(dir.path(), Split::Train).unwrap();
        let test = ImageFolder::open(dir.path(), Split::Test).unwrap();
        assert_eq!(train.classes(), ["ant", "cat", "zebra"]);
        assert_eq!(train.classes(), test.classes());
        assert_eq!((train.len(), test.len()), (27, 3));
        for source in [&train, &test] {
            for i in 0..source.len() {
                let class = &source.classes()[source.label(i).unwrap() as usize];
                assert!(source.name(i).contains(&format!("/{class}/")), "{}", source.name(i));
            }
        }
        let names = |s: &ImageFolder| (0..s.len()).map(|i| s.name(i)).collect::<BTreeSet<_>>();
        assert!(names(&train).is_disjoint(&names(&test)), "no image is trained and tested on");
        assert!(
            train.describe().contains("27 images in 3 classes; held out by index hash, 1 in 10"),
            "{}",
            train.describe()
        );
    }

    #[test]
    fn train_and_val_folders_are_the_two_parts_and_share_one_numbering() {
        let dir = temporary();
        save(dir.path(), "train/dog/a.png");
        save(dir.path(), "train/ant/deep/er/b.png");
        save(dir.path(), "train/stray.png");
        save(dir.path(), "val/dog/c.png");
        save(dir.path(), "test/unlabelled.png");
        let train = ImageFolder::open(dir.path(), Split::Train).unwrap();
        let test = ImageFolder::open(dir.path(), Split::Test).unwrap();
        assert_eq!((train.len(), test.len()), (2, 1), "val has labels, test has none");
        assert_eq!((train.label(0), train.label(1), test.label(0)), (Some(0), Some(1), Some(1)));
        assert!(train.describe().contains("1 images beside the class folders left out"), "{}", train.describe());
        assert!(!test.describe().contains("held out"), "{}", test.describe());
    }

    #[test]
    fn a_flat_folder_has_no_labels_and_reads_in_sorted_order() {
        let dir = temporary();
        for i in (0..12).rev() {
            save(dir.path(), &format!("{i:02}.png"));
        }
        std::fs::write(dir.path().join("._00.png"), "resource fork").unwrap();
        std::fs::write(dir.path().join("readme.txt"), "words").unwrap();
        let source = ImageFolder::open(dir.path(), Split::Train).unwrap();
        assert_eq!((source.len(), source.label(0), source.classes().len()), (11, None, 0));
        assert!((1..source.len()).all(|i| source.name(i - 1) < source.name(i)));
        assert_eq!(source.read(0).unwrap(), Picture::new(3, 2, 1, vec![6; 6]).unwrap());
        assert!(source.describe().contains("11 images without labels"), "{}", source.describe());
        assert!(source.read(11).unwrap_err().to_string().contains("index 11"));
    }

    #[test]
    fn a_folder_that_is_missing_or_empty_or_a_file_is_an_error_with_its_path() {
        let dir = temporary();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        std::fs::create_dir_all(dir.path().join("empty/train")).unwrap();
        for (name, expected) in [("missing", "no such folder"), ("file", "not a folder"), ("empty", "no images found")]
        {
            let path = dir.path().join(name);
            let error = ImageFolder::open(&path, Split::Train).unwrap_err();
            assert!(matches!(error, Error::Data { .. }));
            let text = error.to_string();
            assert!(text.contains(&path.display().to_string()) && text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_damaged_image_is_an_error_of_its_own_with_its_path() {
        let dir = temporary();
        for name in ["text.jpg", "zero.png"] {
            std::fs::write(dir.path().join(name), if name == "zero.png" { "" } else { "a poem" }).unwrap();
        }
        let source = ImageFolder::open(dir.path(), Split::Train).unwrap();
        for (index, expected) in [(0, "text.jpg"), (1, "zero.png")] {
            let error = source.read(index).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_a_circle_of_links_ends() {
        let dir = temporary();
        save(dir.path(), "cat/a.png");
        std::os::unix::fs::symlink(dir.path().join("cat"), dir.path().join("cat/again")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("cat"), dir.path().join("dog")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("nowhere"), dir.path().join("cat/b.png")).unwrap();
        let source = ImageFolder::open(dir.path(), Split::Train).unwrap();
        assert_eq!((source.len(), source.classes().len()), (2, 2));
    }
}
