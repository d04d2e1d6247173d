//! Which patches are seen, which predicted.

use jepa_core::error::Result;
use jepa_core::masks::{MaskRule, MaskSet, MultiBlock, MultiBlockConfig, RandomMask};
use jepa_core::plugin::Draws;
use jepa_core::random::TorchStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mask generators that a configuration can name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MaskConfig {
    /// Target blocks and a context block without them.
    MultiBlock(MultiBlockConfig),
    /// A random share of the patches, for ablations.
    Random(RandomMask),
}

/// A checked generator for one grid.
#[derive(Debug, Clone)]
pub struct Masks {
    sampler: Sampler,
    tokens: usize,
}

#[derive(Debug, Clone)]
enum Sampler {
    Blocks(MultiBlock, MaskRule),
    Random(RandomMask),
}

impl Masks {
    /// Checks the configuration against a grid of `rows` x `columns` patches.
    pub fn new(config: &MaskConfig, rows: usize, columns: usize) -> Result<Self> {
        let tokens = rows * columns;
        let sampler = match config {
            MaskConfig::MultiBlock(blocks) => Sampler::Blocks(MultiBlock::new(blocks, rows, columns)?, blocks.rule),
            MaskConfig::Random(random) => {
                random.check("model.masks", tokens)?;
                Sampler::Random(*random)
            }
        };
        Ok(Self { sampler, tokens })
    }

    /// Masks of a batch. The official rule takes block sizes from PyTorch's generator seeded with the number of batches
    /// before, as the official collator's shared counter does.
    pub fn sample(&self, batch: usize, draws: &Draws) -> Result<MaskSet> {
        let places = &mut draws.masks(1);
        match &self.sampler {
            Sampler::Blocks(blocks, MaskRule::Official) => {
                blocks.sample(batch, &mut TorchStream::new(draws.step - 1), places)
            }
            Sampler::Blocks(blocks, MaskRule::Corrected) => blocks.sample(batch, &mut draws.masks(0), places),
            Sampler::Random(random) => random.sample(batch, self.tokens, &mut draws.masks(0), places),
        }
    }
}
