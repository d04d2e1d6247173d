//! A flow field with its truth's gaps.

use jepa_core::error::{Error, Result};
use jepa_core::picture::MAX_SIDE;

/// A value that marks an unknown flow in `.flo` files and beyond (Middlebury's reader: anything larger than 1e9).
pub(crate) const UNKNOWN: f32 = 1e9;

/// Where every pixel of one frame lies in the next: (column + u, row + v).
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    width: usize,
    height: usize,
    values: Vec<[f32; 2]>,
    known: Vec<bool>,
}

impl Flow {
    /// A flow of u and v in pixels, row by row; `known` says where it means something. Values there have to be finite.
    pub fn new(width: usize, height: usize, values: Vec<[f32; 2]>, known: Vec<bool>) -> Result<Self> {
        let fits = width.checked_mul(height).is_some_and(|area| area > 0 && area == values.len());
        if !fits || known.len() != values.len() || width.max(height) > MAX_SIDE as usize {
            let problem = format!("{} vectors and {} marks do not fill it", values.len(), known.len());
            return Err(Error::data(format!("flow of {width}x{height}"), problem));
        }
        let sound = |v: &[f32; 2]| v.iter().all(|v| v.is_finite());
        if let Some(at) = values.iter().zip(&known).position(|(v, known)| *known && !sound(v)) {
            let problem = format!("the vector at column {}, row {} is not finite", at % width, at / width);
            return Err(Error::data(format!("flow of {width}x{height}"), problem));
        }
        // What is unknown has no value that anything could be computed with.
        let values = values.into_iter().zip(&known).map(|(v, known)| if *known { v } else { [0.0; 2] }).collect();
        Ok(Self { width, height, values, known })
    }

    /// A flow that is known everywhere.
    pub fn whole(width: usize, height: usize, values: Vec<[f32; 2]>) -> Result<Self> {
        let known = vec![true; values.len()];
        Self::new(width, height, values, known)
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// u and v in pixels, row by row; zero where unknown.
    pub fn values(&self) -> &[[f32; 2]] {
        &self.values
    }

    /// Where it is known.
    pub fn known(&self) -> &[bool] {
        &self.known
    }

    /// The flow at every known pixel.
    pub fn vectors(&self) -> impl Iterator<Item = [f32; 2]> {
        self.values.iter().zip(&self.known).filter(|(_, known)| **known).map(|(v, _)| *v)
    }

    /// A flow known everywhere on another grid: interpolated between the middles of pixels, its values grown with the
    /// grid.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let axis = |to: usize, from: usize| -> Vec<(usize, usize, f32)> {
            let place = |i: usize| {
                let at = ((i as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
                (at as usize, (at as usize + 1).min(from - 1), at.fract())
            };
            (0..to).map(place).collect()
        };
        let (columns, rows) = (axis(width, self.width), axis(height, self.height));
        let growth = [width as f32 / self.width as f32, height as f32 / self.height as f32];
        let mut values = Vec::with_capacity(width * height);
        for &(top, bottom, down) in &rows {
            for &(left, right, across) in &columns {
                let at = |row: usize, column: usize| self.values[row * self.width + column];
                let corners = [at(top, left), at(top, right), at(bottom, left), at(bottom, right)];
                values.push(std::array::from_fn(|i| {
                    let [a, b, c, d] = corners.map(|v| v[i]);
                    let (upper, lower) = (a + across * (b - a), c + across * (d - c));
                    (upper + down * (lower - upper)) * growth[i]
                }));
            }
        }
        Self::whole(width, height, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_grows_with_its_grid_and_unknown_vectors_are_zero() {
        let flow = Flow::whole(2, 1, vec![[1.0, 2.0], [3.0, 2.0]]).unwrap();
        let fine = flow.resized(4, 3).unwrap();
        assert_eq!(fine.values()[..4], [[2.0, 6.0], [3.0, 6.0], [5.0, 6.0], [6.0, 6.0]]);
        let holes = Flow::new(2, 1, vec![[f32::NAN, 0.0], [3.0, 2.0]], vec![false, true]).unwrap();
        assert_eq!(holes.vectors().collect::<Vec<_>>(), [[3.0, 2.0]]);
        assert_eq!(holes.values()[0], [0.0, 0.0]);
        assert!(Flow::whole(2, 1, vec![[f32::NAN, 0.0], [3.0, 2.0]]).is_err());
        assert!(Flow::whole(2, 2, vec![[0.0; 2]; 3]).is_err() && Flow::whole(0, 0, vec![]).is_err());
    }
}
