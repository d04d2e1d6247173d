//! The switches that ablations turn: pixels as targets, random masks, fewer blocks, all else as it is.

use std::path::Path;

use burn::prelude::*;
use jepa_core::data::{DataSpec, Split};
use jepa_core::host;
use jepa_core::jepa::{Batch as _, Forward, Jepa as _, Step};
use jepa_core::masked::TargetSpace;
use jepa_core::plugin::{self, Draws, Settings, TrainRequest, Variant};
use jepa_core::runlog::{Event, Silent, read_events};
use jepa_image::variants::i_jepa::IJepa;

fn variant(targets: TargetSpace) -> IJepa {
    let tiny = IJepa::presets().into_iter().find(|preset| preset.name == "tiny").unwrap();
    let mut model = tiny.config.model;
    model.targets = targets;
    IJepa::new(&model).unwrap()
}

fn forward(variant: &IJepa, seed: u64, target_seed: u64) -> Forward {
    let device = Device::flex();
    let source = variant.open(&DataSpec::parse("builtin", IJepa::FORMATS), Split::Train).unwrap();
    let samples = (0..4).map(|i| source.read(i).unwrap()).collect();
    let batch = variant.batch(samples, &Draws::new(0, 1, vec![0, 1, 2, 3])).unwrap();
    let (student, other) = (variant.model(seed, &device), variant.model(target_seed, &device));
    let forward = student.forward(other.target(), &batch, &Step::new(1, 10, 0, &device));
    if variant.model(0, &device).space == TargetSpace::Patches {
        let hidden = &batch.mask_sets()[0].target[0];
        let wanted = host::read(forward.pairs[0].target.clone()).unwrap();
        let patch = batch.sample(1);
        let (token, values) = (hidden.row(1)[0] as usize, variant.patches().values());
        assert_eq!(wanted[hidden.len() * values..][..values], patch[token * values..][..values]);
    }
    forward
}

#[test]
fn with_pixels_for_targets_no_target_encoder_has_a_say_and_the_encoder_is_the_same() {
    let (features, pixels) = (variant(TargetSpace::Features), variant(TargetSpace::Patches));
    let target = |forward: &Forward| host::read(forward.pairs[0].target.clone()).unwrap();
    let (one, other) = (forward(&pixels, 0, 1), forward(&pixels, 0, 2));
    assert_eq!(target(&one), target(&other));
    assert_eq!(one.pairs[0].predicted.dims(), one.pairs[0].target.dims());
    assert_eq!(one.pairs[0].target.dims()[2], pixels.patches().values());
    // The control: features do depend on who computes them.
    assert_ne!(target(&forward(&features, 0, 1)), target(&forward(&features, 0, 2)));
    let encoder = |variant: &IJepa| jepa_core::checkpoint::named(&variant.model(3, &Device::flex()).encoder).unwrap();
    assert_eq!(encoder(&features), encoder(&pixels));
    assert!(pixels.flops(16) < features.flops(16), "no target encoder is run");
}

fn train(out: &Path, assignments: &[&str]) -> Vec<(f64, f64)> {
    let settings = Settings {
        preset: Some("tiny".into()),
        assignments: assignments.iter().map(|a| (*a).to_owned()).collect(),
        steps: Some(60),
        ..Settings::default()
    };
    let request = TrainRequest::new(settings, out);
    plugin::find("i-jepa").unwrap().train(&request, &mut Silent).unwrap();
    let step = |event| match event {
        Event::Step { loss, terms, .. } => Some((loss, terms["context_tokens"])),
        _ => None,
    };
    read_events(out).unwrap().into_iter().filter_map(step).collect()
}

#[test]
fn every_ablation_trains_and_an_old_configuration_means_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let mean = |steps: &[(f64, f64)]| steps.iter().map(|(loss, _)| loss).sum::<f64>() / steps.len() as f64;
    for (name, setting) in [
        ("pixels", "model.targets=pixels"),
        ("random", "model.masks={kind=\"random\",ratio=[0.4,0.6]}"),
        ("one", "model.masks.targets=1"),
    ] {
        let steps = train(&folder.path().join(name), &[setting]);
        assert_eq!(steps.len(), 60);
        if name == "pixels" {
            // Features move with their encoder; pixels stay, and are predicted better and better.
            assert!(mean(&steps[50..]) < 0.95 * mean(&steps[..10]), "{steps:?}");
        }
        if name == "random" {
            assert!(steps.iter().all(|(_, context)| (6.0..=9.0).contains(context)), "{steps:?}");
        }
        let run = std::fs::read_to_string(folder.path().join(name).join("config.toml")).unwrap();
        assert_eq!(run.contains("targets = \"pixels\""), name == "pixels", "{run}");
    }
}

#[test]
fn two_terms_of_one_kind_are_two_figures_of_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let term = |on: &str| format!("{{term={{kind=\"variance\"}},weight=0.1,on=\"{on}\"}}");
    let setting = format!("objective.regularisers=[{},{}]", term("context"), term("predicted"));
    train(folder.path(), &[&setting]);
    let events = read_events(folder.path()).unwrap();
    let terms =
        events.into_iter().find_map(|event| if let Event::Step { terms, .. } = event { Some(terms) } else { None });
    let terms = terms.unwrap();
    let (context, predicted) = (terms["variance_context"], terms["variance_predicted"]);
    assert!(context != predicted && !terms.contains_key("variance"), "{terms:?}");
    assert!((terms["penalty"] - 0.1 * (context + predicted)).abs() < 1e-5, "{terms:?}");
}
