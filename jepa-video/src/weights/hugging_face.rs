//! `VJEPA2Model`'s names of an encoder and a predictor.

use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::error::{Error, KeyReport, Result};

/// Our names of parts outside the blocks, and theirs.
const ENCODER: [(&str, &str); 2] =
    [("patch_embed.proj", "encoder.embeddings.patch_embeddings.proj"), ("norm", "encoder.layernorm")];
const PREDICTOR: [(&str, &str); 3] = [
    ("predictor_embed", "predictor.embeddings.predictor_embeddings"),
    ("predictor_norm", "predictor.layernorm"),
    ("predictor_proj", "predictor.proj"),
];
const MASK_TOKENS: &str = "predictor.embeddings.mask_tokens";
/// Our names of parts of a block, and theirs; queries, keys and values are three tensors there.
const BLOCK: [(&str, &str); 5] = [
    ("norm1", "norm1"),
    ("attn.proj", "attention.proj"),
    ("norm2", "norm2"),
    ("mlp.fc1", "mlp.fc1"),
    ("mlp.fc2", "mlp.fc2"),
];
const QKV: [&str; 3] = ["attention.query", "attention.key", "attention.value"];

/// Encoder and, where it is there, predictor in our names. Entries without a place are refused, but for the pooler and
/// classifier of `VJEPA2ForVideoClassification`, which are a probe and no part of the networks.
pub fn from_hugging_face(foreign: &Foreign) -> Result<(Named, Option<Named>)> {
    let mut theirs: Named = foreign
        .tensors
        .iter()
        .map(|(name, tensor)| (name.strip_prefix("vjepa2.").unwrap_or(name).to_owned(), tensor.clone()))
        .filter(|(name, _)| !name.starts_with("pooler.") && !name.starts_with("classifier."))
        .collect();
    let mut report = KeyReport { origin: foreign.origin.clone(), ..Default::default() };
    let mut encoder = Named::new();
    roots(&mut theirs, &ENCODER, &mut encoder);
    blocks(&mut theirs, "encoder.layer", "blocks", &mut encoder, &mut report);
    let mut predictor = Named::new();
    roots(&mut theirs, &PREDICTOR, &mut predictor);
    blocks(&mut theirs, "predictor.layer", "predictor_blocks", &mut predictor, &mut report);
    if let Some((shape, values)) = theirs.remove(MASK_TOKENS) {
        let width = shape.last().copied().unwrap_or(0).max(1);
        for (k, token) in values.chunks_exact(width).enumerate() {
            predictor.insert(format!("mask_tokens.{k}"), (vec![1, 1, width], token.to_vec()));
        }
    }
    report.unexpected = theirs.into_keys().collect();
    report.into_result()?;
    Ok((encoder, (!predictor.is_empty()).then_some(predictor)))
}

fn roots(theirs: &mut Named, names: &[(&str, &str)], ours: &mut Named) {
    for (name, root) in names {
        for part in ["weight", "bias"] {
            if let Some(tensor) = theirs.remove(&format!("{root}.{part}")) {
                ours.insert(format!("{name}.{part}"), tensor);
            }
        }
    }
}

fn blocks(theirs: &mut Named, layers: &str, name: &str, ours: &mut Named, report: &mut KeyReport) {
    for layer in 0.. {
        let prefix = format!("{layers}.{layer}.");
        if !theirs.keys().any(|k| k.starts_with(&prefix)) {
            return;
        }
        for part in ["weight", "bias"] {
            for (mine, other) in BLOCK {
                if let Some(tensor) = theirs.remove(&format!("{prefix}{other}.{part}")) {
                    ours.insert(format!("{name}.{layer}.{mine}.{part}"), tensor);
                }
            }
            let mut fused: (Vec<usize>, Vec<f32>) = Default::default();
            for other in QKV {
                let key = format!("{prefix}{other}.{part}");
                let Some((mut shape, values)) = theirs.remove(&key) else {
                    report.missing.push(key);
                    continue;
                };
                if let Some(rows) = shape.first_mut() {
                    *rows = rows.saturating_mul(3);
                }
                if !fused.0.is_empty() && fused.0 != shape {
                    report.mismatched.push(format!("{key}: not of the shape of the projections before it"));
                }
                fused.0 = shape;
                fused.1.extend(values);
            }
            ours.insert(format!("{name}.{layer}.attn.qkv.{part}"), fused);
        }
    }
}

/// An encoder and perhaps a predictor in `VJEPA2Model`'s names.
pub fn to_hugging_face(encoder: &Named, predictor: Option<&Named>) -> Result<Named> {
    let mut theirs = Named::new();
    rename(encoder, &ENCODER, ["blocks.", "encoder.layer."], &mut theirs)?;
    if let Some(predictor) = predictor {
        let tokens: Vec<&Vec<f32>> =
            (0..).map_while(|k| Some(&predictor.get(&format!("mask_tokens.{k}"))?.1)).collect();
        let width = tokens.first().map_or(0, |token| token.len());
        let values = tokens.iter().flat_map(|token| token.iter().copied()).collect();
        theirs.insert(MASK_TOKENS.to_owned(), (vec![tokens.len(), 1, 1, width], values));
        let rest = predictor.iter().filter(|(name, _)| !name.starts_with("mask_tokens."));
        let rest: Named = rest.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        rename(&rest, &PREDICTOR, ["predictor_blocks.", "predictor.layer."], &mut theirs)?;
    }
    Ok(theirs)
}

fn rename(ours: &Named, roots: &[(&str, &str)], [blocks, layers]: [&str; 2], theirs: &mut Named) -> Result<()> {
    let unknown = |name: &str| Error::Engine(format!("`{name}` has no name in Hugging Face's layout"));
    let part = |name: &str, whole: &str| name.strip_prefix(whole).and_then(|r| r.strip_prefix('.')).map(str::to_owned);
    for (name, (shape, values)) in ours {
        if let Some((root, rest)) = roots.iter().find_map(|(mine, root)| Some((root, part(name, mine)?))) {
            theirs.insert(format!("{root}.{rest}"), (shape.clone(), values.clone()));
            continue;
        }
        let (layer, inside) = name.strip_prefix(blocks).and_then(|r| r.split_once('.')).ok_or_else(|| unknown(name))?;
        if let Some(rest) = part(inside, "attn.qkv") {
            let shape: Vec<usize> = std::iter::once(shape[0] / 3).chain(shape[1..].iter().copied()).collect();
            for (other, values) in QKV.iter().zip(values.chunks_exact((values.len() / 3).max(1))) {
                theirs.insert(format!("{layers}{layer}.{other}.{rest}"), (shape.clone(), values.to_vec()));
            }
            continue;
        }
        let (other, rest) =
            BLOCK.iter().find_map(|(mine, other)| Some((other, part(inside, mine)?))).ok_or_else(|| unknown(name))?;
        theirs.insert(format!("{layers}{layer}.{other}.{rest}"), (shape.clone(), values.clone()));
    }
    Ok(())
}
