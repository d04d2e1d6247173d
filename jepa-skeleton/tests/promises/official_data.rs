//! The official code's numbers before the networks: NTU preparation, crops, rotations, streams, masks. The scripts that
//! made them lie in `reference/`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jepa_core::data::Split;
use jepa_core::random::Draw;
use jepa_skeleton::clip::{self, ClipConfig};
use jepa_skeleton::data::ntu::{NtuName, NtuOptions, NtuProtocol, NtuRecording, SecondPerson, actors};
use jepa_skeleton::data::{JointSet, Sequence};
use jepa_skeleton::masks::{self, KeepRule, MaskConfig, Masks};
use jepa_skeleton::tokens::Tokens;
use jepa_skeleton::view::{self, Reading};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// Both sides compute in single precision.
const TOLERANCE: f32 = 2e-6;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

/// A file of arrays: shapes, numbers and what is said about them.
struct Fixture {
    arrays: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    about: BTreeMap<String, Value>,
}

impl Fixture {
    fn read(name: &str) -> Self {
        let bytes = std::fs::read(reference(name)).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let texts = metadata.metadata().clone().unwrap_or_default().into_iter();
        let about = texts.map(|(key, text)| {
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            (key, value)
        });
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let arrays = tensors.iter().map(|(name, view)| {
            let numbers = match view.dtype() {
                Dtype::F32 => view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                Dtype::I64 => view.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
                other => panic!("{name}: {other:?}"),
            };
            (name.to_owned(), (view.shape().to_vec(), numbers))
        });
        Self { arrays: arrays.collect(), about: about.collect() }
    }

    fn get(&self, name: &str) -> (&[usize], &[f32]) {
        let (shape, numbers) = self.arrays.get(name).unwrap_or_else(|| panic!("no array {name}"));
        (shape, numbers)
    }

    fn integers(&self, name: &str) -> Vec<usize> {
        self.get(name).1.iter().map(|value| *value as usize).collect()
    }
}

fn close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference <= tolerance, "{what}: {difference}");
}

/// [axis, frames, joints, persons], as the official loader keeps a clip, to [frames, persons, joints, axis].
fn unfolded(shape: &[usize], values: &[f32]) -> Sequence {
    let [3, frames, joints, persons] = *shape else { panic!("{shape:?}") };
    let mut out = Vec::with_capacity(values.len());
    for (frame, person, joint) in places(frames, persons, joints) {
        out.extend((0..3).map(|axis| values[((axis * frames + frame) * joints + joint) * persons + person]));
    }
    Sequence::new(JointSet::by_count(joints), frames, persons, out).unwrap()
}

fn places(frames: usize, persons: usize, joints: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let inner = move |frame| (0..persons).flat_map(move |person| (0..joints).map(move |joint| (frame, person, joint)));
    (0..frames).flat_map(inner)
}

fn recording(name: &str) -> NtuRecording {
    let path = reference(&format!("skeletons/{name}.skeleton.gz"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut text).unwrap();
    NtuRecording::parse(&path, &text).unwrap()
}

fn names(ntu: &Fixture) -> Vec<String> {
    ntu.about["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn recordings_become_the_actors_of_the_official_preparation() {
    let ntu = Fixture::read("ntu.safetensors");
    let prepared = |name: &str, options: &NtuOptions| actors(Path::new(name), &recording(name), options).unwrap();
    let frames = ntu.integers("align.frames");
    for (name, frames) in names(&ntu).iter().zip(frames) {
        let (shape, expected) = ntu.get(&format!("{name}.joints"));
        let sequence = prepared(name, &NtuOptions::default());
        assert_eq!((sequence.frames, sequence.persons), (frames, 2), "{name}");
        let alone = shape[1] == 75;
        let found = if alone { sequence.person(0) } else { sequence.values.clone() };
        close(&found, expected, 0.0, name);
        assert_eq!(alone, sequence.first_frame(1).is_none(), "{name}");
        if alone {
            let doubled = prepared(name, &NtuOptions { second: SecondPerson::Duplicate, ..NtuOptions::default() });
            assert_eq!((doubled.person(0), doubled.person(1)), (sequence.person(0), sequence.person(0)), "{name}");
        } else {
            let raw = prepared(name, &NtuOptions { translate: false, ..NtuOptions::default() });
            close(&raw.values, ntu.get(&format!("{name}.denoised")).1, 0.0, name);
        }
    }
}

#[test]
fn recordings_are_parted_and_labelled_as_the_official_lists_part_them() {
    let ntu = Fixture::read("ntu.safetensors");
    let names: Vec<NtuName> = names(&ntu).iter().map(|name| NtuName::parse(name).unwrap()).collect();
    let labels: Vec<usize> = names.iter().map(|name| usize::from(name.action) - 1).collect();
    assert_eq!(labels, ntu.integers("label"));
    for (key, protocol) in [
        ("xsub", NtuProtocol::CrossSubject60),
        ("xview", NtuProtocol::CrossView60),
        ("xsub120", NtuProtocol::CrossSubject120),
        ("xset", NtuProtocol::CrossSetup120),
    ] {
        for (part, split) in [("train", Split::Train), ("test", Split::Test)] {
            let mut expected = ntu.integers(&format!("split.{key}.{part}"));
            expected.sort_unstable();
            let found: Vec<usize> = (0..names.len()).filter(|i| protocol.split(names[*i]) == Some(split)).collect();
            assert_eq!(found, expected, "{key} {part}");
        }
    }
}

#[test]
fn streams_of_a_centre_clip_are_those_of_the_official_loader() {
    let ntu = Fixture::read("ntu.safetensors");
    let name = ntu.about["feeder"].as_str().unwrap();
    let sequence = actors(Path::new(name), &recording(name), &NtuOptions::default()).unwrap();
    let config = ClipConfig { frames: 16, centre: 0.95, ..ClipConfig::default() };
    for (key, reading) in
        [("joint", Reading::Joint), ("bone", Reading::Bone), ("motion", Reading::Motion), ("both", Reading::BoneMotion)]
    {
        let (shape, expected) = ntu.get(&format!("feeder.{key}"));
        let mut clip = clip::centre(&sequence, &config).unwrap();
        reading.apply(&mut clip);
        close(&clip.values, &unfolded(shape, expected).values, TOLERANCE, key);
    }
}

/// Draws that were recorded.
struct Recorded {
    uniform: f64,
    below: usize,
}

impl Draw for Recorded {
    fn bits(&mut self) -> u64 {
        panic!("only uniform and below were recorded")
    }

    fn uniform(&mut self) -> f32 {
        self.uniform as f32
    }

    fn below(&mut self, n: usize) -> usize {
        assert!(self.below < n);
        self.below
    }
}

#[test]
fn crops_are_cut_and_resized_as_the_official_loader_does() {
    let resize = Fixture::read("resize.safetensors");
    let clip_of = |name: &str| {
        let (shape, values) = resize.get(&format!("clip.{name}"));
        unfolded(shape, values)
    };
    let mut compared = 0;
    for (key, (shape, values)) in resize.arrays.iter().filter(|(key, _)| key.starts_with("centre.")) {
        let (head, frames) = key.rsplit_once('.').unwrap();
        let (name, centre) = head["centre.".len()..].split_once('.').unwrap();
        let config =
            ClipConfig { frames: frames.parse().unwrap(), centre: centre.parse().unwrap(), ..ClipConfig::default() };
        let found = clip::centre(&clip_of(name), &config).unwrap();
        close(&found.values, &unfolded(shape, values).values, TOLERANCE, key);
        compared += 1;
    }
    assert_eq!(compared, 12);
    for (i, about) in resize.about["random"].as_array().unwrap().iter().enumerate() {
        let number = |key: &str| about[key].as_u64().unwrap() as usize;
        let name = about["clip"].as_str().unwrap();
        let config = ClipConfig { frames: number("window"), ..ClipConfig::default() };
        let mut draw = Recorded { uniform: about["u"].as_f64().unwrap(), below: number("offset") };
        let span = clip::random_span(number("valid"), &config, &mut draw);
        assert_eq!(span, number("offset")..number("offset") + number("length"));
        let found = clip::random(&clip_of(name), &config, &mut draw).unwrap();
        let key = format!("random{i}.{name}.{}", config.frames);
        let (shape, values) = resize.get(&key);
        close(&found.values, &unfolded(shape, values).values, TOLERANCE, &key);
    }
    for trim in resize.about["trims"].as_array().unwrap() {
        let [share, valid, cut] = [0, 1, 2].map(|at| trim[at].as_f64().unwrap());
        let (valid, cut) = (valid as usize, cut as usize);
        assert_eq!(clip::centre_span(valid, share), cut..valid - cut, "{share} of {valid}");
    }
    for (key, count, frames) in [("ramp10to6", 10, 6), ("ramp5to8", 5, 8)] {
        let ramp: Vec<f32> = (0u8..count).map(f32::from).collect();
        close(&clip::resize(&ramp, 1, frames), resize.get(key).1, TOLERANCE, key);
    }
}

#[test]
fn rotations_are_those_of_the_official_loader() {
    let resize = Fixture::read("resize.safetensors");
    let (shape, values) = resize.get("turned");
    let turned = unfolded(shape, values);
    let angles = |row: &[f32]| [row[0], row[1], row[2]];
    let check = |angles: [f32; 3], expected: &[f32], what: &str| {
        let mut found = turned.clone();
        view::rotate(&mut found, &view::rotation(angles), [0.0; 3]);
        close(&found.values, &unfolded(shape, expected).values, TOLERANCE, what);
    };
    let (_, rows) = resize.get("angles");
    let (_, matrices) = resize.get("matrix");
    let (_, rotated) = resize.get("rotated");
    for (i, row) in rows.chunks(3).enumerate() {
        close(view::rotation(angles(row)).as_flattened(), &matrices[i * 9..(i + 1) * 9], 1e-6, "matrix");
        check(angles(row), &rotated[i * values.len()..(i + 1) * values.len()], "rotated");
    }
    check(angles(resize.get("rotation.angles").1), resize.get("rotation.out").1, "a recorded draw");
}

#[test]
fn masks_are_those_of_the_official_code_index_by_index() {
    let mask = Fixture::read("mask.safetensors");
    for (name, about) in mask.about["cases"].as_object().unwrap() {
        let number = |key: &str| about[key].as_u64().unwrap() as usize;
        let tokens = Tokens::new(number("frames"), number("joints"), number("segment")).unwrap();
        let temperature = about["tau"].as_f64().unwrap() as f32;
        let config = MaskConfig { ratio: about["ratio"].as_f64().unwrap(), temperature, keep: KeepRule::Official };
        let masks = Masks::new(&config, &tokens).unwrap();
        assert_eq!(masks.visible(), number("keep"), "{name}");
        let (_, x) = mask.get(&format!("{name}.x"));
        let (_, uniforms) = mask.get(&format!("{name}.u"));
        let (keep, removed) = (mask.integers(&format!("{name}.keep")), mask.integers(&format!("{name}.mask")));
        for (row, clip) in x.chunks(tokens.count() * tokens.width()).enumerate() {
            let range = row * tokens.count()..(row + 1) * tokens.count();
            let mut cut = Vec::new();
            tokens.cut(clip, &mut cut).unwrap();
            let parted = masks.part(&cut, &uniforms[range.clone()]).unwrap();
            let mut expected = keep[row * masks.visible()..(row + 1) * masks.visible()].to_vec();
            expected.sort_unstable();
            let indices = |list: &[u32]| list.iter().map(|&index| index as usize).collect::<Vec<_>>();
            assert_eq!(indices(&parted.visible), expected, "{name} {row}");
            let hidden: Vec<usize> = (0..tokens.count()).filter(|i| removed[range.start + i] == 1).collect();
            assert_eq!(indices(&parted.hidden), hidden, "{name} {row}");
            if temperature > 0.0 {
                let motion = masks::scaled(&masks::motion(&cut, tokens.joints, tokens.width()), temperature);
                close(&motion, &mask.get(&format!("{name}.motion")).1[range.clone()], 1e-6, name);
                let scores = masks::scores(&motion, &uniforms[range.clone()]);
                close(&scores, &mask.get(&format!("{name}.score")).1[range], 1e-5, name);
            }
        }
    }
    for kept in mask.about["kept"].as_array().unwrap() {
        let config = MaskConfig { ratio: kept[1].as_f64().unwrap(), ..MaskConfig::default() };
        assert_eq!(config.visible(kept[0].as_u64().unwrap() as usize) as u64, kept[2].as_u64().unwrap(), "{kept}");
    }
}
