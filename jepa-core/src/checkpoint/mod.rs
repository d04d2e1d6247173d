//! Checkpoints: named tensors, bundles that are one transaction, weights of other projects.

mod bundle;
mod foreign;
mod storage;
mod tensors;

pub use bundle::{Bundle, Manifest, State, clear_scratch, load_latest, save, take_back};
pub use foreign::{Foreign, read_foreign};
pub use storage::{Disk, Storage};
pub use tensors::{Named, apply, decode, encode, named, named_leaves, report, restore_leaves, to_f32};
