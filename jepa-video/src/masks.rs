//! Which tubelets are seen, which predicted: several generators on every batch.

use jepa_core::error::{Error, Result};
use jepa_core::masks::{Future, MaskRule, MaskSet, MultiBlock3d, MultiBlock3dConfig, RandomTube};
use jepa_core::plugin::Draws;
use jepa_core::random::TorchStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mask generators that a configuration can name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MaskConfig {
    /// Blocks of space and time are hidden.
    MultiBlock(MultiBlock3dConfig),
    /// The same random places are hidden at all times, for ablations.
    Tube(RandomTube),
    /// All later times are hidden: what surprise asks for. Not V-JEPA's.
    Future(Future),
}

impl MaskConfig {
    /// The two generators of V-JEPA and V-JEPA 2, with this rule.
    pub fn official(rule: MaskRule) -> Vec<Self> {
        [MultiBlock3dConfig::short_range(), MultiBlock3dConfig::long_range()]
            .map(|config| Self::MultiBlock(MultiBlock3dConfig { rule, ..config }))
            .to_vec()
    }
}

/// Checked generators for one grid.
#[derive(Debug, Clone)]
pub struct Masks {
    generators: Vec<Generator>,
    grid: [usize; 3],
}

#[derive(Debug, Clone)]
enum Generator {
    Blocks(MultiBlock3d, MaskRule),
    Tube(RandomTube),
    Future(Future),
}

/// Streams of places begin here, those of sizes at 0.
const PLACES: u64 = 1 << 32;

impl Masks {
    /// Checks the configurations against a grid of (times, rows, columns).
    pub fn new(configs: &[MaskConfig], grid: [usize; 3]) -> Result<Self> {
        if !(1..=4).contains(&configs.len()) {
            return Err(Error::config("model.masks", format!("expected 1 to 4 generators, found {}", configs.len())));
        }
        let generators = configs.iter().enumerate().map(|(i, config)| {
            let place = format!("model.masks.{i}");
            match config {
                MaskConfig::MultiBlock(blocks) => {
                    Ok(Generator::Blocks(MultiBlock3d::new(blocks, grid, &place)?, blocks.rule))
                }
                MaskConfig::Tube(tube) => tube.check(grid, &place).map(|()| Generator::Tube(*tube)),
                MaskConfig::Future(future) => future.check(grid, &place).map(|()| Generator::Future(*future)),
            }
        });
        Ok(Self { generators: generators.collect::<Result<_>>()?, grid })
    }

    /// The generator whose question is nearest to "what comes next?": one that hides the future, or else the last.
    pub fn forecaster(&self) -> usize {
        let future = self.generators.iter().position(|generator| matches!(generator, Generator::Future(_)));
        future.unwrap_or(self.generators.len() - 1)
    }

    /// Number of generators.
    pub fn count(&self) -> usize {
        self.generators.len()
    }

    /// Masks of a batch, one context and one target a generator. The official rule takes block sizes from PyTorch's
    /// generator seeded with the number of batches before, as the counters of the official collator do.
    pub fn sample(&self, batch: usize, draws: &Draws) -> Result<Vec<MaskSet>> {
        let sample = |(i, generator): (usize, &Generator)| {
            let (sizes, places) = (&mut draws.masks(i as u64), &mut draws.masks(PLACES + i as u64));
            match generator {
                Generator::Blocks(blocks, MaskRule::Official) => {
                    blocks.sample(batch, &mut TorchStream::new(draws.step - 1), places)
                }
                Generator::Blocks(blocks, MaskRule::Corrected) => blocks.sample(batch, sizes, places),
                Generator::Tube(tube) => tube.sample(batch, self.grid, places),
                Generator::Future(future) => future.sample(batch, self.grid, places),
            }
        };
        self.generators.iter().enumerate().map(sample).collect()
    }

    /// Tokens seen and hidden by each generator, on average over the first batches of 16.
    pub fn lengths(&self) -> Vec<[f64; 2]> {
        let mut sums = vec![[0.0; 2]; self.count()];
        let mut batches = 0.0;
        for step in 1..=8 {
            let Ok(sets) = self.sample(16, &Draws::new(0, step, Vec::new())) else { continue };
            batches += 1.0;
            for (sum, set) in sums.iter_mut().zip(&sets) {
                sum[0] += set.context[0].len() as f64;
                sum[1] += set.target[0].len() as f64;
            }
        }
        sums.into_iter().map(|sum| sum.map(|s| s / f64::max(batches, 1.0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generators_give_other_masks_every_step_and_the_same_again_for_the_same_step() {
        for rule in [MaskRule::Official, MaskRule::Corrected] {
            let masks = Masks::new(&MaskConfig::official(rule), [4, 8, 8]).unwrap();
            let of = |step| masks.sample(3, &Draws::new(7, step, Vec::new())).unwrap();
            assert_eq!((of(1).len(), of(1)), (2, of(1)));
            assert_ne!(of(1), of(2));
            let [short, long] = masks.lengths()[..] else { panic!("two generators") };
            assert!(short[0] > long[0] && short[1] < long[1], "{short:?} {long:?}");
        }
    }

    #[test]
    fn a_generator_that_cannot_work_is_named() {
        let tube = MaskConfig::Tube(RandomTube { ratio: 1.5 });
        let configs = [MaskConfig::official(MaskRule::Official)[0].clone(), tube];
        let error = Masks::new(&configs, [4, 8, 8]).unwrap_err().to_string();
        assert!(error.contains("model.masks.1.ratio"), "{error}");
        assert!(Masks::new(&[], [4, 8, 8]).is_err());
    }
}
