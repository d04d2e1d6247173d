//! Maps of features and of flow: values on a grid, channels last.

use burn::prelude::*;

use crate::ops;

/// Values on a grid.
#[derive(Debug, Clone)]
pub struct Map {
    /// [frames, rows · columns, channels], row by row.
    pub values: Tensor<3>,
    /// Rows and columns.
    pub size: [usize; 2],
}

impl Map {
    /// A map; `values` are [frames, rows · columns, channels].
    pub fn new(values: Tensor<3>, size: [usize; 2]) -> Self {
        Self { values, size }
    }

    /// The values as [frames, rows, columns, channels].
    pub fn grid(&self) -> Tensor<4> {
        let [frames, _, channels] = self.values.dims();
        self.values.clone().reshape([frames, self.size[0], self.size[1], channels])
    }

    /// The second half of the frames before the first: of frames t, then those of t + 1, each gets its counterpart.
    pub fn swapped(&self) -> Self {
        let half = self.values.dims()[0] / 2;
        let parts = vec![self.values.clone().narrow(0, half, half), self.values.clone().narrow(0, 0, half)];
        Self { values: Tensor::cat(parts, 0), size: self.size }
    }

    /// This map read at the places that `flow` leads to; see [`ops::warp`](crate::ops::warp()).
    pub fn warped(&self, flow: &Self) -> Self {
        Self { values: ops::warp(self.values.clone(), flow.values.clone(), self.size), size: self.size }
    }

    /// Bilinear on another grid whose corners are those of this one (PyTorch's `align_corners=True`).
    pub fn resized(&self, size: [usize; 2]) -> Self {
        if size == self.size {
            return self.clone();
        }
        let [frames, _, channels] = self.values.dims();
        let [rows, columns] = self.size;
        let device = self.values.device().inner();
        let down = between(rows, size[0], &device).unsqueeze::<3>();
        let across = between(columns, size[1], &device).unsqueeze::<3>();
        let x = down.matmul(self.values.clone().reshape([frames, rows, columns * channels]));
        let x = across.matmul(x.reshape([frames * size[0], columns, channels]));
        Self { values: x.reshape([frames, size[0] * size[1], channels]), size }
    }

    /// A flow on another grid: resized, and its values, which are pixels of the grid, with it.
    pub fn flow_resized(&self, size: [usize; 2]) -> Self {
        let factor = |axis: usize| size[axis] as f32 / self.size[axis] as f32;
        let resized = self.resized(size);
        let device = resized.values.device().inner();
        let factors = Tensor::from_data(TensorData::new(vec![factor(1), factor(0)], [1, 1, 2]), &device);
        Self { values: resized.values * factors, size }
    }

    /// The mean of every `factor` by `factor` places; `factor` divides the size.
    pub fn averaged(&self, factor: usize) -> Self {
        if factor == 1 {
            return self.clone();
        }
        let [frames, _, channels] = self.values.dims();
        let [rows, columns] = self.size.map(|side| side / factor);
        let x = self.values.clone().reshape([frames * rows, factor, columns * factor * channels]).mean_dim(1);
        let x = x.reshape([frames * rows * columns, factor, channels]).mean_dim(1);
        Self { values: x.reshape([frames, rows * columns, channels]), size: [rows, columns] }
    }
}

/// The matrix [to, from] that interpolates between places of one axis, first on first and last on last.
fn between(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0f32; to * from];
    for (i, row) in values.chunks_exact_mut(from).enumerate() {
        let at = if to > 1 { (i * (from - 1)) as f64 / (to - 1) as f64 } else { 0.0 };
        let low = (at as usize).min(from - 1);
        row[low] += (1.0 - (at - low as f64)) as f32;
        row[(low + 1).min(from - 1)] += (at - low as f64) as f32;
    }
    Tensor::from_data(TensorData::new(values, [to, from]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::host;

    #[test]
    fn a_flow_on_a_finer_grid_keeps_its_corners_and_grows_with_the_grid() {
        let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let flow = Map::new(Tensor::from_data(TensorData::new(values, [1, 6, 2]), &Device::flex()), [2, 3]);
        let fine = host::read(flow.flow_resized([4, 6]).values).unwrap();
        assert_eq!((fine[0], fine[1], fine[46], fine[47]), (0.0, 2.0, 20.0, 22.0));
        assert!((fine[2] - 2.0 * 0.8).abs() < 1e-6, "{fine:?}");
    }

    #[test]
    fn halves_change_places_and_means_are_of_squares() {
        let values: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let map = Map::new(Tensor::from_data(TensorData::new(values, [2, 8, 1]), &Device::flex()), [2, 4]);
        assert_eq!(host::read(map.swapped().values).unwrap()[..2], [8.0, 9.0]);
        assert_eq!(host::read(map.averaged(2).values).unwrap(), [2.5, 4.5, 10.5, 12.5]);
    }
}
