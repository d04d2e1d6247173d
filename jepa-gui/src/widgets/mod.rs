//! What several screens draw: curves, pictures with masks, numbers, empty and error states.

mod empty;
mod figures;
pub mod picture;
mod plot;
pub mod vector;

pub use empty::{empty, failed, waiting};
pub use figures::{ago, count, duration, figure, number, rate, size};
pub use plot::{Curve, CurvePlot, XAxis};
