//! Values and gradients of every term: those of the restatement in PyTorch, and finite differences.

use std::path::PathBuf;

use burn::prelude::*;
use jepa_core::jepa::Role;
use jepa_core::objective::{Distance as _, DistanceConfig, Memory};
use jepa_core::recorded::Recorded;
use nalgebra::DMatrix;

use super::fixture::{ROWS, Term, WIDTH, matrix, tensor, terms, upload, value, values};

/// The gradient of both views, one after another; zeros where a view gets none.
fn gradient(of: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>) -> Vec<f64> {
    let [a, b] = [0, 1].map(|view| tensor(view).autodiff().require_grad());
    let gradients = of(a.clone(), b.clone()).backward();
    let read = |t: Tensor<2>| t.grad(&gradients).map_or(vec![0.0; ROWS * WIDTH], values);
    [read(a), read(b)].concat()
}

/// The same by central differences.
fn differences(of: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let at = |view: usize, (row, column): (usize, usize), step: f64| {
        let mut moved = [matrix(0), matrix(1)];
        moved[view][(row, column)] += step;
        value(of(upload(&moved[0]), upload(&moved[1])))
    };
    let places = (0..2).flat_map(|v| (0..ROWS).flat_map(move |n| (0..WIDTH).map(move |d| (v, (n, d)))));
    places.map(|(v, place)| (at(v, place, STEP) - at(v, place, -STEP)) / (2.0 * STEP)).collect()
}

/// ‖a − b‖ / ‖b‖.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

fn penalty(term: &Term) -> impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1> {
    move |a, b| term.penalty(a, b).unwrap()
}

#[test]
fn every_term_and_its_gradient_equal_the_restatement() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/collapse.safetensors");
    let recorded = Recorded::open(path).unwrap();
    let mut all = Vec::new();
    for term in terms() {
        let expected = recorded.values(&format!("{}.value", term.name)).unwrap()[0];
        let found = value(term.penalty(tensor(0), tensor(1)).unwrap());
        assert!((found - expected).abs() < 1e-8, "{}: {found}, recorded {expected}", term.name);
        let slope = gradient(penalty(&term));
        let distance = apart(&slope, recorded.values(&format!("{}.gradient", term.name)).unwrap());
        // Values agree to 1e-15; gradients behind a division by n - 1 = 15 to 2e-7 and all others to 1e-14.
        assert!(distance < 1e-6, "{}: gradients {distance} apart", term.name);
        all.push((term.name, slope));
    }
    // No form passes for another: the comparison can fail.
    for (i, (name, slope)) in all.iter().enumerate() {
        for (other, _) in all.iter().take(i) {
            let distance = apart(slope, recorded.values(&format!("{other}.gradient")).unwrap());
            assert!(distance > 1e-3, "{name} has the gradient of {other}");
        }
    }
}

#[test]
fn every_gradient_equals_finite_differences() {
    for term in terms() {
        let distance = apart(&gradient(penalty(&term)), &differences(penalty(&term)));
        assert!(distance < 1e-6, "{}: {distance}", term.name);
    }
}

#[test]
fn a_root_taken_for_a_constant_is_seen() {
    // W-MSE with the roots of the unmoved views: the same value, and only the direct part of the gradient.
    let held = |a: Tensor<2>, b: Tensor<2>| {
        let white = |z: Tensor<2>, unmoved: &DMatrix<f64>| {
            let centre = jepa_core::collapse::centred(unmoved);
            let covariance = centre.transpose() * &centre / (ROWS - 1) as f64;
            let root = nalgebra::Cholesky::new(covariance).unwrap().l().try_inverse().unwrap();
            let z = (z.clone() - z.mean_dim(0)).matmul(upload(&root.transpose()));
            z.clone() / z.powi_scalar(2).sum_dim(1).sqrt()
        };
        (white(a, &matrix(0)) - white(b, &matrix(1))).powi_scalar(2).mean() * WIDTH as f64
    };
    let term = terms().into_iter().find(|term| term.name == "whitening.official").unwrap();
    let of = penalty(&term);
    assert!((value(of(tensor(0), tensor(1))) - value(held(tensor(0), tensor(1)))).abs() < 1e-9);
    let distance = apart(&gradient(of), &differences(held));
    assert!(distance > 0.05, "{distance}");
}

#[test]
fn gradients_of_every_distance_equal_finite_differences() {
    let softmax = DistanceConfig::CentredSoftmax {
        predicted_temperature: 0.1,
        target_temperature: 0.04,
        centre_momentum: 0.9,
        centre_on: Role::Target,
    };
    let centre = Some((0..WIDTH).map(|i| 0.02 * i as f32).collect());
    let memory = Memory { centre, ..Memory::default() };
    let distances = [
        DistanceConfig::SmoothL1 { beta: 0.05 },
        DistanceConfig::L1,
        DistanceConfig::L2,
        DistanceConfig::Cosine,
        softmax,
    ];
    let mut slopes = Vec::new();
    for distance in distances {
        // Far from the corner of |d|, where a difference has no meaning.
        let of =
            |a: Tensor<2>, b: Tensor<2>| distance.mean(a.unsqueeze_dim(1), (b * 1.5 + 0.3).unsqueeze_dim(1), &memory);
        let slope = gradient(of);
        let apart = apart(&slope, &differences(of));
        assert!(apart < 1e-6, "{distance:?}: {apart}");
        slopes.push(slope);
    }
    assert!(apart(&slopes[1], &slopes[2]) > 0.1, "the comparison can fail");
}
