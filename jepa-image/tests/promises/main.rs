//! What the image crate promises, in one test program: a file each, built once. `cargo test --test promises <file>` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod ablations;
mod alarm;
mod augment;
mod checkpoint_import;
mod conformance;
mod fixtures;
mod hugging_face;
mod inspection;
mod labels;
mod masks;
mod methods;
mod objectives;
mod official;
mod online;
mod overhead;
mod resnet;
mod transforms;
