//! One variant a file.

pub mod i_jepa;
