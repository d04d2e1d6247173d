//! A folder of pairs: `NAME_1.EXT` and `NAME_2.EXT` (or `NAME_img1`, `NAME_img2`; `NAME_0`, `NAME_1` is not read: it would
//! be ambiguous), with `NAME_flow.flo`, `.png` or `.pfm` where the flow is known. Sub-folders are read too.

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
    let pairs = below(root)?;
    if pairs.is_empty() {
        let problem = "holds no two frames named NAME_1 and NAME_2, or NAME_img1 and NAME_img2; for sequences write \
                       `frames:PATH`";
        return Err(Error::data(spec, problem));
    }
    let pairs = part_of(&spec, pairs.into_iter().map(Some).collect(), split)?;
    Ok(PairSource::new(format!("folder of pairs `{spec}`; {}", part::RULE), pairs))
}

/// All pairs in a folder and below it, sorted.
pub(crate) fn below(folder: &Path) -> Result<Vec<PairFiles>> {
    let listing = file::list(folder)?;
    let here: HashSet<&PathBuf> = listing.files.iter().collect();
    let mut pairs = Vec::new();
    for first in listing.files.iter().filter(|path| formats::is_frame(path)) {
        let (stem, extension) =
            (file::stem(first), first.extension().unwrap_or_default().to_string_lossy().into_owned());
        for [one, two] in ENDINGS {
            let Some(name) = stem.strip_suffix(one) else { continue };
            let second = folder.join(format!("{name}{two}.{extension}"));
            if !here.contains(&second) {
                continue;
            }
            let flow = formats::FLOWS.iter().map(|ending| folder.join(format!("{name}_flow.{ending}")));
            let flow = flow.into_iter().find(|path| here.contains(path));
            pairs.push(PairFiles { first: first.clone(), second, flow, occlusion: None });
            break;
        }
    }
    for folder in listing.folders {
        pairs.extend(below(&folder)?);
    }
    Ok(pairs)
}
