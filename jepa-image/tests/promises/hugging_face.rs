//! Weights to and from `transformers`: names, layouts and what the model makes of them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::fixtures::{Fixture, difference, patches, path, read, within};
use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named, apply, decode, encode, named, read_foreign};
use jepa_core::error::{Error, KeyReport, Result};
use jepa_core::jepa::Jepa as _;
use jepa_core::nn::{Encoder, EncoderConfig, Init, InitScheme};
use jepa_core::picture::Normalise;
use jepa_core::plugin::{Exported, Format, Variant};
use jepa_image::variants::i_jepa::{IJepa, IJepaConfig};
use jepa_image::weights;

/// `transformers` computes in f32 too; values reach 10.
const TOLERANCE: f64 = 1e-4;

const ENCODER: EncoderConfig = EncoderConfig { width: 96, depth: 2, heads: 4, mlp_ratio: 4.0, eps: 1e-6 };

fn recorded() -> Fixture {
    Fixture::open("hf.safetensors")
}

fn tiny() -> Foreign {
    read_foreign(&path("hf_tiny"), None).unwrap()
}

/// The same weights under the names that `transformers` uses in memory.
fn in_memory() -> Foreign {
    let rename = |name: String| {
        [
            ("encoder.layer.", "layers."),
            ("attention.attention.query", "attention.q_proj"),
            ("attention.attention.key", "attention.k_proj"),
            ("attention.attention.value", "attention.v_proj"),
            ("attention.output.dense", "attention.o_proj"),
            ("intermediate.dense", "mlp.fc1"),
            ("output.dense", "mlp.fc2"),
        ]
        .iter()
        .fold(name, |name, (disk, memory)| name.replace(disk, memory))
    };
    let mut foreign = tiny();
    foreign.tensors = foreign.tensors.into_iter().map(|(name, tensor)| (rename(name), tensor)).collect();
    foreign
}

/// An encoder on the grid of the fixture, 4 rows of 6 patches of 16 pixels; its weights mean nothing yet.
fn encoder() -> Encoder {
    let mut init = Init::new(1, InitScheme::FanIn, &Device::flex());
    Encoder::new(&mut init, &ENCODER, 3 * 16 * 16, vec![0.0; 24 * ENCODER.width])
}

fn load(foreign: &Foreign) -> Result<Encoder> {
    apply(encoder(), &weights::hugging_face_encoder(foreign)?, &foreign.origin)
}

fn input(fixture: &Fixture) -> Tensor<3> {
    let (values, shape) = patches(&fixture.f32("pixel_values"), [2, 3, 64, 96], 16);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// The largest difference of the last hidden state to the recorded one.
fn error_of(foreign: &Foreign) -> f64 {
    let fixture = recorded();
    let output = load(foreign).unwrap().forward(input(&fixture));
    difference(&read(output), fixture.values("last_hidden_state"))
}

fn keys<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    names.into_iter().cloned().collect()
}

#[test]
fn both_styles_of_names_give_every_hidden_state_of_transformers() {
    let fixture = recorded();
    for (style, foreign, expected) in [("disk", tiny(), "keys_disk"), ("memory", in_memory(), "keys_memory")] {
        assert_eq!(keys(foreign.tensors.keys()), keys(&fixture.list(expected)), "names {style}");
        let encoder = load(&foreign).unwrap();
        let input = input(&fixture);
        let mut states = vec![encoder.embed(input.clone())];
        states.extend(encoder.layers(input.clone()));
        assert_eq!(states.len(), 3);
        for (i, state) in states.into_iter().enumerate() {
            let name = format!("hidden.{i}");
            within(&format!("{name}, names {style}"), difference(&read(state), fixture.values(&name)), TOLERANCE);
        }
        let last = read(encoder.forward(input));
        within(
            &format!("last hidden state, names {style}"),
            difference(&last, fixture.values("last_hidden_state")),
            TOLERANCE,
        );
    }
}

#[test]
fn a_transposed_projection_and_every_exchange_of_two_tensors_is_seen() {
    assert!(error_of(&tiny()) < TOLERANCE);
    let transposed = |name: &str| {
        let mut foreign = tiny();
        let (shape, values) = foreign.tensors.get_mut(name).unwrap();
        let n = shape[0];
        assert_eq!(*shape, [n, n]);
        *values = (0..n * n).map(|i| values[i % n * n + i / n]).collect();
        error_of(&foreign)
    };
    let exchanged = |a: &str, b: &str| {
        let mut foreign = tiny();
        let (first, second) = (foreign.tensors[a].clone(), foreign.tensors[b].clone());
        foreign.tensors.extend([(a.to_owned(), second), (b.to_owned(), first)]);
        error_of(&foreign)
    };
    let of = |rest: &str| format!("encoder.layer.0.{rest}");
    for name in
        ["attention.attention.query", "attention.attention.key", "attention.attention.value", "attention.output.dense"]
    {
        let found = transposed(&of(&format!("{name}.weight")));
        assert!(found > 1e-2, "{name} transposed changes no more than {found:e}");
    }
    for (a, b) in [
        ("attention.attention.query", "attention.attention.key"),
        ("attention.attention.key", "attention.attention.value"),
        ("attention.attention.value", "attention.output.dense"),
        ("layernorm_before", "layernorm_after"),
    ] {
        let found = exchanged(&of(&format!("{a}.weight")), &of(&format!("{b}.weight")));
        assert!(found > 1e-2, "{a} for {b} changes no more than {found:e}");
    }
    let layers = exchanged("encoder.layer.0.output.dense.weight", "encoder.layer.1.output.dense.weight");
    assert!(layers > 1e-2, "layers exchanged: {layers:e}");
}

#[test]
fn another_number_of_heads_gives_other_features() {
    let fixture = recorded();
    let config = EncoderConfig { heads: 6, ..ENCODER };
    let mut init = Init::new(1, InitScheme::FanIn, &Device::flex());
    let other = Encoder::new(&mut init, &config, 3 * 16 * 16, vec![0.0; 24 * 96]);
    let other = apply(other, &weights::hugging_face_encoder(&tiny()).unwrap(), "hf_tiny").unwrap();
    let found = difference(&read(other.forward(input(&fixture))), fixture.values("last_hidden_state"));
    assert!(found > 1e-2, "{found:e}");
}

/// What a refusal says of the keys.
fn refusal(foreign: &Foreign) -> KeyReport {
    match load(foreign).map(|_| ()) {
        Err(Error::Weights(report)) => report,
        other => panic!("expected a report on keys, found {other:?}"),
    }
}

#[test]
fn a_key_too_many_or_too_few_or_of_another_shape_is_named_and_refused_in_both_styles() {
    for style in [tiny, in_memory] {
        let mut foreign = style();
        let zero = || (vec![1], vec![0.0]);
        foreign.tensors.extend([("pooler.dense.weight".to_owned(), zero()), ("encoder.extra".to_owned(), zero())]);
        let report = refusal(&foreign);
        assert_eq!(report.unexpected, ["encoder.extra", "pooler.dense.weight"]);
        assert!(report.missing.is_empty());

        for name in style().tensors.keys() {
            let mut foreign = style();
            let tensor = foreign.tensors.remove(name).unwrap();
            let report = refusal(&foreign);
            assert_eq!((report.missing.len(), report.unexpected.len()), (1, 0), "{name} taken out: {report}");

            foreign.tensors.insert(format!("{name}x"), tensor.clone());
            assert!(!refusal(&foreign).is_clean(), "{name} misspelt");

            let mut foreign = style();
            foreign.tensors.insert(name.clone(), (vec![tensor.1.len(), 1, 1], tensor.1));
            let report = refusal(&foreign);
            assert!(!report.mismatched.is_empty(), "{name} of another shape: {report}");
        }
    }
}

#[test]
fn projections_of_different_sizes_that_add_up_to_the_right_one_are_refused() {
    let mut foreign = tiny();
    for (kind, rows) in [("query", 48), ("key", 144), ("value", 96)] {
        let name = format!("encoder.layer.0.attention.attention.{kind}.weight");
        foreign.tensors.insert(name, (vec![rows, 96], vec![0.5; rows * 96]));
    }
    assert!(!refusal(&foreign).mismatched.is_empty());
}

#[test]
fn the_keys_of_a_classifier_are_listed_and_refused() {
    let fixture = recorded();
    for (foreign, names) in [(tiny(), "keys_classifier_disk"), (in_memory(), "keys_classifier_memory")] {
        let mut classifier = foreign.clone();
        classifier.tensors =
            foreign.tensors.into_iter().map(|(name, tensor)| (format!("ijepa.{name}"), tensor)).collect();
        // A prefix alone is no obstacle.
        assert!(error_of(&classifier) < TOLERANCE);
        classifier.tensors.insert("classifier.weight".into(), (vec![3, 96], vec![0.0; 288]));
        classifier.tensors.insert("classifier.bias".into(), (vec![3], vec![0.0; 3]));
        assert_eq!(keys(classifier.tensors.keys()), keys(&fixture.list(names)));
        let report = refusal(&classifier);
        assert_eq!(report.unexpected, ["classifier.bias", "classifier.weight"]);
        assert!(
            matches!(IJepa::import(&classifier), Err(Error::Weights(r)) if r == report),
            "the variant says the same"
        );
    }
}

#[test]
fn the_variant_refuses_a_grid_that_is_not_square_in_words() {
    let error = IJepa::import(&tiny()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("24 positions are no square grid"), "{error}");
}

#[test]
fn numbers_of_a_stranger_that_make_no_sense_are_errors() {
    let mut square = square_folder(tempfile::tempdir().unwrap().path());
    for (key, value) in [
        ("num_attention_heads", serde_json::json!(0)),
        ("num_attention_heads", serde_json::json!(1e300)),
        ("num_attention_heads", serde_json::json!(-4)),
        ("num_attention_heads", serde_json::json!(7)),
        ("layer_norm_eps", serde_json::json!(-1.0)),
        ("layer_norm_eps", serde_json::json!(1e9)),
    ] {
        let sound = square.config.clone();
        square.config.as_mut().unwrap()[key] = value.clone();
        let found = IJepa::import(&square).and_then(|i| IJepa::new(&i.config.model)).map(|_| ());
        assert!(found.is_err(), "{key} = {value}");
        square.config = sound;
    }
    assert!(IJepa::import(&square).is_ok());
    // Tables of nothing, as large as one likes.
    for (name, shape) in [
        ("embeddings.position_embeddings", vec![1, 1 << 62, 0]),
        ("embeddings.position_embeddings", vec![1, 0, 0]),
        ("embeddings.position_embeddings", vec![]),
        ("embeddings.patch_embeddings.projection.weight", vec![0, 3, 1 << 62, 1]),
        ("embeddings.patch_embeddings.projection.weight", vec![32, 0, 0, 0]),
        ("encoder.layer.0.intermediate.dense.weight", vec![0, 1 << 62]),
        ("encoder.layer.0.intermediate.dense.weight", vec![1 << 62, 0]),
    ] {
        let mut foreign = square.clone();
        foreign.tensors.insert(name.into(), (shape.clone(), Vec::new()));
        let found = IJepa::import(&foreign).and_then(|i| {
            let model = IJepa::new(&i.config.model)?.model(0, &Device::flex());
            apply(model.target().clone(), &i.target, "x")
        });
        assert!(found.is_err(), "{name} {shape:?}");
    }
}

/// A configuration that exports the fixture's encoder.
fn configuration() -> IJepaConfig {
    let mut config = IJepa::presets().into_iter().find(|p| p.name == "vit-s16").unwrap().config.model;
    config.encoder = ENCODER;
    config.crop.size = 64;
    config
}

fn file<'a>(files: &'a [Exported], name: &str) -> &'a [u8] {
    &files.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no {name}")).bytes
}

fn tensors(files: &[Exported], name: &str) -> Named {
    decode(file(files, name), Path::new(name)).unwrap()
}

#[test]
fn what_is_imported_is_exported_with_the_same_names_shapes_and_bits() {
    // Through a module, where the kernel is a matrix.
    let target = named(&load(&tiny()).unwrap()).unwrap();
    assert_eq!(target["patch_embed.proj.weight"].0, [96, 768]);
    let files = weights::export(&configuration(), &target, Format::HuggingFace).unwrap();
    let found = tensors(&files, "model.safetensors");
    assert_eq!(keys(found.keys()), keys(&recorded().list("keys_disk")));
    assert_eq!(found, tiny().tensors, "every shape and every bit");

    let text = std::fs::read(path("hf_tiny/config.json")).unwrap();
    let theirs: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let ours: serde_json::Value = serde_json::from_slice(file(&files, "config.json")).unwrap();
    for (key, value) in theirs.as_object().unwrap() {
        match key.as_str() {
            // The size of the fixture's pictures, and who wrote the file.
            "image_size" => assert_eq!(ours[key], 64),
            "transformers_version" => {}
            _ => assert_eq!(ours[key], *value, "{key} of config.json"),
        }
    }
    let image: serde_json::Value = serde_json::from_slice(file(&files, "preprocessor_config.json")).unwrap();
    assert_eq!((&image["size"]["height"], image["image_mean"].as_array().unwrap().len()), (&64.into(), 3));
}

#[test]
fn the_official_and_timm_layouts_keep_the_official_names_and_a_kernel_of_four_dimensions() {
    let target = named(&load(&tiny()).unwrap()).unwrap();
    for (format, name) in [(Format::Safetensors, "target_encoder.safetensors"), (Format::Timm, "model.safetensors")] {
        let found = tensors(&weights::export(&configuration(), &target, format).unwrap(), name);
        assert_eq!(found["patch_embed.proj.weight"].0, [96, 3, 16, 16]);
        assert_eq!(found["blocks.1.attn.qkv.weight"].0, [288, 96]);
        assert_eq!(keys(found.keys()), keys(target.keys()));
        let again = named(&apply(encoder(), &found, name).unwrap()).unwrap();
        assert_eq!(again, target, "every bit");
    }
}

/// A model of ours on a square grid, exported to a folder and read again.
fn square_folder(folder: &Path) -> Foreign {
    let (variant, target) = square();
    for exported in variant.export(&target, None, Format::HuggingFace).unwrap() {
        std::fs::write(folder.join(exported.name), exported.bytes).unwrap();
    }
    read_foreign(folder, None).unwrap()
}

fn own_normalise() -> Normalise {
    Normalise { mean: vec![0.25], std: vec![0.125] }
}

fn square() -> (IJepa, Named) {
    let mut config = IJepa::presets().into_iter().find(|p| p.name == "tiny").unwrap().config.model;
    config.encoder.eps = 2e-6;
    config.normalise = own_normalise();
    let variant = IJepa::new(&config).unwrap();
    let target = named(variant.model(3, &Device::flex()).target()).unwrap();
    (variant, target)
}

#[test]
fn a_model_of_ours_comes_back_from_the_exported_folder_bit_by_bit() {
    let (_, target) = square();
    let folder = tempfile::tempdir().unwrap();
    let foreign = square_folder(folder.path());
    let imported = IJepa::import(&foreign).unwrap();
    assert_eq!((imported.config.model.encoder.heads, imported.config.model.encoder.eps), (2, 2e-6), "from config.json");
    assert_eq!(imported.config.model.normalise, own_normalise(), "from preprocessor_config.json");
    // What `transformers` writes when nobody asked is no choice.
    let half = serde_json::json!({ "image_mean": [0.5], "image_std": [0.5] });
    let usual = IJepa::import(&Foreign { processor: Some(half), ..foreign.clone() }).unwrap();
    assert_eq!(usual.config.model.normalise, Normalise::fashion_mnist());
    let model = IJepa::new(&imported.config.model).unwrap().model(9, &Device::flex());
    assert_ne!(named(model.target()).unwrap(), target);
    let again = named(&apply(model.target().clone(), &imported.target, &foreign.origin).unwrap()).unwrap();
    assert_eq!(again, target);
}

#[test]
fn weights_in_several_files_are_read_through_their_index_and_nothing_outside_the_folder_is() {
    let whole = tiny();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("config.json", &std::fs::read(path("hf_tiny/config.json")).unwrap());
    let part = |i: usize| format!("model-{:05}-of-00002.safetensors", i + 1);
    let index = |names: &dyn Fn(usize) -> String| {
        let map: serde_json::Map<_, _> =
            whole.tensors.keys().enumerate().map(|(i, k)| (k.clone(), names(i % 2).into())).collect();
        serde_json::to_vec(&serde_json::json!({ "metadata": {}, "weight_map": map })).unwrap()
    };
    for i in 0..2 {
        let half: Named =
            whole.tensors.clone().into_iter().enumerate().filter(|(k, _)| k % 2 == i).map(|(_, t)| t).collect();
        write(&part(i), &encode(&half).unwrap());
    }
    write("model.safetensors.index.json", &index(&part));
    assert_eq!(read_foreign(folder.path(), None).unwrap().tensors, whole.tensors);

    write("model.safetensors.index.json", &index(&|i| format!("../{}", part(i))));
    assert!(read_foreign(folder.path(), None).unwrap_err().to_string().contains("outside the folder"));
    std::fs::remove_file(folder.path().join(part(1))).unwrap();
    write("model.safetensors.index.json", &index(&part));
    assert!(matches!(read_foreign(folder.path(), None), Err(Error::Io { path, .. }) if path.ends_with(part(1))));
}
