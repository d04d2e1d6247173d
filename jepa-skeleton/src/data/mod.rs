//! Skeleton sequences: where they come from and what they are.
//!
//! | file | noun |
//! |---|---|
//! | [`sequence`](Sequence) | one recorded movement |
//! | [`joints`](JointSet) | names, bones, left and right of a skeleton |
//! | [`ntu`] | NTU RGB+D and NTU RGB+D 120, `.skeleton` files |
//! | [`pku`](PkuFolder) | PKU-MMD |
//! | [`mamp`](MampArchive) | prepared NTU RGB+D in one `.npz` |
//! | [`folder`](SequenceFolder) | a folder of CSV, NumPy, BVH or C3D files |
//! | `csv`, `npy`, `bvh`, `c3d` | one file of these formats |
//! | [`pck`](PckTable) | the tables of pose-classification-kit |
//! | [`builtin`](Builtin) | synthetic actions, made by the program |
//! | [`actions`] | how they are made |
//!
//! A new format is a file here that implements [`Source`], a name in [`FORMATS`] and an arm in [`open`].

pub mod actions;
mod builtin;
mod bvh;
mod c3d;
mod csv;
mod folder;
mod joints;
mod mamp;
#[cfg(test)]
mod mutations;
mod npy;
pub mod ntu;
mod pck;
mod pku;
mod sequence;

pub use builtin::Builtin;
pub use folder::{EXTENSIONS, SequenceFolder};
pub use joints::{JointSet, MAX_JOINTS};
pub use mamp::MampArchive;
pub use pck::{PckKind, PckTable, STRIDE as PCK_STRIDE, WINDOW as PCK_WINDOW};
pub use pku::{PkuFolder, PkuProtocol};
pub use sequence::{MAX_PERSONS, MAX_VALUES, Sequence};

use std::path::Path;

use jepa_core::data::{DataSpec, Source, Split, file};
use jepa_core::error::{Error, Result};

use ntu::{NtuFolder, NtuName, NtuProtocol};

/// Most bytes of a file of one sequence: an hour of two persons as text.
const MAX_BYTES: u64 = 256 << 20;

/// Names of the formats that [`open`] knows.
pub const FORMATS: &[&str] = &[
    "builtin",
    "builtin-validation",
    "folder",
    "ntu",
    "ntu-xview",
    "ntu120-xsub",
    "ntu120-xset",
    "mamp",
    "pku",
    "pku-xview",
    "pck-body",
    "pck-hand",
];

/// Opens one part of the data that `spec` names. Without a format it is guessed from what the path holds.
pub fn open(spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Sequence>>> {
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
    let needs_folder = !matches!(format, "mamp" | "pck-body" | "pck-hand");
    if needs_folder && !path.is_dir() {
        return Err(Error::data(&spec.text, format!("`{}` is not a folder", path.display())));
    }
    Ok(match format {
        "ntu" => Box::new(NtuFolder::open(path, NtuProtocol::CrossSubject60, split)?),
        "ntu-xview" => Box::new(NtuFolder::open(path, NtuProtocol::CrossView60, split)?),
        "ntu120-xsub" => Box::new(NtuFolder::open(path, NtuProtocol::CrossSubject120, split)?),
        "ntu120-xset" => Box::new(NtuFolder::open(path, NtuProtocol::CrossSetup120, split)?),
        "mamp" => Box::new(MampArchive::open(path, split)?),
        "pku" => Box::new(PkuFolder::open(path, PkuProtocol::CrossSubject, split)?),
        "pku-xview" => Box::new(PkuFolder::open(path, PkuProtocol::CrossView, split)?),
        "pck-body" => Box::new(PckTable::open(path, PckKind::Body, split)?),
        "pck-hand" => Box::new(PckTable::open(path, PckKind::Hand, split)?),
        _ => Box::new(SequenceFolder::open(path, split)?),
    })
}

/// The format of what lies at `path`.
fn guess(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    if path.is_dir() { guess_folder(spec, path) } else { guess_file(spec, path) }
}

fn guess_folder(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    let listing = file::list(path)?;
    let mut files = listing.files;
    for folder in listing.folders.iter().take(8) {
        files.extend(file::list(folder)?.files);
    }
    let mut recordings = files.iter().filter(|file| ntu::is_recording(file)).peekable();
    if recordings.peek().is_some() {
        let of_60 = |name: NtuName| NtuProtocol::CrossSubject60.split(name).is_some();
        let small = recordings.all(|path| NtuName::parse(&file::name(path)).is_some_and(of_60));
        return Ok(if small { "ntu" } else { "ntu120-xsub" });
    }
    if pku::Layout::find(path)?.is_some() {
        return Ok("pku");
    }
    if !listing.folders.is_empty() || files.iter().any(|file| folder::is_sequence(file)) {
        return Ok("folder");
    }
    let problem = format!(
        "`{}` holds nothing that is known; looked for files named like S001C002P005R002A008.skeleton (NTU RGB+D), \
         folders with skeletons and labels (PKU-MMD), sequences ({}) and sub-folders with sequences",
        path.display(),
        EXTENSIONS.join(", "),
    );
    Err(Error::data(&spec.text, problem))
}

fn guess_file(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    use std::io::Read as _;
    if !path.is_file() {
        return Err(Error::data(&spec.text, format!("`{}` is neither a file nor a folder", path.display())));
    }
    let mut head = Vec::new();
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    file.take(64).read_to_end(&mut head).map_err(Error::io("read", path))?;
    if head.starts_with(b"PK") {
        return Ok("mamp");
    }
    for (format, kind) in [("pck-body", PckKind::Body), ("pck-hand", PckKind::Hand)] {
        if head.starts_with(kind.columns().as_bytes()) {
            return Ok(format);
        }
    }
    let hint = if folder::is_sequence(path) || ntu::is_recording(path) {
        "one sequence is not a data set; give the folder that holds it"
    } else if head.is_empty() {
        "it is empty"
    } else {
        "expected a prepared .npz, a table of pose-classification-kit, or a folder"
    };
    Err(Error::data(&spec.text, format!("`{}` is not a data set in one file: {hint}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_text(text: &str) -> Result<Box<dyn Source<Sample = Sequence>>> {
        open(&DataSpec::parse(text, FORMATS), Split::Train)
    }

    fn refusal(text: &str) -> String {
        match open_text(text) {
            Ok(source) => panic!("{text} opened as {}", source.describe()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_format_is_guessed_from_what_the_path_holds() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let recording = actions::recording(0).unwrap().render();
        write("small/S001C001P001R001A001.skeleton", recording.as_bytes());
        write("large/nturgb+d_skeletons/S018C001P045R001A061.skeleton", recording.as_bytes());
        write("prepared.npz", &mamp::written(2, false));
        write("bodies.csv", pck::written(PckKind::Body, 1, 50).as_bytes());
        write("hands.csv", pck::written(PckKind::Hand, 1, 50).as_bytes());
        write("pku/skeleton/a.txt", b"");
        write("pku/label/a.txt", b"1,0,1,1\n");
        write("pku/cross-subject.txt", b"Training\na\nValidation\nb\n");
        write("tables/wave/a.csv", b"1,2,3\n");
        for (path, expected) in [
            ("small", "NTU RGB+D 60, cross-subject"),
            ("large", "NTU RGB+D 120, cross-subject"),
            ("prepared.npz", "prepared NTU RGB+D"),
            ("bodies.csv", "pose-classification-kit, bodies"),
            ("hands.csv", "pose-classification-kit, hands"),
            ("pku", "PKU-MMD, cross-subject"),
            ("tables", "folder "),
        ] {
            let source = open_text(&dir.path().join(path).display().to_string()).unwrap();
            assert!(source.describe().starts_with(expected), "{}", source.describe());
        }
        assert!(open_text("builtin").unwrap().describe().contains("synthetic"));
    }

    #[test]
    fn every_unusable_specification_says_what_is_wrong_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        for (name, bytes) in [("a.csv", &b"1,2,3"[..]), ("notes", b"words"), ("zero", b"")] {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        for (text, expected) in [
            (at("missing"), "cannot be read"),
            (at("empty"), "looked for files named like"),
            (at("a.csv"), "one sequence is not a data set"),
            (at("notes"), "expected a prepared .npz"),
            (at("zero"), "it is empty"),
            (format!("ntu:{}", at("empty")), "found 0 files"),
            (format!("ntu120-xset:{}", at("notes")), "is not a folder"),
            (format!("pku:{}", at("empty")), "is not PKU-MMD"),
            (format!("mamp:{}", at("empty")), "is not a file"),
            (format!("mamp:{}", at("notes")), "no readable .npz"),
            (format!("pck-body:{}", at("a.csv")), "expected a first line"),
            (format!("pck-hand:{}", at("empty")), "is not a file"),
            (format!("folder:{}", at("empty")), "no sequences found"),
        ] {
            let error = refusal(&text);
            let path = text.split_once(':').map_or(text.as_str(), |(_, path)| path);
            assert!(error.contains(path) && error.contains(expected), "{text}: {error}");
        }
        assert!(refusal("builtin:somewhere").contains("takes no path"));
        assert!(refusal("ntu:").contains("ntu:PATH"));
        assert!(refusal("").contains("builtin"));
        let typo = DataSpec { format: Some("ntu-xvew".into()), path: Some("x".into()), text: "ntu-xvew:x".into() };
        assert!(open(&typo, Split::Train).err().unwrap().to_string().contains("did you mean `ntu-xview`"));
    }
}
