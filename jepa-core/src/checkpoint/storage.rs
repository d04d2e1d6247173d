//! The file operations a checkpoint is made of, so that tests can let any one of them fail.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::error::{Error, Result};

/// Durable file operations.
pub trait Storage: Send + Sync {
    /// Creates a folder with its parents.
    fn create_folder(&self, path: &Path) -> Result<()>;
    /// Creates a file, writes all of it and waits until the disk has it.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()>;
    /// Moves a file or folder into place and waits until the disk knows.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a folder with all it holds; one that is not there is no error.
    fn remove_folder(&self, path: &Path) -> Result<()>;
    /// Reads a whole file.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;
}

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

fn sync_folder(path: &Path) -> Result<()> {
    // Without this a rename may be forgotten in a power loss. Not every platform can open a folder.
    if cfg!(unix) {
        File::open(path).and_then(|f| f.sync_all()).map_err(Error::io("sync", path))?;
    }
    Ok(())
}

impl Storage for Disk {
    fn create_folder(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).map_err(Error::io("create", path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut file = File::create(path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(Error::io("write", path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        if let Some(folder) = from.is_dir().then_some(from) {
            sync_folder(folder)?;
        }
        fs::rename(from, to).map_err(Error::io("move into place", to))?;
        to.parent().map_or(Ok(()), sync_folder)
    }

    fn remove_folder(&self, path: &Path) -> Result<()> {
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
            _ => Ok(()),
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        fs::read(path).map_err(Error::io("read", path))
    }
}
