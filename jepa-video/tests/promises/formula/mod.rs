//! Weights and inputs that follow a formula (`reference/common.py`), so that nothing but outputs is stored.

use std::path::PathBuf;

use burn::module::Module;
use burn::prelude::*;
use jepa_core::checkpoint::{Named, apply, named};
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::positions::Shares;
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig, RotaryConfig, RotaryForm};
use jepa_core::recorded::Recorded;
use jepa_video::network::{
    EncoderParts, PlaceConfig, PredictorParts, Predicts, VideoEncoder, VideoJepa, VideoPredictor,
};

pub(crate) const TABLE: PlaceConfig = PlaceConfig::Table { shares: Shares::Uniform };
pub(crate) const TILED: PlaceConfig = PlaceConfig::Rotary(RotaryConfig { form: RotaryForm::Tiled, stretch_to: None });
pub(crate) const PAIRED: PlaceConfig = PlaceConfig::Rotary(RotaryConfig { form: RotaryForm::Paired, stretch_to: None });

/// Pixels of a side of a patch and frames of a tubelet in every reference.
pub(crate) const PATCH: usize = 16;
pub(crate) const TUBELET: usize = 2;

pub(crate) fn recorded(name: &str) -> Recorded {
    Recorded::open(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)).unwrap()
}

/// `count` values of this name in [-amplitude, amplitude).
pub(crate) fn values(name: &str, count: usize, amplitude: f64) -> Vec<f32> {
    let start = name.bytes().fold(2_166_136_261u32, |s, byte| (s ^ u32::from(byte)).wrapping_mul(16_777_619));
    let mut s = start;
    (0..count)
        .map(|_| {
            s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((2.0 * (f64::from(s >> 8) / f64::from(1 << 24)) - 1.0) * amplitude) as f32
        })
        .collect()
}

/// A parameter of this name and stored shape; `prefix` gives another network other values.
pub(crate) fn weight(prefix: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let (full, count) = (format!("{prefix}{name}"), shape.iter().product::<usize>());
    if name.ends_with("mod_embed") || name.contains("mask_tokens") || name.contains("query_tokens") {
        values(&full, count, 0.5)
    } else if shape.len() >= 2 {
        values(&full, count, 1.5 * (3.0 / (count / shape[0]) as f64).sqrt())
    } else if name.contains("norm") && name.ends_with("weight") {
        // The sum is rounded after the product, as PyTorch's.
        values(&full, count, 0.2).into_iter().map(|v| 1.0 + v).collect()
    } else {
        values(&full, count, 0.1)
    }
}

/// The module with all weights but position tables by formula.
pub(crate) fn filled<M: Module>(module: M, prefix: &str) -> M {
    let mut tensors: Named = named(&module).unwrap();
    let fused = tensors.contains_key("predictor_fuse.weight");
    for (name, (shape, values)) in &mut tensors {
        if name.contains("pos_embed") {
            continue;
        }
        // V-JEPA 2.1's predictor has two maps at its beginning, one behind the other.
        let official = match name.split_once('.') {
            Some(("predictor_fuse", part)) => format!("predictor_embed.0.{part}"),
            Some(("predictor_embed", part)) if fused => format!("predictor_embed.2.{part}"),
            _ => name.clone(),
        };
        *values = weight(prefix, &official, shape);
    }
    apply(module, &tensors, "formula").unwrap()
}

pub(crate) fn encoder_parts(places: PlaceConfig, grid: [usize; 3]) -> EncoderParts {
    let values = 3 * TUBELET * PATCH * PATCH;
    EncoderParts::plain(places, grid, values)
}

pub(crate) fn predictor_parts(places: PlaceConfig, grid: [usize; 3], mask_tokens: usize) -> PredictorParts {
    PredictorParts {
        places,
        grid,
        encoder_width: 96,
        levels: 1,
        out: 96,
        eps: 1e-6,
        mask_tokens,
        mask_token: None,
        modes: false,
        context: None,
    }
}

/// Encoder 96 wide and 2 deep, predictor 48 wide and 2 deep with 2 heads, by formula.
pub(crate) fn networks(heads: usize, encoder: &EncoderParts, predictor: &PredictorParts) -> VideoJepa {
    let mut init = Init::new(0, InitScheme::Official { depth_rescale: false }, &Device::flex());
    let config = EncoderConfig { width: 96, depth: 2, heads, mlp_ratio: 4.0, eps: 1e-6 };
    let narrow = PredictorConfig { width: 48, depth: 2, heads: 2 };
    VideoJepa {
        encoder: filled(VideoEncoder::new(&mut init, &config, encoder), ""),
        predictor: filled(VideoPredictor::new(&mut init, &narrow, predictor), ""),
        classifier: None,
        predicts: Predicts::Features,
    }
}

/// Tubelets of planar clips [samples, 3, frames, height, width], as [samples, tokens, values] row-major.
pub(crate) fn tubelets(planes: &[f32], [frames, height, width]: [usize; 3], tubelet: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(planes.len());
    let steps = |whole: usize, part: usize| (0..whole).step_by(part);
    for sample in planes.chunks_exact(3 * frames * height * width) {
        for t in steps(frames, tubelet) {
            for (y, x) in steps(height, PATCH).flat_map(|y| steps(width, PATCH).map(move |x| (y, x))) {
                for channel in 0..3 {
                    for frame in t..t + tubelet {
                        for row in y..y + PATCH {
                            let start = ((channel * frames + frame) * height + row) * width + x;
                            out.extend_from_slice(&sample[start..start + PATCH]);
                        }
                    }
                }
            }
        }
    }
    out
}

/// Tubelets of `samples` clips that follow the formula.
pub(crate) fn clips(name: &str, samples: usize, size: [usize; 3]) -> Vec<f32> {
    tubelets(&values(name, samples * 3 * size.iter().product::<usize>(), 3f64.sqrt()), size, TUBELET)
}

pub(crate) fn tensor(values: Vec<f32>, rows: usize, tokens: usize) -> Tensor<3> {
    let width = values.len() / (rows * tokens);
    Tensor::from_data(TensorData::new(values, [rows, tokens, width]), &Device::flex())
}

/// The masks of both generators of a record.
pub(crate) fn masks(recorded: &Recorded, tokens: usize) -> Vec<MaskSet> {
    let mask = |name: String| vec![Mask::new(&recorded.rows(&name).unwrap(), tokens).unwrap()];
    (0..2).map(|g| MaskSet { context: mask(format!("context.{g}")), target: mask(format!("target.{g}")) }).collect()
}

pub(crate) fn l2(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}
