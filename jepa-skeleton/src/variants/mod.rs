//! One variant a file.

pub mod s_jepa;
