//! From surprises to one score a video, and from scores to figures. Everything here is a function of numbers.

use std::collections::BTreeMap;

use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};
use serde::Serialize;

/// The surprise of every window of a video, for several context lengths.
#[derive(Debug, Clone, PartialEq)]
pub struct Surprises {
    contexts: usize,
    windows: usize,
    /// [context length, window], row-major.
    values: Vec<f32>,
    moments: BTreeMap<usize, Vec<f32>>,
}

/// How a video's windows become one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// The mean: for pairs.
    Mean,
    /// The largest: for single videos.
    Max,
}

impl Surprises {
    /// `values` row-major [contexts, windows], all finite.
    pub fn new(contexts: usize, windows: usize, values: Vec<f32>) -> Result<Self> {
        if contexts == 0 || windows == 0 || values.len() != contexts * windows {
            let problem = format!("{} values are no [{contexts}, {windows}] surprises", values.len());
            return Err(Error::data("surprise", problem));
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(Error::data("surprise", format!("a window has the surprise {value}; the model is broken")));
        }
        Ok(Self { contexts, windows, values, moments: BTreeMap::new() })
    }

    /// The same with what the first window's later times surprise those who saw so many frames.
    pub fn with_moments(self, moments: BTreeMap<usize, Vec<f32>>) -> Self {
        Self { moments, ..self }
    }

    /// What the first window's later times surprise those who saw so many frames, for every length that was looked at.
    pub fn moments(&self) -> &BTreeMap<usize, Vec<f32>> {
        &self.moments
    }

    /// Number of windows.
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// The windows' surprises for the context length of this index.
    pub fn curve(&self, context: usize) -> Option<&[f32]> {
        self.values.chunks_exact(self.windows).nth(context)
    }

    /// The windows' least surprises over all context lengths: the "filtered" row of the paper.
    pub fn filtered(&self) -> Vec<f32> {
        let least =
            |window: usize| self.values.iter().skip(window).step_by(self.windows).copied().fold(f32::MAX, f32::min);
        (0..self.windows).map(least).collect()
    }

    /// One score for the context length of this index, or filtered where there is none.
    pub fn score(&self, context: Option<usize>, reduction: Reduction) -> Option<f64> {
        let curve = match context {
            Some(context) => self.curve(context)?.to_vec(),
            None => self.filtered(),
        };
        Some(match reduction {
            Reduction::Mean => curve.iter().map(|v| f64::from(*v)).sum::<f64>() / curve.len() as f64,
            Reduction::Max => curve.iter().map(|v| f64::from(*v)).fold(f64::MIN, f64::max),
        })
    }
}

/// The share of (possible, impossible) scores where the impossible one is larger; equal ones count as wrong. 0 without
/// pairs.
pub fn relative_accuracy(pairs: &[(f64, f64)]) -> f64 {
    let right = pairs.iter().filter(|(possible, impossible)| possible < impossible).count();
    right as f64 / pairs.len().max(1) as f64
}

/// The chance that an impossible video scores above a possible one, ties counted half: the area under the ROC curve.
pub fn auroc(possible: &[f64], impossible: &[f64]) -> f64 {
    let above = |a: f64, b: f64| if a > b { 1.0 } else { 0.5 * f64::from(u8::from(a == b)) };
    let sum: f64 = impossible.iter().flat_map(|i| possible.iter().map(move |p| above(*i, *p))).sum();
    sum / (possible.len() * impossible.len()).max(1) as f64
}

/// Area under the precision-recall curve for finding possible videos by low scores: the mean of the precision at every
/// possible video (average precision), equal scores taken together.
pub fn auprc(possible: &[f64], impossible: &[f64]) -> f64 {
    let mut levels = possible.to_vec();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let up_to = |scores: &[f64], level: f64| scores.iter().filter(|score| **score <= level).count() as f64;
    let (mut area, mut before) = (0.0, 0.0);
    for level in levels {
        let found = up_to(possible, level);
        area += (found - before) * found / (found + up_to(impossible, level));
        before = found;
    }
    area / possible.len().max(1) as f64
}

/// `numpy.quantile` with linear interpolation; `None` without values.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(low + (high - low) * place.fract())
}

/// The share of videos on the right side of `threshold`, which has to come from other videos.
pub fn single_accuracy(possible: &[f64], impossible: &[f64], threshold: f64) -> f64 {
    let right = possible.iter().filter(|score| **score <= threshold).count()
        + impossible.iter().filter(|score| **score > threshold).count();
    right as f64 / (possible.len() + impossible.len()).max(1) as f64
}

/// A figure with the middle 95 % of what other draws of the videos would have given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Draws of a bootstrap.
const DRAWS: u64 = 2000;

/// `figure` of `pairs`, with a percentile bootstrap over the pairs: pairs stay together.
pub fn bootstrap(pairs: &[(f64, f64)], figure: impl Fn(&[(f64, f64)]) -> f64) -> Interval {
    let value = figure(pairs);
    let mut again = |draw: u64| {
        let mut stream = Stream::new(0, Purpose::Probe, 1 << 32, draw);
        let sample: Vec<(f64, f64)> =
            pairs.iter().filter_map(|_| pairs.get(stream.below(pairs.len())).copied()).collect();
        figure(&sample)
    };
    let draws: Vec<f64> = (0..DRAWS).map(&mut again).collect();
    let end = |share| quantile(&draws, share).unwrap_or(value);
    Interval { value, low: end(0.025), high: end(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn videos(rows: &[[f32; 3]], reduction: Reduction) -> Vec<f64> {
        rows.iter().map(|row| Surprises::new(1, 3, row.to_vec()).unwrap().score(Some(0), reduction).unwrap()).collect()
    }

    #[test]
    fn the_figures_of_the_recorded_example_come_out() {
        let possible = [[0.30, 0.31, 0.29], [0.40, 0.35, 0.33], [0.25, 0.28, 0.41], [0.50, 0.45, 0.47]];
        let impossible = [[0.30, 0.36, 0.33], [0.39, 0.36, 0.30], [0.27, 0.33, 0.52], [0.49, 0.60, 0.51]];
        for (reduction, area) in [(Reduction::Mean, 0.6875), (Reduction::Max, 0.625)] {
            let (p, i) = (videos(&possible, reduction), videos(&impossible, reduction));
            let pairs: Vec<_> = p.iter().copied().zip(i.iter().copied()).collect();
            assert_eq!(relative_accuracy(&pairs), 0.75);
            assert_eq!(auroc(&p, &i), area);
        }
    }

    #[test]
    fn the_filtered_curve_is_the_least_over_contexts() {
        let surprises = Surprises::new(2, 3, vec![3.0, 1.0, 5.0, 2.0, 4.0, 6.0]).unwrap();
        assert_eq!(surprises.filtered(), [2.0, 1.0, 5.0]);
        assert_eq!(surprises.score(None, Reduction::Max), Some(5.0));
        assert_eq!(surprises.score(Some(1), Reduction::Mean), Some(4.0));
        assert_eq!(surprises.score(Some(2), Reduction::Mean), None);
        assert!(Surprises::new(2, 3, vec![0.0; 5]).is_err());
        assert!(Surprises::new(1, 1, vec![f32::NAN]).unwrap_err().to_string().contains("NaN"));
    }

    #[test]
    fn areas_are_those_counted_by_hand() {
        // Of twelve comparisons eight are right; the precisions at the four possible videos follow.
        let (possible, impossible) = ([0.1, 0.4, 0.35, 0.8], [0.3, 0.9, 0.5]);
        assert!((auroc(&possible, &impossible) - 8.0 / 12.0).abs() < 1e-9);
        let expected = (1.0 + 2.0 / 3.0 + 3.0 / 4.0 + 4.0 / 6.0) / 4.0;
        assert!((auprc(&possible, &impossible) - expected).abs() < 1e-9);
        // Ties: nothing is told apart.
        assert_eq!(auroc(&[1.0; 3], &[1.0; 5]), 0.5);
        assert!((auprc(&[1.0; 3], &[1.0; 5]) - 0.375).abs() < 1e-9);
        assert_eq!((auroc(&[0.0, 1.0], &[2.0, 3.0]), auprc(&[0.0, 1.0], &[2.0, 3.0])), (1.0, 1.0));
    }

    #[test]
    fn thresholds_are_quantiles_and_count_both_kinds_of_videos() {
        let values: Vec<f64> = (0..11).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.9), Some(9.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.25), Some(1.25));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(single_accuracy(&[1.0, 2.0, 3.0], &[2.5, 4.0], 2.5), 3.0 / 5.0);
    }

    #[test]
    fn an_interval_holds_its_figure_and_narrows_with_more_pairs() {
        let pairs = |n: usize| (0..n).map(|i| (0.0, if i % 4 == 0 { -1.0 } else { 1.0 })).collect::<Vec<_>>();
        let (few, many) = (bootstrap(&pairs(20), relative_accuracy), bootstrap(&pairs(400), relative_accuracy));
        assert_eq!((few.value, many.value), (0.75, 0.75));
        assert!(few.low < 0.75 && 0.75 < few.high && few.high - few.low > 2.0 * (many.high - many.low));
        // The binomial's own interval for 400 pairs: 0.75 +- 1.96 sqrt(0.75 * 0.25 / 400) = 0.042.
        assert!((many.high - many.low - 0.085).abs() < 0.012, "{many:?}");
        assert_eq!(bootstrap(&pairs(20), relative_accuracy), few);
    }
}
