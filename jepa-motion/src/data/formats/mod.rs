//! Files of flow, and frames in formats of their own.
//!
//! | file | noun |
//! |---|---|
//! | [`flo`] | Middlebury's `.flo` |
//! | [`kitti`] | KITTI's PNG of three times 16 bits |
//! | [`pfm`] | portable float maps, as FlyingThings has them |
//! | [`ppm`] | portable pixel maps, FlyingChairs' frames |

pub mod flo;
pub mod kitti;
pub mod pfm;
pub mod ppm;

use std::path::Path;
use std::str::FromStr;

use jepa_core::data::file;
use jepa_core::error::{Error, Result};
use jepa_core::picture::{self, Picture};

use super::Flow;

/// Most bytes of a flow file: 200 megapixels of two floats would be more than any camera's.
const MAX_FLOW: u64 = 512 << 20;
/// Most bytes of a portable pixel map.
const MAX_PPM: u64 = 512 << 20;

/// Endings of the files that count as flow, in lower case.
pub const FLOWS: &[&str] = &["flo", "pfm", "png"];

/// Whether a file's name ends like that of a frame.
pub fn is_frame(path: &Path) -> bool {
    let extension = file::extension(path);
    extension == "ppm" || picture::EXTENSIONS.contains(&extension.as_str())
}

/// Reads a frame.
pub fn read_frame(path: &Path) -> Result<Picture> {
    if file::extension(path) == "ppm" { ppm::decode(path, &file::read(path, MAX_PPM)?) } else { Picture::open(path) }
}

/// Reads a flow; the ending decides on the format.
pub fn read_flow(path: &Path) -> Result<Flow> {
    decode_flow(path, &file::read(path, MAX_FLOW)?)
}

/// Decodes a flow; the ending of `path` decides on the format.
pub fn decode_flow(path: &Path, bytes: &[u8]) -> Result<Flow> {
    match file::extension(path).as_str() {
        "flo" => flo::decode(path, bytes),
        "png" => kitti::decode(path, bytes),
        "pfm" => pfm::decode(path, bytes),
        other => Err(Error::format(path, format!("`{other}` is no ending of a flow file: {}", FLOWS.join(", ")))),
    }
}

/// Width and height of a grid whose `bytes` a pixel have to fill a file of `length` bytes exactly.
fn checked_size(path: &Path, width: i64, height: i64, bytes: u64, length: usize) -> Result<[usize; 2]> {
    let largest = i64::from(picture::MAX_SIDE);
    if !(1..=largest).contains(&width) || !(1..=largest).contains(&height) {
        return Err(Error::format(path, format!("claims {width} x {height} pixels; expected 1 to {largest} a side")));
    }
    let expected = width as u64 * height as u64 * bytes;
    if expected != length as u64 {
        let problem = format!("claims {width} x {height} pixels, {expected} bytes, and holds {length} for them");
        return Err(Error::format(path, problem));
    }
    Ok([width as usize, height as usize])
}

/// The head of a portable map: words of text, and remarks from a number sign to the end of its line.
struct Head<'a> {
    path: &'a Path,
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, rest: bytes }
    }

    /// The next word.
    fn word(&mut self, what: &str) -> Result<&'a str> {
        let missing = || Error::format(self.path, format!("{what} was expected in its head, which ends before it"));
        loop {
            let start = self.rest.iter().position(|b| !b.is_ascii_whitespace()).ok_or_else(missing)?;
            let rest = &self.rest[start..];
            if rest.starts_with(b"#") {
                self.rest = &rest[rest.iter().position(|b| *b == b'\n').ok_or_else(missing)?..];
                continue;
            }
            let end = rest.iter().position(u8::is_ascii_whitespace).ok_or_else(missing)?;
            self.rest = &rest[end..];
            return std::str::from_utf8(&rest[..end]).map_err(|_| missing());
        }
    }

    /// The next word as a number.
    fn number<T: FromStr>(&mut self, what: &str) -> Result<T> {
        let word = self.word(what)?;
        let problem = || format!("expected {what} in its head, found `{}`", file::shortened(word));
        word.parse().map_err(|_| Error::format(self.path, problem()))
    }

    /// What follows the head and the one separator behind it.
    fn rest(self) -> &'a [u8] {
        self.rest.get(1..).unwrap_or_default()
    }
}
