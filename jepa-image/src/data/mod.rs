//! Images: where they come from and how they become the numbers a network reads.
//!
//! | file | noun |
//! |---|---|
//! | [`folder`](ImageFolder) | a folder of image files |
//! | [`idx`](IdxImages) | IDX files: MNIST, Fashion-MNIST, EMNIST |
//! | [`cifar`](Cifar) | CIFAR-10 and CIFAR-100, binary version |
//! | [`builtin`](Builtin) | the part of Fashion-MNIST inside the program |
//! | [`factors`](Factors) | synthetic: one shape of known size, rotation and place |
//! | [`textured`](Textured) | the clothes of the built-in part on synthetic textures |
//!
//! A decoded image, its crops and its numbers are the core's ([`picture`](jepa_core::picture)).
//!
//! A new format is a file here that implements [`Source`], a name in [`FORMATS`] and an arm in [`open`].

mod builtin;
mod cifar;
mod factors;
mod folder;
mod idx;
mod texture;
mod textured;

pub use builtin::Builtin;
pub use cifar::{Cifar, CifarKind};
pub use factors::{Factors, Shape, Sprite};
pub use folder::ImageFolder;
pub use idx::IdxImages;
pub use jepa_core::picture::{
    CropBox, CropConfig, EXTENSIONS, MAX_SIDE, Normalise, Picture, centre, crop_resize, random_box,
    random_resized_crop, resize_shorter,
};
pub use textured::Textured;

use std::path::Path;
use std::sync::Once;

use jepa_core::data::{DataSpec, Source, Split, file, part};
use jepa_core::error::{Error, Result};

/// Most bytes a packed data set (IDX, CIFAR) may hold once unpacked: EMNIST, the largest of its kind, needs 0.6 GiB.
const MAX_BYTES: u64 = 2 << 30;

/// Pictures so many times as large as what is read of them lose most of what they show.
const LOSS: usize = 4;

/// Names of the formats that [`open`] knows.
pub const FORMATS: &[&str] =
    &["builtin", "builtin-factors", "builtin-textured", "folder", "idx", "cifar10", "cifar100"];

/// Opens one part of the data that `spec` names. Without a format it is guessed from what the path holds.
pub fn open(spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Picture>>> {
    let path = spec.path.as_deref().filter(|path| !path.as_os_str().is_empty());
    let format = spec.format.as_deref();
    let path = match (format, path) {
        (Some("builtin"), None) => return Ok(Box::new(Builtin::open(split)?)),
        (Some("builtin-factors"), None) => return Ok(Box::new(Factors::open(split))),
        (Some("builtin-textured"), None) => return Ok(Box::new(Textured::open(split)?)),
        (Some(name), Some(_)) if name.starts_with("builtin") => {
            return Err(Error::data(&spec.text, format!("`{name}` takes no path: write `{name}`")));
        }
        (Some(name), _) if !FORMATS.contains(&name) => return Err(Error::unknown("data format", name, FORMATS)),
        (_, Some(path)) => path,
        (Some(name), None) => return Err(Error::data(&spec.text, format!("a path is missing: write `{name}:PATH`"))),
        (None, None) => {
            return Err(Error::data(&spec.text, "is empty: give `builtin`, a folder, a file or FORMAT:PATH"));
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
        "idx" => Box::new(IdxImages::open(path, split)?),
        "cifar10" => Box::new(Cifar::open(path, CifarKind::Ten, split)?),
        "cifar100" => Box::new(Cifar::open(path, CifarKind::Hundred, split)?),
        _ => Box::new(ImageFolder::open(path, split)?),
    })
}

/// The same for networks that read `channels` and `side` pixels along a side. Says once of training data when most of a
/// picture is lost on them: a preset for small grey pictures trains on photographs too, and learns little.
pub(crate) fn open_for(
    spec: &DataSpec,
    split: Split,
    channels: usize,
    side: usize,
) -> Result<Box<dyn Source<Sample = Picture>>> {
    static SAID: Once = Once::new();
    let source = open(spec, split)?;
    if split == Split::Train
        && let Ok(Picture { height, width, channels: found, .. }) = source.read(0)
        && (found > channels || height.min(width) > LOSS * side)
    {
        SAID.call_once(|| {
            let kind = |channels| if channels == 1 { "grey" } else { "colour" };
            let (found, read) = (kind(found), kind(channels));
            tracing::warn!(
                "{found} pictures of {width}x{height} are read as {read} ones of {side}x{side}; for more of them choose \
                 another --preset, or set model.crop.size, model.patch and model.normalise"
            );
        });
    }
    Ok(source)
}

/// The format of what lies at `path`.
fn guess(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    if path.is_dir() { guess_folder(spec, path) } else { guess_file(spec, path) }
}

fn guess_folder(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    if CifarKind::Ten.find(path).is_some() {
        return Ok("cifar10");
    }
    if CifarKind::Hundred.find(path).is_some() {
        return Ok("cifar100");
    }
    let listing = file::list(path)?;
    if listing.files.iter().any(|file| idx::is_images_name(file)) {
        return Ok("idx");
    }
    if !listing.folders.is_empty() || listing.files.iter().any(|file| folder::is_image(file)) {
        return Ok("folder");
    }
    let problem = format!(
        "`{}` holds nothing that is known; looked for data_batch_1.bin (CIFAR-10), fine_label_names.txt (CIFAR-100), \
         a file with `idx3` in its name (IDX), images ({}) and sub-folders with images{}",
        path.display(),
        EXTENSIONS.join(", "),
        cifar::python_version(&path.join("data_batch_1.bin")),
    );
    Err(Error::data(&spec.text, problem))
}

fn guess_file(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    let bytes = file::read(path, MAX_BYTES)?;
    if idx::magic(&bytes) == Some(idx::IMAGES) {
        return Ok("idx");
    }
    let hint = if folder::is_image(path) {
        "one image is not a data set; give the folder that holds it"
    } else if idx::magic(&bytes).is_some() {
        "these are the labels; give the file of images or the folder"
    } else if path.extension().is_some_and(|extension| extension == "bin") {
        "for CIFAR give the folder"
    } else {
        "expected a file of images in IDX, plain or gzip (magic number 2051), or a folder"
    };
    Err(Error::data(&spec.text, format!("`{}` is not a data set in one file: {hint}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat, RgbImage};
    use jepa_core::random::{Draw as _, Purpose, Stream};
    use std::io::{Cursor, Write as _};

    fn open_text(text: &str) -> Result<Box<dyn Source<Sample = Picture>>> {
        open(&DataSpec::parse(text, FORMATS), Split::Train)
    }

    fn refusal(text: &str) -> String {
        match open_text(text) {
            Ok(source) => panic!("{text} opened as {}", source.describe()),
            Err(error) => error.to_string(),
        }
    }

    fn idx_file() -> Vec<u8> {
        let header = [2051u32, 2, 5, 5].map(u32::to_be_bytes).concat();
        header.into_iter().chain(0..50).collect()
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let noise = RgbImage::from_fn(24, 20, |x, y| image::Rgb([(x * 9) as u8, (y * 11) as u8, (x * y * 3) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(noise).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn the_format_is_guessed_from_what_the_path_holds() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        for i in 1..=5 {
            write(&format!("ten/cifar-10-batches-bin/data_batch_{i}.bin"), &[1; 3073]);
        }
        write("hundred/train.bin", &[1; 3074]);
        let names: Vec<String> = (0..100).map(|label| format!("class {label}")).collect();
        write("hundred/fine_label_names.txt", names.join("\n").as_bytes());
        write("idx/train-images-idx3-ubyte", &idx_file());
        write("photos/cat/a.png", &encoded(ImageFormat::Png));
        for (path, expected) in [
            ("ten", "CIFAR-10 "),
            ("hundred", "CIFAR-100 "),
            ("idx", "IDX "),
            ("idx/train-images-idx3-ubyte", "IDX "),
            ("photos", "folder "),
        ] {
            let source = open_text(&dir.path().join(path).display().to_string()).unwrap();
            assert!(source.describe().starts_with(expected), "{}", source.describe());
        }
        let named = open_text(&format!("folder:{}", dir.path().join("photos").display())).unwrap();
        assert_eq!((named.len(), named.classes()), (1, &["cat".to_owned()][..]));
        for text in ["builtin", "builtin-factors", "builtin-textured"] {
            let source = open_text(text).unwrap();
            assert!(source.describe().starts_with("built-in"));
            assert_eq!(source.describe().contains("synthetic"), text != "builtin");
        }
    }

    #[test]
    fn every_unusable_specification_says_what_is_wrong_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        std::fs::create_dir(dir.path().join("python")).unwrap();
        for (name, bytes) in [
            ("python/data_batch_1", &b"pickle"[..]),
            ("cat.png", &[1]),
            ("labels", &[0, 0, 8, 1]),
            ("data_batch_1.bin", &[1]),
            ("notes", b"words"),
            ("zero", b""),
        ] {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        for (text, expected) in [
            (at("missing"), "cannot be read"),
            (at("empty"), "looked for data_batch_1.bin"),
            (at("python"), "Python version"),
            (at("cat.png"), "one image is not a data set"),
            (at("labels"), "these are the labels"),
            (at("data_batch_1.bin"), "for CIFAR give the folder"),
            (at("notes"), "magic number 2051"),
            (at("zero"), "0 bytes"),
            (format!("cifar10:{}", at("empty")), "`data_batch_1.bin` is missing"),
            (format!("cifar100:{}", at("empty")), "`train.bin` is missing"),
            (format!("idx:{}", at("empty")), "no IDX file"),
            (format!("folder:{}", at("notes")), "not a folder"),
        ] {
            let error = refusal(&text);
            let path = text.split_once(':').map_or(text.as_str(), |(_, path)| path);
            assert!(error.contains(path) && error.contains(expected), "{text}: {error}");
        }
        assert!(refusal("builtin:somewhere").contains("takes no path"));
        assert!(refusal("builtin-factors:x").contains("write `builtin-factors`"));
        assert!(refusal("idx:").contains("idx:PATH"));
        assert!(refusal("").contains("builtin"));
        let typo = DataSpec { format: Some("cifar".into()), path: Some("x".into()), text: "cifar:x".into() };
        assert!(matches!(open(&typo, Split::Train), Err(Error::Unknown { .. })));
    }

    #[test]
    fn files_with_flipped_cut_and_added_bytes_never_make_the_reader_panic() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&idx_file()).unwrap();
        let mut cifar = vec![7; 3073];
        cifar.extend([3; 3073]);
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("a.png", encoded(ImageFormat::Png)),
            ("a.jpg", encoded(ImageFormat::Jpeg)),
            ("a.bmp", encoded(ImageFormat::Bmp)),
            ("a.gif", encoded(ImageFormat::Gif)),
            ("a.webp", encoded(ImageFormat::WebP)),
            ("a-images-idx3", idx_file()),
            ("a-images-idx3.gz", packed.finish().unwrap()),
            ("test_batch.bin", cifar),
        ];
        let dir = tempfile::tempdir().unwrap();
        for (name, good) in &cases {
            let path = dir.path().join(name);
            // Everything a run would do with the file: open it, read each image, ask for its label and name.
            let read = |bytes: &[u8]| -> Result<usize> {
                if folder::is_image(&path) {
                    return Picture::decode(&path, bytes).map(|picture| picture.pixels.len());
                }
                std::fs::write(&path, bytes).unwrap();
                let source: Box<dyn Source<Sample = Picture>> = if name.ends_with(".bin") {
                    Box::new(Cifar::open(dir.path(), CifarKind::Ten, Split::Test)?)
                } else {
                    Box::new(IdxImages::open(&path, Split::Train)?)
                };
                let mut total = 0;
                for index in 0..source.len() {
                    total += source.read(index)?.pixels.len();
                    assert!(source.label(index).is_none_or(|label| (label as usize) < source.classes().len()));
                    assert!(!source.name(index).is_empty());
                }
                Ok(total)
            };
            assert!(read(good).is_ok(), "{name}");
            for mutation in 0..2000 {
                let mut draw = Stream::new(11, Purpose::Test, 0, mutation);
                let mut bytes = good.clone();
                match draw.below(4) {
                    0 => bytes.truncate(draw.below(good.len())),
                    1 => bytes.extend((0..=draw.below(64)).map(|i| i as u8)),
                    // Headers are where the trouble is: half of the flips go there.
                    kind => {
                        let reach = if kind == 2 { good.len().min(64) } else { good.len() };
                        for _ in 0..=draw.below(4) {
                            bytes[draw.below(reach)] ^= 1 << draw.below(8);
                        }
                    }
                }
                if let Err(error) = read(&bytes) {
                    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
                }
            }
        }
    }
}
