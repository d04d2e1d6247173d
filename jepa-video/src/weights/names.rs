//! Two ways to name the parts of a network, and the way from one to the other.

use jepa_core::checkpoint::Named;
use jepa_core::error::{Error, KeyReport, Result};

/// Our names of parts, and theirs.
pub(super) struct Parts {
    /// One tensor here, one there.
    pub(super) single: &'static [(&'static str, &'static str)],
    /// One map here, whose rows are those of several maps there.
    pub(super) fused: &'static [(&'static str, &'static [&'static str])],
}

/// A network: parts outside its blocks, where the blocks lie here and there, parts of a block.
pub(super) struct Names {
    pub(super) root: Parts,
    pub(super) blocks: [&'static str; 2],
    pub(super) block: Parts,
}

const TENSORS: [&str; 2] = ["weight", "bias"];

impl Names {
    /// Takes what `theirs` holds of the network, in our names. A fused map with some of its parts missing is reported.
    pub(super) fn take(&self, theirs: &mut Named, report: &mut KeyReport) -> Named {
        let mut ours = Named::new();
        self.root.take(theirs, ["", ""], &mut ours, report);
        let [here, there] = self.blocks;
        for block in 0.. {
            let prefix = format!("{there}.{block}.");
            if !theirs.keys().any(|name| name.starts_with(&prefix)) {
                break;
            }
            self.block.take(theirs, [&format!("{here}.{block}."), &prefix], &mut ours, report);
        }
        ours
    }

    /// Adds `ours` to `theirs`, in their names.
    pub(super) fn give(&self, ours: &Named, theirs: &mut Named) -> Result<()> {
        let [here, there] = self.blocks;
        for (name, tensor) in ours {
            let inside = name.strip_prefix(here).and_then(|rest| rest.strip_prefix('.')?.split_once('.'));
            let given = match inside {
                Some((block, part)) => self.block.give(part, tensor, &format!("{there}.{block}."), theirs),
                None => self.root.give(name, tensor, "", theirs),
            };
            if !given {
                return Err(Error::Engine(format!("`{name}` has no name in Hugging Face's layout")));
            }
        }
        Ok(())
    }
}

impl Parts {
    fn take(&self, theirs: &mut Named, [here, there]: [&str; 2], ours: &mut Named, report: &mut KeyReport) {
        for part in TENSORS {
            for (mine, other) in self.single {
                if let Some(tensor) = theirs.remove(&format!("{there}{other}.{part}")) {
                    ours.insert(format!("{here}{mine}.{part}"), tensor);
                }
            }
            for (mine, others) in self.fused {
                let keys: Vec<String> = others.iter().map(|other| format!("{there}{other}.{part}")).collect();
                if !keys.iter().any(|key| theirs.contains_key(key)) {
                    continue;
                }
                report.missing.extend(keys.iter().filter(|key| !theirs.contains_key(*key)).cloned());
                match fused(keys.iter().filter_map(|key| theirs.remove(key)).collect()) {
                    Some(tensor) => {
                        ours.insert(format!("{here}{mine}.{part}"), tensor);
                    }
                    None => report.mismatched.push(format!("{}: not of one shape", keys.join(", "))),
                }
            }
        }
    }

    fn give(&self, name: &str, (shape, values): &(Vec<usize>, Vec<f32>), prefix: &str, theirs: &mut Named) -> bool {
        let rest = |whole: &str| name.strip_prefix(whole)?.strip_prefix('.').map(str::to_owned);
        if let Some((other, part)) = self.single.iter().find_map(|(mine, other)| Some((other, rest(mine)?))) {
            theirs.insert(format!("{prefix}{other}.{part}"), (shape.clone(), values.clone()));
            return true;
        }
        let Some((others, part)) = self.fused.iter().find_map(|(mine, others)| Some((others, rest(mine)?))) else {
            return false;
        };
        let count = others.len();
        let shape: Vec<usize> = std::iter::once(shape[0] / count).chain(shape[1..].iter().copied()).collect();
        for (other, values) in others.iter().zip(values.chunks_exact((values.len() / count).max(1))) {
            theirs.insert(format!("{prefix}{other}.{part}"), (shape.clone(), values.to_vec()));
        }
        true
    }
}

/// Tensors of one shape, one below the other.
fn fused(parts: Vec<(Vec<usize>, Vec<f32>)>) -> Option<(Vec<usize>, Vec<f32>)> {
    let mut shape = parts.first()?.0.clone();
    if parts.iter().any(|(other, _)| *other != shape) {
        return None;
    }
    let rows = shape.first_mut()?;
    *rows = rows.saturating_mul(parts.len());
    Some((shape, parts.into_iter().flat_map(|(_, values)| values).collect()))
}
