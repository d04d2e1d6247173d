//! One graphics device for the engine and for a window.
//!
//! The engine makes it before there is a window, and the window draws with it: a device that a window makes lacks what
//! the engine's kernels ask for. It is made once a process; the engine's name opens the same one from then on. Where
//! [`decide`] refuses it, the window makes one of its own. Whether it computes what the CPU computes takes kernels, and
//! the first of those take their time: [`check`] finds out beside the window.
//!
//! Both put their work into one queue, in which a frame waits for the kernels before it. Whoever computes beside a
//! window does so in a thread of its own, in short pieces, and reads each result or [flushes](super::Engine::flush) it.

#[cfg(any(feature = "vulkan", feature = "wgpu"))]
mod made;

#[cfg(any(feature = "vulkan", feature = "wgpu"))]
pub use made::{Shared, share};

use super::{Engine, quietly};

/// Rows and width of the product that [`check`] asks for.
const LARGE: (usize, usize) = (4096, 256);

/// What is known of a device before the first kernel runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// As it names itself.
    pub name: String,
    /// Whether its driver computes on the processor (llvmpipe, SwiftShader).
    pub is_software: bool,
    /// Whether it is reached through OpenGL.
    pub is_opengl: bool,
    /// Whether kernels come as SPIR-V, and it has no `VK_KHR_workgroup_memory_explicit_layout`: without that extension
    /// cubecl 0.11 writes SPIR-V that is not valid.
    pub lacks_layout: bool,
}

/// Why the engine and a window share no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none, its driver is missing, or the engine has it open already.
    #[error("no graphics device can be opened: {0}")]
    NoDevice(String),
    /// Its driver computes on the processor.
    #[error("{0} computes on the processor, where `cpu` is faster")]
    Software(String),
    /// OpenGL draws in a window only on a device that was made for the window's display.
    #[error("{0} is reached through OpenGL, whose devices are made for one display")]
    OpenGl(String),
    /// Kernels would compute nonsense there, or end the process.
    #[error(
        "{0} lacks VK_KHR_workgroup_memory_explicit_layout; a program built with `wgpu` and without `vulkan` does not \
         need it"
    )]
    NoLayout(String),
    /// It does not compute what the CPU computes.
    #[error("{0}")]
    Wrong(String),
}

/// Whether kernels may run on a device. Some drivers end the process at the first one, so that trying is no test.
pub fn decide(facts: &Facts) -> Result<(), Refusal> {
    let name = || facts.name.clone();
    if facts.is_software {
        Err(Refusal::Software(name()))
    } else if facts.is_opengl {
        Err(Refusal::OpenGl(name()))
    } else if facts.lacks_layout {
        Err(Refusal::NoLayout(name()))
    } else {
        Ok(())
    }
}

/// Whether a device computes what the CPU does: a transformer block with its gradients, then a product as large as those
/// that light work asks for. The first kernels are tuned, which takes up to a minute; a driver may not come back at all.
pub fn check(engine: &Engine) -> Result<(), Refusal> {
    let wrong = |problem: crate::error::Error| Refusal::Wrong(problem.to_string());
    engine.start_up_check().map_err(wrong)?;
    let (rows, width) = LARGE;
    let table: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.37).sin()).collect();
    let there = quietly(|| engine.gram(&table, width))
        .unwrap_or_else(|| Err(crate::error::Error::Engine(format!("{engine} fails in a large product"))));
    let (here, there) = (Engine::cpu().gram(&table, width).map_err(wrong)?, there.map_err(wrong)?);
    let largest = here.iter().fold(0f32, |largest, v| largest.max(v.abs()));
    let far = here.iter().zip(&there).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if here.len() == there.len() && far <= 1e-4 * largest {
        Ok(())
    } else {
        Err(Refusal::Wrong(format!("{engine} gets a large product wrong by {far}, of {largest}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Facts {
        Facts { name: "A card".into(), is_software: false, is_opengl: false, lacks_layout: false }
    }

    #[test]
    fn a_card_is_shared_and_what_computes_slowly_or_wrongly_is_refused_by_name() {
        assert_eq!(decide(&card()), Ok(()));
        let name = || "A card".to_owned();
        let cases = [
            (Facts { is_software: true, ..card() }, Refusal::Software(name()), "`cpu` is faster"),
            (Facts { is_opengl: true, ..card() }, Refusal::OpenGl(name()), "OpenGL"),
            (Facts { lacks_layout: true, ..card() }, Refusal::NoLayout(name()), "explicit_layout"),
        ];
        for (facts, refusal, words) in cases {
            let said = refusal.to_string();
            assert_eq!(decide(&facts), Err(refusal));
            assert!(said.starts_with("A card ") && said.contains(words), "{said}");
        }
    }

    #[test]
    fn the_processor_computes_what_the_processor_computes() {
        assert_eq!(check(&Engine::cpu()), Ok(()));
    }

    #[test]
    fn a_software_driver_is_refused_as_one_whatever_else_it_lacks() {
        let llvmpipe = Facts { is_software: true, is_opengl: true, lacks_layout: true, ..card() };
        assert!(matches!(decide(&llvmpipe), Err(Refusal::Software(_))));
    }

    #[cfg(any(feature = "vulkan", feature = "wgpu"))]
    #[test]
    fn a_device_is_made_once_a_process_and_where_there_is_none_it_is_said_why() {
        match share() {
            Ok(shared) => {
                println!("{} is shared: {:?}", shared.engine, check(&shared.engine));
                assert!(shared.engine.hardware.is_some_and(|hardware| hardware.is_card));
            }
            Err(refusal) => {
                println!("nothing is shared: {refusal}");
                assert!(!refusal.to_string().is_empty());
            }
        }
        assert!(share().is_err());
    }
}
