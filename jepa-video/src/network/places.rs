//! Where tokens are: tables that are added once, or rotary angles in every attention.

use burn::module::Param;
use burn::prelude::*;
use jepa_core::nn::positions::{Shares, resample_3d, sincos_3d};
use jepa_core::nn::{Init, Rotary, RotaryConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a network knows where a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PlaceConfig {
    /// A frozen table of sines and cosines is added to the tokens (V-JEPA).
    Table {
        /// How the width is shared between time, row and column.
        shares: Shares,
    },
    /// Queries and keys are turned in every attention (V-JEPA 2).
    Rotary(RotaryConfig),
}

/// The grid that tokens form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Times, rows, columns.
    pub grid: [usize; 3],
    /// Single pictures instead of clips: V-JEPA 2.1 has another tokeniser and another learned vector for these.
    pub picture: bool,
}

impl Layout {
    /// Clips on a grid of (times, rows, columns).
    pub fn video(grid: [usize; 3]) -> Self {
        Self { grid, picture: false }
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.grid.iter().product()
    }
}

/// A network's own part of its places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    config: PlaceConfig,
    /// The grid of the table.
    grid: [usize; 3],
    width: usize,
    heads: usize,
}

impl Places {
    pub(super) fn new(config: PlaceConfig, grid: [usize; 3], width: usize, heads: usize) -> Self {
        Self { config, grid, width, heads }
    }

    /// The table as a frozen parameter, where there is one.
    pub(super) fn parameter(&self, init: &mut Init) -> Option<Param<Tensor<3>>> {
        match self.config {
            PlaceConfig::Table { shares } => {
                let shape = [1, self.grid.iter().product(), self.width];
                Some(init.table(sincos_3d(self.grid, self.width, shares), shape))
            }
            PlaceConfig::Rotary(_) => None,
        }
    }

    /// The table on the grid of `layout`.
    pub(super) fn table(&self, parameter: Option<&Param<Tensor<3>>>, layout: Layout) -> Option<Tensor<3>> {
        let table = parameter?.val();
        Some(if layout.grid == self.grid { table } else { resample_3d(table, self.grid, layout.grid) })
    }

    /// The angles on the grid of `layout`, where there are any.
    pub(super) fn rotary(&self, layout: Layout) -> Option<Rotary> {
        match &self.config {
            PlaceConfig::Table { .. } => None,
            PlaceConfig::Rotary(config) => Some(Rotary::new(config, layout.grid, self.width / self.heads)),
        }
    }
}
