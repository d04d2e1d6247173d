//! ModelNet40 (`modelnet40_ply_hdf5_2048`) and ScanObjectNN in HDF5 files: `data` of [clouds, points, 3 or more] and
//! `label` of [clouds] or [clouds, 1].

use std::path::{Path, PathBuf};

use hdf5_pure::File;
use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::super::cloud::Cloud;
use super::super::file;
use super::super::files::counted;

/// Classes of ScanObjectNN in label order.
const SCAN_OBJECT_NN: [&str; 15] = [
    "bag", "bin", "box", "cabinet", "chair", "desk", "display", "door", "shelf", "table", "bed", "pillow", "sink",
    "sofa", "toilet",
];
/// Largest file, and most bytes of one unpacked array: ModelNet40 has 50 MB in a file.
const MAX_BYTES: u64 = 4 << 30;
/// Most output of one compressed byte in deflate.
const MAX_RATIO: u64 = 1032;

/// Clouds of one size in memory.
#[derive(Debug)]
pub struct CloudArrays {
    /// Path, number of the first cloud and points of each file.
    files: Vec<(PathBuf, usize, Array)>,
    labels: Vec<u32>,
    classes: Vec<String>,
    about: String,
}

/// Values of [clouds, points, width].
#[derive(Debug)]
struct Array {
    values: Vec<f32>,
    points: usize,
    width: usize,
}

impl CloudArrays {
    /// Reads `ply_data_train*.h5` or `ply_data_test*.h5` of a folder, with names of classes from `shape_names.txt`.
    pub fn modelnet(root: &Path, split: Split) -> Result<Self> {
        let folder = if root.is_dir() { root } else { root.parent().unwrap_or(root) };
        let prefix = if split == Split::Train { "ply_data_train" } else { "ply_data_test" };
        let paths = named(folder, |name| name.starts_with(prefix))?;
        let names = folder.join("shape_names.txt");
        let classes = if names.is_file() {
            super::text(&names)?.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
        } else {
            Vec::new()
        };
        if paths.is_empty() {
            return Err(Error::data(root.display().to_string(), format!("no hdf5 file `{prefix}*.h5` found")));
        }
        Self::read(root, "ModelNet40", paths, classes)
    }

    /// Reads `training_objectdataset*.h5` or `test_objectdataset*.h5`. A folder with several versions is refused: give
    /// one file of the version that is meant.
    pub fn scan_object_nn(root: &Path, split: Split) -> Result<Self> {
        let folder = if root.is_dir() { root } else { root.parent().unwrap_or(root) };
        let prefix = if split == Split::Train { "training_objectdataset" } else { "test_objectdataset" };
        let version = |path: &Path| file::name(path).split_once("_objectdataset").map(|(_, after)| after.to_owned());
        let mut paths = named(folder, |name| name.starts_with(prefix))?;
        if !root.is_dir() {
            paths.retain(|path| version(path) == version(root));
        }
        match paths.as_slice() {
            [_] => Self::read(root, "ScanObjectNN", paths, SCAN_OBJECT_NN.map(str::to_owned).to_vec()),
            [] => Err(Error::data(root.display().to_string(), format!("no file `{prefix}*.h5` found"))),
            _ => {
                let names: Vec<String> = paths.iter().map(|path| file::name(path)).collect();
                let problem = format!("holds several versions ({}); give one of these files", names.join(", "));
                Err(Error::data(root.display().to_string(), problem))
            }
        }
    }

    fn read(root: &Path, title: &str, paths: Vec<PathBuf>, mut classes: Vec<String>) -> Result<Self> {
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        for path in paths {
            let (array, found) = read(&path).map_err(|problem| Error::format(&path, problem))?;
            let known = classes.len();
            if let Some(label) = found.iter().find(|label| known > 0 && **label as usize >= known) {
                return Err(Error::format(&path, format!("has the label {label}, there are {known} classes")));
            }
            files.push((path, labels.len(), array));
            labels.extend(found);
        }
        if classes.is_empty() {
            // Numbers of ModelNet40, so that both parts agree.
            let highest = labels.iter().copied().fold(39, u32::max);
            classes = (0..=highest).map(|label| label.to_string()).collect();
        }
        let about = format!("{title} `{}`: {}", root.display(), counted(labels.len(), &classes));
        Ok(Self { files, labels, classes, about })
    }

    /// The file of cloud `index` and its number there.
    fn place(&self, index: usize) -> Option<(&Path, &Array, usize)> {
        let file = self.files.iter().rev().find(|(_, first, _)| *first <= index)?;
        (index < self.labels.len()).then_some((file.0.as_path(), &file.2, index - file.1))
    }
}

impl Source for CloudArrays {
    type Sample = Cloud;

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn read(&self, index: usize) -> Result<Cloud> {
        let found = self.place(index);
        let (path, array, at) = found.ok_or_else(|| Error::data("hdf5", no_sample(index, self.len())))?;
        let size = array.points * array.width;
        let rows = array.values.get(at * size..(at + 1) * size).unwrap_or_default().chunks_exact(array.width);
        Cloud::checked(rows.map(|row| [row[0], row[1], row[2]]).collect(), None, None)
            .map_err(|problem| Error::format(path, format!("cloud {at}: {problem}")))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index).copied()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        match self.place(index) {
            Some((path, _, at)) => format!("cloud {at} of {}", path.display()),
            None => no_sample(index, self.len()),
        }
    }

    fn describe(&self) -> String {
        self.about.clone()
    }
}

/// HDF5 files of a folder whose name fits, in order.
fn named(folder: &Path, fits: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = file::list(folder)?.files;
    files.retain(|path| file::extension(path) == "h5" && fits(&file::name(path)));
    Ok(files)
}

/// Clouds and labels of one file.
fn read(path: &Path) -> Result<(Array, Vec<u32>), String> {
    let bytes = file::read(path, MAX_BYTES).map_err(|error| error.to_string())?;
    decode(bytes)
}

fn decode(bytes: Vec<u8>) -> Result<(Array, Vec<u32>), String> {
    let most = (bytes.len() as u64).saturating_mul(MAX_RATIO).min(MAX_BYTES);
    let damaged = |what: &str, error: hdf5_pure::Error| format!("its {what} cannot be read: {error}");
    let file = File::from_bytes(bytes).map_err(|error| damaged("structure", error))?;
    // Sizes are compared with the file before an array is unpacked.
    let open = |name: &str, size: u64| {
        let set = file.dataset(name).map_err(|error| damaged(&format!("`{name}`"), error))?;
        let shape = set.shape().map_err(|error| damaged(&format!("shape of `{name}`"), error))?;
        let bytes = shape.iter().try_fold(size, |product, side| product.checked_mul(*side));
        match bytes {
            Some(bytes) if bytes <= most => Ok((set, shape)),
            _ => Err(format!("`{name}` of {shape:?} is promised, more than the file can hold")),
        }
    };
    let (data, shape) = open("data", 4)?;
    let &[count, points, width @ (3..)] = shape.as_slice() else {
        return Err(format!("`data` has the shape {shape:?}, expected [clouds, points, 3 or more]"));
    };
    let (label, label_shape) = open("label", 8)?;
    if label_shape.iter().product::<u64>() != count {
        return Err(format!("`label` has the shape {label_shape:?}, there are {count} clouds"));
    }
    if count == 0 || points == 0 {
        return Err(format!("holds {count} clouds of {points} points"));
    }
    let values = data.read_f32().map_err(|error| damaged("`data`", error))?;
    let labels = label.read_i64().map_err(|error| damaged("`label`", error))?;
    let wanted = count.checked_mul(points * width);
    if Some(values.len() as u64) != wanted || labels.len() as u64 != count {
        return Err(format!("`data` has {} values, expected {shape:?}", values.len()));
    }
    let whole = |label: &i64| u16::try_from(*label).map(u32::from).map_err(|_| format!("has the label {label}"));
    let labels = labels.iter().map(whole).collect::<Result<_, _>>()?;
    Ok((Array { values, points: points as usize, width: width as usize }, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdf5_pure::FileBuilder;
    use jepa_core::random::{Draw as _, Purpose, Stream};

    fn bytes(count: usize, labels: &[u8], compressed: bool) -> Vec<u8> {
        let mut builder = FileBuilder::new();
        let values: Vec<f32> = (0..count * 8 * 3).map(|i| i as f32).collect();
        let data = builder.create_dataset("data").with_f32_data(&values).with_shape(&[count as u64, 8, 3]);
        if compressed {
            data.with_chunks(&[2, 8, 3]).with_deflate(4);
        }
        builder.create_dataset("label").with_u8_data(labels).with_shape(&[labels.len() as u64, 1]);
        builder.finish().unwrap()
    }

    #[test]
    fn modelnet_joins_its_files_in_order_and_names_its_classes() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(name), bytes).unwrap();
        write("ply_data_train1.h5", bytes(3, &[2, 1, 0], true));
        write("ply_data_train0.h5", bytes(2, &[1, 1], false));
        write("ply_data_test0.h5", bytes(1, &[2], true));
        write("shape_names.txt", b"airplane\nbathtub\nbed\n".to_vec());
        let [train, test] = [Split::Train, Split::Test].map(|split| CloudArrays::modelnet(dir.path(), split).unwrap());
        assert_eq!((train.len(), test.len(), train.classes()[1].as_str()), (5, 1, "bathtub"));
        assert_eq!((0..5).map(|i| train.label(i).unwrap()).collect::<Vec<_>>(), [1, 1, 2, 1, 0]);
        assert_eq!(train.read(3).unwrap().points()[0], [24.0, 25.0, 26.0]);
        assert!(train.name(3).starts_with("cloud 1 of ") && train.name(3).ends_with("ply_data_train1.h5"));
        assert!(train.read(5).is_err() && train.label(5).is_none());
        write("shape_names.txt", b"airplane\nbathtub\n".to_vec());
        let error = CloudArrays::modelnet(dir.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("label 2, there are 2 classes"), "{error}");
    }

    #[test]
    fn scan_object_nn_wants_one_version() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["training_objectdataset", "test_objectdataset", "training_objectdataset_augmentedrot_scale75"] {
            std::fs::write(dir.path().join(format!("{name}.h5")), bytes(2, &[14, 0], true)).unwrap();
        }
        let open = |name: &str, split| CloudArrays::scan_object_nn(&dir.path().join(name), split);
        let error = open("", Split::Train).unwrap_err().to_string();
        assert!(error.contains("several versions") && error.contains("augmentedrot"), "{error}");
        let train = open("training_objectdataset.h5", Split::Train).unwrap();
        assert_eq!((train.len(), train.classes()[14].as_str()), (2, "toilet"));
        assert_eq!(open("training_objectdataset.h5", Split::Test).unwrap().len(), 2, "the test file beside is found");
    }

    #[test]
    fn damaged_files_are_errors_and_never_a_panic() {
        for compressed in [false, true] {
            let good = bytes(4, &[0, 1, 2, 3], compressed);
            assert!(decode(good.clone()).is_ok());
            let mut refused = 0;
            for mutation in 0..2000 {
                let mut draw = Stream::new(3, Purpose::Test, u64::from(compressed), mutation);
                let mut bytes = good.clone();
                match draw.below(8) {
                    0 => bytes.truncate(draw.below(good.len())),
                    _ => {
                        for _ in 0..=draw.below(4) {
                            bytes[draw.below(good.len())] ^= 1 << draw.below(8);
                        }
                    }
                }
                refused += usize::from(decode(bytes).is_err());
            }
            assert!(refused > 100, "{refused}");
        }
        assert!(decode(bytes(3, &[1, 2], true)).unwrap_err().contains("there are 3 clouds"));
        assert!(decode(b"not hdf5".to_vec()).unwrap_err().contains("structure"));
    }
}
