//! A folder of image files.

use std::path::{Path, PathBuf};

use jepa_core::data::folders::{Folders, Labelled};
use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::file::Listing;
use super::{EXTENSIONS, Picture};

/// A folder of image files: [one sub-folder a class](jepa_core::data::folders), or flat and without labels.
#[derive(Debug)]
pub struct ImageFolder {
    root: PathBuf,
    found: Labelled,
}

impl ImageFolder {
    /// Lists the images below `root` without decoding them.
    pub fn open(root: &Path, split: Split) -> Result<Self> {
        let expected = format!("files ending in {}", EXTENSIONS.join(", "));
        let found = Folders { what: "images", expected: &expected, pick: images }.open(root, split)?;
        Ok(Self { root: root.to_path_buf(), found })
    }

    /// Path of image `index`.
    fn path(&self, index: usize) -> Result<&Path> {
        let missing = || no_sample(index, self.found.samples.len());
        self.found.path(index).ok_or_else(|| Error::data(self.root.display().to_string(), missing()))
    }
}

impl Source for ImageFolder {
    type Sample = Picture;

    fn len(&self) -> usize {
        self.found.samples.len()
    }

    fn read(&self, index: usize) -> Result<Picture> {
        Picture::open(self.path(index)?)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.found.samples.get(index)?.1
    }

    fn classes(&self) -> &[String] {
        &self.found.classes
    }

    fn name(&self, index: usize) -> String {
        self.path(index).map_or_else(|error| error.to_string(), |path| path.display().to_string())
    }

    fn describe(&self) -> String {
        format!("folder `{}`: {}", self.root.display(), self.found.about("images"))
    }
}

fn images(mut listing: Listing) -> Result<Listing> {
    listing.files.retain(|path| is_image(path));
    Ok(listing)
}

/// Whether the name of a file ends like an image.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
}
