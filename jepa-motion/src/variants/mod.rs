//! One variant a file.

mod flow;
mod presets;

pub mod mc_jepa;
