//! The device itself.

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::wgpu::wgpu::{Adapter, Backend, DeviceType};

use super::{Facts, Refusal, decide};
use crate::device::{Engine, hardware, quietly};

/// Kernels that are handed over at once, a quarter of cubecl's usual number: a frame waits for few.
const KERNELS: usize = 8;

/// A device on which kernels may run; whether they are right, [`check`](super::check) finds out.
#[derive(Debug, Clone)]
pub struct Shared {
    /// For whoever computes.
    pub engine: Engine,
    /// For whoever draws.
    pub setup: WgpuSetup,
}

/// Makes the device, as `vulkan:0` where the program has that engine and else as `wgpu:0`. No kernel runs yet.
pub fn share() -> Result<Shared, Refusal> {
    let name = if cfg!(feature = "vulkan") { "vulkan:0" } else { "wgpu:0" };
    let options = Device::wgpu_options().tasks_max(KERNELS);
    #[cfg(feature = "vulkan")]
    let options = options.graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan);
    let (device, setup) = match quietly(|| options.init_with_setup()) {
        Some(made) => made.map_err(|e| Refusal::NoDevice(e.to_string()))?,
        None => return Err(Refusal::NoDevice("its driver fails".into())),
    };
    decide(&facts(&setup))?;
    let engine = Engine { name: name.to_owned(), hardware: hardware(&device), device };
    Ok(Shared { engine, setup })
}

fn facts(setup: &WgpuSetup) -> Facts {
    let info = setup.adapter.get_info();
    Facts {
        is_software: info.device_type == DeviceType::Cpu,
        is_opengl: setup.backend == Backend::Gl,
        lacks_layout: lacks_layout(&setup.adapter),
        name: info.name,
    }
}

/// A program with the feature `vulkan` gives SPIR-V to every Vulkan device, `wgpu:0` included.
#[cfg(feature = "vulkan")]
fn lacks_layout(adapter: &Adapter) -> bool {
    // SAFETY: the driver's adapter is read and let go again.
    let adapter = unsafe { adapter.as_hal::<burn::tensor::wgpu::wgpu::hal::api::Vulkan>() };
    let layout = c"VK_KHR_workgroup_memory_explicit_layout";
    adapter.is_some_and(|adapter| !adapter.physical_device_capabilities().supports_extension(layout))
}

#[cfg(not(feature = "vulkan"))]
const fn lacks_layout(_: &Adapter) -> bool {
    false
}
