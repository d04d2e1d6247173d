//! Joint-embedding prediction on video.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats, clip sampling, augmentation and the built-in clips |
//! | [`scenes`] | rendered physical scenes: possible ones to train on, matched pairs to test with |
//! | [`surprise`] | violation of expectation: the prediction error as surprise |
//!
//! Linking this crate registers its variants.

pub mod data;
pub mod scenes;
pub mod surprise;
