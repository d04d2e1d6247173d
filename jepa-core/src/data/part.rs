//! The part of a data set that one split means when the data set itself does not say.

use super::Split;
use crate::error::{Error, Result};
use crate::random::{Draw as _, Purpose, Stream};

/// One sample in so many is held out.
const ONE_IN: usize = 10;

/// What [`Source::describe`](super::Source::describe) says about the rule.
pub const RULE: &str = "held out by index hash, 1 in 10, as there is no separate test part";

/// Indices of `0..count` that belong to `split`: of each run of ten the one that a hash of the run's number picks is
/// for testing. Sorted classes are thus held out evenly, and every run of the program agrees.
pub fn indices(count: usize, split: Split) -> Vec<u32> {
    let held_out = |index: usize| {
        let run = (index / ONE_IN) as u64;
        Stream::new(0, Purpose::Probe, run, 0).below(ONE_IN) == index % ONE_IN
    };
    (0..count).filter(|&i| held_out(i) == (split == Split::Test)).map(|i| i as u32).collect()
}

/// Like [`indices`], but an empty part is an error about `spec`.
pub fn nonempty(spec: &str, count: usize, split: Split) -> Result<Vec<u32>> {
    let part = indices(count, split);
    if part.is_empty() {
        let problem = format!("{count} samples are too few to hold one in {ONE_IN} out for testing; add a test part");
        return Err(Error::data(spec, problem));
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_parts_share_nothing_and_leave_nothing_out() {
        for count in [0, 1, 9, 10, 11, 995] {
            let (train, test) = (indices(count, Split::Train), indices(count, Split::Test));
            let mut all: Vec<u32> = train.iter().chain(&test).copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..count as u32).collect::<Vec<_>>());
            assert!(test.len().abs_diff(count / ONE_IN) <= 1, "{count}: {}", test.len());
        }
    }

    #[test]
    fn a_single_sample_is_for_training_and_the_missing_test_part_is_an_error() {
        assert_eq!(indices(1, Split::Train), [0]);
        let error = nonempty("cats", 1, Split::Test).unwrap_err().to_string();
        assert!(error.contains("cats") && error.contains("too few"), "{error}");
    }

    #[test]
    fn the_rule_does_not_change_between_releases() {
        assert_eq!(indices(60, Split::Test), [6, 17, 25, 36, 44, 50]);
    }
}
