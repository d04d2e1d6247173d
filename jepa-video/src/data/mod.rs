//! Clips: where they come from and how they become the numbers a network reads.
//!
//! | file | noun |
//! |---|---|
//! | [`clip`](Clip) | decoded frames of one size |
//! | [`sampling`](ClipOptions) | which frames of a recording make a clip |

mod clip;
mod sampling;

pub use clip::{Clip, MAX_BYTES};
pub use sampling::{ClipOptions, SamplingRule};

use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};

/// Names of the formats that [`open`] knows.
pub const FORMATS: &[&str] = &["builtin", "folder"];

/// Opens one part of the data that `spec` names. Clips are read as `options` say: [`Source::read`] takes the segments at
/// the beginning of their parts of the recording, [`Source::draw`] at random places.
pub fn open(spec: &DataSpec, _split: Split, options: &ClipOptions) -> Result<Box<dyn Source<Sample = Clip>>> {
    options.check("model.clip")?;
    Err(Error::data(&spec.text, "no format of clips is known yet"))
}
