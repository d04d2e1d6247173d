//! A configuration and its data before anything is trained: what it comes to, and pictures of samples with the masks
//! that a step draws on them.

use serde::Serialize;

use super::settings::resolve;
use super::{Batch, Draws, Plugin, Preview, Settings, Variant};
use crate::data::{DataSpec, Source, Split};
use crate::error::{Error, Result};
use crate::jepa::Batch as _;
use crate::masks::TokenSets;
use crate::objective::Objective;
use crate::random::{Purpose, Stream, epoch_of, epoch_order};
use crate::train::Schedule;

/// A configuration that passed every check but the data's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// Preset it began from.
    pub preset: String,
    /// All of it as TOML.
    pub config: String,
    /// Floating-point operations of one training step; 0 when unknown.
    pub flops: f64,
}

/// What pictures are asked for.
#[derive(Debug, Clone)]
pub struct PreviewRequest {
    /// The configuration.
    pub settings: Settings,
    /// Part of the data set.
    pub split: Split,
    /// Which samples.
    pub samples: Shown,
}

/// Which samples are to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The first `count` samples of the batch of a step (from 1), with that step's masks.
    Batch {
        /// The step.
        step: u64,
        /// Pictures wanted.
        count: usize,
    },
    /// These samples of the source, without masks.
    Indices(Vec<usize>),
}

/// A data set in words and pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPreview {
    /// What it is, in words; synthetic data says so.
    pub data: String,
    /// Number of samples.
    pub samples: usize,
    /// Names of the classes, empty without labels.
    pub classes: Vec<String>,
    /// What the batch says of itself, such as mask lengths; empty without masks.
    pub figures: Vec<(&'static str, f64)>,
    /// The samples, and why one could not be read.
    pub pictures: Vec<Result<SamplePicture, String>>,
}

/// One sample as a picture, with its tokens and masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplePicture {
    /// Index in the source.
    pub index: usize,
    /// What a person calls it.
    pub name: String,
    /// Its class, where known.
    pub label: Option<u32>,
    /// The picture.
    pub picture: Preview,
    /// Token that each pixel shows, row-major; none where it shows none.
    pub tokens: Vec<Option<u32>>,
    /// Its masks, one set a mask generator; none without masks.
    pub masks: Vec<TokenSets>,
}

/// Largest batch that is collated whole for its masks.
const WHOLE: usize = 64;

/// Samples of the batch of a step when none of them is damaged.
fn batch_indices(seed: u64, step: u64, batch: usize, samples: usize) -> impl Iterator<Item = usize> {
    let mut epoch: Option<(u64, Vec<u32>)> = None;
    (0..batch as u64).map(move |i| {
        let (number, at) = epoch_of((step - 1) * batch as u64 + i, samples);
        let known = epoch.take().filter(|(known, _)| *known == number);
        let (_, order) = epoch.insert(known.unwrap_or_else(|| (number, epoch_order(seed, number, samples))));
        order.get(at).map_or(0, |index| *index as usize)
    })
}

pub(super) fn check<V: Variant>(plugin: &Plugin, settings: &Settings) -> Result<Checked> {
    let (preset, config) = resolve::<V>(plugin, settings)?;
    let variant = V::new(&config.model)?;
    Objective::new(&config.objective)?;
    Schedule::new(&config.schedule, config.run.steps)?;
    Ok(Checked { preset, config: config.to_toml()?, flops: variant.flops(config.run.batch) * config.run.batch as f64 })
}

pub(super) fn preview<V: Variant>(plugin: &Plugin, request: &PreviewRequest) -> Result<DataPreview> {
    let (_, config) = resolve::<V>(plugin, &request.settings)?;
    let variant = V::new(&config.model)?;
    let source = variant.open(&DataSpec::parse(&config.data.source, V::FORMATS), request.split)?;
    if source.is_empty() {
        return Err(Error::data(config.data.source, "holds no samples"));
    }
    let seed = config.run.seed;
    let (indices, step, count) = match &request.samples {
        Shown::Indices(indices) => (indices.clone(), None, indices.len()),
        Shown::Batch { step, count } => {
            let step = (*step).max(1);
            // Masks of one batch share a length: a whole batch, unless it is a large one, gives those of training.
            let size = if config.run.batch <= WHOLE { config.run.batch } else { (*count).min(config.run.batch) };
            (batch_indices(seed, step, config.run.batch, source.len()).take(size).collect(), Some(step), *count)
        }
    };
    let read = |index: usize| match step {
        None => source.read(index),
        Some(step) => source.draw(index, &mut Stream::new(seed, Purpose::Part, step, index as u64)),
    };
    let batch = match step {
        None => None,
        Some(step) => {
            let (indices, samples): (Vec<usize>, Vec<V::Sample>) =
                indices.iter().filter_map(|i| Some((*i, read(*i).ok()?))).unzip();
            let draws = Draws::new(seed, step, indices);
            if samples.is_empty() { None } else { Some(variant.batch(samples, &draws)?) }
        }
    };
    let mut place = 0;
    let pictures = indices.into_iter().take(count).map(|index| {
        let sample = read(index);
        let mut drawn = draw::<V>(&variant, source.as_ref(), index, sample.map_err(|e| e.to_string())?);
        if let Some(batch) = &batch {
            masked(&variant, &mut drawn, &batch.shard(place..place + 1));
            place += 1;
        }
        Ok(drawn)
    });
    Ok(DataPreview {
        pictures: pictures.collect(),
        data: source.describe(),
        samples: source.len(),
        classes: source.classes().to_vec(),
        figures: batch.as_ref().map(|batch| batch.figures()).unwrap_or_default(),
    })
}

/// A sample without masks.
pub(super) fn draw<V: Variant>(
    variant: &V,
    source: &dyn Source<Sample = V::Sample>,
    index: usize,
    sample: V::Sample,
) -> SamplePicture {
    let picture = variant.preview(&sample);
    let tokens = variant.shown(&sample, &picture);
    SamplePicture { index, name: source.name(index), label: source.label(index), picture, tokens, masks: Vec::new() }
}

/// Lays the masks of a batch of one sample over it, as the collator augmented it.
fn masked<V: Variant>(variant: &V, drawn: &mut SamplePicture, batch: &Batch<V>) {
    drawn.masks = batch.mask_sets().iter().map(TokenSets::from).collect();
    if let Some((picture, tokens)) = variant.picture(batch) {
        (drawn.picture, drawn.tokens) = (picture, tokens);
    }
}

/// The first `count` samples that can be read, each as a training batch of its own. The same draws every time: what is
/// made of them at several moments of a run can be compared.
pub(crate) fn follow<V: Variant>(
    variant: &V,
    source: &dyn Source<Sample = V::Sample>,
    seed: u64,
    count: usize,
) -> Result<Vec<(SamplePicture, Batch<V>)>> {
    let mut followed = Vec::new();
    for index in 0..source.len() {
        if followed.len() == count {
            break;
        }
        let draws = Draws::new(seed, 1 + followed.len() as u64, vec![index]);
        let (Ok(sample), Ok(shown)) = (source.read(index), source.read(index)) else { continue };
        let mut drawn = draw(variant, source, index, shown);
        let batch = variant.batch(vec![sample], &draws)?;
        masked(variant, &mut drawn, &batch);
        followed.push((drawn, batch));
    }
    if followed.is_empty() {
        return Err(Error::data(source.describe(), "none of its samples can be read"));
    }
    Ok(followed)
}
