//! Everything that training changes, and how one update changes it.

use std::collections::BTreeMap;

use burn::prelude::*;

use super::{AdamW, AdamWConfig, Rates, Work};
use crate::checkpoint::{self, Bundle};
use crate::collapse::{follow, follow_statistics};
use crate::error::Result;
use crate::jepa::{Jepa, TargetSource};
use crate::objective::{Memory, Objective};

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
            ("optimizer.safetensors".to_owned(), checkpoint::encode(&optimizer)?),
        ]);
        let memory = self.memory.named();
        if !memory.is_empty() {
            files.insert("objective.safetensors".to_owned(), checkpoint::encode(&memory)?);
        }
        Ok(files)
    }

    /// Puts back what [`Self::files`] gave.
    pub fn restore(mut self, bundle: &Bundle) -> Result<Self> {
        let tensors = |name: &str| checkpoint::decode(bundle.file(name)?, &bundle.path.join(name));
        let origin = |name: &str| bundle.path.join(name).display().to_string();
        self.student =
            checkpoint::apply(self.student, &tensors("student.safetensors")?, &origin("student.safetensors"))?;
        if let Some(target) = self.target.take() {
            self.target =
                Some(checkpoint::apply(target, &tensors("target.safetensors")?, &origin("target.safetensors"))?);
        }
        let moments = self.optimizer.tensors(&self.student);
        let device = moments.first().map_or_else(Device::flex, |(_, t)| t.device());
        let leaves: Vec<_> = moments.into_iter().map(|(leaf, _)| leaf).collect();
        let name = "optimizer.safetensors";
        let moments = checkpoint::restore_leaves(&leaves, &tensors(name)?, &origin(name), &device)?;
        self.optimizer.restore(bundle.state()?.updates, moments);
        let name = "objective.safetensors";
        self.memory =
            if bundle.files.contains_key(name) { Memory::from_named(tensors(name)?) } else { Memory::default() };
        Ok(self)
    }
}
