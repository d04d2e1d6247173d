//! The support vector machine against scikit-learn's `LinearSVC`, on numbers recorded by `reference/svm.py`.

use jepa_core::probe::{Features, LinearSvm, SvmConfig, SvmLoss};
use jepa_core::recorded::Recorded;

fn fixture() -> Recorded {
    Recorded::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/svm.safetensors")).unwrap()
}

fn features(recorded: &Recorded, values: &str, labels: &str) -> Features {
    let [values, labels] = [values, labels].map(|name| recorded.values(name).unwrap());
    let labels: Vec<Option<u32>> = labels.iter().map(|label| Some(*label as u32)).collect();
    let indices = (0..labels.len()).collect();
    Features::new(values.iter().map(|v| *v as f32).collect(), labels, indices, vec![]).unwrap()
}

fn settings(name: &str) -> SvmConfig {
    let (c, loss, standardise) = match name {
        "squared" => (1.0, SvmLoss::SquaredHinge, true),
        "hinge" => (0.012, SvmLoss::Hinge, true),
        _ => (1e-4, SvmLoss::SquaredHinge, false),
    };
    SvmConfig { c, loss, standardise, ..SvmConfig::default() }
}

/// Largest difference from the recorded decision values, over their mean magnitude.
fn difference(recorded: &Recorded, name: &str, config: &SvmConfig) -> f64 {
    let (train, test) = (features(recorded, "train", "labels"), features(recorded, "test", "test_labels"));
    let machine = LinearSvm::fit(&train, config).unwrap();
    let found: Vec<f64> = (0..test.len()).flat_map(|i| machine.decision(test.row(i))).collect();
    let expected = recorded.values(&format!("{name}.decision")).unwrap();
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().map(|v| v.abs()).sum::<f64>() / expected.len() as f64;
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}

#[test]
fn decision_values_and_accuracies_are_those_of_scikit_learn() {
    let recorded = fixture();
    let (train, test) = (features(&recorded, "train", "labels"), features(&recorded, "test", "test_labels"));
    for name in ["squared", "hinge", "unscaled"] {
        let config = settings(name);
        let off = difference(&recorded, name, &config);
        assert!(off < 1e-3, "{name}: {off}");
        let accuracy = LinearSvm::fit(&train, &config).unwrap().accuracy(&test).unwrap();
        let expected = recorded.values(&format!("{name}.accuracy")).unwrap()[0];
        assert!((accuracy - expected).abs() < 1e-12, "{name}: {accuracy}, {expected}");
    }
}

#[test]
fn every_setting_matters() {
    let recorded = fixture();
    let good = settings("squared");
    for broken in [
        SvmConfig { c: 2.0, ..good.clone() },
        SvmConfig { loss: SvmLoss::Hinge, ..good.clone() },
        SvmConfig { standardise: false, ..good.clone() },
        SvmConfig { passes: 1, ..good.clone() },
    ] {
        let off = difference(&recorded, "squared", &broken);
        assert!(off > 0.02, "{broken:?}: {off}");
    }
}
