//! Which tokens are seen, which predicted: joints that move are hidden more often.

use jepa_core::error::{Error, Result};
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tokens::Tokens;

/// How the number of visible tokens is worked out from the hidden share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeepRule {
    /// `floor(tokens x (1 - ratio))` in double precision, as in the official code: 1 - 0.9 is a little less than 0.1,
    /// so 74 of 750 tokens stay.
    Official,
    /// The same with exact fractions: 75 of 750.
    Exact,
}

/// The mask of S-JEPA, taken over from MAMP (`model_mamp/transformer.py`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskConfig {
    /// Share of the tokens that is hidden (S-JEPA, MAMP: 0.9).
    pub ratio: f64,
    /// How evenly tokens are hidden: a small number prefers those that move most; 0 or less draws uniformly (MAMP: 0.80,
    /// for NTU-120 0.75).
    pub temperature: f32,
    /// How the share becomes a number.
    pub keep: KeepRule,
}

impl Default for MaskConfig {
    fn default() -> Self {
        Self { ratio: 0.9, temperature: 0.8, keep: KeepRule::Official }
    }
}

impl MaskConfig {
    /// Number of visible tokens among `tokens`.
    pub fn visible(&self, tokens: usize) -> usize {
        let share = tokens as f64 * (1.0 - self.ratio);
        match self.keep {
            KeepRule::Official => share as usize,
            KeepRule::Exact => (share + 1e-6) as usize,
        }
    }
}

/// The tokens of one clip, parted; both lists ascend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parted {
    /// What the context encoder sees.
    pub visible: Vec<u32>,
    /// What is predicted.
    pub hidden: Vec<u32>,
}

/// A checked generator for clips of one size.
#[derive(Debug, Clone)]
pub struct Masks {
    tokens: Tokens,
    temperature: f32,
    visible: usize,
}

impl Masks {
    /// Checks the configuration against clips cut into `tokens`.
    pub fn new(config: &MaskConfig, tokens: &Tokens) -> Result<Self> {
        let (count, visible) = (tokens.count(), config.visible(tokens.count()));
        let possible = 0.0 < config.ratio && config.ratio < 1.0 && 0 < visible && visible < count;
        if !possible {
            let problem = format!("{} of {count} tokens cannot be hidden: both sides need some", config.ratio);
            return Err(Error::config("model.masks.ratio", problem));
        }
        if !config.temperature.is_finite() {
            let problem = format!("expected a finite number, found {}", config.temperature);
            return Err(Error::config("model.masks.temperature", problem));
        }
        Ok(Self { tokens: *tokens, temperature: config.temperature, visible })
    }

    /// Number of visible tokens, the same for every clip.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// Number of hidden tokens, the same for every clip.
    pub fn hidden(&self) -> usize {
        self.tokens.count() - self.visible
    }

    /// Parts one clip. `tokens` are those of [`Tokens::cut`]; `uniforms` holds one draw from [0, 1) a token.
    pub fn part(&self, tokens: &[f32], uniforms: &[f32]) -> Result<Parted> {
        let (count, width) = (self.tokens.count(), self.tokens.width());
        if tokens.len() != count * width || uniforms.len() != count {
            let (numbers, draws) = (tokens.len(), uniforms.len());
            let problem = format!("{numbers} numbers and {draws} draws for {count} tokens of {width} numbers");
            return Err(Error::data("mask", problem));
        }
        let scores = if self.temperature > 0.0 {
            let motion = motion(tokens, self.tokens.joints, width);
            scores(&scaled(&motion, self.temperature), uniforms)
        } else {
            uniforms.to_vec()
        };
        let mut order: Vec<u32> = (0..count as u32).collect();
        order.sort_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]));
        let mut hidden = order.split_off(self.visible);
        hidden.sort_unstable();
        order.sort_unstable();
        Ok(Parted { visible: order, hidden })
    }

    /// Masks of a batch of clips, given as their tokens one after another.
    pub fn sample(&self, tokens: &[f32], draw: &mut impl Draw) -> Result<MaskSet> {
        let (mut visible, mut hidden) = (Vec::new(), Vec::new());
        for clip in tokens.chunks(self.tokens.count() * self.tokens.width()) {
            let uniforms: Vec<f32> = (0..self.tokens.count()).map(|_| draw.uniform()).collect();
            let parted = self.part(clip, &uniforms)?;
            visible.push(parted.visible);
            hidden.push(parted.hidden);
        }
        let mask = |rows: &[Vec<u32>]| Mask::new(rows, self.tokens.count());
        Ok(MaskSet { context: vec![mask(&visible)?], target: vec![mask(&hidden)?] })
    }
}

/// How much each token moves: the mean difference to the same joint one segment before. The first segment is given what
/// the second has; a clip of one segment does not move.
pub fn motion(tokens: &[f32], joints: usize, width: usize) -> Vec<f32> {
    let step = joints * width;
    let tail = tokens.get(step..).unwrap_or(&[]);
    let later = tail.chunks_exact(width).zip(tokens.chunks_exact(width));
    let later: Vec<f32> = later
        .map(|(now, before)| now.iter().zip(before).map(|(a, b)| (a - b).abs()).sum::<f32>() / width as f32)
        .collect();
    let first = later.get(..joints).map_or_else(|| vec![0.0; joints], <[f32]>::to_vec);
    [first, later].concat()
}

/// Motion over the largest of the clip times the temperature.
pub fn scaled(motion: &[f32], temperature: f32) -> Vec<f32> {
    let largest = motion.iter().copied().fold(0.0, f32::max);
    motion.iter().map(|value| value / (largest * temperature + 1e-10)).collect()
}

/// Logarithm of the softmax of scaled motion, plus Gumbel noise made of `uniforms`: the tokens with the lowest scores are
/// those that a draw without replacement leaves for last.
pub fn scores(scaled: &[f32], uniforms: &[f32]) -> Vec<f32> {
    let largest = scaled.iter().copied().fold(f32::MIN, f32::max);
    let sum: f32 = scaled.iter().map(|value| (value - largest).exp()).sum();
    let norm = largest + sum.ln();
    let noise = |u: f32| -(-(u + 1e-10).ln() + 1e-10).ln();
    scaled.iter().zip(uniforms).map(|(value, &u)| value - norm + noise(u)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    /// The clip of the specification: 16 frames, 5 joints, segments of 4.
    fn example() -> (Tokens, Vec<f32>, Vec<f32>) {
        let (frames, joints) = (16, 5);
        let cut = Tokens::new(frames, joints, 4).unwrap();
        let value = |t: usize, v: usize, c: usize| {
            let joint = v as f64 + 1.0;
            ((0.3 * joint * t as f64 + c as f64).sin() * joint / 5.0) as f32
        };
        let values: Vec<f32> =
            (0..frames * joints * 3).map(|i| value(i / (joints * 3), i / 3 % joints, i % 3)).collect();
        let mut tokens = Vec::new();
        cut.cut(&values, &mut tokens).unwrap();
        let uniforms = (0..cut.count()).map(|j| (0.618_033_988_75 * j as f64 + 0.137).fract() as f32).collect();
        (cut, tokens, uniforms)
    }

    #[test]
    fn motion_scores_and_masks_are_those_of_the_official_code() {
        let (cut, tokens, uniforms) = example();
        let a = scaled(&motion(&tokens, 5, 12), 0.8);
        let expected = [
            0.225319, 0.790551, 1.169101, 1.094695, 0.290870, 0.225319, 0.790551, 1.169101, 1.094695, 0.290870,
            0.238454, 0.770433, 1.25, 1.142909, 0.287013, 0.228662, 0.751191, 1.180071, 1.102422, 0.292372,
        ];
        assert!(a.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{a:?}");
        let scores = scores(&a, &uniforms);
        assert!((scores[16] + 4.340_965).abs() < 1e-5 && (scores[3] - 2.019_472).abs() < 1e-5, "{scores:?}");
        let mut order: Vec<usize> = (0..20).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert_eq!(order, [16, 0, 5, 10, 8, 15, 13, 18, 4, 2, 9, 7, 14, 12, 17, 1, 19, 6, 11, 3]);
        for (ratio, visible) in [(0.9, &[16][..]), (0.5, &[0, 2, 4, 5, 8, 10, 13, 15, 16, 18])] {
            let masks = Masks::new(&MaskConfig { ratio, ..MaskConfig::default() }, &cut).unwrap();
            let parted = masks.part(&tokens, &uniforms).unwrap();
            assert_eq!(parted.visible, visible);
            let mut all = [parted.visible, parted.hidden.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..20).collect::<Vec<u32>>());
            assert!(parted.hidden.is_sorted());
        }
    }

    #[test]
    fn seventy_four_tokens_stay_or_seventy_five_when_counted_exactly() {
        let mut config = MaskConfig::default();
        assert_eq!(config.visible(750), 74);
        config.keep = KeepRule::Exact;
        assert_eq!((config.visible(750), config.visible(20)), (75, 2));
    }

    #[test]
    fn tokens_that_move_are_hidden_more_often_unless_the_draw_is_uniform() {
        let (cut, tokens, _) = example();
        let share = |temperature: f32| {
            let config = MaskConfig { ratio: 0.5, temperature, ..MaskConfig::default() };
            let masks = Masks::new(&config, &cut).unwrap();
            let mut visible = [0; 20];
            for sample in 0..2000 {
                let set = masks.sample(&tokens, &mut Stream::new(3, Purpose::Test, 0, sample)).unwrap();
                set.context[0].row(0).iter().for_each(|&token| visible[token as usize] += 1);
            }
            visible
        };
        let by_motion = share(0.8);
        assert!(by_motion[0] > by_motion[12] + 400, "{by_motion:?}");
        let uniform = share(0.0);
        assert!(uniform.iter().all(|count| (880..1120).contains(count)), "{uniform:?}");
    }

    #[test]
    fn persons_who_are_absent_and_clips_of_one_segment_are_masked_uniformly() {
        let cut = Tokens::new(16, 5, 4).unwrap();
        let masks = Masks::new(&MaskConfig { ratio: 0.5, ..MaskConfig::default() }, &cut).unwrap();
        let set = masks.sample(&vec![0.0; 2 * 20 * 12], &mut Stream::new(3, Purpose::Test, 0, 0)).unwrap();
        assert_eq!((set.context[0].batch(), set.context[0].len(), set.target[0].len()), (2, 10, 10));
        assert_ne!(set.context[0].row(0), set.context[0].row(1));
        assert_eq!(motion(&[1.0; 5 * 12], 5, 12), [0.0; 5]);
    }

    #[test]
    fn shares_that_leave_a_side_empty_are_refused() {
        let cut = Tokens::new(8, 2, 4).unwrap();
        for ratio in [0.0, 1.0, 0.9, -1.0, f64::NAN] {
            let config = MaskConfig { ratio, ..MaskConfig::default() };
            assert!(Masks::new(&config, &cut).unwrap_err().to_string().contains("model.masks.ratio"), "{ratio}");
        }
        let config = MaskConfig { ratio: 0.5, temperature: f32::NAN, ..MaskConfig::default() };
        assert!(Masks::new(&config, &cut).is_err());
        let masks = Masks::new(&MaskConfig { ratio: 0.5, ..MaskConfig::default() }, &cut).unwrap();
        assert!(masks.part(&[0.0; 3], &[0.0; 4]).is_err());
    }
}
