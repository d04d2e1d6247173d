//! The linear probe with few labels: some of each class, or a share of all.

use super::{Features, ProbeConfig, linear_accuracy};
use crate::error::{Error, Result};
use crate::random::{Draw as _, Purpose, Stream};

/// Accuracies of several draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
}

impl Spread {
    /// Of at least one accuracy.
    pub fn of(accuracies: &[f64]) -> Self {
        let count = accuracies.len().max(1) as f64;
        let mean = accuracies.iter().sum::<f64>() / count;
        let variance = accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / count;
        Self { mean, deviation: variance.sqrt() }
    }
}

/// The linear accuracy with `shots` labels a class.
pub fn few_a_class(train: &Features, test: &Features, shots: usize, config: &ProbeConfig) -> Result<Spread> {
    let labels = train.known_labels()?;
    let classes = labels.iter().max().map_or(0, |m| *m as usize + 1);
    let rows = |draw: u64| {
        let order = Stream::new(draw, Purpose::Probe, shots as u64, 0).permutation(labels.len());
        let mut taken = vec![0; classes];
        let rows: Vec<usize> = order
            .into_iter()
            .map(|i| i as usize)
            .filter(|i| {
                let count = &mut taken[labels[*i] as usize];
                *count += 1;
                *count <= shots
            })
            .collect();
        let problem = || {
            let read = labels.len();
            format!(
                "{shots} labels a class are asked for; of the {read} samples read (probe.max_train) a class has fewer"
            )
        };
        if taken.iter().any(|t| *t < shots) { Err(Error::config("probe.shots", problem())) } else { Ok(rows) }
    };
    over_draws(train, test, config, rows)
}

/// The linear accuracy with a `share` of all labels, drawn without regard to class; classes may be missing.
pub fn share_of_all(train: &Features, test: &Features, share: f64, config: &ProbeConfig) -> Result<Spread> {
    over_draws(train, test, config, |draw| Ok(part(train.len(), share, draw)))
}

/// The rows of a share of `count`, at least two.
pub(super) fn part(count: usize, share: f64, draw: u64) -> Vec<usize> {
    let order = Stream::new(draw, Purpose::Probe, share.to_bits(), 1).permutation(count);
    let wanted = ((count as f64 * share).round() as usize).max(2);
    order.into_iter().map(|i| i as usize).take(wanted).collect()
}

fn over_draws(
    train: &Features,
    test: &Features,
    config: &ProbeConfig,
    rows: impl Fn(u64) -> Result<Vec<usize>>,
) -> Result<Spread> {
    let accuracy = |draw| linear_accuracy(&train.subset(&rows(draw)?), test);
    Ok(Spread::of(&(0..config.draws as u64).map(accuracy).collect::<Result<Vec<_>>>()?))
}

#[cfg(test)]
mod tests {
    use super::super::linear::tests::clouds;
    use super::*;

    #[test]
    fn more_labels_give_more_accuracy() {
        let (train, test) = (clouds(4, 600, 2.0), clouds(5, 300, 2.0));
        let config = ProbeConfig::default();
        let shots = |n| few_a_class(&train, &test, n, &config).unwrap().mean;
        assert!(shots(50) > shots(1), "{} {}", shots(1), shots(50));
        let share = |s| share_of_all(&train, &test, s, &config).unwrap().mean;
        assert!(share(0.5) > share(0.01), "{} {}", share(0.01), share(0.5));
    }

    #[test]
    fn a_share_has_its_size_and_every_draw_is_another() {
        assert_eq!((part(600, 0.1, 0).len(), part(600, 1.0, 0).len(), part(600, 1e-6, 0).len()), (60, 600, 2));
        assert_eq!(part(600, 0.1, 3), part(600, 0.1, 3));
        assert_ne!(part(600, 0.1, 3), part(600, 0.1, 4));
    }

    #[test]
    fn the_spread_is_of_all_draws() {
        assert_eq!(Spread::of(&[0.5, 0.7]), Spread { mean: 0.6, deviation: 0.09999999999999998 });
        assert_eq!(Spread::of(&[0.25]), Spread { mean: 0.25, deviation: 0.0 });
    }
}
