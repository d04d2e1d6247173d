//! Variants, or settings of one, against each other on the same data with the same budget: trained with several seeds,
//! probed along the way, put into tables and pictures. Knows variants by their registry alone.
//!
//! | file | noun |
//! |---|---|
//! | [`entry`](entry::Entry) | a variant with its preset and settings of its own |
//! | [`plan`](Plan) | what is trained, for how long; fixed when the comparison begins |
//! | [`cell`](Cell) | one run: trained, resumed, probed at its checkpoints |
//! | [`clock`] | seconds of training in the log of a run |
//! | [`summary`](Summary) | means and spreads over seeds; Markdown, CSV, JSON |
//! | [`chart`](chart::Chart) | accuracy against compute |
//! | [`svg`], [`png`] | a drawing as a file |
//!
//! ```text
//! <out>/  plan.json  runs/<name>-<seed>/ (run folders)  probes/<run>/<step>.json
//!         table.md  table.csv  comparison.json  flops.svg  flops.png  time.svg  time.png
//! ```
//!
//! A killed comparison goes on where it was: finished runs are left alone, unfinished ones resumed from their checkpoint,
//! probes that were taken are read.

mod cell;
pub(crate) mod chart;
mod clock;
mod entry;
mod plan;
pub(crate) mod png;
mod summary;
pub(crate) mod svg;

pub(crate) use cell::{Cell, Measured, probe_kind};
pub(crate) use plan::{Equal, Plan, Request};
pub(crate) use summary::{Axis, Summary};
