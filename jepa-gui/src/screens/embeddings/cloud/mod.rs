//! Drawing many points: one draw call of instanced quads where the window draws with wgpu, a mesh elsewhere.

mod gpu;
mod mesh;

use std::sync::Arc;

use egui::{Color32, Rect, Ui};

use super::camera::{Camera, Place};

pub use gpu::install;

/// How much a point stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Stress {
    /// Others are looked at.
    Faint,
    /// As it is.
    #[default]
    Plain,
    /// Selected, or a neighbour of what is looked at.
    Strong,
    /// The one in question.
    Focus,
}

/// Points to be drawn, one a row of the map. Whoever changes one draws a new number for `revision`.
#[derive(Debug, Clone, Default)]
pub struct Points {
    /// Where they are.
    pub places: Arc<Vec<Place>>,
    /// Their colours.
    pub colours: Arc<Vec<Color32>>,
    /// How much they stand out.
    pub stress: Arc<Vec<Stress>>,
    /// Changes whenever one of the above does.
    pub revision: u64,
}

/// A point as it is handed to the graphics device.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Instance {
    place: Place,
    /// Red, green, blue, opacity; not multiplied.
    colour: [u8; 4],
    /// Radius as a multiple of the plain one.
    size: f32,
}

/// Points ready to be drawn, far and faint ones first. Kept between frames: only what changes is made anew.
#[derive(Debug, Default)]
pub struct Cloud {
    instances: Arc<Vec<Instance>>,
    /// What they were made from: revision of the points, and the direction, where it decides the order.
    made_of: Option<(u64, Option<[u32; 2]>)>,
    /// Number of the instances, for the copy on the device.
    version: u64,
}

impl Cloud {
    /// Draws the points into `rect`. `id` tells the clouds of one window apart.
    pub fn draw(&mut self, ui: &Ui, rect: Rect, id: egui::Id, points: &Points, camera: &Camera) {
        let projector = camera.projector(rect);
        let direction = camera.is_solid.then_some([camera.yaw.to_bits(), camera.pitch.to_bits()]);
        if self.made_of != Some((points.revision, direction)) {
            self.made_of = Some((points.revision, direction));
            self.instances = Arc::new(instances(points, camera.is_solid.then_some(projector.axes[2])));
            self.version += 1;
        }
        let radius = radius(points.places.len(), rect);
        if gpu::is_installed(ui.ctx()) {
            let job = gpu::Drawing::new(id, self.instances.clone(), self.version, projector, radius);
            ui.painter().with_clip_rect(rect).add(job.into_shape(rect));
        } else {
            ui.painter().with_clip_rect(rect).add(mesh::of(&self.instances, &projector, radius));
        }
    }
}

/// Points of a crowd are smaller: together they cover a third of the plot at most.
fn radius(count: usize, rect: Rect) -> f32 {
    (rect.area() / (3.0 * std::f32::consts::PI * count.max(1) as f32)).sqrt().clamp(1.5, 4.0)
}

/// The points in the order they are drawn: what stands out comes last, and in space what is near.
fn instances(points: &Points, towards: Option<[f32; 3]>) -> Vec<Instance> {
    let stress = |row: usize| points.stress.get(row).copied().unwrap_or_default();
    let mut order: Vec<(Stress, f32, u32)> = points
        .places
        .iter()
        .enumerate()
        .map(|(row, place)| {
            let near = towards.map_or(0.0, |axis| place.iter().zip(axis).map(|(a, b)| a * b).sum());
            (stress(row), near, row as u32)
        })
        .collect();
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let instance = |(stress, _, row): (Stress, f32, u32)| {
        let colour = points.colours.get(row as usize).copied().unwrap_or(Color32::GRAY);
        let (opacity, size) = match stress {
            Stress::Faint => (40, 0.9),
            Stress::Plain => (215, 1.0),
            Stress::Strong => (255, 1.35),
            Stress::Focus => (255, 2.1),
        };
        Instance { place: points.places[row as usize], colour: [colour.r(), colour.g(), colour.b(), opacity], size }
    };
    order.into_iter().map(instance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(stress: Vec<Stress>) -> Points {
        Points {
            places: Arc::new(vec![[0.0, 0.0, 3.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]),
            colours: Arc::new(vec![Color32::RED, Color32::GREEN, Color32::BLUE]),
            stress: Arc::new(stress),
            revision: 1,
        }
    }

    #[test]
    fn near_points_cover_far_ones_and_what_stands_out_covers_all() {
        let colours = |points: &Points, towards| -> Vec<[u8; 3]> {
            instances(points, towards).iter().map(|i| [i.colour[0], i.colour[1], i.colour[2]]).collect()
        };
        let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
        let plain = points(vec![Stress::Plain; 3]);
        assert_eq!(colours(&plain, Some([0.0, 0.0, 1.0])), [green, blue, red]);
        assert_eq!(colours(&plain, None), [red, green, blue]);
        let marked = points(vec![Stress::Faint, Stress::Focus, Stress::Plain]);
        assert_eq!(colours(&marked, Some([0.0, 0.0, 1.0])), [red, blue, green]);
    }

    #[test]
    fn a_crowd_is_drawn_with_smaller_points() {
        let rect = Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(800.0, 600.0));
        assert_eq!(radius(10, rect), 4.0);
        assert!(radius(20_000, rect) < 2.0 && radius(1_000_000, rect) == 1.5);
    }
}
