//! Joint-embedding prediction on video.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats, clip sampling, augmentation and the built-in clips |
//! | [`scenes`] | rendered physical scenes: possible ones to train on, matched pairs to test with |
//! | [`view`] | what of a clip a network sees |
//! | [`tokens`] | from a view to tubelets |
//! | [`masks`] | which tubelets are seen, which predicted |
//! | [`network`] | encoder and predictor on grids of times, rows and columns |
//! | [`variants`] | one variant a file: [`variants::v_jepa`], [`variants::v_jepa_2`] |
//! | [`surprise`] | violation of expectation: the prediction error as surprise |
//! | [`weights`] | names and layouts of official and Hugging Face checkpoints |
//! | [`preview`] | a clip as a picture |
//!
//! Linking this crate registers its variants.

pub mod data;
pub mod masks;
pub mod network;
pub mod preview;
pub mod scenes;
pub mod surprise;
pub mod tokens;
pub mod variants;
pub mod view;
pub mod weights;
