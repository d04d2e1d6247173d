//! One variant a file.

pub mod c_jepa;
pub mod i_jepa;
