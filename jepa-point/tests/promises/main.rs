//! What the point cloud crate promises, in one test program: a file each, built once. `cargo test --test promises <file>` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod blocks;
mod conformance;
mod geometry;
mod mutations;
mod official;
mod probes;
