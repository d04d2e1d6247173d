//! One training step on the closed-form weights of the recorded reference run (official modules, float64): the losses
//! before and after, every gradient norm that was recorded, and controls that must fail.

use burn::prelude::*;
use jepa_core::checkpoint::{Named, apply};
use jepa_core::jepa::{Step, TargetSource};
use jepa_core::masked::{MaskedJepa, PatchBatch};
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::{Encoder, EncoderConfig, Init, InitScheme, Predictor, PredictorConfig, params, positions};
use jepa_core::objective::{DistanceConfig, Objective, ObjectiveConfig};
use jepa_core::train::{AdamWConfig, Learner, Rates, Replicas};
use jepa_image::data::Normalise;
use jepa_image::tokens::Patches;

const BLOCK: [&str; 12] = [
    "norm1.weight",
    "norm1.bias",
    "attn.qkv.weight",
    "attn.qkv.bias",
    "attn.proj.weight",
    "attn.proj.bias",
    "norm2.weight",
    "norm2.bias",
    "mlp.fc1.weight",
    "mlp.fc1.bias",
    "mlp.fc2.weight",
    "mlp.fc2.bias",
];

/// Parameters in the order of the recipe's numbers.
fn order() -> Vec<String> {
    let blocks = |prefix: &'static str| (0..2).flat_map(move |i| BLOCK.map(|name| format!("{prefix}.{i}.{name}")));
    let ends = |prefix: &str| ["weight", "bias"].map(|p| format!("{prefix}.{p}"));
    let mut names: Vec<String> = Vec::new();
    names.extend(ends("encoder.patch_embed.proj"));
    names.extend(blocks("encoder.blocks"));
    names.extend(ends("encoder.norm"));
    names.push("predictor.mask_token".into());
    names.extend(ends("predictor.predictor_embed"));
    names.extend(blocks("predictor.predictor_blocks"));
    names.extend(ends("predictor.predictor_norm"));
    names.extend(ends("predictor.predictor_proj"));
    names
}

/// The closed-form value of element `j` of parameter `k`.
fn value(name: &str, k: usize, j: usize, phase: f64) -> f32 {
    let s = (0.37 * (j + 1) as f64 + 1.3 * (k + 1) as f64 + phase).sin();
    let norm = name.contains("norm");
    (if norm && name.ends_with("weight") {
        1.0 + 0.1 * s
    } else if name.ends_with("bias") {
        0.05 * s
    } else {
        0.08 * s
    }) as f32
}

#[derive(Clone, Copy, PartialEq)]
enum Break {
    Nothing,
    /// Rows and columns of the position code exchanged.
    Positions,
    /// One square matrix transposed.
    Transpose,
    /// One index of a target block moved.
    Mask,
}

fn model(broken: Break) -> (MaskedJepa, Encoder) {
    let device = Device::flex();
    let encoder = EncoderConfig { width: 32, depth: 2, heads: 4, mlp_ratio: 4.0, eps: 1e-6 };
    let predictor = PredictorConfig { width: 16, depth: 2, heads: 4 };
    let mut init = Init::new(0, InitScheme::Official { depth_rescale: false }, &device);
    let table = |width: usize| {
        let table = positions::sincos_2d(4, 4, width);
        if broken != Break::Positions {
            return table;
        }
        table.chunks(width).flat_map(|code| [&code[width / 2..], &code[..width / 2]].concat()).collect()
    };
    let model = MaskedJepa {
        encoder: Encoder::new(&mut init, &encoder, 192, table(32)),
        predictor: Predictor::new(&mut init, &predictor, 32, 1e-6, table(16)),
    };
    let leaves = params::leaves(&model);
    let weights = |phase: f64| -> Named {
        let mut named = jepa_core::checkpoint::named(&model).unwrap();
        for (k, name) in order().iter().enumerate() {
            let leaf = leaves.iter().find(|l| l.path == *name).unwrap();
            let values = (0..leaf.len()).map(|j| value(name, k, j, phase)).collect();
            named.insert(name.clone(), (leaf.stored_shape(), values));
        }
        if broken == Break::Transpose {
            let (shape, values) = named["encoder.blocks.0.attn.proj.weight"].clone();
            let transposed = (0..values.len()).map(|i| values[(i % 32) * 32 + i / 32]).collect();
            named.insert("encoder.blocks.0.attn.proj.weight".into(), (shape, transposed));
        }
        named
    };
    let target: Named = weights(0.25)
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("encoder.")?.to_owned(), tensor)))
        .collect();
    let target = apply(model.encoder.clone(), &target, "closed form").unwrap();
    (apply(model.clone(), &weights(0.0), "closed form").unwrap(), target)
}

fn batch(broken: Break) -> PatchBatch {
    let plain = Normalise { mean: vec![0.0; 3], std: vec![1.0; 3] };
    let patches = Patches::new(32, 32, 8, &plain).unwrap();
    let mut values = Vec::new();
    for image in 0..2 {
        let planes: Vec<f32> = (0..3072).map(|i| (0.017 * (image * 3072 + i) as f64).sin() as f32).collect();
        patches.cut_planes(&planes, &mut values);
    }
    let mask = |rows: [&[u32]; 2]| Mask::new(&rows.map(<[u32]>::to_vec), 16).unwrap();
    let last = if broken == Break::Mask { 14 } else { 9 };
    let masks = MaskSet {
        context: vec![mask([&[0, 1, 2, 4, 8], &[0, 3, 5, 6, 7]])],
        target: vec![mask([&[5, 6, last], &[9, 10, 13]]), mask([&[10, 11, 14], &[1, 2, 12]])],
    };
    PatchBatch::new(values, [2, 16, 192], Some(masks)).unwrap()
}

struct Recorded {
    before: f64,
    after: f64,
    norm: f64,
    norms: Vec<(String, f64)>,
}

fn step(broken: Break, replicas: usize, distance: DistanceConfig) -> Recorded {
    let (student, target) = model(broken);
    let batch = batch(broken);
    let objective =
        Objective::new(&ObjectiveConfig { distance, normalise_targets: Some(1e-5), regularisers: Vec::new() }).unwrap();
    let replicas = Replicas::new(replicas).unwrap();
    let step = Step { number: 1, total: 1, seed: 0, device: Device::flex() };
    let mut learner = Learner::new(student, TargetSource::Ema, &AdamWConfig::default()).unwrap();
    learner.target = Some(target.clone());
    let work = replicas.forward_backward(&learner.student, Some(&target), &batch, &objective, &step).unwrap();
    let names = params::leaves(&learner.student).into_iter().map(|l| l.path);
    let norms = names
        .zip(&work.gradients)
        .filter_map(|(name, g)| {
            let g = jepa_core::host::read(g.clone()?).unwrap();
            Some((name, g.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()))
        })
        .collect();
    let (before, norm) = (work.loss, work.norm);
    learner = learner.update(work, Rates { lr: 1e-3, decay: 0.04, momentum: 0.996 }, TargetSource::Ema).unwrap();
    let after = replicas.forward_backward(&learner.student, Some(&target), &batch, &objective, &step).unwrap().loss;
    Recorded { before, after, norm, norms }
}

const SMOOTH: DistanceConfig = DistanceConfig::SmoothL1 { beta: 1.0 };

#[test]
fn losses_and_gradient_norms_equal_the_recorded_run_for_one_and_two_replicas() {
    for replicas in [1, 2] {
        let found = step(Break::Nothing, replicas, SMOOTH);
        assert!((found.before - 0.453_504_274_7).abs() < 1e-6, "loss {}", found.before);
        assert!((found.after - 0.415_216_950_9).abs() < 1e-6, "loss after the step {}", found.after);
        assert!((found.norm - 0.793_995_049_2).abs() < 1e-5, "norm {}", found.norm);
        for (name, norm) in [
            ("encoder.patch_embed.proj.weight", 4.154_154_10e-2),
            ("encoder.blocks.0.norm1.weight", 1.421_682_34e-4),
            ("encoder.blocks.0.attn.qkv.weight", 1.087_993_06e-2),
            ("encoder.blocks.0.attn.proj.weight", 5.842_964_28e-2),
            ("encoder.blocks.1.mlp.fc2.weight", 6.672_305_42e-2),
            ("encoder.norm.bias", 6.101_412_49e-3),
            ("predictor.mask_token", 1.397_700_23e-1),
            ("predictor.predictor_embed.weight", 2.401_067_03e-1),
            ("predictor.predictor_blocks.0.attn.qkv.weight", 3.619_605_33e-1),
            ("predictor.predictor_blocks.1.mlp.fc2.weight", 2.427_814_92e-2),
            ("predictor.predictor_norm.weight", 6.008_153_54e-2),
            ("predictor.predictor_proj.weight", 4.070_078_66e-1),
            ("predictor.predictor_proj.bias", 1.212_054_31e-1),
        ] {
            let (_, value) = found.norms.iter().find(|(n, _)| n == name).unwrap();
            assert!((value / norm - 1.0).abs() < 1e-4, "{name}: {value}, recorded {norm}");
        }
    }
    for (distance, loss) in [(DistanceConfig::L2, 1.067_254_995_6), (DistanceConfig::L1, 0.833_502_372_5)] {
        assert!((step(Break::Nothing, 1, distance).before - loss).abs() < 1e-6);
    }
}

#[test]
fn a_broken_position_code_matrix_or_mask_does_not_pass() {
    for broken in [Break::Positions, Break::Transpose, Break::Mask] {
        let found = step(broken, 1, SMOOTH);
        assert!((found.before - 0.453_504_274_7).abs() > 1e-4, "loss {}", found.before);
    }
}
