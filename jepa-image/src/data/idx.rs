//! IDX files, plain or gzip: MNIST, Fashion-MNIST, EMNIST and their kin.
//!
//! Layout (<http://yann.lecun.com/exdb/mnist/>): a big-endian magic number (0x08 = bytes, then the number of
//! dimensions), one big-endian u32 per dimension, the values.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::part;
use super::{MAX_BYTES, file};
use super::{MAX_SIDE, Picture};

/// Magic number of images: bytes in three dimensions.
pub(super) const IMAGES: u32 = 2051;
/// Magic number of labels: bytes in one dimension.
const LABELS: u32 = 2049;
/// The first bytes of a gzip stream.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Classes of Fashion-MNIST, in label order.
const FASHION: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// Grey images of one size, with labels where a file of labels lies beside them.
#[derive(Debug)]
pub struct IdxImages {
    origin: PathBuf,
    images: Block,
    labels: Option<Vec<u8>>,
    classes: Vec<String>,
    /// The images of this part, where the file holds both.
    part: Option<Vec<u32>>,
}

impl IdxImages {
    /// Reads `path`: a folder with files named like those of MNIST, or one file of images. Labels are looked for under
    /// the name with `labels` for `images` and `idx1` for `idx3`. Without a test file one image in ten is held out.
    pub fn open(path: &Path, split: Split) -> Result<Self> {
        let (train, test) = if path.is_dir() { files_in(path)? } else { (path.to_path_buf(), test_beside(path)) };
        let (origin, held_out) = match (split, test) {
            (Split::Test, Some(test)) => (test, false),
            (_, test) => (train, test.is_none()),
        };
        let images = Block::read(&origin, IMAGES)?;
        let labels = match labels_beside(&origin) {
            Some(beside) => Some((Block::read(&beside, LABELS)?, beside)),
            None => None,
        };
        let mut source = Self::new(origin, images, labels)?;
        if held_out {
            source.part = Some(part::nonempty(&path.display().to_string(), source.images.dims[0], split)?);
        }
        Ok(source)
    }

    /// The images and labels in these bytes; the paths say what the bytes are.
    pub(super) fn from_bytes(images: (&Path, &[u8]), labels: (&Path, &[u8])) -> Result<Self> {
        let (images_path, labels_path) = (images.0, labels.0);
        let labels = Block::parse(labels_path, labels.1, LABELS)?;
        let images = Block::parse(images_path, images.1, IMAGES)?;
        Self::new(images_path.to_path_buf(), images, Some((labels, labels_path.to_path_buf())))
    }

    fn new(origin: PathBuf, images: Block, labels: Option<(Block, PathBuf)>) -> Result<Self> {
        let [count, height, width] = images.dims;
        if count == 0 || height == 0 || width == 0 || height.max(width) > MAX_SIDE as usize {
            let problem =
                format!("holds {count} images of {width}x{height}; expected at least one, 1 to {MAX_SIDE} a side");
            return Err(Error::format(origin, problem));
        }
        let (mut classes, mut values) = (Vec::new(), None);
        if let Some((labels, path)) = labels {
            let found = labels.values.len();
            if found != count {
                let problem = format!("holds {found} labels, but `{}` holds {count} images", origin.display());
                return Err(Error::format(path, problem));
            }
            classes = class_names(&origin, labels.values.iter().copied().max().unwrap_or(0));
            values = Some(labels.values);
        }
        Ok(Self { origin, images, labels: values, classes, part: None })
    }

    /// Place in the file of image `index` of this part.
    fn place(&self, index: usize) -> Option<usize> {
        match &self.part {
            Some(part) => part.get(index).map(|&place| place as usize),
            None => Some(index).filter(|&index| index < self.images.dims[0]),
        }
    }
}

impl Source for IdxImages {
    type Sample = Picture;

    fn len(&self) -> usize {
        self.part.as_ref().map_or(self.images.dims[0], Vec::len)
    }

    fn read(&self, index: usize) -> Result<Picture> {
        let [_, height, width] = self.images.dims;
        let size = width * height;
        let pixels = self.place(index).and_then(|place| self.images.values.get(place * size..(place + 1) * size));
        let pixels = pixels.ok_or_else(|| Error::format(&self.origin, no_sample(index, self.len())))?;
        Picture::new(width, height, 1, pixels.to_vec())
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.as_ref()?.get(self.place(index)?).map(|&label| u32::from(label))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("image {} of {}", self.place(index).unwrap_or(index), self.origin.display())
    }

    fn describe(&self) -> String {
        let [_, height, width] = self.images.dims;
        let classes = match self.classes.len() {
            0 => "without labels".to_owned(),
            n => format!("in {n} classes"),
        };
        let note = if self.part.is_some() { format!("; {}", part::RULE) } else { String::new() };
        format!("IDX `{}`: {} grey images of {width}x{height} {classes}{note}", self.origin.display(), self.len())
    }
}

/// One IDX file of bytes: its dimensions (1 for those a smaller rank lacks) and its values.
#[derive(Debug)]
struct Block {
    dims: [usize; 3],
    values: Vec<u8>,
}

impl Block {
    fn read(path: &Path, magic: u32) -> Result<Self> {
        Self::parse(path, &file::read(path, MAX_BYTES)?, magic)
    }

    fn parse(path: &Path, bytes: &[u8], magic: u32) -> Result<Self> {
        if bytes.starts_with(&GZIP) {
            Self::parse_stream(path, MultiGzDecoder::new(bytes), magic)
        } else {
            Self::parse_stream(path, bytes, magic)
        }
    }

    fn parse_stream(path: &Path, mut stream: impl Read, magic: u32) -> Result<Self> {
        let found = word(path, &mut stream)?;
        if found != magic {
            let problem = format!("starts with {found}; an IDX file of {} starts with {magic}", kind(magic));
            return Err(Error::format(path, problem));
        }
        let mut dims = [1; 3];
        let rank = (magic & 0xff) as usize;
        for dim in dims.iter_mut().take(rank) {
            *dim = word(path, &mut stream)? as usize;
        }
        let promised = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim as u64));
        let Some(promised) = promised.filter(|&bytes| bytes <= MAX_BYTES) else {
            let problem = format!("its header promises {dims:?} values, more than the {MAX_BYTES} allowed");
            return Err(Error::format(path, problem));
        };
        // Memory grows with the bytes that arrive, never with what the header says; one byte more shows an excess.
        let mut values = Vec::new();
        let arrived = stream.take(promised + 1).read_to_end(&mut values);
        arrived.map_err(|error| damaged(path, &error))?;
        if values.len() as u64 != promised {
            let amount = if values.len() as u64 > promised { "more".to_owned() } else { values.len().to_string() };
            let problem = format!("its header promises {promised} bytes of {}, found {amount}", kind(magic));
            return Err(Error::format(path, problem));
        }
        Ok(Self { dims, values })
    }
}

fn word(path: &Path, stream: &mut impl Read) -> Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).map_err(|error| damaged(path, &error))?;
    Ok(u32::from_be_bytes(bytes))
}

fn damaged(path: &Path, error: &std::io::Error) -> Error {
    Error::format(path, format!("is cut off or damaged: {error}"))
}

fn kind(magic: u32) -> &'static str {
    if magic == IMAGES { "images" } else { "labels" }
}

/// The magic number of an IDX file, looked for inside gzip too; `None` for anything else.
pub(super) fn magic(bytes: &[u8]) -> Option<u32> {
    let mut head = [0; 4];
    let read = if bytes.starts_with(&GZIP) {
        MultiGzDecoder::new(bytes).read_exact(&mut head)
    } else {
        (&mut &*bytes).read_exact(&mut head)
    };
    read.ok().map(|()| u32::from_be_bytes(head)).filter(|&magic| magic == IMAGES || magic == LABELS)
}

/// Whether a file is named like one of images in IDX.
pub(super) fn is_images_name(path: &Path) -> bool {
    file::name(path).contains("idx3")
}

/// The files of training and test images in a folder.
fn files_in(folder: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let mut images = file::list(folder)?.files;
    images.retain(|path| is_images_name(path));
    // The same file unpacked and packed: one is enough.
    let plain: Vec<PathBuf> = images.clone();
    images.retain(|path| path.extension().is_none_or(|e| e != "gz") || !plain.contains(&path.with_extension("")));
    let (test, train): (Vec<_>, Vec<_>) = images.into_iter().partition(|path| is_test_name(&file::name(path)));
    let spec = || folder.display().to_string();
    match (train.as_slice(), test.as_slice()) {
        ([train], []) => Ok((train.clone(), None)),
        ([train], [test]) => Ok((train.clone(), Some(test.clone()))),
        ([], _) => Err(Error::data(
            spec(),
            "no IDX file of training images found: expected train-images-idx3-ubyte, train-images.idx3-ubyte or the \
             same with .gz",
        )),
        _ => {
            let names: Vec<String> = train.iter().chain(&test).map(|path| file::name(path)).collect();
            let problem =
                format!("holds several IDX data sets ({}); give the file of training images", names.join(", "));
            Err(Error::data(spec(), problem))
        }
    }
}

fn is_test_name(name: &str) -> bool {
    name.contains("t10k") || name.contains("test")
}

/// The file of test images beside one of training images.
fn test_beside(train: &Path) -> Option<PathBuf> {
    let name = file::name(train);
    let candidates = ["t10k", "test"].map(|test| name.replacen("train", test, 1));
    candidates.iter().filter(|candidate| **candidate != name).find_map(|candidate| existing(train, candidate))
}

/// The file of labels beside one of images.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = file::name(images);
    let labels = name.replacen("images", "labels", 1).replacen("idx3", "idx1", 1);
    if labels == name { None } else { existing(images, &labels) }
}

/// The file `name` beside `path`, packed or not.
fn existing(path: &Path, name: &str) -> Option<PathBuf> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let candidates = [name.to_owned(), plain.to_owned(), format!("{plain}.gz")];
    candidates.iter().map(|candidate| path.with_file_name(candidate)).find(|candidate| candidate.is_file())
}

/// Digits or garments by the path's word, bare numbers where a label goes beyond those.
fn class_names(origin: &Path, highest: u8) -> Vec<String> {
    if highest >= 10 {
        return (0..=highest).map(|label| label.to_string()).collect();
    }
    if origin.to_string_lossy().to_lowercase().contains("fashion") {
        return FASHION.map(str::to_owned).to_vec();
    }
    (0..10).map(|digit| digit.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn images(count: u32, height: u32, width: u32) -> Vec<u8> {
        let header = [IMAGES, count, height, width].map(u32::to_be_bytes).concat();
        header.into_iter().chain((0..count * height * width).map(|i| i as u8)).collect()
    }

    fn labels(values: &[u8]) -> Vec<u8> {
        [&LABELS.to_be_bytes()[..], &(values.len() as u32).to_be_bytes(), values].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        dir
    }

    #[test]
    fn a_folder_in_the_naming_of_mnist_is_read_plain_and_packed() {
        for (join, packed) in [("-idx", true), ("-idx", false), (".idx", true), (".idx", false)] {
            let pack = |bytes: &[u8]| if packed { gzip(bytes) } else { bytes.to_vec() };
            let ending = if packed { ".gz" } else { "" };
            let dir = folder(&[
                (&format!("train-images{join}3-ubyte{ending}"), pack(&images(3, 2, 4))),
                (&format!("train-labels{join}1-ubyte{ending}"), pack(&labels(&[7, 0, 9]))),
                (&format!("t10k-images{join}3-ubyte{ending}"), pack(&images(1, 2, 4))),
                (&format!("t10k-labels{join}1-ubyte{ending}"), pack(&labels(&[5]))),
            ]);
            let train = IdxImages::open(dir.path(), Split::Train).unwrap();
            let test = IdxImages::open(dir.path(), Split::Test).unwrap();
            assert_eq!((train.len(), test.len()), (3, 1));
            assert_eq!(train.read(1).unwrap(), Picture::new(4, 2, 1, (8..16).collect()).unwrap());
            assert_eq!(
                (train.label(0), train.label(2), train.label(3), test.label(0)),
                (Some(7), Some(9), None, Some(5))
            );
            assert_eq!(train.classes()[9], "9");
            assert!(train.describe().contains("3 grey images of 4x2 in 10 classes"), "{}", train.describe());
            assert!(train.name(1).starts_with("image 1 of ") && train.name(1).contains("train-images"));
            let file = dir.path().join(format!("train-images{join}3-ubyte{ending}"));
            assert_eq!(IdxImages::open(&file, Split::Test).unwrap().len(), 1, "the test file beside is found");
        }
    }

    #[test]
    fn a_file_of_its_own_needs_no_labels_and_one_image_in_ten_is_held_out() {
        let dir = folder(&[("pictures.bin", images(20, 1, 1))]);
        let path = dir.path().join("pictures.bin");
        let train = IdxImages::open(&path, Split::Train).unwrap();
        let test = IdxImages::open(&path, Split::Test).unwrap();
        assert_eq!((train.len(), test.len(), train.label(0), train.classes().len()), (18, 2, None, 0));
        let mut all: Vec<u8> = [&train, &test]
            .into_iter()
            .flat_map(|source| (0..source.len()).map(|i| source.read(i).unwrap().pixels[0]))
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<u8>>());
        assert!(test.describe().contains("1 in 10"), "{}", test.describe());
    }

    #[test]
    fn classes_are_garments_for_fashion_and_numbers_beyond_ten() {
        assert_eq!(class_names(Path::new("/data/Fashion-MNIST/t"), 9)[8], "Bag");
        assert_eq!(class_names(Path::new("/data/emnist"), 25).len(), 26);
    }

    #[test]
    fn damaged_files_are_errors_with_their_path_and_cost_no_memory() {
        let cut = |mut bytes: Vec<u8>| {
            bytes.pop();
            bytes
        };
        let claim = |[count, height, width]: [u32; 3]| [IMAGES, count, height, width].map(u32::to_be_bytes).concat();
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty", vec![], "0 bytes"),
            ("short", vec![0, 0, 8], "cut off"),
            ("magic", labels(&[1, 2, 3]), "starts with 2049"),
            ("truncated", cut(images(3, 2, 2)), "promises 12 bytes of images, found 11"),
            ("longer", [images(3, 2, 2), vec![0]].concat(), "found more"),
            ("packed-truncated", cut(gzip(&images(3, 2, 2))), "cut off"),
            ("packed-lie", gzip(&claim([1 << 20, 28, 28])), "found 0"),
            ("lie", claim([60_000, 28, 28]), "found 0"),
            ("overflow", claim([u32::MAX, u32::MAX, u32::MAX]), "more than"),
            ("nothing", claim([0, 28, 28]), "0 images"),
            ("flat", claim([5, 0, 28]), "28x0"),
            ("wide", images(1, 1, 16_385), "16385x1"),
        ];
        for (name, bytes, expected) in cases {
            let dir = folder(&[(name, bytes)]);
            let error = IdxImages::open(&dir.path().join(name), Split::Train).unwrap_err().to_string();
            assert!(error.contains(&dir.path().join(name).display().to_string()), "{error}");
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn labels_that_do_not_fit_the_images_are_an_error() {
        for (beside, expected) in [(labels(&[1, 2]), "2 labels"), (vec![1], "cut off")] {
            let dir = folder(&[("train-images-idx3-ubyte", images(3, 2, 2)), ("train-labels-idx1-ubyte.gz", beside)]);
            let error = IdxImages::open(dir.path(), Split::Train).unwrap_err().to_string();
            assert!(error.contains("train-labels-idx1-ubyte.gz") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_folder_without_or_with_several_data_sets_says_what_to_do() {
        let dir = folder(&[("emnist-a-train-images-idx3-ubyte", vec![]), ("emnist-b-train-images-idx3-ubyte", vec![])]);
        let error = IdxImages::open(dir.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("several") && error.contains("emnist-b"), "{error}");
        let error = IdxImages::open(folder(&[]).path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("train-images-idx3-ubyte"), "{error}");
    }
}
