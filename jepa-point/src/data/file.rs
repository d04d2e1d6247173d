//! Files and folders, read with a bound on their size and listed in a fixed order.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jepa_core::error::{Error, Result};

/// The content of the file at `path`, which has to be a regular file of 1 to `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
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
pub(super) struct Listing {
    /// Paths of the files.
    pub(super) files: Vec<PathBuf>,
    /// Paths of the sub-folders.
    pub(super) folders: Vec<PathBuf>,
}

/// Lists a folder. Names that start with a dot are left out: they are made by file managers (`._chair.ply`), not people.
pub(super) fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::io("list", &path))?;
        // A link counts as what it points to; a dangling one is nobody's shape.
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
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The ending of a file's name in lower case, empty without one.
pub(super) fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}
