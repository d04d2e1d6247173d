//! Files that hold one shape: a cloud or a mesh.
//!
//! | file | format |
//! |---|---|
//! | `ply` | PLY, ASCII and binary |
//! | `off` | OFF, COFF, NOFF |
//! | `obj` | Wavefront OBJ |
//! | `stl` | STL, ASCII and binary |
//! | `vrml` | VRML 2, as KiCad's models are written |
//! | `xyz` | text with x, y and z in its columns |
//! | `npy` | NumPy arrays |
//! | `pcd` | PCD, ASCII, binary and compressed |
//! | `text`, `lzf` | words and numbers of text; the compression of PCD |
//!
//! A reader turns bytes into a [`Shape`] or says what is wrong. It never allocates for more than the bytes that are
//! there can hold: every count of a header is compared with the rest of the file first.

mod lzf;
mod npy;
mod obj;
mod off;
mod pcd;
mod ply;
mod stl;
mod text;
mod vrml;
mod xyz;

use std::path::Path;

use jepa_core::error::{Error, Result};
use jepa_core::random::Draw;

use super::cloud::Cloud;
use super::file;
use super::mesh::Mesh;

pub(super) use xyz::columns;

/// Endings of the files that hold one shape, in lower case.
pub const EXTENSIONS: &[&str] = &["ply", "off", "obj", "stl", "wrl", "xyz", "txt", "pts", "csv", "npy", "pcd"];

/// Largest file of one shape.
const MAX_BYTES: u64 = 1 << 30;

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Points, used as they are.
    Points(Cloud),
    /// A surface, from which points are drawn.
    Surface(Mesh),
}

impl Shape {
    /// Reads a file; its ending says which format it has ([`EXTENSIONS`]).
    pub fn read(path: &Path) -> Result<Self> {
        Self::decode(path, &file::read(path, MAX_BYTES)?)
    }

    /// The shape in these bytes; the path says which format they have.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        let extension = file::extension(path);
        let shape = match extension.as_str() {
            "ply" => ply::decode(bytes),
            "off" => off::decode(bytes),
            "obj" => obj::decode(bytes),
            "stl" => stl::decode(bytes),
            "wrl" => vrml::decode(bytes),
            "npy" => npy::decode(bytes),
            "pcd" => pcd::decode(bytes),
            "xyz" | "txt" | "pts" | "csv" => xyz::decode(bytes),
            _ => Err(format!("ends in `{extension}`, expected one of {}", EXTENSIONS.join(", "))),
        };
        shape.map_err(|problem| Error::format(path, problem))
    }

    /// The points of a cloud; `count` points drawn uniformly by area from a surface.
    pub fn cloud(self, count: usize, draw: &mut impl Draw) -> Result<Cloud> {
        match self {
            Self::Points(cloud) => Ok(cloud),
            Self::Surface(mesh) => mesh.sample(count, draw),
        }
    }

    fn points(points: Vec<[f32; 3]>, normals: Option<Vec<[f32; 3]>>) -> Result<Self, String> {
        Cloud::checked(points, normals, None).map(Self::Points)
    }
}

/// Whether the name of a file ends like one of a shape.
pub(super) fn is_shape(path: &Path) -> bool {
    EXTENSIONS.contains(&file::extension(path).as_str())
}
