//! Which operation an engine gets wrong: each that a training step is made of, held against the CPU by itself.
//!
//! ```sh
//! JEPA_TEST_ENGINE=vulkan:0 cargo test --package jepa-core --features vulkan --test promises operations -- --nocapture
//! ```
//!
//! prints a line an operation: how far its value lies from the CPU's, without gradients (as a target encoder runs) and
//! with them, and how far its gradients lie, each over the largest number the CPU has there. Beyond what the order of a
//! sum explains a line ends in `coarse`: tensor cores round inputs to ten bits. Beyond that it ends in `wrong`, and the
//! test fails with the names of those. Simple operations come first: where one is wrong, so is what is made of it.
//! Without the variable the CPU is held against itself, which checks the test.
//!
//! Known reasons for a difference:
//!
//! - **Products wrong, or the process ended**: Vulkan on a device without `VK_KHR_workgroup_memory_explicit_layout`
//!   (`vulkaninfo` lists it). cubecl 0.11.3 declares memory that a workgroup shares as a pointer there, which is not
//!   valid SPIR-V: SwiftShader computes nonsense, lavapipe of Mesa 22.3 and 25.0 crashes. Everything through shared
//!   memory is hit: products, and sums where the tuner picks their shared form. Build with `--features wgpu` and without
//!   `vulkan`: WGSL is translated another way, and every operation is right on the same driver.
//! - **One run right, the next wrong**: the tuner picks the fastest of several kernels. `CUBECL_DEBUG_LOG=stdout` says
//!   which; `CUBECL_AUTOTUNE_LEVEL=0` tries fewer.
//! - **Wrong in a block, right by itself**: fused kernels. `BURN_FUSION_MAX_EXPLORATIONS=0` runs them one by one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::prelude::*;
use burn::tensor::activation::softmax;
use jepa_core::device::Engine;
use jepa_core::host;
use jepa_core::jepa::Step;
use jepa_core::masks::{self, Mask};
use jepa_core::nn::{
    self, BatchNorm, Block, BlockConfig, Init, InitScheme, LayerNorm, Rotary, RotaryConfig, RotaryForm,
};
use jepa_core::objective::{Distance, DistanceConfig, Memory};
use jepa_core::train::{AdamW, AdamWConfig, Rates};

/// Largest difference over the largest value that another order of summing leaves.
const ROUNDING: f64 = 2e-5;
/// That TF32 and f16 products leave, whose inputs have ten bits behind the point.
const TENSOR_CORES: f64 = 2e-3;

const BATCH: usize = 3;
const TOKENS: usize = 19;
const WIDTH: usize = 48;
const X: [usize; 3] = [BATCH, TOKENS, WIDTH];
const QKV: [usize; 3] = [BATCH, TOKENS, 3 * WIDTH];
const ROW: [usize; 3] = [1, 1, WIDTH];

/// An operation, and the shapes of what it reads.
struct Operation {
    name: &'static str,
    reads: Vec<[usize; 3]>,
    run: fn(&[Tensor<3>]) -> Tensor<3>,
}

fn operation(name: &'static str, reads: &[[usize; 3]], run: fn(&[Tensor<3>]) -> Tensor<3>) -> Operation {
    Operation { name, reads: reads.to_vec(), run }
}

fn flat(x: &Tensor<3>) -> Tensor<1> {
    let len = x.shape().num_elements();
    x.clone().reshape([len])
}

fn matrix(x: &Tensor<3>) -> Tensor<2> {
    let [_, rows, columns] = x.dims();
    x.clone().reshape([rows, columns])
}

fn heads(x: &Tensor<3>) -> Tensor<4> {
    let [batch, tokens, width] = x.dims();
    x.clone().reshape([batch, tokens, 2, width / 2]).swap_dims(1, 2)
}

fn joined(x: Tensor<4>) -> Tensor<3> {
    let [batch, heads, rows, columns] = x.dims();
    x.reshape([batch * heads, rows, columns])
}

/// Two masks of 7 of the 19 tokens, another for every sample; some tokens are in both.
fn kept() -> [Mask; 2] {
    [2, 3].map(|pace| {
        let row = |sample: usize| (0..7).map(|i| ((i * pace + sample) % TOKENS) as u32).collect();
        Mask::new(&(0..BATCH).map(row).collect::<Vec<_>>(), TOKENS).unwrap()
    })
}

fn distance(kind: DistanceConfig, reads: &[Tensor<3>]) -> Tensor<3> {
    kind.mean(reads[0].clone(), reads[1].clone(), &Memory::default()).reshape([1, 1, 1])
}

fn batch_norm(x: &Tensor<3>, relu: bool) -> Tensor<3> {
    let device = x.device().inner();
    let norm = BatchNorm::new(&mut Init::new(1, InitScheme::FanIn, &device), WIDTH);
    let (y, _) = norm.forward(x.clone().reshape([BATCH * TOKENS, WIDTH]), relu, &Step::new(1, 1, 1, &device));
    y.reshape(X)
}

/// What training calls, from single operations to a whole block.
fn operations() -> Vec<Operation> {
    let w = |inputs: usize, outputs: usize| [1, inputs, outputs];
    vec![
        operation("add", &[X, X], |r| r[0].clone() + r[1].clone()),
        operation("add a row", &[X, ROW], |r| r[0].clone() + r[1].clone()),
        operation("multiply", &[X, X], |r| r[0].clone() * r[1].clone()),
        operation("multiply by a row", &[X, ROW], |r| r[0].clone() * r[1].clone()),
        operation("divide", &[X, X], |r| r[0].clone() / (r[1].clone().powi_scalar(2) + 0.5)),
        operation("square", &[X], |r| r[0].clone().powi_scalar(2)),
        operation("root", &[X], |r| (r[0].clone().powi_scalar(2) + 0.1).sqrt()),
        operation("exponential", &[X], |r| r[0].clone().exp()),
        operation("absolute value", &[X], |r| r[0].clone().abs()),
        operation("clamp", &[X], |r| r[0].clone().clamp_max(0.4)),
        operation("error function", &[X], |r| r[0].clone().erf()),
        operation("sum of all", &[X], |r| r[0].clone().sum().reshape([1, 1, 1])),
        operation("mean over width", &[X], |r| r[0].clone().mean_dim(2)),
        operation("mean over tokens", &[X], |r| r[0].clone().mean_dim(1)),
        operation("mean over samples", &[X], |r| r[0].clone().mean_dim(0)),
        operation("maximum over members", &[X], |r| nn::max_over_members(r[0].clone()).unsqueeze()),
        operation("softmax", &[[BATCH, TOKENS, TOKENS]], |r| softmax(r[0].clone(), 2)),
        operation("product", &[X, w(WIDTH, 40)], |r| nn::project(r[0].clone(), matrix(&r[1]))),
        operation("large product", &[[8, 64, 192], w(192, 768)], |r| nn::project(r[0].clone(), matrix(&r[1]))),
        operation("product of few rows", &[[1, 3, WIDTH], w(WIDTH, 40)], |r| nn::project(r[0].clone(), matrix(&r[1]))),
        operation("product with a patch", &[[BATCH, TOKENS, 12], w(12, WIDTH)], |r| {
            nn::project(r[0].clone(), matrix(&r[1]))
        }),
        operation("scores q kᵀ", &[X, X], |r| joined(heads(&r[0]).matmul(heads(&r[1]).swap_dims(2, 3)))),
        operation("mixture p v", &[[2 * BATCH, TOKENS, TOKENS], X], |r| {
            joined(r[0].clone().reshape([BATCH, 2, TOKENS, TOKENS]).matmul(heads(&r[1])))
        }),
        operation("covariance xᵀ x", &[X], |r| {
            let x = r[0].clone().reshape([BATCH * TOKENS, WIDTH]);
            x.clone().transpose().matmul(x).unsqueeze()
        }),
        operation("heads apart", &[QKV], |r| {
            let qkv = r[0].clone().reshape([BATCH, TOKENS, 3, 2, WIDTH / 2]).permute([2, 0, 3, 1, 4]);
            joined(qkv.narrow(0, 1, 1).squeeze_dim::<4>(0))
        }),
        operation("last tokens", &[X], |r| r[0].clone().slice(s![.., 5.., ..])),
        operation("side by side", &[X, X], |r| Tensor::cat(vec![r[0].clone(), r[1].clone()], 1)),
        operation("repeat", &[X], |r| r[0].clone().repeat_dim(0, 4)),
        operation("repeat every sample", &[X], |r| masks::repeat_interleave(r[0].clone(), 1, 3)),
        operation("gather tokens", &[X], |r| masks::gather(r[0].clone(), &kept())),
        operation("gather a table", &[[1, TOKENS, WIDTH]], |r| masks::gather_table(r[0].clone(), &kept())),
        operation("smooth L1", &[X, X], |r| distance(DistanceConfig::SmoothL1 { beta: 1.0 }, r)),
        operation("L1", &[X, X], |r| distance(DistanceConfig::L1, r)),
        operation("L2", &[X, X], |r| distance(DistanceConfig::L2, r)),
        operation("cosine", &[X, X], |r| distance(DistanceConfig::Cosine, r)),
        operation("normalise", &[X], |r| nn::normalise(r[0].clone(), 1e-5)),
        operation("layer norm", &[X, ROW, ROW], |r| {
            burn::tensor::module::layer_norm(r[0].clone(), flat(&r[1]), Some(flat(&r[2])), 1e-6)
        }),
        operation("batch norm", &[X], |r| batch_norm(&r[0], false)),
        operation("batch norm and ReLU", &[X], |r| batch_norm(&r[0], true)),
        operation("linear", &[X, w(WIDTH, 96), [1, 1, 96]], |r| {
            burn::tensor::module::linear(r[0].clone(), matrix(&r[1]), Some(flat(&r[2])))
        }),
        operation("GELU", &[X], |r| nn::gelu(r[0].clone())),
        operation("attention", &[QKV], |r| nn::attention(r[0].clone(), 2)),
        operation("attention, heads 12 wide", &[QKV], |r| nn::attention(r[0].clone(), 4)),
        operation("attention, heads 6 wide", &[QKV], |r| nn::attention(r[0].clone(), 8)),
        operation("attention of 64 tokens", &[[2, 64, 3 * 128]], |r| nn::attention(r[0].clone(), 2)),
        operation("rotary positions", &[[BATCH, 24, 3 * WIDTH]], |r| {
            Rotary::new(&RotaryConfig { form: RotaryForm::Tiled, stretch_to: None }, [2, 3, 4], WIDTH / 2)
                .all()
                .turn(r[0].clone(), 2)
        }),
        operation("layer norm of the model", &[X], |r| {
            LayerNorm::new(&mut Init::new(1, InitScheme::FanIn, &r[0].device().inner()), WIDTH, 1e-6)
                .forward(r[0].clone())
        }),
        operation("attention layer", &[X], |r| block(&r[0].device()).attn.forward(r[0].clone())),
        operation("MLP", &[X], |r| {
            let mlp = block(&r[0].device()).mlp;
            mlp.fc2.forward(mlp.hidden(r[0].clone()))
        }),
        operation("block", &[X], |r| block(&r[0].device()).forward(r[0].clone())),
    ]
}

fn block(device: &Device) -> Block {
    let config = BlockConfig { width: WIDTH, heads: 2, hidden: 96, eps: 1e-6 };
    Block::new(&mut Init::new(1, InitScheme::FanIn, &device.clone().inner()), config, 1)
}

/// Values between −1.3 and 1.3 without a pattern that an operation could share.
fn ramp(shape: [usize; 3], k: f32, device: &Device) -> Tensor<3> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * k + k).sin() * 1.3).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Values without gradients, values with, gradients of everything read.
fn results(operation: &Operation, device: &Device) -> Vec<Vec<f32>> {
    let inputs = |leaf: bool| -> Vec<Tensor<3>> {
        let paces = [0.37, 0.83, 0.51];
        operation
            .reads
            .iter()
            .zip(paces)
            .map(|(shape, pace)| ramp(*shape, pace, device))
            .map(|x| if leaf { x.autodiff().require_grad() } else { x })
            .collect()
    };
    let plain = (operation.run)(&inputs(false));
    let leaves = inputs(true);
    let y = (operation.run)(&leaves);
    let slope = ramp(y.dims(), 0.77, device);
    let tracked = y.clone().inner();
    let gradients = (y * slope).sum().backward();
    let mut results = vec![host::read(plain).unwrap(), host::read(tracked).unwrap()];
    results.extend(leaves.iter().map(|leaf| host::read(leaf.grad(&gradients).unwrap()).unwrap()));
    results
}

/// Largest difference over the largest value; infinite where there are others than numbers, or another number of them.
fn apart(here: &[f32], there: &[f32]) -> f64 {
    let largest = here.iter().fold(0f32, |largest, v| largest.max(v.abs()));
    let difference = here
        .iter()
        .zip(there)
        .map(|(a, b)| (a - b).abs())
        .fold(0f32, |largest, d| if d.is_nan() { f32::INFINITY } else { largest.max(d) });
    if here.len() == there.len() { f64::from(difference) / f64::from(largest.max(1e-6)) } else { f64::INFINITY }
}

fn engine_under_test() -> (String, Engine) {
    let name = std::env::var("JEPA_TEST_ENGINE").unwrap_or_else(|_| "cpu".into());
    let engine = Engine::open_unchecked(&name).unwrap();
    (name, engine)
}

#[test]
fn every_operation_of_the_engine_under_test_is_the_cpus() {
    let (name, engine) = engine_under_test();
    let mut wrong = Vec::new();
    println!("{:28}{:>12}{:>12}{:>12}", format!("{engine} against cpu"), "value", "tracked", "gradients");
    for operation in operations() {
        let here = results(&operation, &Engine::cpu().device);
        let there = catch_unwind(AssertUnwindSafe(|| results(&operation, &engine.device)));
        let Ok(there) = there else {
            println!("{:28}  failed", operation.name);
            wrong.push(operation.name);
            continue;
        };
        let apart: Vec<f64> = here.iter().zip(&there).map(|(here, there)| apart(here, there)).collect();
        let gradients: Vec<String> = apart.iter().skip(2).map(|d| format!("{d:>12.1e}")).collect();
        let furthest = apart.iter().copied().fold(0.0, f64::max);
        let verdict = match furthest {
            f if f <= ROUNDING => "",
            f if f <= TENSOR_CORES => "  coarse",
            _ => "  wrong",
        };
        println!("{:28}{:>12.1e}{:>12.1e}{}{verdict}", operation.name, apart[0], apart[1], gradients.concat());
        if furthest > TENSOR_CORES {
            wrong.push(operation.name);
        }
    }
    assert!(wrong.is_empty(), "`{name}` is wrong in: {}", wrong.join(", "));
}

/// One update of a matrix and its bias, moments and all, twice over.
#[test]
fn an_update_by_the_engine_under_test_is_the_cpus() {
    let (name, engine) = engine_under_test();
    let run = |device: &Device| -> Vec<f32> {
        let mut layer = nn::Linear::new(&mut Init::new(3, InitScheme::FanIn, device), 7, 5);
        let config = AdamWConfig { clip_norm: Some(0.5), ..AdamWConfig::default() };
        let mut optimizer = AdamW::new(&config, &layer).unwrap();
        let target = layer.clone();
        for _ in 0..2 {
            let gradients = vec![Some(flat(&ramp([1, 7, 5], 1.1, device))), Some(flat(&ramp([1, 1, 5], 0.7, device)))];
            let rates = Rates { lr: 0.01, decay: 0.05, momentum: 0.9 };
            layer = optimizer.update(layer, gradients, 2.0, rates).unwrap();
        }
        let followed = jepa_core::collapse::follow(target, &layer, 0.9, |_| true).unwrap();
        let mut values = host::read(layer.weight.val()).unwrap();
        values.extend(host::read(followed.weight.val()).unwrap());
        for (_, moments) in optimizer.tensors(&layer) {
            values.extend(host::read(moments).unwrap());
        }
        values
    };
    let apart = apart(&run(&Engine::cpu().device), &run(&engine.device));
    println!("{name}: two updates by AdamW and EMA differ by {apart:.1e}");
    assert!(apart < ROUNDING, "{apart}");
}
