//! An engine gives the CPU's numbers: forward, gradient, twenty training steps.
//!
//! The engine is named by `JEPA_TEST_ENGINE`, and the feature that brings it must be on:
//!
//! ```sh
//! JEPA_TEST_ENGINE=vulkan:0 cargo test --package jepa-core --features vulkan --test promises engines
//! JEPA_TEST_ENGINE=tch:cpu  cargo test --package jepa-core --features tch --test promises engines
//! ```
//!
//! Without the variable the CPU is held against itself, which checks the test. Where it fails, or an engine fails its
//! start-up check, [`operations`](super::operations) says which operation is wrong and what is known about it:
//!
//! ```sh
//! JEPA_TEST_ENGINE=vulkan:0 cargo test --package jepa-core --features vulkan --test promises operations -- --nocapture
//! ```
//!
//! A machine without a GPU runs both on a driver that computes on the processor: lavapipe of Mesa 26.1 (Debian's
//! `mesa-vulkan-drivers`), chosen by `VK_ICD_FILENAMES`. It has what `vulkan` needs of a driver, 22.3 and 25.0 do not; the
//! feature `wgpu` needs less, and passes on 22.3.

use burn::prelude::*;
use jepa_core::checkpoint::named;
use jepa_core::device::Engine;
use jepa_core::jepa::{Step, TargetSource};
use jepa_core::masked::{MaskedJepa, PatchBatch};
use jepa_core::masks::{MaskRule, MultiBlock, MultiBlockConfig};
use jepa_core::nn::{Encoder, EncoderConfig, Init, InitScheme, Precision, Predictor, PredictorConfig, positions};
use jepa_core::objective::{DistanceConfig, Objective, ObjectiveConfig};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::train::{AdamWConfig, Learner, Rates, Replicas};

const ROWS: usize = 4;
const COLUMNS: usize = 6;
const VALUES: usize = 12;

struct Course {
    first_norm: f64,
    losses: Vec<f64>,
    weights: Vec<(String, Vec<f32>)>,
}

/// A small model whose heads are 24 wide, on a grid that is not square.
fn model(device: &Device) -> MaskedJepa {
    let encoder = EncoderConfig { width: 48, depth: 2, heads: 2, mlp_ratio: 4.0, eps: 1e-6 };
    let predictor = PredictorConfig { width: 48, depth: 1, heads: 2 };
    let mut init = Init::new(5, InitScheme::FanIn, device);
    let table = positions::sincos_2d(ROWS, COLUMNS, 48);
    MaskedJepa::new(
        Encoder::new(&mut init, &encoder, VALUES, table.clone()),
        Predictor::new(&mut init, &predictor, 48, 1e-6, table),
    )
}

fn weights(encoder: &Encoder) -> Vec<(String, Vec<f32>)> {
    named(encoder).unwrap().into_iter().map(|(name, (_, values))| (name, values)).collect()
}

fn course_start() -> Vec<(String, Vec<f32>)> {
    weights(&model(&Engine::cpu().device).encoder)
}

/// Twenty steps of it.
fn course(device: &Device, precision: Precision) -> Course {
    let model = model(device);
    let config = MultiBlockConfig { min_keep: 3, rule: MaskRule::Corrected, ..MultiBlockConfig::official() };
    let blocks = MultiBlock::new(&config, ROWS, COLUMNS).unwrap();
    let objective = Objective::new(&ObjectiveConfig {
        distance: DistanceConfig::SmoothL1 { beta: 1.0 },
        normalise_targets: Some(1e-5),
        regularisers: Vec::new(),
    })
    .unwrap();
    let replicas = Replicas::new(1).unwrap();
    let mut learner = Learner::new(model, TargetSource::Ema, &AdamWConfig::default()).unwrap();
    let mut course = Course { first_norm: 0.0, losses: Vec::new(), weights: Vec::new() };
    for number in 1..=20 {
        let mut stream = Stream::new(1, Purpose::Test, number, 0);
        let shape = [4, ROWS * COLUMNS, VALUES];
        let values = (0..shape.iter().product()).map(|_| stream.normal()).collect();
        let masks = blocks
            .sample(4, &mut Stream::new(1, Purpose::Masks, number, 0), &mut Stream::new(1, Purpose::Masks, number, 1))
            .unwrap();
        let batch = PatchBatch::new(values, shape, Some(masks)).unwrap();
        let step = Step::new(number, 20, 1, device).with_products(precision);
        let target = learner.target_network(TargetSource::Ema);
        let work = replicas.forward_backward(&learner, target.as_ref(), &batch, &objective, &step).unwrap();
        drop(target);
        if number == 1 {
            course.first_norm = work.norm;
        }
        course.losses.push(work.loss);
        let rates = Rates { lr: 1e-3, decay: 0.05, momentum: 0.99 };
        learner = learner.update(work, rates, TargetSource::Ema, &objective).unwrap();
    }
    course.weights = weights(&learner.encoder());
    course
}

#[test]
fn the_engine_under_test_follows_the_cpu_for_twenty_steps() {
    let name = std::env::var("JEPA_TEST_ENGINE").unwrap_or_else(|_| "cpu".into());
    let engine = Engine::open(&name).unwrap();
    let [here, there] = [&Engine::cpu().device, &engine.device].map(|device| course(device, Precision::F32));
    let losses = here.losses.iter().zip(&there.losses).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let norm = (here.first_norm / there.first_norm - 1.0).abs();
    // AdamW turns a gradient of nearly zero into a whole step of either sign, so single weights may part; together they
    // must end where the CPU's do, measured by how far those moved.
    let start = course_start();
    let (mut apart, mut moved) = (0f64, 0f64);
    for (((_, a), (_, b)), (_, s)) in here.weights.iter().zip(&there.weights).zip(&start) {
        for ((a, b), s) in a.iter().zip(b).zip(s) {
            apart += f64::from(a - b).powi(2);
            moved += f64::from(a - s).powi(2);
        }
    }
    let weights = (apart / moved).sqrt();
    println!(
        "{name}: losses differ by {losses:.1e}, the first gradient norm by {norm:.1e}, weights by {weights:.1e} of their way"
    );
    assert!(losses < 1e-4 && norm < 1e-4 && weights < 1e-2, "losses {losses}, norm {norm}, weights {weights}");
    assert!(here.losses[19] < here.losses[0], "and it learns: {:?}", here.losses);
}

#[test]
fn products_in_bf16_are_refused_on_the_cpu_and_elsewhere_change_the_course_by_their_rounding_alone() {
    let refused = Engine::cpu().check_products(Precision::Bf16).unwrap_err().to_string();
    assert!(refused.contains("run.precision"), "{refused}");
    let name = std::env::var("JEPA_TEST_ENGINE").unwrap_or_else(|_| "cpu".into());
    let engine = Engine::open(&name).unwrap();
    if engine.check_products(Precision::Bf16).is_err() {
        return;
    }
    let [full, half] = [Precision::F32, Precision::Bf16].map(|precision| course(&engine.device, precision));
    let relative = |(a, b): (&f64, &f64)| (b / a - 1.0).abs();
    let losses = full.losses.iter().zip(&half.losses).map(relative).fold(0.0, f64::max);
    let norm = (half.first_norm / full.first_norm - 1.0).abs();
    println!("{name}: bf16 moves losses by {losses:.1e}, the first gradient norm by {norm:.1e}");
    assert!(losses < 2e-2 && norm < 2e-2, "losses {losses}, norm {norm}");
    assert!(losses > 1e-6, "nothing was rounded");
}
