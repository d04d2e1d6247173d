//! What a flow is learnt by without its truth, beside the energy.
//!
//! | file | noun |
//! |---|---|
//! | [`photometric`] | L1, L2, SSIM and census distances of two pictures |
//! | [`smoothness`](smoothness()) | flows that bend away from edges |
//! | [`visible`](visible()) | places that the other frame shows |
//! | [`spread`](spread()) | VICReg's variance and covariance of a level's places |
//! | [`motion`](MotionLoss) | all of them together |
//!
//! Every loss is a mean over frames of a number of each frame, so that cutting a batch up changes nothing.

mod motion;
pub mod photometric;
mod smoothness;
mod spread;
mod visible;

pub use motion::{MotionLoss, Seen};
pub use photometric::Photometric;
pub use smoothness::{Smoothness, smoothness};
pub use spread::spread;
pub use visible::{Consistency, visible};
