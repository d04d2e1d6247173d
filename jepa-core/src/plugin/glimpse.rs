//! Samples as the collator hands them to the networks: what is seen and what is hidden, for people to look at.

use std::sync::Arc;

use super::settings::{self, Settings};
use super::{Batch, Draws, Preview, Variant};
use crate::data::{DataSpec, Source, Split};
use crate::error::{Error, Result};
use crate::jepa::Batch as _;
use crate::masks::MaskSet;

/// One sample with its masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glimpse {
    /// The sample's name.
    pub name: String,
    /// The sample as a picture, after augmentation where its variant can draw that.
    pub picture: Preview,
    /// For each mask generator what becomes of every token, in the order of the tokens: bit 0, the context sees it; bit
    /// k, it is in hidden block k. 0: neither.
    pub roles: Vec<Vec<u8>>,
}

/// Hidden blocks that [`Glimpse::roles`] tells apart; further ones share the last bit.
const BLOCKS: usize = 7;

impl Glimpse {
    /// The roles of the tokens of the first row of a batch.
    pub(crate) fn roles(sets: &[MaskSet]) -> Vec<Vec<u8>> {
        let of = |set: &MaskSet| {
            let tokens = set.context.iter().chain(&set.target).map(|mask| mask.tokens()).max().unwrap_or(0);
            let mut roles = vec![0u8; tokens];
            let blocks = set.target.iter().enumerate().map(|(k, mask)| (1u8 << (k + 1).min(BLOCKS), mask));
            for (bit, mask) in set.context.iter().map(|mask| (1, mask)).chain(blocks) {
                mask.row(0).iter().for_each(|token| roles[*token as usize] |= bit);
            }
            roles
        };
        sets.iter().map(of).collect()
    }
}

/// The first `count` samples that can be read, each as a training batch of its own, with the draws of step `first` and
/// those after it. The same draws every time: what is written of several moments of a run can be compared.
pub(crate) fn look<V: Variant>(
    variant: &V,
    source: &dyn Source<Sample = V::Sample>,
    [seed, first]: [u64; 2],
    count: usize,
) -> Result<Vec<(Glimpse, Batch<V>)>> {
    let mut seen = Vec::new();
    for index in 0..source.len() {
        if seen.len() == count {
            break;
        }
        let draws = Draws::new(seed, first + seen.len() as u64, vec![index]);
        let Ok(sample) = source.draw(index, &mut draws.augment(0)) else { continue };
        let picture = variant.preview(&sample);
        let batch = variant.batch(vec![sample], &draws)?;
        let picture = variant.picture(&batch).unwrap_or(picture);
        seen.push((Glimpse { name: source.name(index), picture, roles: Glimpse::roles(batch.masks()) }, batch));
    }
    if seen.is_empty() {
        return Err(Error::data(source.describe(), "none of its samples can be read"));
    }
    Ok(seen)
}

/// The first `count` samples of what a configuration trains on, with the masks of step `first` and those after it.
pub(super) fn glimpse<V: Variant>(settings: &Settings, first: u64, count: usize) -> Result<Vec<Glimpse>> {
    let (_, config) = settings::resolve::<V>(settings)?;
    let variant = V::new(&config.model)?;
    let spec = DataSpec::parse(&config.data.source, V::FORMATS);
    let source: Arc<dyn Source<Sample = V::Sample>> = Arc::from(variant.open(&spec, Split::Train)?);
    let seen = look(&variant, source.as_ref(), [config.run.seed, first.max(1)], count)?;
    Ok(seen.into_iter().map(|(glimpse, _)| glimpse).collect())
}
