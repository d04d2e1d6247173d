//! Energies of levels against their formula on the host, their sum, where gradients end, and replicas.

use burn::prelude::*;
use jepa_core::collapse::{Covariance, RegulariserConfig, Variance};
use jepa_core::hierarchy::{Level, LevelConfig, Perceptron};
use jepa_core::host;
use jepa_core::jepa::{Jepa as _, Role, Step, TargetSource};
use jepa_core::nn::{Linear, params};
use jepa_core::objective::{DistanceConfig, Memory, Objective, ObjectiveConfig, WeightedRegulariser};
use jepa_core::train::{AdamWConfig, Learner, Replicas, Work};

use super::walkers::{SIZES, Walker, Walks, level};

type Row = Vec<f64>;

fn linear(layer: &Linear, x: &[f64]) -> Row {
    let weight = host::read_f64(layer.weight.val()).unwrap();
    let bias = host::read_f64(layer.bias.as_ref().unwrap().val()).unwrap();
    let outputs = bias.len();
    let output = |at: usize| bias[at] + x.iter().enumerate().map(|(i, v)| v * weight[i * outputs + at]).sum::<f64>();
    (0..outputs).map(output).collect()
}

/// x Φ(x) by Simpson's rule on the density, far finer than single precision.
fn gelu(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let (n, h) = (400, x / 400.0);
    let inner = (1..n).map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * density(f64::from(i) * h)).sum::<f64>();
    x * (0.5 + (density(0.0) + inner + density(x)) * h / 3.0)
}

fn perceptron(network: &Perceptron, x: &[f64]) -> Row {
    let last = network.layers.len() - 1;
    network.layers.iter().enumerate().fold(x.to_vec(), |x, (at, layer)| {
        let y = linear(layer, &x);
        if at < last { y.into_iter().map(gelu).collect() } else { y }
    })
}

/// Layer normalisation with the fresh weight one and bias zero.
fn norm(x: &[f64]) -> Row {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    x.iter().map(|v| (v - mean) / (variance + 1e-5).sqrt()).collect()
}

fn squares(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64
}

/// States and actions of one sample on one level.
struct Walk {
    states: Vec<Row>,
    actions: Vec<Row>,
}

/// A level restated: energy, inverse dynamics, and what the level above reads. `stride` and `horizon` are handed over so
/// that a wrong one can be told.
fn restated(level: &Level, below: &Walk, stride: usize, horizon: usize) -> (f64, f64, Walk) {
    let states: Vec<Row> = below.states.iter().step_by(stride).map(|s| norm(&perceptron(&level.encoder, s))).collect();
    let stretches: Vec<Row> = below.actions.chunks_exact(stride).map(<[Row]>::concat).collect();
    let z = |stretch: &Row| perceptron(&level.latent, stretch).into_iter().map(f64::tanh).collect::<Row>();
    let actions: Vec<Row> = stretches.iter().map(z).collect();
    let mut state = states[0].clone();
    let mut energy = 0.0;
    for at in 0..horizon {
        let moved = perceptron(&level.predictor, &[state.clone(), actions[at].clone()].concat());
        state = norm(&state.iter().zip(moved).map(|(s, m)| s + m).collect::<Row>());
        energy += squares(&state, &states[at + 1]) / horizon as f64;
    }
    let inverse = level.inverse.as_ref().unwrap();
    let missed = (0..stretches.len()).map(|at| {
        let found = perceptron(inverse, &[states[at].clone(), states[at + 1].clone()].concat());
        let done = &below.actions[at * stride..(at + 1) * stride];
        let mean: Row = (0..found.len()).map(|i| done.iter().map(|a| a[i]).sum::<f64>() / stride as f64).collect();
        squares(&found, &mean)
    });
    let missed = missed.sum::<f64>() / stretches.len() as f64;
    (energy, missed, Walk { states, actions })
}

fn levels() -> Vec<LevelConfig> {
    vec![
        LevelConfig { weight: 0.7, ..level(3, 2, 2) },
        LevelConfig { weight: 0.3, inverse_weight: 0.25, ..level(2, 1, 3) },
    ]
}

fn objective(regularisers: Vec<WeightedRegulariser>) -> Objective {
    Objective::new(&ObjectiveConfig { distance: DistanceConfig::L2, normalise_targets: None, regularisers }).unwrap()
}

fn step() -> Step {
    Step::new(1, 9, 5, &Device::flex())
}

const TIMES: usize = 13;

#[test]
fn every_levels_energy_is_its_formula_and_the_total_their_weighted_sum() {
    let (walker, walks) = (Walker::new(&levels()), Walks::draw(4, TIMES));
    let loss = objective(Vec::new()).energy(walker.forward(&walker, &walks, &step()), &Memory::default()).unwrap();
    let found: Vec<(String, f64)> =
        loss.terms.into_iter().map(|(name, value)| (name.to_string(), host::scalar(value).unwrap())).collect();

    let restate = |strides: [usize; 2], horizon: usize| -> [f64; 4] {
        let mut sums = [0.0; 4];
        for sample in 0..4 {
            let rows = |values: &[f32], width: usize| -> Vec<Row> {
                let each = values.len() / 4;
                let of = &values[sample * each..(sample + 1) * each];
                of.chunks_exact(width).map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect()
            };
            let states = rows(&walks.inputs, SIZES[0]).iter().map(|row| linear(&walker.encoder, row)).collect();
            let lowest = Walk { states, actions: rows(&walks.actions, SIZES[2]) };
            let [second, third] = [&walker.stack.levels[0], &walker.stack.levels[1]];
            let (energy2, missed2, above) = restated(second, &lowest, strides[0], horizon);
            let (energy3, missed3, _) = restated(third, &above, strides[1], 1);
            for (sum, value) in sums.iter_mut().zip([energy2, missed2, energy3, missed3]) {
                *sum += value / 4.0;
            }
        }
        [0.7 * sums[0], 0.5 * sums[1], 0.3 * sums[2], 0.25 * sums[3]]
    };
    let names = ["energy_level_2", "inverse_dynamics_level_2", "energy_level_3", "inverse_dynamics_level_3"];
    assert_eq!(found[0].0, "energy");
    let expected = restate([3, 2], 2);
    for ((name, value), (expected_name, expected)) in found[1..].iter().zip(names.iter().zip(expected)) {
        assert_eq!(name, expected_name);
        assert!((value - expected).abs() < 1e-5, "{name}: {value}, by the formula {expected}");
    }
    let sum = found.iter().map(|(_, value)| value).sum::<f64>();
    assert!((host::scalar(loss.total).unwrap() - sum).abs() < 1e-5);
    // The control: with another horizon the formula gives another number.
    assert!((restate([3, 2], 1)[0] - found[1].1).abs() > 1e-3);
}

/// Largest gradient of the parameters below a path; `on` says which energies are minimised.
fn slope(gradient_below: [bool; 2], path: &str, above_alone: bool) -> f64 {
    let mut levels = levels();
    levels.iter_mut().zip(gradient_below).for_each(|(level, reaches)| level.gradient_below = reaches);
    let walker = Walker::new(&levels).train();
    let mut forward = walker.forward(&walker, &Walks::draw(4, TIMES), &step());
    if above_alone {
        // Only the topmost level's energy and terms.
        forward.pairs.clear();
        forward.above[0].pairs.clear();
        forward.above[0].terms.clear();
    }
    let mut gradients = objective(Vec::new()).energy(forward, &Memory::default()).unwrap().total.backward();
    let all = params::gradients(&walker, &mut gradients);
    let here = params::leaves(&walker).into_iter().zip(all).filter(|(leaf, _)| leaf.path.starts_with(path));
    here.filter_map(|(_, g)| Some(host::scalar(g?.abs().max()).unwrap())).fold(0.0, f64::max)
}

#[test]
fn the_switch_cuts_the_gradients_of_a_level_from_all_below_it_and_from_nothing_else() {
    // Of the third level's energy alone: into itself, the second, and through it the first.
    for (reaches, second, first) in [
        ([true, true], true, true),
        ([true, false], false, false),
        ([false, true], true, false),
        ([false, false], false, false),
    ] {
        assert!(slope(reaches, "stack.levels.1.", true) > 1e-6);
        assert_eq!(slope(reaches, "stack.levels.0.encoder", true) > 0.0, second, "{reaches:?}");
        assert_eq!(slope(reaches, "stack.levels.0.latent", true) > 0.0, second, "{reaches:?}");
        assert_eq!(slope(reaches, "encoder", true) > 0.0, first, "{reaches:?}");
    }
    // What is cut off trains as if nothing stood on it.
    let alone = {
        let walker = Walker::new(&[]).train();
        let forward = walker.forward(&walker, &Walks::draw(4, TIMES), &step());
        let mut gradients = objective(Vec::new()).energy(forward, &Memory::default()).unwrap().total.backward();
        let gradients = params::gradients(&walker, &mut gradients);
        let leaves = params::leaves(&walker).into_iter().zip(gradients);
        let own = leaves.filter(|(leaf, _)| leaf.path.starts_with("encoder"));
        own.filter_map(|(_, g)| Some(host::scalar(g?.abs().max()).unwrap())).fold(0.0, f64::max)
    };
    assert_eq!(slope([false, false], "encoder", false), alone);
    assert_ne!(slope([true, true], "encoder", false), alone);
}

fn work(replicas: usize, noise: f64) -> Work {
    let levels: Vec<LevelConfig> = levels().into_iter().map(|level| LevelConfig { noise, ..level }).collect();
    let term = |term, level| WeightedRegulariser { term, weight: 2.0, on: Role::States, against: None, level };
    let objective = objective(vec![
        term(RegulariserConfig::Variance(Variance::default()), 2),
        term(RegulariserConfig::Covariance(Covariance::default()), 3),
    ]);
    let learner = Learner::new(Walker::new(&levels), TargetSource::Shared, &AdamWConfig::default()).unwrap();
    let replicas = Replicas::new(replicas).unwrap();
    replicas.forward_backward(&learner, None, &Walks::draw(7, TIMES), &objective, &step()).unwrap()
}

#[test]
fn one_and_two_replicas_give_every_level_the_same_energies_terms_and_gradients() {
    let [one, two] = [1, 2].map(|replicas| work(replicas, 0.3));
    let names: Vec<&str> = one.terms.iter().map(|(name, _)| name.as_ref()).collect();
    assert!(names.contains(&"variance_level_2") && names.contains(&"covariance_level_3"), "{names:?}");
    for ((name, a), (_, b)) in one.terms.iter().zip(&two.terms) {
        assert!((a - b).abs() < 1e-5 * a.abs().max(0.1), "{name}: {a} and {b}");
    }
    assert!((one.norm / two.norm - 1.0).abs() < 1e-4, "{} and {}", one.norm, two.norm);
    // The control: without noise on macro actions the energies are others.
    let of = |work: &Work| work.terms.iter().find(|(name, _)| *name == "energy_level_2").unwrap().1;
    assert!((of(&work(1, 0.0)) - of(&one)).abs() > 1e-4);
}

#[test]
fn terms_of_a_level_that_is_not_there_are_refused() {
    let term = RegulariserConfig::Variance(Variance::default());
    let on = |level| WeightedRegulariser { term, weight: 1.0, on: Role::States, against: None, level };
    let walker = Walker::new(&levels());
    let forward = walker.forward(&walker, &Walks::draw(2, TIMES), &step());
    assert!(objective(vec![on(3)]).pooled(&forward).is_ok());
    let error = objective(vec![on(4)]).pooled(&forward).unwrap_err().to_string();
    assert!(error.contains("level 4"), "{error}");
    let zero = ObjectiveConfig { distance: DistanceConfig::L2, normalise_targets: None, regularisers: vec![on(0)] };
    assert!(Objective::new(&zero).err().unwrap().to_string().contains("[0].level"));
}
