//! A folder of files, one shape each.

use std::path::Path;

use jepa_core::data::Split;
use jepa_core::data::file::Listing;
use jepa_core::data::folders::Folders;
use jepa_core::error::Result;

use super::super::files::CloudFiles;
use super::super::formats::{EXTENSIONS, is_shape};

/// Lists the shapes below `root` without reading them: [one sub-folder a class](jepa_core::data::folders), or flat and
/// without labels.
pub(in super::super) fn open(root: &Path, split: Split) -> Result<CloudFiles> {
    let expected = format!("files ending in {}", EXTENSIONS.join(", "));
    let found = Folders { what: "clouds or meshes", expected: &expected, pick: shapes }.open(root, split)?;
    let about = format!("folder `{}`: {}", root.display(), found.about("clouds"));
    Ok(CloudFiles::new(found.samples, found.classes, about))
}

fn shapes(mut listing: Listing) -> Result<Listing> {
    listing.files.retain(|path| is_shape(path));
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jepa_core::data::Source as _;
    use jepa_core::error::Error;

    use super::*;

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
        assert!(
            train.describe().contains("1 clouds or meshes beside the class folders left out"),
            "{}",
            train.describe()
        );
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
}
