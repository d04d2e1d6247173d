//! What the encoder makes of one sample, in host memory: the tokens of every layer, and what each token looks at.

use crate::error::{Error, Result};
use crate::host;
use crate::nn::Watched;
use crate::plugin::{SamplePicture, Scene};

/// One sample through an encoder.
#[derive(Debug, Clone)]
pub struct Look {
    /// The sample as a picture.
    pub sample: SamplePicture,
    /// The sample from all sides.
    pub scene: Scene,
    /// Tokens after every block, first to last, and behind them the features. Of a sample with several rows (persons,
    /// segments) blocks show the first; features are what everybody else gets.
    pub layers: Vec<Layer>,
    /// Queries and keys of every attention, first to last.
    pub attention: Vec<Heads>,
}

/// Tokens of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// "block 3", or "features".
    pub name: String,
    /// Values a token.
    pub width: usize,
    /// Row-major [tokens, width].
    pub values: Vec<f32>,
}

/// The queries and keys of one attention, places turned in.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads {
    /// Number of heads.
    pub heads: usize,
    /// Values a token, over all heads.
    pub width: usize,
    /// Row-major [tokens, width], head by head.
    queries: Vec<f32>,
    /// The same.
    keys: Vec<f32>,
}

impl Layer {
    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// A token; empty beyond the last.
    pub fn token(&self, token: usize) -> &[f32] {
        self.values.get(token * self.width..(token + 1) * self.width).unwrap_or(&[])
    }

    /// Cosine of every token with this one, −1 to 1; 0 for a token without length.
    pub fn similarity(&self, token: usize) -> Vec<f32> {
        let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
        let own = self.token(token);
        let own_length = length(own);
        let cosine = |row: &[f32]| {
            let product: f32 = row.iter().zip(own).map(|(a, b)| a * b).sum();
            let lengths = length(row) * own_length;
            if lengths > 0.0 { (product / lengths).clamp(-1.0, 1.0) } else { 0.0 }
        };
        self.values.chunks_exact(self.width.max(1)).map(cosine).collect()
    }
}

impl Heads {
    /// Of what was watched: the first row.
    pub(super) fn of(watched: &Watched) -> Result<Self> {
        let [_, tokens, fused] = watched.qkv.dims();
        let width = fused / 3;
        let values = host::read(watched.qkv.clone().narrow(0, 0, 1))?;
        let part = |part: usize| {
            let row = |token: usize| &values[token * fused + part * width..token * fused + (part + 1) * width];
            (0..tokens).flat_map(row).copied().collect()
        };
        Ok(Self { heads: watched.heads, width, queries: part(0), keys: part(1) })
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.keys.len() / self.width.max(1)
    }

    /// How `token` shares its attention out among all tokens, in one head: softmax(q kᵀ / √head width), which sums to
    /// one. Empty for a head or a token that is not there.
    pub fn head(&self, head: usize, token: usize) -> Vec<f32> {
        if head >= self.heads || token >= self.tokens() {
            return Vec::new();
        }
        let size = self.width / self.heads;
        let of = |rows: &'_ [f32], token: usize| {
            let start = token * self.width + head * size;
            rows[start..start + size].to_vec()
        };
        let query = of(&self.queries, token);
        let scale = (size as f32).powf(-0.5);
        let score = |other: usize| {
            let start = other * self.width + head * size;
            query.iter().zip(&self.keys[start..start + size]).map(|(q, k)| q * k).sum::<f32>() * scale
        };
        let scores: Vec<f32> = (0..self.tokens()).map(score).collect();
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f32 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }

    /// The mean of all heads.
    pub fn mean(&self, token: usize) -> Vec<f32> {
        let mut sum = vec![0.0; if token < self.tokens() { self.tokens() } else { 0 }];
        for head in 0..self.heads {
            let weights = self.head(head, token);
            sum.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight / self.heads as f32);
        }
        sum
    }
}

impl Look {
    /// The attention of one layer; refused for networks without any.
    pub fn heads(&self, layer: usize) -> Result<&Heads> {
        self.attention.get(layer).ok_or_else(|| {
            let because = match self.attention.len() {
                0 => "its encoder has no attention".to_owned(),
                count => format!("there is no layer {}, only {count}", layer + 1),
            };
            Error::NotOffered { what: "attention", because }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Block, BlockConfig, Init, InitScheme, watch};
    use burn::prelude::*;

    #[test]
    fn similarity_is_the_cosine_and_a_token_without_length_is_like_none() {
        let values = vec![1.0, 0.0, 2.0, 0.0, 0.0, -3.0, 0.0, 0.0, -1.0, 1.0];
        let layer = Layer { name: "block 1".into(), width: 2, values };
        let found = layer.similarity(0);
        for (found, expected) in found.iter().zip([1.0, 1.0, 0.0, 0.0, -(0.5f32.sqrt())]) {
            assert!((found - expected).abs() < 1e-6);
        }
        assert_eq!((layer.tokens(), layer.token(9).len(), layer.similarity(9)[0]), (5, 0, 0.0));
    }

    #[test]
    fn rows_on_the_host_are_those_of_the_tensors_head_by_head() {
        let init = &mut Init::new(3, InitScheme::FanIn, &Device::flex());
        let block = Block::new(init, BlockConfig { width: 24, heads: 3, hidden: 24, eps: 1e-6 }, 1);
        let values: Vec<f32> = (0..2 * 7 * 24).map(|i| 3.0 * (i as f32 * 0.37).sin()).collect();
        let x = Tensor::from_data(TensorData::new(values, [2, 7, 24]), &Device::flex());
        let (_, watched) = watch(|| block.forward(x));
        let heads = Heads::of(&watched[0]).unwrap();
        let p = host::read(watched[0].probabilities()).unwrap();
        let mut apart = 0f32;
        for (head, token) in (0..3).flat_map(|head| (0..7).map(move |token| (head, token))) {
            let row = heads.head(head, token);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let at = (head * 7 + token) * 7;
            assert!(row.iter().zip(&p[at..at + 7]).all(|(a, b)| (a - b).abs() < 1e-5), "head {head}, token {token}");
            // The control: another head.
            let other = ((head + 1) % 3 * 7 + token) * 7;
            apart = row.iter().zip(&p[other..other + 7]).map(|(a, b)| (a - b).abs()).fold(apart, f32::max);
        }
        assert!(apart > 0.05);
        assert!((heads.mean(2).iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(heads.head(3, 0).is_empty() && heads.head(0, 7).is_empty() && heads.mean(7).is_empty());
    }
}
