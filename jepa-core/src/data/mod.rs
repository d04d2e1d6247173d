//! Where samples come from: sources, their labels, the ordered loader, quarantine; bounded reading and the held-out part
//! for sources.

pub mod file;
pub mod folders;
pub mod labels;
mod loader;
pub mod part;

pub use labels::{Column, Label, Labelled, Values};
pub use loader::{Loader, LoaderConfig, Prepared, Quarantine, QuarantineEntry};

use crate::error::Result;
use crate::random::Stream;

/// Which part of a data set is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// What training and the probes' training sets read.
    Train,
    /// What probes are scored on; a source without a test part says so with an error.
    Test,
}

/// A data set that is read by index. Implementations are plain readers: order, retries and threads are not theirs.
pub trait Source: Send + Sync {
    /// One decoded sample, before augmentation.
    type Sample: Send;

    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads and decodes sample `index`; an error quarantines that sample and training goes on.
    fn read(&self, index: usize) -> Result<Self::Sample>;

    /// Sample `index` for training: where a sample is a part of something longer, `draw` says which part.
    fn draw(&self, index: usize, _draw: &mut Stream) -> Result<Self::Sample> {
        self.read(index)
    }

    /// The class of sample `index`, where the data set has labels.
    fn label(&self, index: usize) -> Option<u32>;

    /// Names of the classes, empty without labels.
    fn classes(&self) -> &[String];

    /// What the class is called among the columns of labels.
    fn class_name(&self) -> &str {
        "class"
    }

    /// What is known of samples beside their class: columns of classes or numbers, each to be probed by its name.
    fn columns(&self) -> &[Column] {
        &[]
    }

    /// What `columns()[column]` says of sample `index`; none where it is not known.
    fn value(&self, _index: usize, _column: usize) -> Option<Label> {
        None
    }

    /// Pairs of classes that are alike in all but one respect, such as the order of time. Probes report separately
    /// how well the two of a pair are told apart, where chance is 50 %.
    fn twins(&self) -> &[[u32; 2]] {
        &[]
    }

    /// What a person calls sample `index`: a path, or "image 17 of train-images.gz".
    fn name(&self, index: usize) -> String;

    /// One line on what this is: format, origin, number of samples. Synthetic data says so here.
    fn describe(&self) -> String;
}

/// What is wrong with an index past the end of a source.
pub fn no_sample(index: usize, count: usize) -> String {
    format!("there is no sample with index {index}, only {count} samples")
}

/// `builtin`, a folder, a file, or `format:path`, as given to `--data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSpec {
    /// The format's name when one was given (`idx`, `cifar10`, `folder`, `builtin`, ..).
    pub format: Option<String>,
    /// The path, absent for `builtin`.
    pub path: Option<std::path::PathBuf>,
    /// As the user wrote it.
    pub text: String,
}

impl DataSpec {
    /// Parses a specification. `formats` are the names a variant knows; a prefix that is not one of them belongs to
    /// the path.
    pub fn parse(text: &str, formats: &[&str]) -> Self {
        let text = text.trim().to_owned();
        // What is inside the program needs no path: `builtin`, and formats named after it.
        if text == "builtin" || (text.starts_with("builtin-") && formats.contains(&text.as_str())) {
            return Self { format: Some(text.clone()), path: None, text };
        }
        if let Some((format, path)) = text.split_once(':')
            && formats.contains(&format)
        {
            return Self { format: Some(format.to_owned()), path: Some(path.into()), text };
        }
        Self { format: None, path: Some((&text).into()), text }
    }
}
