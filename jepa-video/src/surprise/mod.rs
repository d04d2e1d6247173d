//! Violation of expectation: a model that predicts what it is about to see is surprised when it sees something else.
//!
//! | file | noun |
//! |---|---|
//! | [`windows`](Protocol) | a video cut into windows, and the surprise of each for several context lengths |
//! | [`scores`](Surprises) | from surprises to one score a video, and from scores to figures |
//! | [`pairs`](MoviePair) | videos to compare: IntPhys, GRASP, InfLevel, and the rendered scenes |
//! | [`report`](Report) | all concepts in one table, beside the baselines |
//! | [`tables`](Tables) | every number behind it |
//! | [`evaluate`](evaluate()) | what `probe --kind surprise` does |
//! | [`curve`](curve::draw) | surprise over time under the frames |
//!
//! Follows Garrido et al. 2025 (arXiv 2502.11831) on recorded videos, but for one thing: the context length is chosen on
//! videos that no figure is of, or fixed beforehand. The paper reports the best of several on the test videos. Right
//! quadruples are counted beside right pairs: the relative classification of IntPhys (Riochet et al. 2018, arXiv
//! 1803.07616).

pub mod curve;
mod evaluate;
pub mod pairs;
mod report;
mod scores;
mod tables;
mod windows;

pub use evaluate::{FORMATS, evaluate};
pub use pairs::{Movie, MoviePair};
pub use report::{ConceptFigures, Report, Row};
pub use scores::{
    Interval, Reduction, Surprises, auprc, auroc, bootstrap, quantile, relative_accuracy, single_accuracy,
};
pub use tables::Tables;
pub use windows::{Observer, Protocol, Shape};
