//! Few-shot tasks: some classes, a few labelled samples of each, and a linear support vector machine on the frozen
//! features (the task of the ModelNet40 few-shot benchmark, m-way n-shot).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Features, Spread, SvmConfig, svm_accuracy};
use crate::error::{Error, Result};
use crate::random::{Draw as _, Purpose, Stream};

/// Which few-shot tasks are drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FewShotConfig {
    /// Classes of a task (ModelNet40 few-shot: 5 and 10).
    pub ways: Vec<usize>,
    /// Labelled samples of each of them (ModelNet40 few-shot: 10 and 20).
    pub shots: Vec<usize>,
    /// Test samples of each of them at most (ModelNet40 few-shot: 20).
    pub queries: usize,
    /// Tasks of each kind; mean and deviation over them are reported (ModelNet40 few-shot: 10).
    pub draws: usize,
}

impl Default for FewShotConfig {
    fn default() -> Self {
        Self { ways: vec![5, 10], shots: vec![10, 20], queries: 20, draws: 10 }
    }
}

impl FewShotConfig {
    pub(super) fn check(&self) -> Result<()> {
        let counts = [self.queries, self.draws];
        if counts.contains(&0) || self.ways.iter().any(|ways| *ways < 2) || self.shots.contains(&0) {
            return Err(Error::config("probe.few_shot", "ways must be two or more; shots, queries and draws positive"));
        }
        Ok(())
    }
}

/// The accuracy over tasks of `ways` classes with `shots` labelled samples each. The
/// same tasks are drawn whatever the features are.
pub fn few_shot(
    train: &Features,
    test: &Features,
    [ways, shots]: [usize; 2],
    config: &FewShotConfig,
    svm: &SvmConfig,
) -> Result<Spread> {
    let (bank, queries) = (by_class(train)?, by_class(test)?);
    let possible: Vec<usize> = (0..bank.len().min(queries.len()))
        .filter(|class| bank[*class].len() >= shots && !queries[*class].is_empty())
        .collect();
    if possible.len() < ways {
        let problem = format!(
            "{ways} classes with {shots} training samples and a test sample are asked for, the data has {}",
            possible.len()
        );
        return Err(Error::config("probe.few_shot", problem));
    }
    let accuracies = (0..config.draws as u64)
        .map(|task| {
            let mut draw = Stream::new(task, Purpose::Probe, ways as u64, shots as u64);
            let order = draw.permutation(possible.len());
            let (mut known, mut asked) = (Vec::new(), Vec::new());
            for at in order.into_iter().take(ways) {
                let class = possible[at as usize];
                for (rows, wanted, out) in
                    [(&bank[class], shots, &mut known), (&queries[class], config.queries, &mut asked)]
                {
                    out.extend(draw.permutation(rows.len()).into_iter().take(wanted).map(|i| rows[i as usize]));
                }
            }
            svm_accuracy(&train.subset(&known), &test.subset(&asked), svm)
        })
        .collect::<Result<Vec<f64>>>()?;
    Ok(Spread::of(&accuracies))
}

/// Row numbers of every class.
fn by_class(features: &Features) -> Result<Vec<Vec<usize>>> {
    let mut rows = Vec::new();
    for (row, label) in features.known_labels()?.into_iter().enumerate() {
        let class = label as usize;
        rows.resize_with(rows.len().max(class + 1), Vec::new);
        rows[class].push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten classes, `each` samples each, around corners of a cube in ten dimensions.
    fn clouds(seed: u64, each: usize, distance: f32) -> Features {
        let mut draw = Stream::new(seed, Purpose::Test, 0, 0);
        let count = 10 * each;
        let values =
            (0..count * 10).map(|i| draw.normal() + if i % 10 == (i / 10) % 10 { distance } else { 0.0 }).collect();
        Features::new(values, (0..count).map(|i| Some(i as u32 % 10)).collect(), (0..count).collect(), vec![]).unwrap()
    }

    #[test]
    fn accuracy_is_chance_without_a_signal_and_grows_with_shots_and_falls_with_ways() {
        let (config, svm) = (FewShotConfig { draws: 20, ..FewShotConfig::default() }, SvmConfig::default());
        let of =
            |distance, task| few_shot(&clouds(1, 40, distance), &clouds(2, 40, distance), task, &config, &svm).unwrap();
        assert!((of(0.0, [5, 10]).mean - 0.2).abs() < 0.05);
        let few = of(2.0, [5, 2]);
        assert!(of(2.0, [5, 20]).mean > few.mean + 0.05 && few.deviation > 0.0, "{few:?}");
        assert!(of(2.0, [10, 5]).mean < of(2.0, [2, 5]).mean - 0.05);
    }

    #[test]
    fn tasks_that_the_data_cannot_give_say_so() {
        let config = FewShotConfig::default();
        let error = few_shot(&clouds(1, 9, 1.0), &clouds(2, 9, 1.0), [5, 10], &config, &SvmConfig::default());
        assert!(error.unwrap_err().to_string().contains("10 training samples"));
    }
}
