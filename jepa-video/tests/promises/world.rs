//! PLDM as it begins and as it is trained: what the official recipe says of its three networks.

use burn::prelude::*;
use jepa_core::checkpoint::named;
use jepa_core::host;
use jepa_core::nn::{InitScheme, params};
use jepa_core::plugin::Variant as _;
use jepa_core::train::{AdamW, AdamWConfig, Rates, RunConfig};
use jepa_video::variants::pldm::{Pldm, PldmConfig};
use jepa_video::world::WorldJepa;

const NORMAL: InitScheme = InitScheme::Official { depth_rescale: false };

fn preset(name: &str) -> RunConfig<PldmConfig> {
    Pldm::presets().into_iter().find(|preset| preset.name == name).unwrap().config
}

/// Networks of the smallest size, with this law of the inverse dynamics.
fn world(inverse_init: Option<InitScheme>) -> WorldJepa {
    let config = PldmConfig { inverse_init, ..preset("tiny").model };
    Pldm::new(&config).unwrap().model(3, &Device::flex())
}

#[test]
fn the_inverse_dynamics_begins_small_and_the_other_networks_as_ever() {
    for official in ["eb-jepa", "eb-jepa-fixed-wall"] {
        assert_eq!(preset(official).model.inverse_init, Some(NORMAL), "{official}");
    }
    let (own, plain) = (named(&world(Some(NORMAL))).unwrap(), named(&world(None)).unwrap());
    assert_eq!(own.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>());
    let deviation = |values: &[f32]| {
        let sum: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        (sum / values.len() as f64).sqrt()
    };
    for (name, (_, values)) in &own {
        let before = &plain[name].1;
        if !name.starts_with("inverse.") {
            assert_eq!(values, before, "{name}");
        } else if name.ends_with("bias") {
            assert!(values.iter().all(|v| *v == 0.0) && before.iter().any(|v| *v != 0.0), "{name}");
        }
    }
    let first = "inverse.fc1.weight";
    let (found, before) = (deviation(&own[first].1), deviation(&plain[first].1));
    assert!((found - 0.02).abs() < 0.001 && before > 0.05, "{found}, by the other law {before}");
}

/// Norms of what one update takes for the gradients of encoder, predictor and inverse dynamics, when these are long, short
/// and long.
fn clipped(config: &AdamWConfig) -> [f64; 3] {
    const NETWORKS: [&str; 3] = ["encoder.", "predictor.", "inverse."];
    let (device, world) = (Device::flex(), world(None));
    let leaves = params::leaves(&world);
    let value = |path: &str| -> f64 { if path.starts_with("predictor.") { 1e-4 } else { 1.0 } };
    let gradients = leaves.iter().map(|leaf| Some(Tensor::<1>::full([leaf.len()], value(&leaf.path), &device)));
    let norm = leaves.iter().map(|leaf| leaf.len() as f64 * value(&leaf.path).powi(2)).sum::<f64>().sqrt();
    let mut optimizer = AdamW::new(config, &world).unwrap();
    let rates = Rates { lr: 0.0, decay: 0.0, momentum: 1.0 };
    let world = optimizer.update(world, gradients.collect(), norm, rates).unwrap();
    let mut squares = [0.0; 3];
    for (leaf, moment) in optimizer.tensors(&world) {
        let at = NETWORKS.iter().position(|network| leaf.path.starts_with(network)).unwrap();
        if leaf.path.ends_with(".exp_avg") {
            squares[at] += host::squares([&moment]).unwrap()[0];
        }
    }
    // The first moment after one update is a tenth of the gradient.
    squares.map(|sum| sum.sqrt() / (1.0 - config.betas[0]))
}

#[test]
fn each_network_is_clipped_by_itself_in_the_official_recipe_and_all_together_in_ours() {
    let leaves = params::leaves(&world(None));
    let predictor = leaves.iter().filter(|leaf| leaf.path.starts_with("predictor."));
    let short = 1e-4 * (predictor.map(|leaf| leaf.len()).sum::<usize>() as f64).sqrt();
    assert!(short < 0.1, "{short}");
    let [encoder, predictor, inverse] = clipped(&preset("eb-jepa").optimizer);
    assert!((encoder - 2.0).abs() < 1e-3 && (inverse - 2.0).abs() < 1e-3, "{encoder}, {inverse}");
    assert!((predictor / short - 1.0).abs() < 1e-3, "{predictor}, expected {short}: not clipped");
    let [encoder, predictor, inverse] = clipped(&preset("small").optimizer);
    let all = (encoder.powi(2) + predictor.powi(2) + inverse.powi(2)).sqrt();
    assert!((all - 2.0).abs() < 1e-3 && predictor < 0.5 * short, "{all}, {predictor}");
}
