//! Everything that training changes, and how one update changes it.

use std::collections::BTreeMap;

use burn::prelude::*;

use super::{AdamW, AdamWConfig, Rates, Work};
use crate::checkpoint::{self, Bundle, Named};
use crate::collapse::{follow, follow_statistics};
use crate::error::Result;
use crate::jepa::{Jepa, TargetSource};
use crate::objective::{Memory, Objective};

/// The file of the optimiser's state.
const OPTIMIZER: &str = "optimizer.safetensors";

/// Everything that training changes.
pub struct Learner<J: Jepa> {
    /// The networks that are optimised, on a plain device.
    pub student: J,
    /// s_y's network, for the target sources that have one of their own.
    pub target: Option<J::Target>,
    /// Moments.
    pub optimizer: AdamW,
    /// What the objective remembers.
    pub memory: Memory,
}

impl<J: Jepa> Learner<J> {
    /// A fresh learner.
    pub fn new(student: J, source: TargetSource, config: &AdamWConfig) -> Result<Self> {
        let target = matches!(source, TargetSource::Ema | TargetSource::Frozen).then(|| student.target().valid());
        Ok(Self { optimizer: AdamW::new(config, &student)?, student, target, memory: Memory::default() })
    }

    /// The network s_y is computed with: a plain module, or `None` for [`TargetSource::Shared`].
    pub fn target_network(&self, source: TargetSource) -> Option<J::Target> {
        match source {
            TargetSource::Ema | TargetSource::Frozen => self.target.clone(),
            TargetSource::StopGradient => Some(self.student.target().valid()),
            TargetSource::Shared => None,
        }
    }

    /// The network frozen features come from.
    pub fn encoder(&self) -> J::Target {
        self.target.clone().unwrap_or_else(|| self.student.target().valid())
    }

    /// One optimiser update, then everything that follows: running figures, the target, the objective's memory.
    pub fn update(mut self, work: Work, rates: Rates, source: TargetSource, objective: &Objective) -> Result<Self> {
        self.student = self.optimizer.update(self.student, work.gradients, work.norm, rates)?;
        if !work.statistics.is_empty() {
            self.student = follow_statistics(self.student, &work.statistics)?;
        }
        if source == TargetSource::Ema
            && let Some(target) = self.target.take()
        {
            self.target = Some(follow(target, self.student.target(), rates.momentum, J::is_averaged)?);
        }
        objective.remember(&mut self.memory, work.observed);
        Ok(self)
    }

    /// The tensors as checkpoint files.
    pub fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let optimizer = checkpoint::named_leaves(self.optimizer.tensors(&self.student))?;
        let mut files = BTreeMap::from([
            ("student.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&self.student)?)?),
            ("target.safetensors".to_owned(), checkpoint::encode(&checkpoint::named(&self.encoder())?)?),
            (OPTIMIZER.to_owned(), checkpoint::encode(&optimizer)?),
        ]);
        let memory = self.memory.named();
        if !memory.is_empty() {
            files.insert("objective.safetensors".to_owned(), checkpoint::encode(&memory)?);
        }
        Ok(files)
    }

    /// Puts back what [`Self::files`] gave.
    pub fn restore(self, bundle: &Bundle) -> Result<Self> {
        let mut learner = self.networks(bundle)?;
        let moments = learner.optimizer.tensors(&learner.student);
        let device = moments.first().map_or_else(Device::flex, |(_, t)| t.device());
        let leaves: Vec<_> = moments.into_iter().map(|(leaf, _)| leaf).collect();
        let (tensors, origin) = tensors(bundle, OPTIMIZER)?;
        let moments = checkpoint::restore_leaves(&leaves, &tensors, &origin, &device)?;
        learner.optimizer.restore(bundle.state()?.updates, moments);
        let name = "objective.safetensors";
        learner.memory = match bundle.files.contains_key(name) {
            true => Memory::from_named(self::tensors(bundle, name)?.0),
            false => Memory::default(),
        };
        Ok(learner)
    }

    /// Begins with what another run came to: its networks and the optimiser's state. Imported weights have no such state:
    /// whether there was one is said.
    pub fn begin_with(self, bundle: &Bundle) -> Result<(Self, bool)> {
        match bundle.files.contains_key(OPTIMIZER) {
            true => Ok((self.restore(bundle)?, true)),
            false => Ok((self.networks(bundle)?, false)),
        }
    }

    fn networks(mut self, bundle: &Bundle) -> Result<Self> {
        let (student, origin) = tensors(bundle, "student.safetensors")?;
        self.student = checkpoint::apply(self.student, &student, &origin)?;
        if let Some(target) = self.target.take() {
            let (tensors, origin) = tensors(bundle, "target.safetensors")?;
            self.target = Some(checkpoint::apply(target, &tensors, &origin)?);
        }
        Ok(self)
    }
}

/// A file of a checkpoint, and what to call it.
fn tensors(bundle: &Bundle, name: &str) -> Result<(Named, String)> {
    let path = bundle.path.join(name);
    Ok((checkpoint::decode(bundle.file(name)?, &path)?, path.display().to_string()))
}
