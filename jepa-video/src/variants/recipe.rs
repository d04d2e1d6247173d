//! What the recipes of V-JEPA and V-JEPA 2 have in common: sizes of encoders, the skeleton of a run, a run for two cores.

use jepa_core::error::{Error, Result};
use jepa_core::jepa::TargetSource;
use jepa_core::masked::transformer_flops;
use jepa_core::masks::Future;
use jepa_core::nn::{EncoderConfig, PredictorConfig};
use jepa_core::objective::{DistanceConfig, ObjectiveConfig, WeightedRegulariser};
use jepa_core::picture::CropConfig;
use jepa_core::train::ScheduleConfig;
use jepa_core::train::config::{DataConfig, RunConfig, RunSection};

use crate::data::{ClipOptions, SamplingRule};
use crate::masks::{MaskConfig, Masks};
use crate::tokens::Tubelets;
use crate::view::ViewConfig;

/// Width, depth, heads and MLP ratio of the official encoders by name (`src/models/vision_transformer.py`). V-JEPA 2's
/// giant has heads of 64, the first V-JEPA's of 88.
pub(crate) const SIZES: [(&str, usize, usize, usize, f64); 8] = [
    ("vit-t", 192, 12, 3, 4.0),
    ("vit-s", 384, 12, 6, 4.0),
    ("vit-b", 768, 12, 12, 4.0),
    ("vit-l", 1024, 24, 16, 4.0),
    ("vit-h", 1280, 32, 16, 4.0),
    ("vit-g", 1408, 40, 22, 48.0 / 11.0),
    ("vit-gigantic", 1664, 48, 26, 64.0 / 13.0),
    ("vit-g-88", 1408, 40, 16, 48.0 / 11.0),
];

/// The official encoder of this name.
pub(crate) fn encoder(name: &str) -> EncoderConfig {
    let (_, width, depth, heads, mlp_ratio) = SIZES.into_iter().find(|s| s.0 == name).unwrap_or(SIZES[0]);
    EncoderConfig { width, depth, heads, mlp_ratio, eps: 1e-6 }
}

/// Checks the sizes of the networks against each other.
pub(crate) fn check(encoder: &EncoderConfig, predictor: &PredictorConfig, mask_tokens: usize) -> Result<()> {
    encoder.check("model.encoder")?;
    let PredictorConfig { width, depth, heads } = *predictor;
    EncoderConfig { width, depth, heads, ..*encoder }.check("model.predictor")?;
    if !(1..=64).contains(&mask_tokens) {
        return Err(Error::config("model.mask_tokens", format!("expected 1 to 64, found {mask_tokens}")));
    }
    Ok(())
}

/// Floating-point operations of one training step a clip, for masks of average length.
pub(crate) fn flops(encoder: &EncoderConfig, predictor: &PredictorConfig, tubelets: &Tubelets, masks: &Masks) -> f64 {
    let encode = |tokens: f64| {
        transformer_flops(tokens, encoder.width, encoder.depth, encoder.mlp_ratio)
            + 2.0 * tokens * (tubelets.values() * encoder.width) as f64
    };
    let trained = masks
        .lengths()
        .into_iter()
        .map(|[seen, hidden]| encode(seen) + transformer_flops(seen + hidden, predictor.width, predictor.depth, 4.0));
    encode(tubelets.count() as f64) + 3.0 * trained.sum::<f64>()
}

/// A run of `steps` with the schedules of `schedule` and everything else as both papers have it: L1 on layer-normalised
/// targets of an EMA encoder.
pub(crate) fn run<C>(steps: u64, batch: usize, schedule: ScheduleConfig, model: C) -> RunConfig<C> {
    RunConfig {
        data: DataConfig { source: "videos".into(), threads: 8 },
        run: RunSection::new(steps, batch, 300),
        schedule,
        optimizer: Default::default(),
        target: TargetSource::Ema,
        objective: ObjectiveConfig {
            distance: DistanceConfig::L1,
            normalise_targets: Some(1e-5),
            regularisers: Vec::new(),
        },
        guard: Default::default(),
        probe: Default::default(),
        model,
    }
}

/// Turns a recipe into one for the built-in clips and two cores.
pub(crate) fn scale_down<C>(config: &mut RunConfig<C>, steps: u64, batch: usize) {
    config.data = DataConfig { source: "builtin".into(), threads: 2 };
    config.run = RunSection::new(steps, batch, 200);
    config.schedule = ScheduleConfig {
        lr_start: 1e-4,
        lr: 1e-3,
        lr_final: 1e-5,
        warmup: 0.1,
        decay: 0.04,
        decay_final: 0.1,
        momentum: 0.996,
        ..config.schedule
    };
}

/// Turns a recipe that is scaled down into one that learns the built-in clips in minutes (`benches/learning.md`).
pub(crate) fn small<C>(config: &mut RunConfig<C>) {
    config.run.diagnose_every = 250;
    config.schedule = ScheduleConfig { lr: 2e-3, warmup: 0.05, stretch: 1.0, ..config.schedule };
    config.objective.regularisers = vec![WeightedRegulariser::twins(1.0)];
}

/// Turns a recipe that is scaled down into one for the rendered scenes: one question alone, what comes next.
pub(crate) fn scenes<C>(config: &mut RunConfig<C>) {
    config.data.source = "scenes".into();
    (config.run.checkpoint_every, config.run.diagnose_every) = (500, 500);
    // Not stretched: the rate comes down to its end.
    config.schedule = ScheduleConfig {
        lr: 2e-3,
        warmup: 0.05,
        momentum: 0.999,
        momentum_final: 1.0,
        stretch: 1.0,
        ..config.schedule
    };
    // Which concept a possible scene is from says little; the run is for surprise.
    config.probe.max_train = 1_000;
    config.probe.max_test = 500;
}

/// Masks of the rendered scenes: from the first third to all but the last sixth is seen. Surprise asks for the far future,
/// and for what comes next of who saw all before it.
pub(crate) fn future() -> Vec<MaskConfig> {
    vec![MaskConfig::Future(Future { seen: [1.0 / 3.0, 5.0 / 6.0] })]
}

/// Views of the rendered scenes: all of one, in 6 x 4 x 4 tubelets. A part of a scene, enlarged, would fall faster than
/// its whole.
pub(crate) fn scenes_view() -> ViewConfig {
    let clip = ClipOptions { frames: 12, rule: SamplingRule::Step(4), ..ClipOptions::default() };
    let crop = CropConfig { size: 32, scale: [1.0; 2], aspect: [1.0; 2], flip: false };
    ViewConfig { patch: 8, crop, ..ViewConfig::official(clip, 32) }
}

/// Views of the built-in clips: `frames` of `size` x `size` pixels in tubelets of 2 x 8 x 8. A mirrored clip would move
/// the other way, so none is.
pub(crate) fn small_view(frames: usize, size: usize) -> ViewConfig {
    // Built-in recordings have 32 frames: a clip is all of one.
    let clip = ClipOptions { frames, rule: SamplingRule::Step((32 / frames).max(1)), ..ClipOptions::default() };
    ViewConfig {
        patch: 8,
        crop: CropConfig { size, scale: [0.6, 1.0], flip: false, ..CropConfig::default() },
        ..ViewConfig::official(clip, size)
    }
}
