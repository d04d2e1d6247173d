//! ShapeNet55 as Point-BERT released it: lists `train.txt` and `test.txt` of names `synset-model.npy`, and a folder
//! with these files of [8192, 3]. A label is the rank of the synset among those of both lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jepa_core::data::Split;
use jepa_core::error::{Error, Result};

use super::super::files::{CloudFiles, counted};

/// Where the files lie: beside the lists, or in this folder beside them or beside their folder.
const FOLDERS: &[&str] = &[".", "shapenet_pc", "../shapenet_pc"];

/// Reads the lists; the clouds are read when they are asked for.
pub(in super::super) fn open(root: &Path, split: Split) -> Result<CloudFiles> {
    let lists = lists(root).ok_or_else(|| {
        let problem = "`train.txt` and `test.txt` are missing, in it or in `ShapeNet-55`";
        Error::data(root.display().to_string(), problem)
    })?;
    let names = |name: &str| -> Result<Vec<String>> {
        let path = lists.join(name);
        let text = super::text(&path)?;
        let names: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        // A list decides which files are opened: plain names only.
        match names.iter().position(|name| synset(name).is_none() || name.contains(['/', '\\'])) {
            Some(at) => Err(Error::format(
                &path,
                format!("line {} is `{}`, expected a name like `02691156-model.npy`", at + 1, names[at].escape_debug()),
            )),
            None if names.is_empty() => Err(Error::format(&path, "lists nothing")),
            None => Ok(names),
        }
    };
    let (train, test) = (names("train.txt")?, names("test.txt")?);
    let classes: BTreeSet<&str> = train.iter().chain(&test).filter_map(|name| synset(name)).collect();
    let classes: Vec<String> = classes.into_iter().map(str::to_owned).collect();
    let chosen = if split == Split::Train { train } else { test };
    let holds_first = |folder: &PathBuf| chosen.first().is_some_and(|name| folder.join(name).is_file());
    let folder = FOLDERS.iter().map(|name| lists.join(name)).find(holds_first).ok_or_else(|| {
        let problem =
            format!("the first file of the list, `{}`, lies neither beside it nor in `shapenet_pc`", chosen[0]);
        Error::data(root.display().to_string(), problem)
    })?;
    let label = |name: &str| classes.binary_search_by(|class| class.as_str().cmp(synset(name).unwrap_or(""))).ok();
    let files = chosen.iter().map(|name| (folder.join(name), label(name).map(|label| label as u32))).collect();
    let about = format!("ShapeNet55 `{}`: {}", root.display(), counted(chosen.len(), &classes));
    Ok(CloudFiles::new(files, classes, about))
}

/// The folder with both lists.
pub(in super::super) fn lists(root: &Path) -> Option<PathBuf> {
    let holds = |folder: &PathBuf| folder.join("train.txt").is_file() && folder.join("test.txt").is_file();
    [root.to_path_buf(), root.join("ShapeNet-55")].into_iter().find(holds)
}

/// The part of a name before the first hyphen, where it ends in `.npy`.
fn synset(name: &str) -> Option<&str> {
    name.strip_suffix(".npy")?.split_once('-').map(|(synset, _)| synset).filter(|synset| !synset.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::data::Source as _;

    fn npy(points: usize) -> Vec<u8> {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({points}, 3), }}\n");
        let mut bytes = [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
        bytes.extend((0..points * 3).flat_map(|i| (i as f32).to_le_bytes()));
        bytes
    }

    #[test]
    fn the_lists_decide_the_parts_and_a_label_is_the_rank_of_the_synset() {
        for (lists, clouds) in [("", ""), ("", "shapenet_pc/"), ("ShapeNet-55/", "shapenet_pc/")] {
            let dir = tempfile::tempdir().unwrap();
            let write = |name: &str, bytes: &[u8]| {
                let path = dir.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            };
            write(&format!("{lists}train.txt"), b"04401088-a.npy\n02691156-b.npy\r\n\n");
            write(&format!("{lists}test.txt"), b"03001627-c.npy\n");
            for name in ["04401088-a", "02691156-b", "03001627-c"] {
                write(&format!("{clouds}{name}.npy"), &npy(8));
            }
            let [train, test] = [Split::Train, Split::Test].map(|split| open(dir.path(), split).unwrap());
            assert_eq!(train.classes(), ["02691156", "03001627", "04401088"]);
            assert_eq!((train.label(0), train.label(1), test.label(0)), (Some(2), Some(0), Some(1)));
            assert_eq!((train.len(), test.len(), test.read(0).unwrap().len()), (2, 1, 8));
            assert!(train.describe().contains("2 clouds in 3 classes"), "{}", train.describe());
        }
    }

    #[test]
    fn lists_that_are_missing_empty_or_lead_elsewhere_are_errors() {
        for (train, expected) in [
            (None, "`train.txt` and `test.txt` are missing"),
            (Some("\n"), "lists nothing"),
            (Some("02691156-b.npy"), "lies neither beside it"),
            (Some("../../02691156-b.npy"), "expected a name like"),
            (Some("chair.npy"), "expected a name like"),
            (Some("\u{1}"), "expected a name like"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            if let Some(train) = train {
                std::fs::write(dir.path().join("train.txt"), train).unwrap();
                std::fs::write(dir.path().join("test.txt"), "02691156-c.npy").unwrap();
            }
            let error = open(dir.path(), Split::Train).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
