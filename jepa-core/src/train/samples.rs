//! What the networks make of a few samples, again and again over a run: `samples/` of the run folder.
//!
//! ```text
//! samples/pictures.safetensors        picture.I  u8 [height, width, 3]      tokens.I  i32 [height, width], -1: none
//!                                     roles.I  u8 [mask sets, tokens]       metadata: grid.I "rows,columns", name.I
//! samples/step-000000200.safetensors  error.I  f32 [mask sets, tokens]      embedding  f32 [samples, width]
//! ```
//!
//! Tokens are those that the pixels show. Roles: bit 0, the context sees the token; bit k, it is in hidden block k (blocks
//! after the seventh share the last bit); 0, neither. An error is the mean absolute difference between a predicted
//! embedding and its target, normalised as the objective has it, NaN where nothing is predicted. Crops and masks stay the
//! same over the run.

use std::collections::HashMap;

use burn::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

use super::run::Run;
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Batch as _, Forward, Jepa, Step};
use crate::masks::{Mask, MaskSet};
use crate::nn::normalise;
use crate::plugin::{Batch, SamplePicture, TokenSets, Variant, token_errors};

/// Samples that are followed.
const COUNT: usize = 8;

/// Samples that are followed over a run.
pub(super) struct Followed<V: Variant>(Vec<(SamplePicture, Batch<V>)>);

impl<V: Variant> Run<'_, V> {
    /// Writes what the networks make of the followed samples. That it cannot be written harms no run: it is said.
    pub(super) fn show(&mut self, step: u64) {
        let shown = match self.followed.take() {
            Some(followed) => Ok(followed),
            None => self.follow(),
        };
        let written = shown.and_then(|followed| {
            let written = self.write_errors(&followed, step);
            self.followed = Some(followed);
            written
        });
        if let Err(error) = written {
            self.warn(format!("samples are not shown: {error}"));
        }
    }

    fn follow(&mut self) -> Result<Followed<V>> {
        let seed = self.config.run.seed;
        let seen = crate::plugin::follow(self.variant.as_ref(), self.source.as_ref(), seed, COUNT)?;
        let (mut tensors, mut metadata) = (Vec::new(), HashMap::new());
        for (i, (SamplePicture { name, picture, tokens, masks, .. }, batch)) in seen.iter().enumerate() {
            let pixels = [picture.height, picture.width];
            tensors.push((format!("picture.{i}"), Dtype::U8, [&pixels[..], &[3]].concat(), picture.rgb.clone()));
            let shown = tokens.iter().flat_map(|token| token.map_or(-1, |token| token as i32).to_le_bytes()).collect();
            tensors.push((format!("tokens.{i}"), Dtype::I32, pixels.to_vec(), shown));
            let count = batch.mask_sets().iter().flat_map(|set| &set.target).map(Mask::tokens).max().unwrap_or(0);
            let roles = masks.iter().flat_map(|sets| roles(sets, count)).collect();
            tensors.push((format!("roles.{i}"), Dtype::U8, vec![masks.len(), count], roles));
            metadata.insert(format!("grid.{i}"), format!("{},{}", picture.grid[0], picture.grid[1]));
            metadata.insert(format!("name.{i}"), name.clone());
        }
        self.folder.write("samples/pictures.safetensors", &encode(&tensors, Some(metadata))?)?;
        Ok(Followed(seen))
    }

    fn write_errors(&self, Followed(seen): &Followed<V>, step: u64) -> Result<()> {
        let learner = self.learner()?;
        let (student, encoder) = (learner.student.valid(), learner.encoder());
        let device = &self.session.engine.device;
        let place =
            Step { batch_statistics: false, ..Step::new(step, self.config.run.steps, self.config.run.seed, device) };
        let eps = self.config.objective.normalise_targets;
        let found = self.replicas.with_all(|| {
            let of = |(_, batch): &(SamplePicture, Batch<V>)| {
                let errors = errors(student.forward(&encoder, batch, &place), batch.mask_sets(), eps)?;
                let pooled = V::Model::features(&encoder, batch, device).mean_dim(1);
                Ok((errors, host::read(pooled.narrow(0, 0, 1))?))
            };
            seen.iter().map(of).collect::<Result<Vec<_>>>()
        })?;
        let mut tensors = Vec::new();
        let (mut embedding, mut width) = (Vec::new(), 0);
        for (i, (errors, pooled)) in found.iter().enumerate() {
            let shape = vec![errors.len(), errors.first().map_or(0, Vec::len)];
            tensors.push((format!("error.{i}"), Dtype::F32, shape, bytes(&errors.concat())));
            width = pooled.len();
            embedding.extend(bytes(pooled));
        }
        tensors.push(("embedding".to_owned(), Dtype::F32, vec![seen.len(), width], embedding));
        self.folder.write(&format!("samples/step-{step:09}.safetensors"), &encode(&tensors, None)?)
    }
}

/// Hidden blocks that roles tell apart.
const BLOCKS: usize = 7;

/// What becomes of every one of `count` tokens.
fn roles(sets: &TokenSets, count: usize) -> Vec<u8> {
    let mut roles = vec![0u8; count];
    let blocks = sets.target.iter().enumerate().map(|(k, block)| (1u8 << (k + 1).min(BLOCKS), block));
    for (bit, tokens) in sets.context.iter().map(|seen| (1, seen)).chain(blocks) {
        for token in tokens {
            if let Some(role) = roles.get_mut(*token as usize) {
                *role |= bit;
            }
        }
    }
    roles
}

/// Mean absolute difference of every predicted token of the first row of a batch, by mask set; several predictions of a
/// token are averaged.
fn errors(forward: Forward, sets: &[MaskSet], eps: Option<f64>) -> Result<Vec<Vec<f32>>> {
    token_errors(forward.pairs, sets, |pair| {
        let target = match eps {
            Some(eps) => normalise(pair.target, eps),
            None => pair.target,
        };
        (pair.predicted - target).abs().mean_dim(2)
    })
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn encode(tensors: &[Stored], metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| Error::Engine(format!("encoding samples failed: {error}"));
    let mut views = Vec::with_capacity(tensors.len());
    for (name, dtype, shape, data) in tensors {
        views.push((name, TensorView::new(*dtype, shape.clone(), data).map_err(failed)?));
    }
    safetensors::serialize(views, metadata).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jepa::Pair;

    #[test]
    fn errors_stand_at_the_tokens_they_are_of_and_blocks_that_overlap_are_averaged() {
        let device = Device::flex();
        let mask = |row: Vec<u32>| Mask::new(&[row], 6).unwrap();
        let sets = [MaskSet { context: vec![mask(vec![0])], target: vec![mask(vec![2, 3]), mask(vec![3, 5])] }];
        // Rows (target mask): differences 1 and 2, then 4 and 3.
        let predicted =
            Tensor::from_data(TensorData::new(vec![1f32, 1., -2., 2., 4., 4., 3., -3.], [2, 2, 2]), &device);
        let target = Tensor::zeros([2, 2, 2], &device);
        let forward = Forward { pairs: vec![Pair { predicted, target }], ..Forward::default() };
        let found = errors(forward, &sets, None).unwrap();
        assert_eq!(found[0][2..4], [1.0, 3.0]);
        assert_eq!(found[0][5], 3.0);
        assert!([0, 1, 4].iter().all(|token| found[0][*token].is_nan()));
        assert_eq!(roles(&TokenSets::from(&sets[0]), 6), [1, 0, 2, 6, 0, 4]);
    }
}
