//! Joint-embedding prediction of motion and content.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | flow files, layouts of known data sets, the built-in moving scenes |
//! | [`frames`] | what of a pair of frames a network sees |
//! | [`augment`] | views of a picture |
//! | [`pyramid`] | maps of features, their sizes, their halves |
//! | [`ops`] | warp, cost volume and convolutions by hand for the CPU |
//! | [`network`] | pyramid encoder, flow estimator, expander |
//! | [`losses`] | photometric distances, smoothness, occlusion, spread of a level |
//! | [`variants`] | one variant a file: [`variants::mc_jepa`] |
//! | [`evaluate`] | end-point errors and their floors, flow as colour |
//! | [`preview`] | a pair as a picture |
//!
//! There are no masks: what a prediction is conditioned on is the flow field. There are no weights of other projects: no
//! official code or checkpoint of MC-JEPA was released.
//!
//! Linking this crate registers its variants.

pub mod augment;
pub mod data;
pub mod evaluate;
pub mod frames;
pub mod losses;
pub mod network;
pub mod ops;
pub mod preview;
pub mod pyramid;
pub mod variants;
