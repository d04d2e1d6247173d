//! Checkpoints as the official trainers save them (`reference/checkpoint.py`): read, named, run.

use std::path::PathBuf;

use crate::formula::{recorded, values};
use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, apply, read_foreign};
use jepa_core::jepa::Jepa as _;
use jepa_core::plugin::Variant;
use jepa_video::data::View;
use jepa_video::network::{VideoBatch, VideoJepa};
use jepa_video::tokens::Tubelets;
use jepa_video::variants::v_jepa::VJepa;
use jepa_video::variants::v_jepa_2::VJepa2;

fn open(name: &str) -> Foreign {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name);
    Foreign { heads: Some(2), ..read_foreign(&path, None).unwrap() }
}

/// The input in tubelets, by way of the crate's own cutter.
fn input() -> Vec<f32> {
    let view = View { frames: 4, height: 32, width: 32, values: values("checkpoint", 3 * 4 * 32 * 32, 3f64.sqrt()) };
    let mut out = Vec::new();
    Tubelets::new(4, 32, 2, 8).unwrap().cut(&view, &mut out).unwrap();
    out
}

/// The largest difference of the features of an imported checkpoint to the recorded ones, and the whole student.
fn check<V: Variant<Model = VideoJepa>>(foreign: &Foreign, name: &str) -> f64 {
    let imported = V::import(foreign).unwrap();
    let model = V::new(&imported.config.model).unwrap().model(0, &Device::flex());
    let target = apply(model.target().clone(), &imported.target, name).unwrap();
    apply(model, &imported.student.unwrap(), name).unwrap();
    let batch = VideoBatch::new(input(), 1, 1, [2, 4, 4], 3 * 2 * 64, Vec::new()).unwrap();
    let features = VideoJepa::features(&target, &batch, &Device::flex());
    recorded("checkpoint.safetensors").difference(name, features).unwrap()
}

#[test]
fn both_versions_files_give_the_official_features() {
    let first = check::<VJepa>(&open("v_jepa.pth.tar"), "v_jepa");
    let second = check::<VJepa2>(&open("v_jepa_2.pt"), "v_jepa_2");
    println!("v_jepa {first:.1e}, v_jepa_2 {second:.1e}");
    assert!(first < 1e-4 && second < 1e-4, "{first}, {second}");
    // The control: the online encoder is another network.
    let online = Foreign { network: Some("encoder".into()), ..open("v_jepa_2.pt") };
    assert!(check::<VJepa2>(&online, "v_jepa_2") > 1e-2);
}

#[test]
fn what_cannot_be_imported_says_what_to_do() {
    let refused = |result: jepa_core::Result<()>, parts: &[&str]| {
        let error = result.unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let first = || open("v_jepa.pth.tar");
    refused(VJepa::import(&Foreign { heads: None, ..first() }).map(|_| ()), &["width 48", "--heads"]);
    refused(VJepa::import(&open("v_jepa_2.pt").without("pos_embed")).map(|_| ()), &["--variant v-jepa-2"]);
    refused(VJepa::import(&Foreign { network: Some("enc".into()), ..first() }).map(|_| ()), &["encoder"]);
    let mut extra = first();
    extra.tensors.insert("adapter.weight".into(), (vec![1], vec![0.0]));
    refused(VJepa::import(&extra).map(|_| ()), &["1 unexpected: adapter.weight"]);
    let mut other = first();
    other.tensors.get_mut("target_encoder.pos_embed").unwrap().1[40] += 0.5;
    refused(VJepa::import(&other).map(|_| ()), &["holds no codes"]);
    let mut missing = first();
    missing.tensors.remove("target_encoder.patch_embed.proj.weight");
    refused(VJepa::import(&missing).map(|_| ()), &["patch_embed.proj.weight"]);
}

trait Without {
    fn without(self, part: &str) -> Self;
}

impl Without for Foreign {
    fn without(mut self, part: &str) -> Self {
        self.tensors.retain(|name, _| !name.contains(part));
        self
    }
}
