//! Configurations of MC-JEPA.

use jepa_core::collapse::{Covariance, RegulariserConfig, Variance};
use jepa_core::jepa::{Role, TargetSource};
use jepa_core::nn::InitScheme;
use jepa_core::objective::{DistanceConfig, ObjectiveConfig, WeightedRegulariser};
use jepa_core::picture::CropConfig;
use jepa_core::plugin::Preset;
use jepa_core::train::ScheduleConfig;
use jepa_core::train::config::{DataConfig, RunConfig, RunSection};

use super::mc_jepa::{ContentConfig, McJepaConfig};
use crate::augment::ViewConfig;
use crate::frames::FrameConfig;
use crate::losses::{Consistency, MotionLoss, Photometric, Smoothness};
use crate::network::{FlowConfig, PyramidConfig};

/// Steps of an epoch: ImageNet's 1,281,167 pictures, 384 a step.
const EPOCH: u64 = 3336;

/// VICReg's factor of the variance, and of the invariance.
const VARIANCE: f64 = 25.0;

/// The published recipe, as far as it is known; see the variant's page for what is recalled and what is ours.
fn paper() -> RunConfig<McJepaConfig> {
    let term = |term, weight| WeightedRegulariser { term, weight, on: Role::Predicted, against: None, level: 1 };
    RunConfig {
        data: DataConfig { source: "flying-chairs:FlyingChairs_release".into(), threads: 8 },
        run: RunSection::new(100 * EPOCH, 8, EPOCH),
        schedule: ScheduleConfig {
            lr_start: 0.0,
            lr: 3e-4,
            lr_final: 3e-7,
            warmup: 0.1,
            decay: 1e-6,
            decay_final: 1e-6,
            ..ScheduleConfig::default()
        },
        optimizer: Default::default(),
        target: TargetSource::Shared,
        objective: ObjectiveConfig {
            distance: DistanceConfig::L2,
            normalise_targets: None,
            regularisers: vec![
                term(RegulariserConfig::Variance(Variance::default()), VARIANCE),
                term(RegulariserConfig::Covariance(Covariance::default()), 1.0),
            ],
        },
        guard: Default::default(),
        probe: Default::default(),
        model: McJepaConfig {
            frames: FrameConfig { size: [384, 512], scale: [1.0, 1.0], flip: true },
            views: ViewConfig::vicreg(224),
            content: ContentConfig {
                expander: vec![8192; 3],
                invariance: VARIANCE,
                pictures: Some("imagenet".into()),
                each: 48,
            },
            encoder: PyramidConfig {
                stem: 48,
                widths: vec![96, 192, 384, 768],
                depths: vec![3, 3, 9, 3],
                layer_scale: 1e-6,
                eps: 1e-6,
            },
            flow: FlowConfig::pwc_lite(),
            motion: MotionLoss {
                start: 0.1,
                weight: 0.1,
                regression: 5.0,
                reconstruction: 1.0,
                photometric: Photometric { l1: 1.0, l2: 1.0, ssim: 1.0, census: 0.0 },
                scales: 1,
                smoothness: Smoothness { weight: 75.0, edges: 10.0, second_order: true },
                cycle: 0.2,
                variance: vec![0.01, 0.01, 0.01, 0.01, 0.001],
                covariance: vec![0.04, 0.04, 0.001, 0.0, 0.0],
                occlusion: Some(Consistency::default()),
            },
            init: InitScheme::Official { depth_rescale: false },
        },
    }
}

/// The recipe on a scale of two cores.
fn scaled(steps: u64, batch: usize, size: usize, view: usize) -> RunConfig<McJepaConfig> {
    let mut config = paper();
    config.data = DataConfig { source: "builtin".into(), threads: 2 };
    config.run = RunSection::new(steps, batch, 200);
    config.schedule = ScheduleConfig { lr_start: 1e-4, lr: 1e-3, lr_final: 1e-5, warmup: 0.05, ..config.schedule };
    let model = &mut config.model;
    model.frames.size = [size; 2];
    // Pictures are small already: little is cut away, and a wide blur would leave nothing.
    model.views = ViewConfig {
        crop: CropConfig { size: view, scale: [0.3, 1.0], ..ViewConfig::vicreg(view).crop },
        blur: [0.1, 0.6],
        ..ViewConfig::vicreg(view)
    };
    model.content.pictures = None;
    model.content.each = 1;
    // VICReg's proportions with invariance and variance at 1, so that a short run is not all content.
    model.content.invariance /= VARIANCE;
    for regulariser in &mut config.objective.regularisers {
        regulariser.weight /= VARIANCE;
    }
    model.init = InitScheme::FanIn;
    config
}

/// Minutes on two cores. In so few steps flow is learnt only where the pictures outweigh content and smoothness; stronger
/// terms on content leave the flow at zero.
fn small() -> RunConfig<McJepaConfig> {
    let mut config = scaled(1200, 8, 64, 48);
    config.model.content.invariance *= 0.02;
    for regulariser in &mut config.objective.regularisers {
        regulariser.weight *= 0.02;
    }
    config.model.content.expander = vec![128; 3];
    config.model.encoder =
        PyramidConfig { stem: 24, widths: vec![32, 48, 64], depths: vec![1, 1, 2], layer_scale: 0.1, eps: 1e-6 };
    config.model.flow = FlowConfig {
        radius: 4,
        projection: 24,
        estimator: [64, 64, 48, 32, 24],
        context: [32, 32, 32, 32, 24, 16],
        finest: 1,
    };
    config.model.motion = MotionLoss {
        start: 0.0,
        weight: 1.0,
        regression: 0.1,
        reconstruction: 20.0,
        photometric: Photometric { l1: 1.0, l2: 0.0, ssim: 1.0, census: 0.0 },
        scales: 3,
        smoothness: Smoothness { weight: 0.5, edges: 10.0, second_order: true },
        cycle: 0.0,
        variance: vec![0.05; 4],
        covariance: vec![0.01, 0.01, 0.001, 0.0],
        occlusion: None,
    };
    config
}

/// Seconds.
fn tiny() -> RunConfig<McJepaConfig> {
    let mut config = scaled(40, 4, 32, 24);
    config.run.checkpoint_every = 20;
    config.run.diagnose_every = 20;
    config.model.content.expander = vec![24, 24];
    config.model.encoder =
        PyramidConfig { stem: 8, widths: vec![12, 16], depths: vec![1, 1], layer_scale: 0.5, eps: 1e-6 };
    config.model.flow = FlowConfig {
        radius: 2,
        projection: 8,
        estimator: [16, 16, 12, 8, 8],
        context: [12, 12, 12, 12, 8, 8],
        finest: 1,
    };
    config.model.motion = MotionLoss {
        start: 0.0,
        weight: 1.0,
        photometric: Photometric { census: 0.5, ..config.model.motion.photometric },
        scales: 2,
        smoothness: Smoothness { weight: 5.0, ..config.model.motion.smoothness },
        variance: vec![0.05; 3],
        covariance: vec![0.01; 3],
        ..config.model.motion
    };
    config
}

pub(super) fn all() -> Vec<Preset<McJepaConfig>> {
    let preset = |name, about, config| Preset { name, about, config };
    vec![
        preset("small", "minutes on two cores: built-in moving scenes of 64 pixels, 0.3 M parameters", small()),
        preset("tiny", "seconds: for tests", tiny()),
        preset(
            "paper",
            "ConvNeXt-T, 100 epochs; the recipe as it is recalled, not verified (arXiv 2307.12698); give --data \
             flying-chairs:PATH and --set model.content.pictures=PATH",
            paper(),
        ),
    ]
}
