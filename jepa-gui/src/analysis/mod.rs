//! What is computed on features before they are drawn: pure functions over row-major tables, without a window and
//! without a tensor engine.
//!
//! | module | answers |
//! |---|---|
//! | [`pca`] | along which directions do samples differ, and how much of the variance is that |
//! | [`neighbours`] | which samples are nearest, exactly |
//! | [`tsne`], [`umap`] | a map on which neighbours lie together, while it settles |
//! | [`trust`] | how far such a map can be believed |
//! | [`procrustes`] | how two maps of the same samples are laid over each other |
//!
//! All but t-SNE is reproducible: equal bits whatever the number of threads.

pub mod matrix;
pub mod neighbours;
pub mod pca;
pub mod procrustes;
#[cfg(test)]
mod reference;
pub mod trust;
pub mod tsne;
pub mod umap;

pub use matrix::Matrix;
pub use neighbours::{Index, Metric, Neighbour, Neighbours};
pub use pca::Pca;
pub use procrustes::Alignment;
pub use trust::Trust;
pub use tsne::Tsne;
pub use umap::Umap;

/// Who waits for a computation that takes a while. Called from worker threads.
pub trait Watch: Sync {
    /// Hears which share is done, 0 to 1.
    fn progress(&self, _share: f32) {}

    /// Whether the result is no longer wanted: the computation ends soon and gives nothing.
    fn stopped(&self) -> bool {
        false
    }
}

/// Waits to the end and looks at nothing.
impl Watch for () {}
