//! The part probe: what part of its object does a point belong to? One linear classifier a category, as the category is
//! known in this protocol (ShapeNetPart), on the features of the tokens around a point; scored by the mean
//! intersection over union.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Features, Frozen, LinearProbe};
use crate::data::Source;
use crate::error::{Error, Result};
use crate::plugin::{Elements, Variant};
use crate::random::{Draw as _, Purpose, Stream};

/// Size of the part probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PartsConfig {
    /// Training samples used at most.
    pub max_train: usize,
    /// Elements (points) of each of them.
    pub elements: usize,
}

impl Default for PartsConfig {
    fn default() -> Self {
        Self { max_train: 4_000, elements: 64 }
    }
}

impl PartsConfig {
    pub(super) fn check(&self) -> Result<()> {
        if self.max_train == 0 || self.elements == 0 {
            return Err(Error::config("probe.parts", "max_train and elements must be positive"));
        }
        Ok(())
    }
}

/// Mean intersections over union, 0 to 1. Categories of one part are left out: nobody can be wrong about them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartScores {
    /// Mean over samples.
    pub instance: f64,
    /// Mean over categories of the mean over their samples.
    pub category: f64,
    /// Samples that were scored.
    pub samples: usize,
}

/// One sample: its category, and of each element the part and the features.
struct Described {
    category: u32,
    parts: Vec<u32>,
    /// One row an element.
    values: Vec<f32>,
}

/// What describes an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Its own raw values.
    Values,
    /// These, and the features of the tokens around it.
    Tokens,
}

/// The part probe on the features of a frozen encoder, beside raw values.
pub fn part_scores<V: Variant>(
    frozen: &Frozen<V>,
    train: &dyn Source<Sample = V::Sample>,
    test: &dyn Source<Sample = V::Sample>,
    limits: [usize; 2],
    elements: usize,
) -> Result<PartScores> {
    probe(|source, limit, kept| describe(frozen, source, limit, kept, By::Tokens), train, test, limits, elements)
}

/// The part probe on raw values alone.
pub fn raw_part_scores<V: Variant>(
    frozen: &Frozen<V>,
    train: &dyn Source<Sample = V::Sample>,
    test: &dyn Source<Sample = V::Sample>,
    limits: [usize; 2],
    elements: usize,
) -> Result<PartScores> {
    probe(|source, limit, kept| describe(frozen, source, limit, kept, By::Values), train, test, limits, elements)
}

fn probe<S: Send>(
    describe: impl Fn(&dyn Source<Sample = S>, usize, Option<usize>) -> Result<Vec<Described>>,
    train: &dyn Source<Sample = S>,
    test: &dyn Source<Sample = S>,
    [most_train, most_test]: [usize; 2],
    elements: usize,
) -> Result<PartScores> {
    let mut categories: BTreeMap<u32, [Vec<Described>; 2]> = BTreeMap::new();
    for (side, described) in
        [describe(train, most_train, Some(elements))?, describe(test, most_test, None)?].into_iter().enumerate()
    {
        for sample in described {
            categories.entry(sample.category).or_default()[side].push(sample);
        }
    }
    let mut scores: Vec<Vec<f64>> = Vec::new();
    for [known, asked] in categories.values() {
        // Which parts a category has, its training samples say.
        let mut parts: Vec<u32> = known.iter().flat_map(|sample| sample.parts.iter().copied()).collect();
        parts.sort_unstable();
        parts.dedup();
        if parts.len() < 2 || asked.is_empty() {
            continue;
        }
        let probe = LinearProbe::fit(&table(known, &parts)?)?;
        let of = |sample: &Described| -> Result<f64> {
            let predicted = probe.predict(&table(std::slice::from_ref(sample), &parts)?)?;
            let predicted = predicted.into_iter().map(|at| parts.get(at as usize).copied());
            Ok(mean_iou(&parts, &sample.parts, &predicted.flatten().collect::<Vec<_>>()))
        };
        scores.push(asked.iter().map(of).collect::<Result<_>>()?);
    }
    let all: Vec<f64> = scores.iter().flatten().copied().collect();
    if all.is_empty() {
        let problem = "no category has two parts: a part probe needs samples with part labels";
        return Err(Error::data(train.describe(), problem));
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let category = mean(&scores.iter().map(|values| mean(values)).collect::<Vec<_>>());
    Ok(PartScores { instance: mean(&all), category, samples: all.len() })
}

/// Rows of all elements, labelled by the place of their part among `parts`. A part that training did not have counts as
/// the first; it is wrong either way.
fn table(samples: &[Described], parts: &[u32]) -> Result<Features> {
    let labels: Vec<Option<u32>> = samples
        .iter()
        .flat_map(|sample| &sample.parts)
        .map(|part| Some(parts.binary_search(part).unwrap_or(0) as u32))
        .collect();
    let values = samples.iter().flat_map(|sample| sample.values.iter().copied()).collect();
    let count = labels.len();
    Features::new(values, labels, (0..count).collect(), parts.iter().map(u32::to_string).collect())
}

/// Mean over the parts of a category; a part that neither has is right.
fn mean_iou(parts: &[u32], labels: &[u32], predicted: &[u32]) -> f64 {
    let of = |part: &u32| {
        let pairs = || labels.iter().zip(predicted).map(|(a, b)| (a == part, b == part));
        let both = pairs().filter(|(a, b)| *a && *b).count();
        let either = pairs().filter(|(a, b)| *a || *b).count();
        if either == 0 { 1.0 } else { both as f64 / either as f64 }
    };
    parts.iter().map(of).sum::<f64>() / parts.len().max(1) as f64
}

/// The first `limit` samples, evenly spaced, and of each `kept` elements drawn at random, or all.
fn describe<V: Variant>(
    frozen: &Frozen<V>,
    source: &dyn Source<Sample = V::Sample>,
    limit: usize,
    kept: Option<usize>,
    by: By,
) -> Result<Vec<Described>> {
    let count = source.len().min(limit);
    let mut described = Vec::with_capacity(count);
    for block in (0..count).collect::<Vec<_>>().chunks(256) {
        let (mut samples, mut numbers) = (Vec::new(), Vec::new());
        for index in block.iter().map(|at| at * source.len() / count) {
            match source.read(index) {
                Ok(sample) => {
                    samples.push(sample);
                    numbers.push(index);
                }
                Err(error) => tracing::warn!("left out: {error}"),
            }
        }
        let tokens = match by {
            By::Tokens if !samples.is_empty() => Some(frozen.tokens(&samples)?),
            _ => None,
        };
        for (place, (sample, index)) in samples.iter().zip(numbers).enumerate() {
            let category = source.label(index);
            let (Some(elements), Some(category)) = (frozen.variant().elements(sample)?, category) else {
                let problem = "a part probe needs samples with a category and part labels; this data set has none";
                return Err(Error::data(source.describe(), problem));
            };
            let tokens = tokens.as_ref().map(|([_, count, width], values)| {
                (&values[place * count * width..(place + 1) * count * width], *width)
            });
            described.push(row_by_row(category, &elements, tokens, index, kept));
        }
    }
    Ok(described)
}

/// The elements of one sample as rows of features.
fn row_by_row(
    category: u32,
    elements: &Elements,
    tokens: Option<(&[f32], usize)>,
    index: usize,
    kept: Option<usize>,
) -> Described {
    let mut chosen: Vec<usize> = (0..elements.labels.len()).collect();
    if let Some(kept) = kept.filter(|kept| *kept < chosen.len()) {
        let order = Stream::new(0, Purpose::Probe, index as u64, 12).permutation(chosen.len());
        chosen = order.into_iter().take(kept).map(|i| i as usize).collect();
    }
    let own = elements.width;
    let width = own + tokens.map_or(0, |(_, width)| width);
    let mut values = Vec::with_capacity(chosen.len() * width);
    for &element in &chosen {
        values.extend_from_slice(&elements.values[element * own..(element + 1) * own]);
        if let Some((tokens, width)) = tokens {
            values.extend((0..width).map(|column| {
                let around = elements.around[element].iter();
                around.map(|(token, share)| share * tokens[*token as usize * width + column]).sum::<f32>()
            }));
        }
    }
    Described { category, parts: chosen.iter().map(|&i| elements.labels[i]).collect(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_runs_over_parts_and_a_part_that_nobody_names_is_right() {
        let labels = [3, 3, 3, 5];
        assert_eq!(mean_iou(&[3, 5], &labels, &labels), 1.0);
        assert_eq!(mean_iou(&[3, 5, 9], &labels, &labels), 1.0);
        // Part 3: 2 of 3; part 5: 1 of 2.
        assert!((mean_iou(&[3, 5], &labels, &[3, 3, 5, 5]) - (2.0 / 3.0 + 0.5) / 2.0).abs() < 1e-12);
        assert_eq!(mean_iou(&[3, 5], &labels, &[5, 5, 5, 3]), 0.0);
    }

    #[test]
    fn an_element_is_its_values_and_its_share_of_the_tokens_around() {
        let elements = Elements {
            labels: vec![7, 8],
            around: vec![[(0, 0.5), (1, 0.25), (2, 0.25)], [(2, 1.0), (0, 0.0), (1, 0.0)]],
            values: vec![10.0, 20.0],
            width: 1,
        };
        let tokens = [1.0, -1.0, 2.0, -2.0, 4.0, -4.0];
        let described = row_by_row(1, &elements, Some((&tokens, 2)), 0, None);
        assert_eq!(described.parts, [7, 8]);
        assert_eq!(described.values, [10.0, 2.0, -2.0, 20.0, 4.0, -4.0]);
        assert_eq!(row_by_row(1, &elements, None, 0, Some(1)).values.len(), 1);
    }
}
