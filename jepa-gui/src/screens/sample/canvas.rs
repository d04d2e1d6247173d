//! Draws a scene with colours of its tokens, and finds the token under the pointer. It knows two kinds of scene and no
//! modality.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use egui::{
    Color32, ColorImage, CornerRadius, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, Vec2, WidgetInfo,
};
use jepa_core::plugin::{Film, Points, Scene};

use super::paint::Paint;
use super::view::View;
use crate::screens::embeddings::camera::Projector;
use crate::theme::Theme;

/// A scene on the screen; the texture of a frame is kept as long as neither it nor its colours change.
#[derive(Default)]
pub struct Canvas {
    texture: Option<(u64, TextureHandle)>,
}

impl std::fmt::Debug for Canvas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canvas").field("drawn", &self.texture.is_some()).finish()
    }
}

/// What is to be drawn, and what pointing at it means.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// What it is called by those who cannot see it.
    pub label: &'a str,
    /// The scene.
    pub scene: &'a Scene,
    /// Which sample it is of: others have other textures.
    pub revision: u64,
    /// Colours of its tokens.
    pub paint: &'a Paint,
    /// A token to be marked.
    pub marked: Option<u32>,
    /// What the pointer may do.
    pub sense: Sense,
}

/// Where the parts of a drawn scene are.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// What the pointer did.
    pub response: Response,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// Pixels of a frame: width, height, points a pixel.
    Pixels([usize; 2], f32),
    /// Places of points and how near they are.
    Spots(Vec<Option<(Pos2, f32)>>),
}

/// Points from the pointer within which a point is meant.
const REACH: f32 = 14.0;
/// Points drawn in a picture that is small.
const FEW: usize = 300;
/// Side below which a picture is small, in points.
const SMALL: f32 = 170.0;

impl Canvas {
    /// Draws the picture into a box of at most `bounds`, at its own shape.
    pub fn show(&mut self, ui: &mut Ui, picture: Picture<'_>, view: &View, bounds: Vec2) -> Drawn {
        let bounds = bounds.max(Vec2::splat(8.0));
        let size = match picture.scene {
            Scene::Film(film) => {
                let size = Vec2::new(film.width.max(1) as f32, film.height.max(1) as f32);
                size * (bounds.x / size.x).min(bounds.y / size.y)
            }
            Scene::Points(_) => Vec2::new(bounds.x, bounds.y.min(bounds.x)),
        };
        let (rect, response) = ui.allocate_exact_size(size, picture.sense);
        let role = if picture.sense.senses_click() { Role::Button } else { Role::Image };
        response.widget_info(|| WidgetInfo::labeled(role, true, picture.label));
        let frame = view.frame.min(picture.scene.frames().saturating_sub(1));
        let place = match picture.scene {
            Scene::Film(film) => self.film(ui, rect, film, frame, &picture),
            Scene::Points(points) => spots(ui, rect, points, frame, &picture, view),
        };
        if response.has_focus() {
            let stroke = Stroke::new(1.5, Theme::of(ui.ctx()).accent());
            ui.painter().rect_stroke(rect, CornerRadius::same(3), stroke, StrokeKind::Outside);
        }
        Drawn { response, place }
    }

    /// Draws it anew next time.
    pub fn forget(&mut self) {
        self.texture = None;
    }

    fn film(&mut self, ui: &Ui, rect: Rect, film: &Film, frame: usize, picture: &Picture<'_>) -> Place {
        let place = Place::Pixels([film.width, film.height], rect.width() / film.width.max(1) as f32);
        let Some(shown) = film.frames.get(frame) else { return place };
        let key = key(frame, picture);
        if self.texture.as_ref().is_none_or(|(known, _)| *known != key) {
            let shade = |(rgb, token): (&[u8], &Option<u32>)| {
                picture.paint.shade(Color32::from_rgb(rgb[0], rgb[1], rgb[2]), *token)
            };
            let mut pixels: Vec<Color32> = shown.rgb.chunks_exact(3).zip(&shown.tokens).map(shade).collect();
            pixels.resize(film.width * film.height, Color32::BLACK);
            let size = Vec2::new(film.width as f32, film.height as f32);
            let image = ColorImage { size: [film.width, film.height], source_size: size, pixels };
            let texture = ui.ctx().load_texture(picture.label, image, TextureOptions::NEAREST);
            self.texture = Some((key, texture));
        }
        if let Some((_, texture)) = &self.texture {
            let uv = Rect::from_min_max(Pos2::ZERO, egui::pos2(1.0, 1.0));
            ui.painter().image(texture.id(), rect, uv, Color32::WHITE);
        }
        if let Some(area) = picture.marked.and_then(|token| area(&shown.tokens, film.width, token)) {
            let scale = rect.width() / film.width.max(1) as f32;
            let area = Rect::from_min_max(rect.min + area.min.to_vec2() * scale, rect.min + area.max.to_vec2() * scale);
            mark(ui, area);
        }
        place
    }
}

/// Everything that a texture depends on.
fn key(frame: usize, picture: &Picture<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Paint { tints, opacity, rest } = picture.paint;
    (frame, picture.revision, opacity.to_bits(), rest.to_bits(), tints).hash(&mut hasher);
    hasher.finish()
}

/// The box around the pixels of a token, in pixels.
fn area(tokens: &[Option<u32>], width: usize, token: u32) -> Option<Rect> {
    let mut area = Rect::NOTHING;
    for (at, _) in tokens.iter().enumerate().filter(|(_, other)| **other == Some(token)) {
        let corner = egui::pos2((at % width.max(1)) as f32, (at / width.max(1)) as f32);
        area = area.union(Rect::from_min_size(corner, Vec2::splat(1.0)));
    }
    area.is_positive().then_some(area)
}

fn mark(ui: &Ui, area: Rect) {
    let painter = ui.painter();
    painter.rect_stroke(area.expand(1.0), CornerRadius::ZERO, Stroke::new(1.0, Color32::BLACK), StrokeKind::Outside);
    painter.rect_stroke(area, CornerRadius::ZERO, Stroke::new(1.5, Color32::WHITE), StrokeKind::Inside);
}

fn spots(ui: &Ui, rect: Rect, points: &Points, frame: usize, picture: &Picture<'_>, view: &View) -> Place {
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.rect_filled(rect, CornerRadius::same(3), Color32::from_gray(18));
    let empty = Vec::new();
    let shown = points.frames.get(frame).unwrap_or(&empty);
    let tokens = picture.scene.tokens(frame);
    let projector: Projector = view.camera.projector(rect);
    let spots: Vec<Option<(Pos2, f32)>> = shown.iter().map(|place| place.map(|place| projector.at(place))).collect();
    let token = |at: usize| tokens.get(at).copied().flatten();
    let colour = |at: usize, near: f32| {
        let light = (165.0 + 60.0 * near.clamp(-1.0, 1.0)) as u8;
        picture.paint.shade(Color32::from_gray(light), token(at))
    };
    for [a, b] in &points.bones {
        let ends = [*a, *b].map(|end| spots.get(end as usize).copied().flatten());
        if let [Some((from, near)), Some((to, _))] = ends {
            // Half of a bone belongs to each of its joints.
            let middle = from + (to - from) / 2.0;
            painter.line_segment([from, middle], Stroke::new(2.0, colour(*a as usize, near)));
            painter.line_segment([middle, to], Stroke::new(2.0, colour(*b as usize, near)));
        }
    }
    let is_small = rect.width().min(rect.height()) < SMALL;
    let step = if is_small { (spots.len() / FEW).max(1) } else { 1 };
    let mut order: Vec<(usize, Pos2, f32)> =
        (0..spots.len()).step_by(step).filter_map(|at| spots[at].map(|(place, near)| (at, place, near))).collect();
    order.sort_by(|a, b| a.2.total_cmp(&b.2));
    let side = rect.width().min(rect.height());
    let radius = if points.bones.is_empty() {
        (side / (spots.len().max(1) as f32 / step as f32).sqrt() * 0.28).clamp(1.2, 5.0)
    } else {
        (side / 60.0).clamp(1.5, 5.0)
    };
    let dots = order
        .iter()
        .map(|(at, place, near)| Shape::circle_filled(*place, radius * projector.grown(*near), colour(*at, *near)));
    painter.extend(dots);
    if let Some(marked) = picture.marked {
        let of_token = order.iter().filter(|(at, ..)| token(*at) == Some(marked));
        let rings = of_token.map(|(_, place, near)| {
            Shape::circle_stroke(*place, radius * projector.grown(*near) + 1.0, Stroke::new(1.0, Color32::WHITE))
        });
        painter.extend(rings);
    }
    Place::Spots(spots)
}

impl Drawn {
    /// Parts of the scene (pixels or points of a frame) within `radius` points of a place on the screen; without a radius
    /// the one that is meant.
    pub fn parts(&self, at: Pos2, radius: f32) -> Vec<usize> {
        match &self.place {
            Place::Pixels([width, height], scale) => {
                let place = (at - self.response.rect.min) / *scale;
                let reach = radius / *scale;
                let span = |middle: f32, end: usize| {
                    let (low, high) = ((middle - reach).floor().max(0.0), (middle + reach).floor());
                    if high < 0.0 { 0..0 } else { (low as usize).min(end)..(high as usize + 1).min(end) }
                };
                let mut found = Vec::new();
                for y in span(place.y, *height) {
                    for x in span(place.x, *width) {
                        let away = Vec2::new(x as f32 + 0.5, y as f32 + 0.5) - place;
                        if reach <= 0.0 || away.length() <= reach.max(0.75) {
                            found.push(y * width + x);
                        }
                    }
                }
                found
            }
            Place::Spots(spots) => {
                let near = |at: &Pos2, spot: &Option<(Pos2, f32)>| spot.map(|(place, _)| place.distance(*at));
                if radius > 0.0 {
                    let inside = |i: &usize| near(&at, &spots[*i]).is_some_and(|away| away <= radius);
                    return (0..spots.len()).filter(inside).collect();
                }
                let meant = (0..spots.len()).filter_map(|i| Some((i, near(&at, &spots[i])?)));
                let meant = meant.filter(|(_, away)| *away <= REACH).min_by(|a, b| a.1.total_cmp(&b.1));
                meant.map(|(i, _)| i).into_iter().collect()
            }
        }
    }

    /// The token under a place on the screen.
    pub fn token(&self, at: Pos2, tokens: &[Option<u32>]) -> Option<u32> {
        self.parts(at, 0.0).first().and_then(|part| tokens.get(*part).copied().flatten())
    }

    /// The middle of every token on the screen, as far as it is there.
    fn middles(&self, tokens: &[Option<u32>]) -> Vec<Option<Pos2>> {
        let count = tokens.iter().flatten().max().map_or(0, |token| *token as usize + 1);
        let mut sums = vec![(Vec2::ZERO, 0u32); count];
        for (part, token) in tokens.iter().enumerate() {
            let Some(token) = token else { continue };
            let at = match &self.place {
                Place::Pixels([width, _], scale) => {
                    let width = (*width).max(1);
                    Some(Vec2::new((part % width) as f32 + 0.5, (part / width) as f32 + 0.5) * *scale)
                }
                Place::Spots(spots) => spots.get(part).copied().flatten().map(|(at, _)| at.to_vec2()),
            };
            if let Some(at) = at {
                sums[*token as usize].0 += at;
                sums[*token as usize].1 += 1;
            }
        }
        sums.into_iter().map(|(sum, count)| (count > 0).then(|| (sum / count as f32).to_pos2())).collect()
    }

    /// The nearest token in a direction; itself where there is none.
    pub fn neighbour(&self, token: u32, direction: Vec2, tokens: &[Option<u32>]) -> u32 {
        let middles = self.middles(tokens);
        let Some(from) = middles.get(token as usize).copied().flatten() else {
            // It is not seen in this frame: begin with one that is.
            return middles.iter().position(Option::is_some).map_or(token, |first| first as u32);
        };
        let cost = |to: Pos2| {
            let way = to - from;
            let (along, aside) = (way.dot(direction), way.dot(direction.rot90()).abs());
            (along > 0.5 && aside <= 1.5 * along).then_some(along + 2.0 * aside)
        };
        let costs = middles.iter().enumerate().filter_map(|(other, to)| Some((other, cost((*to)?)?)));
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(token, |(other, _)| other as u32)
    }
}

#[cfg(test)]
mod tests {
    use jepa_core::plugin::Preview;

    use super::*;

    fn shown(scene: &Scene, view: &View, check: impl Fn(&Drawn)) {
        let context = egui::Context::default();
        let output = context.run_ui(Default::default(), |ui| {
            let paint = Paint::plain();
            let picture = Picture {
                label: "a picture",
                scene,
                revision: 0,
                paint: &paint,
                marked: Some(0),
                sense: Sense::click(),
            };
            check(&Canvas::default().show(ui, picture, view, Vec2::splat(200.0)));
        });
        output.drop_without_applying_deltas();
    }

    #[test]
    fn a_pixel_is_found_where_it_is_drawn_and_arrows_go_to_the_next_patch() {
        let picture = Preview { width: 4, height: 4, rgb: vec![90; 48], grid: [2, 2] };
        let tokens = picture.evenly();
        let scene = Scene::still(&picture, tokens.clone());
        shown(&scene, &View::default(), |drawn| {
            let rect = drawn.response.rect;
            assert_eq!(rect.size(), Vec2::splat(200.0));
            let at = |x: f32, y: f32| drawn.token(rect.min + Vec2::new(x, y), &tokens);
            assert_eq!(
                [at(10.0, 10.0), at(190.0, 10.0), at(90.0, 110.0), at(-5.0, 10.0)],
                [Some(0), Some(1), Some(2), None]
            );
            // A brush of one pixel's size at a corner of four meets them all, a large one everything.
            assert_eq!(drawn.parts(rect.center(), 50.0).len(), 4);
            assert_eq!(drawn.parts(rect.center(), 400.0).len(), 16);
            let next = |token, x, y| drawn.neighbour(token, Vec2::new(x, y), &tokens);
            assert_eq!((next(0, 1.0, 0.0), next(0, 0.0, 1.0), next(0, -1.0, 0.0), next(3, 0.0, -1.0)), (1, 2, 0, 1));
        });
    }

    #[test]
    fn of_points_the_nearest_is_meant_and_absent_ones_are_nowhere() {
        let places = vec![Some([-1.0, 0.0, 0.0]), Some([1.0, 0.0, 0.0]), None];
        let tokens = vec![Some(4), Some(7), Some(9)];
        let points =
            Points { frames: vec![places], tokens: vec![tokens.clone()], bones: vec![[0, 1], [1, 2]], rate: 1.0 };
        let scene = Scene::Points(points);
        let mut view = View::default();
        view.fit(&scene);
        (view.camera.yaw, view.camera.pitch) = (0.0, 0.0);
        shown(&scene, &view, |drawn| {
            let (left, right) = (drawn.response.rect.left_center(), drawn.response.rect.right_center());
            let inside = Vec2::new(0.04 * drawn.response.rect.width(), 0.0);
            assert_eq!(drawn.token(left + inside, &tokens), Some(4));
            assert_eq!(drawn.token(right - inside, &tokens), Some(7));
            assert_eq!(drawn.token(drawn.response.rect.center(), &tokens), None);
            assert_eq!(drawn.neighbour(4, Vec2::new(1.0, 0.0), &tokens), 7);
            assert_eq!(drawn.parts(drawn.response.rect.center(), 500.0), [0, 1]);
        });
    }
}
