//! Masks painted by hand: what each token is to the prediction.

use jepa_core::plugin::{Scene, TokenSets};
use serde::{Deserialize, Serialize};

/// What a token is to a mask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The context encoder sees it.
    Context,
    /// It is to be predicted.
    #[default]
    Target,
    /// Neither.
    Nothing,
}

impl Part {
    /// All of them with their names, their keys, and what the brush does.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Context, "Context", "Paint what the context encoder sees (C)"),
        (Self::Target, "Target", "Paint what is to be predicted (T)"),
        (Self::Nothing, "Clear", "Paint what is neither seen nor predicted (X)"),
    ];
}

/// Sizes of the brush: a name and its radius in points; without a radius it is one token.
pub const SIZES: [(&str, f32); 3] = [("one token", 0.0), ("small", 22.0), ("large", 55.0)];

/// A painted mask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Painted {
    parts: Vec<Part>,
}

impl Painted {
    /// The mask that a run draws, its blocks together; of `tokens` tokens.
    pub fn of(sets: &TokenSets, tokens: usize) -> Self {
        let mut painted = Self { parts: vec![Part::Nothing; tokens] };
        let lists = [(Part::Context, &sets.context), (Part::Target, &sets.target)];
        for (part, token) in lists.into_iter().flat_map(|(part, lists)| lists.iter().flatten().map(move |t| (part, t)))
        {
            painted.put(*token, part);
        }
        painted
    }

    /// Whether nothing was painted yet.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.parts.len()
    }

    /// What a token is.
    pub fn part(&self, token: u32) -> Part {
        self.parts.get(token as usize).copied().unwrap_or(Part::Nothing)
    }

    /// Paints one token; one that is not there stays so.
    pub fn put(&mut self, token: u32, part: Part) {
        if let Some(known) = self.parts.get_mut(token as usize) {
            *known = part;
        }
    }

    /// Paints all tokens alike.
    pub fn fill(&mut self, part: Part) {
        self.parts.fill(part);
    }

    /// Hides everything that is not seen.
    pub fn hide_the_rest(&mut self) {
        self.parts.iter_mut().filter(|part| **part != Part::Context).for_each(|part| *part = Part::Target);
    }

    /// Tokens that are this part, ascending.
    pub fn list(&self, wanted: Part) -> Vec<u32> {
        (0u32..).zip(&self.parts).filter(|(_, part)| **part == wanted).map(|(token, _)| token).collect()
    }

    /// As masks for the networks: one context and one block, the same for each of `generators`. None while a side has no
    /// token.
    pub fn sets(&self, generators: usize) -> Option<Vec<TokenSets>> {
        let [context, target] = [self.list(Part::Context), self.list(Part::Target)];
        let is_whole = !context.is_empty() && !target.is_empty();
        is_whole.then(|| vec![TokenSets { context: vec![context], target: vec![target] }; generators.max(1)])
    }
}

/// Tokens at these parts (pixels or points) of a frame; `through` time, those of all frames there.
pub fn tokens_at(scene: &Scene, frame: usize, parts: &[usize], through: bool) -> Vec<u32> {
    let frames = if through { 0..scene.frames() } else { frame..frame + 1 };
    let of = |frame: usize| parts.iter().filter_map(move |part| scene.tokens(frame).get(*part).copied().flatten());
    let mut tokens: Vec<u32> = frames.flat_map(of).collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::plugin::{Film, Frame};

    #[test]
    fn a_runs_mask_is_taken_over_painted_on_and_given_back() {
        let own = TokenSets { context: vec![vec![0, 1]], target: vec![vec![3], vec![4]] };
        let mut painted = Painted::of(&own, 6);
        assert_eq!((painted.list(Part::Context), painted.list(Part::Target)), (vec![0, 1], vec![3, 4]));
        painted.put(1, Part::Nothing);
        painted.put(5, Part::Target);
        painted.put(99, Part::Target);
        let sets = painted.sets(2).unwrap();
        assert_eq!(sets, vec![TokenSets { context: vec![vec![0]], target: vec![vec![3, 4, 5]] }; 2]);
        painted.hide_the_rest();
        assert_eq!(painted.list(Part::Target), [1, 2, 3, 4, 5]);
        painted.fill(Part::Target);
        assert_eq!(painted.sets(1), None, "nothing is seen");
    }

    #[test]
    fn a_stroke_through_time_meets_the_tokens_of_all_frames() {
        let frame = |tokens: [u32; 2]| Frame { rgb: vec![0; 6], tokens: tokens.map(Some).to_vec() };
        let frames = vec![frame([0, 1]), frame([0, 1]), frame([2, 3])];
        let scene = Scene::Film(Film { width: 2, height: 1, frames, rate: 8.0 });
        assert_eq!(tokens_at(&scene, 0, &[1, 7], false), [1]);
        assert_eq!(tokens_at(&scene, 0, &[1], true), [1, 3]);
    }
}
