//! KITTI 2015: `training/image_2/000000_10.png` and `000000_11.png`, `training/flow_occ/000000_10.png` with all pixels'
//! flow, `training/flow_noc` with that of the pixels seen in both frames.

use std::path::Path;

use jepa_core::data::{Split, file, part};
use jepa_core::error::{Error, Result};

use super::{Occlusion, PairFiles, PairSource, part_of};

/// Whether a folder looks like it.
pub fn is_here(root: &Path) -> bool {
    root.join("training/image_2").is_dir()
}

/// Opens one part.
pub fn open(root: &Path, split: Split) -> Result<PairSource> {
    let spec = root.display().to_string();
    let training = root.join("training");
    let frames = training.join("image_2");
    if !frames.is_dir() {
        return Err(Error::data(spec, "`training/image_2` is missing; give KITTI 2015's root folder"));
    }
    let mut pairs = Vec::new();
    for first in file::list(&frames)?.files {
        let name = file::name(&first);
        let Some(number) = name.strip_suffix("_10.png") else { continue };
        let beside = |folder: &str| Some(training.join(folder).join(&name)).filter(|path| path.is_file());
        pairs.push(Some(PairFiles {
            second: frames.join(format!("{number}_11.png")),
            flow: beside("flow_occ"),
            occlusion: beside("flow_noc").map(Occlusion::LeftOut),
            first,
        }));
    }
    if pairs.is_empty() {
        return Err(Error::data(spec, "`training/image_2` holds no file that ends in `_10.png`"));
    }
    let pairs = part_of(&spec, pairs, split)?;
    Ok(PairSource::new(format!("KITTI 2015 `{spec}`; {}", part::RULE), pairs))
}
