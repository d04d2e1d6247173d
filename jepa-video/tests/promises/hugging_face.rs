//! Weights of `transformers`' `VJEPA2Model`: names, layouts and what the model makes of them
//! (`reference/hugging_face.py`).

use crate::formula::{recorded, tensor, tubelets, values, weight};
use jepa_core::checkpoint::{Foreign, Named, apply, decode};
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::RotaryForm;
use jepa_core::plugin::{Format, Variant as _};
use jepa_core::recorded::Recorded;
use jepa_video::network::{ContextPath, Layout, VideoJepa};
use jepa_video::variants::v_jepa_2::{VJepa2, VJepa2Config};
use jepa_video::weights;

const TOLERANCE: f64 = 1e-4;
const GRID: [usize; 3] = [3, 5, 5];

fn foreign(recorded: &Recorded) -> Foreign {
    let keys: Vec<(String, Vec<usize>)> = recorded.metadata("keys").unwrap();
    let tensors = keys.into_iter().map(|(name, shape)| (name.clone(), (shape.clone(), weight("", &name, &shape))));
    Foreign {
        origin: "formula".into(),
        tensors: tensors.collect(),
        config: Some(recorded.metadata("config").unwrap()),
        processor: None,
        network: None,
        heads: None,
    }
}

/// The networks that an import gives, with a changed configuration perhaps.
fn imported(foreign: &Foreign, change: impl Fn(&mut VJepa2Config)) -> VideoJepa {
    let imported = weights::v_jepa_2::import(foreign).unwrap();
    let mut config = imported.config.model;
    change(&mut config);
    let model = VJepa2::new(&config).unwrap().model(0, &burn::prelude::Device::flex());
    apply(model, &imported.student.unwrap(), "formula").unwrap()
}

/// Differences of the encoder's and of the predictor's output to the recorded ones.
fn differences(recorded: &Recorded, model: &VideoJepa, path: ContextPath) -> [f64; 2] {
    // [sample, frame, channel, row, column] to [sample, channel, frame, row, column]
    let (frames, plane) = (6, 80 * 80);
    let pixels = values("pixels", 2 * frames * 3 * plane, 3f64.sqrt());
    let mut planes = Vec::with_capacity(pixels.len());
    for sample in pixels.chunks_exact(frames * 3 * plane) {
        for (channel, frame) in (0..3).flat_map(|c| (0..frames).map(move |f| (c, f))) {
            planes.extend_from_slice(&sample[(frame * 3 + channel) * plane..][..plane]);
        }
    }
    let input = tensor(tubelets(&planes, [frames, 80, 80], 2), 2, 75);
    let mask = |name: &str| vec![Mask::new(&recorded.rows(name).unwrap(), 75).unwrap()];
    let set = MaskSet { context: mask("context"), target: mask("target") };
    let whole = model.encoder.forward(input.clone(), Layout::video(GRID));
    let (_, predicted, _) = model.predict(input, Layout::video(GRID), &set, 0, path);
    [recorded.difference("whole", whole).unwrap(), recorded.difference("prediction", predicted).unwrap()]
}

#[test]
fn encoder_and_predictor_give_what_transformers_gives_on_a_grid_of_five() {
    let recorded = recorded("hf.safetensors");
    let model = imported(&foreign(&recorded), |config| config.mask_token = 1);
    let found = differences(&recorded, &model, ContextPath::Gathered);
    println!("encoder {:.1e}, predictor {:.1e}", found[0], found[1]);
    assert!(found.iter().all(|d| *d < TOLERANCE), "{found:?}");
}

#[test]
fn the_path_of_training_other_angles_and_another_mask_token_are_seen() {
    let recorded = recorded("hf.safetensors");
    let foreign = foreign(&recorded);
    let of = |change: fn(&mut VJepa2Config), path| differences(&recorded, &imported(&foreign, change), path);
    let [encoder, predictor] = of(|config| config.mask_token = 1, ContextPath::Alone);
    assert!(encoder < TOLERANCE && predictor > 1e-2, "context alone: {predictor}");
    let [encoder, predictor] = of(|config| config.mask_token = 0, ContextPath::Gathered);
    assert!(encoder < TOLERANCE && predictor > 1e-2, "mask token 0: {predictor}");
    let [encoder, predictor] = of(
        |config| {
            config.mask_token = 1;
            config.rotary.form = RotaryForm::Paired;
        },
        ContextPath::Gathered,
    );
    assert!(encoder > 1e-2 && predictor > 1e-2, "paired angles: {encoder}, {predictor}");
}

#[test]
fn an_export_has_the_names_shapes_and_values_it_was_imported_with() {
    let foreign = foreign(&recorded("hf.safetensors"));
    let imported = weights::v_jepa_2::import(&foreign).unwrap();
    let variant = VJepa2::new(&imported.config.model).unwrap();
    let files = variant.export(&imported.target, imported.student.as_ref(), Format::HuggingFace).unwrap();
    let file = |name: &str| files.iter().find(|f| f.name == name).unwrap().bytes.clone();
    let again: Named = decode(&file("model.safetensors"), std::path::Path::new("model.safetensors")).unwrap();
    assert_eq!(again, foreign.tensors);
    let config: serde_json::Value = serde_json::from_slice(&file("config.json")).unwrap();
    for (key, value) in foreign.config.as_ref().unwrap().as_object().unwrap() {
        assert_eq!(config[key].as_f64(), value.as_f64(), "{key}");
    }
    let official = variant.export(&imported.target, None, Format::Safetensors).unwrap();
    let target = decode(&official[0].bytes, std::path::Path::new("x")).unwrap();
    assert_eq!(target["patch_embed.proj.weight"].0, [96, 3, 2, 16, 16]);
}

#[test]
fn entries_without_a_place_and_missing_ones_are_listed() {
    let good = foreign(&recorded("hf.safetensors"));
    let error = |change: &dyn Fn(&mut Named)| {
        let mut bad = good.clone();
        change(&mut bad.tensors);
        weights::v_jepa_2::import(&bad).map(|_| ()).unwrap_err().to_string()
    };
    let extra = error(&|tensors| {
        tensors.insert("encoder.layer.0.lora.weight".into(), (vec![1], vec![0.0]));
    });
    assert!(extra.contains("1 unexpected: encoder.layer.0.lora.weight"), "{extra}");
    let missing = error(&|tensors| {
        tensors.remove("predictor.layer.1.attention.key.weight");
    });
    assert!(missing.contains("predictor.layer.1.attention.key.weight"), "{missing}");
}
