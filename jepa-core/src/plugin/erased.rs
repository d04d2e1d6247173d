//! What everybody else sees of a variant: plain functions, so that the terminal, the desktop app and the conformance
//! suite work on variants they have never seen.

use std::path::Path;

use super::bench::{self, BenchReport, BenchRequest};
use super::evaluation::{self, EvaluateRequest, EvaluationInfo};
use super::inspection::{self, InspectRequest, Inspector};
use super::picture::{self, Checked, DataPreview, PreviewRequest};
use super::probing::{self, EmbedRequest, ProbeReport, ProbeRequest};
use super::settings::{self, PresetInfo, Settings};
use super::training::{self, TrainRequest};
use super::variant::{Evaluated, Exported, Format};
use super::weights::{self, ImportRequest};
use super::{Description, Variant, conformance};
use crate::error::Result;
use crate::probe::Features;
use crate::runlog::Observer;
use crate::train::Outcome;

/// A registered variant.
pub struct Plugin {
    /// The variant in words.
    pub description: Description,
    /// Data formats it reads.
    pub formats: &'static [&'static str],
    presets: fn() -> Result<Vec<PresetInfo>>,
    schema: fn() -> Result<serde_json::Value>,
    check: fn(&Settings) -> Result<Checked>,
    preview: fn(&PreviewRequest) -> Result<DataPreview>,
    train: fn(&TrainRequest, &mut dyn Observer) -> Result<Outcome>,
    probe: fn(&ProbeRequest) -> Result<ProbeReport>,
    evaluations: fn() -> Vec<EvaluationInfo>,
    evaluate: fn(&EvaluateRequest) -> Result<Evaluated>,
    embed: fn(&EmbedRequest) -> Result<Features>,
    inspect: fn(&InspectRequest) -> Result<Box<dyn Inspector>>,
    import: fn(&ImportRequest) -> Result<usize>,
    export: fn(&Path, Format) -> Result<Vec<Exported>>,
    bench: fn(&BenchRequest) -> Result<BenchReport>,
    conformance: fn() -> Result<Vec<&'static str>>,
}

impl Plugin {
    /// The plugin of a variant; used by [`register!`](crate::register).
    pub const fn of<V: Variant>() -> Self {
        Self {
            description: V::DESCRIPTION,
            formats: V::FORMATS,
            presets: settings::presets::<V>,
            schema: settings::schema::<V>,
            check: picture::check::<V>,
            preview: picture::preview::<V>,
            train: training::train::<V>,
            probe: probing::run_probe::<V>,
            evaluations: evaluation::evaluations::<V>,
            evaluate: evaluation::evaluate::<V>,
            embed: probing::embed::<V>,
            inspect: inspection::inspect::<V>,
            import: weights::import::<V>,
            export: weights::export::<V>,
            bench: bench::run::<V>,
            conformance: conformance::run::<V>,
        }
    }

    /// Its presets; the first is the default.
    pub fn presets(&self) -> Result<Vec<PresetInfo>> {
        (self.presets)()
    }

    /// JSON Schema of its configuration.
    pub fn schema(&self) -> Result<serde_json::Value> {
        (self.schema)()
    }

    /// Puts a configuration together and checks all of it but the data.
    pub fn check(&self, settings: &Settings) -> Result<Checked> {
        (self.check)(settings)
    }

    /// Samples as pictures, with the masks of a training step.
    pub fn preview(&self, request: &PreviewRequest) -> Result<DataPreview> {
        (self.preview)(request)
    }

    /// Trains.
    pub fn train(&self, request: &TrainRequest, observer: &mut dyn Observer) -> Result<Outcome> {
        (self.train)(request, observer)
    }

    /// Probes a run or imported weights.
    pub fn probe(&self, request: &ProbeRequest) -> Result<ProbeReport> {
        (self.probe)(request)
    }

    /// Evaluations of this variant beyond the probes.
    pub fn evaluations(&self) -> Vec<EvaluationInfo> {
        (self.evaluations)()
    }

    /// Runs one of them.
    pub fn evaluate(&self, request: &EvaluateRequest) -> Result<Evaluated> {
        (self.evaluate)(request)
    }

    /// Pooled features of a data set.
    pub fn embed(&self, request: &EmbedRequest) -> Result<Features> {
        (self.embed)(request)
    }

    /// Opens networks and a data set to look at single samples: layers, attention, masks of one's own.
    pub fn inspect(&self, request: &InspectRequest) -> Result<Box<dyn Inspector>> {
        (self.inspect)(request)
    }

    /// Writes foreign weights as a run folder; returns the number of tensors.
    pub fn import(&self, request: &ImportRequest) -> Result<usize> {
        (self.import)(request)
    }

    /// The target encoder of a run in a foreign layout.
    pub fn export(&self, path: &Path, format: Format) -> Result<Vec<Exported>> {
        (self.export)(path, format)
    }

    /// Measures.
    pub fn bench(&self, request: &BenchRequest) -> Result<BenchReport> {
        (self.bench)(request)
    }

    /// Holds the variant to every promise of [`conformance`]; returns the promises kept, or the first one broken.
    pub fn conformance(&self) -> Result<Vec<&'static str>> {
        (self.conformance)()
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("description", &self.description).finish_non_exhaustive()
    }
}
