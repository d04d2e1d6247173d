//! Joint-embedding prediction on video.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats and the built-in clips |
//!
//! Linking this crate registers its variants.

pub mod data;
