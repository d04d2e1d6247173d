//! Files, folders and text, read with a bound on their size and listed in a fixed order: what every reader needs.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The content of the file at `path`, which has to be a regular file of 1 to `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    // Asked before opening: opening a pipe would wait for a writer that never comes.
    let found = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if !found.is_file() {
        return Err(Error::format(path, "is not a file"));
    }
    if found.len() > limit {
        return Err(Error::format(path, format!("has {} bytes, more than the {limit} allowed here", found.len())));
    }
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    // The file may grow while it is read; `take` keeps the promise all the same.
    file.take(limit).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.is_empty() {
        return Err(Error::format(path, "is an empty file (0 bytes); was a download or copy interrupted?"));
    }
    Ok(bytes)
}

/// What a folder holds, sorted by name, so that indices mean the same on every machine.
#[derive(Debug, Default)]
pub struct Listing {
    /// Paths of the files.
    pub files: Vec<PathBuf>,
    /// Paths of the sub-folders.
    pub folders: Vec<PathBuf>,
}

/// Lists a folder. Names that start with a dot are left out: they are made by file managers (`._cat.jpg`), not people.
pub fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::io("list", &path))?;
        // A link counts as what it points to; a dangling one is nobody's sample.
        let (is_file, is_folder) =
            if kind.is_symlink() { (path.is_file(), path.is_dir()) } else { (kind.is_file(), kind.is_dir()) };
        if is_folder {
            listing.folders.push(path);
        } else if is_file {
            listing.files.push(path);
        }
    }
    listing.files.sort();
    listing.folders.sort();
    Ok(listing)
}

/// The last part of a path as text.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The last part of a path without its ending.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The ending of a path in lower case.
pub fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// Bytes as text: UTF-8, a byte order mark is skipped.
pub fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::format(path, "is text in UTF-16; save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Error::format(path, format!("is not text: byte {at} is zero; was another kind of file expected?")));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::format(path, format!("is not text: byte {at} is not UTF-8; was another kind of file expected?"))
    })
}

/// A finite number, read from a word of line `line` (from 1).
pub fn number(path: &Path, line: usize, word: &str) -> Result<f32> {
    match word.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(bad_line(path, line, format!("`{}` is not a finite number", shortened(word)))),
    }
}

/// A count, read from a word of line `line` (from 1).
pub fn count(path: &Path, line: usize, word: &str, what: &str) -> Result<usize> {
    let wrong = |_| bad_line(path, line, format!("expected {what}, found `{}`", shortened(word)));
    word.parse::<usize>().map_err(wrong)
}

/// An error about line `line` (from 1).
pub fn bad_line(path: &Path, line: usize, problem: impl std::fmt::Display) -> Error {
    Error::format(path, format!("line {line}: {problem}"))
}

/// A text as a field of CSV: in quotes where it needs them.
pub fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A word short enough for a message.
pub fn shortened(word: &str) -> String {
    let mut short: String = word.chars().take(24).collect();
    if short.len() < word.len() {
        short.push_str("..");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_other_encodings_is_refused_with_a_reason() {
        let path = Path::new("a.csv");
        assert_eq!(text(path, b"\xef\xbb\xbf1,2").unwrap(), "1,2");
        for (bytes, expected) in
            [(&b"\xff\xfe1\x00"[..], "UTF-16"), (b"ok\xc3(", "byte 2"), (b"\x80", "byte 0"), (b"1,\x00", "is zero")]
        {
            let error = text(path, bytes).unwrap_err().to_string();
            assert!(error.contains("a.csv") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_field_of_csv_is_in_quotes_where_it_needs_them() {
        let fields = ["plain", "a,b", "say \"a\"", "two\nlines"].map(csv_field);
        assert_eq!(fields, ["plain", "\"a,b\"", "\"say \"\"a\"\"\"", "\"two\nlines\""]);
    }

    #[test]
    fn numbers_are_finite_and_messages_short() {
        let path = Path::new("a");
        assert_eq!(number(path, 1, "-1.5e-3").unwrap(), -0.0015);
        for word in ["nan", "inf", "1e99", "", "1,5", "0x10", &"9".repeat(5000)] {
            let error = number(path, 7, word).unwrap_err().to_string();
            assert!(error.contains("line 7") && error.len() < 100, "{error}");
        }
        assert!(count(path, 2, "-1", "a number of frames").is_err());
        assert!(count(path, 2, "99999999999999999999999", "a number of frames").is_err());
    }
}
