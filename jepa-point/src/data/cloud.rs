//! One point cloud in memory.

use jepa_core::error::{Error, Result};

/// Most points of one cloud: four times what a terrestrial scanner's single scan of an object holds; beyond it a file
/// is a scene, which wants to be cut first.
pub const MAX_POINTS: usize = 1 << 24;

/// Largest magnitude of a coordinate: the squares of distances stay finite in f32.
pub const MAX_COORDINATE: f32 = 1e18;

/// Points in space, in the units and axes of their file. Every coordinate is finite (up to [`MAX_COORDINATE`] in magnitude)
/// and there is at least one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    points: Vec<[f32; 3]>,
    normals: Option<Vec<[f32; 3]>>,
    parts: Option<Vec<u32>>,
}

impl Cloud {
    /// A cloud of [count][x, y, z]; empty clouds and coordinates that are not finite are refused.
    pub fn new(points: Vec<[f32; 3]>) -> Result<Self> {
        Self::checked(points, None, None).map_err(|problem| Error::data("cloud", problem))
    }

    /// The same cloud with the direction of the surface at each point, of any length.
    pub fn with_normals(self, normals: Vec<[f32; 3]>) -> Result<Self> {
        Self::checked(self.points, Some(normals), self.parts).map_err(|problem| Error::data("cloud", problem))
    }

    /// The same cloud with a part label for each point.
    pub fn with_parts(self, parts: Vec<u32>) -> Result<Self> {
        Self::checked(self.points, self.normals, Some(parts)).map_err(|problem| Error::data("cloud", problem))
    }

    /// Points with all that belongs to them, and the problem alone, for readers that know the file.
    pub(crate) fn checked(
        points: Vec<[f32; 3]>,
        normals: Option<Vec<[f32; 3]>>,
        parts: Option<Vec<u32>>,
    ) -> Result<Self, String> {
        let count = points.len();
        if count == 0 {
            return Err("holds no points".into());
        }
        if count > MAX_POINTS {
            return Err(format!("holds {count} points, more than the {MAX_POINTS} allowed: cut the scene"));
        }
        finite("point", &points)?;
        if let Some(normals) = &normals {
            if normals.len() != count {
                return Err(format!("has {count} points and {} normals", normals.len()));
            }
            finite("normal", normals)?;
        }
        if let Some(parts) = parts.as_ref().filter(|parts| parts.len() != count) {
            return Err(format!("has {count} points and {} part labels", parts.len()));
        }
        Ok(Self { points, normals, parts })
    }

    /// Number of points, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a cloud is never empty")]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// The points, [count][x, y, z].
    pub fn points(&self) -> &[[f32; 3]] {
        &self.points
    }

    /// Directions of the surface, where the source has them.
    pub fn normals(&self) -> Option<&[[f32; 3]]> {
        self.normals.as_deref()
    }

    /// Part labels, where the source has them.
    pub fn parts(&self) -> Option<&[u32]> {
        self.parts.as_deref()
    }

    /// The smallest and the largest coordinate on each axis.
    pub fn bounds(&self) -> ([f32; 3], [f32; 3]) {
        let (mut low, mut high) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        for point in &self.points {
            low = std::array::from_fn(|axis| low[axis].min(point[axis]));
            high = std::array::from_fn(|axis| high[axis].max(point[axis]));
        }
        (low, high)
    }
}

/// Says which point, normal or corner has a coordinate that is not finite or too large.
pub(crate) fn finite(what: &str, points: &[[f32; 3]]) -> Result<(), String> {
    let fits = |v: &f32| v.abs() <= MAX_COORDINATE;
    match points.iter().position(|p| !p.iter().all(fits)) {
        Some(at) => Err(format!(
            "{what} {at} is {:?}, expected finite coordinates up to {MAX_COORDINATE:e} in magnitude",
            points[at]
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_is_never_empty_and_never_holds_a_number_that_is_not_finite() {
        let error = Cloud::new(vec![]).unwrap_err().to_string();
        assert!(error.contains("no points"), "{error}");
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2e18] {
            let error = Cloud::new(vec![[0.0; 3], [1.0, bad, 0.0]]).unwrap_err().to_string();
            assert!(error.contains("point 1 is"), "{error}");
            let cloud = Cloud::new(vec![[0.0; 3]]).unwrap();
            assert!(cloud.with_normals(vec![[f32::NAN, 0.0, 1.0]]).is_err());
        }
        assert!(Cloud::new(vec![[-1e18; 3]; 9]).is_ok());
    }

    #[test]
    fn normals_and_parts_have_one_entry_a_point() {
        let cloud = || Cloud::new(vec![[0.0; 3]; 2]).unwrap();
        assert!(cloud().with_normals(vec![[0.0, 1.0, 0.0]]).is_err());
        assert!(cloud().with_parts(vec![1, 2, 3]).is_err());
        let full = cloud().with_parts(vec![4, 5]).unwrap().with_normals(vec![[0.0, 1.0, 0.0]; 2]).unwrap();
        assert_eq!((full.parts(), full.normals().map(<[_]>::len)), (Some(&[4, 5][..]), Some(2)));
    }

    #[test]
    fn bounds_enclose_every_point() {
        let cloud = Cloud::new(vec![[1.0, -2.0, 3.0], [-1.0, 5.0, 3.5]]).unwrap();
        assert_eq!(cloud.bounds(), ([-1.0, -2.0, 3.0], [1.0, 5.0, 3.5]));
    }
}
