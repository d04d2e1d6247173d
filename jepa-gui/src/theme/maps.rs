//! Colour maps: one sequential (viridis), one diverging (ColorBrewer's RdBu), both safe for colour blindness.

use egui::Color32;

use super::rgb;

/// Ten stops of viridis (van der Walt and Smith 2015).
const VIRIDIS: [u32; 10] =
    [0x440154, 0x482878, 0x3E4989, 0x31688E, 0x26828E, 0x1F9E89, 0x35B779, 0x6ECE58, 0xB5DE2B, 0xFDE725];

/// Nine stops of RdBu, blue first (Brewer 2002).
const BLUE_RED: [u32; 9] = [0x2166AC, 0x4393C3, 0x92C5DE, 0xD1E5F0, 0xF7F7F7, 0xFDDBC7, 0xF4A582, 0xD6604D, 0xB2182B];

/// Low to high, for `value` in 0..=1.
pub fn sequential(value: f32) -> Color32 {
    between(&VIRIDIS, value)
}

/// Negative to positive around 0, for `value` in -1..=1.
pub fn diverging(value: f32) -> Color32 {
    between(&BLUE_RED, 0.5 + 0.5 * value)
}

fn between(stops: &[u32], value: f32) -> Color32 {
    let value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
    let place = value * (stops.len() - 1) as f32;
    let low = (place as usize).min(stops.len() - 2);
    let (a, b, t) = (rgb(stops[low]), rgb(stops[low + 1]), place - low as f32);
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * t).round() as u8;
    Color32::from_rgb(mix(a.r(), b.r()), mix(a.g(), b.g()), mix(a.b(), b.b()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middles_are_the_published_ones_and_bad_numbers_give_a_colour() {
        assert_eq!((sequential(0.0), sequential(1.0)), (rgb(0x440154), rgb(0xFDE725)));
        assert_eq!((diverging(-1.0), diverging(0.0), diverging(1.0)), (rgb(0x2166AC), rgb(0xF7F7F7), rgb(0xB2182B)));
        for bad in [f32::NAN, f32::INFINITY, -7.0] {
            let _ = (sequential(bad), diverging(bad));
        }
    }
}
