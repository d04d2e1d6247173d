//! A batch: clouds cut into groups, as the target encoder sees them and, where it differs, as the context encoder does.

use std::ops::Range;

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::Batch;
use jepa_core::masks::{MaskSet, TokenSets};

/// Clouds cut into groups, with masks when they are to be trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupBatch {
    cut: Cut,
    /// The same groups as the context encoder sees them, where it sees another pose.
    seen: Option<Cut>,
    /// clouds, groups, points a group
    shape: [usize; 3],
    masks: Option<MaskSet>,
}

/// Groups of clouds.
#[derive(Debug, Clone, PartialEq)]
struct Cut {
    /// [clouds, groups, points, 3] relative to the centres
    values: Vec<f32>,
    /// [clouds, groups, 3]
    centres: Vec<f32>,
}

impl Cut {
    fn fits(&self, [clouds, groups, points]: [usize; 3]) -> bool {
        self.values.len() == clouds * groups * points * 3 && self.centres.len() == clouds * groups * 3
    }

    fn part(&self, clouds: &Range<usize>, [_, groups, points]: [usize; 3]) -> Self {
        let part = |values: &[f32], size: usize| values[clouds.start * size..clouds.end * size].to_vec();
        Self { values: part(&self.values, groups * points * 3), centres: part(&self.centres, groups * 3) }
    }

    fn upload(&self, [clouds, groups, points]: [usize; 3], device: &Device) -> (Tensor<4>, Tensor<3>) {
        (
            Tensor::from_data(TensorData::new(self.values.clone(), [clouds, groups, points, 3]), device),
            Tensor::from_data(TensorData::new(self.centres.clone(), [clouds, groups, 3]), device),
        )
    }
}

impl GroupBatch {
    /// `values` [clouds, groups, points, 3] relative to `centres` [clouds, groups, 3]; masks must be for as many clouds
    /// and groups.
    pub fn new(values: Vec<f32>, centres: Vec<f32>, shape: [usize; 3], masks: Option<MaskSet>) -> Result<Self> {
        let [clouds, groups, _] = shape;
        let fits = masks.as_ref().is_none_or(|m| {
            m.context.iter().chain(&m.target).all(|mask| mask.batch() == clouds && mask.tokens() == groups)
                && !m.context.is_empty()
                && !m.target.is_empty()
        });
        let cut = Cut { values, centres };
        if !cut.fits(shape) || clouds == 0 || !fits {
            let (values, centres) = (cut.values.len(), cut.centres.len());
            return Err(Error::Engine(format!(
                "{values} values and {centres} centres do not make a batch of {shape:?}"
            )));
        }
        Ok(Self { cut, seen: None, shape, masks })
    }

    /// The same batch, of which the context encoder sees these values and centres: the same groups in another pose.
    pub fn seen_as(self, values: Vec<f32>, centres: Vec<f32>) -> Result<Self> {
        let seen = Cut { values, centres };
        if !seen.fits(self.shape) {
            let (values, centres, shape) = (seen.values.len(), seen.centres.len(), self.shape);
            return Err(Error::Engine(format!(
                "{values} values and {centres} centres are no view of a batch of {shape:?}"
            )));
        }
        Ok(Self { seen: Some(seen), ..self })
    }

    /// Which groups are seen and which predicted, where the batch is to be trained on.
    pub fn masks(&self) -> Option<&MaskSet> {
        self.masks.as_ref()
    }

    /// Groups [clouds, groups, points, 3] and centres [clouds, groups, 3].
    pub(crate) fn upload(&self, device: &Device) -> (Tensor<4>, Tensor<3>) {
        self.cut.upload(self.shape, device)
    }

    /// The same as the context encoder sees it, where that is another pose.
    pub(crate) fn upload_seen(&self, device: &Device) -> Option<(Tensor<4>, Tensor<3>)> {
        Some(self.seen.as_ref()?.upload(self.shape, device))
    }
}

impl Batch for GroupBatch {
    fn len(&self) -> usize {
        self.shape[0]
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let [_, groups, points] = self.shape;
        Self {
            cut: self.cut.part(&range, self.shape),
            seen: self.seen.as_ref().map(|seen| seen.part(&range, self.shape)),
            shape: [range.len(), groups, points],
            masks: self.masks.as_ref().map(|m| m.shard(range.clone())),
        }
    }

    fn mask_sets(&self) -> &[MaskSet] {
        self.masks.as_slice()
    }

    fn masked(&self, sets: &[TokenSets]) -> Result<Self> {
        let [set] = sets else {
            return Err(Error::config("mask", format!("expected the masks of one generator, found {}", sets.len())));
        };
        Ok(Self { masks: Some(set.repeated(self.shape[0], self.shape[1])?), ..self.clone() })
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let length = |masks: &[jepa_core::masks::Mask]| masks.first().map_or(0.0, |m| m.len() as f64);
        self.masks
            .iter()
            .flat_map(|m| [("context_tokens", length(&m.context)), ("target_tokens", length(&m.target))])
            .collect()
    }

    fn disturbed(&self, hidden: bool) -> Self {
        let [clouds, groups, points] = self.shape;
        let mut copy = self.clone();
        for cloud in 0..clouds {
            let visible = |group: usize| {
                self.masks.iter().flat_map(|m| &m.context).any(|m| m.row(cloud).contains(&(group as u32)))
            };
            for group in (0..groups).filter(|g| visible(*g) != hidden) {
                let at = cloud * groups + group;
                for cut in [Some(&mut copy.cut), copy.seen.as_mut()].into_iter().flatten() {
                    for (i, v) in cut.values[at * points * 3..(at + 1) * points * 3].iter_mut().enumerate() {
                        *v = *v * -0.5 + 0.1 * (i % 7) as f32;
                    }
                    cut.centres[at * 3..(at + 1) * 3].iter_mut().for_each(|v| *v = 0.2 - *v);
                }
            }
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_cut_and_disturbed_with_its_batch_and_must_fit_it() {
        let numbers = |count: usize, from: f32| (0..count).map(|i| from + i as f32).collect::<Vec<_>>();
        let batch = GroupBatch::new(numbers(36, 0.0), numbers(12, 0.0), [2, 2, 3], None).unwrap();
        assert!(batch.upload_seen(&Device::flex()).is_none());
        assert!(batch.clone().seen_as(numbers(36, 0.0), numbers(6, 0.0)).is_err());
        let batch = batch.seen_as(numbers(36, 100.0), numbers(12, 100.0)).unwrap();
        let second = batch.shard(1..2);
        let (values, centres) = second.upload_seen(&Device::flex()).unwrap();
        assert_eq!(values.into_data(), TensorData::new(numbers(18, 118.0), [1, 2, 3, 3]));
        assert_eq!(centres.into_data(), TensorData::new(numbers(6, 106.0), [1, 2, 3]));
        // Without masks every group is hidden.
        let disturbed = batch.disturbed(true);
        assert_ne!((disturbed.cut, disturbed.seen), (batch.cut, batch.seen));
    }
}
