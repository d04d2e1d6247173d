//! Colours, spacing and sizes, light and dark. Nothing else in this crate chooses a colour.

mod maps;
mod style;

pub use maps::{diverging, sequential};
pub use style::apply;

use egui::Color32;

/// The colours of the theme in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether the window is dark.
    pub dark: bool,
}

/// How good a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// As it should be.
    Good,
    /// Worth watching.
    Doubtful,
    /// Something is wrong.
    Bad,
}

/// Okabe and Ito's palette without its black, and after it four of Tol's muted ones: safe for colour blindness; a pair
/// for each, on a light and on a dark ground.
const CATEGORIES: [[u32; 2]; 12] = [
    [0x0072B2, 0x56B4E9],
    [0xD55E00, 0xE8743B],
    [0x009E73, 0x2DBE93],
    [0xB5679A, 0xD98CB8],
    [0xC98200, 0xE69F00],
    [0x2F8FC4, 0x9AD4F5],
    [0x8F8500, 0xF0E442],
    [0x882255, 0xC65A90],
    [0x332288, 0x8C7FE0],
    [0x117733, 0x58B368],
    [0x6B6B6B, 0xB0B0B0],
    [0x44AA99, 0x7FD6C9],
];

impl Theme {
    /// The theme of what `ui` is drawn with.
    pub fn of(context: &egui::Context) -> Self {
        Self { dark: context.global_style().visuals.dark_mode }
    }

    /// Category `i` of the one categorical palette; it repeats after [`Self::CATEGORIES`].
    pub fn category(&self, i: usize) -> Color32 {
        rgb(CATEGORIES[i % CATEGORIES.len()][usize::from(self.dark)])
    }

    /// Colours before the palette repeats.
    pub const CATEGORIES: usize = CATEGORIES.len();

    /// Green, amber or red, readable as text on the ground.
    pub fn band(&self, band: Band) -> Color32 {
        rgb(match (band, self.dark) {
            (Band::Good, false) => 0x177245,
            (Band::Good, true) => 0x4CC38A,
            (Band::Doubtful, false) => 0x8F5F00,
            (Band::Doubtful, true) => 0xF0B429,
            (Band::Bad, false) => 0xBB2D2D,
            (Band::Bad, true) => 0xFF7B72,
        })
    }

    /// The accent: what is selected, the main button.
    pub fn accent(&self) -> Color32 {
        rgb(if self.dark { 0x5AA9E6 } else { 0x0B66B0 })
    }

    /// Text of second rank, still at 4.5 : 1.
    pub fn faint(&self) -> Color32 {
        rgb(if self.dark { 0x9AA4B2 } else { 0x57606A })
    }

    /// What lies outside a context or a selection.
    pub fn shade(&self) -> Color32 {
        if self.dark { Color32::from_black_alpha(170) } else { Color32::from_black_alpha(140) }
    }
}

/// A colour from 0xRRGGBB.
pub const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// Contrast of two colours, 1 to 21 (WCAG 2).
pub fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |c: Color32| {
        let linear = |v: u8| {
            let v = f32::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_colour_is_readable_on_both_grounds() {
        for dark in [false, true] {
            let theme = Theme { dark };
            let visuals = style::visuals(dark);
            let grounds = [visuals.panel_fill, visuals.window_fill, visuals.extreme_bg_color, visuals.faint_bg_color];
            let texts = [
                ("text", visuals.text_color()),
                ("strong text", visuals.strong_text_color()),
                ("faint text", theme.faint()),
                ("accent", theme.accent()),
                ("good", theme.band(Band::Good)),
                ("doubtful", theme.band(Band::Doubtful)),
                ("bad", theme.band(Band::Bad)),
                ("link", visuals.hyperlink_color),
                ("warning", visuals.warn_fg_color),
                ("error", visuals.error_fg_color),
            ];
            for ground in grounds {
                for (name, text) in texts {
                    let found = contrast(text, ground);
                    assert!(found >= 4.5, "{name} on {ground:?}, dark {dark}: {found:.2} : 1");
                }
            }
        }
    }

    #[test]
    fn categories_are_distinct_and_visible_on_their_ground() {
        for dark in [false, true] {
            let theme = Theme { dark };
            let ground = style::visuals(dark).extreme_bg_color;
            for i in 0..Theme::CATEGORIES {
                let color = theme.category(i);
                assert!(contrast(color, ground) >= 2.0, "category {i}, dark {dark}: {}", contrast(color, ground));
                assert!((0..i).all(|j| theme.category(j) != color));
            }
        }
    }
}
