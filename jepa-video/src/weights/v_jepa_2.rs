//! V-JEPA 2 and 2.1: official `.pt` files, folders of `transformers`.

use jepa_core::checkpoint::{Foreign, Named, encode};
use jepa_core::error::{Error, Result};
use jepa_core::nn::PredictorConfig;
use jepa_core::plugin::{Exported, Format, Imported};
use serde_json::json;

use super::{
    Networks, classifier, depth, encoder, from_hugging_face, joined, kernels, official, safetensors, shape,
    to_hugging_face, whole,
};
use crate::network::ClassifierConfig;
use crate::variants::v_jepa_2::{VJepa2Config, presets};

/// Position tables of the first version are still in official files; rotary places have none.
const LEFTOVERS: [&str; 2] = ["pos_embed", "predictor_pos_embed"];

/// A checkpoint of the official code or a folder of `transformers`.
pub fn import(foreign: &Foreign) -> Result<Imported<VJepa2Config>> {
    let hugging_face = foreign.tensors.keys().any(|k| k.contains("patch_embeddings."));
    let (target, mut student, probe) = if hugging_face {
        let Networks { encoder, predictor, classifier } = from_hugging_face(foreign)?;
        (encoder.clone(), predictor.map(|predictor| joined(encoder, predictor)), classifier)
    } else {
        let (target, student) = official(foreign, &LEFTOVERS, &[classifier::OFFICIAL])?;
        (target, student.map(fused), classifier::official(foreign)?)
    };
    let origin = foreign.origin.as_str();
    let (encoder, [tubelet, patch]) = encoder(&target, foreign, whole(foreign, "num_attention_heads"))?;
    let frames = whole(foreign, "frames_per_clip").unwrap_or(16).max(tubelet);
    let size = whole(foreign, "crop_size").unwrap_or(16 * patch);
    let mut config = presets::official(encoder, frames / tubelet.max(1) * tubelet, size);
    let model = &mut config.model;
    model.view.tubelet = tubelet;
    model.view.patch = patch;
    if let Some(student) = &student {
        let width = shape(student, "predictor.mask_tokens.0", origin)?.last().copied().unwrap_or(0);
        // Released predictors have 12 heads; a stranger's is taken to have heads as wide as its encoder's.
        let strangers = (width * encoder.heads / encoder.width).max(1);
        let known = whole(foreign, "pred_num_attention_heads").or((width == 384).then_some(12));
        let heads = known.unwrap_or(strangers);
        model.predictor = PredictorConfig { width, depth: depth(student, "predictor.predictor_blocks"), heads };
        model.mask_tokens = (0..).take_while(|k| student.contains_key(&format!("predictor.mask_tokens.{k}"))).count();
    }
    if target.contains_key("norms_block.0.weight") {
        dense(model, &target, student.as_ref(), origin)?;
    }
    if let Some(probe) = probe {
        let sizes = [model.encoder.width, model.encoder.heads];
        model.classifier = Some(classifier::config(&probe, foreign, sizes, hugging_face)?);
        let Some(student) = &mut student else {
            return Err(Error::format(origin, "holds a classifier, and no predictor: a student is all three networks"));
        };
        student.extend(probe.into_iter().map(|(name, tensor)| (format!("classifier.{name}"), tensor)));
    }
    if size / patch.max(1) < 4 {
        model.masks = vec![crate::masks::MaskConfig::Tube(jepa_core::masks::RandomTube { ratio: 0.5 })];
    }
    Ok(Imported { config, target, student })
}

/// The student with the two maps of V-JEPA 2.1's `predictor_embed` under our names.
fn fused(student: Named) -> Named {
    let rename = |name: String| match name.strip_prefix("predictor.predictor_embed.") {
        Some(rest) if rest.starts_with("0.") => format!("predictor.predictor_fuse.{}", &rest[2..]),
        Some(rest) if rest.starts_with("2.") => format!("predictor.predictor_embed.{}", &rest[2..]),
        _ => name,
    };
    student.into_iter().map(|(name, tensor)| (rename(name), tensor)).collect()
}

/// What V-JEPA 2.1 has beyond V-JEPA 2, from names and shapes.
fn dense(model: &mut VJepa2Config, target: &Named, student: Option<&Named>, origin: &str) -> Result<()> {
    let depth = model.encoder.depth;
    let levels = match depth {
        12 => presets::LEVELS_12,
        24 => presets::LEVELS_24,
        40 => presets::LEVELS_40,
        48 => presets::LEVELS_48,
        _ => return Err(Error::format(origin, format!("V-JEPA 2.1 has 12, 24, 40 or 48 blocks, this has {depth}"))),
    };
    let predictor = model.predictor;
    *model = presets::dense(model.clone(), levels.to_vec());
    model.predictor = predictor;
    model.rotary.stretch_to = Some(if model.view.patch == 14 { 18 } else { 16 });
    // Training stretches the predictor's places too. The hub's builder, which is how the files are read, does not.
    model.predictor_rotary.stretch_to = None;
    // All released files are for 384 pixels.
    model.view.crop.size = 24 * model.view.patch;
    let width = model.encoder.width;
    let Some(dense) = &mut model.dense else { return Ok(()) };
    dense.pictures = target.contains_key("patch_embed_img.proj.weight");
    if let Some(student) = student {
        let outputs = if student.contains_key("predictor.predictor_fuse.weight") { dense.levels.len() } else { 1 };
        let out = shape(student, "predictor.predictor_proj.weight", origin)?.first().copied().unwrap_or(0);
        dense.outputs = outputs;
        dense.teacher_width = (out != outputs * width).then_some(out);
        if !student.contains_key("predictor.predictor_proj_context.weight") {
            dense.context = None;
        }
    }
    Ok(())
}

/// The target encoder in a foreign layout; `transformers`' has a place for the predictor.
pub fn export(config: &VJepa2Config, target: &Named, student: Option<&Named>, format: Format) -> Result<Vec<Exported>> {
    let target = kernels(target.clone(), config.view.tubelet, config.view.patch);
    match format {
        Format::Safetensors => safetensors(&target),
        Format::Timm => Err(Error::config("export", "`timm` has no V-JEPA 2; export with --format hf")),
        Format::HuggingFace => {
            if config.dense.is_some() {
                return Err(Error::config(
                    "export",
                    "`transformers` has no V-JEPA 2.1; export with --format safetensors",
                ));
            }
            let below = |network: &str, student: &Named| -> Named {
                let inside = |(k, v): (&String, &_)| Some((k.strip_prefix(network)?.to_owned(), Clone::clone(v)));
                student.iter().filter_map(inside).collect()
            };
            let classes = config.classifier.as_ref();
            let networks = Networks {
                encoder: target,
                predictor: student.map(|student| below("predictor.", student)),
                classifier: student.filter(|_| classes.is_some()).map(|student| below("classifier.", student)),
            };
            let (encoder, narrow) = (&config.encoder, &config.predictor);
            let text = |value| serde_json::to_vec_pretty(&value).map_err(|e| Error::Engine(e.to_string()));
            let size = config.view.crop.size;
            let mut hub = json!({
                "architectures": ["VJEPA2Model"], "model_type": "vjepa2", "dtype": "float32",
                "patch_size": config.view.patch, "crop_size": size, "in_chans": 3,
                "frames_per_clip": config.view.clip.frames, "tubelet_size": config.view.tubelet,
                "hidden_size": encoder.width, "num_attention_heads": encoder.heads,
                "num_hidden_layers": encoder.depth, "mlp_ratio": encoder.mlp_ratio,
                "layer_norm_eps": encoder.eps, "qkv_bias": true, "hidden_act": "gelu",
                "pred_hidden_size": narrow.width, "pred_num_attention_heads": narrow.heads,
                "pred_num_hidden_layers": narrow.depth, "pred_num_mask_tokens": config.mask_tokens,
                "pred_mlp_ratio": 4.0,
            });
            if let Some(classes) = classes {
                classified(classes, config, &mut hub)?;
            }
            let processor = json!({
                "video_processor_type": "VJEPA2VideoProcessor",
                "do_resize": true, "do_center_crop": true, "do_rescale": true, "do_normalize": true,
                "rescale_factor": 1.0 / 255.0, "resample": 2,
                "size": { "shortest_edge": size * 256 / 224 }, "crop_size": { "height": size, "width": size },
                "image_mean": config.view.normalise.mean, "image_std": config.view.normalise.std,
            });
            Ok(vec![
                Exported { name: "config.json", bytes: text(hub)? },
                Exported { name: "video_preprocessor_config.json", bytes: text(processor)? },
                Exported { name: "model.safetensors", bytes: encode(&to_hugging_face(&networks)?)? },
            ])
        }
    }
}

/// Adds what `VJEPA2ForVideoClassification` is told of its classifier; what it could not be told is refused.
fn classified(classifier: &ClassifierConfig, config: &VJepa2Config, hub: &mut serde_json::Value) -> Result<()> {
    let encoder = &config.encoder;
    let same = classifier.heads == encoder.heads && classifier.eps == encoder.eps && classifier.mlp_ratio == 4.0;
    if !same || !classifier.reads.is_empty() {
        let problem = format!(
            "`transformers` takes the classifier's heads, {}, and epsilon, {:e}, for the encoder's, {} and {:e}, its MLPs \
             for four times as wide and its input for the last block's output; export with --format safetensors",
            classifier.heads, classifier.eps, encoder.heads, encoder.eps
        );
        return Err(Error::config("model.classifier", problem));
    }
    let names: serde_json::Map<_, _> =
        classifier.classes.iter().enumerate().map(|(class, name)| (class.to_string(), json!(name))).collect();
    let numbers: serde_json::Map<_, _> =
        classifier.classes.iter().enumerate().map(|(class, name)| (name.clone(), json!(class))).collect();
    hub["architectures"] = json!(["VJEPA2ForVideoClassification"]);
    hub["num_pooler_layers"] = json!(classifier.blocks);
    hub["id2label"] = names.into();
    hub["label2id"] = numbers.into();
    Ok(())
}
