//! What the commands promise, in one test program: a file each, built once. `cargo test --test promises <file>` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![cfg(unix)]

mod bad_input;
mod compare;
mod readme;
