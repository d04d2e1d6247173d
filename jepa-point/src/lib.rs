//! Joint-embedding prediction on point clouds.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats, layouts of known data sets, the built-in shapes |
//! | [`geometry`] | farthest points, neighbours, orders |
//! | [`augment`] | subsampling, scale, centre, unit sphere, rotation |
//! | [`tokens`] | from a cloud to groups of points |
//! | [`masks`] | which groups are seen, which predicted |
//! | `batch` | groups of clouds, and how the context encoder sees them |
//! | [`network`] | tokeniser, encoder, predictor |
//! | [`variants`] | one variant a file: [`variants::point_jepa`] |
//! | [`weights`] | names and layouts of official checkpoints |
//! | [`preview`] | a sample as a picture |
//!
//! Linking this crate registers its variants.
//!
//! | feature | adds |
//! |---|---|
//! | `hdf5` | ModelNet40 and ScanObjectNN in HDF5 files |

pub mod augment;
mod batch;
pub mod data;
pub mod geometry;
pub mod masks;
pub mod network;
pub mod preview;
pub mod tokens;
pub mod variants;
pub mod weights;
