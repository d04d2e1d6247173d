//! Prepared NTU RGB+D as MAMP and its relatives store it: one `.npz` with `x_train`, `y_train`, `x_test` and `y_test`.
//!
//! x is [samples, frames, 150], two persons of 25 joints, zeros after the last frame; y is one-hot, [samples, classes].
//! An archive saved without compression (`numpy.savez`, what MAMP writes) is read sample by sample from the file; a
//! compressed one has to fit into memory.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};
use zip::{CompressionMethod, ZipArchive};

use super::file;
use super::joints::JointSet;
use super::npy::{self, Header, Kind};
use super::sequence::{MAX_VALUES, Sequence};

/// Numbers of a frame: two persons, 25 joints, three coordinates.
const WIDTH: usize = 150;
/// Most bytes of a compressed array once unpacked.
const MAX_PACKED: u64 = 2 << 30;
/// Most classes.
const MAX_CLASSES: usize = 1000;

/// Sequences of one part of an archive.
#[derive(Debug)]
pub struct MampArchive {
    path: PathBuf,
    header: Header,
    numbers: Numbers,
    labels: Vec<u32>,
    classes: Vec<String>,
}

/// Where the numbers of x are.
#[derive(Debug)]
enum Numbers {
    /// In the file, from this byte on.
    File(Mutex<File>, u64),
    /// In memory.
    Memory(Vec<u8>),
}

impl MampArchive {
    /// Opens one part of the archive at `path`.
    pub fn open(path: &Path, split: Split) -> Result<Self> {
        let (x, y) = match split {
            Split::Train => ("x_train.npy", "y_train.npy"),
            Split::Test => ("x_test.npy", "y_test.npy"),
        };
        if !path.is_file() {
            return Err(Error::format(path, "is not a file"));
        }
        let file = File::open(path).map_err(Error::io("read", path))?;
        let archive = ZipArchive::new(BufReader::new(file));
        let mut archive = archive.map_err(|error| Error::format(path, format!("is no readable .npz: {error}")))?;
        let (labels, classes) = labels(path, &mut archive, y)?;
        let entry = Entry::open(path, &mut archive, x)?;
        let header = entry.header.clone();
        let frame = frames(&header).ok_or_else(|| {
            let problem = format!("`{x}` has the shape {:?}; expected [samples, frames, {WIDTH}]", header.shape);
            Error::format(path, problem)
        })?;
        if header.shape[0] != labels.len() {
            let problem = format!("`{x}` holds {} samples, `{y}` {} labels", header.shape[0], labels.len());
            return Err(Error::format(path, problem));
        }
        if frame * WIDTH > MAX_VALUES {
            return Err(Error::format(path, format!("`{x}` has {frame} frames a sample, too many")));
        }
        let numbers = match entry.stored {
            Some(start) => {
                let file = File::open(path).map_err(Error::io("read", path))?;
                Numbers::File(Mutex::new(file), start)
            }
            None => Numbers::Memory(entry.unpack(path, &mut archive, x)?),
        };
        Ok(Self { path: path.to_path_buf(), header, numbers, labels, classes })
    }

    /// The bytes of sample `index`.
    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let size = self.header.shape[1] * WIDTH * self.header.kind.bytes();
        match &self.numbers {
            Numbers::Memory(bytes) => Ok(bytes.get(index * size..(index + 1) * size).unwrap_or(&[]).to_vec()),
            Numbers::File(file, start) => {
                let mut bytes = vec![0; size];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let at = start + index as u64 * size as u64;
                let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
                read.map_err(Error::io("read", &self.path))?;
                Ok(bytes)
            }
        }
    }
}

impl Source for MampArchive {
    type Sample = Sequence;

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn read(&self, index: usize) -> Result<Sequence> {
        if index >= self.len() {
            return Err(Error::format(&self.path, no_sample(index, self.len())));
        }
        let mut values = npy::numbers(self.header.kind, &self.bytes(index)?);
        // MAMP takes as many frames from the front as show anybody.
        let valid = values.chunks(WIDTH).filter(|frame| frame.iter().any(|&value| value != 0.0)).count();
        if valid == 0 {
            return Err(Error::format(&self.path, format!("sample {index} is all zeros")));
        }
        values.truncate(valid * WIDTH);
        Sequence::new(JointSet::kinect25(), valid, 2, values)
            .map_err(|error| Error::format(&self.path, format!("sample {index}: {error}")))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index).copied()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("sample {index} of {}", self.path.display())
    }

    fn describe(&self) -> String {
        let (path, count, classes) = (self.path.display(), self.len(), self.classes.len());
        format!("prepared NTU RGB+D `{path}`: {count} sequences in {classes} classes, two persons of 25 joints")
    }
}

/// Frames of a sample, where the array has the expected shape.
fn frames(header: &Header) -> Option<usize> {
    match header.shape[..] {
        [samples, frames, WIDTH] if samples > 0 && frames > 0 => Some(frames),
        _ => None,
    }
}

/// An array inside an archive.
struct Entry {
    header: Header,
    /// Where its numbers begin in the file, where they are stored as they are.
    stored: Option<u64>,
    /// Bytes of its numbers.
    size: u64,
}

type Archive = ZipArchive<BufReader<File>>;

impl Entry {
    fn open(path: &Path, archive: &mut Archive, name: &str) -> Result<Self> {
        let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
        let names: Vec<String> = archive.file_names().take(8).flatten().map(|name| file::shortened(&name)).collect();
        let entry = archive.by_name(name).map_err(|error| {
            let problem = format!("holds no readable `{name}` ({error}); found {}", names.join(", "));
            Error::format(path, problem)
        })?;
        let (start, method, packed) = (entry.data_start(), entry.compression(), entry.compressed_size());
        let mut head = Vec::new();
        entry.take(npy::HEAD as u64).read_to_end(&mut head).map_err(Error::io("read", path))?;
        let header = Header::parse(path, &head)?;
        let size = header.count().and_then(|count| count.checked_mul(header.kind.bytes())).map(|size| size as u64);
        let size = size.ok_or_else(|| Error::format(path, format!("`{name}` promises {:?}", header.shape)))?;
        let whole = header.start as u64 + size;
        if method != CompressionMethod::Stored {
            return Ok(Self { header, stored: None, size });
        }
        let end = start.and_then(|start| start.checked_add(whole));
        match (start, end) {
            (Some(start), Some(end)) if packed == whole && end <= length => {
                let stored = Some(start + header.start as u64);
                Ok(Self { header, stored, size })
            }
            _ => {
                let problem = format!("`{name}` promises {whole} bytes, the archive holds {packed}; is it cut off?");
                Err(Error::format(path, problem))
            }
        }
    }

    /// The bytes of the numbers.
    fn unpack(&self, path: &Path, archive: &mut Archive, name: &str) -> Result<Vec<u8>> {
        if self.size > MAX_PACKED {
            let problem = format!(
                "`{name}` has {} bytes once unpacked, more than the {MAX_PACKED} allowed; save it with numpy.savez, which \
                 does not compress",
                self.size
            );
            return Err(Error::format(path, problem));
        }
        let damaged = |error: &dyn std::fmt::Display| Error::format(path, format!("`{name}` is damaged: {error}"));
        let mut entry = archive.by_name(name).map_err(|error| damaged(&error))?;
        let mut head = vec![0; self.header.start];
        entry.read_exact(&mut head).map_err(|error| damaged(&error))?;
        // Memory grows with the bytes that arrive; one byte more shows an excess.
        let mut bytes = Vec::new();
        entry.take(self.size + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        if bytes.len() as u64 != self.size {
            let problem = format!("`{name}` promises {} bytes of numbers, found {}", self.size, bytes.len());
            return Err(Error::format(path, problem));
        }
        Ok(bytes)
    }
}

/// Labels and classes from a one-hot array.
fn labels(path: &Path, archive: &mut Archive, name: &str) -> Result<(Vec<u32>, Vec<String>)> {
    let entry = Entry::open(path, archive, name)?;
    let [_, classes @ 1..=MAX_CLASSES] = entry.header.shape[..] else {
        let problem = format!(
            "`{name}` has the shape {:?}; expected [samples, classes], at most {MAX_CLASSES} classes",
            entry.header.shape
        );
        return Err(Error::format(path, problem));
    };
    let bytes = entry.unpack(path, archive, name)?;
    let kind: Kind = entry.header.kind;
    let rows = bytes.chunks(classes * kind.bytes()).map(|row| {
        let row = npy::numbers(kind, row);
        let ones = row.iter().filter(|value| **value == 1.0).count();
        let others = row.iter().filter(|value| **value == 0.0).count();
        (ones == 1 && others == classes - 1).then(|| row.iter().position(|value| *value == 1.0)).flatten()
    });
    let labels = rows.enumerate().map(|(row, label)| {
        let problem = || Error::format(path, format!("row {row} of `{name}` is not one-hot"));
        label.map(|label| label as u32).ok_or_else(problem)
    });
    let labels = labels.collect::<Result<Vec<u32>>>()?;
    Ok((labels, (1..=classes).map(|class| format!("A{class:03}")).collect()))
}

/// An archive for tests.
#[cfg(test)]
pub(super) fn written(samples: usize, packed: bool) -> Vec<u8> {
    use std::io::Write as _;
    let method = if packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for part in ["train", "test"] {
        let x: Vec<f32> = (0..samples * 3 * WIDTH)
            .map(|i| if i / WIDTH % 3 == 2 { 0.0 } else { (i / (3 * WIDTH) + 1) as f32 })
            .collect();
        let y: Vec<f32> = (0..samples * 4).map(|i| if i % 4 == i / 4 % 4 { 1.0 } else { 0.0 }).collect();
        for (name, array) in [("x", npy::written(&[samples, 3, WIDTH], &x)), ("y", npy::written(&[samples, 4], &y))] {
            archive.start_file(format!("{name}_{part}.npy"), options).unwrap();
            archive.write_all(&array).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("NTU60_XSub.npz");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn stored_and_compressed_archives_give_the_same_sequences() {
        for packed in [false, true] {
            let (_dir, path) = saved(&written(5, packed));
            let source = MampArchive::open(&path, Split::Train).unwrap();
            assert_eq!((source.len(), source.classes().len(), source.label(2)), (5, 4, Some(2)));
            assert!(matches!(source.numbers, Numbers::Memory(_)) == packed);
            let sequence = source.read(4).unwrap();
            assert_eq!((sequence.frames, sequence.persons, sequence.values[299]), (2, 2, 5.0), "padding is left out");
            assert!(source.read(5).unwrap_err().to_string().contains("index 5"));
            assert_eq!(MampArchive::open(&path, Split::Test).unwrap().len(), 5);
        }
    }

    #[test]
    fn archives_that_lack_or_contradict_something_are_refused() {
        let (_dir, path) = saved(&written(5, false)[..3000]);
        let refusal = |path: &Path| MampArchive::open(path, Split::Train).unwrap_err().to_string();
        assert!(refusal(&path).contains("no readable .npz"));
        let (_dir, path) = saved(&npy::written(&[1, 1, 3], &[0.0; 3]));
        assert!(refusal(&path).contains("no readable .npz"));
        let bytes = written(5, false);
        let replaced = |from: &[u8], to: &[u8]| {
            let mut bytes = bytes.clone();
            let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to);
            let (dir, path) = saved(&bytes);
            (refusal(&path), dir)
        };
        assert!(replaced(b"(5, 3, 150)", b"(6, 3, 150)").0.contains("cut off"));
        assert!(replaced(b"(5, 3, 150)", b"(5, 150, 3)").0.contains("expected [samples, frames, 150]"));
        let (error, _dir) = replaced([1.0f32, 0.0, 0.0, 0.0, 0.0, 1.0].map(f32::to_le_bytes).as_flattened(), &[0; 4]);
        assert!(error.contains("is damaged") || error.contains("one-hot") || error.contains("Invalid"), "{error}");
    }
}
