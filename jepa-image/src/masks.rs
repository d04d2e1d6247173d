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
    config: MaskConfig,
    blocks: Option<MultiBlock>,
    tokens: usize,
}

impl Masks {
    /// Checks the configuration against a grid of `rows` x `columns` patches.
    pub fn new(config: &MaskConfig, rows: usize, columns: usize) -> Result<Self> {
        let blocks = match config {
            MaskConfig::MultiBlock(blocks) => Some(MultiBlock::new(blocks, rows, columns)?),
            MaskConfig::Random(random) => {
                random.check("model.masks", rows * columns)?;
                None
            }
        };
        Ok(Self { config: config.clone(), blocks, tokens: rows * columns })
    }

    /// Masks of a batch. The official rule takes block sizes from PyTorch's generator seeded with the number of batches
    /// before, as the official collator's shared counter does.
    pub fn sample(&self, batch: usize, draws: &Draws) -> Result<MaskSet> {
        match (&self.config, &self.blocks) {
            (MaskConfig::MultiBlock(config), Some(blocks)) if config.rule == MaskRule::Official => {
                blocks.sample(batch, &mut TorchStream::new(draws.step - 1), &mut draws.masks(1))
            }
            (_, Some(blocks)) => blocks.sample(batch, &mut draws.masks(0), &mut draws.masks(1)),
            (MaskConfig::Random(random), _) => {
                random.sample(batch, self.tokens, &mut draws.masks(0), &mut draws.masks(1))
            }
            (MaskConfig::MultiBlock(_), None) => unreachable!("`new` builds the sampler of every block configuration"),
        }
    }
}
