//! ModelNet40 and ModelNet10 as released: a folder for each class with `train/` and `test/`, which hold OFF files (any
//! other shape is read too).

use std::path::Path;

use jepa_core::data::Split;
use jepa_core::error::{Error, Result};

use super::super::files::{CloudFiles, counted};
use super::super::{file, formats};

/// Lists the shapes without reading them.
pub(in super::super) fn open(root: &Path, split: Split) -> Result<CloudFiles> {
    let part = if split == Split::Train { "train" } else { "test" };
    let (mut files, mut classes) = (Vec::new(), Vec::new());
    for class in file::list(root)?.folders {
        // A class keeps its number in both parts, also where one of them is empty.
        if !is_class(&class) {
            continue;
        }
        let folder = class.join(part);
        if folder.is_dir() {
            let shapes = file::list(&folder)?.files.into_iter().filter(|path| formats::is_shape(path));
            files.extend(shapes.map(|path| (path, Some(classes.len() as u32))));
        }
        classes.push(file::name(&class));
    }
    if files.is_empty() {
        let problem = format!("no shapes found in `CLASS/{part}/`, as in ModelNet40: for other layouts use `folder:`");
        return Err(Error::data(root.display().to_string(), problem));
    }
    let about = format!("ModelNet `{}`: {}", root.display(), counted(files.len(), &classes));
    Ok(CloudFiles::new(files, classes, about))
}

/// Whether a folder has both parts in it.
pub(in super::super) fn is_class(folder: &Path) -> bool {
    folder.join("train").is_dir() || folder.join("test").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::data::Source as _;

    #[test]
    fn class_folders_hold_both_parts() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["chair/train/chair_0001.off", "chair/test/chair_0890.off", "bed/train/bed_0001.off", "bed/readme.txt"]
        {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "OFF3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n").unwrap();
        }
        let [train, test] = [Split::Train, Split::Test].map(|split| open(dir.path(), split).unwrap());
        assert_eq!((train.classes(), test.classes()), (&["bed".to_owned(), "chair".to_owned()][..], train.classes()));
        assert_eq!((train.len(), test.len()), (2, 1));
        assert_eq!((train.label(0), test.label(0), test.read(0).unwrap().len()), (Some(0), Some(1), 8192));
        let error = open(&dir.path().join("bed"), Split::Train).unwrap_err().to_string();
        assert!(error.contains("no shapes found in `CLASS/train/`"), "{error}");
    }
}
