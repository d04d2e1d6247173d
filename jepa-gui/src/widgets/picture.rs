//! A sample as a picture with what is known of its tokens: which are seen, which are to be predicted, how far off a
//! prediction is. It works on every modality, because a picture says which token each pixel shows.

use egui::{Color32, ColorImage, TextureHandle, TextureOptions, Ui};
use jepa_core::plugin::SamplePicture;

use crate::theme::{Theme, rgb, sequential};

/// What is laid over a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    /// Nothing.
    Plain,
    /// The context lit, blocks to be predicted outlined in their colours, the rest dark; of one mask generator.
    Masks {
        /// Number of the mask generator.
        generator: usize,
        /// Only this block; all when absent.
        block: Option<usize>,
    },
    /// What the context encoder sees, all else black.
    Seen {
        /// Number of the mask generator.
        generator: usize,
    },
    /// A value of each token, 0 to 1, as colours of the sequential map; what has no value stays grey.
    Heat(Vec<Option<f32>>),
    /// A colour of each token.
    Colors(Vec<[u8; 3]>),
}

/// A picture on the screen, kept as a texture as long as neither it nor its overlay changes.
#[derive(Default)]
pub struct PictureView {
    texture: Option<(Overlay, bool, TextureHandle)>,
    size: [usize; 2],
    factor: usize,
}

impl std::fmt::Debug for PictureView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PictureView").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Pixels along the shorter side that a picture is at least enlarged to, so that outlines are thin.
const ENLARGED: usize = 160;

impl PictureView {
    /// Draws the picture into a box; returns the response and the token under the pointer.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        name: &str,
        sample: &SamplePicture,
        overlay: &Overlay,
        bounds: egui::Vec2,
    ) -> (egui::Response, Option<u32>) {
        let dark = Theme::of(ui.ctx()).dark;
        let fresh = self.texture.as_ref().is_none_or(|(known, theme, _)| known != overlay || *theme != dark);
        if fresh {
            let shorter = sample.picture.width.min(sample.picture.height).max(1);
            self.factor = ENLARGED.div_ceil(shorter).clamp(1, 12);
            let image = paint(sample, overlay, self.factor, Theme { dark });
            self.size = image.size;
            let texture = ui.ctx().load_texture(format!("{name} {}", sample.index), image, TextureOptions::LINEAR);
            self.texture = Some((overlay.clone(), dark, texture));
        }
        let [width, height] = self.size.map(|v| v.max(1) as f32);
        let scale = (bounds.x / width).min(bounds.y / height);
        let size = egui::vec2(width, height) * scale;
        let Some((_, _, texture)) = &self.texture else {
            return (ui.allocate_response(size, egui::Sense::hover()), None);
        };
        let image = egui::Image::new((texture.id(), size))
            .fit_to_exact_size(size)
            .corner_radius(3.0)
            .sense(egui::Sense::click());
        let response = ui.add(image.alt_text(name));
        let token = response.hover_pos().and_then(|at| {
            let place = (at - response.rect.min) / scale / self.factor.max(1) as f32;
            let (x, y) = (place.x.max(0.0) as usize, place.y.max(0.0) as usize);
            let inside = x < sample.picture.width && y < sample.picture.height;
            inside.then(|| sample.tokens.get(y * sample.picture.width + x).copied().flatten())?
        });
        (response, token)
    }

    /// Draws it anew next time: the sample is another one.
    pub fn forget(&mut self) {
        self.texture = None;
    }
}

/// The pixels of a picture with its overlay, enlarged `factor` times.
pub fn paint(sample: &SamplePicture, overlay: &Overlay, factor: usize, theme: Theme) -> ColorImage {
    let (width, height) = (sample.picture.width, sample.picture.height);
    let pixel = |at: usize| match sample.picture.rgb.get(3 * at..3 * at + 3) {
        Some([r, g, b]) => Color32::from_rgb(*r, *g, *b),
        _ => Color32::BLACK,
    };
    // Methods that hide nothing have no masks to show.
    let overlay = match overlay {
        Overlay::Masks { generator, .. } | Overlay::Seen { generator } if sample.masks.len() <= *generator => {
            &Overlay::Plain
        }
        overlay => overlay,
    };
    let roles = Roles::of(sample, overlay);
    let shade = |at: usize| -> Color32 {
        let (own, token) = (pixel(at), sample.tokens.get(at).copied().flatten());
        match (overlay, token) {
            (Overlay::Plain, _) => own,
            (Overlay::Heat(values), Some(token)) => match values.get(token as usize).copied().flatten() {
                Some(value) => mix(grey(own), sequential(value), 0.72),
                None => scaled(grey(own), 0.45),
            },
            (Overlay::Colors(colors), Some(token)) => {
                colors.get(token as usize).map_or(own, |[r, g, b]| Color32::from_rgb(*r, *g, *b))
            }
            (Overlay::Heat(_) | Overlay::Colors(_), None) => scaled(grey(own), 0.3),
            (Overlay::Masks { .. }, Some(token)) => match roles.of_token(token) {
                Role::Seen => own,
                Role::Target(block) => mix(own, Theme { dark: true }.category(block), 0.5),
                Role::Neither => scaled(own, 0.28),
            },
            (Overlay::Seen { .. }, Some(token)) => match roles.of_token(token) {
                Role::Seen => own,
                Role::Target(_) | Role::Neither => scaled(own, 0.1),
            },
            (Overlay::Masks { .. } | Overlay::Seen { .. }, None) => scaled(own, 0.28),
        }
    };
    let small: Vec<Color32> = (0..width * height).map(shade).collect();
    let mut image = ColorImage::filled([width * factor, height * factor], theme_ground(theme));
    for y in 0..height * factor {
        for x in 0..width * factor {
            image.pixels[y * width * factor + x] = small[y / factor * width + x / factor];
        }
    }
    if let Overlay::Masks { .. } = overlay {
        outline(&mut image, sample, &roles, factor);
    }
    image
}

fn theme_ground(theme: Theme) -> Color32 {
    if theme.dark { Color32::BLACK } else { rgb(0xFFFFFF) }
}

/// What a token is to a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Seen,
    Target(usize),
    Neither,
}

struct Roles(Vec<Role>);

impl Roles {
    fn of(sample: &SamplePicture, overlay: &Overlay) -> Self {
        let (generator, block) = match overlay {
            Overlay::Masks { generator, block } => (*generator, *block),
            Overlay::Seen { generator } => (*generator, None),
            _ => return Self(Vec::new()),
        };
        let Some(masks) = sample.masks.get(generator) else { return Self(Vec::new()) };
        let every = masks.context.iter().chain(&masks.target).flatten();
        let mut roles = vec![Role::Neither; every.max().map_or(0, |m| *m as usize + 1)];
        masks.context.iter().flatten().for_each(|token| roles[*token as usize] = Role::Seen);
        for (number, tokens) in masks.target.iter().enumerate().filter(|(i, _)| block.is_none_or(|b| b == *i)) {
            tokens.iter().for_each(|token| roles[*token as usize] = Role::Target(number));
        }
        Self(roles)
    }

    fn of_token(&self, token: u32) -> Role {
        self.0.get(token as usize).copied().unwrap_or(Role::Neither)
    }
}

/// Lines around every block that is to be predicted.
fn outline(image: &mut ColorImage, sample: &SamplePicture, roles: &Roles, factor: usize) {
    let (width, height) = (sample.picture.width, sample.picture.height);
    let role = |x: usize, y: usize| sample.tokens[y * width + x].map(|token| roles.of_token(token));
    // Scattered pixels, as of a point cloud, have no outline worth drawing.
    if sample.picture.grid[0] == 1 && sample.tokens.iter().any(Option::is_none) {
        return;
    }
    let thick = (factor / 4).clamp(1, 2);
    for y in 0..height {
        for x in 0..width {
            let Some(Role::Target(block)) = role(x, y) else { continue };
            let color = Theme { dark: true }.category(block);
            let differs = |dx: isize, dy: isize| {
                let (nx, ny) = (x.checked_add_signed(dx), y.checked_add_signed(dy));
                match (nx.filter(|v| *v < width), ny.filter(|v| *v < height)) {
                    (Some(nx), Some(ny)) => role(nx, ny) != Some(Role::Target(block)),
                    _ => true,
                }
            };
            let sides = [differs(-1, 0), differs(1, 0), differs(0, -1), differs(0, 1)];
            for (i, j) in (0..factor).flat_map(|j| (0..factor).map(move |i| (i, j))) {
                let near = [i < thick, i + thick >= factor, j < thick, j + thick >= factor];
                if sides.iter().zip(near).any(|(side, near)| *side && near) {
                    image.pixels[(y * factor + j) * width * factor + x * factor + i] = color;
                }
            }
        }
    }
}

fn mix(a: Color32, b: Color32, share: f32) -> Color32 {
    let of = |a: u8, b: u8| (f32::from(a) * (1.0 - share) + f32::from(b) * share) as u8;
    Color32::from_rgb(of(a.r(), b.r()), of(a.g(), b.g()), of(a.b(), b.b()))
}

fn scaled(color: Color32, by: f32) -> Color32 {
    mix(Color32::BLACK, color, by)
}

fn grey(color: Color32) -> Color32 {
    let light = (0.3 * f32::from(color.r()) + 0.59 * f32::from(color.g()) + 0.11 * f32::from(color.b())) as u8;
    Color32::from_gray(light)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::plugin::{Preview, TokenSets};

    fn sample() -> SamplePicture {
        let picture = Preview { width: 2, height: 2, rgb: vec![200; 12], grid: [2, 2] };
        let tokens = picture.evenly();
        let masks = vec![TokenSets { context: vec![vec![0]], target: vec![vec![3], vec![1]] }];
        SamplePicture { index: 0, name: "s".into(), label: None, picture, tokens, masks }
    }

    fn pixels(overlay: Overlay) -> Vec<Color32> {
        paint(&sample(), &overlay, 8, Theme { dark: true }).pixels
    }

    /// The middle of each of the four tokens, away from outlines.
    const MIDDLES: [usize; 4] = [4 * 16 + 4, 4 * 16 + 12, 12 * 16 + 4, 12 * 16 + 12];

    #[test]
    fn the_context_is_lit_targets_have_their_colour_and_the_rest_is_dark() {
        let all = pixels(Overlay::Masks { generator: 0, block: None });
        let [seen, second, hidden, first] = MIDDLES.map(|at| all[at]);
        assert_eq!(seen, Color32::from_gray(200));
        assert!(hidden.r() < 80 && first != second && first != seen);
        let one = pixels(Overlay::Masks { generator: 0, block: Some(0) });
        assert_eq!(one[MIDDLES[1]], hidden, "another block is as dark as the rest");
        let border = all[8 * 16 + 8];
        assert_eq!(border, Theme { dark: true }.category(0));
        let mut hides_nothing = sample();
        hides_nothing.masks.clear();
        let plain = paint(&hides_nothing, &Overlay::Masks { generator: 0, block: None }, 8, Theme { dark: true });
        assert_eq!(plain.pixels, pixels(Overlay::Plain));
        let seen_only = pixels(Overlay::Seen { generator: 0 });
        assert_eq!(seen_only[MIDDLES[0]], seen);
        assert!(seen_only[MIDDLES[3]].r() <= 20);
    }

    #[test]
    fn masks_and_values_that_do_not_fit_the_picture_do_no_harm() {
        let mut odd = sample();
        odd.masks[0].context[0] = vec![900];
        odd.tokens.truncate(1);
        odd.picture.rgb.truncate(2);
        odd.tokens.resize(4, Some(77));
        for overlay in [
            Overlay::Plain,
            Overlay::Masks { generator: 0, block: Some(9) },
            Overlay::Masks { generator: 5, block: None },
            Overlay::Seen { generator: 0 },
            Overlay::Heat(vec![Some(f32::NAN), None]),
            Overlay::Colors(vec![]),
        ] {
            assert_eq!(paint(&odd, &overlay, 1, Theme { dark: false }).pixels.len(), 4);
        }
    }
}
