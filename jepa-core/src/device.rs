//! Engine names to devices. The only module that constructs one.
//!
//! `cpu` (pure Rust, the reference), `cuda:0`, `vulkan:0`, `wgpu:0`, `tch:cpu`, `tch:cuda:0`, and `auto`: the first GPU
//! engine compiled in whose start-up check agrees with the CPU, else `cpu`. Which names a binary knows depends on its
//! cargo features. A device that a window draws with too comes from [`graphics`].

pub mod graphics;

use std::fmt;

use burn::module::Module as _;
use burn::prelude::*;
use burn::tensor::DType;

use crate::error::{Error, Result};
use crate::host;
use crate::nn::{Block, BlockConfig, Init, InitScheme, Precision};

/// A device with the name it was asked for by.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Name as a user writes it.
    pub name: String,
    /// What it computes on, where the engine says so: the CPU engine and libtorch do not.
    pub hardware: Option<Hardware>,
    /// Plain device, without autodiff.
    pub device: Device,
}

/// What a GPU engine computes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// As it names itself: `NVIDIA H100 PCIe`.
    pub name: String,
    /// Otherwise a driver that computes on the processor (llvmpipe, SwiftShader): good for tests, slower than `cpu`.
    pub is_card: bool,
}

impl fmt::Display for Engine {
    /// `vulkan:0 (NVIDIA H100 PCIe)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hardware {
            Some(hardware) => write!(f, "{} ({})", self.name, hardware.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// Every engine there is, `:0` standing for any index, the cargo feature of `xtask` that brings it, and whether this
/// binary has it.
pub const ENGINES: [(&str, &str, bool); 6] = [
    ("cpu", "flex", true),
    ("cuda:0", "cuda", cfg!(feature = "cuda")),
    ("vulkan:0", "vulkan", cfg!(feature = "vulkan")),
    ("wgpu:0", "wgpu", cfg!(feature = "wgpu")),
    ("tch:cpu", "tch", cfg!(feature = "tch")),
    ("tch:cuda:0", "tch", cfg!(feature = "tch")),
];

/// The engine names this binary was built with; `:0` stands for any index.
pub fn available() -> Vec<&'static str> {
    let built = ENGINES.iter().filter(|(_, _, is_built)| *is_built).map(|(name, ..)| *name);
    std::iter::once("auto").chain(built).collect()
}

/// The cargo feature of `xtask` that brings an engine, when there is such an engine.
pub fn feature(name: &str) -> Option<&'static str> {
    ENGINES.iter().find(|(engine, ..)| is_kind(engine, name)).map(|(_, feature, _)| *feature)
}

/// Whether a device is one of this engine: `cuda:1` is one of `cuda:0`, which stands for any index.
pub fn is_kind(engine: &str, device: &str) -> bool {
    let Some(kind) = engine.strip_suffix(":0") else { return engine == device };
    let index = device.strip_prefix(kind).map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    index.is_some_and(|index| index.chars().all(|c| c.is_ascii_digit()))
}

impl Engine {
    /// The CPU engine.
    pub fn cpu() -> Self {
        Self { name: "cpu".into(), hardware: None, device: Device::flex() }
    }

    /// Whether tensors live in host memory, so that replicas on threads make sense.
    pub fn is_cpu(&self) -> bool {
        self.name == "cpu"
    }

    /// Whether products can be computed in this format here: a block is tried.
    pub fn check_products(&self, precision: Precision) -> Result<()> {
        let problem = || {
            format!(
                "{self} does not compute products in bf16: take a GPU that does, or f32; a run that began with bf16 goes on \
                 only on such an engine"
            )
        };
        let can = match precision {
            Precision::F32 => true,
            Precision::Bf16 if self.is_cpu() || !self.device.supports_dtype(DType::BF16) => false,
            Precision::Bf16 => {
                let values = quietly(|| precision.within(|| block_values(&self.device)));
                values.and_then(Result::ok).is_some_and(|values| values.iter().all(|v| v.is_finite()))
            }
        };
        if can { Ok(()) } else { Err(Error::config("run.precision", problem())) }
    }

    /// Hands over what this thread has asked of the device, without waiting for it.
    pub fn flush(&self) -> Result<()> {
        self.device.flush().map_err(|e| Error::Engine(format!("work cannot be handed to {self}: {e}")))
    }

    /// aᵀ a of a row-major table with rows of `width` values: [width, width], row-major.
    pub fn gram(&self, a: &[f32], width: usize) -> Result<Vec<f32>> {
        if width == 0 || !a.len().is_multiple_of(width) {
            return Err(Error::Engine(format!("{} values do not make rows of {width}", a.len())));
        }
        let a = Tensor::<2>::from_data(TensorData::new(a.to_vec(), [a.len() / width, width]), &self.device);
        host::read(a.clone().transpose().matmul(a))
    }

    /// Parses an engine name and opens the device. Every engine but the CPU must agree with it on a transformer block
    /// and its gradients.
    pub fn open(name: &str) -> Result<Self> {
        if name != "auto" {
            return Self::open_unchecked(name)?.checked();
        }
        for candidate in available().into_iter().filter(|n| n.contains(":0")) {
            // Before the check: some drivers without a card end the process at their first kernel.
            let with_card = Self::open_unchecked(candidate).and_then(|engine| match &engine.hardware {
                Some(Hardware { name, is_card: false }) => {
                    Err(Error::Engine(format!("{name} computes on the processor, where `cpu` is faster")))
                }
                _ => Ok(engine),
            });
            match with_card.map(Self::checked) {
                Ok(Ok(engine)) => return Ok(engine),
                Ok(Err(error)) => tracing::warn!("{candidate} is not used: {error}"),
                Err(error) => tracing::info!("{candidate} is not used: {error}"),
            }
        }
        Ok(Self::cpu())
    }

    /// One engine by its name, without the check: to find out which operation it gets wrong.
    pub fn open_unchecked(name: &str) -> Result<Self> {
        let unknown = || match feature(name) {
            Some(feature) => Error::Engine(format!(
                "this program was built without `{name}`; build it with it: cargo run --package xtask --features {feature} -- .."
            )),
            None => Error::unknown("engine", name, &available()),
        };
        let (kind, index) = match name.rsplit_once(':') {
            Some((kind, index)) if index.chars().all(|c| c.is_ascii_digit()) && !index.is_empty() => {
                (kind, index.parse::<usize>().map_err(|_| unknown())?)
            }
            _ => (name, 0),
        };
        if kind == "cpu" {
            return Ok(Self::cpu());
        }
        let known = available().iter().filter(|a| **a != "auto").any(|a| a.strip_suffix(":0").unwrap_or(a) == kind);
        if !known {
            return Err(unknown());
        }
        // Engines panic when a driver is missing; that is an answer here, not a crash.
        let opened = quietly(|| construct(kind, index).map(|device| (hardware(&device), device))).flatten();
        let (hardware, device) = opened.ok_or_else(|| {
            Error::Engine(format!(
                "`{name}` cannot be opened on this machine: no such device, or its driver is missing"
            ))
        })?;
        Ok(Self { name: name.to_owned(), hardware, device })
    }

    fn checked(self) -> Result<Self> {
        if !self.is_cpu() {
            if let Some(Hardware { is_card: false, .. }) = self.hardware {
                tracing::warn!(
                    "{self} computes on the processor, slower than `cpu`; some such drivers end the process"
                );
            }
            self.start_up_check()?;
        }
        Ok(self)
    }

    /// Output and gradients of a small transformer block, which must be the CPU's: a driver may get single products
    /// right and a backward pass wrong.
    fn start_up_check(&self) -> Result<()> {
        let (here, there) = (
            block_values(&Device::flex())?,
            quietly(|| block_values(&self.device)).unwrap_or_else(|| Err(Error::Engine("it crashed".into()))),
        );
        let difference = match there {
            Ok(values) if values.len() == here.len() => {
                here.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
            }
            Ok(_) => f32::INFINITY,
            Err(error) => return Err(Error::Engine(format!("`{self}` failed its start-up check: {error}"))),
        };
        if difference < 1e-3 {
            Ok(())
        } else {
            Err(Error::Engine(format!(
                "`{self}` failed its start-up check: differs from the CPU by {difference}; which operation is wrong, \
                 and the known reasons: jepa-core/tests/promises/operations.rs"
            )))
        }
    }
}

/// Output and gradients of a small transformer block.
fn block_values(device: &Device) -> Result<Vec<f32>> {
    const SHAPE: [usize; 3] = [2, 19, 48];
    let ramp = |k: f32| -> Vec<f32> { (0..SHAPE.iter().product()).map(|i| (i as f32 * k).sin()).collect() };
    let config = BlockConfig { width: SHAPE[2], heads: 2, hidden: 96, eps: 1e-6 };
    let block = Block::new(&mut Init::new(1, InitScheme::FanIn, device), config, 1).train();
    let upload = |values| Tensor::<3>::from_data(TensorData::new(values, SHAPE), device);
    let x = upload(ramp(0.37)).autodiff().require_grad();
    let y = block.forward(x.clone());
    let mut values = host::read(y.clone().inner())?;
    let gradients = (y * upload(ramp(0.11))).sum().backward();
    for gradient in [x.grad(&gradients)].into_iter().flatten() {
        values.extend(host::read(gradient)?);
    }
    if let Some(gradient) = block.attn.qkv.weight.grad(&gradients) {
        values.extend(host::read(gradient)?);
    }
    Ok(values)
}

/// Runs `f` without letting a panic out or its message onto the terminal.
fn quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).ok();
    std::panic::set_hook(hook);
    result
}

#[allow(unused_variables, clippy::missing_const_for_fn)]
fn construct(kind: &str, index: usize) -> Option<Device> {
    match kind {
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(index)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(gpu(index))),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(gpu(index))),
        #[cfg(feature = "tch")]
        #[allow(deprecated)]
        "tch:cpu" => Some(Device::libtorch()),
        #[cfg(feature = "tch")]
        #[allow(deprecated)]
        "tch:cuda" => Some(Device::libtorch_cuda(index)),
        _ => None,
    }
}

/// Opens the device to ask it.
#[cfg(any(feature = "cuda", feature = "vulkan", feature = "wgpu"))]
fn hardware(device: &Device) -> Option<Hardware> {
    let identity = device.identity()?;
    Some(Hardware { name: identity.name, is_card: identity.physical.is_some() })
}

#[cfg(not(any(feature = "cuda", feature = "vulkan", feature = "wgpu")))]
const fn hardware(_: &Device) -> Option<Hardware> {
    None
}

/// Index 0 is the best device of the graphics API, whatever its kind; others count discrete GPUs.
#[cfg(any(feature = "vulkan", feature = "wgpu"))]
fn gpu(index: usize) -> burn::tensor::DeviceKind {
    match index {
        0 => burn::tensor::DeviceKind::DefaultDevice,
        n => burn::tensor::DeviceKind::DiscreteGpu(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_a_table_with_itself_is_that_of_paper_and_pencil() {
        let engine = Engine::cpu();
        let product = engine.gram(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).unwrap();
        assert_eq!(product, [17.0, 22.0, 27.0, 22.0, 29.0, 36.0, 27.0, 36.0, 45.0]);
        assert!(engine.gram(&[1.0, 2.0, 3.0], 2).is_err() && engine.gram(&[], 0).is_err());
        engine.flush().unwrap();
    }
}
