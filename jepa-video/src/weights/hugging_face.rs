//! `VJEPA2Model`'s names of an encoder and a predictor.

use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::error::{KeyReport, Result};

use super::classifier;
use super::names::{Names, Parts};

const BLOCK: Parts = Parts {
    single: &[
        ("norm1", "norm1"),
        ("attn.proj", "attention.proj"),
        ("norm2", "norm2"),
        ("mlp.fc1", "mlp.fc1"),
        ("mlp.fc2", "mlp.fc2"),
    ],
    fused: &[("attn.qkv", &["attention.query", "attention.key", "attention.value"])],
};
const ENCODER: Names = Names {
    root: Parts {
        single: &[("patch_embed.proj", "encoder.embeddings.patch_embeddings.proj"), ("norm", "encoder.layernorm")],
        fused: &[],
    },
    blocks: ["blocks", "encoder.layer"],
    block: BLOCK,
};
const PREDICTOR: Names = Names {
    root: Parts {
        single: &[
            ("predictor_embed", "predictor.embeddings.predictor_embeddings"),
            ("predictor_norm", "predictor.layernorm"),
            ("predictor_proj", "predictor.proj"),
        ],
        fused: &[],
    },
    blocks: ["predictor_blocks", "predictor.layer"],
    block: BLOCK,
};
const MASK_TOKENS: &str = "predictor.embeddings.mask_tokens";
/// What names of a classification model have before those of its `VJEPA2Model`.
const MODEL: &str = "vjepa2.";

/// The networks of a folder.
pub struct Networks {
    /// The encoder.
    pub encoder: Named,
    /// The predictor.
    pub predictor: Option<Named>,
    /// Pooler and classifier of a `VJEPA2ForVideoClassification`.
    pub classifier: Option<Named>,
}

/// The networks in our names. Entries without a place are refused.
pub fn from_hugging_face(foreign: &Foreign) -> Result<Networks> {
    let bare = |name: &String| name.strip_prefix(MODEL).unwrap_or(name).to_owned();
    let mut theirs: Named = foreign.tensors.iter().map(|(name, tensor)| (bare(name), tensor.clone())).collect();
    let mut report = KeyReport { origin: foreign.origin.clone(), ..Default::default() };
    let encoder = ENCODER.take(&mut theirs, &mut report);
    let mut predictor = PREDICTOR.take(&mut theirs, &mut report);
    if let Some((shape, values)) = theirs.remove(MASK_TOKENS) {
        let width = shape.last().copied().unwrap_or(0).max(1);
        for (k, token) in values.chunks_exact(width).enumerate() {
            predictor.insert(format!("mask_tokens.{k}"), (vec![1, 1, width], token.to_vec()));
        }
    }
    let classifier = classifier::take(&mut theirs, &mut report);
    report.unexpected = theirs.into_keys().collect();
    report.into_result()?;
    let some = |named: Named| (!named.is_empty()).then_some(named);
    Ok(Networks { encoder, predictor: some(predictor), classifier: some(classifier) })
}

/// The networks in `VJEPA2Model`'s names, with a classifier in those of `VJEPA2ForVideoClassification`.
pub fn to_hugging_face(networks: &Networks) -> Result<Named> {
    let mut theirs = Named::new();
    ENCODER.give(&networks.encoder, &mut theirs)?;
    if let Some(predictor) = &networks.predictor {
        let tokens: Vec<&Vec<f32>> =
            (0..).map_while(|k| Some(&predictor.get(&format!("mask_tokens.{k}"))?.1)).collect();
        let width = tokens.first().map_or(0, |token| token.len());
        let values = tokens.iter().flat_map(|token| token.iter().copied()).collect();
        theirs.insert(MASK_TOKENS.to_owned(), (vec![tokens.len(), 1, 1, width], values));
        let rest = predictor.iter().filter(|(name, _)| !name.starts_with("mask_tokens."));
        let rest: Named = rest.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        PREDICTOR.give(&rest, &mut theirs)?;
    }
    if let Some(classifier) = &networks.classifier {
        theirs = theirs.into_iter().map(|(name, tensor)| (format!("{MODEL}{name}"), tensor)).collect();
        classifier::give(classifier, &mut theirs)?;
    }
    Ok(theirs)
}
