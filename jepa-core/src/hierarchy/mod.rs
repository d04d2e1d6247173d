//! Levels on top of each other: each reads the states of the one below, more rarely, and predicts further with fewer steps
//! (H-JEPA; LeCun 2022, "A Path Towards Autonomous Machine Intelligence", section 4.6).
//!
//! Level 1 is any world model: states s¹_t, actions a¹_t. Level l reads every k-th state below it and has of each stretch
//! between two of them one latent **macro action** zˡ, encoded from what was done in it:
//!
//! ```text
//! sˡ_j = Encˡ(sˡ⁻¹_{j k})      zˡ_j = tanh(Latˡ(aˡ⁻¹_{j k} .. aˡ⁻¹_{(j+1) k − 1})) + noise      ŝˡ_{j+1} = Predˡ(ŝˡ_j, zˡ_j)
//! Eˡ = D(sˡ_1 .. sˡ_h, ŝˡ_1 .. ŝˡ_h)          E = E¹ + Σ weightˡ Eˡ
//! ```
//!
//! zˡ is what the levels above and planners know as this level's action. What it can say is limited: it is narrow,
//! bounded, and noisy in training; without a limit it would carry the answer instead of the question.
//!
//! | file | noun |
//! |---|---|
//! | [`config`](LevelConfig) | one level in numbers: rate, horizon, widths, weights, where gradients end |
//! | [`sequence`](Sequence) | what a level reads of the one below |
//! | [`level`](Level) | its networks |
//! | [`stack`](Stack) | all levels above the first, from one forward pass below to the parts of the energy |
//! | [`tower`](Tower) | the same as [`planning`](crate::planning) sees them |
//!
//! Each level has energies and terms of its own, logged as `energy_level_2`; terms against collapse are put on it like on
//! any embedding, by `level = 2` beside their role:
//!
//! ```toml
//! [[objective.regularisers]]
//! weight = 16.0
//! on = "states"
//! level = 2
//! term = { kind = "variance" }
//! ```
//!
//! **Gradients.** With [`gradient_below`](LevelConfig::gradient_below) the energy of a level also shapes the states below
//! it, which then become easier to predict from afar; without it a level takes them as they are, and the levels below
//! train as if nothing stood on them.

mod config;
mod level;
mod sequence;
mod stack;
mod tower;

pub use config::{LevelConfig, moments};
pub use level::{Level, Perceptron};
pub use sequence::Sequence;
pub use stack::Stack;
pub use tower::{Tower, repeated, squared};
