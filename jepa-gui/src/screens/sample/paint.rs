//! Colours of tokens: what a map says, before it is laid over a scene.

use egui::Color32;

use crate::theme::sequential;

/// How a token is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Tint {
    /// Darker than it is.
    #[default]
    Dim,
    /// As it is.
    Own,
    /// In this colour.
    Colour(Color32),
}

/// Colours of tokens over a scene.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paint {
    /// How each token is drawn; those beyond the last are dim.
    pub tints: Vec<Tint>,
    /// How much of a colour is seen over the sample, 0 to 1.
    pub opacity: f32,
    /// How bright what is dim is drawn, 0 to 1.
    pub rest: f32,
}

impl Paint {
    /// The sample as it is.
    pub fn plain() -> Self {
        Self { rest: 1.0, ..Self::default() }
    }

    /// Values as colours of the sequential map between `low` and `high`; what is not a number stays without.
    pub fn heat(values: &[f32], [low, high]: [f32; 2], opacity: f32) -> Self {
        let span = (high - low).max(f32::MIN_POSITIVE);
        let tint = |v: &f32| if v.is_finite() { Tint::Colour(sequential((v - low) / span)) } else { Tint::Dim };
        Self { tints: values.iter().map(tint).collect(), opacity, rest: 0.3 }
    }

    /// Colours of tokens; those of the background are dim.
    pub fn colours(colours: &[Option<[u8; 3]>], opacity: f32) -> Self {
        let tint = |colour: &Option<[u8; 3]>| match colour {
            Some([r, g, b]) => Tint::Colour(Color32::from_rgb(*r, *g, *b)),
            None => Tint::Dim,
        };
        Self { tints: colours.iter().map(tint).collect(), opacity, rest: 0.15 }
    }

    /// What a part of the scene looks like whose own colour is `own`.
    pub fn shade(&self, own: Color32, token: Option<u32>) -> Color32 {
        match token.and_then(|token| self.tints.get(token as usize).copied()).unwrap_or_default() {
            Tint::Colour(colour) => mix(own, colour, self.opacity),
            Tint::Own => own,
            Tint::Dim => mix(Color32::BLACK, own, self.rest),
        }
    }
}

/// Smallest and largest of the numbers; none without any.
pub fn range(values: &[f32]) -> Option<[f32; 2]> {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let [low, high] = [finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max)];
    (low <= high).then_some([low, high])
}

fn mix(a: Color32, b: Color32, share: f32) -> Color32 {
    let of = |a: u8, b: u8| (f32::from(a) * (1.0 - share) + f32::from(b) * share).round() as u8;
    Color32::from_rgb(of(a.r(), b.r()), of(a.g(), b.g()), of(a.b(), b.b()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_colours_and_what_has_none_is_dimmed() {
        let paint = Paint::heat(&[0.0, f32::NAN, 2.0], [0.0, 2.0], 1.0);
        let own = Color32::from_gray(200);
        assert_eq!((paint.shade(own, Some(0)), paint.shade(own, Some(2))), (sequential(0.0), sequential(1.0)));
        for without in [Some(1), Some(9), None] {
            assert_eq!(paint.shade(own, without), Color32::from_gray(60));
        }
        assert_eq!(Paint::plain().shade(own, None), own);
        assert_eq!(range(&[f32::NAN, 3.0, -1.0]), Some([-1.0, 3.0]));
        assert_eq!(range(&[f32::NAN]), None);
    }
}
