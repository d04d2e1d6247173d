//! Triangles, and points drawn from them uniformly by area.

use jepa_core::error::{Error, Result};
use jepa_core::random::Draw;

use super::cloud::{self, Cloud};

/// A surface of triangles. Corners are finite, every triangle names corners that exist, and the area is above zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    corners: Vec<[f32; 3]>,
    triangles: Vec<[u32; 3]>,
    /// Area up to and including each triangle.
    areas: Vec<f64>,
}

impl Mesh {
    /// A mesh of corners, [count][x, y, z], and triangles of corner numbers.
    pub fn new(corners: Vec<[f32; 3]>, triangles: Vec<[u32; 3]>) -> Result<Self> {
        Self::checked(corners, triangles).map_err(|problem| Error::data("mesh", problem))
    }

    /// [`Self::new`] with the problem alone, for readers that know the file.
    pub(crate) fn checked(corners: Vec<[f32; 3]>, triangles: Vec<[u32; 3]>) -> Result<Self, String> {
        cloud::finite("corner", &corners)?;
        let count = corners.len();
        let mut areas = Vec::with_capacity(triangles.len());
        let mut total = 0.0;
        for (number, triangle) in triangles.iter().enumerate() {
            let Some([a, b, c]) = corners_of(&corners, triangle) else {
                return Err(format!("triangle {number} names corners {triangle:?}, there are {count}"));
            };
            total += 0.5 * length(cross(minus(b, a), minus(c, a)));
            areas.push(total);
        }
        if total.is_nan() || total <= 0.0 {
            return Err(format!("its {} triangles have no area to draw points from", triangles.len()));
        }
        Ok(Self { corners, triangles, areas })
    }

    /// The corners, [count][x, y, z].
    pub fn corners(&self) -> &[[f32; 3]] {
        &self.corners
    }

    /// Corner numbers of each triangle.
    pub fn triangles(&self) -> &[[u32; 3]] {
        &self.triangles
    }

    /// Area of the whole surface, in square units of the file.
    pub fn area(&self) -> f64 {
        self.areas.last().copied().unwrap_or(0.0)
    }

    /// Draws `count` points independently and uniformly by area, with the normals of their triangles (length 1).
    pub fn sample(&self, count: usize, draw: &mut impl Draw) -> Result<Cloud> {
        Ok(self.sample_numbered(count, draw)?.0)
    }

    /// [`Self::sample`], and the number of the triangle each point lies on.
    pub fn sample_numbered(&self, count: usize, draw: &mut impl Draw) -> Result<(Cloud, Vec<u32>)> {
        let mut points = Vec::with_capacity(count);
        let mut normals = Vec::with_capacity(count);
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count {
            let at = unit(draw) * self.area();
            let number = self.areas.partition_point(|area| *area <= at).min(self.triangles.len() - 1);
            let Some([a, b, c]) = corners_of(&self.corners, &self.triangles[number]) else { continue };
            let (ab, ac) = (minus(b, a), minus(c, a));
            // Folding the far half of the parallelogram back keeps the triangle uniform.
            let (mut u, mut v) = (unit(draw), unit(draw));
            if u + v > 1.0 {
                (u, v) = (1.0 - u, 1.0 - v);
            }
            points.push(std::array::from_fn(|i| (a[i] + u * ab[i] + v * ac[i]) as f32));
            let normal = cross(ab, ac);
            let length = length(normal);
            normals.push(if length > 0.0 { normal.map(|n| (n / length) as f32) } else { [0.0; 3] });
            numbers.push(number as u32);
        }
        let cloud = Cloud::checked(points, Some(normals), None).map_err(|problem| Error::data("mesh", problem))?;
        Ok((cloud, numbers))
    }
}

/// Splits a polygon of corner numbers into triangles that share its first corner.
pub(crate) fn fan(polygon: &[u32], triangles: &mut Vec<[u32; 3]>) {
    if let [first, rest @ ..] = polygon {
        triangles.extend(rest.windows(2).map(|pair| [*first, pair[0], pair[1]]));
    }
}

/// Uniform in [0, 1), 53 bits.
fn unit(draw: &mut impl Draw) -> f64 {
    (draw.bits() >> 11) as f64 / (1u64 << 53) as f64
}

fn corners_of(corners: &[[f32; 3]], triangle: &[u32; 3]) -> Option<[[f64; 3]; 3]> {
    let corner = |number: u32| corners.get(number as usize).map(|c| c.map(f64::from));
    Some([corner(triangle[0])?, corner(triangle[1])?, corner(triangle[2])?])
}

fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn length(a: [f64; 3]) -> f64 {
    (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    /// Two rectangles, one of area 1 at z = 0 and one of area 3 at z = 1, cut into triangles of unequal size.
    fn rectangles() -> Mesh {
        let corners = [
            ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]),
            ([0.0, 0.0, 1.0], [3.0, 0.0, 1.0], [3.0, 1.0, 1.0], [0.0, 1.0, 1.0]),
        ];
        let corners: Vec<[f32; 3]> = corners.into_iter().flat_map(|(a, b, c, d)| [a, b, c, d]).collect();
        let mut triangles = vec![];
        fan(&[0, 1, 2, 3], &mut triangles);
        fan(&[4, 5, 6, 7], &mut triangles);
        Mesh::new(corners, triangles).unwrap()
    }

    #[test]
    fn points_are_drawn_by_area_and_lie_on_their_triangles() {
        let mesh = rectangles();
        assert!((mesh.area() - 4.0).abs() < 1e-9);
        let cloud = mesh.sample(40_000, &mut Stream::new(1, Purpose::Test, 0, 0)).unwrap();
        // Cells of equal area over both rectangles: each expects 40,000 / 64 = 625 points, standard deviation 25.
        let mut cells = [0u32; 64];
        for (point, normal) in cloud.points().iter().zip(cloud.normals().unwrap()) {
            assert!((point[2] == 0.0 && point[0] <= 1.0) || (point[2] == 1.0 && point[0] <= 3.0));
            assert_eq!(*normal, [0.0, 0.0, 1.0]);
            let (column, row) = ((point[0] * 4.0) as usize, (point[1] * 4.0) as usize);
            cells[if point[2] == 0.0 { row * 4 + column } else { 16 + row * 12 + column }] += 1;
        }
        let chi: f64 = cells.iter().map(|&n| (f64::from(n) - 625.0).powi(2) / 625.0).sum();
        // 63 degrees of freedom: mean 63, standard deviation 11.2.
        assert!(chi < 63.0 + 4.0 * 11.2, "{chi}");
    }

    #[test]
    fn one_stream_gives_one_cloud() {
        let draw = |seed| rectangles().sample(64, &mut Stream::new(seed, Purpose::Test, 0, 0)).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn triangles_without_area_are_never_drawn() {
        let corners = vec![[0.0; 3], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        let mesh = Mesh::new(corners, vec![[0, 1, 2], [0, 1, 3], [3, 3, 3]]).unwrap();
        let cloud = mesh.sample(500, &mut Stream::new(1, Purpose::Test, 0, 0)).unwrap();
        assert!(cloud.normals().unwrap().iter().all(|n| *n == [0.0, 0.0, 1.0]));
    }

    #[test]
    fn a_mesh_that_cannot_be_sampled_says_why() {
        let corners = vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        for (corners, triangles, expected) in [
            (corners.clone(), vec![], "no area"),
            (corners.clone(), vec![[0, 0, 1]], "no area"),
            (corners.clone(), vec![[0, 1, 3]], "there are 3"),
            (vec![[f32::NAN; 3]; 3], vec![[0, 1, 2]], "finite"),
        ] {
            let error = Mesh::new(corners, triangles).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_polygon_becomes_a_fan() {
        let mut triangles = vec![];
        for polygon in [&[][..], &[1], &[1, 2], &[1, 2, 3, 4]] {
            fan(polygon, &mut triangles);
        }
        assert_eq!(triangles, [[1, 2, 3], [1, 3, 4]]);
    }
}
