//! What the motion crate promises, in one test program: a file each, built once. `cargo test --test promises <file>` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod conformance;
mod evaluation;
mod layouts;
mod mutations;
mod network;
mod operations;
