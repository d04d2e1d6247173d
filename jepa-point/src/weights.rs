//! Names and layouts of official Point-JEPA checkpoints (PyTorch Lightning).
//!
//! | here | official |
//! |---|---|
//! | `encoder.tokenizer.first_conv.{map,norm,out}` | `tokenizer.embedding.encoder.first_conv.{0,1,3}` |
//! | `encoder.positional_encoding.{fc1,fc2}` | `positional_encoding.{0,2}` |
//! | `encoder.transformer.*` | `student.*`; in the target `teacher.ema_model.*` |
//! | `predictor.positional_encoding.{fc1,fc2}` | `predictor.positional_encoding.{0,2}` |
//! | `predictor.*` | `predictor.*` |
//!
//! `mask_token` and `predictor.predictor_norm` of the official code are never used: no number depends on them, and they
//! are left out.

use jepa_core::checkpoint::{Foreign, Named, encode};
use jepa_core::error::{Error, KeyReport, Result};
use jepa_core::nn::{EncoderConfig, PredictorConfig};
use jepa_core::plugin::{Exported, Format, Imported};
use jepa_core::train::RunConfig;

use crate::network::TokenizerConfig;
use crate::variants::point_jepa::{PointJepaConfig, presets};

/// Our name of a part of the tokeniser or a code, and the official one.
const PARTS: [(&str, &str); 8] = [
    ("first_conv.map", "first_conv.0"),
    ("first_conv.norm", "first_conv.1"),
    ("first_conv.out", "first_conv.3"),
    ("second_conv.map", "second_conv.0"),
    ("second_conv.norm", "second_conv.1"),
    ("second_conv.out", "second_conv.3"),
    ("positional_encoding.fc1", "positional_encoding.0"),
    ("positional_encoding.fc2", "positional_encoding.2"),
];

/// What has no place here: unused parameters, counters, and the second name of the student.
const UNUSED: [&str; 5] =
    ["mask_token", "predictor.predictor_norm.", "teacher.online_model.", "teacher.initted", "teacher.step"];

/// Our name of an official parameter of the student or the predictor.
pub fn ours(official: &str) -> Option<String> {
    let renamed = |name: &str| {
        let part = PARTS.iter().find(|(_, theirs)| name.contains(&format!("{theirs}.")));
        part.map_or_else(|| name.to_owned(), |(ours, theirs)| name.replacen(theirs, ours, 1))
    };
    if let Some(rest) = official.strip_prefix("tokenizer.embedding.encoder.") {
        Some(format!("encoder.tokenizer.{}", renamed(rest)))
    } else if official.starts_with("positional_encoding.") {
        Some(format!("encoder.{}", renamed(official)))
    } else if let Some(rest) = official.strip_prefix("student.") {
        Some(format!("encoder.transformer.{rest}"))
    } else if official.starts_with("predictor.") {
        Some(renamed(official))
    } else {
        None
    }
}

/// Reads an official checkpoint: the student, and the target with the teacher's transformer.
pub fn import(foreign: &Foreign) -> Result<Imported<PointJepaConfig>> {
    if let Some(network) = &foreign.network {
        let known = ["teacher"];
        if network != "teacher" {
            return Err(Error::unknown("network", network, &known));
        }
    }
    let (mut student, mut teacher, mut unexpected) = (Named::new(), Named::new(), Vec::new());
    // A Lightning checkpoint holds the networks below `state_dict`; beside it lie the optimiser's state and the like.
    let wrapped = foreign.tensors.keys().any(|name| name.starts_with("state_dict."));
    for (name, (shape, values)) in &foreign.tensors {
        let name = match name.strip_prefix("state_dict.") {
            Some(name) => name,
            None if wrapped => continue,
            None => name,
        };
        if UNUSED.iter().any(|unused| name.starts_with(unused)) || name.ends_with("num_batches_tracked") {
            continue;
        }
        // Running figures of some published weights are not numbers; as in the official loader, 0 and 1 stand in.
        let stand_in = if name.ends_with("running_var") { 1.0 } else { 0.0 };
        let running = name.ends_with("running_mean") || name.ends_with("running_var");
        let values: Vec<f32> = values.iter().map(|v| if running && v.is_nan() { stand_in } else { *v }).collect();
        // A convolution of width one is a matrix.
        let shape: Vec<usize> = match shape[..] {
            [outputs, inputs, 1] if name.contains("_conv.") => vec![outputs, inputs],
            _ => shape.clone(),
        };
        if let Some(rest) = name.strip_prefix("teacher.ema_model.") {
            teacher.insert(format!("transformer.{rest}"), (shape, values));
        } else if let Some(name) = ours(name) {
            student.insert(name, (shape, values));
        } else {
            unexpected.push(name.to_owned());
        }
    }
    KeyReport { origin: foreign.origin.clone(), unexpected, ..Default::default() }.into_result()?;
    let config = configuration(&student, foreign)?;
    let shared = student
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("encoder.")?.to_owned(), tensor.clone())))
        .filter(|(name, _)| !name.starts_with("transformer."));
    let mut target: Named = shared.collect();
    if teacher.is_empty() {
        return Err(Error::format(
            &foreign.origin,
            "holds no teacher.ema_model; a pre-training checkpoint is expected",
        ));
    }
    target.extend(teacher);
    Ok(Imported { config, target, student: Some(student) })
}

/// Sizes are read from names and shapes; heads leave no trace there.
fn configuration(student: &Named, foreign: &Foreign) -> Result<RunConfig<PointJepaConfig>> {
    let missing = |name: &str| {
        KeyReport { origin: foreign.origin.clone(), missing: vec![name.to_owned()], ..Default::default() }
            .into_result()
            .err()
            .unwrap_or_else(|| Error::format(&foreign.origin, "is incomplete"))
    };
    let width = |name: &str| match student.get(name).map(|(shape, _)| &shape[..]) {
        Some([width]) => Ok(*width),
        _ => Err(missing(name)),
    };
    let depth =
        |stem: &str| (0..).take_while(|i| student.keys().any(|k| k.starts_with(&format!("{stem}.{i}.")))).count();
    let mut config = presets::official();
    let (encoder, predictor) = (width("encoder.transformer.norm.weight")?, width("predictor.predictor.norm.weight")?);
    let heads = |width: usize, official: usize, official_width: usize| match foreign.heads {
        _ if width == official_width && foreign.heads.is_none() => Ok(official),
        Some(heads) => Ok(heads),
        None => Err(Error::config(
            "--heads",
            format!("the number of attention heads cannot be read from weights of width {width}; give it"),
        )),
    };
    config.model.tokenizer = TokenizerConfig {
        first: width("encoder.tokenizer.first_conv.norm.weight")?,
        local: width("encoder.tokenizer.first_conv.out.bias")?,
        second: width("encoder.tokenizer.second_conv.norm.weight")?,
    };
    config.model.encoder = EncoderConfig {
        width: encoder,
        depth: depth("encoder.transformer.blocks"),
        heads: heads(encoder, 6, 384)?,
        ..config.model.encoder
    };
    config.model.predictor = PredictorConfig {
        width: predictor,
        depth: depth("predictor.predictor.blocks"),
        heads: heads(predictor, 6, 192)?,
    };
    Ok(config)
}

/// The target encoder with the official names, as one safetensors file.
pub fn export(target: &Named, format: Format) -> Result<Vec<Exported>> {
    if format != Format::Safetensors {
        return Err(Error::config("--format", "Point-JEPA has no layout of its own elsewhere; use safetensors"));
    }
    let official = |name: &str| {
        let name = match name.strip_prefix("transformer.") {
            Some(rest) => return format!("student.{rest}"),
            None => match name.strip_prefix("tokenizer.") {
                Some(rest) => format!("tokenizer.embedding.encoder.{rest}"),
                None => name.to_owned(),
            },
        };
        let part = PARTS.iter().find(|(ours, _)| name.contains(&format!("{ours}.")));
        part.map_or_else(|| name.clone(), |(ours, theirs)| name.replacen(ours, theirs, 1))
    };
    let renamed: Named = target
        .iter()
        .map(|(name, (shape, values))| {
            let mut shape = shape.clone();
            if name.contains("_conv.") && shape.len() == 2 {
                shape.push(1);
            }
            (official(name), (shape, values.clone()))
        })
        .collect();
    Ok(vec![Exported { name: "model.safetensors", bytes: encode(&renamed)? }])
}
