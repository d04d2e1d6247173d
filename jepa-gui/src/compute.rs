//! Where the window's own light work is computed: components of features, and networks that look into one sample.
//!
//! A program with a GPU engine makes one device for that work and for drawing ([`jepa_core::device::graphics`]). What
//! speaks against it is kept, for a person to read. Work is done in [`crate::jobs`], which read what comes of it, so
//! that none is left waiting in front of a frame.

use std::fmt;

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
    /// The device that draws the window.
    Shared(Engine),
    /// A device that cannot draw the window, for a reason.
    Apart(Engine, String),
}

impl Compute {
    /// Makes the device, before there is a window: what computes, and what the window draws with if that is settled.
    #[cfg(any(feature = "vulkan", feature = "wgpu"))]
    pub fn share() -> (Self, Option<WgpuSetup>) {
        use eframe::egui_wgpu::WgpuSetupExisting;
        use jepa_core::device::graphics;
        match graphics::share() {
            Ok(graphics::Shared { engine, setup }) => {
                tracing::info!("{engine} draws the window and computes for it");
                let (instance, adapter, device, queue) = (setup.instance, setup.adapter, setup.device, setup.queue);
                (Self::Shared(engine), Some(WgpuSetupExisting { instance, adapter, device, queue }.into()))
            }
            Err(refusal) => {
                match &refusal {
                    Refusal::Wrong(_) => tracing::warn!("the processor computes for the window: {refusal}"),
                    _ => tracing::info!("the processor computes for the window: {refusal}"),
                }
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
            Self::Shared(engine) => {
                tracing::warn!("{engine} computes for the window and does not draw it: {problem}");
                Self::Apart(engine, problem.to_string())
            }
            other => other,
        }
    }

    fn gpu(&self) -> Option<&Engine> {
        match self {
            Self::Processor | Self::Refused(_) => None,
            Self::Shared(engine) | Self::Apart(engine, _) => Some(engine),
        }
    }

    /// The name of the engine; none where there was no choice.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Processor => None,
            _ => Some(self.gpu().map_or("cpu", |engine| engine.name.as_str())),
        }
    }

    /// What looks into samples. Training may have the GPU, and its memory; one sample is quick without.
    pub fn for_samples(&self, is_training: bool) -> Engine {
        self.gpu().filter(|_| !is_training).cloned().unwrap_or_else(Engine::cpu)
    }

    /// Principal components, the covariance of a large table by the GPU where there is one and it is right. Coordinates
    /// are left to the processor: they read every value once, and handing the values over does so too.
    pub fn principal(&self, samples: Matrix, keep: usize) -> Result<Pca> {
        let work = samples.values().len().saturating_mul(samples.width());
        let Some(engine) = self.gpu().filter(|_| work >= WORTH) else { return Pca::fit(samples, keep) };
        let found = Pca::fit_with(samples, keep, |rows, width| engine.gram(rows, width));
        engine.device.memory_cleanup();
        found.or_else(|error| {
            tracing::warn!("the processor computes the components, as {engine} does not: {error}");
            Pca::fit(samples, keep)
        })
    }
}

impl fmt::Display for Compute {
    /// In a sentence: what computes, and why not another.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor => write!(f, "computed by the processor"),
            Self::Refused(refusal) => write!(f, "computed by the processor: {refusal}"),
            Self::Shared(engine) => {
                write!(f, "drawn by {engine}, which computes large tables too, and samples while nothing trains")
            }
            Self::Apart(engine, problem) => write!(
                f,
                "{engine} computes large tables, and samples while nothing trains, and cannot draw: {problem}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use jepa_core::device::Hardware;

    use super::*;

    /// The processor under the name of a card.
    fn card() -> Engine {
        let hardware = Some(Hardware { name: "A card".into(), is_card: true });
        Engine { name: "vulkan:0".into(), hardware, ..Engine::cpu() }
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
        assert!(matches!(apart, Compute::Apart(..)) && apart.to_string().ends_with("no format for the surface"));
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
