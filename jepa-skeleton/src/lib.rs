//! Joint-embedding prediction on skeleton sequences.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats, the built-in actions, joints |
//! | [`clip`] | a stretch of time, resized to a fixed number of frames |
//! | [`view`] | rotations, shift, mirror, projection; bone and motion streams |
//! | [`tokens`] | from a clip to tokens of one joint and a few frames |
//! | [`masks`] | which tokens are seen, which predicted |
//! | [`network`] | encoder and predictor with learned places |
//! | [`variants`] | one variant a file: [`variants::s_jepa`] |
//! | [`preview`] | a sample as a picture |
//!
//! Linking this crate registers its variants.

pub mod clip;
pub mod data;
pub mod masks;
pub mod network;
pub mod preview;
pub mod tokens;
pub mod variants;
pub mod view;
