//! Self-supervised learning by joint-embedding prediction: predict the *representation* of what is hidden from the
//! representation of what is seen.
//!
//! A JEPA is an energy, **E(x, y, z) = D(s_y, Pred(s_x, z))**, with s_x = Enc(x) and s_y = Enc'(y). This crate owns that
//! sentence; a modality crate says what its x, y, z, Enc and Pred are, and gets training, probes, checkpoints,
//! diagnostics and commands in return.
//!
//! | module | holds |
//! |---|---|
//! | [`jepa`] | the sentence as traits and types |
//! | [`objective`] | D, target normalisation, weighted regularisers |
//! | [`collapse`] | the EMA target, regularisers, figures that show a collapse |
//! | [`nn`] | positions, attention, pre-norm block, encoder, predictor, initial weights |
//! | [`masked`] | masked prediction on patches: the networks of I-JEPA, for any tokens |
//! | [`masks`] | index sets as checked types, their batch order, block samplers |
//! | [`data`] | sources, ordered prefetch, quarantine |
//! | [`picture`] | decoded images, crops, resizing, normalisation: for every modality that sees |
//! | [`train`] | the loop on one page, schedules, optimiser, replicas, guard |
//! | [`checkpoint`] | bundles with manifest and hashes, weights of other projects |
//! | [`hierarchy`] | levels on top of each other: rate, horizon, macro actions, an energy each |
//! | [`planning`] | actions by what a world model says they lead to: CEM, MPPI, gradients, energy landscapes |
//! | [`probe`] | k-NN, linear, attentive and low-shot probes, fine-tuning, with their floors |
//! | [`runlog`] | the run folder and its events |
//! | [`plugin`] | descriptor, registry, conformance suite |
//! | [`recorded`] | numbers of a reference implementation, for parity tests |
//! | [`damage`] | damaged files and what reading them may cost, for tests of readers |
//! | [`device`], [`random`], [`host`], [`error`] | engines by name, randomness as a function, values in host memory, one error |
//!
//! How to write a modality of one's own: [`guide`].
//!
//! | feature | engine |
//! |---|---|
//! | `flex` (default) | the CPU in pure Rust: the reference |
//! | `wgpu`, `vulkan` | any GPU |
//! | `cuda` | NVIDIA |
//! | `tch` | libtorch, CPU or CUDA |

pub mod checkpoint;
pub mod collapse;
pub mod damage;
pub mod data;
pub mod device;
pub mod error;
pub mod guide;
pub mod hierarchy;
pub mod host;
pub mod jepa;
#[cfg(feature = "tch")]
mod libtorch;
pub mod masked;
pub mod masks;
pub mod nn;
pub mod objective;
pub mod picture;
pub mod planning;
pub mod plugin;
pub mod probe;
pub mod random;
pub mod recorded;
pub mod runlog;
pub mod train;

pub use error::{Error, Result};
