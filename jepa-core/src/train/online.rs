//! The probe that learns beside a run: its place in the loop and in checkpoints.

use burn::module::Module as _;

use super::run::Run;
use crate::checkpoint::{self, Bundle};
use crate::data::Prepared;
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Batch as _, Jepa};
use crate::plugin::{Batch, Variant};
use crate::probe::{Network, OnlineFigures, OnlineProbe};
use crate::runlog::Event;

/// Its file in a checkpoint.
pub(super) const FILE: &str = "online.safetensors";

impl<V: Variant> Run<'_, V> {
    /// A probe that knows nothing, where one was asked for and the data has classes.
    pub(super) fn open_online(&mut self) {
        let config = self.config.probe.online;
        let classes = self.source.classes().len();
        self.online = (config.every > 0 && classes > 1).then(|| OnlineProbe::new(config, classes));
        if config.every > 0 && classes < 2 {
            self.warn(format!("no online probe: {} has no classes", self.source.describe()));
        }
    }

    /// The probe as a checkpoint has it.
    pub(super) fn restore_online(&mut self, bundle: Option<&Bundle>) -> Result<()> {
        self.open_online();
        if let Some(bundle) = bundle
            && let Some(probe) = self.online.take()
        {
            let tensors = match bundle.files.contains_key(FILE) {
                true => checkpoint::decode(bundle.file(FILE)?, &bundle.path.join(FILE))?,
                false => checkpoint::Named::new(),
            };
            self.online = Some(probe.restored(tensors));
        }
        Ok(())
    }

    /// A step of the probe on the batch of `step`, through the encoder as it is after the update. Nothing of it reaches
    /// the run: where it cannot be had, it is given up with a warning.
    pub(super) fn learn_online(&mut self, step: u64, prepared: &Prepared<Batch<V>>) {
        if !step.is_multiple_of(self.config.probe.online.every.max(1)) {
            return;
        }
        let Some(mut probe) = self.online.take() else { return };
        match self.online_step(&mut probe, prepared) {
            Ok(said) => {
                self.online = Some(probe);
                if let Some(OnlineFigures { accuracy, loss, samples }) = said {
                    self.say(Event::Online { step, accuracy: 100.0 * accuracy, loss, samples });
                }
            }
            Err(error) => self.warn(format!("the online probe ends: {error}")),
        }
    }

    fn online_step(&self, probe: &mut OnlineProbe, prepared: &Prepared<Batch<V>>) -> Result<Option<OnlineFigures>> {
        let label = |index: &usize| {
            let unknown = || Error::data(self.source.name(*index), "has no class");
            self.source.label(*index).ok_or_else(unknown)
        };
        let labels = prepared.indices.iter().map(label).collect::<Result<Vec<_>>>()?;
        let (rows, features) = self.batch_features(&prepared.batch)?;
        if rows != labels.len() {
            let because = format!("{} samples have {rows} rows of features", labels.len());
            return Err(Error::NotOffered { what: "an online probe", because });
        }
        probe.step(&features, &labels)
    }

    /// Rows and values of the pooled features of a batch, the replicas sharing the work.
    fn batch_features(&self, batch: &Batch<V>) -> Result<(usize, Vec<f32>)> {
        let learner = self.learner()?;
        let encoder = match self.config.probe.network {
            Network::Target => learner.encoder(),
            Network::Student => learner.student.target().valid(),
        };
        let (count, workers, device) = (batch.len(), self.replicas.count(), &self.session.engine.device);
        let ranges = (0..workers).map(|i| count * i / workers..count * (i + 1) / workers);
        let parts = self.replicas.map(ranges.filter(|range| !range.is_empty()).collect(), |range| {
            let pooled = self.config.probe.pool.apply(V::Model::features(&encoder, &batch.shard(range), device));
            Ok::<_, Error>((pooled.dims()[0], host::read(pooled)?))
        })?;
        let rows = parts.iter().map(|(rows, _)| rows).sum();
        Ok((rows, parts.into_iter().flat_map(|(_, values)| values).collect()))
    }
}
