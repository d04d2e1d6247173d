//! ShapeNetPart (`shapenetcore_partanno_segmentation_benchmark_v0_normal`): text rows x y z nx ny nz part, a table of
//! categories and three lists of names. Training is `train` and `val` together, as is usual.

use std::path::{Path, PathBuf};

use jepa_core::data::Split;
use jepa_core::error::{Error, Result};

use super::super::cloud::Cloud;
use super::super::file;
use super::super::files::{CloudFiles, counted};
use super::super::formats::columns;

/// The table of categories: a name and a synset a line.
pub(in super::super) const TABLE: &str = "synsetoffset2category.txt";
/// Largest file of one cloud.
const MAX_BYTES: u64 = 1 << 30;

/// Reads the table and the lists; the clouds are read when they are asked for.
pub(in super::super) fn open(root: &Path, split: Split) -> Result<CloudFiles> {
    let path = root.join(TABLE);
    let mut table: Vec<(String, String)> = Vec::new();
    for line in super::text(&path)?.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [name, synset] => table.push(((*name).to_owned(), (*synset).to_owned())),
            _ => {
                let problem = format!("has the line `{}`, expected a name and a synset", line.escape_debug());
                return Err(Error::format(&path, problem));
            }
        }
    }
    table.sort();
    let lists: &[&str] = if split == Split::Train { &["train", "val"] } else { &["test"] };
    let mut files = Vec::new();
    for list in lists {
        let path = root.join(format!("train_test_split/shuffled_{list}_file_list.json"));
        let names: Vec<String> = serde_json::from_str(&super::text(&path)?)
            .map_err(|error| Error::format(&path, format!("is not a list of names: {error}")))?;
        for name in names {
            files.push(locate(root, &table, &name).map_err(|problem| Error::format(&path, problem))?);
        }
    }
    if files.is_empty() {
        return Err(Error::data(root.display().to_string(), "its lists of names are empty"));
    }
    let classes: Vec<String> = table.into_iter().map(|(name, _)| name).collect();
    let about = format!("ShapeNetPart `{}`: {}, with part labels", root.display(), counted(files.len(), &classes));
    Ok(CloudFiles::new(files, classes, about).read_by(|path, _| read(path)))
}

/// The file and the label of `shape_data/synset/model`.
fn locate(root: &Path, table: &[(String, String)], name: &str) -> Result<(PathBuf, Option<u32>), String> {
    let parts: Vec<&str> = name.split('/').collect();
    let &[.., synset, model] = parts.as_slice() else {
        return Err(format!("lists `{}`, expected `shape_data/SYNSET/MODEL`", name.escape_debug()));
    };
    // A list decides which files are opened: known folders and plain names only.
    let label = table.iter().position(|(_, known)| known == synset);
    let (Some(label), false) = (label, model.is_empty() || model.contains('\\') || model.starts_with('.')) else {
        return Err(format!("lists `{}`, which is of no category in `{TABLE}`", name.escape_debug()));
    };
    Ok((root.join(synset).join(format!("{model}.txt")), Some(label as u32)))
}

/// A cloud with normals and part labels.
pub(in super::super) fn read(path: &Path) -> Result<Cloud> {
    decode(&file::read(path, MAX_BYTES)?).map_err(|problem| Error::format(path, problem))
}

fn decode(bytes: &[u8]) -> Result<Cloud, String> {
    let table = columns(bytes)?;
    if table.width != 7 {
        return Err(format!("has {} columns, expected x y z nx ny nz part", table.width));
    }
    let rows = table.values.as_chunks::<7>().0;
    let mut parts = Vec::with_capacity(rows.len());
    for (number, &[.., part]) in rows.iter().enumerate() {
        if !(0.0..=65_535.0).contains(&part) || part.fract() != 0.0 {
            return Err(format!("point {number} has the part label {part}, expected a whole number"));
        }
        parts.push(part as u32);
    }
    let triples = |at: usize| rows.iter().map(|row| [row[at], row[at + 1], row[at + 2]]).collect();
    Cloud::checked(triples(0), Some(triples(3)), Some(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::data::Source as _;

    fn folder(train: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(TABLE, "Mug\t03797390\nBag\t02773838\n");
        write("train_test_split/shuffled_train_file_list.json", train);
        write("train_test_split/shuffled_val_file_list.json", "[\"shape_data/02773838/b\"]");
        write("train_test_split/shuffled_test_file_list.json", "[\"shape_data/03797390/c\"]");
        write("03797390/a.txt", "0 0 0 0 1 0 36.000000\n1 0 0 0 1 0 37.000000\n");
        write("02773838/b.txt", "0 0 0 0 1 0 4\n");
        write("03797390/c.txt", "0 0 0 0 1 0 3.5\n");
        dir
    }

    #[test]
    fn clouds_have_normals_and_part_labels_and_train_holds_val() {
        let dir = folder("[\"shape_data/03797390/a\"]");
        let [train, test] = [Split::Train, Split::Test].map(|split| open(dir.path(), split).unwrap());
        assert_eq!((train.len(), test.len(), train.classes()), (2, 1, &["Bag".to_owned(), "Mug".to_owned()][..]));
        assert_eq!((train.label(0), train.label(1)), (Some(1), Some(0)));
        let cloud = train.read(0).unwrap();
        assert_eq!((cloud.parts(), cloud.normals().unwrap()[0]), (Some(&[36, 37][..]), [0.0, 1.0, 0.0]));
        assert!(test.read(0).unwrap_err().to_string().contains("part label 3.5"));
    }

    #[test]
    fn lists_that_lead_elsewhere_are_errors() {
        for (list, expected) in [
            ("[\"shape_data/99999999/a\"]", "no category"),
            ("[\"shape_data/03797390/../a\"]", "no category"),
            ("[\"shape_data/03797390/..\"]", "no category"),
            ("[\"a\"]", "expected `shape_data"),
            ("{}", "not a list of names"),
        ] {
            let error = open(folder(list).path(), Split::Train).unwrap_err().to_string();
            assert!(error.contains(expected), "{list}: {error}");
        }
        assert!(decode(b"1 2 3").unwrap_err().contains("3 columns"));
    }
}
