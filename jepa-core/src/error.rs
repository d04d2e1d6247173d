//! The one error type of the workspace: what went wrong, where, what was expected, what to do.

use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, in the words a user needs to repair it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // --- names -----------------------------------------------------------------------------------------------------
    /// A name (variant, preset, engine, format, ..) that nothing is registered under.
    #[error("unknown {what} `{name}`{}; known: {}", suggestion(.near), .known.join(", "))]
    Unknown {
        /// What kind of thing was asked for.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// Names that look alike, best first.
        near: Vec<String>,
        /// Every name that would have worked.
        known: Vec<String>,
    },
    /// Two plugins claim one id.
    #[error("two variants are registered under the id `{0}`: rename one of them")]
    DuplicateVariant(String),

    // --- configuration ---------------------------------------------------------------------------------------------
    /// A configuration that cannot be read or that makes no sense.
    #[error("configuration{}: {problem}", at(.place))]
    Config {
        /// File or key path, empty when the problem concerns the whole.
        place: String,
        /// What was expected and found.
        problem: String,
    },

    // --- files -----------------------------------------------------------------------------------------------------
    /// The operating system refused a file operation.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried, as a verb: "read", "create", ..
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file whose content is not what its name or place promises.
    #[error("`{}`: {problem}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        problem: String,
    },

    // --- data ------------------------------------------------------------------------------------------------------
    /// A data specification that names nothing usable.
    #[error("data `{spec}`: {problem}")]
    Data {
        /// The specification as given.
        spec: String,
        /// What is wrong with it and what would work.
        problem: String,
    },
    /// More samples were damaged than the run tolerates.
    #[error(
        "{bad} of {seen} samples could not be read, more than the tolerated {limit_percent:.1} % \
         (guard.max_bad_fraction); the first: {first}"
    )]
    TooManyBadSamples {
        /// Damaged samples so far.
        bad: usize,
        /// Distinct samples tried so far.
        seen: usize,
        /// The limit in percent.
        limit_percent: f64,
        /// The first damaged sample with its cause.
        first: String,
    },

    // --- weights and checkpoints -----------------------------------------------------------------------------------
    /// Weights whose names or shapes do not fit the model.
    #[error("{0}")]
    Weights(KeyReport),
    /// A run folder without a checkpoint that passes verification.
    #[error("no usable checkpoint in `{}`: {problem}", .path.display())]
    Checkpoint {
        /// The run or checkpoint folder.
        path: PathBuf,
        /// Why each candidate was refused.
        problem: String,
    },

    // --- training --------------------------------------------------------------------------------------------------
    /// Training cannot go on: numbers left the finite range and rolling back did not help.
    #[error("training stopped at step {step}: {problem}")]
    Diverged {
        /// Step at which it was given up.
        step: u64,
        /// What was observed and tried.
        problem: String,
    },

    /// The embeddings collapsed, and the run was asked to stop then.
    #[error("training stopped at step {step}: {alarm} (guard.on_collapse = \"stop\")")]
    Collapsed {
        /// Step at which the figures showed it for the second time.
        step: u64,
        /// What was found, why, and what to do.
        alarm: Box<crate::collapse::Alarm>,
    },

    // --- inspection ------------------------------------------------------------------------------------------------
    /// Something that can be asked of some variants and not of this one.
    #[error("{what} is not offered here, because {because}")]
    NotOffered {
        /// What was asked for.
        what: &'static str,
        /// Why it cannot be had.
        because: String,
    },

    // --- engine ----------------------------------------------------------------------------------------------------
    /// The tensor engine reported a failure.
    #[error("engine: {0}")]
    Engine(String),
    /// A conformance promise is broken.
    #[error("{variant}: {promise}: {problem}")]
    Conformance {
        /// Variant under test.
        variant: String,
        /// The promise as a sentence.
        promise: &'static str,
        /// What was found instead.
        problem: String,
    },
}

/// What did not fit when weights met a model. Strict import refuses any non-empty list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// Where the weights came from.
    pub origin: String,
    /// Parameters of the model that the weights do not have.
    pub missing: Vec<String>,
    /// Entries of the weights that the model has no place for.
    pub unexpected: Vec<String>,
    /// Same name, other shape: `name: expected [..], found [..]`.
    pub mismatched: Vec<String>,
}

impl KeyReport {
    /// Whether everything fitted.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }

    /// `Ok` when clean, else the report as an error.
    pub fn into_result(self) -> Result<()> {
        if self.is_clean() { Ok(()) } else { Err(Error::Weights(self)) }
    }
}

impl std::fmt::Display for KeyReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` does not fit the model", self.origin)?;
        for (title, keys) in
            [("missing", &self.missing), ("unexpected", &self.unexpected), ("of another shape", &self.mismatched)]
        {
            if !keys.is_empty() {
                write!(f, "\n  {} {title}: {}", keys.len(), keys.join(", "))?;
            }
        }
        Ok(())
    }
}

impl Error {
    /// An [`Error::Io`] for `path`; use as `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// An [`Error::Format`] for `path`.
    pub fn format(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Format { path: path.as_ref().to_path_buf(), problem: problem.into() }
    }

    /// An [`Error::Config`] at `place` (a file or a key path).
    pub fn config(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config { place: place.into(), problem: problem.into() }
    }

    /// An [`Error::Data`] for a specification.
    pub fn data(spec: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Data { spec: spec.into(), problem: problem.into() }
    }

    /// An [`Error::Unknown`] with near matches worked out from `known`.
    pub fn unknown<S: AsRef<str>>(what: &'static str, name: &str, known: &[S]) -> Self {
        let known: Vec<String> = known.iter().map(|k| k.as_ref().to_owned()).collect();
        let mut scored: Vec<(f64, &String)> =
            known.iter().map(|k| (strsim::jaro_winkler(name, k), k)).filter(|(score, _)| *score > 0.8).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near = scored.into_iter().take(3).map(|(_, k)| k.clone()).collect();
        Self::Unknown { what, name: name.to_owned(), near, known }
    }
}

fn suggestion(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!(" (did you mean `{}`?)", near.join("` or `")) }
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" `{place}`") }
}
