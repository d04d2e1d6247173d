//! Points as an egui mesh of hexagons: for windows and tests without a wgpu device.

use egui::epaint::{Mesh, Vertex, WHITE_UV};
use egui::{Color32, Pos2, Shape, Vec2};

use super::super::camera::Projector;
use super::Instance;

/// Corners of a hexagon with area pi, a disc's of radius 1.
const CORNERS: [Vec2; 6] = {
    const R: f32 = 1.0996;
    const H: f32 = 0.952_28;
    [
        Vec2::new(R, 0.0),
        Vec2::new(R / 2.0, H),
        Vec2::new(-R / 2.0, H),
        Vec2::new(-R, 0.0),
        Vec2::new(-R / 2.0, -H),
        Vec2::new(R / 2.0, -H),
    ]
};

pub(super) fn of(instances: &[Instance], projector: &Projector, radius: f32) -> Shape {
    let mut mesh = Mesh::default();
    mesh.vertices.reserve(6 * instances.len());
    mesh.indices.reserve(12 * instances.len());
    let seen = projector.rect.expand(10.0);
    for instance in instances {
        let (at, near) = projector.at(instance.place);
        if seen.contains(at) {
            let [red, green, blue, opacity] = instance.colour;
            let color = Color32::from_rgba_unmultiplied(red, green, blue, opacity);
            hexagon(&mut mesh, at, radius * instance.size * projector.grown(near), color);
        }
    }
    Shape::mesh(mesh)
}

fn hexagon(mesh: &mut Mesh, at: Pos2, radius: f32, color: Color32) {
    let first = mesh.vertices.len() as u32;
    mesh.vertices.extend(CORNERS.map(|corner| Vertex { pos: at + corner * radius, uv: WHITE_UV, color }));
    for i in 1..5 {
        mesh.indices.extend([first, first + i, first + i + 1]);
    }
}
