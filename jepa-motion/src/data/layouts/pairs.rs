//! A folder of pairs: `NAME_1.EXT` and `NAME_2.EXT` (or `NAME_img1`, `NAME_img2`; `NAME_0`, `NAME_1` is not read: it would
//! be ambiguous), with `NAME_flow.flo`, `.png` or `.pfm` where the flow is known. Sub-folders are read too. Other frames
//! are left out and counted.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use jepa_core::data::{Split, file, part};
use jepa_core::error::{Error, Result};

use super::{PairFiles, PairSource, part_of};
use crate::data::formats;

/// What the names of first and second frames end in.
const ENDINGS: [[&str; 2]; 2] = [["_img1", "_img2"], ["_1", "_2"]];

/// Opens one part.
pub fn open(root: &Path, split: Split) -> Result<PairSource> {
    let spec = root.display().to_string();
    let Found { pairs, left_out, .. } = below(root)?;
    if pairs.is_empty() {
        let problem = "holds no two frames named NAME_1 and NAME_2, or NAME_img1 and NAME_img2; for sequences write \
                       `frames:PATH`";
        return Err(Error::data(spec, problem));
    }
    let pairs = part_of(&spec, pairs.into_iter().map(Some).collect(), split)?;
    let others = if left_out > 0 { format!("; {left_out} frames of no pair left out") } else { String::new() };
    Ok(PairSource::new(format!("folder of pairs `{spec}`{others}; {}", part::RULE), pairs))
}

/// Whether a folder looks like it: most of its pairs are not the first two of more frames, as NAME_1 and NAME_2 are beside
/// NAME_3.
pub fn is_here(root: &Path) -> Result<bool> {
    let found = below(root)?;
    Ok(2 * found.begun < found.pairs.len())
}

/// What lies in a folder and below it.
#[derive(Debug, Default)]
struct Found {
    /// Pairs, sorted.
    pairs: Vec<PairFiles>,
    /// Pairs beside frames of the same name and other numbers.
    begun: usize,
    /// Frames of no pair.
    left_out: usize,
}

fn below(folder: &Path) -> Result<Found> {
    let listing = file::list(folder)?;
    let here: HashSet<&PathBuf> = listing.files.iter().collect();
    let frames: Vec<(&PathBuf, String)> =
        listing.files.iter().filter(|path| formats::is_frame(path)).map(|path| (path, file::stem(path))).collect();
    // What stands before numbers that are not those of a pair.
    let numbered = frames.iter().filter_map(|(_, stem)| {
        let name = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = stem[name.len()..].trim_start_matches('0');
        (name.len() < stem.len() && !["1", "2"].contains(&number)).then_some(name)
    });
    let numbered: HashSet<&str> = numbered.collect();
    let mut found = Found::default();
    for (first, stem) in &frames {
        let extension = first.extension().unwrap_or_default().to_string_lossy();
        for [one, two] in ENDINGS {
            let Some(name) = stem.strip_suffix(one) else { continue };
            let second = folder.join(format!("{name}{two}.{extension}"));
            if !here.contains(&second) {
                continue;
            }
            let flow = formats::FLOWS.iter().map(|ending| folder.join(format!("{name}_flow.{ending}")));
            let flow = flow.into_iter().find(|path| here.contains(path));
            found.begun += usize::from(numbered.contains(&stem[..stem.len() - 1]));
            found.pairs.push(PairFiles { first: first.to_path_buf(), second, flow, occlusion: None });
            break;
        }
    }
    let frames = frames.iter().filter(|(_, stem)| !stem.ends_with("_flow")).count();
    found.left_out = frames.saturating_sub(2 * found.pairs.len());
    for folder in listing.folders {
        let Found { pairs, begun, left_out } = below(&folder)?;
        found.pairs.extend(pairs);
        found.begun += begun;
        found.left_out += left_out;
    }
    Ok(found)
}
