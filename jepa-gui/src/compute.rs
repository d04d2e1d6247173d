//! Where the window's own light work is computed: components of features, and networks that look into one sample.
//!
//! A program with a GPU engine makes one device for that work and for drawing ([`jepa_core::device::graphics`]). What
//! speaks against it is kept, for a person to read. Work is done in [`crate::jobs`], which read what comes of it, so
//! that none is left waiting in front of a frame.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use eframe::egui_wgpu::WgpuSetup;
use jepa_core::Result;
use jepa_core::device::Engine;
use jepa_core::device::graphics::Refusal;

use crate::analysis::{Matrix, Pca};

/// Multiplications of a covariance from which on a GPU computes it: two cores take a third of a second for as many.
const WORTH: usize = 1 << 34;

/// What computes.
#[derive(Debug, Clone, Default)]
pub enum Compute {
    /// The processor: this program has no GPU engine.
    #[default]
    Processor,
    /// The processor, for a reason.
    Refused(Refusal),
    /// The device that draws the window, where it passes its check.
    Shared(Gpu),
    /// A device that cannot draw the window, for a reason.
    Apart(Gpu, String),
}

/// A device and what its check found.
#[derive(Debug, Clone)]
pub struct Gpu {
    engine: Engine,
    verdict: Arc<Mutex<Verdict>>,
}

#[derive(Debug, Clone, Default)]
enum Verdict {
    /// Kernels are being tuned, or do not come back.
    #[default]
    Pending,
    #[cfg_attr(not(any(feature = "vulkan", feature = "wgpu")), allow(dead_code))]
    Sound,
    Unsound(String),
}

impl Gpu {
    fn verdict(&self) -> Verdict {
        self.verdict.lock().map(|verdict| verdict.clone()).unwrap_or_default()
    }

    fn set(&self, found: Verdict) {
        if let Ok(mut verdict) = self.verdict.lock() {
            *verdict = found;
        }
    }

    /// Not to be asked again.
    fn fail(&self, problem: String) {
        tracing::warn!("the processor computes for the window: {problem}");
        self.set(Verdict::Unsound(problem));
    }

    /// The engine with its check under way in a thread of its own.
    #[cfg(any(feature = "vulkan", feature = "wgpu"))]
    fn checked(engine: Engine) -> Self {
        let gpu = Self { engine, verdict: Arc::default() };
        let of = gpu.clone();
        let check = move || match jepa_core::device::graphics::check(&of.engine) {
            Ok(()) => of.set(Verdict::Sound),
            Err(refusal) => of.fail(refusal.to_string()),
        };
        if let Err(error) = std::thread::Builder::new().name("check".into()).spawn(check) {
            gpu.fail(format!("no thread can be started: {error}"));
        }
        gpu
    }
}

impl Compute {
    /// Makes the device, before there is a window: what computes, and what the window draws with if that is settled.
    #[cfg(any(feature = "vulkan", feature = "wgpu"))]
    pub fn share() -> (Self, Option<WgpuSetup>) {
        use eframe::egui_wgpu::WgpuSetupExisting;
        use jepa_core::device::graphics;
        match graphics::share() {
            Ok(graphics::Shared { engine, setup }) => {
                tracing::info!("{engine} draws the window");
                let (instance, adapter, device, queue) = (setup.instance, setup.adapter, setup.device, setup.queue);
                (
                    Self::Shared(Gpu::checked(engine)),
                    Some(WgpuSetupExisting { instance, adapter, device, queue }.into()),
                )
            }
            Err(refusal) => {
                tracing::info!("the processor computes for the window: {refusal}");
                (Self::Refused(refusal), None)
            }
        }
    }

    /// This program has no GPU engine.
    #[cfg(not(any(feature = "vulkan", feature = "wgpu")))]
    pub fn share() -> (Self, Option<WgpuSetup>) {
        (Self::Processor, None)
    }

    /// What computes when the device could not draw the window.
    pub fn apart(self, problem: &impl fmt::Display) -> Self {
        match self {
            Self::Shared(gpu) => {
                tracing::warn!("{} does not draw the window: {problem}", gpu.engine);
                Self::Apart(gpu, problem.to_string())
            }
            other => other,
        }
    }

    /// The device, where it passed its check and did not fail since.
    fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Processor | Self::Refused(_) => None,
            Self::Shared(gpu) | Self::Apart(gpu, _) => Some(gpu).filter(|gpu| matches!(gpu.verdict(), Verdict::Sound)),
        }
    }

    /// The name of the engine; none where there was no choice.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Processor => None,
            _ => Some(self.gpu().map_or("cpu", |gpu| gpu.engine.name.as_str())),
        }
    }

    /// What looks into samples. Training may have the GPU, and its memory; one sample is quick without.
    pub fn for_samples(&self, is_training: bool) -> Engine {
        self.gpu().filter(|_| !is_training).map_or_else(Engine::cpu, |gpu| gpu.engine.clone())
    }

    /// Principal components, the covariance of a large table by the GPU where there is one and it is right. Coordinates
    /// are left to the processor: they read every value once, and handing the values over does so too.
    pub fn principal(&self, samples: Matrix, keep: usize) -> Result<Pca> {
        let work = samples.values().len().saturating_mul(samples.width());
        let Some(gpu) = self.gpu().filter(|_| work >= WORTH) else { return Pca::fit(samples, keep) };
        let engine = &gpu.engine;
        // Engines panic where a driver fails.
        let found = catch_unwind(AssertUnwindSafe(|| {
            let found = Pca::fit_with(samples, keep, |rows, width| engine.gram(rows, width));
            engine.device.memory_cleanup();
            found
        }));
        match found {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(problem)) => {
                gpu.fail(problem.to_string());
                Pca::fit(samples, keep)
            }
            Err(_) => {
                gpu.fail(format!("{engine} failed"));
                Pca::fit(samples, keep)
            }
        }
    }
}

impl fmt::Display for Compute {
    /// In a sentence: what computes, and why not another.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor => write!(f, "computed by the processor"),
            Self::Refused(refusal) => write!(f, "computed by the processor: {refusal}"),
            Self::Shared(gpu) => write!(f, "drawn by {}, {gpu}", gpu.engine),
            Self::Apart(gpu, problem) => write!(f, "not drawn by {}: {problem}; {gpu}", gpu.engine),
        }
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict() {
            Verdict::Pending => write!(f, "which is being checked: until then the processor computes"),
            Verdict::Sound => write!(f, "which computes large tables too, and samples while nothing trains"),
            Verdict::Unsound(problem) => write!(f, "computed by the processor: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jepa_core::device::Hardware;

    use super::*;

    /// The processor under the name of a card.
    fn card() -> Gpu {
        let hardware = Some(Hardware { name: "A card".into(), is_card: true });
        let engine = Engine { name: "vulkan:0".into(), hardware, ..Engine::cpu() };
        Gpu { engine, verdict: Arc::new(Mutex::new(Verdict::Sound)) }
    }

    #[test]
    fn nothing_is_computed_on_a_device_before_its_check_and_nothing_after_it_failed() {
        let gpu = card();
        gpu.set(Verdict::Pending);
        let compute = Compute::Shared(gpu.clone());
        assert!(compute.for_samples(false).is_cpu() && compute.to_string().contains("being checked"));
        gpu.set(Verdict::Sound);
        assert_eq!(compute.clone().for_samples(false).name, "vulkan:0");
        gpu.fail("it was lost".into());
        assert!(compute.for_samples(false).is_cpu() && compute.to_string().ends_with("it was lost"));
    }

    #[test]
    fn without_a_device_everything_is_computed_by_the_processor_and_a_refusal_is_told() {
        let refused = Compute::Refused(Refusal::Software("llvmpipe".into()));
        for compute in [Compute::default(), refused.clone()] {
            assert!(compute.for_samples(false).is_cpu());
            assert_eq!(compute.to_string(), compute.clone().apart(&"no surface").to_string());
        }
        assert_eq!((Compute::default().name(), refused.name()), (None, Some("cpu")));
        assert!(refused.to_string().ends_with("llvmpipe computes on the processor, where `cpu` is faster"));
    }

    #[test]
    fn a_device_that_cannot_draw_still_computes_and_is_left_to_training() {
        let apart = Compute::Shared(card()).apart(&"no format for the surface");
        assert!(matches!(apart, Compute::Apart(..)) && apart.to_string().contains("no format for the surface"));
        for compute in [Compute::Shared(card()), apart] {
            assert_eq!((compute.name(), compute.for_samples(false).name.as_str()), (Some("vulkan:0"), "vulkan:0"));
            assert!(compute.for_samples(true).is_cpu());
            assert!(compute.to_string().contains("vulkan:0 (A card)"));
        }
    }

    #[test]
    fn a_small_table_is_left_to_the_processor_bit_by_bit() {
        let values: Vec<f32> = (0..60).map(|i| (i as f32 * 0.7).sin()).collect();
        let samples = Matrix::new(&values, 3).unwrap();
        assert_eq!(Compute::Shared(card()).principal(samples, 2).unwrap(), Pca::fit(samples, 2).unwrap());
    }

    /// Where the program was built with a GPU engine: a device that computes, or the reason why there is none.
    #[test]
    fn what_the_window_draws_with_is_settled_only_where_that_device_computes() {
        let (compute, setup) = Compute::share();
        assert_eq!(matches!(compute, Compute::Shared(_)), setup.is_some());
        let has_engine = cfg!(any(feature = "vulkan", feature = "wgpu"));
        assert_eq!(compute.name().is_some(), has_engine);
    }
}
