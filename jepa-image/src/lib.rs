//! Joint-embedding prediction on images.
//!
//! | room | holds |
//! |---|---|
//! | [`data`] | formats, the built-in images, crops, normalisation |
//! | [`augment`] | views of a picture |
//! | [`tokens`] | from a picture to patches |
//! | [`masks`] | which patches are seen, which predicted |
//! | [`network`] | networks on views and pixels: ViT, ResNet-18, projectors, decoder |
//! | [`method`] | the family of methods that learn from views or from pixels |
//! | [`variants`] | one variant a file: [`variants::i_jepa`], [`variants::c_jepa`], the two-view ones, the comparisons |
//! | [`weights`] | names and layouts of official, Hugging Face and timm checkpoints |
//! | [`preview`] | a sample as a picture |
//!
//! Linking this crate registers its variants.
//!
//! # Features in five lines
//!
//! A run folder, or a folder that `cargo xtask import` wrote, gives vectors for pictures in memory:
//!
//! ```
//! use jepa_core::{device::Engine, probe::Frozen};
//! use jepa_image::{data::Picture, variants::i_jepa::IJepa};
//!
//! # fn main() -> jepa_core::Result<()> {
//! # let scratch = tempfile::tempdir().map_err(jepa_core::Error::io("create", "a scratch folder"))?;
//! # let path = scratch.path().join("run");
//! # let settings = jepa_core::plugin::Settings { preset: Some("tiny".into()), steps: Some(2), ..Default::default() };
//! # let request = jepa_core::plugin::TrainRequest {
//! #     settings, out: Some(path.clone()), resume: false, engine: Engine::cpu(), command: Vec::new(),
//! #     stop: Default::default(), probes: false,
//! # };
//! # jepa_core::plugin::find("i-jepa")?.train(&request, &mut jepa_core::runlog::Silent)?;
//! let encoder = Frozen::<IJepa>::open(&path, Engine::cpu())?;
//! let picture = Picture::new(28, 28, 1, vec![128; 28 * 28])?;
//! let ([pictures, tokens, width], values) = encoder.tokens(&[picture.clone()])?; // row-major
//! let vector = encoder.pooled(&[picture])?; // the mean over tokens
//! assert_eq!((pictures, tokens * width, vector.len()), (1, values.len(), width));
//! # Ok(())
//! # }
//! ```

pub mod augment;
pub mod data;
pub mod masks;
pub mod method;
pub mod network;
pub mod preview;
pub mod tokens;
pub mod variants;
pub mod weights;
