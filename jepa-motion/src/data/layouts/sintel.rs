//! MPI Sintel: `training/{clean,final}/SCENE/frame_0001.png`, `training/flow/SCENE/frame_0001.flo`,
//! `training/occlusions/SCENE/frame_0001.png`. Whole scenes are held out: frames of one scene are alike.

use std::path::Path;

use jepa_core::data::{Split, file, part};
use jepa_core::error::{Error, Result};

use super::frames::sequence;
use super::{Occlusion, PairSource, part_of};

/// The two renderings.
pub const PASSES: [&str; 2] = ["clean", "final"];

/// Whether a folder looks like it.
pub fn is_here(root: &Path) -> bool {
    PASSES.iter().any(|pass| root.join("training").join(pass).is_dir())
}

/// Opens one part of the renderings `passes`.
pub fn open(root: &Path, passes: &[&str], split: Split) -> Result<PairSource> {
    let spec = root.display().to_string();
    let training = root.join("training");
    let passes: Vec<&str> = passes.iter().copied().filter(|pass| training.join(pass).is_dir()).collect();
    let Some(pass) = passes.first() else {
        let problem = "`training/clean` and `training/final` are missing; give Sintel's root folder";
        return Err(Error::data(spec, problem));
    };
    let scenes = file::list(&training.join(pass))?.folders;
    let names = part_of(&spec, scenes.iter().map(|scene| Some(file::name(scene))).collect(), split)?;
    let mut pairs = Vec::new();
    for pass in &passes {
        for scene in &names {
            let mut found = sequence(&training.join(pass).join(scene))?;
            for pair in &mut found {
                let stem = file::stem(&pair.first);
                let beside = |folder: &str, ending: &str| {
                    let path = training.join(folder).join(scene).join(format!("{stem}.{ending}"));
                    path.is_file().then_some(path)
                };
                pair.flow = beside("flow", "flo");
                pair.occlusion = beside("occlusions", "png").map(Occlusion::White);
            }
            pairs.extend(found);
        }
    }
    if pairs.is_empty() {
        return Err(Error::data(spec, format!("no scene below `training/{pass}` has two frames")));
    }
    let about = format!("Sintel `{spec}`, {}, {} scenes; scenes {}", passes.join(" and "), names.len(), part::RULE);
    Ok(PairSource::new(about, pairs))
}
