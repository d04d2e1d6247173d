//! What several screens draw: curves, pictures with masks, numbers, empty and error states.

mod empty;
mod figures;
mod legend;
pub mod picture;
mod pixels;
mod plot;
pub mod vector;

pub use empty::{empty, failed, waiting};
pub use figures::{ago, count, duration, figure, number, rate, size};
pub use pixels::{decode_png, encode_png};
pub use plot::{Curve, CurvePlot, XAxis};
