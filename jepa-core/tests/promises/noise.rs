//! Dropout, attention dropout and stochastic depth against the official blocks of Point-JEPA in PyTorch, given the same
//! masks: recorded by `tests/reference/noise.py`.

use std::path::PathBuf;

use burn::prelude::*;
use jepa_core::checkpoint::{Named, apply};
use jepa_core::host;
use jepa_core::jepa::Step;
use jepa_core::nn::{BlockConfig, Init, InitScheme, Noise, NoiseConfig, Transformer, params};
use jepa_core::recorded::Recorded;

const RATES: NoiseConfig = NoiseConfig { dropout: 0.2, attention: 0.15, path: 0.4, path_grows: true };
/// Rows of the batch are these samples, twice.
const SAMPLES: usize = 3;

struct Blocks {
    recorded: Recorded,
    transformer: Transformer,
}

impl Blocks {
    fn new() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/noise.safetensors");
        let recorded = Recorded::open(path).unwrap();
        let weights: Named = recorded
            .names()
            .filter_map(|name| {
                let shape = recorded.shape(name).unwrap().to_vec();
                Some((name.strip_prefix("weight.")?.to_owned(), (shape, recorded.f32(name).unwrap())))
            })
            .collect();
        let config = BlockConfig { width: 48, heads: 2, hidden: 96, eps: 1e-5 };
        let fresh = Transformer::new(&mut Init::new(0, InitScheme::Xavier, &Device::flex()), config, 3);
        Self { transformer: apply(fresh, &weights, "noise.safetensors").unwrap(), recorded }
    }

    /// The output with these rates in step `number`.
    fn forward(&self, transformer: &Transformer, x: Tensor<3>, rates: NoiseConfig, number: u64) -> Tensor<3> {
        let step = Step::new(number, 100, 11, &Device::flex());
        transformer.forward(x, None, Noise::new(rates, &step, 1, 3, SAMPLES))
    }

    /// How far the output is from the recorded one.
    fn difference(&self, rates: NoiseConfig, number: u64) -> f64 {
        let x = self.recorded.tensor("x").unwrap();
        self.recorded.difference("y", self.forward(&self.transformer, x, rates, number)).unwrap()
    }
}

#[test]
fn outputs_and_gradients_are_the_official_ones_where_the_same_is_dropped() {
    use burn::module::Module as _;
    let blocks = Blocks::new();
    assert!(blocks.difference(RATES, 5) < 1e-5, "{}", blocks.difference(RATES, 5));

    let tracked = blocks.transformer.clone().train();
    let x: Tensor<3> = blocks.recorded.tensor::<3>("x").unwrap().autodiff().require_grad();
    let y = blocks.forward(&tracked, x.clone(), RATES, 5);
    let mut gradients = (y * blocks.recorded.tensor::<3>("slope").unwrap()).sum().backward();
    let slope = x.grad(&gradients).unwrap();
    assert!(blocks.recorded.difference("x.grad", slope).unwrap() < 1e-4);
    let names: Vec<String> = blocks.recorded.metadata("names").unwrap();
    let found = params::gradients(&tracked, &mut gradients);
    let leaves = params::leaves(&tracked);
    assert_eq!(names.len(), leaves.len());
    for (name, expected) in names.iter().zip(blocks.recorded.values("grad.l2").unwrap()) {
        let at = leaves.iter().position(|leaf| leaf.path == *name).unwrap();
        let gradient = host::read(found[at].clone().unwrap()).unwrap();
        let norm = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        assert!((norm / expected - 1.0).abs() < 1e-4, "{name}: {norm}, expected {expected}");
    }
}

#[test]
fn another_mask_and_every_kind_of_noise_left_out_are_seen() {
    let blocks = Blocks::new();
    for (what, rates, number) in [
        ("the masks of another step", RATES, 6),
        ("no dropout", NoiseConfig { dropout: 0.0, ..RATES }, 5),
        ("no attention dropout", NoiseConfig { attention: 0.0, ..RATES }, 5),
        ("no stochastic depth", NoiseConfig { path: 0.0, ..RATES }, 5),
        ("the same depth everywhere", NoiseConfig { path_grows: false, ..RATES }, 5),
    ] {
        let difference = blocks.difference(rates, number);
        assert!(difference > 0.1, "{what}: {difference}");
    }
}
