//! A frozen encoder: opens a run or imported weights, and turns samples into features.

use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;

use super::{Features, Network, Pool, ProbeConfig, TokenTable};
use crate::checkpoint::{self, Bundle, Disk};
use crate::data::{DataSpec, Source, Split};
use crate::device::Engine;
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::Jepa;
use crate::nn::watch;
use crate::plugin::Variant;
use crate::random::{Draw as _, Purpose, Stream};
use crate::train::config::{RunConfig, read_table};
use crate::train::{Replicas, default_replicas};

/// Most bytes of tokens that are kept for the attentive probe.
const TOKENS: usize = 32 << 30;
/// Samples a forward pass of one worker.
const CHUNK: usize = 32;

type Batch<V> = <<V as Variant>::Model as Jepa>::Batch;
pub(super) type Encoder<V> = <<V as Variant>::Model as Jepa>::Target;

/// The target encoder of a variant, frozen.
pub struct Frozen<V: Variant> {
    variant: Arc<V>,
    encoder: Encoder<V>,
    engine: Engine,
    workers: Replicas,
    pool: Pool,
    layers: usize,
    view: u64,
}

impl<V: Variant> Frozen<V> {
    /// Opens a run folder, an imported folder, or one checkpoint of a run, and reads it as its configuration says.
    pub fn open(path: &Path, engine: Engine) -> Result<Self> {
        let (config, bundle) = open_run::<V>(path)?;
        Self::of_bundle(&config, &bundle, &config.probe, engine)
    }

    /// The encoder of a checkpoint, read as `probe` says.
    pub(crate) fn of_bundle(
        config: &RunConfig<V::Config>,
        bundle: &Bundle,
        probe: &ProbeConfig,
        engine: Engine,
    ) -> Result<Self> {
        let variant = V::new(&config.model)?;
        let name = match probe.network {
            Network::Target => "target.safetensors",
            Network::Student => "student.safetensors",
        };
        let place = bundle.path.join(name);
        let tensors = checkpoint::decode(bundle.file(name)?, &place)?;
        let origin = place.display().to_string();
        // A fresh plain module gives the shapes; its weights are replaced at once.
        let model = variant.model(0, &engine.device);
        let encoder = match probe.network {
            Network::Target => checkpoint::apply(model.target().valid(), &tensors, &origin)?,
            Network::Student => checkpoint::apply(model, &tensors, &origin)?.target().valid(),
        };
        let workers = default_replicas(&engine);
        Ok(Self::from_parts(Arc::new(variant), encoder, engine, workers)?.reading(probe.pool, probe.layers))
    }

    /// An encoder from memory.
    pub fn from_parts(variant: Arc<V>, encoder: Encoder<V>, engine: Engine, workers: usize) -> Result<Self> {
        Ok(Self { variant, encoder, engine, workers: Replicas::new(workers)?, pool: Pool::Mean, layers: 1, view: 0 })
    }

    /// The same with another way from tokens to one vector: how they are pooled, and of how many of the last blocks.
    pub fn reading(self, pool: Pool, layers: usize) -> Self {
        Self { pool, layers, ..self }
    }

    /// Pools this many of the last blocks from now on.
    pub(crate) fn read_layers(&mut self, layers: usize) {
        self.layers = layers;
    }

    /// Looks at another view of clean samples from now on; 0 is the usual one ([`Variant::clean`]).
    pub fn see_as(&mut self, view: u64) {
        self.view = view;
    }

    /// The variant.
    pub fn variant(&self) -> &V {
        &self.variant
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder<V> {
        &self.encoder
    }

    /// Workers that share a forward pass.
    pub fn workers(&self) -> usize {
        self.workers.count()
    }

    /// Opens a data set for this variant.
    pub fn open_data(&self, spec: &str, split: Split) -> Result<Box<dyn Source<Sample = V::Sample>>> {
        self.variant.open(&DataSpec::parse(spec, V::FORMATS), split)
    }

    /// Features of every token: [samples, tokens, width] and the values, row-major.
    pub fn tokens(&self, samples: &[V::Sample]) -> Result<([usize; 3], Vec<f32>)> {
        self.forward(samples, |batch| Ok(self.pass(batch)))
    }

    /// One vector a sample, pooled over its tokens; of several blocks side by side: [samples, width] row-major.
    pub fn pooled(&self, samples: &[V::Sample]) -> Result<Vec<f32>> {
        Ok(self.forward(samples, |batch| self.vectors(batch))?.1)
    }

    fn pass(&self, batch: &Batch<V>) -> Tensor<3> {
        V::Model::features(&self.encoder, batch, &self.engine.device)
    }

    /// [samples, 1, width]. The blocks before the last one go through a layer norm without weights: what the encoder's own
    /// would add is undone by standardising.
    fn vectors(&self, batch: &Batch<V>) -> Result<Tensor<3>> {
        if self.layers == 1 {
            return Ok(self.pool.apply(self.pass(batch)));
        }
        let (last, watched) = watch(|| self.pass(batch));
        let mut blocks: Vec<_> = watched.into_iter().filter_map(|watched| watched.output).collect();
        if blocks.len() < self.layers {
            let problem = format!("{} blocks are to be read; the encoder has {}", self.layers, blocks.len());
            return Err(Error::config("probe.layers", problem));
        }
        blocks.pop();
        let inner = blocks.split_off(blocks.len() + 1 - self.layers).into_iter().map(normalised);
        Ok(Tensor::cat(inner.chain([last]).map(|tokens| self.pool.apply(tokens)).collect(), 2))
    }

    /// Transformer blocks that a sample goes through.
    pub(crate) fn depth(&self, source: &dyn Source<Sample = V::Sample>) -> Result<usize> {
        let batch = self.variant.clean(&readable(source, 1), self.view)?;
        let (_, watched) = watch(|| self.pass(&batch));
        Ok(watched.iter().filter(|watched| watched.output.is_some()).count())
    }

    fn forward(
        &self,
        samples: &[V::Sample],
        read: impl Fn(&Batch<V>) -> Result<Tensor<3>> + Sync,
    ) -> Result<([usize; 3], Vec<f32>)> {
        let chunk = samples.len().div_ceil(self.workers.count()).clamp(1, CHUNK);
        let parts = self.workers.map(samples.chunks(chunk).collect(), |samples: &[V::Sample]| {
            let batch = self.variant.clean(samples, self.view)?;
            let out = read(&batch)?;
            Ok((out.dims(), host::read(out)?))
        })?;
        let (mut dims, mut values) = ([0; 3], Vec::new());
        for part in parts {
            let (part_dims, part_values): ([usize; 3], Vec<f32>) = part;
            dims = [dims[0] + part_dims[0], part_dims[1], part_dims[2]];
            values.extend(part_values);
        }
        Ok((dims, values))
    }

    /// Pooled features of at most `limit` samples of a source, a fixed draw, those that can be read.
    pub fn features(&self, source: &dyn Source<Sample = V::Sample>, limit: usize) -> Result<Features> {
        self.collect_one(source, limit, |samples| self.pooled(samples))
    }

    /// All tokens of at most `limit` samples of a source, a fixed draw, those that can be read.
    /// Fails as soon as it is known that they take more than 32 GiB.
    pub fn token_table(&self, source: &dyn Source<Sample = V::Sample>, limit: usize) -> Result<TokenTable> {
        let (mut tokens, wanted) = (0, limit.min(source.len()));
        let rows = self.collect_one(source, limit, |samples| {
            // A few tell how large all will be.
            let few = if tokens == 0 { samples.len().min(CHUNK) } else { samples.len() };
            let ([_, count, width], mut values) = self.tokens(&samples[..few])?;
            let bytes = 4 * count * width;
            if bytes.saturating_mul(wanted) > TOKENS {
                let (most, gib) = (TOKENS / bytes, (bytes as f64 * wanted as f64) / f64::from(1 << 30));
                return Err(Error::config(
                    "probe.attentive.max_train",
                    format!("all {count} tokens of {wanted} samples take {gib:.0} GiB; give at most {most}"),
                ));
            }
            tokens = count;
            if few < samples.len() {
                values.extend(self.tokens(&samples[few..])?.1);
            }
            Ok(values)
        })?;
        Ok(TokenTable { rows, tokens })
    }

    /// The same a few samples at a time, none of which is kept.
    pub fn each_token_table(
        &self,
        source: &dyn Source<Sample = V::Sample>,
        limit: usize,
        mut visit: impl FnMut(&TokenTable) -> Result<()>,
    ) -> Result<()> {
        for places in chosen(source.len(), limit).chunks(CHUNK * self.workers()) {
            let mut tokens = 0;
            let tables = collect_places(source, places, &self.workers, |samples| {
                let ([_, count, _], values) = self.tokens(samples)?;
                tokens = count;
                Ok(vec![values])
            })?;
            for rows in tables {
                visit(&TokenTable { rows, tokens })?;
            }
        }
        Ok(())
    }

    /// The workers that share a forward pass.
    pub fn replicas(&self) -> &Replicas {
        &self.workers
    }

    /// Raw values of at most `limit` samples of a source, a fixed draw, those that can be read.
    pub fn raw(&self, source: &dyn Source<Sample = V::Sample>, limit: usize) -> Result<Features> {
        self.collect_one(source, limit, |samples| describe(samples, |sample| self.variant.raw(sample)))
    }

    fn collect_one(
        &self,
        source: &dyn Source<Sample = V::Sample>,
        limit: usize,
        mut values_of: impl FnMut(&[V::Sample]) -> Result<Vec<f32>>,
    ) -> Result<Features> {
        let tables = collect(source, limit, &self.workers, |samples| Ok(vec![values_of(samples)?]))?;
        tables.into_iter().next().ok_or_else(|| Error::Engine("no table of features was made".into()))
    }

    /// The same with another encoder.
    pub(super) fn with_encoder(&self, encoder: Encoder<V>) -> Result<Self> {
        let frozen = Self::from_parts(self.variant.clone(), encoder, self.engine.clone(), self.workers())?;
        Ok(Self { pool: self.pool, layers: self.layers, view: self.view, ..frozen })
    }

    /// Where tensors live.
    pub(super) fn device(&self) -> &Device {
        &self.engine.device
    }

    /// From tokens to one vector.
    pub(super) fn pool(&self) -> Pool {
        self.pool
    }
}

/// Tokens of mean 0 and variance 1 each.
fn normalised(tokens: Tensor<3>) -> Tensor<3> {
    let centred = tokens.clone() - tokens.mean_dim(2);
    let variance = centred.clone().powi_scalar(2).mean_dim(2);
    centred / (variance + 1e-6).sqrt()
}

/// The configuration and the newest sound checkpoint of a run of this variant.
pub(crate) fn open_run<V: Variant>(path: &Path) -> Result<(RunConfig<V::Config>, checkpoint::Bundle)> {
    let checkpoints = path.join("checkpoints");
    let folder = if checkpoints.is_dir() { checkpoints } else { path.to_owned() };
    let bundle = checkpoint::load_latest(&Disk, &folder)?;
    if !V::reads(&bundle.manifest.variant) {
        return Err(Error::format(
            &bundle.path,
            format!("is a checkpoint of `{}`, not of `{}`", bundle.manifest.variant, V::DESCRIPTION.id),
        ));
    }
    for problem in &bundle.passed_over {
        tracing::warn!("a newer checkpoint was passed over: {problem}");
    }
    Ok((RunConfig::from_table(read_table(&bundle.path.join("config.toml"))?)?, bundle))
}

/// The first `limit` samples that can be read.
pub fn readable<S: Send>(source: &dyn Source<Sample = S>, limit: usize) -> Vec<S> {
    (0..source.len()).filter_map(|i| source.read(i).ok()).take(limit).collect()
}

/// Samples that collapse figures are of.
const SAMPLED: usize = 256;
/// Most values of their tokens, a quarter of a gibibyte: long clips are fewer.
const VALUES: usize = 1 << 26;

/// Features of every token of a fixed draw of samples that can be read, [samples, tokens, width] for each encoder. None
/// with fewer than two.
pub(crate) fn sampled_tokens<V: Variant>(
    variant: &V,
    source: &dyn Source<Sample = V::Sample>,
    encoders: &[&Encoder<V>],
    device: &Device,
) -> Result<Option<Vec<Tensor<3>>>> {
    let mut parts: Vec<Vec<Tensor<3>>> = vec![Vec::new(); encoders.len()];
    let (mut count, mut values) = (0, 0);
    for places in chosen(source.len(), SAMPLED).chunks(CHUNK) {
        let samples: Vec<V::Sample> = places.iter().filter_map(|index| source.read(*index).ok()).collect();
        if samples.is_empty() {
            continue;
        }
        let batch = variant.clean(&samples, 0)?;
        for (encoder, parts) in encoders.iter().zip(&mut parts) {
            parts.push(V::Model::features(encoder, &batch, device));
        }
        count += samples.len();
        values += parts.first().and_then(|parts| parts.last()).map_or(0, |part| part.dims().iter().product());
        if values >= VALUES {
            break;
        }
    }
    Ok((count >= 2).then(|| parts.into_iter().map(|parts| Tensor::cat(parts, 0)).collect()))
}

/// Descriptions of samples, one after another.
pub(super) fn describe<S>(samples: &[S], of: impl Fn(&S) -> Result<Vec<f32>>) -> Result<Vec<f32>> {
    Ok(samples.iter().map(of).collect::<Result<Vec<_>>>()?.concat())
}

/// At most `limit` of `len` places, ascending: all, or a fixed draw. It gives every class of a source sorted by class, and
/// is out of step with one whose classes take turns.
pub(crate) fn chosen(len: usize, limit: usize) -> Vec<usize> {
    if len <= limit {
        return (0..len).collect();
    }
    let order = Stream::new(0, Purpose::Probe, len as u64, 2).permutation(len);
    let mut chosen: Vec<usize> = order.into_iter().take(limit).map(|place| place as usize).collect();
    chosen.sort_unstable();
    chosen
}

/// Tables of at most `limit` samples that can be read. `values_of` gives the rows of some samples for each table;
/// `workers` share the reading.
pub(super) fn collect<S: Send>(
    source: &dyn Source<Sample = S>,
    limit: usize,
    workers: &Replicas,
    values_of: impl FnMut(&[S]) -> Result<Vec<Vec<f32>>>,
) -> Result<Vec<Features>> {
    let tables = collect_places(source, &chosen(source.len(), limit), workers, values_of)?;
    if tables.is_empty() { Err(Error::data(source.describe(), "none of its samples can be read")) } else { Ok(tables) }
}

/// Tables of the samples at `places` that can be read; no tables where none can.
fn collect_places<S: Send>(
    source: &dyn Source<Sample = S>,
    places: &[usize],
    workers: &Replicas,
    mut values_of: impl FnMut(&[S]) -> Result<Vec<Vec<f32>>>,
) -> Result<Vec<Features>> {
    let (mut values, mut labels, mut indices) = (Vec::<Vec<f32>>::new(), Vec::new(), Vec::new());
    for block in places.chunks(1024) {
        let share = block.len().div_ceil(workers.count()).max(1);
        let read = workers.map(block.chunks(share).collect(), |places: &[usize]| {
            Ok(places.iter().map(|index| (*index, source.read(*index))).collect::<Vec<_>>())
        })?;
        let mut samples = Vec::with_capacity(block.len());
        for (index, sample) in read.into_iter().flatten() {
            match sample {
                Ok(sample) => {
                    samples.push(sample);
                    labels.push(source.label(index));
                    indices.push(index);
                }
                Err(error) => tracing::warn!("left out: {error}"),
            }
        }
        if !samples.is_empty() {
            let tables = values_of(&samples)?;
            values.resize_with(tables.len(), Vec::new);
            values.iter_mut().zip(tables).for_each(|(all, new)| all.extend(new));
        }
    }
    let table = |values| Features::new(values, labels.clone(), indices.clone(), source.classes().to_vec());
    values.into_iter().map(table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_holds_every_class_whether_classes_take_turns_or_are_sorted() {
        let kept = chosen(4000, 400);
        assert_eq!((kept.len(), chosen(10, 400)), (400, (0..10).collect()));
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]) && kept[399] < 4000);
        for class in 0..4 {
            assert!(kept.iter().filter(|index| *index % 4 == class).count() > 60);
            assert!(kept.iter().filter(|index| *index / 1000 == class).count() > 60);
        }
    }
}
