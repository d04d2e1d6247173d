//! Plugins: what a modality writes ([`Variant`]), what everybody else sees of it ([`Plugin`]), and the promises both
//! are held to ([`conformance`]).

mod bench;
mod collapse;
mod columns;
mod comparison;
pub mod conformance;
mod erased;
mod evaluation;
mod inspection;
mod member;
mod overhead;
mod picture;
mod probing;
mod registry;
mod scene;
mod settings;
mod table;
mod training;
mod variant;
mod weights;

pub use crate::masks::TokenSets;
pub use bench::{BenchReport, BenchRequest};
pub use erased::Plugin;
pub use evaluation::{EvaluateRequest, EvaluationInfo};
pub(crate) use inspection::token_errors;
pub use inspection::{Errors, Heads, InspectRequest, Inspected, Inspector, Layer, Look, Weights, WhatIf};
pub use member::Member;
pub use overhead::{OverheadLine, OverheadReport, OverheadRequest};
pub(crate) use picture::follow;
pub use picture::{Checked, DataPreview, PreviewRequest, SamplePicture, Shown};
pub use probing::{Beside, EmbedRequest, NumbersLine, ProbeKind, ProbeLine, ProbeReport, ProbeRequest};
pub use registry::{find, of_run, variants};
pub use scene::{Film, Frame, Points, Scene};
pub use settings::{PresetInfo, Settings};
pub use table::Table;
pub use training::TrainRequest;
pub use variant::{
    Batch, Description, Draws, Elements, Evaluated, Evaluation, Exported, Format, Imported, Kind, Measure, Networks,
    Preset, Preview, Rival, Variant,
};
pub use weights::ImportRequest;

#[doc(hidden)]
pub use inventory;

/// Registers a [`Variant`], or a [`Member`] of a family, so that every command and window knows it.
#[macro_export]
macro_rules! register {
    ($variant:ty) => {
        $crate::plugin::inventory::submit! { $crate::plugin::Plugin::of::<$variant>() }
    };
}
