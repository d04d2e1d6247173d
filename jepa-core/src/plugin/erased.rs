//! What everybody else sees of a variant: plain functions, so that the terminal, the desktop app and the conformance
//! suite work on variants they have never seen.

use std::path::Path;

use super::bench::{self, BenchReport, BenchRequest};
use super::evaluation::{self, EvaluateRequest, EvaluationInfo};
use super::inspection::{self, InspectRequest, Inspector};
use super::overhead::{self, OverheadReport, OverheadRequest};
use super::picture::{self, Checked, DataPreview, PreviewRequest};
use super::probing::{self, EmbedRequest, ProbeReport, ProbeRequest};
use super::settings::{self, PresetInfo, Settings};
use super::training::{self, TrainRequest};
use super::variant::{Evaluated, Exported, Format};
use super::weights::{self, ImportRequest};
use super::{Description, Member, Variant, conformance};
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
    check: fn(&Self, &Settings) -> Result<Checked>,
    preview: fn(&Self, &PreviewRequest) -> Result<DataPreview>,
    train: fn(&Self, &TrainRequest, &mut dyn Observer) -> Result<Outcome>,
    probe: fn(&ProbeRequest) -> Result<Vec<ProbeReport>>,
    evaluations: fn() -> Vec<EvaluationInfo>,
    evaluate: fn(&EvaluateRequest) -> Result<Evaluated>,
    embed: fn(&EmbedRequest) -> Result<Features>,
    inspect: fn(&Self, &InspectRequest) -> Result<Box<dyn Inspector>>,
    import: fn(&Self, &ImportRequest) -> Result<usize>,
    export: fn(&Path, Format) -> Result<Vec<Exported>>,
    bench: fn(&Self, &BenchRequest) -> Result<BenchReport>,
    overhead: fn(&Self, &OverheadRequest) -> Result<OverheadReport>,
    conformance: fn() -> Result<Vec<&'static str>>,
}

impl Plugin {
    /// The plugin of a variant or of a member of a family; used by [`register!`](crate::register). What takes long to
    /// compile is the family's alone.
    pub const fn of<M: Member>() -> Self {
        Self {
            description: M::DESCRIPTION,
            formats: <M::Family as Variant>::FORMATS,
            presets: settings::presets::<M>,
            schema: settings::schema::<M::Family>,
            check: picture::check::<M::Family>,
            preview: picture::preview::<M::Family>,
            train: training::train::<M::Family>,
            probe: probing::run_probe::<M::Family>,
            evaluations: evaluation::evaluations::<M::Family>,
            evaluate: evaluation::evaluate::<M::Family>,
            embed: probing::embed::<M::Family>,
            inspect: inspection::inspect::<M::Family>,
            import: weights::import::<M>,
            export: weights::export::<M::Family>,
            bench: bench::run::<M::Family>,
            overhead: overhead::run::<M::Family>,
            conformance: conformance::run::<M>,
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
        (self.check)(self, settings)
    }

    /// Samples as pictures, with the masks of a training step.
    pub fn preview(&self, request: &PreviewRequest) -> Result<DataPreview> {
        (self.preview)(self, request)
    }

    /// Trains.
    pub fn train(&self, request: &TrainRequest, observer: &mut dyn Observer) -> Result<Outcome> {
        (self.train)(self, request, observer)
    }

    /// Probes a run or imported weights; a report for every kind.
    pub fn probe(&self, request: &ProbeRequest) -> Result<Vec<ProbeReport>> {
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
        (self.inspect)(self, request)
    }

    /// Writes foreign weights as a run folder; returns the number of tensors.
    pub fn import(&self, request: &ImportRequest) -> Result<usize> {
        (self.import)(self, request)
    }

    /// The target encoder of a run in a foreign layout.
    pub fn export(&self, path: &Path, format: Format) -> Result<Vec<Exported>> {
        (self.export)(path, format)
    }

    /// Measures.
    pub fn bench(&self, request: &BenchRequest) -> Result<BenchReport> {
        (self.bench)(self, request)
    }

    /// Measures what every tool against collapse costs in a step.
    pub fn overhead(&self, request: &OverheadRequest) -> Result<OverheadReport> {
        (self.overhead)(self, request)
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
