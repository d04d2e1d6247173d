//! CIFAR-10 and CIFAR-100 in their binary version.
//!
//! Layout (<https://www.cs.toronto.edu/~kriz/cifar.html>): records without a header, each the label (CIFAR-100: coarse,
//! then fine) and 32x32 pixels as a red, a green and a blue plane.

use std::path::{Path, PathBuf};

use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::Picture;
use super::{MAX_BYTES, file};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Classes of CIFAR-10 in label order, for a folder without `batches.meta.txt`.
const TEN: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Which of the two data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CifarKind {
    /// 10 classes, five training files.
    Ten,
    /// 100 classes (the fine labels), one training file.
    Hundred,
}

impl CifarKind {
    fn title(self) -> &'static str {
        match self {
            Self::Ten => "CIFAR-10",
            Self::Hundred => "CIFAR-100",
        }
    }

    /// Bytes of labels before the pixels; the last of them is the class.
    fn labels(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    fn classes(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
        }
    }

    fn record(self) -> usize {
        self.labels() + 3 * PLANE
    }

    fn files(self, split: Split) -> &'static [&'static str] {
        match (self, split) {
            (Self::Ten, Split::Train) => {
                &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"]
            }
            (Self::Ten, Split::Test) => &["test_batch.bin"],
            (Self::Hundred, Split::Train) => &["train.bin"],
            (Self::Hundred, Split::Test) => &["test.bin"],
        }
    }

    fn names_file(self) -> &'static str {
        match self {
            Self::Ten => "batches.meta.txt",
            Self::Hundred => "fine_label_names.txt",
        }
    }

    /// The folder that the official archive unpacks to.
    fn archive_folder(self) -> &'static str {
        match self {
            Self::Ten => "cifar-10-batches-bin",
            Self::Hundred => "cifar-100-binary",
        }
    }

    /// The folder with the files: `path`, or the archive's folder in it.
    pub(super) fn find(self, path: &Path) -> Option<PathBuf> {
        let first = match self {
            Self::Ten => "data_batch_1.bin",
            // `train.bin` alone is too common a name to mean CIFAR-100.
            Self::Hundred => "fine_label_names.txt",
        };
        [path.to_path_buf(), path.join(self.archive_folder())].into_iter().find(|folder| folder.join(first).is_file())
    }
}

/// Colour images of 32x32 with labels.
#[derive(Debug)]
pub struct Cifar {
    kind: CifarKind,
    folder: PathBuf,
    /// Each file with the number of records up to its end.
    files: Vec<(&'static str, usize)>,
    records: Vec<u8>,
    classes: Vec<String>,
}

impl Cifar {
    /// Reads the files of one part from `path` or from the archive's folder in it.
    pub fn open(path: &Path, kind: CifarKind, split: Split) -> Result<Self> {
        let folder = kind.find(path).unwrap_or_else(|| path.to_path_buf());
        let mut source = Self { kind, folder, files: Vec::new(), records: Vec::new(), classes: Vec::new() };
        for &name in kind.files(split) {
            let path = source.folder.join(name);
            if !path.is_file() {
                let problem = format!(
                    "`{name}` is missing; {} in its binary version consists of {}{}",
                    kind.title(),
                    kind.files(split).join(", "),
                    python_version(&path),
                );
                return Err(Error::data(source.folder.display().to_string(), problem));
            }
            source.add(name, &path)?;
        }
        source.classes = class_names(kind, &source.folder)?;
        Ok(source)
    }

    fn add(&mut self, name: &'static str, path: &Path) -> Result<()> {
        let bytes = file::read(path, MAX_BYTES)?;
        let record = self.kind.record();
        if bytes.len() % record != 0 {
            let problem = format!(
                "has {} bytes; expected a multiple of {record}, the record of {}; is it cut off?",
                bytes.len(),
                self.kind.title()
            );
            return Err(Error::format(path, problem));
        }
        for (index, record) in bytes.chunks_exact(record).enumerate() {
            let label = record[self.kind.labels() - 1];
            if usize::from(label) >= self.kind.classes() {
                let problem = format!("record {index} has label {label}; expected 0 to {}", self.kind.classes() - 1);
                return Err(Error::format(path, problem));
            }
        }
        self.records.extend_from_slice(&bytes);
        self.files.push((name, self.records.len() / record));
        Ok(())
    }

    fn record(&self, index: usize) -> Option<&[u8]> {
        self.records.chunks_exact(self.kind.record()).nth(index)
    }
}

impl Source for Cifar {
    type Sample = Picture;

    fn len(&self) -> usize {
        self.records.len() / self.kind.record()
    }

    fn read(&self, index: usize) -> Result<Picture> {
        let record = self.record(index).ok_or_else(|| Error::format(&self.folder, no_sample(index, self.len())))?;
        let planes = &record[self.kind.labels()..];
        let (red, rest) = planes.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        let pixels = red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]).collect();
        Picture::new(SIDE, SIDE, 3, pixels)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.record(index).map(|record| u32::from(record[self.kind.labels() - 1]))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let file = self.files.partition_point(|&(_, end)| end <= index);
        let start = file.checked_sub(1).map_or(0, |before| self.files[before].1);
        let path = self.files.get(file).map_or_else(|| self.folder.clone(), |(name, _)| self.folder.join(name));
        format!("image {} of {}", index - start, path.display())
    }

    fn describe(&self) -> String {
        format!(
            "{} `{}`: {} colour images of 32x32 in {} classes",
            self.kind.title(),
            self.folder.display(),
            self.len(),
            self.classes.len()
        )
    }
}

/// The names beside the images, one a line; without that file the known ones, or numbers.
fn class_names(kind: CifarKind, folder: &Path) -> Result<Vec<String>> {
    let path = folder.join(kind.names_file());
    if !path.is_file() {
        return Ok(match kind {
            CifarKind::Ten => TEN.map(str::to_owned).to_vec(),
            CifarKind::Hundred => (0..100).map(|label| label.to_string()).collect(),
        });
    }
    let text = String::from_utf8_lossy(&file::read(&path, 1 << 20)?).into_owned();
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() != kind.classes() {
        let problem = format!("holds {} class names; expected {}", names.len(), kind.classes());
        return Err(Error::format(path, problem));
    }
    Ok(names)
}

/// A hint for those who have the same files as Python pickles, whose names lack the ending.
pub(super) fn python_version(path: &Path) -> &'static str {
    if path.with_extension("").is_file() {
        "; these are the files of the Python version, get the binary one"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records whose planes hold `label`, `label + 1` and `label + 2`.
    fn records(kind: CifarKind, labels: &[u8]) -> Vec<u8> {
        let record = |&label: &u8| {
            let head = if kind == CifarKind::Ten { vec![label] } else { vec![19, label] };
            let planes = (0..3).flat_map(move |plane| [label + plane; PLANE]);
            head.into_iter().chain(planes)
        };
        labels.iter().flat_map(record).collect()
    }

    fn ten() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (i, name) in CifarKind::Ten.files(Split::Train).iter().enumerate() {
            std::fs::write(dir.path().join(name), records(CifarKind::Ten, &[i as u8, 9])).unwrap();
        }
        std::fs::write(dir.path().join("test_batch.bin"), records(CifarKind::Ten, &[3])).unwrap();
        dir
    }

    #[test]
    fn five_batches_are_read_in_order_with_interleaved_channels() {
        let dir = ten();
        let train = Cifar::open(dir.path(), CifarKind::Ten, Split::Train).unwrap();
        let test = Cifar::open(dir.path(), CifarKind::Ten, Split::Test).unwrap();
        assert_eq!((train.len(), test.len(), test.label(0)), (10, 1, Some(3)));
        assert_eq!((train.label(4), train.label(5), train.label(10)), (Some(2), Some(9), None));
        let picture = train.read(4).unwrap();
        assert_eq!((picture.width, picture.height, &picture.pixels[..6]), (32, 32, &[2, 3, 4, 2, 3, 4][..]));
        assert!(
            train.name(5).contains("image 1 of ") && train.name(5).ends_with("data_batch_3.bin"),
            "{}",
            train.name(5)
        );
        assert_eq!(train.classes()[9], "truck");
        assert!(train.describe().contains("10 colour images of 32x32 in 10 classes"), "{}", train.describe());
        assert!(train.read(10).is_err() && !train.name(10).is_empty());
    }

    #[test]
    fn the_hundred_classes_are_the_fine_ones_with_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("cifar-100-binary");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("train.bin"), records(CifarKind::Hundred, &[99, 0])).unwrap();
        std::fs::write(inner.join("test.bin"), records(CifarKind::Hundred, &[1])).unwrap();
        let names: Vec<String> = (0..100).map(|i| format!("name{i}")).collect();
        std::fs::write(inner.join("fine_label_names.txt"), names.join("\n") + "\n\n").unwrap();
        let train = Cifar::open(dir.path(), CifarKind::Hundred, Split::Train).unwrap();
        assert_eq!((train.len(), train.label(0), train.classes()[99].as_str()), (2, Some(99), "name99"));
        assert_eq!(train.read(0).unwrap().pixels[..3], [99, 100, 101]);
        std::fs::write(inner.join("fine_label_names.txt"), "one").unwrap();
        let error = Cifar::open(dir.path(), CifarKind::Hundred, Split::Test).unwrap_err().to_string();
        assert!(error.contains("fine_label_names.txt") && error.contains("1 class names"), "{error}");
    }

    #[test]
    fn damaged_or_missing_files_are_errors_with_their_path() {
        let good = records(CifarKind::Ten, &[1]);
        let cases = [
            (good[..3000].to_vec(), "3000 bytes"),
            (vec![], "0 bytes"),
            (records(CifarKind::Ten, &[1, 10]), "record 1 has label 10"),
        ];
        for (bytes, expected) in cases {
            let dir = ten();
            std::fs::write(dir.path().join("data_batch_4.bin"), bytes).unwrap();
            let error = Cifar::open(dir.path(), CifarKind::Ten, Split::Train).unwrap_err().to_string();
            assert!(error.contains("data_batch_4.bin") && error.contains(expected), "{error}");
        }
        let dir = ten();
        std::fs::rename(dir.path().join("data_batch_2.bin"), dir.path().join("data_batch_2")).unwrap();
        let error = Cifar::open(dir.path(), CifarKind::Ten, Split::Train).unwrap_err().to_string();
        assert!(error.contains("`data_batch_2.bin` is missing") && error.contains("Python version"), "{error}");
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }
}
