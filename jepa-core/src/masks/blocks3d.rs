//! Multi-block masks of a clip: blocks of space and time are hidden, what is left is seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mask, MaskRule, MaskSet, cut};
use crate::error::{Error, Result};
use crate::random::Draw;

/// Number and size of the hidden blocks (V-JEPA, `src/masks/multiblock3d.py`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiBlock3dConfig {
    /// Hidden blocks a clip; they may overlap (V-JEPA: 8 short-range, 2 long-range).
    pub blocks: usize,
    /// Area of a block over the grid's (V-JEPA: 0.15, 0.7).
    pub spatial_scale: [f64; 2],
    /// Times of a block over the grid's (V-JEPA: 1).
    pub temporal_scale: [f64; 2],
    /// Height over width of a block (V-JEPA: 0.75 to 1.5).
    pub aspect: [f64; 2],
    /// Share of the times, from the first on, that may be seen at all; the others are hidden (V-JEPA: 1).
    pub max_temporal_keep: f64,
    /// Most tokens seen; the last ones are left out (V-JEPA: all are kept).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_keep: Option<usize>,
    /// How masks of a batch come to one length: `official` cuts the last tokens off, `corrected` any.
    pub rule: MaskRule,
}

impl MultiBlock3dConfig {
    /// Many small blocks (V-JEPA's first generator).
    pub fn short_range() -> Self {
        Self {
            blocks: 8,
            spatial_scale: [0.15, 0.15],
            temporal_scale: [1.0, 1.0],
            aspect: [0.75, 1.5],
            max_temporal_keep: 1.0,
            max_keep: None,
            rule: MaskRule::Official,
        }
    }

    /// Two large blocks (V-JEPA's second generator).
    pub fn long_range() -> Self {
        Self { blocks: 2, spatial_scale: [0.7, 0.7], ..Self::short_range() }
    }
}

/// A checked sampler for one grid.
#[derive(Debug, Clone)]
pub struct MultiBlock3d {
    config: MultiBlock3dConfig,
    /// times, rows, columns
    grid: [usize; 3],
}

/// Clips whose blocks covered everything before a clip is given up.
const PLACEMENTS: usize = 2000;

impl MultiBlock3d {
    /// Checks the configuration against a grid of (times, rows, columns); `place` is the key path for messages.
    pub fn new(config: &MultiBlock3dConfig, grid: [usize; 3], place: &str) -> Result<Self> {
        let wrong = |key: &str, problem: String| Err(Error::config(format!("{place}.{key}"), problem));
        if !(1..=64).contains(&config.blocks) {
            return wrong("blocks", format!("{} must lie in 1..=64", config.blocks));
        }
        for (key, [low, high], limit) in [
            ("spatial_scale", config.spatial_scale, 1.0),
            ("temporal_scale", config.temporal_scale, 1.0),
            ("aspect", config.aspect, f64::MAX),
            ("max_temporal_keep", [config.max_temporal_keep; 2], 1.0),
        ] {
            if !(0.0 < low && low <= high && high <= limit) {
                let bound = if limit == 1.0 { " up to 1" } else { "" };
                return wrong(key, format!("[{low}, {high}] must be a range of positive numbers{bound}"));
            }
        }
        if config.max_keep == Some(0) {
            return wrong("max_keep", "expected at least 1 token, found 0".to_owned());
        }
        let sampler = Self { config: config.clone(), grid };
        let sizes = [0.0, 1.0].map(|u| [0.0, 0.25, 0.5, 0.75, 1.0].map(|v| sampler.size([1.0, u, v])));
        if sizes.as_flattened().iter().any(|size| size.contains(&0)) {
            let [_, rows, columns] = grid;
            return wrong("spatial_scale", format!("a block can be empty on a grid of {rows} x {columns} tokens"));
        }
        if sizes.as_flattened().contains(&grid) {
            let [times, rows, columns] = grid;
            let problem = format!("a block can hide the whole grid of {times} x {rows} x {columns} tokens");
            return wrong("spatial_scale", problem);
        }
        Ok(sampler)
    }

    /// Times, rows and columns of a block for uniform draws of temporal scale, spatial scale and aspect.
    fn size(&self, [temporal, spatial, aspect]: [f64; 3]) -> [usize; 3] {
        let [times, rows, columns] = self.grid;
        let between = |[low, high]: [f64; 2], u: f64| low + u * (high - low);
        let length = (times as f64 * between(self.config.temporal_scale, temporal)) as usize;
        let area = ((rows * columns) as f64 * between(self.config.spatial_scale, spatial)).floor();
        let aspect = between(self.config.aspect, aspect);
        let side = |squared: f64, most: usize| (squared.sqrt().round_ties_even() as usize).min(most);
        [length.max(1), side(area * aspect, rows), side(area / aspect, columns)]
    }

    /// Masks of a batch: one context and one target. `sizes` draws the size of the blocks, shared by the whole batch;
    /// `places` draws where they lie. With a [`TorchStream`](crate::random::TorchStream) of the number of batches before
    /// for `sizes` and one of the global seed for `places`, the official rule gives the official index sets.
    pub fn sample(&self, batch: usize, sizes: &mut impl Draw, places: &mut impl Draw) -> Result<MaskSet> {
        let size = self.size([0, 1, 2].map(|_| f64::from(sizes.uniform())));
        let tokens = self.grid.iter().product();
        let (mut seen, mut hidden) = (Vec::with_capacity(batch), Vec::with_capacity(batch));
        for _ in 0..batch {
            let mask = self.clip(size, places)?;
            let of = |wanted: bool| (0..tokens as u32).filter(|i| mask[*i as usize] == wanted).collect::<Vec<_>>();
            seen.push(of(false));
            hidden.push(of(true));
        }
        let mut level = |mut rows: Vec<Vec<u32>>, most: usize| {
            let shortest = rows.iter().map(Vec::len).min().unwrap_or(0).min(most);
            rows.iter_mut().for_each(|row| cut(row, shortest, self.config.rule, places));
            Mask::new(&rows, tokens)
        };
        let context = level(seen, self.config.max_keep.unwrap_or(tokens))?;
        Ok(MaskSet { context: vec![context], target: vec![level(hidden, tokens)?] })
    }

    /// Which tokens of one clip are hidden.
    fn clip(&self, [length, height, width]: [usize; 3], places: &mut impl Draw) -> Result<Vec<bool>> {
        let [times, rows, columns] = self.grid;
        let last = ((times as f64 * self.config.max_temporal_keep) as usize).max(1);
        for _ in 0..PLACEMENTS {
            let mut hidden: Vec<bool> = (0..times * rows * columns).map(|i| i / (rows * columns) >= last).collect();
            for _ in 0..self.config.blocks {
                let top = places.below(rows - height + 1);
                let left = places.below(columns - width + 1);
                let start = places.below(times - length + 1);
                for time in start..start + length {
                    for row in top..top + height {
                        let at = (time * rows + row) * columns + left;
                        hidden[at..at + width].fill(true);
                    }
                }
            }
            if hidden.contains(&false) {
                return Ok(hidden);
            }
        }
        let problem = format!(
            "{} blocks of {length} x {height} x {width} tokens hid the whole grid of {times} x {rows} x {columns} {PLACEMENTS} times; lower blocks or spatial_scale",
            self.config.blocks
        );
        Err(Error::config("model.masks", problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream, TorchStream};

    fn samplers(grid: [usize; 3]) -> [MultiBlock3d; 2] {
        [MultiBlock3dConfig::short_range(), MultiBlock3dConfig::long_range()]
            .map(|config| MultiBlock3d::new(&config, grid, "masks").unwrap())
    }

    #[test]
    fn block_sizes_of_the_first_batches_equal_the_recorded_ones_on_every_grid() {
        type Row = ([usize; 3], [[usize; 2]; 6], [[usize; 2]; 6]);
        let table: [Row; 3] = [
            (
                [8, 14, 14],
                [[5, 6], [6, 5], [6, 5], [5, 5], [5, 6], [6, 5]],
                [[11, 13], [12, 11], [13, 11], [11, 12], [11, 13], [14, 10]],
            ),
            (
                [8, 16, 16],
                [[6, 7], [6, 6], [7, 6], [6, 6], [6, 7], [7, 5]],
                [[12, 15], [14, 13], [15, 12], [13, 14], [12, 15], [16, 11]],
            ),
            (
                [32, 24, 24],
                [[8, 10], [10, 9], [10, 8], [9, 9], [8, 10], [11, 8]],
                [[18, 22], [21, 20], [22, 18], [20, 20], [18, 22], [24, 17]],
            ),
        ];
        for (grid, short, long) in table {
            for (sampler, expected) in samplers(grid).into_iter().zip([short, long]) {
                for (seed, [height, width]) in expected.into_iter().enumerate() {
                    let mut draw = TorchStream::new(seed as u64);
                    let size = sampler.size([0, 1, 2].map(|_| f64::from(draw.uniform())));
                    assert_eq!(size, [grid[0], height, width], "seed {seed} on {grid:?}");
                }
            }
        }
    }

    #[test]
    fn masks_of_the_first_batch_equal_the_recorded_ones() {
        let mut places = TorchStream::new(0);
        let expected = [[(416, 635_416), (1136, 1_771_992)], [(320, 483_968), (1248, 1_973_088)]];
        for (sampler, expected) in samplers([8, 14, 14]).into_iter().zip(expected) {
            let set = sampler.sample(2, &mut TorchStream::new(0), &mut places).unwrap();
            for (mask, expected) in [&set.context[0], &set.target[0]].into_iter().zip(expected) {
                let total: u64 = (0..2).flat_map(|i| mask.row(i)).map(|i| u64::from(*i)).sum();
                assert_eq!((mask.len(), total), expected);
            }
            if expected[0].0 == 416 {
                assert_eq!(set.context[0].row(0)[..12], [0, 1, 2, 3, 4, 5, 6, 13, 14, 15, 16, 17]);
            }
        }
    }

    #[test]
    fn masks_are_disjoint_ascending_and_hide_the_shares_that_were_measured() {
        for (sampler, [share, deviation]) in samplers([8, 14, 14]).into_iter().zip([[0.630, 0.02], [0.813, 0.02]]) {
            let mut union = 0.0;
            for step in 0..30 {
                let places = &mut Stream::new(1, Purpose::Masks, step, 1);
                let set = sampler.sample(24, &mut TorchStream::new(step), places).unwrap();
                for clip in 0..24 {
                    let (seen, hidden) = (set.context[0].row(clip), set.target[0].row(clip));
                    assert!(seen.is_sorted() && hidden.is_sorted() && seen.iter().all(|i| !hidden.contains(i)));
                    // A column of space is hidden at all times or at none.
                    let first = hidden.iter().filter(|i| **i < 196).count();
                    union += first as f64 / 196.0 / (24.0 * 30.0);
                }
            }
            assert!((union - share).abs() < deviation, "{union}, expected {share}");
        }
    }

    #[test]
    fn late_times_can_be_hidden_altogether_and_the_context_capped() {
        let config = MultiBlock3dConfig {
            max_temporal_keep: 0.5,
            max_keep: Some(7),
            rule: MaskRule::Corrected,
            ..MultiBlock3dConfig::short_range()
        };
        let sampler = MultiBlock3d::new(&config, [4, 6, 5], "masks").unwrap();
        let stream = |kind| Stream::new(1, Purpose::Masks, 0, kind);
        let set = sampler.sample(9, &mut stream(0), &mut stream(1)).unwrap();
        assert_eq!(set.context[0].len(), 7);
        assert!((0..9).all(|clip| set.context[0].row(clip).iter().all(|i| *i < 60)));
    }

    #[test]
    fn configurations_that_cannot_work_name_the_key() {
        let base = MultiBlock3dConfig::short_range;
        for (bad, key) in [
            (MultiBlock3dConfig { blocks: 0, ..base() }, "blocks"),
            (MultiBlock3dConfig { spatial_scale: [0.01, 0.1], ..base() }, "spatial_scale"),
            (MultiBlock3dConfig { spatial_scale: [1.0, 1.0], ..base() }, "spatial_scale"),
            (MultiBlock3dConfig { max_temporal_keep: 1.5, ..base() }, "max_temporal_keep"),
            (MultiBlock3dConfig { max_keep: Some(0), ..base() }, "max_keep"),
        ] {
            let error = MultiBlock3d::new(&bad, [4, 4, 4], "model.masks").unwrap_err().to_string();
            assert!(error.contains(&format!("model.masks.{key}")), "{error}");
        }
        let crowded = MultiBlock3dConfig { blocks: 64, spatial_scale: [0.5, 0.5], ..base() };
        let sampler = MultiBlock3d::new(&crowded, [2, 2, 2], "model.masks").unwrap();
        let error = sampler.sample(1, &mut TorchStream::new(0), &mut TorchStream::new(0)).unwrap_err().to_string();
        assert!(error.contains("lower blocks"), "{error}");
    }
}
