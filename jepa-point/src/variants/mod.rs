//! One variant a file.

pub mod point_jepa;
