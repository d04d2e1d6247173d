//! What a modality writes: one type per variant.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Scene;
use crate::checkpoint::{Foreign, Named};
use crate::data::{DataSpec, Source, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::jepa::Jepa;
use crate::random::{Purpose, Stream};
use crate::train::RunConfig;

/// Whether a variant predicts embeddings or is there to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A member of the family.
    Jepa,
    /// A method of another kind, for comparison.
    Comparison,
}

/// A variant in words: what the registry, the README's table and the desktop app show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Name in commands, lower case with hyphens.
    pub id: &'static str,
    /// Name for humans.
    pub title: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Authors, year, identifier.
    pub paper: &'static str,
    /// What samples are: "images", "clips", ..
    pub modality: &'static str,
    /// Member of the family or comparison.
    pub kind: Kind,
    /// x: the context.
    pub context: &'static str,
    /// y: the target.
    pub target: &'static str,
    /// z: the condition.
    pub condition: &'static str,
    /// D.
    pub distance: &'static str,
    /// What keeps the encoder from collapsing.
    pub against_collapse: &'static str,
}

/// A named configuration.
pub struct Preset<C> {
    /// Name in `--preset`.
    pub name: &'static str,
    /// What it is for, with its source.
    pub about: &'static str,
    /// The configuration.
    pub config: RunConfig<C>,
}

/// A sample as a picture, with the grid its tokens form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Row-major RGB.
    pub rgb: Vec<u8>,
    /// Rows and columns of tokens; tokens go row by row.
    pub grid: [usize; 2],
}

/// The elements of one clean sample that have labels of their own (the points of a cloud), and where they lie among its
/// tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Elements {
    /// Part of every element.
    pub labels: Vec<u32>,
    /// Of every element three tokens around it and their shares, which add up to one.
    pub around: Vec<[(u32, f32); 3]>,
    /// Raw values of every element, `width` each.
    pub values: Vec<f32>,
    /// Raw values of one element.
    pub width: usize,
}

impl Preview {
    /// Token that each pixel shows when the grid lies evenly over the picture.
    pub fn evenly(&self) -> Vec<Option<u32>> {
        let [rows, columns] = self.grid;
        let place = |at: usize, tokens: usize, pixels: usize| at * tokens / pixels.max(1);
        (0..self.height)
            .flat_map(|y| (0..self.width).map(move |x| [y, x]))
            .map(|[y, x]| place(y, rows, self.height) * columns + place(x, columns, self.width))
            .map(|token| (token < rows * columns).then_some(token as u32))
            .collect()
    }
}

/// Foreign weights in this variant's names.
pub struct Imported<C> {
    /// The configuration that fits them.
    pub config: RunConfig<C>,
    /// Weights of the target encoder.
    pub target: Named,
    /// Weights of the whole student, where the foreign file has them.
    pub student: Option<Named>,
}

/// A file to be written by an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// File name.
    pub name: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Layout of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A folder that `transformers` opens.
    HuggingFace,
    /// The names of `timm`.
    Timm,
    /// The official names in one safetensors file.
    Safetensors,
}

/// An evaluation that only some variants offer, under a name of its own beside the probes.
pub struct Evaluation<V: Variant> {
    /// Name in `probe --kind`.
    pub name: &'static str,
    /// What it measures, in one sentence.
    pub about: &'static str,
    /// Measures a run and, in the same table, runs `beside` it by name. `data` is a data specification; absent: the
    /// evaluation's own default.
    pub run: Measure<V>,
}

/// From the networks of a run, those of others and a data specification to figures.
pub type Measure<V> = fn(&Networks<V>, &[Rival<V>], Option<&str>) -> Result<Evaluated>;

/// Another run in the same table: its name and its networks.
pub type Rival<V> = (String, Networks<V>);

/// The networks of a run, frozen, with what to compare them to.
pub struct Networks<V: Variant> {
    /// The variant.
    pub variant: V,
    /// The configuration of the run.
    pub config: RunConfig<V::Config>,
    /// The trained student: context encoder and predictor.
    pub student: V::Model,
    /// The trained target encoder.
    pub target: <V::Model as Jepa>::Target,
    /// The networks as they were before training.
    pub untrained: V::Model,
    /// Where tensors live.
    pub engine: Engine,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// A table for people.
    pub text: String,
    /// The same for machines.
    pub figures: serde_json::Value,
    /// Files to be written beside it: name and content.
    pub files: Vec<(String, Vec<u8>)>,
}

/// One variant of the family: its configuration, data, model and masks. The type itself is the checked configuration.
pub trait Variant: Sized + Send + Sync + 'static {
    /// The variant in words.
    const DESCRIPTION: Description;
    /// Names of the data formats [`Self::open`] knows, `builtin` among them.
    const FORMATS: &'static [&'static str];

    /// The variant's part of the configuration, raw.
    type Config: Serialize + DeserializeOwned + JsonSchema + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static;
    /// One decoded sample.
    type Sample: Send + Sync + 'static;
    /// The networks.
    type Model: Jepa;

    /// Named configurations. The first is the default; one is named `tiny`, reads `builtin` and trains in seconds, for
    /// the conformance suite.
    fn presets() -> Vec<Preset<Self::Config>>;

    /// Checks a configuration; errors name the key below `model`.
    fn new(config: &Self::Config) -> Result<Self>;

    /// The networks, with weights drawn from `seed`, on a plain device.
    fn model(&self, seed: u64, device: &burn::prelude::Device) -> Self::Model;

    /// Opens a data set.
    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Self::Sample>>>;

    /// A training batch: augmentation and masks. Everything random comes from `draws`.
    fn batch(&self, samples: Vec<Self::Sample>, draws: &Draws) -> Result<Batch<Self>>;

    /// A batch of clean samples for frozen features. `view` 0 is the usual one; where a protocol draws something even
    /// here (the start of a subsampling), other numbers are other draws.
    fn clean(&self, samples: &[Self::Sample], view: u64) -> Result<Batch<Self>>;

    /// The sample's values as a probe on raw inputs sees them.
    fn raw(&self, sample: &Self::Sample) -> Result<Vec<f32>>;

    /// Descriptions of a sample that need no learning, by name, such as its mean pose: floors that probes print beside
    /// the features. The same names for every sample.
    fn shortcuts(&self, _sample: &Self::Sample) -> Result<Vec<(&'static str, Vec<f32>)>> {
        Ok(Vec::new())
    }

    /// The labelled elements of a sample as view 0 of [`Self::clean`] shows it; none without such labels.
    fn elements(&self, _sample: &Self::Sample) -> Result<Option<Elements>> {
        Ok(None)
    }

    /// The sample as a picture.
    fn preview(&self, sample: &Self::Sample) -> Preview;

    /// The first sample of a training batch as a picture after augmentation, with the token that each pixel shows. None:
    /// it is drawn as [`Self::preview`] has it.
    fn picture(&self, _batch: &Batch<Self>) -> Option<(Preview, Vec<Option<u32>>)> {
        None
    }

    /// Token that each pixel of the sample's [`Self::preview`] shows, row-major; none where it shows none. Masks,
    /// errors and features are drawn with it. By default the grid of tokens lies evenly over the picture.
    fn shown(&self, _sample: &Self::Sample, preview: &Preview) -> Vec<Option<u32>> {
        preview.evenly()
    }

    /// The clean sample from all sides, with its tokens numbered as in its features: frames, or points in space. By default
    /// the picture of [`Self::preview`].
    fn scene(&self, sample: &Self::Sample) -> Result<Scene> {
        let preview = self.preview(sample);
        let tokens = self.shown(sample, &preview);
        Ok(Scene::still(&preview, tokens))
    }

    /// Foreign weights in this variant's names.
    fn import(_foreign: &Foreign) -> Result<Imported<Self::Config>> {
        Err(Error::config("import", format!("no foreign weights are known for {}", Self::DESCRIPTION.id)))
    }

    /// The target encoder in a foreign layout, with those parts of the student that the layout has a place for.
    fn export(&self, _target: &Named, _student: Option<&Named>, _format: Format) -> Result<Vec<Exported>> {
        Err(Error::config("export", format!("no foreign layout is known for {}", Self::DESCRIPTION.id)))
    }

    /// Whether this type reads runs of the variant `id`: its own, of a family those of its
    /// [members](crate::plugin::Member).
    fn reads(id: &str) -> bool {
        id == Self::DESCRIPTION.id
    }

    /// Evaluations beyond the probes every variant has, such as surprise at impossible physics for video.
    fn evaluations() -> Vec<Evaluation<Self>> {
        Vec::new()
    }

    /// Floating-point operations of one training step a sample, two a multiplication with addition, for lengths as
    /// they are on average in batches of this size; 0 when unknown.
    fn flops(&self, _batch: usize) -> f64 {
        0.0
    }
}

/// The batch type of a variant.
pub type Batch<V> = <<V as Variant>::Model as Jepa>::Batch;

/// The random streams of one batch.
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u64,
    /// The step, from 1.
    pub step: u64,
    indices: Vec<usize>,
}

impl Draws {
    /// Streams of the batch of `step` with the samples `indices`.
    pub fn new(seed: u64, step: u64, indices: Vec<usize>) -> Self {
        Self { seed, step, indices }
    }

    /// What augments the sample at `place` in the batch.
    pub fn augment(&self, place: usize) -> Stream {
        let index = self.indices.get(place).copied().unwrap_or(place);
        Stream::new(self.seed, Purpose::Augment, self.step, index as u64)
    }

    /// What draws the masks of the whole batch; `kind` tells streams apart.
    pub fn masks(&self, kind: u64) -> Stream {
        Stream::new(self.seed, Purpose::Masks, self.step, kind)
    }
}
