//! Names and layouts of video checkpoints elsewhere.
//!
//! Official files hold `encoder`, `target_encoder` and `predictor` in our names, below prefixes that only wrap a network.
//! What `transformers` calls them:
//!
//! | here (and in the official code) | `VJEPA2Model` |
//! |---|---|
//! | `patch_embed.proj` | `encoder.embeddings.patch_embeddings.proj` |
//! | `blocks.i` | `encoder.layer.i` |
//! | `norm` | `encoder.layernorm` |
//! | `predictor_embed` | `predictor.embeddings.predictor_embeddings` |
//! | `mask_tokens.k` | `predictor.embeddings.mask_tokens`, row k |
//! | `predictor_blocks.i` | `predictor.layer.i` |
//! | `predictor_norm`, `predictor_proj` | `predictor.layernorm`, `predictor.proj` |
//! | `attn.qkv`, rows of q, k, v | `attention.{query,key,value}` |
//! | `attn.proj` | `attention.proj` |
//!
//! A `VJEPA2ForVideoClassification` has these below `vjepa2.`, and a classifier of frozen features beside them, as the
//! official probes are (`classifiers.0` of their files):
//!
//! | here (and in the official code) | `VJEPA2ForVideoClassification` |
//! |---|---|
//! | `pooler.query_tokens` | the same |
//! | `pooler.cross_attention_block` | `pooler.cross_attention_layer` |
//! | `pooler.blocks.i` | `pooler.self_attention_layers.i` |
//! | `norm1`, `norm2` | `layer_norm1`, `layer_norm2` |
//! | `xattn.q`; `xattn.kv`, rows of k and v | `cross_attn.{q_proj,k_proj,v_proj}` |
//! | `attn.qkv`, rows of q, k, v; `attn.proj` | `self_attn.{q_proj,k_proj,v_proj,out_proj}` |
//! | `linear` | `classifier` |

mod classifier;
mod hugging_face;
mod names;
pub mod v_jepa;
pub mod v_jepa_2;
pub mod v_jepa_2_ac;

pub use hugging_face::{Networks, from_hugging_face, to_hugging_face};

use jepa_core::checkpoint::{Foreign, Named, encode};
use jepa_core::error::{Error, KeyReport, Result};
use jepa_core::nn::EncoderConfig;
use jepa_core::plugin::Exported;
use serde_json::Value;

use crate::variants::SIZES;

/// Target encoder and whole student of an official file, in its own names; every entry that belongs to none of its
/// networks is refused, but for those that begin as one of `others` does. `leftovers` are names that are known and have no
/// place here.
fn official(foreign: &Foreign, leftovers: &[&str], others: &[&str]) -> Result<(Named, Option<Named>)> {
    // A distilled model is an average by itself; the target encoder beside it would be its teacher.
    let known = ["ema_encoder", "target_encoder", "encoder"];
    let has = |network: &str| foreign.tensors.keys().any(|k| k.starts_with(&format!("{network}.")));
    let network = match foreign.network.as_deref() {
        Some(name) if !known.contains(&name) => return Err(Error::unknown("network", name, &known)),
        Some(name) => name,
        None => known.into_iter().find(|name| has(name)).unwrap_or(known[0]),
    };
    // The optimiser's moments have no names of parameters; they belong to no network.
    let networks = ["encoder.", "target_encoder.", "ema_encoder.", "predictor.", "opt.", "scaler."];
    let unexpected: Vec<String> =
        foreign.tensors.keys().filter(|k| !networks.iter().chain(others).any(|n| k.starts_with(n))).cloned().collect();
    KeyReport { origin: foreign.origin.clone(), unexpected, ..Default::default() }.into_result()?;
    let clean = |network: &str| -> Named {
        foreign.below(network).into_iter().filter(|(name, _)| !leftovers.contains(&name.as_str())).collect()
    };
    let target = clean(network);
    if target.is_empty() {
        return Err(Error::format(&foreign.origin, format!("holds no network `{network}`")));
    }
    // Without an online encoder the predictor still reads the target's outputs.
    let encoder = if has("encoder") { clean("encoder") } else { target.clone() };
    let predictor = clean("predictor");
    let student = (!predictor.is_empty()).then(|| joined(encoder, predictor));
    Ok((target, student))
}

/// Encoder and predictor as the student's parts.
fn joined(encoder: Named, predictor: Named) -> Named {
    let below = |network: &'static str, tensors: Named| {
        tensors.into_iter().map(move |(name, tensor)| (format!("{network}.{name}"), tensor))
    };
    below("encoder", encoder).chain(below("predictor", predictor)).collect()
}

/// The shape of a tensor; its absence is an error that names it.
fn shape(tensors: &Named, name: &str, origin: &str) -> Result<Vec<usize>> {
    tensors.get(name).map(|(shape, _)| shape.clone()).ok_or_else(|| {
        let missing = vec![name.to_owned()];
        Error::Weights(KeyReport { origin: origin.to_owned(), missing, ..Default::default() })
    })
}

fn depth(tensors: &Named, blocks: &str) -> usize {
    (0..).take_while(|i| tensors.contains_key(&format!("{blocks}.{i}.norm1.weight"))).count()
}

/// Size of an encoder, with frames and pixels of its tubelets, from names and shapes; `heads` where something beside
/// them says it.
fn encoder(tensors: &Named, foreign: &Foreign, heads: Option<usize>) -> Result<(EncoderConfig, [usize; 2])> {
    let origin = foreign.origin.as_str();
    let kernel = shape(tensors, "patch_embed.proj.weight", origin)?;
    let hidden = shape(tensors, "blocks.0.mlp.fc1.weight", origin)?;
    let &[width, 3, tubelet, patch, other] = kernel.as_slice() else {
        let problem = format!(
            "patch_embed.proj.weight {kernel:?} is not a kernel [width, 3, frames, patch, patch]; pictures belong to i-jepa"
        );
        return Err(Error::format(origin, problem));
    };
    if patch != other {
        return Err(Error::format(origin, format!("its patches of {patch} x {other} pixels are not square")));
    }
    let heads = heads.or(foreign.heads).or_else(|| SIZES.iter().find(|s| s.1 == width).map(|s| s.3));
    let heads = heads.ok_or_else(|| {
        let problem = format!("width {width} is none of the official sizes, and the number of attention heads leaves no trace in weights: give it with --heads");
        Error::format(origin, problem)
    })?;
    let config = EncoderConfig {
        width,
        depth: depth(tensors, "blocks"),
        heads,
        mlp_ratio: ratio(hidden.first().copied().unwrap_or(0), width),
        eps: number(foreign, "layer_norm_eps").unwrap_or(1e-6),
    };
    // Before anything is computed from them: the numbers are a stranger's.
    config.check(origin)?;
    Ok((config, [tubelet, patch]))
}

/// The ratio whose product with the width is the hidden width again when it is cut to a whole number.
fn ratio(hidden: usize, width: usize) -> f64 {
    let (hidden, width) = (hidden as f64, width as f64);
    let ratio = hidden / width;
    if (width * ratio).floor() == hidden { ratio } else { (hidden + 0.5) / width }
}

/// A number of the `config.json` beside the weights.
fn number(foreign: &Foreign, key: &str) -> Option<f64> {
    foreign.config.as_ref()?.get(key).and_then(Value::as_f64)
}

fn whole(foreign: &Foreign, key: &str) -> Option<usize> {
    number(foreign, key).map(|n| n as usize)
}

/// The target encoder's kernel as the five-dimensional one of a convolution.
fn kernels(mut target: Named, tubelet: usize, patch: usize) -> Named {
    for (name, frames) in [("patch_embed.proj.weight", tubelet), ("patch_embed_img.proj.weight", 1)] {
        if let Some((shape, _)) = target.get_mut(name) {
            *shape = vec![shape[0], 3, frames, patch, patch];
        }
    }
    target
}

fn safetensors(target: &Named) -> Result<Vec<Exported>> {
    Ok(vec![Exported { name: "target_encoder.safetensors", bytes: encode(target)? }])
}
