//! Random masks: the ablation that shows what blocks are good for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mask, MaskSet};
use crate::error::{Error, Result};
use crate::random::Draw;

/// Hides a random share of the tokens, one target an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomMask {
    /// Range of the hidden share, drawn once a batch (I-JEPA's ablation: 0.4 to 0.6).
    pub ratio: [f64; 2],
}

impl RandomMask {
    /// Checks the range.
    pub fn check(&self, place: &str, tokens: usize) -> Result<()> {
        let [low, high] = self.ratio;
        let kept = (tokens as f64 * (1.0 - high)) as usize;
        if !(0.0 < low && low <= high && high < 1.0) || kept == 0 || kept == tokens {
            return Err(Error::config(
                place,
                format!("ratio [{low}, {high}] must lie in (0, 1) and leave tokens on both sides of {tokens}"),
            ));
        }
        Ok(())
    }

    /// Masks for a batch, in the order they were drawn, as the official collator gives them.
    pub fn sample(
        &self,
        batch: usize,
        tokens: usize,
        sizes: &mut impl Draw,
        places: &mut impl Draw,
    ) -> Result<MaskSet> {
        let ratio = self.ratio[0] + f64::from(sizes.uniform()) * (self.ratio[1] - self.ratio[0]);
        let kept = (tokens as f64 * (1.0 - ratio)) as usize;
        let (mut visible, mut hidden) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            let mut order = places.permutation(tokens);
            hidden.push(order.split_off(kept));
            visible.push(order);
        }
        Ok(MaskSet { context: vec![Mask::new(&visible, tokens)?], target: vec![Mask::new(&hidden, tokens)?] })
    }
}
