//! What an imported probe makes of frozen features: classes of clips.

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::nn::{AttentiveClassifier, AttentiveShape, BlockConfig, EncoderConfig, Init};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{VideoBatch, VideoEncoder, VideoJepa, by_clip};

/// An attentive classifier that came with imported weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Blocks among tokens, before the query's (V-JEPA 2: 3).
    pub blocks: usize,
    /// Attention heads (official probes: 16; `transformers`: the encoder's).
    pub heads: usize,
    /// Hidden width of the MLPs over the width.
    pub mlp_ratio: f64,
    /// Epsilon of the layer norms (official probes: 1e-5; `transformers`: the encoder's, 1e-6).
    pub eps: f64,
    /// Blocks of the encoder, counted from 0, whose normed outputs are read, one behind the other (the probes of Diving-48:
    /// 17, 19, 21, 23 for ViT-L, 24, 29, 34, 39 for ViT-g). Empty: the last block's.
    #[serde(default)]
    pub reads: Vec<usize>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

impl ClassifierConfig {
    /// Checks the numbers against an encoder whose blocks `levels` have norms of their own; errors name the key.
    pub(crate) fn check(&self, encoder: &EncoderConfig, levels: &[usize]) -> Result<()> {
        let bad = |key: &str, problem: String| Err(Error::config(format!("model.classifier.{key}"), problem));
        let (width, depth) = (encoder.width, encoder.depth);
        if self.heads == 0 || !width.is_multiple_of(self.heads) {
            return bad("heads", format!("{} does not divide the width {width}", self.heads));
        }
        if self.blocks > 64 {
            return bad("blocks", format!("expected at most 64, found {}", self.blocks));
        }
        let sound = |value: f64, most: f64| value.is_finite() && value > 0.0 && value <= most;
        if !sound(self.mlp_ratio, 64.0) || !sound(self.eps, 1.0) {
            return bad("mlp_ratio", format!("{} and eps {} must be positive", self.mlp_ratio, self.eps));
        }
        let ascend = self.reads.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || self.reads.iter().any(|block| *block >= depth) {
            return bad("reads", format!("{:?} must ascend and lie below the depth, {depth}", self.reads));
        }
        if let Some(block) = self.reads.iter().find(|block| !levels.is_empty() && !levels.contains(block)) {
            return bad("reads", format!("block {block} has no norm; those with one are {levels:?}"));
        }
        if self.classes.is_empty() {
            return bad("classes", "expected at least one name".into());
        }
        Ok(())
    }

    /// The classifier for an encoder of `width`.
    pub fn network(&self, width: usize, init: &mut Init) -> AttentiveClassifier {
        let hidden = (width as f64 * self.mlp_ratio) as usize;
        let block = BlockConfig { width, heads: self.heads, hidden, eps: self.eps };
        AttentiveClassifier::new(init, &AttentiveShape { blocks: self.blocks, block, classes: self.classes.len() })
    }
}

impl VideoJepa {
    /// Class scores of the clips of a clean batch, [clips, classes]: the classifier reads the tokens of all segments of a
    /// clip at once, after the blocks `reads` of `encoder` (empty: the last). None without a classifier.
    pub fn scores(
        &self,
        encoder: &VideoEncoder,
        batch: &VideoBatch,
        reads: &[usize],
        device: &Device,
    ) -> Option<Tensor<2>> {
        let classifier = self.classifier.as_ref()?;
        let last = [encoder.blocks.len().saturating_sub(1)];
        let blocks = if reads.is_empty() { &last } else { reads };
        let outputs = encoder.after(batch.upload(device), batch.layout(), blocks);
        let tokens = outputs.into_iter().map(|output| by_clip(output, batch)).collect();
        Some(classifier.forward(Tensor::cat(tokens, 1)))
    }
}
