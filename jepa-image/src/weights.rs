//! Names and layouts of I-JEPA weights elsewhere.
//!
//! | here (and in the official code) | Hugging Face, on disk | Hugging Face, in memory |
//! |---|---|---|
//! | `pos_embed` | `embeddings.position_embeddings` | the same |
//! | `patch_embed.proj` | `embeddings.patch_embeddings.projection` | the same |
//! | `blocks.i.norm1` | `encoder.layer.i.layernorm_before` | `layers.i.layernorm_before` |
//! | `blocks.i.attn.qkv`, rows of q, k, v | `encoder.layer.i.attention.attention.{query,key,value}` | `layers.i.attention.{q,k,v}_proj` |
//! | `blocks.i.attn.proj` | `encoder.layer.i.attention.output.dense` | `layers.i.attention.o_proj` |
//! | `blocks.i.norm2` | `encoder.layer.i.layernorm_after` | `layers.i.layernorm_after` |
//! | `blocks.i.mlp.fc1` | `encoder.layer.i.intermediate.dense` | `layers.i.mlp.fc1` |
//! | `blocks.i.mlp.fc2` | `encoder.layer.i.output.dense` | `layers.i.mlp.fc2` |
//! | `norm` | `layernorm` | the same |

use jepa_core::checkpoint::{Foreign, Named, encode};
use jepa_core::error::{Error, KeyReport, Result};
use jepa_core::nn::{EncoderConfig, PredictorConfig};
use jepa_core::plugin::{Exported, Format, Imported};
use jepa_core::train::RunConfig;
use serde_json::{Value, json};

use crate::data::Normalise;
use crate::variants::i_jepa::IJepaConfig;
use crate::variants::i_jepa::presets::{SIZES, official};

/// Our name of a parameter of a block, and its names in the two Hugging Face styles.
const BLOCK: [(&str, &str, &str); 5] = [
    ("norm1", "layernorm_before", "layernorm_before"),
    ("attn.proj", "attention.output.dense", "attention.o_proj"),
    ("norm2", "layernorm_after", "layernorm_after"),
    ("mlp.fc1", "intermediate.dense", "mlp.fc1"),
    ("mlp.fc2", "output.dense", "mlp.fc2"),
];
const QKV: [(&str, &str); 3] = [
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
];
const ROOT: [(&str, &str); 3] = [
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("norm", "layernorm"),
];

/// Recognises an official checkpoint, an official state dictionary or a Hugging Face folder.
pub fn import(foreign: &Foreign) -> Result<Imported<IJepaConfig>> {
    let has = |start: &str| foreign.tensors.keys().any(|k| k.starts_with(start));
    if has("embeddings.") || has("ijepa.embeddings.") {
        import_hugging_face(foreign)
    } else if has("target_encoder.pos_embed") || has("encoder.pos_embed") {
        import_official(foreign)
    } else if has("pos_embed") {
        let config = configuration(&foreign.tensors, None, foreign)?;
        Ok(Imported { config, target: foreign.tensors.clone(), student: None })
    } else {
        let some: Vec<&str> = foreign.tensors.keys().take(5).map(String::as_str).collect();
        Err(Error::format(
            &foreign.origin,
            format!("its names are neither official I-JEPA's nor Hugging Face's: {}, ..", some.join(", ")),
        ))
    }
}

fn import_official(foreign: &Foreign) -> Result<Imported<IJepaConfig>> {
    let known = ["encoder", "target_encoder"];
    let network = foreign.network.as_deref().unwrap_or("target_encoder");
    if !known.contains(&network) {
        return Err(Error::unknown("network", network, &known));
    }
    // The optimiser's moments have no names of parameters; they belong to no network.
    let networks = ["encoder.", "target_encoder.", "predictor.", "opt.", "scaler."];
    let unexpected: Vec<String> =
        foreign.tensors.keys().filter(|k| !networks.iter().any(|n| k.starts_with(n))).cloned().collect();
    KeyReport { origin: foreign.origin.clone(), unexpected, ..Default::default() }.into_result()?;

    let target = foreign.below(network);
    if target.is_empty() {
        return Err(Error::format(&foreign.origin, format!("holds no network `{network}`")));
    }
    let predictor = foreign.below("predictor");
    let config = configuration(&target, (!predictor.is_empty()).then_some(&predictor), foreign)?;
    let student: Named = foreign
        .tensors
        .iter()
        .filter(|(k, _)| k.starts_with("encoder.") || k.starts_with("predictor."))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let complete = student.keys().any(|k| k.starts_with("encoder.")) && !predictor.is_empty();
    Ok(Imported { config, target, student: complete.then_some(student) })
}

fn import_hugging_face(foreign: &Foreign) -> Result<Imported<IJepaConfig>> {
    let target = hugging_face_encoder(foreign)?;
    let config = configuration(&target, None, foreign)?;
    Ok(Imported { config, target, student: None })
}

/// An encoder in Hugging Face's names, on disk or in memory, in ours; on any grid. Entries without a place, and
/// projections that are missing or of different shapes, are refused; every other gap shows when a model takes it.
pub fn hugging_face_encoder(foreign: &Foreign) -> Result<Named> {
    let mut theirs: Named = foreign
        .tensors
        .iter()
        .map(|(name, tensor)| (name.strip_prefix("ijepa.").unwrap_or(name).to_owned(), tensor.clone()))
        .collect();
    let mut target = Named::new();
    let mut report = KeyReport { origin: foreign.origin.clone(), ..Default::default() };
    for (ours, name) in ROOT {
        for part in ["", ".weight", ".bias"] {
            if let Some(tensor) = theirs.remove(&format!("{name}{part}")) {
                target.insert(format!("{ours}{part}"), tensor);
            }
        }
    }
    for layer in 0.. {
        let (disk, memory) = (format!("encoder.layer.{layer}."), format!("layers.{layer}."));
        let (prefix, on_disk) = if theirs.keys().any(|k| k.starts_with(&disk)) {
            (disk, true)
        } else if theirs.keys().any(|k| k.starts_with(&memory)) {
            (memory, false)
        } else {
            break;
        };
        for part in ["weight", "bias"] {
            for (ours, disk, memory) in BLOCK {
                let name = if on_disk { disk } else { memory };
                if let Some(tensor) = theirs.remove(&format!("{prefix}{name}.{part}")) {
                    target.insert(format!("blocks.{layer}.{ours}.{part}"), tensor);
                }
            }
            let mut fused: (Vec<usize>, Vec<f32>) = Default::default();
            for (disk, memory) in QKV {
                let name = format!("{prefix}{}.{part}", if on_disk { disk } else { memory });
                let Some((mut shape, values)) = theirs.remove(&name) else {
                    report.missing.push(name);
                    continue;
                };
                if let Some(rows) = shape.first_mut() {
                    *rows = rows.saturating_mul(3);
                }
                if !fused.0.is_empty() && fused.0 != shape {
                    report.mismatched.push(format!("{name}: not of the shape of the projections before it"));
                }
                fused.0 = shape;
                fused.1.extend(values);
            }
            target.insert(format!("blocks.{layer}.attn.qkv.{part}"), fused);
        }
    }
    report.unexpected = theirs.into_keys().collect();
    report.into_result()?;
    Ok(target)
}

/// The configuration that a set of official names and shapes implies.
fn configuration(encoder: &Named, predictor: Option<&Named>, foreign: &Foreign) -> Result<RunConfig<IJepaConfig>> {
    let origin = foreign.origin.as_str();
    let shape = |tensors: &Named, name: &str| -> Result<Vec<usize>> {
        tensors.get(name).map(|(shape, _)| shape.clone()).ok_or_else(|| {
            Error::Weights(KeyReport {
                origin: origin.to_owned(),
                missing: vec![name.to_owned()],
                ..Default::default()
            })
        })
    };
    let depth = |tensors: &Named, blocks: &str| {
        (0..).take_while(|i| tensors.contains_key(&format!("{blocks}.{i}.norm1.weight"))).count()
    };
    let positions = shape(encoder, "pos_embed")?;
    let kernel = shape(encoder, "patch_embed.proj.weight")?;
    let hidden = shape(encoder, "blocks.0.mlp.fc1.weight")?;
    let (&[_, tokens, width], &[_, channels, patch, _]) = (positions.as_slice(), kernel.as_slice()) else {
        return Err(Error::format(
            origin,
            format!(
                "pos_embed {positions:?} and patch_embed.proj.weight {kernel:?} are not a table [1, tokens, width] and a kernel [width, channels, patch, patch]"
            ),
        ));
    };
    let side = (tokens as f64).sqrt().round() as usize;
    if side * side != tokens {
        return Err(Error::format(
            origin,
            format!("its {tokens} positions are no square grid; only square pictures can be imported"),
        ));
    }
    let number = |key: &str| foreign.config.as_ref().and_then(|c| c.get(key)).and_then(Value::as_f64);
    let known = number("num_attention_heads").map(|n| n as usize).or(foreign.heads);
    let heads = known.or_else(|| SIZES.iter().find(|s| s.1 == width).map(|s| s.3)).ok_or_else(|| {
        let problem = format!("width {width} is none of the official sizes, and the number of attention heads leaves no trace in weights: give it with --heads");
        Error::format(&foreign.origin, problem)
    })?;
    let encoder = EncoderConfig {
        width,
        depth: depth(encoder, "blocks"),
        heads,
        mlp_ratio: mlp_ratio(hidden.first().copied().unwrap_or(0), width),
        eps: number("layer_norm_eps").unwrap_or(1e-6),
    };
    // Before anything is computed from them: the numbers are a stranger's.
    encoder.check(origin)?;
    let predictor = match predictor {
        Some(p) => PredictorConfig {
            width: shape(p, "mask_token")?.last().copied().unwrap_or(0),
            depth: depth(p, "predictor_blocks"),
            heads,
        },
        None => PredictorConfig { width: (width / 2).next_multiple_of(4 * heads), depth: 6, heads },
    };
    let mut config = official(encoder, patch, side.saturating_mul(patch), predictor, 300, 40.0);
    if channels == 1 {
        config.model.normalise = Normalise::fashion_mnist();
    }
    if let Some(normalise) = foreign.processor.as_ref().and_then(|processor| normalise(processor, channels)) {
        config.model.normalise = normalise;
    }
    if side < 10 {
        // The official masks need a larger grid; what was imported is for features all the same.
        config.model.masks = crate::variants::i_jepa::presets::small_masks();
    }
    Ok(config)
}

/// Mean and deviation of a `preprocessor_config.json`. A half each is what `transformers` writes when nobody asked: the
/// official models on the Hub say so and were trained with ImageNet's.
fn normalise(processor: &Value, channels: usize) -> Option<Normalise> {
    let numbers = |key: &str| -> Option<Vec<f32>> {
        let numbers = processor.get(key)?.as_array()?.iter().map(|v| v.as_f64().map(|v| v as f32));
        numbers.collect::<Option<Vec<f32>>>().filter(|numbers| numbers.len() == channels)
    };
    let found = Normalise { mean: numbers("image_mean")?, std: numbers("image_std")? };
    let is_default = found.mean.iter().chain(&found.std).all(|v| *v == 0.5);
    (!is_default).then_some(found)
}

/// The ratio whose product with the width is the hidden width again when it is cut to a whole number.
fn mlp_ratio(hidden: usize, width: usize) -> f64 {
    let (hidden, width) = (hidden as f64, width as f64);
    let ratio = hidden / width;
    if (width * ratio).floor() == hidden { ratio } else { (hidden + 0.5) / width }
}

/// The target encoder in a foreign layout.
pub fn export(config: &IJepaConfig, target: &Named, format: Format) -> Result<Vec<Exported>> {
    let encoder = &config.encoder;
    let channels = config.normalise.mean.len();
    let mut named = target.clone();
    if let Some((shape, _)) = named.get_mut("patch_embed.proj.weight") {
        *shape = vec![encoder.width, channels, config.patch, config.patch];
    }
    let text = |value: Value| serde_json::to_vec_pretty(&value).map_err(|e| Error::Engine(e.to_string()));
    let image = json!({
        "image_processor_type": "ViTImageProcessor",
        "do_resize": true, "do_rescale": true, "do_normalize": true, "rescale_factor": 1.0 / 255.0, "resample": 2,
        "size": { "height": config.crop.size, "width": config.crop.size },
        "image_mean": config.normalise.mean, "image_std": config.normalise.std,
    });
    Ok(match format {
        Format::Safetensors => vec![Exported { name: "target_encoder.safetensors", bytes: encode(&named)? }],
        Format::Timm => vec![Exported { name: "model.safetensors", bytes: encode(&named)? }],
        Format::HuggingFace => {
            let hidden = (encoder.width as f64 * encoder.mlp_ratio) as usize;
            let hub = json!({
                "architectures": ["IJepaModel"], "model_type": "ijepa", "dtype": "float32",
                "hidden_size": encoder.width, "num_hidden_layers": encoder.depth, "num_attention_heads": encoder.heads,
                "intermediate_size": hidden, "hidden_act": "gelu", "layer_norm_eps": encoder.eps, "qkv_bias": true,
                "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.02,
                "image_size": config.crop.size, "patch_size": config.patch, "num_channels": channels,
                "pooler_act": "tanh", "pooler_output_size": encoder.width,
            });
            vec![
                Exported { name: "config.json", bytes: text(hub)? },
                Exported { name: "preprocessor_config.json", bytes: text(image)? },
                Exported { name: "model.safetensors", bytes: encode(&to_hugging_face(&named)?)? },
            ]
        }
    })
}

fn to_hugging_face(named: &Named) -> Result<Named> {
    let unknown = |name: &str| Error::Engine(format!("`{name}` has no name in Hugging Face's layout"));
    let mut theirs = Named::new();
    for (name, (shape, values)) in named {
        if let Some((ours, root)) =
            ROOT.iter().find(|(ours, _)| name == ours || name.strip_prefix(ours).is_some_and(|r| r.starts_with('.')))
        {
            theirs.insert(format!("{root}{}", &name[ours.len()..]), (shape.clone(), values.clone()));
            continue;
        }
        let (layer, rest) =
            name.strip_prefix("blocks.").and_then(|r| r.split_once('.')).ok_or_else(|| unknown(name))?;
        if let Some(part) = rest.strip_prefix("attn.qkv.") {
            let third = values.len() / 3;
            let shape: Vec<usize> = std::iter::once(shape[0] / 3).chain(shape[1..].iter().copied()).collect();
            for ((disk, _), values) in QKV.iter().zip(values.chunks_exact(third)) {
                theirs.insert(format!("encoder.layer.{layer}.{disk}.{part}"), (shape.clone(), values.to_vec()));
            }
            continue;
        }
        let (ours, disk, _) = BLOCK
            .iter()
            .find(|(ours, ..)| rest.strip_prefix(ours).is_some_and(|r| r.starts_with('.')))
            .ok_or_else(|| unknown(name))?;
        theirs.insert(format!("encoder.layer.{layer}.{disk}{}", &rest[ours.len()..]), (shape.clone(), values.clone()));
    }
    Ok(theirs)
}
