//! Surfaces from a few construction steps.

use std::f32::consts::TAU;

use super::super::mesh::{Mesh, fan};

/// Steps of a full turn: the polygon's distance from the circle, 0.1 % of the radius, is below the noise.
const AROUND: usize = 64;

/// A surface under construction, y pointing up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Solid {
    corners: Vec<[f32; 3]>,
    triangles: Vec<[u32; 3]>,
    /// Part of the triangles that have one; those behind them belong to part 0.
    parts: Vec<u32>,
}

impl Solid {
    /// A box around `centre` that reaches `half` to both sides of it.
    pub(crate) fn cuboid(centre: [f32; 3], half: [f32; 3]) -> Self {
        let sign = |bit: usize| if bit == 0 { -1.0 } else { 1.0 };
        let corner = |i: usize| std::array::from_fn(|axis| centre[axis] + sign(i >> axis & 1) * half[axis]);
        let mut solid = Self { corners: (0..8).map(corner).collect(), triangles: vec![], parts: vec![] };
        for face in [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]] {
            fan(&face, &mut solid.triangles);
        }
        solid
    }

    /// A profile of (radius, height) turned about the y axis; radius 0 closes it.
    pub(crate) fn revolve(profile: &[[f32; 2]]) -> Self {
        let ring = |[radius, height]: &[f32; 2]| {
            let (radius, height) = (*radius, *height);
            (0..AROUND).map(move |i| {
                let (sin, cos) = (TAU * i as f32 / AROUND as f32).sin_cos();
                [radius * cos, height, radius * sin]
            })
        };
        let corners = profile.iter().flat_map(ring).collect();
        let mut solid = Self { corners, triangles: vec![], parts: vec![] };
        for row in 1..profile.len() {
            solid.band((row - 1) * AROUND, row * AROUND, AROUND);
        }
        solid
    }

    /// A polygon (counter-clockwise or not, without holes) in x and z, drawn out in y.
    pub(crate) fn extrude(outline: &[[f32; 2]], bottom: f32, top: f32) -> Self {
        let count = outline.len();
        let level = |height: f32| outline.iter().map(move |[x, z]| [*x, height, *z]);
        let mut solid = Self { corners: level(bottom).chain(level(top)).collect(), triangles: vec![], parts: vec![] };
        solid.band(0, count, count);
        for cap in triangulate(outline) {
            solid.triangles.push(cap);
            solid.triangles.push(cap.map(|corner| corner + count as u32));
        }
        solid
    }

    /// A round bar of `radius` along a path, open at its ends.
    pub(crate) fn sweep(path: &[[f32; 3]], radius: f32) -> Self {
        const SIDES: usize = 12;
        let mut solid = Self::default();
        for (at, centre) in path.iter().enumerate() {
            let (before, after) = (path[at.saturating_sub(1)], path[(at + 1).min(path.len() - 1)]);
            let along = unit(std::array::from_fn(|i| after[i] - before[i]));
            // Any direction across will do; the least parallel axis is far from the path's.
            let axis = if along[1].abs() < 0.9 { [0.0, 1.0, 0.0] } else { [1.0, 0.0, 0.0] };
            let side = unit(cross(along, axis));
            let up = cross(side, along);
            solid.corners.extend((0..SIDES).map(|i| {
                let (sin, cos) = (TAU * i as f32 / SIDES as f32).sin_cos();
                std::array::from_fn(|k| centre[k] + radius * (cos * side[k] + sin * up[k]))
            }));
        }
        for row in 1..path.len() {
            solid.band((row - 1) * SIDES, row * SIDES, SIDES);
        }
        solid
    }

    /// Both solids. Parts that stand in one another keep their hidden surfaces, as CAD assemblies do.
    pub(crate) fn with(mut self, other: Self) -> Self {
        let offset = self.corners.len() as u32;
        let others = other.parts_of_all();
        self.parts = self.parts_of_all();
        self.parts.extend(others);
        self.corners.extend(other.corners);
        self.triangles.extend(other.triangles.into_iter().map(|t| t.map(|corner| corner + offset)));
        self
    }

    /// Every corner mapped.
    pub(crate) fn mapped(mut self, map: impl Fn([f32; 3]) -> [f32; 3]) -> Self {
        self.corners.iter_mut().for_each(|corner| *corner = map(*corner));
        self
    }

    /// The whole solid as part `number` of its class.
    pub(crate) fn part(mut self, number: u32) -> Self {
        self.parts = vec![number; self.triangles.len()];
        self
    }

    /// The checked mesh, and the part of each of its triangles.
    pub(crate) fn mesh(self) -> Result<(Mesh, Vec<u32>), String> {
        let parts = self.parts_of_all();
        Ok((Mesh::checked(self.corners, self.triangles)?, parts))
    }

    fn parts_of_all(&self) -> Vec<u32> {
        let rest = std::iter::repeat(0);
        self.parts.iter().copied().chain(rest).take(self.triangles.len()).collect()
    }

    /// Triangles between two rings of `count` corners.
    fn band(&mut self, lower: usize, upper: usize, count: usize) {
        for i in 0..count {
            let j = (i + 1) % count;
            let quad = [lower + i, lower + j, upper + j, upper + i].map(|corner| corner as u32);
            fan(&quad, &mut self.triangles);
        }
    }
}

/// Triangles of a simple polygon, by cutting off ears.
fn triangulate(outline: &[[f32; 2]]) -> Vec<[u32; 3]> {
    let turn = |a: [f32; 2], b: [f32; 2], c: [f32; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let point = |corner: u32| outline[corner as usize];
    let mut left: Vec<u32> = (0..outline.len() as u32).collect();
    let area: f32 = (1..outline.len()).map(|i| turn(outline[0], outline[i - 1], outline[i])).sum();
    if area < 0.0 {
        left.reverse();
    }
    let mut triangles = Vec::new();
    while left.len() > 3 {
        let count = left.len();
        let ear = (0..count).find(|&i| {
            let [a, b, c] = [left[(i + count - 1) % count], left[i], left[(i + 1) % count]];
            let inside = |p: [f32; 2]| {
                turn(point(a), point(b), p) >= 0.0
                    && turn(point(b), point(c), p) >= 0.0
                    && turn(point(c), point(a), p) >= 0.0
            };
            turn(point(a), point(b), point(c)) > 0.0
                && !left.iter().any(|&other| ![a, b, c].contains(&other) && inside(point(other)))
        });
        // A simple polygon always has an ear; of one that is not, the rest is cut as it comes.
        let i = ear.unwrap_or(0);
        triangles.push([left[(i + count - 1) % count], left[i], left[(i + 1) % count]]);
        left.remove(i);
    }
    fan(&left, &mut triangles);
    triangles
}

fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: [f32; 3]) -> [f32; 3] {
    let length = (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).sqrt().max(f32::MIN_POSITIVE);
    a.map(|v| v / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(solid: Solid) -> f64 {
        solid.mesh().unwrap().0.area()
    }

    #[test]
    fn areas_are_those_of_the_text_book() {
        use std::f64::consts::PI;
        let near = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.01, "{found}, {expected}");
        near(area(Solid::cuboid([1.0, 2.0, 3.0], [0.5, 1.0, 1.5])), 2.0 * (2.0 + 3.0 + 6.0));
        near(area(Solid::revolve(&[[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]])), 2.0 * PI + 4.0 * PI);
        near(area(Solid::revolve(&[[1.0, 0.0], [0.0, 1.0]])), PI * 2f64.sqrt());
        let l = [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [1.0, 1.0], [1.0, 3.0], [0.0, 3.0]];
        near(area(Solid::extrude(&l, 0.0, 1.0)), 2.0 * 4.0 + 10.0);
        let mut reversed = l;
        reversed.reverse();
        near(area(Solid::extrude(&reversed, 0.0, 1.0)), 2.0 * 4.0 + 10.0);
        let line: Vec<[f32; 3]> = (0..5).map(|i| [0.0, i as f32, 0.0]).collect();
        near(area(Solid::sweep(&line, 0.5)), 4.0 * 12.0 * 2.0 * 0.5 * (PI / 12.0).sin());
    }

    #[test]
    fn every_triangle_keeps_its_part() {
        let cube = |at: f32| Solid::cuboid([at; 3], [0.5; 3]);
        let (mesh, parts) = cube(0.0).with(cube(2.0).part(1)).with(cube(4.0)).mesh().unwrap();
        assert_eq!(mesh.triangles().len(), parts.len());
        for (triangle, part) in mesh.triangles().iter().zip(parts) {
            let second = (1.0..3.0).contains(&mesh.corners()[triangle[0] as usize][0]);
            assert_eq!(part, u32::from(second));
        }
    }

    #[test]
    fn the_caps_of_a_profile_stay_inside_it() {
        // A U: the gap between its arms stays empty.
        let u = [[0.0, 0.0], [3.0, 0.0], [3.0, 3.0], [2.0, 3.0], [2.0, 1.0], [1.0, 1.0], [1.0, 3.0], [0.0, 3.0]];
        let triangles = triangulate(&u);
        assert_eq!(triangles.len(), 6);
        for triangle in triangles {
            let centre: [f32; 2] =
                std::array::from_fn(|axis| triangle.iter().map(|&c| u[c as usize][axis]).sum::<f32>() / 3.0);
            assert!(!(centre[1] > 1.0 && (1.0..2.0).contains(&centre[0])), "{centre:?}");
        }
    }
}
