//! The attentive classifier of V-JEPA's probes: blocks among tokens, one learned query that looks at all of them, one linear
//! map to class scores. Field names are those of the official probes (`src/models/attentive_pooler.py`).

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::{Block, BlockConfig, Init, LayerNorm, Linear, Mlp};

/// Shape of an attentive classifier.
#[derive(Debug, Clone, Copy)]
pub struct AttentiveShape {
    /// Blocks among tokens, before the query's.
    pub blocks: usize,
    /// Shape of these, and of the query's.
    pub block: BlockConfig,
    /// Number of classes.
    pub classes: usize,
}

/// Tokens to class scores.
#[derive(Module, Debug)]
pub struct AttentiveClassifier {
    /// Tokens to one vector.
    pub pooler: AttentivePooler,
    /// One vector to class scores.
    pub linear: Linear,
}

/// Tokens to one vector.
#[derive(Module, Debug)]
pub struct AttentivePooler {
    /// The query, [1, 1, width].
    pub query_tokens: Param<Tensor<3>>,
    /// The query looks at the tokens.
    pub cross_attention_block: CrossAttentionBlock,
    /// Tokens look at each other, before.
    pub blocks: Vec<Block>,
}

/// y = q + XAttn(q, LN(x)), then y + MLP(LN(y)): the query itself is not normalised.
#[derive(Module, Debug)]
pub struct CrossAttentionBlock {
    /// Of the tokens.
    pub norm1: LayerNorm,
    /// The query looks at the tokens.
    pub xattn: CrossAttention,
    /// Before the MLP.
    pub norm2: LayerNorm,
    /// Of the query.
    pub mlp: Mlp,
}

/// Attention of a query, without a map behind it.
#[derive(Module, Debug)]
pub struct CrossAttention {
    /// Of the query, width to width.
    pub q: Linear,
    /// Of the tokens, width to twice the width: keys, then values.
    pub kv: Linear,
    /// Attention heads.
    #[module(skip)]
    pub heads: usize,
}

impl AttentiveClassifier {
    /// A classifier with weights from `init`.
    pub fn new(init: &mut Init, shape: &AttentiveShape) -> Self {
        let &AttentiveShape { blocks, block, classes } = shape;
        let BlockConfig { width, heads, hidden, eps } = block;
        let blocks: Vec<Block> = (1..=blocks).map(|layer| Block::new(init, block, layer)).collect();
        let depth = blocks.len() + 1;
        let query_tokens = init.token(width);
        let norm1 = LayerNorm::new(init, width, eps);
        let (q, kv) = (Linear::new(init, width, width), Linear::new(init, width, 2 * width));
        let norm2 = LayerNorm::new(init, width, eps);
        let fc1 = Linear::new(init, width, hidden);
        let matrix = init.residual_matrix(hidden, width, depth);
        let mlp = Mlp { fc1, fc2: Linear::of(matrix, init, width) };
        let cross_attention_block = CrossAttentionBlock { norm1, xattn: CrossAttention { q, kv, heads }, norm2, mlp };
        let linear = Linear::new(init, width, classes);
        Self { pooler: AttentivePooler { query_tokens, cross_attention_block, blocks }, linear }
    }

    /// [samples, tokens, width] to class scores, [samples, classes].
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<2> {
        self.linear.forward(self.pooler.forward(tokens)).squeeze_dim(1)
    }
}

impl AttentivePooler {
    /// [samples, tokens, width] to [samples, 1, width].
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(x));
        let [samples, _, width] = tokens.dims();
        let query = self.query_tokens.val().expand([samples, 1, width]);
        let block = &self.cross_attention_block;
        let y = query.clone() + block.xattn.forward(query, block.norm1.forward(tokens));
        y.clone() + block.mlp.fc2.forward(block.mlp.hidden(block.norm2.forward(y)))
    }
}

impl CrossAttention {
    /// What the query [samples, 1, width] sees of [samples, tokens, width]: [samples, 1, width].
    fn forward(&self, query: Tensor<3>, tokens: Tensor<3>) -> Tensor<3> {
        let [samples, count, width] = tokens.dims();
        let (heads, head) = (self.heads, width / self.heads);
        let q = self.q.forward(query).reshape([samples, 1, heads, head]).swap_dims(1, 2);
        let kv = self.kv.forward(tokens).reshape([samples, count, 2, heads, head]);
        let [k, v] = [0, 1].map(|i| kv.clone().narrow(2, i, 1).squeeze_dim::<4>(2).swap_dims(1, 2));
        let looks = softmax(q.matmul(k.swap_dims(2, 3)) * (head as f64).powf(-0.5), 3);
        looks.matmul(v).swap_dims(1, 2).reshape([samples, 1, width])
    }
}
