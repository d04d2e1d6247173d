//! Pairs of frames: where they come from, and the motion between them.
//!
//! | file | noun |
//! |---|---|
//! | [`flow`](Flow) | a flow field |
//! | [`pair`](FramePair) | two frames with the truth, where it is known |
//! | [`formats`] | `.flo`, KITTI's PNG, PFM; PPM |
//! | [`layouts`] | FlyingChairs, Sintel, KITTI 2015, folders of pairs, sequences, still pictures |
//! | [`scenes`] | the built-in pairs: textured shapes that move |
//! | [`pictures`](WithPictures) | pictures for the content branch beside pairs |
//! | [`whole`](Whole) | both parts of a data set as one |
//!
//! A new layout is a file in `layouts`, a name in [`FORMATS`] and an arm in [`open`].

mod flow;
pub mod formats;
pub mod layouts;
mod pair;
mod pictures;
pub mod scenes;
mod whole;

pub use flow::Flow;
pub use pair::{FramePair, Truth};
pub use pictures::WithPictures;
pub use scenes::Scenes;
pub use whole::Whole;

use std::path::Path;

use jepa_core::data::{DataSpec, Source, Split, file};
use jepa_core::error::{Error, Result};

use layouts::{chairs, frames, images, kitti, pairs, sintel};
use scenes::Label;

/// Names of the formats that [`open`] knows.
pub const FORMATS: &[&str] = &[
    "builtin",
    "builtin-shapes",
    "flying-chairs",
    "sintel",
    "sintel-clean",
    "sintel-final",
    "kitti",
    "pairs",
    "frames",
    "images",
];

/// Opens one part of the data that `spec` names. Without a format it is guessed from what the path holds.
pub fn open(spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = FramePair>>> {
    let path = spec.path.as_deref().filter(|path| !path.as_os_str().is_empty());
    let format = spec.format.as_deref();
    let path = match (format, path) {
        (Some("builtin"), None) => return Ok(Box::new(Scenes::open(split, Label::Texture))),
        (Some("builtin-shapes"), None) => return Ok(Box::new(Scenes::open(split, Label::Shape))),
        (Some("builtin" | "builtin-shapes"), Some(_)) => {
            return Err(Error::data(&spec.text, "what is built in takes no path"));
        }
        (Some(name), _) if !FORMATS.contains(&name) => return Err(Error::unknown("data format", name, FORMATS)),
        (_, Some(path)) => path,
        (Some(name), None) => return Err(Error::data(&spec.text, format!("a path is missing: write `{name}:PATH`"))),
        (None, None) => return Err(Error::data(&spec.text, "is empty: give `builtin`, a folder or FORMAT:PATH")),
    };
    match std::fs::metadata(path) {
        Err(error) => {
            let problem =
                format!("`{}` cannot be read: {error}; known formats: {}", path.display(), FORMATS.join(", "));
            return Err(Error::data(&spec.text, problem));
        }
        Ok(found) if !found.is_dir() => {
            return Err(Error::data(&spec.text, format!("`{}` is not a folder", path.display())));
        }
        Ok(_) => {}
    }
    let format = match format {
        Some(format) => format,
        None => guess(spec, path)?,
    };
    Ok(match format {
        "flying-chairs" => Box::new(chairs::open(path, split)?),
        "sintel" => Box::new(sintel::open(path, &sintel::PASSES, split)?),
        "sintel-clean" => Box::new(sintel::open(path, &["clean"], split)?),
        "sintel-final" => Box::new(sintel::open(path, &["final"], split)?),
        "kitti" => Box::new(kitti::open(path, split)?),
        "pairs" => Box::new(pairs::open(path, split)?),
        "frames" => Box::new(frames::open(path, split)?),
        _ => Box::new(images::Stills::open(path, split)?),
    })
}

/// The format of what lies in a folder.
fn guess(spec: &DataSpec, path: &Path) -> Result<&'static str> {
    if sintel::is_here(path) {
        return Ok("sintel");
    }
    if kitti::is_here(path) {
        return Ok("kitti");
    }
    if chairs::is_here(path) {
        return Ok("flying-chairs");
    }
    if pairs::is_here(path)? {
        return Ok("pairs");
    }
    let listing = file::list(path)?;
    if !listing.folders.is_empty() || listing.files.iter().filter(|file| formats::is_frame(file)).count() > 1 {
        return Ok("frames");
    }
    let problem = format!(
        "`{}` holds nothing that is known; looked for training/clean (Sintel), training/image_2 (KITTI 2015), \
         *_img1.ppm (FlyingChairs), NAME_1 and NAME_2 without NAME_3 (pairs) and folders of frames (frames); still \
         pictures are read as `images:PATH`",
        path.display(),
    );
    Err(Error::data(&spec.text, problem))
}
