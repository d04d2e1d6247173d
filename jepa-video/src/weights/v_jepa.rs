//! Official V-JEPA checkpoints, `.pth.tar`.

use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::error::{Error, Result};
use jepa_core::nn::PredictorConfig;
use jepa_core::nn::positions::{Shares, sincos_3d};
use jepa_core::plugin::{Exported, Format, Imported};

use super::{depth, encoder, kernels, official, safetensors, shape};
use crate::variants::v_jepa::{VJepaConfig, presets};

/// A checkpoint of the official code, all three networks.
pub fn import(foreign: &Foreign) -> Result<Imported<VJepaConfig>> {
    let origin = foreign.origin.as_str();
    if foreign.tensors.keys().any(|k| k.contains("patch_embeddings.")) {
        return Err(Error::format(
            origin,
            "these are `transformers`' names, which V-JEPA 2 has: import with --variant v-jepa-2",
        ));
    }
    let (target, student) = official(foreign, &[], &[])?;
    let (encoder, [tubelet, patch]) = encoder(&target, foreign, None)?;
    let Ok(positions) = shape(&target, "pos_embed", origin) else {
        return Err(Error::format(origin, "has no pos_embed, V-JEPA 2 has none: import with --variant v-jepa-2"));
    };
    let table = target.get("pos_embed").map_or(&[][..], |(_, values)| values);
    let (times, side, shares) = grid(&positions, table).ok_or_else(|| {
        Error::format(origin, format!("pos_embed {positions:?} holds no codes of times and square frames"))
    })?;
    let mut config = presets::official(encoder, side.saturating_mul(patch), 3072);
    config.model.positions = shares;
    config.model.view.clip.frames = times.saturating_mul(tubelet);
    config.model.view.tubelet = tubelet;
    config.model.view.patch = patch;
    if let Some(student) = &student {
        config.model.predictor = PredictorConfig {
            width: shape(student, "predictor.mask_tokens.0", origin)?.last().copied().unwrap_or(0),
            depth: depth(student, "predictor.predictor_blocks"),
            heads: encoder.heads,
        };
        config.model.mask_tokens =
            (0..).take_while(|k| student.contains_key(&format!("predictor.mask_tokens.{k}"))).count();
    }
    small_masks(&mut config.model, side);
    Ok(Imported { config, target, student })
}

/// Official masks need a larger grid; what was imported is for features all the same.
fn small_masks(config: &mut VJepaConfig, side: usize) {
    if side < 4 {
        config.masks = vec![crate::masks::MaskConfig::Tube(jepa_core::masks::RandomTube { ratio: 0.5 })];
    }
}

/// Times, rows (as many as columns) and shares of a table [1, tokens, width]: those whose codes it holds. The shape alone
/// leaves open how tokens are divided between time and space.
fn grid(shape: &[usize], table: &[f32]) -> Option<(usize, usize, Shares)> {
    let &[1, tokens, width] = shape else { return None };
    let sides = (1..=tokens).take_while(|side| side * side <= tokens).filter(|side| tokens.is_multiple_of(side * side));
    let candidates = sides.flat_map(|side| [Shares::Uniform, Shares::HalfForTime].map(|shares| (side, shares)));
    candidates
        .filter(|(_, shares)| width.is_multiple_of(if *shares == Shares::Uniform { 2 } else { 8 }))
        .map(|(side, shares)| (tokens / (side * side), side, shares))
        .find(|(times, side, shares)| {
            let codes = sincos_3d([*times, *side, *side], width, *shares);
            codes.len() == table.len() && codes.iter().zip(table).all(|(a, b)| (a - b).abs() < 1e-4)
        })
}

/// The target encoder in official names.
pub fn export(config: &VJepaConfig, target: &Named, _student: Option<&Named>, format: Format) -> Result<Vec<Exported>> {
    match format {
        Format::Safetensors => safetensors(&kernels(target.clone(), config.view.tubelet, config.view.patch)),
        Format::HuggingFace | Format::Timm => {
            Err(Error::config("export", "`transformers` and `timm` have no V-JEPA; export with --format safetensors"))
        }
    }
}
