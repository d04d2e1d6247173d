//! Sequences of frames: a folder each, or one folder; every frame is paired with the next.

use std::path::{Path, PathBuf};

use jepa_core::data::{Split, file, part};
use jepa_core::error::{Error, Result};

use super::{PairFiles, PairSource, part_of};
use crate::data::formats;

/// Opens one part. Of several sequences one in ten is held out, of a single one the last tenth.
pub fn open(root: &Path, split: Split) -> Result<PairSource> {
    let spec = root.display().to_string();
    let mut sequences = Vec::new();
    collect(root, &mut sequences)?;
    if sequences.is_empty() {
        return Err(Error::data(spec, "no folder here holds two frames of one sequence"));
    }
    let count = sequences.len();
    if count == 1 {
        let mut pairs = sequences.pop().unwrap_or_default();
        let held_out = pairs.split_off(pairs.len() - pairs.len() / 10);
        let pairs = match split {
            Split::Train => pairs,
            Split::Test if held_out.is_empty() => {
                let problem = format!("{} pairs of one sequence are too few to hold out a tenth", pairs.len());
                return Err(Error::data(spec, problem));
            }
            Split::Test => held_out,
        };
        return Ok(PairSource::new(format!("sequence `{spec}`; its last tenth is held out"), pairs));
    }
    let pairs = part_of(&spec, sequences.into_iter().map(Some).collect(), split)?.concat();
    Ok(PairSource::new(format!("{count} sequences below `{spec}`; sequences {}", part::RULE), pairs))
}

/// Pairs of neighbours among the frames of one folder, in the order of their names.
pub(super) fn sequence(folder: &Path) -> Result<Vec<PairFiles>> {
    let mut frames: Vec<PathBuf> = file::list(folder)?.files.into_iter().filter(|f| formats::is_frame(f)).collect();
    // frame10 comes after frame9.
    frames.sort_by_key(|path| {
        let stem = file::stem(path);
        let digits = stem.len() - stem.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (name, number) = stem.split_at(stem.len() - digits);
        (name.to_owned(), number.parse::<u64>().unwrap_or(0), stem.clone())
    });
    let pair =
        |pair: &[PathBuf]| PairFiles { first: pair[0].clone(), second: pair[1].clone(), flow: None, occlusion: None };
    Ok(frames.windows(2).map(pair).collect())
}

fn collect(folder: &Path, sequences: &mut Vec<Vec<PairFiles>>) -> Result<()> {
    let pairs = sequence(folder)?;
    if !pairs.is_empty() {
        sequences.push(pairs);
    }
    for folder in file::list(folder)?.folders {
        collect(&folder, sequences)?;
    }
    Ok(())
}
