//! Classifiers of frozen features: a folder of `transformers`' VJEPA2ForVideoClassification, and V-JEPA 2's official probes
//! (`reference/hugging_face_classifier.py`).

use crate::formula::{recorded, tubelets, values, weight};
use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named, apply, decode};
use jepa_core::plugin::{Format, Imported, Variant as _};
use jepa_core::recorded::Recorded;
use jepa_video::network::VideoBatch;
use jepa_video::variants::v_jepa_2::{VJepa2, VJepa2Config};

const TOLERANCE: f64 = 1e-4;
const GRID: [usize; 3] = [2, 3, 3];

type Keys = Vec<(String, Vec<usize>)>;

/// The folder.
fn folder(recorded: &Recorded) -> Foreign {
    let keys: Keys = recorded.metadata("keys").unwrap();
    let tensors = keys.into_iter().map(|(name, shape)| (name.clone(), (shape.clone(), weight("", &name, &shape))));
    let config = Some(recorded.metadata("config").unwrap());
    Foreign {
        origin: "formula".into(),
        tensors: tensors.collect(),
        config,
        processor: None,
        network: None,
        heads: None,
    }
}

/// The same encoder and predictor as a file of the official code, with a probe beside them as `import --with` puts it.
fn official(recorded: &Recorded) -> Foreign {
    let mut model = VJepa2::import(&folder(recorded)).unwrap().student.unwrap();
    model.retain(|name, _| !name.starts_with("classifier."));
    let patches = model.get_mut("encoder.patch_embed.proj.weight").unwrap();
    patches.0 = vec![96, 3, 2, 16, 16];
    let keys: Keys = recorded.metadata("probe").unwrap();
    let probe = keys.into_iter().map(|(name, shape)| {
        let bare = name.strip_prefix("module.").unwrap();
        (format!("classifiers.0.{bare}"), (shape.clone(), weight("probe.", bare, &shape)))
    });
    let tensors = model.into_iter().chain(probe).collect();
    Foreign { origin: "formula".into(), tensors, config: None, processor: None, network: None, heads: Some(4) }
}

fn batch() -> VideoBatch {
    // [clip, frame, channel, row, column] to [clip, channel, frame, row, column]
    let (frames, plane) = (4, 48 * 48);
    let mut planes = Vec::new();
    for clip in values("clips", 3 * frames * 3 * plane, 3f64.sqrt()).chunks_exact(frames * 3 * plane) {
        for (channel, frame) in (0..3).flat_map(|c| (0..frames).map(move |f| (c, f))) {
            planes.extend_from_slice(&clip[(frame * 3 + channel) * plane..][..plane]);
        }
    }
    VideoBatch::new(tubelets(&planes, [frames, 48, 48], 2), 3, 1, GRID, 3 * 2 * 256, Vec::new()).unwrap()
}

/// How far the class scores of imported weights are from recorded ones.
fn difference(recorded: &Recorded, name: &str, foreign: &Foreign, change: impl Fn(&mut VJepa2Config)) -> f64 {
    let Imported { mut config, target, student } = VJepa2::import(foreign).unwrap();
    change(&mut config.model);
    let device = Device::flex();
    let model = VJepa2::new(&config.model).unwrap().model(0, &device);
    let target = apply(model.encoder.clone(), &target, "target").unwrap();
    let model = apply(model, &student.unwrap(), "student").unwrap();
    let reads = config.model.classifier.unwrap().reads;
    recorded.difference(name, model.scores(&target, &batch(), &reads, &device).unwrap()).unwrap()
}

#[test]
fn a_folder_of_transformers_classifies_as_transformers_does() {
    let recorded = recorded("hf_classifier.safetensors");
    let folder = folder(&recorded);
    let found = difference(&recorded, "scores", &folder, |_| ());
    println!("{found:.1e}");
    assert!(found < TOLERANCE, "{found}");
    let classifier = VJepa2::import(&folder).unwrap().config.model.classifier.unwrap();
    assert_eq!((classifier.blocks, classifier.heads, classifier.classes.len()), (2, 4, 7));
    assert_eq!(classifier.classes[3], "turning over");
    // The controls: other heads, and keys taken for values.
    let heads = |config: &mut VJepa2Config| config.classifier.as_mut().unwrap().heads = 2;
    assert!(difference(&recorded, "scores", &folder, heads) > 1e-2);
    let mut exchanged = folder.clone();
    let name = |part: &str| format!("pooler.cross_attention_layer.cross_attn.{part}_proj.weight");
    let [keys, values] = ["k", "v"].map(|part| folder.tensors[&name(part)].clone());
    exchanged.tensors.extend([(name("k"), values), (name("v"), keys)]);
    assert!(difference(&recorded, "scores", &exchanged, |_| ()) > 1e-2);
}

#[test]
fn an_official_probe_beside_its_encoder_classifies_as_the_official_code_does() {
    let recorded = recorded("hf_classifier.safetensors");
    let official = official(&recorded);
    let found = difference(&recorded, "official.scores", &official, |_| ());
    let both = |config: &mut VJepa2Config| config.classifier.as_mut().unwrap().reads = vec![0, 1];
    let several = difference(&recorded, "official.several", &official, both);
    println!("last block {found:.1e}, both blocks {several:.1e}");
    assert!(found < TOLERANCE && several < TOLERANCE, "{found}, {several}");
    let classifier = VJepa2::import(&official).unwrap().config.model.classifier.unwrap();
    assert_eq!((classifier.eps, classifier.classes[6].as_str()), (1e-5, "6"));
    // The controls: the released probes' sixteen heads, the first block alone.
    let heads = |config: &mut VJepa2Config| config.classifier.as_mut().unwrap().heads = 16;
    assert!(difference(&recorded, "official.scores", &official, heads) > 1e-2);
    let first = |config: &mut VJepa2Config| config.classifier.as_mut().unwrap().reads = vec![0];
    assert!(difference(&recorded, "official.scores", &official, first) > 1e-2);
    // Heads that were trained together: one is to be chosen.
    let mut several = official.clone();
    let second = |(name, tensor): (&String, &(Vec<usize>, Vec<f32>))| {
        Some((name.replace("classifiers.0.", "classifiers.11."), tensor.clone())).filter(|(new, _)| new != name)
    };
    several.tensors.extend(official.tensors.iter().filter_map(second).collect::<Named>());
    let error = VJepa2::import(&several).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("2 classifiers") && error.contains("--ignore classifiers.11."), "{error}");
}

#[test]
fn a_classifier_is_read_strictly_and_written_as_it_was_read() {
    let recorded = recorded("hf_classifier.safetensors");
    let folder = folder(&recorded);
    let Imported { config, target, student } = VJepa2::import(&folder).unwrap();
    let files = VJepa2::new(&config.model).unwrap().export(&target, student.as_ref(), Format::HuggingFace).unwrap();
    let file = |name: &str| files.iter().find(|f| f.name == name).unwrap().bytes.clone();
    let again = decode(&file("model.safetensors"), std::path::Path::new("model.safetensors")).unwrap();
    assert_eq!(again, folder.tensors);
    let written: serde_json::Value = serde_json::from_slice(&file("config.json")).unwrap();
    assert_eq!(written["architectures"][0], "VJEPA2ForVideoClassification");
    for key in ["id2label", "num_pooler_layers"] {
        assert_eq!(written[key], folder.config.as_ref().unwrap()[key], "{key}");
    }
    let refused = |change: &dyn Fn(&mut Foreign)| {
        let mut bad = folder.clone();
        change(&mut bad);
        let whole = VJepa2::import(&bad).and_then(|imported| {
            let model = VJepa2::new(&imported.config.model)?.model(0, &Device::flex());
            apply(model, &imported.student.unwrap(), "student").map(|_| ())
        });
        whole.unwrap_err().to_string()
    };
    let extra = refused(&|bad| {
        bad.tensors.insert("pooler.cross_attention_layer.cross_attn.out_proj.weight".into(), (vec![1], vec![0.0]));
    });
    assert!(extra.contains("1 unexpected: pooler.cross_attention_layer.cross_attn.out_proj.weight"), "{extra}");
    let key = "pooler.self_attention_layers.1.self_attn.k_proj.bias";
    let missing = refused(&|bad| drop(bad.tensors.remove(key)));
    assert!(missing.contains(&format!("1 missing: {key}")), "{missing}");
    let whole = refused(&|bad| drop(bad.tensors.remove("pooler.query_tokens")));
    assert!(whole.contains("missing") && whole.contains("classifier.pooler.query_tokens"), "{whole}");
    let names = refused(&|bad| bad.config.as_mut().unwrap()["id2label"] = serde_json::json!({ "0": "one" }));
    assert!(names.contains("id2label names 1 classes, the classifier has 7"), "{names}");
}
