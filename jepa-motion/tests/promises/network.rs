//! One whole forward and backward pass of a small MC-JEPA against PyTorch (`reference/motion.py`): features of every
//! level, flows, every term and the norm of every gradient, on frames that are not square.

use std::collections::BTreeMap;

use burn::module::Module as _;
use burn::prelude::*;
use jepa_core::checkpoint;
use jepa_core::host;
use jepa_core::jepa::{Forward, Jepa as _, Role, Step};
use jepa_core::nn::{Init, InitScheme, params};
use jepa_core::objective::{DistanceConfig, Memory, Objective, ObjectiveConfig};
use jepa_core::recorded::Recorded;
use jepa_motion::losses::{Consistency, MotionLoss, Photometric, Smoothness};
use jepa_motion::network::{
    Expander, FlowConfig, FlowEstimator, MotionBatch, MotionNetworks, Pictures, PyramidConfig, PyramidEncoder,
};
use jepa_motion::pyramid::Map;

const SIZE: [usize; 2] = [32, 48];
const PAIRS: usize = 2;
const PICTURES: usize = 6;

fn loss() -> MotionLoss {
    MotionLoss {
        start: 0.0,
        weight: 0.7,
        regression: 1.5,
        reconstruction: 1.0,
        photometric: Photometric { l1: 1.0, l2: 0.5, ssim: 0.8, census: 0.6 },
        scales: 2,
        smoothness: Smoothness { weight: 5.0, edges: 10.0, second_order: true },
        cycle: 0.2,
        variance: vec![0.4, 0.3, 0.2],
        covariance: vec![0.04, 0.03, 0.02],
        occlusion: Some(Consistency { relative: 0.01, absolute: 2.0 }),
    }
}

struct Small {
    recorded: Recorded,
    networks: MotionNetworks,
}

impl Small {
    /// The recorded networks, their weights changed by `change`.
    fn new(change: impl Fn(&str, &mut Vec<f32>)) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/motion.safetensors");
        let recorded = Recorded::open(path).unwrap();
        let pyramid = PyramidConfig { stem: 8, widths: vec![12, 16], depths: vec![1, 2], layer_scale: 1.0, eps: 1e-6 };
        let flow = FlowConfig {
            radius: 4,
            projection: 8,
            estimator: [16, 16, 12, 8, 8],
            context: [12, 12, 12, 12, 8, 8],
            finest: 1,
        };
        let init = &mut Init::new(0, InitScheme::FanIn, &Device::flex());
        let networks = MotionNetworks {
            encoder: PyramidEncoder::new(init, &pyramid),
            flow: FlowEstimator::new(init, &flow, &pyramid),
            expander: Expander::new(init, 16, &[20, 24]),
            loss: loss(),
            invariance: 25.0,
        };
        let mut weights = recorded.formula().unwrap();
        for (name, (_, values)) in &mut weights {
            change(name, values);
        }
        // Running figures are not used in training.
        for leaf in params::leaves(&networks) {
            if leaf.role() == params::Role::Frozen {
                weights.insert(leaf.path.clone(), (leaf.shape.clone(), vec![0.5; leaf.len()]));
            }
        }
        let networks = checkpoint::apply(networks, &weights, path).unwrap();
        Self { recorded, networks }
    }

    fn map(&self, name: &str, size: [usize; 2]) -> Map {
        Map::new(self.recorded.tensor(name).unwrap(), size)
    }

    /// The recorded frames and views, as the loader would hand them over.
    fn batch(&self) -> MotionBatch {
        let pairs = |name: &str, halves: usize, each: usize| {
            let values = self.recorded.f32(name).unwrap();
            let length = values.len() / (2 * halves);
            let picture = |at: usize| values[at * length..(at + 1) * length].to_vec();
            // First halves, then second ones, to one after the other.
            let all: Vec<f32> = (0..halves).flat_map(|at| [picture(at), picture(at + halves)].concat()).collect();
            Pictures::new(all, if name == "frames" { SIZE } else { [16; 2] }, each)
        };
        let views = pairs("views", PICTURES, 2 * PICTURES / PAIRS);
        MotionBatch::new(PAIRS, pairs("frames", PAIRS, 2), views).unwrap()
    }

    fn forward(&self) -> Forward {
        let student = self.networks.clone().train();
        student.forward(student.target(), &self.batch(), &Step::new(1, 10, 0, &Device::flex()))
    }
}

fn objective() -> Objective {
    Objective::new(&ObjectiveConfig { distance: DistanceConfig::L2, normalise_targets: None, regularisers: Vec::new() })
        .unwrap()
}

#[test]
fn features_and_flows_of_every_level_are_the_recorded_ones() {
    let differences = |small: &Small, frames: Map| {
        let pyramid = small.networks.encoder.forward(&frames);
        let flows = small.networks.flow.forward(&pyramid);
        let of = |name: &str, maps: Vec<Map>| {
            let each = maps.into_iter().enumerate();
            each.map(|(i, map)| small.recorded.difference(&format!("{name}.{i}"), map.values).unwrap())
                .fold(0.0, f64::max)
        };
        [of("level", pyramid), of("flow", flows)]
    };
    let small = Small::new(|_, _| {});
    let [levels, flows] = differences(&small, small.map("frames", SIZE));
    assert!(levels < 2e-5 && flows < 2e-5, "{levels} {flows}");
    // Controls: the estimator reads the costs column by column; frames in the other order; one tap of a filter changed.
    let turned = Small::new(|name, values| {
        if name == "flow.estimator.conv1.weight" {
            let before = values.clone();
            for (at, value) in values.iter_mut().enumerate() {
                let (output, input, tap) = (at / (91 * 9), at / 9 % 91, at % 9);
                if input < 81 {
                    *value = before[(output * 91 + input % 9 * 9 + input / 9) * 9 + tap];
                }
            }
        }
    });
    let [levels, flows] = differences(&turned, small.map("frames", SIZE));
    assert!(levels < 2e-5 && flows > 1e-2, "{levels} {flows}");
    let [levels, flows] = differences(&small, small.map("frames", SIZE).swapped());
    assert!(levels > 0.1 && flows > 0.1, "{levels} {flows}");
    let changed = Small::new(|name, values| {
        if name == "encoder.stages.0.0.dwconv.weight" {
            values[0] += 0.1;
        }
    });
    assert!(differences(&changed, small.map("frames", SIZE))[0] > 1e-4);
}

#[test]
fn every_term_and_the_norm_of_every_gradient_are_the_recorded_ones() {
    let small = Small::new(|_, _| {});
    let student = small.networks.clone().train();
    let forward = student.forward(student.target(), &small.batch(), &Step::new(1, 10, 0, &Device::flex()));
    let embedding = forward.embedding(Role::Predicted).unwrap().clone().inner().squeeze_dim::<2>(1);
    assert!(small.recorded.difference("embedding", embedding).unwrap() < 1e-4);
    assert_eq!(forward.embedding(Role::Context).unwrap().dims(), [PICTURES, 4 + 4 * 6, 16]);

    let loss = objective().energy(forward, &Memory::default()).unwrap();
    let expected: BTreeMap<String, f64> = small.recorded.metadata("terms").unwrap();
    let found: BTreeMap<String, f64> = loss
        .terms
        .iter()
        .map(|(name, value)| (name.to_string(), host::scalar(value.clone().inner()).unwrap()))
        .collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, value) in &expected {
        assert!((found[name] / value - 1.0).abs() < 1e-4, "{name}: {} and {value}", found[name]);
    }

    let expected: BTreeMap<String, f64> = small.recorded.metadata("gradients").unwrap();
    let gradients = params::gradients(&student, &mut loss.total.backward());
    let mut checked = 0;
    for (leaf, gradient) in params::leaves(&student).into_iter().zip(gradients) {
        if leaf.role() == params::Role::Frozen {
            continue;
        }
        let found = host::scalar(gradient.unwrap().powi_scalar(2).sum()).unwrap().sqrt();
        let expected = expected[&leaf.path];
        assert!((found - expected).abs() < 2e-3 * expected.max(1e-3), "{}: {found} and {expected}", leaf.path);
        checked += 1;
    }
    assert_eq!(checked, expected.len());
}

#[test]
fn the_gradient_of_the_flows_losses_is_their_slope() {
    let mut small = Small::new(|_, _| {});
    // What is smooth alone: no mask that a step could flip, no absolute values, no terms of the content.
    small.networks.loss.occlusion = None;
    small.networks.loss.photometric = Photometric { l1: 0.0, l2: 4.0, ssim: 0.0, census: 0.0 };
    small.networks.invariance = 0.0;
    let student = small.networks.clone().train();
    let step = Step::new(1, 10, 0, &Device::flex());
    let value = |networks: &MotionNetworks| {
        let forward = networks.forward(networks.target(), &small.batch(), &step);
        objective().energy(forward, &Memory::default()).unwrap().total
    };
    let gradients = params::gradients(&student, &mut value(&student).backward());
    // Of the flow estimator: everything reaches it through warps and cost volumes.
    let names: Vec<String> = params::leaves(&student).into_iter().map(|leaf| leaf.path).collect();
    let of_flow = |at: usize| names[at].starts_with("flow.");
    let squares = |at: usize| gradients[at].clone().map_or(0.0, |g| host::scalar(g.powi_scalar(2).sum()).unwrap());
    let norm = (0..names.len()).filter(|at| of_flow(*at)).map(squares).sum::<f64>().sqrt();
    let moved = |h: f64| {
        let mut at = 0;
        let networks = params::map(small.networks.clone(), |_, old| {
            at += 1;
            Ok(match &gradients[at - 1] {
                Some(gradient) if of_flow(at - 1) => old + gradient.clone() * (h / norm),
                _ => old,
            })
        });
        host::scalar(value(&networks.unwrap())).unwrap()
    };
    // Small enough that few places pass from one pixel to the next.
    let h = 1e-3;
    let found = (moved(h) - moved(-h)) / (2.0 * h);
    assert!((found / norm - 1.0).abs() < 0.03, "{found} and {norm}");
}

#[test]
fn before_its_start_the_flow_is_not_learnt_and_the_content_is() {
    let mut small = Small::new(|_, _| {});
    small.networks.loss.start = 0.5;
    let student = small.networks.clone().train();
    let names = |number| {
        let step = Step::new(number, 10, 0, &Device::flex());
        let forward = student.forward(student.target(), &small.batch(), &step);
        (forward.pairs.len(), forward.terms.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    };
    assert_eq!(names(5), (0, vec!["invariance"]));
    assert_eq!(names(6), (3, vec!["invariance", "reconstruction", "smoothness", "cycle", "spread"]));
    assert_eq!(small.forward().pairs.len(), 0);
}
