//! Joint-embedding prediction on images.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats, the built-in images, crops, normalisation |
//! | [`tokens`] | from a picture to patches |
//! | [`masks`] | which patches are seen, which predicted |
//! | [`variants`] | one variant a file: [`variants::i_jepa`] |
//! | [`weights`] | names and layouts of official, Hugging Face and timm checkpoints |
//! | [`preview`] | a sample as a picture |
//!
//! Linking this crate registers its variants.

pub mod data;
pub mod masks;
pub mod preview;
pub mod tokens;
pub mod variants;
pub mod weights;
