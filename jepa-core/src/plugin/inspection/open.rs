//! A variant's networks behind the trait that anybody can ask.

use std::sync::{Arc, Mutex};

use burn::module::Module as _;

use super::{Error, Errors, InspectRequest, Inspected, Inspector, Layer, Look, Result, Weights, WhatIf, token_errors};
use crate::checkpoint::{self, Bundle, Named};
use crate::data::{DataSpec, Source};
use crate::device::Engine;
use crate::host;
use crate::jepa::{Batch as _, Jepa, Pair, Step};
use crate::masks::TokenSets;
use crate::nn::watch;
use crate::objective::{Memory, Objective};
use crate::plugin::picture::draw;
use crate::plugin::settings::resolve;
use crate::plugin::variant::{Batch, Draws};
use crate::plugin::{Plugin, SamplePicture, Variant};
use crate::probe::{self, Network};
use crate::train::RunConfig;

use super::look::Heads;

/// Networks of a variant with a data set.
pub(in crate::plugin) struct Opened<V: Variant> {
    pub(in crate::plugin) variant: V,
    pub(in crate::plugin) config: RunConfig<V::Config>,
    /// Context encoder and predictor; none of imported weights that have none.
    pub(in crate::plugin) student: Option<V::Model>,
    pub(in crate::plugin) target: <V::Model as Jepa>::Target,
    pub(in crate::plugin) objective: Objective,
    pub(in crate::plugin) memory: Memory,
    pub(in crate::plugin) source: Box<dyn Source<Sample = V::Sample>>,
    pub(in crate::plugin) engine: Engine,
    pub(in crate::plugin) about: Inspected,
    /// The last sample that was asked for: several questions follow each other about one.
    pub(in crate::plugin) last: Mutex<Option<(usize, Arc<Batch<V>>)>>,
}

pub(in crate::plugin) fn inspect<V: Variant>(plugin: &Plugin, request: &InspectRequest) -> Result<Box<dyn Inspector>> {
    let device = &request.engine.device;
    let (config, bundle) = match &request.weights {
        Weights::Trained(path) => {
            let (config, bundle) = probe::open_run::<V>(path)?;
            (config, Some(bundle))
        }
        Weights::Untrained(settings) => (resolve::<V>(plugin, settings)?.1, None),
    };
    let variant = V::new(&config.model)?;
    let fresh = variant.model(config.run.seed, device).valid();
    let (student, target, memory, step) = match &bundle {
        None => (Some(fresh.clone()), fresh.target().clone(), Memory::default(), None),
        Some(bundle) => {
            let read = |name: &str| tensors(bundle, name);
            let Some(target) = read("target.safetensors")? else {
                return Err(Error::format(&bundle.path, "has no target.safetensors"));
            };
            let origin = |name: &str| bundle.path.join(name).display().to_string();
            let encoder = checkpoint::apply(fresh.target().clone(), &target, &origin("target.safetensors"))?;
            let student = read("student.safetensors")?;
            let student = student.map(|named| checkpoint::apply(fresh, &named, &origin("student.safetensors")));
            let memory = read("objective.safetensors")?.map(Memory::from_named).unwrap_or_default();
            (student.transpose()?, encoder, memory, Some(bundle.state()?.step))
        }
    };
    let data = request.data.as_deref().unwrap_or(&config.data.source);
    let source = variant.open(&DataSpec::parse(data, V::FORMATS), request.split)?;
    if source.is_empty() {
        return Err(Error::data(data, "holds no samples"));
    }
    let distance = serde_json::to_value(config.objective.distance).ok();
    let distance = distance.and_then(|value| Some(value.get("kind")?.as_str()?.to_owned()));
    let about = Inspected {
        data: source.describe(),
        samples: source.len(),
        classes: source.classes().to_vec(),
        step,
        distance: distance.unwrap_or_else(|| V::DESCRIPTION.distance.to_owned()),
    };
    let (objective, engine) = (Objective::new(&config.objective)?, request.engine.clone());
    let last = Mutex::default();
    Ok(Box::new(Opened::<V> { variant, config, student, target, objective, memory, source, engine, about, last }))
}

/// The tensors of a file of a checkpoint, where there is one.
fn tensors(bundle: &Bundle, name: &str) -> Result<Option<Named>> {
    let read = || checkpoint::decode(bundle.file(name)?, &bundle.path.join(name));
    bundle.files.contains_key(name).then(read).transpose()
}

impl<V: Variant> Opened<V> {
    fn sample(&self, index: usize) -> Result<V::Sample> {
        if index >= self.source.len() {
            let problem = format!("there is no sample {index}, only {}", self.source.len());
            return Err(Error::data(self.source.describe(), problem));
        }
        self.source.read(index)
    }

    /// The sample as a clean batch of its own.
    fn clean(&self, index: usize) -> Result<Arc<Batch<V>>> {
        let known = self.last.lock().ok().and_then(|last| last.clone());
        if let Some((_, batch)) = known.filter(|(known, _)| *known == index) {
            return Ok(batch);
        }
        let batch = Arc::new(self.variant.clean(&[self.sample(index)?], 0)?);
        if let Ok(mut last) = self.last.lock() {
            *last = Some((index, batch.clone()));
        }
        Ok(batch)
    }

    fn student(&self) -> Result<&V::Model> {
        self.student.as_ref().ok_or_else(|| Error::NotOffered {
            what: "a prediction",
            because: "these weights hold the target encoder alone, without context encoder and predictor".into(),
        })
    }

    /// The errors of the forward pass of training on a batch of one sample, outside of training.
    pub(in crate::plugin) fn errors(&self, batch: &Batch<V>) -> Result<WhatIf> {
        let run = &self.config.run;
        let number = self.about.step.unwrap_or(0).max(1);
        let step = Step { batch_statistics: false, ..Step::new(number, run.steps, run.seed, &self.engine.device) };
        let sets = batch.mask_sets();
        let pairs = self.student()?.forward(&self.target, batch, &step).pairs;
        if sets.is_empty() || pairs.is_empty() || pairs.len() % sets.len() != 0 {
            let because = "its predictions are not those of tokens that a mask hides".to_owned();
            return Err(Error::NotOffered { what: "an error a token", because });
        }
        let each = pairs.len() / sets.len();
        let measure = |pair: &Pair| {
            let pair = Pair { predicted: pair.predicted.clone(), target: pair.target.clone() };
            host::scalar(self.objective.each(pair, &self.memory).mean())
        };
        let means = pairs.iter().map(measure).collect::<Result<Vec<f64>>>()?;
        let tokens = token_errors(pairs, sets, |pair| self.objective.each(pair, &self.memory))?;
        let mean = |generator: usize| means[generator * each..(generator + 1) * each].iter().sum::<f64>() / each as f64;
        let generators = tokens.into_iter().enumerate().map(|(i, tokens)| Errors { tokens, mean: mean(i) });
        Ok(WhatIf { generators: generators.collect() })
    }
}

impl<V: Variant> Inspector for Opened<V> {
    fn about(&self) -> &Inspected {
        &self.about
    }

    fn look(&self, index: usize, network: Network) -> Result<Look> {
        let sample = self.sample(index)?;
        let scene = self.variant.scene(&sample)?;
        let sample: SamplePicture = draw(&self.variant, self.source.as_ref(), index, sample);
        let encoder = match network {
            Network::Target => &self.target,
            Network::Student => self.student()?.target(),
        };
        let batch = self.clean(index)?;
        let (features, watched) = watch(|| V::Model::features(encoder, &batch, &self.engine.device));
        let mut layers = Vec::with_capacity(watched.len() + 1);
        for (i, output) in watched.iter().filter_map(|watched| watched.output.as_ref()).enumerate() {
            let values = host::read(output.clone().narrow(0, 0, 1))?;
            layers.push(Layer { name: format!("block {}", i + 1), width: output.dims()[2], values });
        }
        let width = features.dims()[2];
        layers.push(Layer { name: "features".into(), width, values: host::read(features)? });
        let attention = watched.iter().map(Heads::of).collect::<Result<Vec<_>>>()?;
        Ok(Look { sample, scene, layers, attention })
    }

    fn own_masks(&self, index: usize, step: u64) -> Result<Vec<TokenSets>> {
        let draws = Draws::new(self.config.run.seed, step.max(1), vec![index]);
        let batch = self.variant.batch(vec![self.sample(index)?], &draws)?;
        if batch.mask_sets().is_empty() {
            let because = "its batches are not hidden by sets of tokens".to_owned();
            return Err(Error::NotOffered { what: "the run's own mask", because });
        }
        Ok(batch.mask_sets().iter().map(TokenSets::from).collect())
    }

    fn what_if(&self, index: usize, masks: &[TokenSets]) -> Result<WhatIf> {
        self.errors(&self.clean(index)?.masked(masks)?)
    }
}
