//! One graphics device for the engine and for a window.
//!
//! The engine makes it before there is a window, and the window draws with it: a device that a window makes lacks what
//! the engine's kernels ask for. It is made once a process; the engine's name opens the same one from then on. Where
//! [`decide`] or the start-up check refuses it, the window makes one of its own.
//!
//! Both put their work into one queue, in which a frame waits for the kernels before it. Whoever computes beside a
//! window does so in a thread of its own, in short pieces, and reads each result or [flushes](super::Engine::flush) it.

#[cfg(any(feature = "vulkan", feature = "wgpu"))]
mod made;

#[cfg(any(feature = "vulkan", feature = "wgpu"))]
pub use made::{Shared, share};

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

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(any(feature = "vulkan", feature = "wgpu"))]
    use crate::device::Engine;

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
    fn a_software_driver_is_refused_as_one_whatever_else_it_lacks() {
        let llvmpipe = Facts { is_software: true, is_opengl: true, lacks_layout: true, ..card() };
        assert!(matches!(decide(&llvmpipe), Err(Refusal::Software(_))));
    }

    #[cfg(any(feature = "vulkan", feature = "wgpu"))]
    #[test]
    fn a_device_is_made_once_a_process_and_where_there_is_none_it_is_said_why() {
        match share() {
            Ok(shared) => {
                println!("{} is shared", shared.engine);
                assert!(shared.engine.hardware.as_ref().is_some_and(|hardware| hardware.is_card));
                let table: Vec<f32> = (0..300 * 64).map(|i| (i as f32 * 0.37).sin()).collect();
                let [here, there] = [Engine::cpu(), shared.engine].map(|engine| engine.gram(&table, 64).unwrap());
                let far = here.iter().zip(&there).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(far < 1e-4 * 300.0, "{far}");
            }
            Err(refusal) => {
                println!("nothing is shared: {refusal}");
                assert!(!refusal.to_string().is_empty());
            }
        }
        assert!(share().is_err());
    }
}
