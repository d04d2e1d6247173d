//! Clips: where they come from and how they become the numbers a network reads.
//!
//! | file | noun |
//! |---|---|
//! | [`clip`](Clip) | decoded frames of one size |
//! | [`sampling`](ClipOptions) | which frames of a recording make a clip |
//! | `recording` | one recording: a folder of frames, GIF, WebP, PNG; MP4, AVI, WebM, MKV through `ffmpeg` |
//! | [`files`](VideoFiles) | a list of recordings |
//! | `folder`, `list` | how they lie on disk: class folders or flat, lines of `path label` |
//! | [`augment`](View) | crops, resizing, normalisation, the same for all frames |
//! | [`sprites`](Sprites) | the built-in clips: images that move |
//! | [`change`](Changed) | clips of any layout with one thing changed: no order of time, or a flickering light |
//!
//! A new layout is a file here that implements [`Source`], a name in [`FORMATS`] and an arm in [`open`]; a new kind of
//! file is one in `recording`.

mod augment;
mod change;
mod clip;
mod files;
mod folder;
mod list;
#[cfg(test)]
mod mutations;
mod recording;
mod sampling;
pub mod sprites;

pub(crate) use augment::TINY;
pub use augment::{View, centre, random_view, three_crops, whole_frame};
pub use change::{Change, Changed};
pub use clip::{Clip, MAX_BYTES};
pub use files::VideoFiles;
pub use recording::{ANIMATIONS, VIDEOS};
pub use sampling::{ClipOptions, SamplingRule};
pub use sprites::Sprites;

use std::path::Path;

use jepa_core::data::{DataSpec, Source, Split, file};
use jepa_core::error::{Error, Result};

use crate::scenes::Scenes;
pub(crate) use recording::program::Programs;
pub(crate) use recording::{Recording, is_recording};

/// Names of the formats that [`open`] knows.
pub const FORMATS: &[&str] = &["builtin", "scenes", "folder", "list", "file", "shuffled", "still", "flickering"];

/// Opens one part of the data that `spec` names. Without a format it is guessed from what the path holds. Clips are read
/// as `options` say: [`Source::read`] takes the segments at the beginning of their parts of the recording,
/// [`Source::draw`] at random places. `shuffled:SPEC` and `still:SPEC` are the clips of another specification without the
/// order of time, `flickering:SPEC` the same in a light that nobody can foresee.
pub fn open(spec: &DataSpec, split: Split, options: &ClipOptions) -> Result<Box<dyn Source<Sample = Clip>>> {
    options.check("model.clip")?;
    let path = spec.path.as_deref().filter(|path| !path.as_os_str().is_empty());
    let format = spec.format.as_deref();
    let change = Change::ALL.into_iter().find(|change| format == Some(change.name()));
    if let (Some(change), Some(path)) = (change, path) {
        let clips = DataSpec::parse(&path.to_string_lossy(), FORMATS);
        return Ok(Box::new(Changed::new(open(&clips, split, options)?, change)));
    }
    let path = match (format, path) {
        (None, Some(path)) if path == Path::new("scenes") && !path.exists() => {
            return Ok(Box::new(Scenes::open(split, options)));
        }
        (Some("builtin"), None) => return Ok(Box::new(Sprites::open(split, sprites::Label::Law, options)?)),
        (Some("builtin"), Some(kind)) => return open_builtin(spec, kind, split, options),
        (Some(name), _) if !FORMATS.contains(&name) => return Err(Error::unknown("data format", name, FORMATS)),
        (_, Some(path)) => path,
        (Some(name), None) => return Err(Error::data(&spec.text, format!("a path is missing: write `{name}:PATH`"))),
        (None, None) => {
            return Err(Error::data(&spec.text, "is empty: give `builtin`, `scenes`, a folder, a file or FORMAT:PATH"));
        }
    };
    if let Err(error) = std::fs::metadata(path) {
        let problem = format!("`{}` cannot be read: {error}; known formats: {}", path.display(), FORMATS.join(", "));
        return Err(Error::data(&spec.text, problem));
    }
    let format = match format {
        Some(format) => format,
        None => guess(path)?,
    };
    Ok(match format {
        "folder" if !path.is_dir() => {
            return Err(Error::data(&spec.text, format!("`{}` is not a folder", path.display())));
        }
        "folder" => Box::new(folder::open(path, split, options)?),
        "list" => Box::new(list::open(path, split, options)?),
        _ => Box::new(folder::open_one(path, options)?),
    })
}

/// `builtin:law`, `builtin:identity`, `builtin:velocity` and `builtin:scenes`.
fn open_builtin(
    spec: &DataSpec,
    kind: &Path,
    split: Split,
    options: &ClipOptions,
) -> Result<Box<dyn Source<Sample = Clip>>> {
    let kind = kind.to_string_lossy();
    if kind == "scenes" {
        return Ok(Box::new(Scenes::open(split, options)));
    }
    let Some(label) = sprites::Label::ALL.into_iter().find(|label| label.name() == kind) else {
        let names = sprites::Label::ALL.map(sprites::Label::name).join("`, `builtin:");
        let problem = format!("expected `builtin`, `builtin:{names}` or `builtin:scenes`");
        return Err(Error::data(&spec.text, problem));
    };
    Ok(Box::new(Sprites::open(split, label, options)?))
}

/// The format of what lies at `path`.
fn guess(path: &Path) -> Result<&'static str> {
    if path.is_dir() {
        return Ok(if folder::is_frames(path)? { "file" } else { "folder" });
    }
    Ok(if matches!(file::extension(path).as_str(), "csv" | "txt") { "list" } else { "file" })
}
