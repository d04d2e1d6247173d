//! Multi-block masks: a few target blocks and one large context block from which they are cut out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mask, MaskSet, cut};
use crate::error::{Error, Result};
use crate::random::Draw;

/// How blocks are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaskRule {
    /// As the official collator does, quirks included: one draw fixes scale and aspect together, blocks are smaller
    /// than the grid and never touch its last row or column, masks are cut to the shortest of the batch from the end,
    /// and a context that would be too small forgets the last target blocks.
    Official,
    /// Scale and aspect drawn apart, every placement possible, masks cut to the shortest of the batch at random, and
    /// blocks drawn anew when a context would be too small. For small grids, and grids of one row.
    Corrected,
}

/// Number, size and placement of the blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiBlockConfig {
    /// Context blocks an image (I-JEPA: 1).
    pub contexts: usize,
    /// Target blocks an image (I-JEPA: 4).
    pub targets: usize,
    /// Area of the context block over the grid's (I-JEPA: 0.85 to 1).
    pub context_scale: [f64; 2],
    /// Area of a target block over the grid's (I-JEPA: 0.15 to 0.2).
    pub target_scale: [f64; 2],
    /// Height over width of a target block (I-JEPA: 0.75 to 1.5).
    pub target_aspect: [f64; 2],
    /// A context keeps more tokens than this; with the official rule a target too (I-JEPA: 10).
    pub min_keep: usize,
    /// Leave target blocks in the context (I-JEPA: false).
    pub allow_overlap: bool,
    /// How blocks are drawn.
    pub rule: MaskRule,
}

impl MultiBlockConfig {
    /// The settings of the released models.
    pub fn official() -> Self {
        Self {
            contexts: 1,
            targets: 4,
            context_scale: [0.85, 1.0],
            target_scale: [0.15, 0.2],
            target_aspect: [0.75, 1.5],
            min_keep: 10,
            allow_overlap: false,
            rule: MaskRule::Official,
        }
    }
}

/// A checked sampler for one grid.
#[derive(Debug, Clone)]
pub struct MultiBlock {
    config: MultiBlockConfig,
    rows: usize,
    columns: usize,
}

/// Indices of the target blocks and of the context blocks of one image.
type HiddenAndVisible = (Vec<Vec<u32>>, Vec<Vec<u32>>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Block {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Block {
    fn contains(&self, row: usize, column: usize) -> bool {
        (self.top..self.top + self.height).contains(&row) && (self.left..self.left + self.width).contains(&column)
    }
}

const PLACEMENTS: usize = 2000;

impl MultiBlock {
    /// Checks the configuration against the grid: a target that can never keep more than `min_keep` tokens is refused
    /// here, where the official collator would search for ever.
    pub fn new(config: &MultiBlockConfig, rows: usize, columns: usize) -> Result<Self> {
        let place = "model.masks";
        let MultiBlockConfig { contexts, targets, context_scale, target_scale, target_aspect, .. } = *config;
        if contexts == 0 || targets == 0 || contexts > 64 || targets > 64 {
            return Err(Error::config(place, format!("contexts {contexts} and targets {targets} must lie in 1..=64")));
        }
        for (name, [low, high], limit) in [
            ("context_scale", context_scale, 1.0),
            ("target_scale", target_scale, 1.0),
            ("target_aspect", target_aspect, f64::MAX),
        ] {
            if !(0.0 < low && low <= high && high <= limit) {
                return Err(Error::config(
                    format!("{place}.{name}"),
                    format!(
                        "[{low}, {high}] must be a range of positive numbers{}",
                        if limit == 1.0 { " up to 1" } else { "" }
                    ),
                ));
            }
        }
        let sampler = Self { config: config.clone(), rows, columns };
        let official = config.rule == MaskRule::Official;
        if official && (rows < 2 || columns < 2) {
            return Err(Error::config(
                place,
                format!(
                    "the official rule needs a grid of at least 2 x 2 tokens, this one has {rows} x {columns}; use rule = \"corrected\""
                ),
            ));
        }
        let smallest = |scale, aspect| {
            (0..=1000)
                .flat_map(|i| (0..=if official { 0 } else { 20 }).map(move |j| (i, j)))
                .map(|(i, j)| {
                    let u = f64::from(i) / 1000.0;
                    let v = if official { u } else { f64::from(j) / 20.0 };
                    sampler.block_size(u, v, scale, aspect)
                })
                .map(|(h, w)| h * w)
                .min()
                .unwrap_or(0)
        };
        for (name, area) in
            [("target", smallest(target_scale, target_aspect)), ("context", smallest(context_scale, [1.0, 1.0]))]
        {
            if area <= config.min_keep && (official || name == "context") {
                return Err(Error::config(
                    format!("{place}.min_keep"),
                    format!(
                        "{} is too large: on a grid of {rows} x {columns} tokens a {name} block can be as small as {area}, and a mask must keep more than min_keep",
                        config.min_keep
                    ),
                ));
            }
        }
        Ok(sampler)
    }

    /// Height and width of a block for uniform draws `u` (scale) and `v` (aspect).
    fn block_size(&self, u: f64, v: f64, scale: [f64; 2], aspect: [f64; 2]) -> (usize, usize) {
        let tokens = (self.rows * self.columns) as f64;
        let area = (tokens * (scale[0] + u * (scale[1] - scale[0]))).floor();
        let aspect = aspect[0] + v * (aspect[1] - aspect[0]);
        let height = (area * aspect).sqrt().round_ties_even() as usize;
        match self.config.rule {
            MaskRule::Official => {
                let width = (area / aspect).sqrt().round_ties_even() as usize;
                (height.min(self.rows - 1), width.min(self.columns - 1))
            }
            MaskRule::Corrected => {
                let height = height.clamp(1, self.rows);
                let width = (area / height as f64).round() as usize;
                (height, width.clamp(1, self.columns))
            }
        }
    }

    fn place(&self, (height, width): (usize, usize), draw: &mut impl Draw) -> Block {
        // The official bound is exclusive: the last legal placement is never drawn.
        let last = usize::from(self.config.rule == MaskRule::Corrected);
        let top = draw.below(self.rows - height + last);
        let left = draw.below(self.columns - width + last);
        Block { top, left, height, width }
    }

    fn indices(&self, block: Block, without: &[Block]) -> Vec<u32> {
        let mut indices = Vec::with_capacity(block.height * block.width);
        for row in block.top..block.top + block.height {
            for column in block.left..block.left + block.width {
                if !without.iter().any(|b| b.contains(row, column)) {
                    indices.push((row * self.columns + column) as u32);
                }
            }
        }
        indices
    }

    /// Masks for a batch. `sizes` draws the block sizes, shared by the whole batch; `places` draws where blocks lie.
    /// With a [`TorchStream`](crate::random::TorchStream) of the batch number for `sizes` and one of the global seed for
    /// `places`, the official rule gives the official index sets.
    pub fn sample(&self, batch: usize, sizes: &mut impl Draw, places: &mut impl Draw) -> Result<MaskSet> {
        let mut size = |scale, aspect| {
            let u = f64::from(sizes.uniform());
            let v = if self.config.rule == MaskRule::Official { u } else { f64::from(sizes.uniform()) };
            self.block_size(u, v, scale, aspect)
        };
        let target_size = size(self.config.target_scale, self.config.target_aspect);
        let context_size = size(self.config.context_scale, [1.0, 1.0]);

        let mut targets = vec![Vec::with_capacity(batch); self.config.targets];
        let mut contexts = vec![Vec::with_capacity(batch); self.config.contexts];
        for _ in 0..batch {
            let (hidden, visible) = match self.config.rule {
                MaskRule::Official => self.official(target_size, context_size, places)?,
                MaskRule::Corrected => self.corrected(target_size, context_size, places)?,
            };
            targets.iter_mut().zip(hidden).for_each(|(rows, mask)| rows.push(mask));
            contexts.iter_mut().zip(visible).for_each(|(rows, mask)| rows.push(mask));
        }
        let tokens = self.rows * self.columns;
        Ok(MaskSet { context: self.level(contexts, tokens, places)?, target: self.level(targets, tokens, places)? })
    }

    fn official(
        &self,
        target_size: (usize, usize),
        context_size: (usize, usize),
        places: &mut impl Draw,
    ) -> Result<HiddenAndVisible> {
        let mut hidden = Vec::new();
        let mut blocks = Vec::new();
        for _ in 0..self.config.targets {
            // A target block has no constraint: its size decides, and `new` has checked the size.
            let block = self.place(target_size, places);
            hidden.push(self.indices(block, &[]));
            blocks.push(block);
        }
        if self.config.allow_overlap {
            blocks.clear();
        }
        let mut visible = Vec::new();
        for _ in 0..self.config.contexts {
            let mut constraints = blocks.len();
            let mut attempts = 0;
            visible.push(loop {
                let block = self.place(context_size, places);
                let indices = self.indices(block, &blocks[..constraints]);
                if indices.len() > self.config.min_keep {
                    break indices;
                }
                attempts += 1;
                if attempts % 20 == 0 {
                    constraints = constraints.saturating_sub(1);
                    tracing::debug!(constraints, "no context block fits, forgetting a target block");
                }
            });
        }
        Ok((hidden, visible))
    }

    fn corrected(
        &self,
        target_size: (usize, usize),
        context_size: (usize, usize),
        places: &mut impl Draw,
    ) -> Result<HiddenAndVisible> {
        for _ in 0..PLACEMENTS {
            let targets: Vec<Block> = (0..self.config.targets).map(|_| self.place(target_size, places)).collect();
            let cut: &[Block] = if self.config.allow_overlap { &[] } else { &targets };
            let visible: Vec<Vec<u32>> =
                (0..self.config.contexts).map(|_| self.indices(self.place(context_size, places), cut)).collect();
            if visible.iter().all(|mask| mask.len() > self.config.min_keep) {
                return Ok((targets.iter().map(|b| self.indices(*b, &[])).collect(), visible));
            }
        }
        Err(Error::config(
            "model.masks.min_keep",
            format!(
                "no context of more than {} tokens found in {PLACEMENTS} placements on a grid of {} x {}; lower min_keep, targets or target_scale",
                self.config.min_keep, self.rows, self.columns
            ),
        ))
    }

    /// Cuts every mask to the length of the shortest.
    fn level(&self, mut masks: Vec<Vec<Vec<u32>>>, tokens: usize, places: &mut impl Draw) -> Result<Vec<Mask>> {
        let shortest = masks.iter().flatten().map(Vec::len).min().unwrap_or(0);
        masks.iter_mut().flatten().for_each(|row| cut(row, shortest, self.config.rule, places));
        masks.iter().map(|rows| Mask::new(rows, tokens)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream, TorchStream};

    #[test]
    fn official_masks_of_the_first_batches_equal_the_recorded_ones() {
        let sampler = MultiBlock::new(&MultiBlockConfig::official(), 14, 14).unwrap();
        let mut places = TorchStream::new(0);
        let first = sampler.sample(2, &mut TorchStream::new(0), &mut places).unwrap();
        let starts =
            |masks: &MaskSet, image: usize| -> Vec<u32> { masks.target.iter().map(|m| m.row(image)[0]).collect() };
        assert_eq!((first.target[0].len(), first.context[0].len()), (36, 59));
        assert_eq!(starts(&first, 0), [63, 70, 45, 49]);
        assert_eq!(starts(&first, 1), [72, 63, 84, 4]);
        let expected: Vec<u32> = [0..=12, 14..=26, 28..=40, 42..=44, 56..=58, 132..=132, 146..=152, 154..=159]
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(first.context[0].row(0), expected);
        let second = sampler.sample(2, &mut TorchStream::new(1), &mut places).unwrap();
        assert_eq!((second.target[0].len(), second.context[0].len()), (35, 76));
        assert_eq!(starts(&second, 0), [86, 58, 61, 22]);
        assert_eq!(starts(&second, 1), [14, 62, 48, 50]);
        assert_eq!(second.context[0].row(0)[73..], [178, 179, 180]);
        assert_eq!(second.context[0].row(1)[73..], [174, 175, 176]);
    }

    #[test]
    fn block_sizes_follow_the_recorded_draws_on_every_grid() {
        type Row = (u64, [(usize, usize); 5], usize);
        let table: [Row; 8] = [
            (0, [(4, 3), (5, 5), (6, 6), (7, 6), (12, 11)], 27),
            (1, [(4, 3), (6, 5), (7, 5), (8, 6), (14, 11)], 26),
            (2, [(4, 3), (6, 5), (7, 5), (7, 6), (13, 11)], 27),
            (3, [(3, 3), (4, 5), (5, 6), (5, 7), (9, 12)], 26),
            (4, [(4, 3), (5, 5), (6, 5), (7, 6), (13, 11)], 27),
            (5, [(4, 3), (6, 4), (7, 5), (8, 6), (14, 10)], 26),
            (8, [(4, 3), (5, 5), (6, 5), (7, 6), (13, 11)], 27),
            (11, [(3, 3), (4, 5), (5, 6), (6, 7), (10, 12)], 27),
        ];
        for (seed, sizes, context) in table {
            for (grid, expected) in [8, 12, 14, 16, 28].into_iter().zip(sizes) {
                let config = MultiBlockConfig { min_keep: 4, ..MultiBlockConfig::official() };
                let sampler = MultiBlock::new(&config, grid, grid).unwrap();
                let mut draw = TorchStream::new(seed);
                let u = f64::from(draw.uniform());
                assert_eq!(sampler.block_size(u, u, config.target_scale, config.target_aspect), expected);
                if grid == 28 {
                    let u = f64::from(draw.uniform());
                    assert_eq!(sampler.block_size(u, u, config.context_scale, [1.0, 1.0]), (context, context));
                }
            }
        }
    }

    #[test]
    fn a_grid_on_which_the_official_collator_would_hang_is_refused() {
        let error = MultiBlock::new(&MultiBlockConfig::official(), 8, 8).unwrap_err().to_string();
        assert!(error.contains("min_keep") && error.contains("as small as 9"), "{error}");
    }

    #[test]
    fn corrected_masks_are_legal_disjoint_and_reach_every_token() {
        for (rows, columns) in [(7, 7), (4, 6), (1, 32), (14, 9)] {
            let config = MultiBlockConfig { min_keep: 3, rule: MaskRule::Corrected, ..MultiBlockConfig::official() };
            let sampler = MultiBlock::new(&config, rows, columns).unwrap();
            let mut seen = vec![[false; 2]; rows * columns];
            for step in 0..60 {
                let masks = sampler
                    .sample(
                        5,
                        &mut Stream::new(1, Purpose::Masks, step, 0),
                        &mut Stream::new(1, Purpose::Masks, step, 1),
                    )
                    .unwrap();
                for image in 0..5 {
                    let context = masks.context[0].row(image);
                    assert!(context.len() > 3 && context.is_sorted());
                    context.iter().for_each(|&i| seen[i as usize][0] = true);
                    for target in &masks.target {
                        assert!(target.row(image).iter().all(|i| !context.contains(i)));
                        target.row(image).iter().for_each(|&i| seen[i as usize][1] = true);
                    }
                }
            }
            assert!(seen.iter().all(|s| s[0] && s[1]), "{rows} x {columns}: a token is never visible or never hidden");
        }
    }
}
