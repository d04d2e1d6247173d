//! A list of files with labels, one shape each: what every layout of files comes down to.

use std::path::{Path, PathBuf};

use jepa_core::data::{Source, no_sample};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Purpose, Stream};

use super::cloud::Cloud;
use super::formats::Shape;

/// Points drawn from a surface: as many as the files of ShapeNet55 hold (Point-BERT's release).
pub const SURFACE_POINTS: usize = 8192;

/// Reads the cloud in a file; the second argument is the number of the sample.
type Read = fn(&Path, usize) -> Result<Cloud>;

/// Clouds in files of their own.
#[derive(Debug)]
pub struct CloudFiles {
    files: Vec<(PathBuf, Option<u32>)>,
    classes: Vec<String>,
    about: String,
    read: Read,
}

impl CloudFiles {
    /// Files with labels below the number of classes; `about` is what [`Source::describe`] says.
    pub(super) fn new(files: Vec<(PathBuf, Option<u32>)>, classes: Vec<String>, about: String) -> Self {
        Self { files, classes, about, read: read_shape }
    }

    /// The same files, read in another way.
    pub(super) fn read_by(self, read: Read) -> Self {
        Self { read, ..self }
    }

    fn path(&self, index: usize) -> Result<&Path> {
        let found = self.files.get(index).map(|(path, _)| path.as_path());
        found.ok_or_else(|| Error::data("files", no_sample(index, self.files.len())))
    }
}

/// The points of a file; of a surface always the same ones.
fn read_shape(path: &Path, index: usize) -> Result<Cloud> {
    let mut draw = Stream::new(0, Purpose::Synthesis, index as u64, 1);
    Shape::read(path)?.cloud(SURFACE_POINTS, &mut draw)
}

impl Source for CloudFiles {
    type Sample = Cloud;

    fn len(&self) -> usize {
        self.files.len()
    }

    fn read(&self, index: usize) -> Result<Cloud> {
        (self.read)(self.path(index)?, index)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.files.get(index)?.1
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.path(index).map_or_else(|error| error.to_string(), |path| path.display().to_string())
    }

    fn describe(&self) -> String {
        self.about.clone()
    }
}

/// "n clouds in m classes", or without labels.
pub(super) fn counted(count: usize, classes: &[String]) -> String {
    match classes.len() {
        0 => format!("{count} clouds without labels"),
        classes => format!("{count} clouds in {classes} classes"),
    }
}
