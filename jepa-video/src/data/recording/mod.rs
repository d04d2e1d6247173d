//! One recording, whatever it is stored as: its length, its rate, and the frames asked for.
//!
//! | file | noun |
//! |---|---|
//! | [`frames`](frames::FrameFolder) | a folder with one image a frame |
//! | [`animation`](animation::Animation) | GIF, WebP, PNG in motion |
//! | [`program`](program::Video) | MP4, AVI, WebM, MKV through `ffmpeg` |

pub(crate) mod animation;
pub(crate) mod frames;
pub(crate) mod program;

use std::io::Read as _;
use std::path::Path;

use jepa_core::data::file;
use jepa_core::error::{Error, Result};
use jepa_core::picture::{Picture, resize_shorter};

use super::clip::{Clip, MAX_BYTES};
use animation::{Animation, Kind};
use frames::FrameFolder;
use program::{Programs, Video};

/// Endings of files that hold one recording and are decoded here, in lower case. Animated WebP and PNG files count too.
pub const ANIMATIONS: &[&str] = &["gif", "apng"];

/// Endings of files that `ffmpeg` decodes.
pub const VIDEOS: &[&str] = &["mp4", "avi", "webm", "mkv", "mov", "m4v", "mpg", "mpeg"];

/// A recording that is known to exist and to have frames.
#[derive(Debug)]
pub(crate) enum Recording {
    Frames(FrameFolder),
    Animation(Animation),
    Video(Video),
}

impl Recording {
    /// Opens a file or a folder of frames. A file's content decides on what it is, not its name.
    pub(crate) fn open(path: &Path, programs: &Programs) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self::Frames(FrameFolder::open(path)?));
        }
        Ok(match animation_kind(path)? {
            Some(kind) => Self::Animation(Animation::open(path, kind)?),
            None => Self::Video(Video::open(path, programs)?),
        })
    }

    /// Number of frames, at least 1.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Frames(frames) => frames.count(),
            Self::Animation(animation) => animation.count,
            Self::Video(video) => video.count,
        }
    }

    /// Frames a second, where the recording knows.
    pub(crate) fn rate(&self) -> Option<f64> {
        match self {
            Self::Frames(_) => None,
            Self::Animation(animation) => animation.rate,
            Self::Video(video) => video.rate,
        }
    }

    /// The frames `indices`, in that order and as often as they occur; every one is decoded once. A shorter side beyond
    /// `shorter` is reduced to it.
    pub(crate) fn read(&self, indices: &[usize], shorter: Option<usize>) -> Result<Clip> {
        let mut wanted = indices.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let unique = match self {
            Self::Frames(frames) => frames.read(&wanted, shorter),
            Self::Animation(animation) => animation.read(&wanted, shorter),
            Self::Video(video) => video.read(&wanted, shorter),
        }?;
        if wanted == indices {
            return Ok(unique);
        }
        let size = unique.height * unique.width * 3;
        check_bytes(indices.len(), unique.height, unique.width).map_err(|e| Error::data("clip", e))?;
        let mut rgb = Vec::with_capacity(indices.len() * size);
        for index in indices {
            let place = wanted.binary_search(index).unwrap_or(0);
            rgb.extend_from_slice(unique.frame(place).unwrap_or_default());
        }
        Clip::new(indices.len(), unique.height, unique.width, rgb)
    }
}

/// What animation a file holds by its first bytes, if any.
pub(crate) fn animation_kind(path: &Path) -> Result<Option<Kind>> {
    let found = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if !found.is_file() {
        return Err(Error::format(path, "is not a file"));
    }
    let mut head = Vec::new();
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    file.take(16).read_to_end(&mut head).map_err(Error::io("read", path))?;
    if head.is_empty() {
        return Err(Error::format(path, "is an empty file (0 bytes); was a download or copy interrupted?"));
    }
    Ok(Kind::of(&head))
}

/// Why so many frames of this size do not fit, if they do not.
fn check_bytes(frames: usize, height: usize, width: usize) -> Result<(), String> {
    match Clip::bytes(frames, height, width) {
        Some(bytes) if (1..=MAX_BYTES).contains(&bytes) => Ok(()),
        _ => Err(format!(
            "{frames} frames of {width}x{height} take more than the {MAX_BYTES} bytes allowed; set `shorter` or \
             fewer frames"
        )),
    }
}

/// Height and width after reducing the shorter side.
fn reduced(height: usize, width: usize, shorter: Option<usize>) -> (usize, usize) {
    match shorter {
        Some(side) if side < height.min(width) => {
            let scaled = |length: usize| side * length / height.min(width);
            (scaled(height), scaled(width))
        }
        _ => (height, width),
    }
}

/// Frames of one size, gathered one by one.
struct Gathered {
    shorter: Option<usize>,
    expected: usize,
    size: Option<(usize, usize)>,
    rgb: Vec<u8>,
    frames: usize,
}

impl Gathered {
    fn new(expected: usize, shorter: Option<usize>) -> Self {
        Self { shorter, expected, size: None, rgb: Vec::new(), frames: 0 }
    }

    /// Appends a frame; the first one says which size all have. An error says what is wrong.
    fn push(&mut self, picture: Picture) -> Result<(), String> {
        let found = (picture.height, picture.width);
        let (height, width) = *self.size.get_or_insert(found);
        if found != (height, width) {
            return Err(format!(
                "is {}x{}, but the frames before are {width}x{height}; all frames of a recording need one size",
                found.1, found.0
            ));
        }
        let (h, w) = reduced(height, width, self.shorter);
        if self.frames == 0 {
            check_bytes(self.expected, h, w)?;
        }
        let small = match self.shorter {
            Some(side) if (h, w) != found => resize_shorter(picture.to_rgb(), side).map_err(|e| e.to_string())?,
            _ => picture.to_rgb(),
        };
        self.rgb.extend_from_slice(&small.pixels);
        self.frames += 1;
        Ok(())
    }

    fn finish(self, path: &Path) -> Result<Clip> {
        if self.frames != self.expected {
            let problem = format!(
                "ends after {} of the {} frames wanted; was a download or copy interrupted?",
                self.frames, self.expected
            );
            return Err(Error::format(path, problem));
        }
        let (height, width) = self.size.unwrap_or_default();
        let (height, width) = reduced(height, width, self.shorter);
        Clip::new(self.frames, height, width, self.rgb).map_err(|error| Error::format(path, error.to_string()))
    }
}

/// Whether a file's name ends like a recording that is one file.
pub(crate) fn is_recording(path: &Path) -> bool {
    let ending = file::extension(path);
    ANIMATIONS.contains(&ending.as_str()) || VIDEOS.contains(&ending.as_str())
}
