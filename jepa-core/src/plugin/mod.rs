//! Plugins: what a modality writes ([`Variant`]), what everybody else sees of it ([`Plugin`]), and the promises both
//! are held to ([`conformance`]).

mod bench;
pub mod conformance;
mod erased;
mod probing;
mod registry;
mod variant;

pub use erased::{
    BenchReport, BenchRequest, EmbedRequest, ImportRequest, Plugin, PresetInfo, ProbeKind, ProbeLine, ProbeReport,
    ProbeRequest, Settings, Table, TrainRequest,
};
pub use registry::{find, of_run, variants};
pub use variant::{Batch, Description, Draws, Elements, Exported, Format, Imported, Kind, Preset, Preview, Variant};

#[doc(hidden)]
pub use inventory;

/// Registers a [`Variant`] so that every command and window knows it.
#[macro_export]
macro_rules! register {
    ($variant:ty) => {
        $crate::plugin::inventory::submit! { $crate::plugin::Plugin::of::<$variant>() }
    };
}
