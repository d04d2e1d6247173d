//! One variant a file.

mod classify;
mod physics;
mod recipe;

pub mod h_jepa;
pub mod pldm;
pub mod v_jepa;
pub mod v_jepa_2;
pub mod v_jepa_2_ac;

pub(crate) use recipe::SIZES;
