//! What a forward pass of a method compares with what.

use crate::fixtures::read;
use burn::module::Module as _;
use burn::prelude::*;
use jepa_core::data::{DataSpec, Split};
use jepa_core::jepa::{Forward, Jepa as _, Role, Step};
use jepa_core::plugin::{Draws, Member, Variant as _};
use jepa_image::method::{Architecture, Method, MethodConfig};
use jepa_image::network::{HeadConfig, ViewBatch, ViewNetworks};
use jepa_image::variants::autoencoder::Autoencoder;
use jepa_image::variants::byol::Byol;
use jepa_image::variants::dino::Dino;
use jepa_image::variants::lejepa::LeJepa;
use jepa_image::variants::mae::Mae;
use jepa_image::variants::vicreg::VicReg;

const SAMPLES: usize = 4;

fn tiny<M: Member<Family = Method>>() -> MethodConfig {
    M::presets().into_iter().find(|preset| preset.name == "tiny").unwrap().config.model
}

fn networks(config: &MethodConfig) -> (ViewNetworks, ViewBatch) {
    let method = Method::new(config).unwrap();
    let source = method.open(&DataSpec::parse("builtin", Method::FORMATS), Split::Train).unwrap();
    let samples = (0..SAMPLES).map(|i| source.read(i).unwrap()).collect();
    let batch = method.batch(samples, &Draws::new(0, 1, (0..SAMPLES).collect())).unwrap();
    (method.model(0, &Device::flex()), batch)
}

/// A pass beside a plain copy of the branch.
fn pass<M: Member<Family = Method>>() -> Forward {
    let (model, batch) = networks(&tiny::<M>());
    model.forward(&model.target().valid(), &batch, &Step::new(1, 1, 0, &Device::flex()))
}

fn rows(forward: &Forward, role: Role) -> usize {
    forward.embedding(role).unwrap().dims()[0]
}

#[test]
fn every_pairing_compares_what_it_says() {
    // VICReg: the two views once. BYOL: each view with the other's target. DINO, 2 + 1 views: 2 and the small one with
    // both. LeJEPA, 2 + 1 views: each with the mean.
    for (forward, pairs, views, globals) in
        [(pass::<VicReg>(), 1, 2, 2), (pass::<Byol>(), 2, 2, 2), (pass::<Dino>(), 4, 3, 2), (pass::<LeJepa>(), 3, 3, 2)]
    {
        assert_eq!(forward.pairs.len(), pairs);
        assert_eq!(rows(&forward, Role::Context), SAMPLES);
        assert_eq!(rows(&forward, Role::Predicted), views * SAMPLES);
        assert_eq!(rows(&forward, Role::Target), views * SAMPLES);
        assert_eq!(rows(&forward, Role::Whole), globals * SAMPLES);
    }
    let forward = pass::<LeJepa>();
    let halves = forward.embedding(Role::Whole).unwrap().clone().chunk(2, 0);
    let mean = read((halves[0].clone() + halves[1].clone()) / 2.0);
    assert!(forward.pairs.iter().all(|pair| read(pair.target.clone()) == mean));
    let forward = pass::<Byol>();
    let whole = forward.embedding(Role::Whole).unwrap().clone().chunk(2, 0);
    let target = |place: usize| read(forward.pairs[place].target.clone());
    assert_eq!([target(0), target(1)], [read(whole[1].clone()), read(whole[0].clone())]);
}

#[test]
fn a_target_that_is_the_student_itself_is_computed_once_and_says_the_same() {
    let (model, batch) = networks(&tiny::<VicReg>());
    let step = Step::new(1, 1, 0, &Device::flex());
    let shared = model.forward(model.target(), &batch, &step);
    let apart = model.forward(&model.target().valid(), &batch, &step);
    assert_eq!(read(shared.pairs[0].target.clone()), read(apart.pairs[0].target.clone()));
    // Two views through two normalisations of the projector's inner layer: met twice, not four times.
    assert_eq!((shared.statistics.len(), apart.statistics.len()), (2, 2));
}

#[test]
fn masked_pixels_are_the_pictures_own_and_an_autoencoder_paints_all() {
    let mut config = tiny::<Mae>();
    let jepa_image::method::TaskConfig::HiddenPixels { normalise_patches, .. } = &mut config.task else { panic!() };
    *normalise_patches = false;
    let (model, batch) = networks(&config);
    let step = Step::new(1, 1, 0, &Device::flex());
    let forward = model.forward(model.target(), &batch, &step);
    let masks = batch.masks().unwrap();
    // 16 patches of 49 values: 4 seen, 12 hidden.
    assert_eq!((masks.context[0].len(), masks.target[0].len()), (4, 12));
    assert_eq!(forward.pairs[0].target.dims(), [SAMPLES, 12, 49]);
    let target = read(forward.pairs[0].target.clone());
    let hidden = masks.target[0].row(0)[0] as usize;
    let (row, column) = (hidden / 4 * 7, hidden % 4 * 7);
    let expected: Vec<f32> =
        (row..row + 7).flat_map(|y| batch.first(0)[y * 28 + column..y * 28 + column + 7].to_vec()).collect();
    assert_eq!(target[..49], expected);

    let forward = pass::<Autoencoder>();
    assert_eq!(forward.pairs[0].predicted.dims(), [SAMPLES, 16, 49]);
}

#[test]
fn a_resnet_takes_the_place_of_the_vit_by_one_key() {
    for config in [tiny::<VicReg>(), tiny::<Byol>(), tiny::<LeJepa>(), tiny::<Autoencoder>()] {
        let mut config = MethodConfig { encoder: Architecture::ResNet18, ..config };
        config.resnet.width = 4;
        let (model, batch) = networks(&config);
        let step = Step::new(1, 1, 0, &Device::flex());
        let forward = model.forward(&model.target().valid(), &batch, &step);
        // 28 pixels become 14, 7 and 4; four channels become 32.
        assert_eq!(forward.embedding(Role::Context).unwrap().dims(), [SAMPLES, 16, 32]);
        assert_eq!(ViewNetworks::features(model.target(), &batch, &Device::flex()).dims(), [SAMPLES, 16, 32]);
    }
    let mae = MethodConfig { encoder: Architecture::ResNet18, ..tiny::<Mae>() };
    let refusal = Method::new(&mae).unwrap_err().to_string();
    assert!(refusal.contains("model.encoder") && refusal.contains("vit"), "{refusal}");
}

#[test]
fn configurations_that_cannot_work_name_their_key() {
    let views = |change: &dyn Fn(&mut MethodConfig)| {
        let mut config = tiny::<Byol>();
        change(&mut config);
        Method::new(&config).unwrap_err().to_string()
    };
    for (refusal, key) in [
        (views(&|c| c.views.global.truncate(1)), "model.views.global"),
        (views(&|c| c.views.global[1].crop.size = 14), "model.views.global"),
        (views(&|c| c.views.global[1].grey = 2.0), "model.views.global[1].grey"),
        (views(&|c| c.patch = 5), "model.patch"),
        (views(&|c| c.projector = Some(HeadConfig::new([64, 48]))), "model.task.predictor.widths"),
        (views(&|c| c.vit.heads = 3), "model.vit"),
    ] {
        assert!(refusal.contains(key), "{refusal} does not name {key}");
    }
}
