//! Pictures, for every modality that sees: decoded from files, cropped, resized, made into numbers.
//!
//! | file | noun |
//! |---|---|
//! | [`decoded`](Picture) | one decoded image |
//! | [`crop`](CropConfig) | random resized crop, centre crop |
//! | [`normalise`](Normalise) | bytes to planar numbers |
//! | `resample` | resizing, bit-equal to Pillow |

mod crop;
mod decoded;
mod normalise;
mod resample;

pub use crop::{CropBox, CropConfig, centre, crop_resize, random_box, random_resized_crop, resize_shorter};
pub use decoded::{EXTENSIONS, MAX_SIDE, Picture};
pub use normalise::Normalise;
