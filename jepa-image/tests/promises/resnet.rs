//! ResNet-18 with CIFAR's stem beside torchvision's definition.

use crate::fixtures::{Fixture, difference, read, within};
use burn::module::Module as _;
use burn::prelude::*;
use jepa_core::collapse::follow_statistics;
use jepa_core::jepa::Step;
use jepa_core::nn::{Init, InitScheme, params};
use jepa_image::network::{Pass, ResNet, ResNetConfig};

/// The formula of `resnet.py`; `skew` is for the controls.
fn network(skew: f64) -> ResNet {
    let mut init = Init::new(0, InitScheme::PyTorch, &Device::flex());
    let network = ResNet::new(&mut init, &ResNetConfig::default(), 3);
    params::map(network, |leaf, value| {
        let name = official(&leaf.path);
        let phase = 0.01 * (name.bytes().map(u64::from).sum::<u64>() % 1000) as f64 + skew;
        let scale = match leaf.shape[..] {
            [_, inputs, side, _] => 2.45 / ((inputs * side * side) as f64).sqrt(),
            _ if name.ends_with("running_var") => 0.3,
            _ if name.ends_with("weight") => 0.2,
            _ => 0.1,
        };
        let centre = f64::from(u8::from(name.ends_with("running_var") || leaf.shape.len() == 1 && scale == 0.2));
        let noise = |j: usize| {
            let value = 43_758.545_3 * (12.9898 * (j + 1) as f64 + phase).sin();
            2.0 * (value - value.floor()) - 1.0
        };
        let values: Vec<f32> = (0..leaf.len()).map(|j| (centre + scale * noise(j)) as f32).collect();
        Ok(Tensor::from_data(TensorData::new(values, [leaf.len()]), &value.device()))
    })
    .unwrap()
}

fn official(path: &str) -> String {
    path.replace("downsample.conv", "downsample.0").replace("downsample.norm", "downsample.1")
}

fn image(fixture: &Fixture) -> Tensor<4> {
    Tensor::from_data(TensorData::new(fixture.f32("image"), [4, 3, 16, 16]), &Device::flex())
}

fn evaluated(network: &ResNet, image: Tensor<4>) -> Vec<f32> {
    read(network.forward(image, &mut Pass::evaluation(), "").mean_dim(1))
}

#[test]
fn features_by_running_figures_are_torchvisions() {
    let fixture = Fixture::open("resnet.safetensors");
    let expected = fixture.values("evaluated");
    within("evaluated", difference(&evaluated(&network(0.0), image(&fixture)), expected), 2e-4);
    // Other weights, or the picture turned, are far off.
    assert!(difference(&evaluated(&network(0.01), image(&fixture)), expected) > 0.05);
    assert!(difference(&evaluated(&network(0.0), image(&fixture).swap_dims(2, 3)), expected) > 0.05);
}

#[test]
fn features_gradients_and_running_figures_in_training_are_torchvisions() {
    let fixture = Fixture::open("resnet.safetensors");
    let student = network(0.0).train();
    let step = Step::new(1, 1, 0, &Device::flex());
    let mut pass = Pass::training(&step);
    let features = student.forward(image(&fixture), &mut pass, "net").mean_dim(1).reshape([4, 512]);
    within("trained", difference(&read(features.clone().inner()), fixture.values("trained")), 2e-4);

    let slope: Vec<f32> = (1..=4 * 512).map(|i| (0.1 * f64::from(i)).sin() as f32).collect();
    let slope = Tensor::<2>::from_data(TensorData::new(slope, [4, 512]), &Device::flex());
    let gradients = params::gradients(&student, &mut (features * slope).sum().backward());
    let names = fixture.list("names");
    let mut compared = 0;
    for (leaf, gradient) in params::leaves(&student).into_iter().zip(gradients) {
        let Some(place) = names.iter().position(|name| *name == official(&leaf.path)) else { continue };
        let norm = jepa_core::host::scalar(gradient.unwrap().powi_scalar(2).sum().sqrt()).unwrap();
        let expected = fixture.values("gradients")[place];
        assert!((norm / expected - 1.0).abs() < 1e-3, "{}: {norm} instead of {expected}", leaf.path);
        compared += 1;
    }
    assert_eq!((compared, names.len()), (60, 60));

    let met: Vec<_> = pass.met.into_iter().map(|(path, s)| (path.replacen("net.", "", 1), s)).collect();
    assert_eq!(met.len(), 20);
    let after = follow_statistics(network(0.0), &met).unwrap();
    let last = &after.layer4[1].bn2;
    within("running mean", difference(&read(last.running_mean.val()), fixture.values("mean")), 1e-4);
    within("running variance", difference(&read(last.running_var.val()), fixture.values("var")), 1e-4);
    let before = read(network(0.0).layer4[1].bn2.running_mean.val());
    assert!(difference(&before, fixture.values("mean")) > 1e-3, "the figures did not move");
}
