//! A checkpoint as the official trainer saves it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::fixtures::{Fixture, difference, patches, path, read, within};
use burn::prelude::*;
use jepa_core::checkpoint::{self, Disk, Foreign, apply, read_foreign};
use jepa_core::device::Engine;
use jepa_core::error::{Error, Result};
use jepa_core::jepa::{Jepa as _, Step};
use jepa_core::masked::{MaskedJepa, PatchBatch};
use jepa_core::masks::MaskSet;
use jepa_core::nn::Encoder;
use jepa_core::plugin::{self, ImportRequest, Imported, Variant};
use jepa_core::probe::Frozen;
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_image::variants::i_jepa::{IJepa, IJepaConfig};

const TOLERANCE: f64 = 1e-5;

const NETWORKS: [&str; 2] = ["encoder", "target_encoder"];

fn recorded() -> Fixture {
    Fixture::open("checkpoint.safetensors")
}

/// The checkpoint, with the heads that leave no trace in it.
fn open(path: &Path, network: Option<&str>) -> Result<Foreign> {
    Ok(Foreign { heads: Some(2), ..read_foreign(path, network)? })
}

fn tiny(network: Option<&str>) -> Foreign {
    open(&path("tiny.pth.tar"), network).unwrap()
}

fn fresh(config: &IJepaConfig) -> Result<MaskedJepa> {
    Ok(IJepa::new(config)?.model(0, &Device::flex()))
}

/// The whole way from a file to a target encoder.
fn encoder(imported: &Imported<IJepaConfig>) -> Result<Encoder> {
    apply(fresh(&imported.config.model)?.encoder, &imported.target, "imported")
}

fn batch(fixture: &Fixture, masks: Option<MaskSet>) -> PatchBatch {
    let (values, shape) = patches(&fixture.f32("images"), [2, 3, 32, 32], 8);
    PatchBatch::new(values, shape, masks).unwrap()
}

fn features(encoder: &Encoder) -> Vec<f32> {
    read(MaskedJepa::features(encoder, &batch(&recorded(), None), &Device::flex()))
}

#[test]
fn each_network_gives_its_recorded_features_and_the_target_encoder_is_taken_unasked() {
    let fixture = recorded();
    for (network, expected) in
        [(Some("encoder"), "encoder"), (Some("target_encoder"), "target_encoder"), (None, "target_encoder")]
    {
        let imported = IJepa::import(&tiny(network)).unwrap();
        let found = features(&encoder(&imported).unwrap());
        within(
            &format!("features of {network:?}"),
            difference(&found, fixture.values(&format!("{expected}.features"))),
            TOLERANCE,
        );
        for other in NETWORKS.into_iter().filter(|other| *other != expected) {
            let found = difference(&found, fixture.values(&format!("{other}.features")));
            assert!(found > 0.1, "{network:?} is not the {other}: {found:e}");
        }
    }
}

#[test]
fn the_configuration_is_read_from_names_and_shapes_and_heads_must_be_given() {
    let imported = IJepa::import(&tiny(None)).unwrap();
    let IJepaConfig { encoder, predictor, patch, crop, .. } = &imported.config.model;
    assert_eq!((encoder.width, encoder.depth, encoder.heads, encoder.mlp_ratio), (48, 1, 2, 4.0));
    assert_eq!((predictor.width, predictor.depth, predictor.heads), (48, 1, 2));
    assert_eq!((*patch, crop.size), (8, 32));

    let unknown = read_foreign(&path("tiny.pth.tar"), None).unwrap();
    let error = IJepa::import(&unknown).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("width 48") && error.contains("--heads"), "{error}");
    let other = IJepa::import(&Foreign { heads: Some(4), ..unknown }).unwrap();
    let found = difference(&features(&self::encoder(&other).unwrap()), recorded().values("target_encoder.features"));
    assert!(found > 1e-2, "another number of heads is another network: {found:e}");
}

#[test]
fn the_whole_student_comes_along_and_predicts_as_recorded() {
    let fixture = recorded();
    let imported = IJepa::import(&tiny(None)).unwrap();
    let student = imported.student.as_ref().expect("encoder and predictor are in the file");
    let student = apply(fresh(&imported.config.model).unwrap(), student, "imported").unwrap();
    let masks = MaskSet {
        context: vec![fixture.mask("enc0", 16)],
        target: vec![fixture.mask("pred0", 16), fixture.mask("pred1", 16)],
    };
    let step = Step::new(1, 1, 0, &Device::flex());
    let forward = student.forward(&student.encoder, &batch(&fixture, Some(masks)), &step);
    let found = read(forward.pairs[0].predicted.clone());
    within("prediction", difference(&found, fixture.values("prediction")), TOLERANCE);
    within(
        "encoder of the student",
        difference(&features(&student.encoder), fixture.values("encoder.features")),
        TOLERANCE,
    );
}

#[test]
fn every_parameter_of_every_network_is_taken_with_its_name_and_shape() {
    let keys = recorded().meta("keys");
    let foreign = tiny(None);
    let mut seen = 0;
    for (network, list) in keys.as_object().unwrap() {
        for entry in list.as_array().unwrap() {
            let name = entry[0].as_str().unwrap().strip_prefix("module.").unwrap();
            let shape: Vec<usize> = serde_json::from_value(entry[1].clone()).unwrap();
            assert_eq!(foreign.tensors[&format!("{network}.{name}")].0, shape, "{network}.{name}");
            seen += 1;
        }
    }
    let networks = ["encoder.", "target_encoder.", "predictor."];
    assert_eq!(seen, foreign.tensors.keys().filter(|k| networks.iter().any(|n| k.starts_with(n))).count());
}

#[test]
fn the_registered_plugin_writes_a_folder_from_which_the_frozen_encoder_opens() {
    let fixture = recorded();
    let folder = tempfile::tempdir().unwrap();
    for network in NETWORKS {
        let out = folder.path().join(network);
        let request = ImportRequest {
            foreign: tiny(Some(network)),
            assignments: Vec::new(),
            out: out.clone(),
            command: Vec::new(),
        };
        let count = plugin::find("i-jepa").unwrap().import(&request).unwrap();
        let bundle = checkpoint::load_latest(&Disk, &out.join("checkpoints")).unwrap();
        let tensors = |name: &str| checkpoint::decode(bundle.file(name).unwrap(), Path::new(name)).unwrap().len();
        assert_eq!(count, tensors("target.safetensors") + tensors("student.safetensors"));
        let frozen = Frozen::<IJepa>::open(&out, Engine::cpu()).unwrap();
        let found = difference(&features(frozen.encoder()), fixture.values(&format!("{network}.features")));
        within(&format!("frozen {network}"), found, TOLERANCE);
    }
}

#[test]
fn an_unknown_network_is_refused_with_the_names_that_look_alike() {
    for (wrong, near) in [("target_encodr", "target_encoder"), ("encodr", "encoder")] {
        match IJepa::import(&tiny(Some(wrong))).map(|_| ()) {
            Err(Error::Unknown { what, name, near: found, known }) => {
                assert_eq!((what, name.as_str(), found[0].as_str()), ("network", wrong, near));
                assert_eq!(known, NETWORKS);
            }
            other => panic!("{other:?}"),
        }
    }
    let error = IJepa::import(&tiny(Some("target_encodr"))).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("did you mean `target_encoder`"), "{error}");
}

#[test]
fn a_key_too_many_or_too_few_is_named_and_refused() {
    let report = |foreign: &Foreign| match IJepa::import(foreign).and_then(|i| encoder(&i)) {
        Err(Error::Weights(report)) => report,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken all the same"),
    };
    let mut foreign = tiny(None);
    foreign.tensors.insert("momentum_encoder.norm.weight".into(), (vec![48], vec![1.0; 48]));
    assert_eq!(report(&foreign).unexpected, ["momentum_encoder.norm.weight"]);
    let mut foreign = tiny(None);
    foreign.tensors.insert("target_encoder.cls_token".into(), (vec![1, 1, 48], vec![1.0; 48]));
    assert_eq!(report(&foreign).unexpected, ["cls_token"]);
    let mut foreign = tiny(None);
    foreign.tensors.remove("target_encoder.blocks.0.attn.qkv.bias").unwrap();
    assert_eq!(report(&foreign).missing, ["blocks.0.attn.qkv.bias"]);
}

/// Everything an import does with a file.
fn whole_way(path: &Path) -> Result<Vec<f32>> {
    let imported = IJepa::import(&open(path, None)?)?;
    let encoder = encoder(&imported)?;
    if let Some(student) = &imported.student {
        apply(fresh(&imported.config.model)?, student, "imported")?;
    }
    let mut values = Vec::new();
    checkpoint::named(&encoder)?.into_values().for_each(|(_, v)| values.extend(v));
    Ok(values)
}

/// What a mutated file gives; a panic names the mutation.
fn without_panic(path: &Path, what: &str) -> Result<Vec<f32>> {
    catch_unwind(AssertUnwindSafe(|| whole_way(path))).unwrap_or_else(|_| panic!("{what}: the import panicked"))
}

#[test]
fn a_truncated_or_damaged_file_is_an_error_that_names_it_and_never_other_weights() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("damaged.pth.tar");
    let sound = std::fs::read(path("tiny.pth.tar")).unwrap();
    std::fs::write(&place, &sound).unwrap();
    let expected = whole_way(&place).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    for mutation in 0..400 {
        let mut draw = Stream::new(17, Purpose::Test, 0, mutation);
        let mut bytes = sound.clone();
        let what = match draw.below(4) {
            0 => {
                bytes.truncate(draw.below(sound.len()));
                format!("mutation {mutation}: cut to {}", bytes.len())
            }
            kind => {
                // Anywhere, in the pickle, or in the directory at the end.
                let (start, length) = [(0, sound.len()), (0, 12_000), (sound.len() - 8_000, 8_000)][kind - 1];
                let places: Vec<usize> = (0..=draw.below(3)).map(|_| start + draw.below(length)).collect();
                places.iter().for_each(|p| bytes[*p] ^= 1 << draw.below(8));
                format!("mutation {mutation}: bits flipped at {places:?}")
            }
        };
        std::fs::write(&place, &bytes).unwrap();
        match without_panic(&place, &what) {
            // Padding, dates, the optimiser's moments: whatever was hit, the weights are not.
            Ok(values) => {
                assert!(values == expected, "{what}: other weights, and nobody noticed");
                harmless += 1;
            }
            Err(error) => {
                // A weight that the damage made nameless is missing in the words of the names.
                let named = error.to_string().contains("damaged.pth.tar");
                assert!(named || matches!(error, Error::Weights(_)), "{what}: {error}");
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {harmless} without effect");
    assert!(refused > 100);
}

/// Where the pickle lies in the archive, and where the directory at its end holds the checksum.
fn pickle(bytes: &[u8]) -> (std::ops::Range<usize>, usize) {
    let short = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let name = b"tiny.pth/data.pkl";
    assert_eq!(bytes[30..30 + short(26)], *name);
    let start = 30 + short(26) + short(28);
    let entry = (0..bytes.len() - 64)
        .rev()
        .find(|at| bytes[*at..].starts_with(b"PK\x01\x02") && bytes[at + 46..].starts_with(name))
        .unwrap();
    let length = u32::from_le_bytes(bytes[entry + 24..entry + 28].try_into().unwrap()) as usize;
    (start..start + length, entry + 16)
}

#[test]
fn a_pickle_that_says_other_things_under_a_right_checksum_never_makes_the_import_panic() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("crafted.pth.tar");
    let sound = std::fs::read(path("tiny.pth.tar")).unwrap();
    let (range, checksum) = pickle(&sound);
    let write = |bytes: &mut Vec<u8>| {
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[range.clone()]);
        bytes[checksum..checksum + 4].copy_from_slice(&crc.sum().to_le_bytes());
        std::fs::write(&place, bytes).unwrap();
    };
    let mut copy = sound.clone();
    write(&mut copy);
    assert!(copy == sound, "the checksum is found and computed as the file has it");

    let (mut refused, mut taken) = (0, 0);
    for mutation in 0..600 {
        let mut draw = Stream::new(19, Purpose::Test, 0, mutation);
        let mut bytes = sound.clone();
        let places: Vec<usize> = (0..=draw.below(4)).map(|_| range.start + draw.below(range.len())).collect();
        for place in &places {
            bytes[*place] =
                if draw.below(2) == 0 { bytes[*place] ^ (1 << draw.below(8)) } else { draw.below(256) as u8 };
        }
        write(&mut bytes);
        match without_panic(&place, &format!("mutation {mutation}: bytes {places:?} of the pickle")) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{refused} refused, {taken} taken");
    assert!(refused > 50, "{refused} of 600");
}

#[test]
fn what_is_no_checkpoint_at_all_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("empty.pth", &b""[..]),
        ("words.pth.tar", b"these are words"),
        ("zip.pt", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("weights.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
        ("short.safetensors", b"\x02"),
    ] {
        let place = folder.path().join(name);
        std::fs::write(&place, bytes).unwrap();
        let error = without_panic(&place, name).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let missing = folder.path().join("missing.pth.tar");
    assert!(without_panic(&missing, "missing").unwrap_err().to_string().contains("missing.pth.tar"));
    assert!(without_panic(folder.path(), "a folder").unwrap_err().to_string().contains("config.json"));
}
