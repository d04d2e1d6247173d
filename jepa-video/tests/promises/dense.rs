//! V-JEPA 2.1: checkpoints with the official names (`reference/v_jepa_2_1.py`), imported strictly and run.

use crate::formula::{PATCH, TUBELET, recorded, tensor, tubelets, values, weight};
use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named, apply};
use jepa_core::data::Split;
use jepa_core::device::Engine;
use jepa_core::error::Error;
use jepa_core::jepa::{Jepa as _, Step};
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::RotaryForm;
use jepa_core::plugin::{self, InspectRequest, Settings, TokenSets, Variant as _, Weights};
use jepa_core::probe::Network;
use jepa_core::recorded::Recorded;
use jepa_video::network::{ContextPath, Layout, VideoBatch, VideoEncoder, VideoJepa};
use jepa_video::variants::v_jepa_2::{VJepa2, VJepa2Config};

const TOLERANCE: f64 = 1e-4;
const CLIP: Layout = Layout { grid: [2, 3, 4], picture: false };
const PICTURE: Layout = Layout { grid: [1, 3, 4], picture: true };
const LEVELS: [usize; 4] = [2, 5, 8, 11];

/// A checkpoint as a reader of `.pt` files gives it: prefixes that only wrap a network are gone, weights are by formula
/// with a prefix for every network.
fn foreign(recorded: &Recorded, file: &str, prefixes: [(&str, &str); 3]) -> Foreign {
    let networks: std::collections::BTreeMap<String, Vec<(String, Vec<usize>)>> = recorded.metadata(file).unwrap();
    let mut tensors = Named::new();
    for (network, keys) in networks {
        let prefix = prefixes.iter().find(|(name, _)| *name == network).unwrap().1;
        for (name, shape) in keys {
            let bare = name.strip_prefix("module.backbone.").unwrap();
            tensors.insert(format!("{network}.{bare}"), (shape.clone(), weight(prefix, bare, &shape)));
        }
    }
    Foreign { origin: file.to_owned(), tensors, config: None, processor: None, network: None, heads: Some(2) }
}

fn four(recorded: &Recorded) -> Foreign {
    foreign(recorded, "four", [("encoder", ""), ("predictor", ""), ("target_encoder", "target.")])
}

fn one(recorded: &Recorded) -> Foreign {
    foreign(recorded, "one", [("ema_encoder", "distilled."), ("predictor", "distilled."), ("", "")])
}

/// Student and target encoder as an import gives them, with a changed configuration perhaps.
fn imported(foreign: &Foreign, change: impl Fn(&mut VJepa2Config)) -> (VideoJepa, VideoEncoder) {
    let imported = VJepa2::import(foreign).unwrap();
    let mut config = imported.config.model;
    change(&mut config);
    let model = VJepa2::new(&config).unwrap().model(0, &Device::flex());
    let target = apply(model.encoder.clone(), &imported.target, "target").unwrap();
    (apply(model, &imported.student.unwrap(), "student").unwrap(), target)
}

fn input(name: &str, frames: usize, tubelet: usize) -> Tensor<3> {
    let planes = values(name, 2 * 3 * frames * 48 * 64, 3f64.sqrt());
    tensor(tubelets(&planes, [frames, 48, 64], tubelet), 2, frames / tubelet * 12)
}

fn clips() -> Tensor<3> {
    input("video_2_1", 4, TUBELET)
}

fn masks(recorded: &Recorded, prefix: &str, tokens: usize) -> MaskSet {
    let mask = |name: &str| vec![Mask::new(&recorded.rows(&format!("{prefix}{name}")).unwrap(), tokens).unwrap()];
    MaskSet { context: mask("context"), target: mask("target") }
}

/// The prediction and what the context head says, against the record.
fn predictor(recorded: &Recorded, model: &VideoJepa, x: Tensor<3>, layout: Layout, at: [&str; 2]) -> [f64; 2] {
    let [masks_at, results] = at;
    let masks = masks(recorded, masks_at, layout.tokens());
    let (_, predicted, seen) = model.predict(x, layout, &masks, 0, ContextPath::Alone);
    let off = |name: &str, found| recorded.difference(&format!("{results}{name}"), found).unwrap();
    [off("prediction", predicted), off("seen", seen.unwrap())]
}

fn within(what: &str, differences: &[f64]) {
    println!("{what}: {differences:?}");
    assert!(differences.iter().all(|d| *d < TOLERANCE), "{what} differs by {differences:?}");
}

#[test]
fn a_checkpoint_of_four_levels_has_the_official_features_and_both_predictions() {
    let recorded = recorded("v_jepa_2_1.safetensors");
    let (model, target) = imported(&four(&recorded), |_| ());
    let off = |name: &str, found| recorded.difference(name, found).unwrap();
    within("levels", &[off("whole", target.forward(clips(), CLIP)), off("last", target.features(clips(), CLIP))]);
    let picture = || input("picture_2_1", 1, 1);
    assert_eq!(picture().dims()[2], 3 * PATCH * PATCH);
    within("picture", &[off("picture", target.forward(picture(), PICTURE))]);
    let visible = &masks(&recorded, "", 24).context[0];
    within("context", &[off("s_x", model.encoder.forward_visible(clips(), CLIP, visible))]);
    within("predictor", &predictor(&recorded, &model, clips(), CLIP, ["", ""]));
    within("predictor of the picture", &predictor(&recorded, &model, picture(), PICTURE, ["picture.", "picture."]));
    // All four levels as features, side by side.
    let (_, target) = imported(&four(&recorded), |config| config.features = LEVELS.to_vec());
    within("features of all levels", &[off("whole", target.features(clips(), CLIP))]);
}

#[test]
fn a_distilled_checkpoint_has_four_levels_for_probes_and_its_teachers_width_in_the_predictor() {
    let recorded = recorded("v_jepa_2_1.safetensors");
    let foreign = one(&recorded);
    let (model, target) = imported(&foreign, |config| config.features = LEVELS.to_vec());
    let levels = target.features(clips(), CLIP);
    within("levels", &[recorded.difference("distilled.levels", levels).unwrap()]);
    within("predictor", &predictor(&recorded, &model, clips(), CLIP, ["", "distilled."]));
    let config = VJepa2::import(&foreign).unwrap().config.model;
    let dense = config.dense.as_ref().unwrap();
    assert_eq!((dense.outputs, dense.teacher_width, config.mask_tokens), (1, Some(80), 8));
    // Its teacher is not there, so that it cannot be trained on.
    let draws = jepa_core::plugin::Draws::new(0, 1, vec![0]);
    let error = VJepa2::new(&config).unwrap().batch(Vec::new(), &draws).unwrap_err().to_string();
    assert!(error.contains("teacher_width"), "{error}");
}

#[test]
fn a_distilled_model_is_not_asked_how_far_off_its_predictions_are() {
    let recorded = recorded("v_jepa_2_1.safetensors");
    let batch = |masks: Vec<MaskSet>| {
        let planes = values("video_2_1", 2 * 3 * 4 * 48 * 64, 3f64.sqrt());
        let size = 3 * TUBELET * PATCH * PATCH;
        VideoBatch::new(tubelets(&planes, [4, 48, 64], TUBELET), 2, 1, CLIP.grid, size, masks).unwrap()
    };
    let device = Device::flex();
    let step = Step { batch_statistics: false, ..Step::new(1, 9, 0, &device) };
    let asked = |foreign: &Foreign| {
        let (model, target) = imported(foreign, |_| ());
        let forward = model.forward(&target, &batch(vec![masks(&recorded, "", 24)]), &step);
        let surprise = model.surprise(&target, &batch(Vec::new()), 1, 0, &device);
        (forward.pairs.len(), surprise.map(|surprise| surprise.dims()).map_err(|error| error.to_string()))
    };
    // The control has one pair for each of its four levels.
    assert_eq!(asked(&four(&recorded)), (4, Ok([2, 1])));
    let (pairs, surprise) = asked(&one(&recorded));
    let error = surprise.unwrap_err();
    assert!(pairs == 0 && error.contains("teacher_width") && error.contains("teacher of 80 values"), "{error}");
}

#[test]
fn a_mask_of_ones_own_on_a_distilled_model_is_answered_by_an_error() {
    let open = |assignments: &[&str]| {
        let assignments = assignments.iter().map(|text| (*text).to_owned()).collect();
        let settings = Settings { preset: Some("tiny".into()), assignments, ..Settings::default() };
        let weights = Weights::Untrained(Box::new(settings));
        let request = InspectRequest { weights, data: None, split: Split::Train, engine: Engine::cpu() };
        plugin::find("v-jepa-2").unwrap().inspect(&request).unwrap()
    };
    let masks = [TokenSets { context: vec![vec![0, 1, 4]], target: vec![vec![20, 21]] }];
    let answer = open(&[]).what_if(0, &masks).unwrap();
    assert_eq!(answer.generators[0].tokens.iter().filter(|error| error.is_finite()).count(), 2);
    let distilled = open(&["model.dense={levels=[1], outputs=1, teacher_width=80, pictures=false}"]);
    let error = distilled.what_if(0, &masks).unwrap_err();
    assert!(matches!(error, Error::Config { .. } | Error::NotOffered { .. }), "{error}");
    assert!(distilled.look(0, Network::Target).is_ok(), "its features are there");
}

#[test]
fn other_places_another_network_and_exchanged_levels_are_seen() {
    let recorded = recorded("v_jepa_2_1.safetensors");
    let off = |foreign: &Foreign, change: fn(&mut VJepa2Config)| {
        let (model, target) = imported(foreign, change);
        let whole = recorded.difference("whole", target.forward(clips(), CLIP)).unwrap();
        [whole, predictor(&recorded, &model, clips(), CLIP, ["", ""])[0]]
    };
    let file = four(&recorded);
    let [whole, predicted] = off(&file, |config| config.predictor_rotary.stretch_to = Some(16));
    assert!(whole < TOLERANCE && predicted > 1e-2, "a predictor with stretched places: {predicted}");
    let [whole, predicted] = off(&file, |config| config.rotary.stretch_to = None);
    assert!(whole > 1e-2 && predicted > 1e-2, "an encoder without: {whole}, {predicted}");
    let [whole, _] = off(&file, |config| config.rotary.form = RotaryForm::Tiled);
    assert!(whole > 1e-2, "tiled angles: {whole}");
    let [_, predicted] = off(&file, |config| config.mask_token = 1);
    assert!(predicted > 1e-2, "another mask token: {predicted}");
    let online = Foreign { network: Some("encoder".into()), ..file.clone() };
    assert!(off(&online, |_| ())[0] > 1e-2, "the online encoder");
    let mut exchanged = file;
    let part = |network: &str, level: usize| format!("{network}.norms_block.{level}.weight");
    let (a, b) = (part("target_encoder", 1), part("target_encoder", 2));
    let [first, second] = [&a, &b].map(|name| exchanged.tensors[name].clone());
    exchanged.tensors.extend([(a, second), (b, first)]);
    assert!(off(&exchanged, |_| ())[0] > 1e-2, "exchanged norms");
}

#[test]
fn entries_without_a_place_and_missing_ones_are_listed() {
    let recorded = recorded("v_jepa_2_1.safetensors");
    let refused = |change: fn(&mut Named)| {
        let mut foreign = four(&recorded);
        change(&mut foreign.tensors);
        let apply_all = |imported: jepa_core::plugin::Imported<VJepa2Config>| {
            let model = VJepa2::new(&imported.config.model)?.model(0, &Device::flex());
            apply(model.encoder.clone(), &imported.target, "target")?;
            apply(model, &imported.student.unwrap(), "student").map(|_| ())
        };
        VJepa2::import(&foreign).and_then(apply_all).unwrap_err().to_string()
    };
    let extra = refused(|tensors| drop(tensors.insert("gram.weight".into(), (vec![1], vec![0.0]))));
    assert!(extra.contains("1 unexpected: gram.weight"), "{extra}");
    let inside = refused(|tensors| drop(tensors.insert("target_encoder.cls_token".into(), (vec![1], vec![0.0]))));
    assert!(inside.contains("unexpected") && inside.contains("cls_token"), "{inside}");
    let level = refused(|tensors| drop(tensors.remove("target_encoder.norms_block.3.bias")));
    assert!(level.contains("missing") && level.contains("norms_block.3.bias"), "{level}");
    let mode = refused(|tensors| drop(tensors.remove("predictor.img_mod_embed")));
    assert!(mode.contains("missing") && mode.contains("predictor.img_mod_embed"), "{mode}");
    let depth = refused(|tensors| tensors.retain(|name, _| !name.contains("encoder.blocks.11.")));
    assert!(depth.contains("12, 24, 40 or 48 blocks, this has 11"), "{depth}");
}
