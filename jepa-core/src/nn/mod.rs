//! Networks: positions, attention, pre-norm blocks, the ViT encoder and the predictor.
//!
//! Field names are PyTorch's, so that a parameter's path is its name in the official checkpoints.

mod attention;
mod attentive;
mod batch_norm;
mod block;
mod composed;
mod cpu;
mod encoder;
mod init;
mod kernels;
mod linear;
mod noise;
pub mod params;
mod pool;
pub mod positions;
mod precision;
mod predictor;
mod rotary;
mod watch;

pub use attention::{Attention, attention};
pub use attentive::{AttentiveClassifier, AttentivePooler, AttentiveShape, CrossAttention, CrossAttentionBlock};
pub use batch_norm::{BatchNorm, BatchStatistics};
pub use block::{Block, BlockConfig, Mlp, Transformer};
pub use encoder::{Encoder, EncoderConfig, PatchEmbed};
pub use init::{Init, InitScheme};
pub use linear::{LayerNorm, Linear, gelu, normalise, project};
pub use noise::{LayerNoise, Noise, NoiseConfig};
pub use pool::max_over_members;
pub use precision::Precision;
pub use predictor::{Predictor, PredictorConfig};
pub use rotary::{Rotary, RotaryConfig, RotaryForm, Rotation};
pub use watch::{Watched, watch};
