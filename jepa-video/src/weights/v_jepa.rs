//! Official V-JEPA checkpoints, `.pth.tar`.

use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::error::{Error, Result};
use jepa_core::nn::PredictorConfig;
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
    let (target, student) = official(foreign, &[])?;
    let (encoder, [tubelet, patch]) = encoder(&target, foreign, None)?;
    let Ok(positions) = shape(&target, "pos_embed", origin) else {
        return Err(Error::format(origin, "has no pos_embed, V-JEPA 2 has none: import with --variant v-jepa-2"));
    };
    let [times, side] = grid(&positions).ok_or_else(|| {
        Error::format(
            origin,
            format!("pos_embed {positions:?} is no table of square frames at 8, 16, 32, 4, 2 or 1 times"),
        )
    })?;
    let mut config = presets::official(encoder, side.saturating_mul(patch), 3072);
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

/// Times and rows (as many as columns) of a table [1, tokens, width]. The number of times leaves no trace: released
/// models have 8.
fn grid(table: &[usize]) -> Option<[usize; 2]> {
    let &[1, tokens, _] = table else { return None };
    [8, 16, 32, 4, 2, 1].into_iter().find_map(|times| {
        let side = (tokens as f64 / times as f64).sqrt().round() as usize;
        (side > 0 && times * side * side == tokens).then_some([times, side])
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
