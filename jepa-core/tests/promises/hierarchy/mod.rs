//! Levels on top of each other: what they read, what their energies are, where gradients end, and planning from the top.

mod energies;
mod planning;
mod reading;
mod walkers;
