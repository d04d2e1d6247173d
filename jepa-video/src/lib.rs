//! Joint-embedding prediction on video.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats, clip sampling, augmentation and the built-in clips |
//! | [`scenes`] | rendered physical scenes: possible ones to train on, matched pairs to test with |
//! | [`action`] | frames with actions: films of walks, recordings with states, planning with V-JEPA 2-AC |
//! | [`rooms`] | two rooms with a door: a world to act in, and episodes to plan in |
//! | [`view`] | what of a clip a network sees |
//! | [`tokens`] | from a view to tubelets |
//! | [`masks`] | which tubelets are seen, which predicted |
//! | [`network`] | encoder and predictor on grids of times, rows and columns |
//! | [`world`] | encoder, recurrent predictor and inverse dynamics of a world model from pixels, and levels on it |
//! | [`variants`] | one variant a file: [`variants::v_jepa`], [`variants::v_jepa_2`], [`variants::v_jepa_2_ac`],
//! | | [`variants::pldm`], [`variants::h_jepa`] |
//! | [`surprise`] | violation of expectation: the prediction error as surprise |
//! | [`weights`] | names and layouts of official and Hugging Face checkpoints |
//! | [`preview`] | a clip as a picture |
//!
//! Linking this crate registers its variants.

pub mod action;
pub mod data;
pub mod masks;
pub mod network;
pub mod preview;
pub mod rooms;
pub mod scenes;
pub mod surprise;
pub mod tokens;
pub mod variants;
pub mod view;
pub mod weights;
pub mod world;
