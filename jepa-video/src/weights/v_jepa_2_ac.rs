//! Official `.pt` files of V-JEPA 2-AC.
//!
//! | here | in the file |
//! |---|---|
//! | `frozen.*` | `encoder.*`, or `target_encoder.*` where asked for |
//! | `predictor.predictor_embed`, `predictor_blocks.i`, `predictor_norm`, `predictor_proj` | the same |
//! | `predictor.action_encoder`, `predictor.state_encoder` | the same |
//! | nothing | `predictor.extrinsics_encoder`: every file has it, no released configuration reads it |

use jepa_core::checkpoint::{Foreign, Named, encode};
use jepa_core::error::{Error, Result};
use jepa_core::nn::PredictorConfig;
use jepa_core::plugin::{Exported, Format, Imported};

use super::{depth, encoder, kernels, official, safetensors, shape};
use crate::action::Kinematics;
use crate::variants::v_jepa_2_ac::{VJepa2AcConfig, presets};

/// Position tables of the first version, and what no released predictor reads.
const LEFTOVERS: [&str; 4] =
    ["pos_embed", "predictor_pos_embed", "extrinsics_encoder.weight", "extrinsics_encoder.bias"];

/// A checkpoint of the official code: encoder and predictor.
pub fn import(foreign: &Foreign) -> Result<Imported<VJepa2AcConfig>> {
    let origin = foreign.origin.as_str();
    // The file's encoder is the frozen one; an average of it would be the same.
    let network = foreign
        .network
        .clone()
        .or_else(|| foreign.tensors.keys().any(|name| name.starts_with("encoder.")).then(|| "encoder".to_owned()));
    let (target, student) = official(&Foreign { network, ..foreign.clone() }, &LEFTOVERS, &[])?;
    let (encoder, [tubelet, patch]) = encoder(&target, foreign, None)?;
    let mut config = presets::official(encoder, 16 * patch);
    config.model.view.tubelet = tubelet;
    config.model.view.patch = patch;
    let student = student.map(|student| joined(&target, student));
    let Some(tensors) = &student else {
        let problem = "holds no predictor: an encoder alone is for --variant v-jepa-2";
        return Err(Error::format(origin, problem));
    };
    let embed = shape(tensors, "predictor.predictor_embed.weight", origin)?;
    let width = embed.first().copied().unwrap_or(0);
    let heads = if width % 64 == 0 { width / 64 } else { (width * encoder.heads / encoder.width).max(1) };
    config.model.predictor = PredictorConfig { width, depth: depth(tensors, "predictor.predictor_blocks"), heads };
    config.model.kinematics = match shape(tensors, "predictor.action_encoder.weight", origin)?.as_slice() {
        [_, 7] => Kinematics::EndEffector,
        [_, 2] => Kinematics::Place,
        other => {
            let problem = format!("predictor.action_encoder.weight {other:?}: expected actions of 7 numbers, or of 2");
            return Err(Error::format(origin, problem));
        }
    };
    if config.model.kinematics == Kinematics::Place {
        config.model.planning = presets::places();
    }
    Ok(Imported { config, target, student })
}

/// The student: the frozen encoder and the predictor.
fn joined(target: &Named, student: Named) -> Named {
    let predictor = student.into_iter().filter(|(name, _)| name.starts_with("predictor."));
    target.iter().map(|(name, tensor)| (format!("frozen.{name}"), tensor.clone())).chain(predictor).collect()
}

/// The encoder in official names, and the predictor in a file of its own.
pub fn export(
    config: &VJepa2AcConfig,
    target: &Named,
    student: Option<&Named>,
    format: Format,
) -> Result<Vec<Exported>> {
    if format != Format::Safetensors {
        let problem = "`transformers` and `timm` have no V-JEPA 2-AC; export with --format safetensors";
        return Err(Error::config("export", problem));
    }
    let mut files = safetensors(&kernels(target.clone(), config.view.tubelet, config.view.patch))?;
    if let Some(student) = student {
        let predictor = student.iter().filter_map(|(k, v)| Some((k.strip_prefix("predictor.")?.to_owned(), v.clone())));
        files.push(Exported { name: "predictor.safetensors", bytes: encode(&predictor.collect())? });
    }
    Ok(files)
}
