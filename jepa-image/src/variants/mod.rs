//! The variants of this crate, one file each.

pub mod autoencoder;
pub mod barlow_twins;
pub mod byol;
pub mod c_jepa;
pub mod dino;
pub mod i_jepa;
pub mod lejepa;
pub mod mae;
pub mod moco;
pub mod simclr;
pub mod vicreg;
