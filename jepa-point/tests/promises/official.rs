//! One training step of a small official Point-JEPA, recorded by `tests/reference/model.py`: every tensor between
//! points and loss, the gradient of every parameter, one update, one step of the teacher. Weights come out of the
//! recorded checkpoint by the importer.

use std::path::PathBuf;

use burn::module::Module as _;
use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named, apply, named, read_foreign};
use jepa_core::host;
use jepa_core::jepa::{Jepa as _, Role, Step, TargetSource};
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig, normalise, params};
use jepa_core::objective::{DistanceConfig, Memory, Objective, ObjectiveConfig};
use jepa_core::probe::Pool;
use jepa_core::recorded::{Recorded, largest_difference};
use jepa_core::train::{AdamWConfig, DecayRule, Learner, Rates, Replicas};
use jepa_point::network::{GroupBatch, PointEncoder, PointNetworks, TokenizerConfig};
use jepa_point::weights;

const TOLERANCE: f64 = 1e-4;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn foreign() -> Foreign {
    Foreign { heads: Some(4), ..read_foreign(&path("point.ckpt"), None).unwrap() }
}

struct Small {
    recorded: Recorded,
    student: PointNetworks,
    teacher: PointEncoder,
}

/// The networks of the fixture: heads are 24 wide in both.
fn fresh() -> PointNetworks {
    let encoder = EncoderConfig { width: 96, depth: 2, heads: 4, mlp_ratio: 4.0, eps: 1e-5 };
    let predictor = PredictorConfig { width: 48, depth: 2, heads: 2 };
    let tokenizer = TokenizerConfig::default();
    PointNetworks::new(&mut Init::new(0, InitScheme::PyTorch, &Device::flex()), tokenizer, &encoder, &predictor)
}

impl Small {
    fn new() -> Self {
        let imported = weights::import(&foreign()).unwrap();
        Self::with(imported.student.unwrap(), imported.target)
    }

    fn with(student: Named, teacher: Named) -> Self {
        let fresh = fresh();
        Self {
            recorded: Recorded::open(path("model.safetensors")).unwrap(),
            student: apply(fresh.clone(), &student, "point.ckpt").unwrap(),
            teacher: apply(fresh.encoder, &teacher, "point.ckpt").unwrap(),
        }
    }

    /// Groups and centres, in the order of the sampling or in that of the sequencer.
    fn groups(&self, sorted: bool) -> (Vec<f32>, Vec<f32>) {
        let [points, centres] = ["points", "centres"].map(|name| self.recorded.f32(name).unwrap());
        let (knn, order) = (self.recorded.rows("knn").unwrap(), self.recorded.rows("order").unwrap());
        let (mut values, mut places) = (Vec::new(), Vec::new());
        for (cloud, order) in order.iter().enumerate() {
            for (place, next) in order.iter().enumerate() {
                let group = if sorted { *next as usize } else { place };
                let centre = &centres[(cloud * 16 + group) * 3..][..3];
                places.extend(centre);
                for member in &knn[cloud * 16 + group] {
                    let point = &points[(cloud * 128 + *member as usize) * 3..][..3];
                    values.extend((0..3).map(|axis| point[axis] - centre[axis]));
                }
            }
        }
        (values, places)
    }

    fn tensors(&self, sorted: bool) -> (Tensor<4>, Tensor<3>) {
        let (values, centres) = self.groups(sorted);
        let device = Device::flex();
        (
            Tensor::from_data(TensorData::new(values, [3, 16, 8, 3]), &device),
            Tensor::from_data(TensorData::new(centres, [3, 16, 3]), &device),
        )
    }

    fn batch(&self) -> GroupBatch {
        let (values, centres) = self.groups(true);
        let mask = |row: &Vec<u32>| Mask::new(&vec![row.clone(); 3], 16).unwrap();
        let context = self.recorded.rows("context.index").unwrap();
        let masks = MaskSet {
            context: vec![mask(&context[0])],
            target: self.recorded.rows("targets.index").unwrap().iter().map(mask).collect(),
        };
        GroupBatch::new(values, centres, [3, 16, 8], Some(masks)).unwrap()
    }

    fn learner(&self) -> Learner<PointNetworks> {
        let config = AdamWConfig { decays: DecayRule::All, ..Default::default() };
        let mut learner = Learner::new(self.student.clone(), TargetSource::Ema, &config).unwrap();
        learner.target = Some(self.teacher.clone());
        learner
    }

    fn loss(&self, batch: &GroupBatch, step: &Step) -> f64 {
        let forward = self.student.forward(&self.teacher, batch, step);
        host::scalar(objective().energy(forward, &Memory::default()).unwrap().total).unwrap()
    }

    fn check<const D: usize>(&self, name: &str, found: Tensor<D>) {
        let difference = self.recorded.difference(name, found).unwrap();
        println!("{name}: {difference:.1e}");
        assert!(difference < TOLERANCE, "{name} differs by {difference}");
    }
}

fn objective() -> Objective {
    Objective::new(&ObjectiveConfig {
        distance: DistanceConfig::SmoothL1 { beta: 2.0 },
        normalise_targets: Some(1e-5),
        regularisers: Vec::new(),
    })
    .unwrap()
}

fn step() -> Step {
    Step::new(1, 100, 0, &Device::flex())
}

#[test]
fn frozen_features_are_the_official_ones() {
    let small = Small::new();
    let encoder = &small.student.encoder;
    let (groups, centres) = small.tensors(false);
    let tokens = encoder.tokenizer.evaluate(groups);
    small.check("eval.tokens", tokens.clone());
    let codes = encoder.positional_encoding.forward(centres);
    let first = encoder.transformer.blocks[0].forward(tokens.clone() + codes.clone());
    small.check("eval.hidden0", first);
    small.check("eval.hidden1", encoder.transformer.trunk(tokens.clone(), Some(codes.clone()), None));
    let last = encoder.transformer.forward(tokens, Some(codes), None);
    small.check("eval.norm", last.clone());
    small.check("eval.feature", Pool::MaxMean.apply(last));
}

#[test]
fn every_tensor_between_points_and_loss_is_the_official_one() {
    let small = Small::new();
    let (groups, _) = small.tensors(false);
    small.check("tokens", small.student.encoder.tokenizer.forward(groups, &step()).0);
    let batch = small.batch();
    let forward = small.student.forward(&small.teacher, &batch, &step());
    let of = |role| forward.embedding(role).unwrap().clone();
    small.check("teacher.hidden1", of(Role::Whole));
    small.check("target", normalise(of(Role::Whole), 1e-5));
    small.check("student.norm", of(Role::Context));
    small.check("prediction", of(Role::Predicted));
    let loss = host::scalar(objective().energy(forward, &Memory::default()).unwrap().total).unwrap();
    let expected = small.recorded.values("loss").unwrap()[0];
    assert!((loss - expected).abs() < 1e-5, "{loss}, expected {expected}");
}

/// Parameters whose exact gradient is zero; what an update makes of the noise in it is no number to compare.
fn is_noise(name: &str) -> bool {
    name.ends_with("first_conv.out.bias") || name.ends_with("qkv.bias")
}

#[test]
fn the_gradient_of_every_parameter_has_the_official_norm_for_one_and_two_replicas() {
    let small = Small::new();
    let rows: Vec<(String, Vec<usize>, bool)> = small.recorded.metadata("parameters").unwrap();
    let norms = small.recorded.values("grad.l2").unwrap();
    for replicas in [1, 2] {
        let learner = small.learner();
        let work = Replicas::new(replicas)
            .unwrap()
            .forward_backward(&learner, Some(&small.teacher), &small.batch(), &objective(), &step())
            .unwrap();
        let leaves = params::leaves(&small.student);
        let found: Vec<(String, Vec<f32>)> = leaves
            .iter()
            .zip(work.gradients)
            .filter_map(|(leaf, gradient)| Some((leaf.path.clone(), host::read(gradient?).unwrap())))
            .collect();
        let mut compared = 0;
        for ((name, _, trained), expected) in rows.iter().zip(norms) {
            let Some(ours) = weights::ours(name).filter(|_| *trained) else { continue };
            let (_, values) = found.iter().find(|(path, _)| *path == ours).unwrap();
            let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            assert!((norm - expected).abs() < 1e-4 * expected.max(0.01), "{name}: {norm}, expected {expected}");
            if let Ok(recorded) = small.recorded.values(&format!("grad.{name}"))
                && leaves.iter().all(|leaf| leaf.path != ours || !leaf.matrix)
            {
                assert!(largest_difference(values, recorded) < 1e-5, "{name}");
            }
            compared += 1;
        }
        assert_eq!(compared, 75, "every trained parameter");
    }
}

#[test]
fn one_update_gives_the_official_parameters_running_figures_and_teacher() {
    let small = Small::new();
    let tau: f64 = small.recorded.metadata("tau").unwrap();
    for replicas in [1, 2] {
        let learner = small.learner();
        let work = Replicas::new(replicas)
            .unwrap()
            .forward_backward(&learner, Some(&small.teacher), &small.batch(), &objective(), &step())
            .unwrap();
        let rates = Rates { lr: 1e-3, decay: 0.05, momentum: tau };
        let learner = learner.update(work, rates, TargetSource::Ema, &objective()).unwrap();
        let student = named(&learner.student).unwrap();
        let teacher = named(learner.target.as_ref().unwrap()).unwrap();
        let mut compared = 0;
        for name in small.recorded.names() {
            let (found, official) = if let Some(official) = name.strip_prefix("after.") {
                let Some(ours) = weights::ours(official).filter(|ours| !is_noise(ours)) else { continue };
                (&student[&ours].1, official)
            } else if let Some(official) = name.strip_prefix("ema.teacher.ema_model.") {
                (&teacher[&format!("transformer.{official}")].1, official)
            } else {
                continue;
            };
            let difference = largest_difference(found, small.recorded.values(name).unwrap());
            assert!(difference < 2e-5, "{official}: {difference}");
            compared += 1;
        }
        assert!(compared > 50, "{compared}");
        for (layer, short) in [("first_conv", "first"), ("second_conv", "second")] {
            for (figure, name) in [("running_mean", "mean"), ("running_var", "var")] {
                let found = &student[&format!("encoder.tokenizer.{layer}.norm.{figure}")].1;
                let expected = small.recorded.values(&format!("bn.{short}.{name}")).unwrap();
                assert!(largest_difference(found, expected) < 1e-5, "{layer} {figure}");
                assert_eq!(teacher[&format!("tokenizer.{layer}.norm.{figure}")].1, *found, "shared with the target");
            }
        }
        let after = Small { student: learner.student, teacher: learner.target.unwrap(), ..Small::new() };
        let loss = after.loss(&after.batch(), &step());
        let expected = small.recorded.values("after.loss").unwrap()[0];
        assert!((loss - expected).abs() < 1e-4, "{loss}, expected {expected}");
    }
}

#[test]
fn a_transposed_weight_other_positions_and_running_figures_are_seen() {
    let small = Small::new();
    let expected = small.recorded.values("loss").unwrap()[0];
    let off = |loss: f64| assert!((loss - expected).abs() > 2e-4, "{loss} is too near {expected}");

    let imported = weights::import(&foreign()).unwrap();
    let (mut student, target) = (imported.student.unwrap(), imported.target);
    let (shape, values) = student.get_mut("encoder.transformer.blocks.0.attn.proj.weight").unwrap();
    let width = shape[0];
    *values = (0..values.len()).map(|i| values[i % width * width + i / width]).collect();
    let broken = Small::with(student, target);
    off(broken.loss(&broken.batch(), &step()));

    // Positions once instead of before every block.
    let (groups, centres) = small.tensors(false);
    let encoder = small.student.encoder.valid();
    let (tokens, codes) = (encoder.tokenizer.evaluate(groups), encoder.positional_encoding.forward(centres));
    let once = encoder.transformer.forward(tokens + codes, None, None);
    assert!(small.recorded.difference("eval.norm", once).unwrap() > 0.1);

    let running = Step { batch_statistics: false, ..step() };
    off(small.loss(&small.batch(), &running));

    // Centres of other groups.
    let (values, mut centres) = small.groups(true);
    centres.reverse();
    let shuffled = GroupBatch::new(values, centres, [3, 16, 8], None).unwrap();
    let features = PointNetworks::features(&encoder, &shuffled, &Device::flex());
    let plain = GroupBatch::new(small.groups(true).0, small.groups(true).1, [3, 16, 8], None).unwrap();
    let own = PointNetworks::features(&encoder, &plain, &Device::flex());
    assert!(host::scalar((features - own).abs().max()).unwrap() > 0.1);
}

#[test]
fn a_checkpoint_with_a_key_too_many_or_too_few_is_refused_and_broken_figures_are_mended() {
    let whole = foreign();
    let mut odd = whole.clone();
    odd.tensors.insert("state_dict.student.extra".into(), (vec![1], vec![0.0]));
    let imported = weights::import(&odd).unwrap();
    let error = apply(fresh(), &imported.student.unwrap(), "odd").unwrap_err().to_string();
    assert!(error.contains("encoder.transformer.extra"), "{error}");

    let mut odd = whole.clone();
    odd.tensors.insert("state_dict.stranger.weight".into(), (vec![1], vec![0.0]));
    let error = weights::import(&odd).err().unwrap().to_string();
    assert!(error.contains("stranger.weight"), "{error}");

    let mut poor = whole.clone();
    poor.tensors.retain(|name, _| !name.ends_with("teacher.ema_model.blocks.1.mlp.fc2.bias"));
    let target = weights::import(&poor).unwrap().target;
    let error = apply(fresh().encoder, &target, "poor").unwrap_err().to_string();
    assert!(error.contains("transformer.blocks.1.mlp.fc2.bias"), "{error}");

    let mut nan = whole;
    let key = "tokenizer.embedding.encoder.first_conv.1.running_var";
    let key = nan.tensors.keys().find(|name| name.ends_with(key)).unwrap().clone();
    nan.tensors.get_mut(&key).unwrap().1.fill(f32::NAN);
    let student = weights::import(&nan).unwrap().student.unwrap();
    assert!(student["encoder.tokenizer.first_conv.norm.running_var"].1.iter().all(|v| *v == 1.0));
}
