//! What the core promises, in one test program: a file each, built once. `cargo test --test promises <file>` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod collapse;
mod engines;
mod hierarchy;
mod noise;
mod operations;
mod planning;
mod svm;
mod time_series;
