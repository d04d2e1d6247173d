//! egui's style in our colours.

use egui::{Color32, CornerRadius, Stroke, Visuals};

use super::{Band, Theme, rgb};

/// Sets both themes of a context; egui follows the system or what the person chose.
pub fn apply(context: &egui::Context) {
    for (theme, dark) in [(egui::Theme::Light, false), (egui::Theme::Dark, true)] {
        context.style_mut_of(theme, |style| {
            style.visuals = visuals(dark);
            style.spacing.item_spacing = egui::vec2(8.0, 6.0);
            style.spacing.button_padding = egui::vec2(10.0, 5.0);
            style.spacing.interact_size.y = 26.0;
            style.interaction.tooltip_delay = 0.35;
            style.url_in_tooltip = true;
            for (text, size) in [
                (egui::TextStyle::Small, 11.5),
                (egui::TextStyle::Body, 14.0),
                (egui::TextStyle::Button, 14.0),
                (egui::TextStyle::Monospace, 13.0),
                (egui::TextStyle::Heading, 21.0),
            ] {
                if let Some(font) = style.text_styles.get_mut(&text) {
                    font.size = size;
                }
            }
        });
    }
}

/// Grounds, texts and strokes of a theme.
pub(super) fn visuals(dark: bool) -> Visuals {
    let theme = Theme { dark };
    let mut v = if dark { Visuals::dark() } else { Visuals::light() };
    let (ground, window, inset, faint, text, strong, line) = if dark {
        (0x16191E, 0x1C2026, 0x0F1216, 0x1F242B, 0xD3D9E0, 0xF5F8FA, 0x333B45)
    } else {
        (0xF6F7F9, 0xFFFFFF, 0xFFFFFF, 0xEEF1F4, 0x2A3038, 0x0C1116, 0xCBD2D9)
    };
    v.panel_fill = rgb(ground);
    v.window_fill = rgb(window);
    v.extreme_bg_color = rgb(inset);
    v.text_edit_bg_color = Some(rgb(inset));
    v.faint_bg_color = rgb(faint);
    v.code_bg_color = rgb(faint);
    v.window_stroke = Stroke::new(1.0, rgb(line));
    v.hyperlink_color = theme.accent();
    v.warn_fg_color = theme.band(Band::Doubtful);
    v.error_fg_color = theme.band(Band::Bad);
    v.weak_text_color = Some(theme.faint());
    v.selection.bg_fill = theme.accent().gamma_multiply(if dark { 0.45 } else { 0.30 });
    v.selection.stroke = Stroke::new(1.0, if dark { rgb(strong) } else { rgb(0x063A66) });
    let radius = CornerRadius::same(5);
    let fill = |hex: u32| -> (Color32, Color32) { (rgb(hex), rgb(hex)) };
    let (rest, hover, press) = if dark { (0x262C34, 0x303842, 0x3A4450) } else { (0xE6EAEE, 0xDBE1E7, 0xCDD5DD) };
    for (widget, hex, stroke, color) in [
        (&mut v.widgets.noninteractive, ground, rgb(line), rgb(text)),
        (&mut v.widgets.inactive, rest, Color32::TRANSPARENT, rgb(text)),
        (&mut v.widgets.hovered, hover, rgb(line), rgb(strong)),
        (&mut v.widgets.active, press, theme.accent(), rgb(strong)),
        (&mut v.widgets.open, rest, rgb(line), rgb(strong)),
    ] {
        (widget.bg_fill, widget.weak_bg_fill) = fill(hex);
        widget.bg_stroke = Stroke::new(1.0, stroke);
        widget.fg_stroke = Stroke::new(1.0, color);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
    v
}
