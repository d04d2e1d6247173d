//! # Write a modality
//!
//! From files nobody here has heard of to a variant that trains, is probed, listed and held to the promises of every
//! other: an afternoon, in this order. Every block below is compiled and run with the tests of this crate.
//!
//! | step | what you write | where | minutes |
//! |---|---|---|---|
//! | 1 | nothing: `cargo xtask new audio` | a new crate | 5 |
//! | 2 | one decoded sample, and a [`Source`](crate::data::Source) that reads it | `src/data.rs` | 60 |
//! | 3 | tokens, and which of them are hidden | `src/variants/audio_jepa.rs` | 30 |
//! | 4 | networks: those of [`MaskedJepa`](crate::masked::MaskedJepa), or your own [`Jepa`](crate::jepa::Jepa) | the same | 10, or the rest of the day |
//! | 5 | the [`Variant`](crate::plugin::Variant): all of it under one id, with presets | the same | 40 |
//! | 6 | nothing: the [conformance suite](crate::plugin::conformance), training, probes | `tests/conformance.rs` | 20 |
//!
//! ## 1. Begin with a crate that works
//!
//! ```text
//! cargo xtask new audio
//! cargo xtask train audio-jepa --preset tiny
//! cargo test --package jepa-audio
//! ```
//!
//! The crate learns synthetic oscillations, is listed by `cargo xtask variants`, and keeps every promise. From here on
//! something works all the time: change one thing, run the last two lines.
//!
//! ## 2. Samples
//!
//! A source is a plain reader by index: order, retries, threads and randomness are not its business. What cannot be read
//! is an error with the place and the cause; training goes on with another sample and lists the damaged one. Labels are
//! for probes alone.
//!
//! ```
//! use jepa_core::data::{Source, Split};
//! use jepa_core::error::{Error, Result};
//! use jepa_core::random::{Draw as _, Purpose, Stream};
//!
//! /// Loudness over time.
//! struct Clip(Vec<f32>);
//!
//! /// Synthetic beeps, high and low ones.
//! struct Beeps(Split);
//!
//! impl Source for Beeps {
//!     type Sample = Clip;
//!
//!     fn len(&self) -> usize {
//!         if self.0 == Split::Train { 400 } else { 100 }
//!     }
//!
//!     fn read(&self, index: usize) -> Result<Clip> {
//!         if index >= self.len() {
//!             return Err(Error::data("builtin", format!("there is no clip {index}, only {}", self.len())));
//!         }
//!         // Nothing random is stored: a sample is a function of a seed and its number. The parts have a seed each.
//!         let seed = if self.0 == Split::Train { 1 } else { 2 };
//!         let mut draw = Stream::new(seed, Purpose::Synthesis, 0, index as u64);
//!         let (pitch, phase) = ([0.2, 0.7][index % 2] * draw.between(0.8, 1.2), draw.uniform());
//!         Ok(Clip((0..64u8).map(|t| (pitch * f32::from(t) + phase).sin() + 0.1 * draw.normal()).collect()))
//!     }
//!
//!     fn label(&self, index: usize) -> Option<u32> {
//!         Some((index % 2) as u32)
//!     }
//!
//!     fn classes(&self) -> &[String] {
//!         static NAMES: std::sync::LazyLock<Vec<String>> =
//!             std::sync::LazyLock::new(|| vec!["low".into(), "high".into()]);
//!         &NAMES
//!     }
//!
//!     fn name(&self, index: usize) -> String {
//!         format!("synthetic clip {index}")
//!     }
//!
//!     fn describe(&self) -> String {
//!         format!("synthetic beeps, nothing of it was recorded: {} clips", self.len())
//!     }
//! }
//!
//! let train = Beeps(Split::Train);
//! assert_eq!(train.read(7)?.0, train.read(7)?.0);
//! assert!(train.read(400).is_err());
//! # Ok::<(), Error>(())
//! ```
//!
//! Samples that are known by more than a class (a place, a size, who was recorded) say so in
//! [`columns`](crate::data::Source::columns) of classes or numbers: `cargo xtask probe RUN --kind linear --label all` then
//! reads each of them out of one frozen encoder, beside its floors.
//!
//! Readers of files take what they read with [`data::file`](crate::data::file), which bounds the size, and hold a
//! header's counts against the length of the file before memory is taken. Files in one folder a class (or flat, or in
//! `train` and `test`) are listed by [`data::folders`](crate::data::folders); a test part, where the files name none, is
//! held out by [`data::part`](crate::data::part). [`damage`](crate::damage) tests that a damaged file gives an error
//! and nothing worse.
//!
//! ## 3. Tokens and masks
//!
//! A token is a patch of numbers; all tokens of a sample together are a row of a batch, [samples, tokens, values]. Which
//! tokens are seen and which predicted is a [`MaskSet`](crate::masks::MaskSet), drawn from the streams that training
//! hands over: the same step draws the same masks, whatever came before.
//!
//! ```
//! use jepa_core::masked::PatchBatch;
//! use jepa_core::masks::{MaskRule, MultiBlock, MultiBlockConfig};
//! use jepa_core::plugin::Draws;
//!
//! /// Stretches of eight moments.
//! fn tokens(clips: &[Vec<f32>]) -> Vec<f32> {
//!     clips.iter().flat_map(|clip| &clip[..clip.len() / 8 * 8]).copied().collect()
//! }
//!
//! let clips = vec![vec![0.5f32; 64]; 3];
//! let blocks = MultiBlockConfig { targets: 2, min_keep: 2, rule: MaskRule::Corrected, ..MultiBlockConfig::official() };
//! // A grid of one row: eight tokens, one after another.
//! let masks = MultiBlock::new(&blocks, 1, 8)?;
//! let draws = Draws::new(0, 1, vec![4, 0, 2]);
//! let masks = masks.sample(clips.len(), &mut draws.masks(0), &mut draws.masks(1))?;
//! assert_eq!(masks.target.len(), 2);
//! let seen = masks.context[0].row(0).to_vec();
//! assert!(masks.target.iter().all(|hidden| hidden.row(0).iter().all(|token| !seen.contains(token))));
//!
//! let batch = PatchBatch::new(tokens(&clips), [3, 8, 8], Some(masks))?;
//! # use jepa_core::jepa::Batch as _;
//! assert_eq!(batch.len(), 3);
//! # Ok::<(), jepa_core::Error>(())
//! ```
//!
//! ## 4. Networks
//!
//! Masked prediction on patches is there already: give it the width of a token and a table of positions.
//!
//! ```
//! use burn::prelude::*;
//! use jepa_core::jepa::{Jepa as _, Step};
//! use jepa_core::masked::{MaskedJepa, PatchBatch};
//! use jepa_core::masks::{Mask, MaskSet};
//! use jepa_core::nn::{Encoder, EncoderConfig, Init, InitScheme, Predictor, PredictorConfig, positions};
//!
//! let device = Device::flex();
//! let (tokens, values) = (8, 8);
//! let encoder = EncoderConfig { width: 32, depth: 2, heads: 2, mlp_ratio: 2.0, eps: 1e-6 };
//! let predictor = PredictorConfig { width: 16, depth: 1, heads: 2 };
//! let init = &mut Init::new(0, InitScheme::FanIn, &device);
//! let model = MaskedJepa::new(
//!     Encoder::new(init, &encoder, values, positions::sincos_1d(tokens, 32)),
//!     Predictor::new(init, &predictor, 32, 1e-6, positions::sincos_1d(tokens, 16)),
//! );
//!
//! let mask = |rows: &[&[u32]]| Mask::new(&rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>(), tokens);
//! let masks = MaskSet { context: vec![mask(&[&[0, 1, 5]])?], target: vec![mask(&[&[2, 3]])?] };
//! let batch = PatchBatch::new((0..64u8).map(f32::from).collect(), [1, tokens, values], Some(masks))?;
//! let forward = model.forward(model.target(), &batch, &Step::new(1, 100, 0, &device));
//! let pair = &forward.pairs[0];
//! assert_eq!((pair.predicted.dims(), pair.target.dims()), ([1, 2, 32], [1, 2, 32]));
//! # Ok::<(), jepa_core::Error>(())
//! ```
//!
//! Where the sentence E(x, y, z) has other words, implement [`Jepa`](crate::jepa::Jepa) yourself: what the context sees,
//! where s_y is cut out, what the prediction is conditioned on. It is one `forward` of some twenty lines over the parts
//! of [`nn`](crate::nn), and a batch type that can be cut into shards. Distance, terms against collapse, target copy,
//! schedules and optimiser stay configuration. Point-JEPA (a tokeniser that the target shares) and S-JEPA (a row a
//! person, a distance with a memory) are two that do.
//!
//! ## 5. The variant, 6. held to its promises
//!
//! All of it under one id: configuration, presets (the first is the default; `tiny` trains in seconds and reads
//! `builtin`), how samples become batches. [`register!`](crate::register) makes it known to every command; the crate is
//! linked by one `use` line in `xtask/src/main.rs`. This is the crate that `cargo xtask new` writes, whole: begin with
//! the second file and put your own samples and tokens in.
//!
//! Several variants whose networks and data are the same, and whose configurations say what is learned, share one such
//! type: each is a [`Member`](crate::plugin::Member) of it, words and presets alone, and the rest is compiled once.
//!
//! ```standalone_crate
//! mod data {
#![doc = include_str!("../examples/time_series/data.rs")]
//! }
//!
//! mod variants {
#![doc = include_str!("../examples/time_series/variant.rs")]
//! }
//!
//! // tests/conformance.rs
//! fn main() -> jepa_core::Result<()> {
//!     let plugin = jepa_core::plugin::find("series-jepa")?;
//!     let kept = plugin.conformance()?;
//!     assert_eq!(kept.len(), 10);
//!     Ok(())
//! }
//! ```
//!
//! ## 7. Levels on top
//!
//! Whatever gives states and actions over time can carry levels that predict further with fewer steps
//! ([`hierarchy`](crate::hierarchy)): a [`Stack`](crate::hierarchy::Stack) is one more field of your networks, and what it
//! returns goes into [`Forward::above`](crate::jepa::Forward::above). The energies of the levels add up, each under its
//! name; terms against collapse are put on one by `level` in the configuration; a
//! [`HierarchicalController`](crate::planning::HierarchicalController) plans from the top down.
//!
//! ```
//! use burn::prelude::*;
//! use jepa_core::hierarchy::{LevelConfig, Sequence, Stack};
//! use jepa_core::jepa::{Forward, Step};
//! use jepa_core::nn::{Init, InitScheme};
//! use jepa_core::objective::{DistanceConfig, Memory, Objective, ObjectiveConfig};
//!
//! let device = Device::flex();
//! let level = |stride, latent| LevelConfig {
//!     stride,
//!     horizon: 1,
//!     width: 8,
//!     hidden: 16,
//!     latent,
//!     noise: 0.1,
//!     weight: 1.0,
//!     inverse_weight: 0.0,
//!     gradient_below: true,
//! };
//! // Level 2 at every fourth state, level 3 at every eighth, above states of 6 numbers and actions of 2.
//! let init = &mut Init::new(0, InitScheme::FanIn, &device);
//! let stack = Stack::new(init, &[level(4, 3), level(2, 3)], 6, 2);
//! // What your encoder gives of two samples at nine times, and what was done between.
//! let states = Sequence::new(Tensor::ones([2, 9, 6], &device), Tensor::zeros([2, 8, 2], &device));
//! let above = stack.forward(&stack, states, &Step::new(1, 100, 0, &device));
//! let l2 = ObjectiveConfig { distance: DistanceConfig::L2, normalise_targets: None, regularisers: Vec::new() };
//! let loss = Objective::new(&l2)?.energy(Forward { above, ..Forward::default() }, &Memory::default())?;
//! let names: Vec<&str> = loss.terms.iter().map(|(name, _)| name.as_ref()).collect();
//! assert_eq!(names, ["energy_level_2", "energy_level_3"]);
//! # Ok::<(), jepa_core::Error>(())
//! ```
//!
//! When a promise is broken, the suite says which, and this is where to look:
//!
//! | promise | looks at | usual cause |
//! |---|---|---|
//! | description and presets are sound | `DESCRIPTION`, `presets` | an empty sentence; no preset `tiny`; a preset that its own `new` refuses |
//! | one shape, features are [samples, tokens, width] | `forward`, `features` | targets cut out with another mask than predictions; persons or views left in the first dimension |
//! | gradient reaches every parameter, never the target | `forward` | a layer that is made and not used; the student in the place of `target` |
//! | what is hidden cannot reach the context | `forward`, `disturbed` | statistics or positions taken over all tokens before the hidden ones are left out |
//! | the same draws give the same numbers | `batch` | a generator of your own instead of `draws` |
//! | a few steps lower the loss | presets | a learning rate, a momentum or a temperature for another size |
//! | replicas compute the same loss | `shard`, `weight` | a mean over rows that a shard has not as many of |
//! | a resumed run equals an uninterrupted one | everything | state that is kept outside the networks |
//! | a sample can be drawn | `preview` | `rgb` shorter than width times height |
//! | what is inspected is what is computed | `features`, `scene`, `masked` | tokens numbered otherwise in `scene` than in `features`; masks kept beside the new ones |
//!
//! Then, in the order in which they pay:
//!
//! - `cargo xtask train audio-jepa` and the table at its end. Features that stay below the untrained encoder's, or below
//!   raw inputs, have learnt nothing yet; `embedding std` and RankMe say whether they collapse.
//! - Floors that need no learning, such as a mean or the middle frame, from
//!   [`Variant::shortcuts`](crate::plugin::Variant::shortcuts), and classes that one respect alone tells apart from
//!   [`Source::twins`](crate::data::Source::twins): they show whether the benchmark asks for what is to be learnt.
//! - Numbers of a reference, recorded once as a small file beside the script that made it:
//!   [`recorded`](crate::recorded) holds your networks to them, with a control that must fail.
//! - Weights of other projects: [`Variant::import`](crate::plugin::Variant::import) and
//!   [`Variant::export`](crate::plugin::Variant::export).
