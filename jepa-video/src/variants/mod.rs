//! One variant a file.

mod physics;
mod recipe;

pub mod v_jepa;
pub mod v_jepa_2;

pub(crate) use recipe::SIZES;
