//! Data sets as they are laid out on disk.
//!
//! | file | layout |
//! |---|---|
//! | `folder` | a folder of files: one sub-folder a class, or flat |
//! | `shapenet` | ShapeNet55 as Point-BERT released it |
//! | `modelnet` | ModelNet40 and ModelNet10 as released: class folders with `train` and `test` |
//! | `parts` | ShapeNetPart: text rows with normals and part labels |
//! | `hdf5` | ModelNet40 and ScanObjectNN in HDF5 (cargo feature `hdf5`) |

pub(super) mod folder;
#[cfg(feature = "hdf5")]
pub(super) mod hdf5;
pub(super) mod modelnet;
pub(super) mod parts;
pub(super) mod shapenet;

use std::path::Path;

use jepa_core::error::{Error, Result};

use super::file;

/// Largest list of names or splits.
const MAX_LIST: u64 = 64 << 20;

/// A small text file.
fn text(path: &Path) -> Result<String> {
    let bytes = file::read(path, MAX_LIST)?;
    String::from_utf8(bytes).map_err(|_| Error::format(path, "is not text in UTF-8"))
}
