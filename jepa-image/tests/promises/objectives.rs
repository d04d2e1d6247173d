//! The objectives of the presets on two fixed matrices, against values of the published formulas in double precision.

use burn::prelude::*;
use jepa_core::collapse::{InfoNceForm, SigReg, SigRegForm, VicRegForm};
use jepa_core::host;
use jepa_core::jepa::{Forward, Pair, Role, Step};
use jepa_core::objective::{Memory, Objective, ObjectiveConfig};
use jepa_image::variants::{barlow_twins, byol, dino, lejepa, moco, simclr, vicreg};

const SHAPE: [usize; 2] = [16, 8];

/// Two views of 16 samples with 8 values each.
fn views() -> [Tensor<3>; 2] {
    let value = |i: usize| {
        let (n, d) = ((i / SHAPE[1] + 1) as f64, (i % SHAPE[1] + 1) as f64);
        ((0.7 * n + 1.9 * d + 0.31 * n * d).sin(), 0.1 * (2.3 * n * d).cos())
    };
    let tensor = |second: f64| {
        let values: Vec<f32> =
            (0..128).map(value).map(|(first, difference)| (first + second * difference) as f32).collect();
        Tensor::from_data(TensorData::new(values, [SHAPE[0], 1, SHAPE[1]]), &Device::flex())
    };
    [tensor(0.0), tensor(1.0)]
}

/// The total of an objective on these views, as a method's forward pass hands them over: predictions of both, each with
/// the other for a target.
fn total(config: &ObjectiveConfig, [a, b]: [Tensor<3>; 2]) -> f64 {
    let objective = Objective::new(config).unwrap();
    let both = |a: &Tensor<3>, b: &Tensor<3>| Tensor::cat(vec![a.clone(), b.clone()], 0);
    let pair =
        |predicted: &Tensor<3>, target: &Tensor<3>| Pair { predicted: predicted.clone(), target: target.clone() };
    let forward = Forward {
        pairs: vec![pair(&a, &b), pair(&b, &a)],
        embeddings: vec![
            (Role::Context, a.clone()),
            (Role::Predicted, both(&a, &b)),
            (Role::Target, both(&b, &a)),
            (Role::Whole, both(&a, &b)),
        ],
        ..Forward::default()
    };
    let memory = Memory::default();
    let pooled = objective.pooled(&forward).unwrap();
    let step = Step::new(1, 1, 0, &Device::flex());
    let penalty = objective.penalty(&pooled, &memory, &step).unwrap();
    let energy = host::scalar(objective.energy(forward, &memory).unwrap().total).unwrap();
    energy + penalty.map_or(0.0, |penalty| host::scalar(penalty.loss.total).unwrap())
}

#[test]
fn objectives_of_the_presets_have_the_values_of_the_published_formulas() {
    for (name, config, expected) in [
        ("VICReg, official", vicreg::official(), 8.559_898_16),
        ("VICReg, eb_jepa, 1 1 80", vicreg::objective(VicRegForm::EbJepa, [1.0, 1.0, 80.0]), 1.157_456_39),
        ("Barlow Twins", barlow_twins::objective(), 0.007_124_78),
        ("SimCLR, 0.1", simclr::objective(0.1), 0.194_631_26),
        ("SimCLR, 0.5", simclr::objective(0.5), 1.694_105_98),
        ("MoCo v3, both directions", moco::objective(InfoNceForm::MocoV3, 0.2, 0), 0.218_006_32),
        // Half of 2 − 2 cos in each direction.
        ("BYOL", byol::objective(), 0.015_328_89 / 2.0),
    ] {
        let found = total(&config, views());
        println!("{name}: {found} of {expected}");
        assert!((found - expected).abs() < 2e-6 * f64::max(expected, 1.0), "{name}: {found} instead of {expected}");
        let [first, _] = views();
        let same = total(&config, [first.clone(), first]);
        assert!((same - expected).abs() > 1e-4, "{name} does not see the second view");
    }
}

#[test]
fn dinos_cross_entropy_is_the_mean_of_both_recorded_directions() {
    // One direction is recorded: student Z1, copy Z2. The other is what the two together leave.
    let [a, b] = views();
    let config = dino::objective(0.9);
    let one = |predicted: &Tensor<3>, target: &Tensor<3>| {
        let pairs = vec![Pair { predicted: predicted.clone(), target: target.clone() }];
        let forward = Forward { pairs, ..Forward::default() };
        let energy = Objective::new(&config).unwrap().energy(forward, &Memory::default()).unwrap();
        host::scalar(energy.total).unwrap()
    };
    assert!((one(&a, &b) - 0.463_318_09).abs() < 1e-5, "{}", one(&a, &b));
    let mean = (one(&a, &b) + one(&b, &a)) / 2.0;
    assert!((total(&config, [a, b]) - mean).abs() < 1e-6);
}

#[test]
fn an_objective_that_compares_nothing_is_refused() {
    let nothing = ObjectiveConfig { regularisers: Vec::new(), ..vicreg::official() };
    let error = Objective::new(&nothing).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("objective.distance") && error.contains("compares"), "{error}");
    let alone = vicreg::objective(VicRegForm::Official, [25.0, 25.0, 1.0]).regularisers.split_off(1);
    assert!(Objective::new(&ObjectiveConfig { regularisers: alone, ..vicreg::official() }).is_err());
}

#[test]
fn lejepas_weights_are_those_of_its_convex_sum() {
    let sigreg = SigReg { form: SigRegForm::Package, slices: 16 };
    let of = |weights| total(&lejepa::objective(Some(2), sigreg, weights), views());
    let (invariance, statistic) = (of([1.0, 0.0]), of([0.0, 1.0]));
    // The mean squared difference from the middle of two views is a quarter of that of the views.
    assert!((invariance - 0.004_995_35 / 4.0).abs() < 1e-6, "{invariance}");
    assert!((0.5..4.0).contains(&statistic), "{statistic}");
    assert!((of([0.95, 0.05]) - (0.95 * invariance + 0.05 * statistic)).abs() < 1e-6);
}
