//! The desktop app: pick a variant, train it, see what it understands.
//!
//! The run folder is the interface: this program starts the same command a terminal would, and reads what that writes.
//! It knows no variant by name; the registry of [`jepa_core::plugin`] supplies forms, pictures and masks.
//!
//! | module | holds |
//! |---|---|
//! | [`app`] | the window: navigation, command palette, shortcuts, notices |
//! | [`screens`] | one folder a screen, each a [`screens::Screen`] |
//! | [`shared`] | what every screen sees and may ask for |
//! | [`runs`] | run folders: the list, the tail of an event log, the child process that writes one |
//! | [`form`] | a configuration schema as a form |
//! | [`analysis`] | projections, neighbours and their trust: no window, no engine |
//! | [`compute`] | what light work is computed on: the processor, or the device that draws the window |
//! | [`jobs`] | work in threads with progress, partial results and cancelling |
//! | [`theme`] | colours, spacing, light and dark |
//! | [`widgets`] | curves, pictures with masks, empty and error states |
//! | [`workspace`] | what a person made here: layout, tags, notes; one tolerant file |

pub mod analysis;
pub mod app;
pub mod compute;
pub mod form;
pub mod jobs;
pub mod notices;
pub mod runs;
pub mod screens;
pub mod shared;
pub mod theme;
pub mod widgets;
pub mod workspace;
