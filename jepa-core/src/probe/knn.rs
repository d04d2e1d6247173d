//! The weighted k-NN of DINO's evaluation.

use super::{Features, ProbeConfig};
use crate::error::{Error, Result};
use crate::host;

fn normalised(features: &Features) -> burn::prelude::Tensor<2> {
    let x = features.tensor();
    let norm = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    x / norm
}

/// Share of `queries` whose class wins the vote of their nearest rows of `bank`: cosine similarity s, weight exp(s / t).
/// Ties go to the lower class.
pub fn knn_accuracy(bank: &Features, queries: &Features, config: &ProbeConfig) -> Result<f64> {
    let predictions = knn_predictions(bank, queries, config)?;
    let right = predictions.iter().zip(queries.known_labels()?).filter(|(p, l)| **p == *l).count();
    Ok(right as f64 / predictions.len() as f64)
}

fn knn_predictions(bank: &Features, queries: &Features, config: &ProbeConfig) -> Result<Vec<u32>> {
    let labels = bank.known_labels()?;
    let classes = labels.iter().max().map_or(0, |m| *m as usize + 1);
    let mut predictions = Vec::with_capacity(queries.len());
    voters(bank, queries, config, |voters| {
        let mut votes = vec![0f64; classes];
        voters.iter().for_each(|(row, weight)| votes[labels[*row] as usize] += weight);
        let winner = votes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        predictions.push(winner.map_or(0, |(class, _)| class as u32));
    })?;
    Ok(predictions)
}

/// Numbers of every query, `count` each: the mean of those of its nearest rows, weighted as their votes are. `numbers`
/// are those of the bank, row-major.
pub fn knn_numbers(
    bank: &Features,
    numbers: &[f32],
    count: usize,
    queries: &Features,
    config: &ProbeConfig,
) -> Result<Vec<f32>> {
    if count == 0 || numbers.len() != bank.len() * count {
        let problem = format!("{} numbers are not {count} for each of {} rows", numbers.len(), bank.len());
        return Err(Error::Engine(problem));
    }
    let mut predictions = Vec::with_capacity(queries.len() * count);
    voters(bank, queries, config, |voters| {
        let whole: f64 = voters.iter().map(|(_, weight)| weight).sum();
        predictions.extend((0..count).map(|at| {
            let sum: f64 = voters.iter().map(|(row, weight)| weight * f64::from(numbers[row * count + at])).sum();
            (sum / whole) as f32
        }));
    })?;
    Ok(predictions)
}

/// Shows, query by query, the rows of the bank that vote and their weights.
fn voters(
    bank: &Features,
    queries: &Features,
    config: &ProbeConfig,
    mut show: impl FnMut(&[(usize, f64)]),
) -> Result<()> {
    if bank.width() != queries.width() {
        return Err(Error::Engine(format!(
            "features of width {} against a bank of width {}",
            queries.width(),
            bank.width()
        )));
    }
    let rows = bank.len();
    let (bank, queries) = (normalised(bank).transpose(), normalised(queries));
    let k = config.neighbours.min(rows);
    for chunk in queries.split(256, 0) {
        let similarities = host::read(chunk.matmul(bank.clone()))?;
        for row in similarities.chunks_exact(rows) {
            let mut order: Vec<usize> = (0..row.len()).collect();
            let nearest = |a: &usize, b: &usize| row[*b].total_cmp(&row[*a]).then(a.cmp(b));
            if k < order.len() {
                order.select_nth_unstable_by(k - 1, nearest);
                order.truncate(k);
            }
            let weight = |i: usize| (i, (f64::from(row[i]) / config.temperature).exp());
            show(&order.into_iter().map(weight).collect::<Vec<_>>());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_equal_the_recorded_ones() {
        let value = |n: usize, d: usize| {
            let (n, d) = ((n + 1) as f64, (d + 1) as f64);
            let first = (0.7 * n + 1.9 * d + 0.31 * n * d).sin();
            [first, first + 0.1 * (2.3 * n * d).cos()]
        };
        let bank: Vec<f32> = (0..16).flat_map(|n| (0..8).map(move |d| value(n, d)[0] as f32)).collect();
        let queries: Vec<f32> = (0..4).flat_map(|n| (0..8).map(move |d| (0.5 * value(n, d)[1] + 0.3) as f32)).collect();
        let bank = Features::new(bank, (0..16).map(|n| Some(n % 3)).collect(), (0..16).collect(), vec![]).unwrap();
        let queries = Features::new(queries, vec![Some(0); 4], (0..4).collect(), vec![]).unwrap();
        let config = ProbeConfig { neighbours: 5, temperature: 0.07, ..Default::default() };
        assert_eq!(knn_predictions(&bank, &queries, &config).unwrap(), [0, 1, 2, 0]);
    }

    #[test]
    fn a_number_is_the_mean_of_its_neighbours() {
        // Directions in a plane, a degree apart; the number is the angle, and its double.
        let direction = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
        let table = |angles: &[f32]| {
            let values = angles.iter().flat_map(|a| direction(*a)).collect();
            Features::new(values, vec![None; angles.len()], (0..angles.len()).collect(), vec![]).unwrap()
        };
        let angles: Vec<f32> = (0..90).map(|a| a as f32).collect();
        let numbers: Vec<f32> = angles.iter().flat_map(|a| [*a, 2.0 * a]).collect();
        let config = ProbeConfig { neighbours: 4, ..Default::default() };
        let found = knn_numbers(&table(&angles), &numbers, 2, &table(&[20.5, 60.5]), &config).unwrap();
        for (found, expected) in found.iter().zip([20.5, 41.0, 60.5, 121.0]) {
            assert!((found - expected).abs() < 0.01, "{found} {expected}");
        }
        assert!(knn_numbers(&table(&angles), &numbers, 3, &table(&[1.0]), &config).is_err());
    }
}
