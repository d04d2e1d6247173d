//! Point clouds: where they come from.
//!
//! | file | noun |
//! |---|---|
//! | [`cloud`](Cloud) | one point cloud |
//! | [`mesh`](Mesh) | one surface, sampled by area |
//! | [`formats`](Shape) | files of one shape: PLY, OFF, OBJ, STL, VRML, text, NPY, PCD |
//! | [`files`](CloudFiles) | a list of such files with labels |
//! | `layouts` | data sets on disk: folders, ShapeNet55, ModelNet40, ShapeNetPart, HDF5 |
//! | [`builtin`](Builtin) | synthetic CAD shapes, computed when they are read |
//!
//! A new format is a file in `formats`, an ending in [`EXTENSIONS`] and an arm in [`Shape::decode`]; a new layout is a
//! file in `layouts`, a name in [`FORMATS`] and an arm in [`open`].

mod builtin;
mod cloud;
mod files;
mod formats;
mod layouts;
mod mesh;
mod shapes;

pub use builtin::Builtin;
pub use cloud::{Cloud, MAX_COORDINATE, MAX_POINTS};
pub use files::{CloudFiles, SURFACE_POINTS};
pub use formats::{EXTENSIONS, Shape};
#[cfg(feature = "hdf5")]
pub use layouts::hdf5::CloudArrays;
pub use mesh::Mesh;

use std::path::Path;

use jepa_core::data::{DataSpec, Source, Split, file};
use jepa_core::error::{Error, Result};

use layouts::{folder, modelnet, parts, shapenet};

/// Names of the formats that [`open`] knows. The two in HDF5 need the cargo feature `hdf5`.
pub const FORMATS: &[&str] = &[
    "builtin",
    "builtin-validation",
    "folder",
    "shapenet55",
    "modelnet",
    "shapenetpart",
    "modelnet-hdf5",
    "scanobjectnn",
];

/// Opens one part of the data that `spec` names. Without a format it is guessed from what the path holds.
pub fn open(spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Cloud>>> {
    let path = spec.path.as_deref().filter(|path| !path.as_os_str().is_empty());
    let format = spec.format.as_deref();
    let path = match (format, path) {
        (Some("builtin"), None) => return Ok(Box::new(Builtin::open(split))),
        (Some("builtin-validation"), None) => return Ok(Box::new(Builtin::validation(split))),
        (Some(name), Some(_)) if name.starts_with("builtin") => {
            return Err(Error::data(&spec.text, format!("`{name}` takes no path: write `{name}`")));
        }
        (Some(name), _) if !FORMATS.contains(&name) => return Err(Error::unknown("data format", name, FORMATS)),
        (_, Some(path)) => path,
        (Some(name), None) => return Err(Error::data(&spec.text, format!("a path is missing: write `{name}:PATH`"))),
        (None, None) => {
            return Err(Error::data(&spec.text, "is empty: give `builtin`, a folder or FORMAT:PATH"));
        }
    };
    if let Err(error) = std::fs::metadata(path) {
        let problem = format!("`{}` cannot be read: {error}; known formats: {}", path.display(), FORMATS.join(", "));
        return Err(Error::data(&spec.text, problem));
    }
    let format = match format {
        Some(format) => format,
        None => guess(spec, path)?,
    };
    Ok(match format {
        "shapenet55" => Box::new(shapenet::open(path, split)?),
        "modelnet" => Box::new(modelnet::open(path, split)?),
        "shapenetpart" => Box::new(parts::open(path, split)?),
        "modelnet-hdf5" | "scanobjectnn" => return open_hdf5(spec, format, path, split),
        _ => Box::new(folder::open(path, split)?),
    })
}

#[cfg(feature = "hdf5")]
fn open_hdf5(_: &DataSpec, format: &str, path: &Path, split: Split) -> Result<Box<dyn Source<Sample = Cloud>>> {
    let open = if format == "scanobjectnn" { CloudArrays::scan_object_nn } else { CloudArrays::modelnet };
    Ok(Box::new(open(path, split)?))
}

#[cfg(not(feature = "hdf5"))]
fn open_hdf5(spec: &DataSpec, format: &str, _: &Path, _: Split) -> Result<Box<dyn Source<Sample = Cloud>>> {
    let problem = format!("`{format}` needs a program built with the cargo feature `hdf5` of jepa-point");
    Err(Error::data(&spec.text, problem))
}

/// The format of what lies at `path`.
fn guess(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    if !path.is_dir() {
        return guess_file(spec, path);
    }
    if path.join(parts::TABLE).is_file() {
        return Ok("shapenetpart");
    }
    if shapenet::lists(path).is_some() {
        return Ok("shapenet55");
    }
    let listing = file::list(path)?;
    let holds = |format: &str| listing.files.iter().any(|file| hdf5_format(file) == Some(format));
    if let Some(format) = ["modelnet-hdf5", "scanobjectnn"].into_iter().find(|format| holds(format)) {
        return Ok(format);
    }
    let plain = listing.folders.iter().any(|folder| file::name(folder) == "train");
    if !plain && listing.folders.iter().any(|folder| modelnet::is_class(folder)) {
        return Ok("modelnet");
    }
    if !listing.folders.is_empty() || listing.files.iter().any(|file| formats::is_shape(file)) {
        return Ok("folder");
    }
    let problem = format!(
        "`{}` holds nothing that is known; looked for train.txt and test.txt (ShapeNet55), {} (ShapeNetPart), \
         CLASS/train (ModelNet40), ply_data_train*.h5 (ModelNet40 in HDF5), training_objectdataset*.h5 (ScanObjectNN), \
         clouds and meshes ({}) and sub-folders with them",
        path.display(),
        parts::TABLE,
        EXTENSIONS.join(", "),
    );
    Err(Error::data(&spec.text, problem))
}

fn guess_file(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    if let Some(format) = hdf5_format(path) {
        return Ok(format);
    }
    let hint = if formats::is_shape(path) {
        "one cloud is not a data set; give the folder that holds it"
    } else if matches!(file::extension(path).as_str(), "pkl" | "dat" | "pickle") {
        "pickled arrays are not read; save each cloud as NPY, in one folder per class"
    } else {
        "expected a folder"
    };
    Err(Error::data(&spec.text, format!("`{}` is not a data set in one file: {hint}", path.display())))
}

/// Which data set in HDF5 has files named like this.
fn hdf5_format(path: &Path) -> Option<&'static str> {
    let name = file::name(path);
    if !name.ends_with(".h5") {
        return None;
    }
    if name.starts_with("ply_data_") {
        return Some("modelnet-hdf5");
    }
    name.contains("_objectdataset").then_some("scanobjectnn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_text(text: &str) -> Result<Box<dyn Source<Sample = Cloud>>> {
        open(&DataSpec::parse(text, FORMATS), Split::Train)
    }

    fn refusal(text: &str) -> String {
        match open_text(text) {
            Ok(source) => panic!("{text} opened as {}", source.describe()),
            Err(error) => error.to_string(),
        }
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = match *name {
                "train.txt" | "test.txt" => "02691156-a.npy",
                parts::TABLE => "Bag 02773838",
                _ if name.ends_with(".json") => "[\"shape_data/02773838/a\"]",
                _ => "0 0 0\n1 1 1\n",
            };
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn the_format_is_guessed_from_what_the_path_holds() {
        for (files, expected) in [
            (&["a.xyz"][..], "folder"),
            (&["chair/a.xyz", "bed/b.ply"], "folder"),
            (&["train/chair/a.xyz", "test/chair/b.xyz"], "folder"),
            (&["chair/train/a.xyz", "chair/test/b.xyz"], "ModelNet"),
            (&["train.txt", "test.txt", "02691156-a.npy"], "ShapeNet55"),
            (
                &[
                    parts::TABLE,
                    "train_test_split/shuffled_train_file_list.json",
                    "train_test_split/shuffled_val_file_list.json",
                ],
                "ShapeNetPart",
            ),
        ] {
            let dir = folder(files);
            let source = open_text(&dir.path().display().to_string()).unwrap();
            assert!(source.describe().starts_with(expected), "{files:?}: {}", source.describe());
        }
        assert!(open_text("builtin").unwrap().describe().contains("synthetic"));
    }

    #[test]
    fn every_unusable_specification_says_what_is_wrong_with_it() {
        let dir = folder(&["chair.ply", "few_shot.pkl", "notes.md", "deep/er.txt"]);
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        for (text, expected) in [
            (at("missing"), "cannot be read"),
            (at("empty"), "looked for train.txt"),
            (at("chair.ply"), "one cloud is not a data set"),
            (at("few_shot.pkl"), "pickled arrays are not read"),
            (at("notes.md"), "expected a folder"),
            (format!("shapenet55:{}", at("empty")), "`train.txt` and `test.txt` are missing"),
            (format!("modelnet:{}", at("empty")), "CLASS/train/"),
            (format!("shapenetpart:{}", at("empty")), parts::TABLE),
            (format!("folder:{}", at("notes.md")), "not a folder"),
            (format!("modelnet-hdf5:{}", at("empty")), "hdf5"),
            (format!("scanobjectnn:{}", at("empty")), "objectdataset"),
        ] {
            let error = refusal(&text);
            let path = text.split_once(':').map_or(text.as_str(), |(_, path)| path);
            let expected =
                if cfg!(feature = "hdf5") || !expected.contains("objectdataset") { expected } else { "hdf5" };
            assert!(error.contains(path) && error.contains(expected), "{text}: {error}");
        }
        assert!(refusal("builtin:somewhere").contains("takes no path"));
        assert!(refusal("folder:").contains("folder:PATH"));
        assert!(refusal("").contains("builtin"));
        let typo = DataSpec { format: Some("modelnet40".into()), path: Some("x".into()), text: "modelnet40:x".into() };
        let error = open(&typo, Split::Train).err().unwrap().to_string();
        assert!(error.contains("did you mean `modelnet`"), "{error}");
    }
}
