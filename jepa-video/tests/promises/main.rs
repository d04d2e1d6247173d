//! What the video crate promises, in one test program: a file each, built once. `cargo test --test promises <file>` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod action;
mod checkpoint_import;
mod classifier;
mod clips;
mod conformance;
mod cooldown;
mod dense;
mod fixtures;
mod formula;
mod hierarchy;
mod hugging_face;
mod official;
mod pairs;
mod planning;
mod world;
