//! FlyingChairs: `00001_img1.ppm`, `00001_img2.ppm`, `00001_flow.flo`, all in one folder (`data` perhaps), and beside it
//! or in it a list of 1 (training) and 2 (validation), a line a pair.

use std::path::Path;

use jepa_core::data::{Split, file, part};
use jepa_core::error::{Error, Result};

use super::{PairFiles, PairSource, part_of};

/// Names of the list.
const LISTS: [&str; 2] = ["FlyingChairs_train_val.txt", "chairs_split.txt"];
/// Most bytes of the list.
const MAX_LIST: u64 = 16 << 20;

/// Whether a folder looks like it: frames end in `_img1.ppm`, and none goes on to `_img3.ppm`.
pub fn is_here(root: &Path) -> bool {
    let pairs = |folder: &Path| {
        file::list(folder).is_ok_and(|listing| {
            let has = |ending: &str| listing.files.iter().any(|f| file::name(f).ends_with(ending));
            has("_img1.ppm") && !has("_img3.ppm")
        })
    };
    pairs(root) || pairs(&root.join("data"))
}

/// Opens one part.
pub fn open(root: &Path, split: Split) -> Result<PairSource> {
    let spec = root.display().to_string();
    let inner = root.join("data");
    let folder = if inner.is_dir() { inner } else { root.to_owned() };
    let mut pairs = Vec::new();
    for first in file::list(&folder)?.files {
        let name = file::name(&first);
        let Some(stem) = name.strip_suffix("_img1.ppm") else { continue };
        let beside = |ending: &str| folder.join(format!("{stem}{ending}"));
        pairs.push(Some(PairFiles {
            second: beside("_img2.ppm"),
            flow: Some(beside("_flow.flo")).filter(|path| path.is_file()),
            occlusion: None,
            first,
        }));
    }
    if pairs.is_empty() {
        return Err(Error::data(spec, "holds no file that ends in `_img1.ppm`, as FlyingChairs' first frames do"));
    }
    let places = [root, folder.as_path()].into_iter().chain(root.parent());
    let list = places.flat_map(|folder| LISTS.map(|name| folder.join(name))).find(|path| path.is_file());
    let Some(list) = list else {
        let pairs = part_of(&spec, pairs, split)?;
        return Ok(PairSource::new(format!("FlyingChairs `{spec}`; {}", part::RULE), pairs));
    };
    let wanted = match split {
        Split::Train => "1",
        Split::Test => "2",
    };
    let bytes = file::read(&list, MAX_LIST)?;
    let lines: Vec<&str> = file::text(&list, &bytes)?.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let Some(at) = lines.iter().position(|line| !["1", "2"].contains(line)) {
        let problem = format!("expected 1 (training) or 2 (validation), found `{}`", file::shortened(lines[at]));
        return Err(file::bad_line(&list, at + 1, problem));
    }
    if lines.len() != pairs.len() {
        let problem = format!("lists {} pairs, the folder holds {}", lines.len(), pairs.len());
        return Err(Error::format(&list, problem));
    }
    let kept: Vec<PairFiles> =
        pairs.into_iter().zip(lines).filter(|(_, line)| *line == wanted).filter_map(|(pair, _)| pair).collect();
    if kept.is_empty() {
        return Err(Error::format(&list, format!("lists no pair of part {wanted}")));
    }
    Ok(PairSource::new(format!("FlyingChairs `{spec}`, parts by `{}`", file::name(&list)), kept))
}
