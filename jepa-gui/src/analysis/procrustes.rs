//! Laying one map over another of the same samples: shift, rotation with or without reflection, and one scale.
//!
//! Maps know no orientation: t-SNE and UMAP may come out turned, mirrored or larger from one checkpoint to the next, and
//! components change sign. What is left after the orthogonal Procrustes fit (Schönemann 1966; Gower 1975) has moved.

use jepa_core::{Error, Result};
use nalgebra::DMatrix;

/// Whether a map may be made larger or smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// It keeps its scale: that something shrinks is seen.
    Kept,
    /// It gets the scale that fits best.
    Fitted,
}

/// How a map is laid over a reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    dims: usize,
    from: Vec<f64>,
    to: Vec<f64>,
    /// Rotation times scale, [dims, dims], applied to rows from the right.
    turn: Vec<f64>,
    residual: f64,
}

impl Alignment {
    /// Fits `map` to `reference`, two tables of the same samples in the same order with `dims` coordinates each.
    pub fn fit(map: &[f32], reference: &[f32], dims: usize, scale: Scale) -> Result<Self> {
        if dims == 0 || map.is_empty() || map.len() != reference.len() || !map.len().is_multiple_of(dims) {
            let problem = format!("maps of {} and {} values are not of the same samples", map.len(), reference.len());
            return Err(Error::data("features", problem));
        }
        let (from, to) = (mean(map, dims), mean(reference, dims));
        let mut cross = DMatrix::<f64>::zeros(dims, dims);
        let (mut spread, mut reference_spread) = (0.0, 0.0);
        for (a, b) in map.chunks_exact(dims).zip(reference.chunks_exact(dims)) {
            let off = |row: &[f32], mean: &[f64]| -> Vec<f64> {
                row.iter().zip(mean).map(|(&v, m)| f64::from(v) - m).collect()
            };
            let (a, b) = (off(a, &from), off(b, &to));
            spread += a.iter().map(|v| v * v).sum::<f64>();
            reference_spread += b.iter().map(|v| v * v).sum::<f64>();
            for (i, a) in a.iter().enumerate() {
                for (j, b) in b.iter().enumerate() {
                    cross[(i, j)] += a * b;
                }
            }
        }
        let svd = cross.svd(true, true);
        let (Some(u), Some(v_t)) = (svd.u, svd.v_t) else {
            return Err(Error::Engine("the decomposition of an alignment did not converge".into()));
        };
        let strength: f64 = svd.singular_values.iter().sum();
        let scale = match scale {
            Scale::Kept => 1.0,
            Scale::Fitted if spread > 0.0 => strength / spread,
            Scale::Fitted => 0.0,
        };
        let turn = (u * v_t) * scale;
        let left = reference_spread - 2.0 * scale * strength + scale * scale * spread;
        let residual = if reference_spread > 0.0 { (left / reference_spread).max(0.0) } else { 0.0 };
        let turn = (0..dims * dims).map(|at| turn[(at / dims, at % dims)]).collect();
        Ok(Self { dims, from, to, turn, residual })
    }

    /// Share of the reference's variance that the laid-over map does not reach: 0 to 1 when the scale is
    /// fitted.
    pub fn residual(&self) -> f64 {
        self.residual
    }

    /// A map of this orientation in the reference's: other samples of the same map may come along.
    pub fn apply(&self, map: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(map.len());
        for row in map.chunks_exact(self.dims) {
            for j in 0..self.dims {
                let turned = |i: usize| (f64::from(row[i]) - self.from[i]) * self.turn[i * self.dims + j];
                out.push((self.to[j] + (0..self.dims).map(turned).sum::<f64>()) as f32);
            }
        }
        out
    }
}

fn mean(map: &[f32], dims: usize) -> Vec<f64> {
    let rows = (map.len() / dims) as f64;
    (0..dims).map(|i| map.iter().skip(i).step_by(dims).map(|&v| f64::from(v)).sum::<f64>() / rows).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn a_map_that_was_turned_mirrored_shifted_and_scaled_comes_back() {
        let reference = [0.0f32, 0.0, 4.0, 0.0, 4.0, 1.0, -1.0, 3.0, 2.0, -2.0];
        let (sin, cos) = 1.1f32.sin_cos();
        let map: Vec<f32> = reference
            .chunks(2)
            .flat_map(|p| {
                let (x, y) = (-p[0], p[1]);
                [7.0 + 3.0 * (x * cos - y * sin), -2.0 + 3.0 * (x * sin + y * cos)]
            })
            .collect();
        let alignment = Alignment::fit(&map, &reference, 2, Scale::Fitted).unwrap();
        let back = alignment.apply(&map);
        assert!(back.iter().zip(&reference).all(|(a, b)| (a - b).abs() < 1e-5), "{back:?}");
        assert!(alignment.residual() < 1e-10);
        let kept = Alignment::fit(&map, &reference, 2, Scale::Kept).unwrap();
        let spread = |map: &[f32]| (map[2] - map[0]).hypot(map[3] - map[1]);
        assert!((spread(&kept.apply(&map)) - 12.0).abs() < 1e-4 && (kept.residual() - 4.0).abs() < 1e-5);
    }

    #[test]
    fn what_is_left_of_two_maps_is_what_scipy_says() {
        let reference = reference::load();
        let (map, dims) = reference.table("procrustes.map");
        let (target, _) = reference.table("procrustes.reference");
        let alignment = Alignment::fit(&map, &target, dims, Scale::Fitted).unwrap();
        let disparity = f64::from(reference.values("procrustes.disparity")[0]);
        assert!((alignment.residual() - disparity).abs() < 1e-5, "{} {disparity}", alignment.residual());
        // The residual is true of the coordinates, not only of the formula.
        let laid = alignment.apply(&map);
        let to = mean(&target, dims);
        let spread: f64 = target.iter().enumerate().map(|(i, &v)| (f64::from(v) - to[i % dims]).powi(2)).sum();
        let left: f64 = laid.iter().zip(&target).map(|(a, b)| (f64::from(a - b)).powi(2)).sum();
        assert!((left / spread - disparity).abs() < 1e-4, "{}", left / spread);
    }

    #[test]
    fn maps_of_different_samples_are_refused_and_a_single_point_is_shifted() {
        assert!(Alignment::fit(&[1.0, 2.0], &[1.0], 1, Scale::Fitted).is_err());
        let alignment = Alignment::fit(&[1.0, 2.0], &[5.0, 6.0], 2, Scale::Kept).unwrap();
        assert_eq!(alignment.apply(&[1.0, 2.0]), [5.0, 6.0]);
    }
}
