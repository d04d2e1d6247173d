//! Figures of a collapse to the digits that the notes print.

use std::path::PathBuf;

use jepa_core::collapse::{
    Lidar, alignment, centred, covariance_spectrum, deviations, entropy_rank, lidar, participation_ratio, power_law,
    rank_me, spectrum, uniformity, unit_deviation,
};
use jepa_core::recorded::Recorded;
use nalgebra::DMatrix;

use super::fixture::{holds, matrix};

#[test]
fn spectra_and_ranks() {
    let z = matrix(0);
    let singular: Vec<f64> = spectrum(&z).into_iter().map(f64::sqrt).collect();
    for (found, printed) in
        singular.iter().zip([3.196397, 3.181601, 3.168832, 2.765294, 2.456224, 2.337405, 2.254121, 0.805312])
    {
        assert!((found - printed).abs() < 6e-7, "{found}, printed {printed}");
    }
    holds("RankMe", rank_me(&z), 7.58636096);
    holds("RankMe, centred", rank_me(&centred(&z)), 7.58543992);
    let eigenvalues = covariance_spectrum(&z);
    let printed = [0.68103616, 0.67482120, 0.66940138, 0.48894796, 0.40175985, 0.36354650, 0.33870676, 0.04288921];
    eigenvalues.iter().zip(printed).for_each(|(found, printed)| holds("eigenvalue", *found, printed));
    holds("participation ratio", participation_ratio(&eigenvalues), 6.64701838);
    holds("entropy rank", entropy_rank(&eigenvalues), 7.01645024);
    holds("alpha", power_law(&eigenvalues, 1..=8, false).unwrap(), 0.85771831);
    let weighted = power_law(&eigenvalues, 1..=8, true).unwrap();
    assert!((weighted - 0.85771831).abs() > 1e-3, "weights are seen: {weighted}");
    assert_eq!(power_law(&eigenvalues, 11..=100, true), None);
    // A spectrum that is a power law has its exponent.
    let law: Vec<f64> = (1..=120).map(|k| f64::from(k).powf(-1.3)).collect();
    assert!((power_law(&law, 11..=100, true).unwrap() - 1.3).abs() < 1e-9);
}

#[test]
fn deviations_alignment_and_uniformity() {
    let (a, b) = (matrix(0), matrix(1));
    let each = deviations(&a);
    holds("mean deviation", each.iter().sum::<f64>() / each.len() as f64, 0.65846631);
    holds("deviation of unit rows", unit_deviation(&a), 1.00255487);
    holds("alignment", alignment(&a, &b), 0.01532889);
    holds("uniformity", uniformity(&a), -3.35721464);
    // The figures of a collapse to a point, whatever its scale.
    let point = DMatrix::from_fn(16, 8, |i, j| (j as f64 + 1.0) * (1.0 + i as f64));
    assert!(unit_deviation(&point) < 1e-9 && uniformity(&point).abs() < 1e-9);
}

#[test]
fn lidar_of_four_samples_in_four_views() {
    let (directions, eigenvalues) = lidar(&matrix(0), 4, Lidar::STABLE_PRETRAINING).unwrap();
    holds("LiDAR", directions, 2.50168619);
    for (found, printed) in eigenvalues.iter().zip([0.414927, 0.145036, 0.104352, 0.0]) {
        assert!((found - printed).abs() < 6e-7, "{found}, printed {printed}");
    }
    let (other, _) = lidar(&matrix(0), 2, Lidar::STABLE_PRETRAINING).unwrap();
    assert!((other - directions).abs() > 0.1, "which rows belong together matters: {other}");
    assert!(lidar(&matrix(0), 1, Lidar::STABLE_PRETRAINING).is_none());
}

#[test]
fn what_the_notes_do_not_print_equals_the_restatement() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/collapse.safetensors");
    let recorded = Recorded::open(path).unwrap();
    let expected = |name: &str| recorded.values(&format!("figure.{name}")).unwrap()[0];
    let found = |constants| lidar(&matrix(0), 4, constants).unwrap().0;
    assert!((found(Lidar::STABLE_PRETRAINING) - expected("lidar.stable-pretraining")).abs() < 1e-9);
    assert!((found(Lidar::REPTRIX) - expected("lidar.reptrix")).abs() < 1e-9);
    assert!((found(Lidar::REPTRIX) - expected("lidar.stable-pretraining")).abs() > 1e-6, "constants are seen");
    let wide = DMatrix::from_fn(300, 120, |n, d| {
        let (rows, columns) = ((n + 1) as f64, (d + 1) as f64);
        (0.7 * rows + 1.9 * columns + 0.31 * rows * columns).sin() * (-0.02 * d as f64).exp()
    });
    let eigenvalues = covariance_spectrum(&wide);
    for (name, ranks) in [("alpha.11-100", 11..=100), ("alpha.1-100", 1..=100)] {
        let found = power_law(&eigenvalues, ranks, true).unwrap();
        assert!((found - expected(name)).abs() < 1e-8, "{name}: {found}, recorded {}", expected(name));
    }
}
