//! A run that goes on from a checkpoint of another one, perhaps with another configuration.

use std::path::{Path, PathBuf};

use jepa_core::runlog::{self, RunState};
use jepa_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where a branch came from: `branch.json` in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Name of the run it came from.
    pub parent: String,
    /// Step of the checkpoint.
    pub step: u64,
}

/// Name of the file.
const FILE: &str = "branch.json";

impl Branch {
    /// Copies what a new run needs to go on after `step` of the run in `from`, with `config` as its configuration. The
    /// new folder `to` is complete, or it is not there.
    pub fn create(from: &Path, step: u64, config: &str, to: &Path) -> Result<()> {
        if to.exists() {
            return Err(Error::config(to.display().to_string(), "exists already: choose another name"));
        }
        let checkpoint = checkpoints(from).into_iter().find(|(at, _)| *at == step);
        let (_, checkpoint) = checkpoint.ok_or_else(|| {
            Error::config(from.display().to_string(), format!("has no complete checkpoint of step {step} any more"))
        })?;
        let mut info = runlog::read_info(from)?;
        info.state = RunState::Interrupted;
        info.started = runlog::now();
        let name = checkpoint.file_name().unwrap_or_default();
        let scratch = to.with_extension("part");
        let fill = || -> Result<()> {
            let folder = scratch.join("checkpoints").join(name);
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            for entry in std::fs::read_dir(&checkpoint).map_err(Error::io("read", &checkpoint))? {
                let path = entry.map_err(Error::io("read", &checkpoint))?.path();
                let copy = folder.join(path.file_name().unwrap_or_default());
                std::fs::copy(&path, &copy).map_err(Error::io("copy", &path))?;
            }
            let json = |value: &serde_json::Value| value.to_string().into_bytes();
            let parent = Self { parent: crate::shared::name_of(from), step };
            runlog::write(&scratch.join(FILE), &json(&serde_json::json!(parent)))?;
            runlog::write(&scratch.join("config.toml"), config.as_bytes())?;
            runlog::write(&scratch.join("run.json"), &json(&serde_json::json!(info)))?;
            std::fs::rename(&scratch, to).map_err(Error::io("create", to))
        };
        fill().inspect_err(|_| drop(std::fs::remove_dir_all(&scratch)))
    }

    /// Where the run in `folder` came from, when it is a branch.
    pub fn of(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()
    }
}

/// Complete checkpoints of a run, ascending. A checkpoint is complete when it has its manifest, which is written last.
pub fn checkpoints(run: &Path) -> Vec<(u64, PathBuf)> {
    let entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let step = |path: &Path| path.file_name()?.to_str()?.strip_prefix("step-")?.parse::<u64>().ok();
    let mut found: Vec<(u64, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter_map(|path| Some((step(&path)?, path)))
        .filter(|(_, path)| path.join("manifest.json").is_file())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_holds_one_checkpoint_and_its_own_configuration_and_can_be_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let info = runlog::RunInfo {
            variant: "v".into(),
            preset: "p".into(),
            version: "0".into(),
            engine: "cpu".into(),
            replicas: 1,
            seed: 0,
            state: RunState::Finished,
            command: vec![],
            from: None,
            started: 1,
        };
        drop(runlog::RunFolder::create(&from, "x = 1", &info).unwrap());
        for (step, complete) in [(20, true), (40, true), (60, false)] {
            let path = from.join(format!("checkpoints/step-{step:09}"));
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("student.safetensors"), step.to_string()).unwrap();
            if complete {
                std::fs::write(path.join("manifest.json"), "{}").unwrap();
            }
        }
        assert_eq!(checkpoints(&from).iter().map(|c| c.0).collect::<Vec<_>>(), [20, 40]);
        assert!(Branch::create(&from, 60, "", &to).is_err() && !to.exists());
        Branch::create(&from, 20, "x = 2", &to).unwrap();
        assert_eq!(checkpoints(&to).len(), 1);
        assert_eq!(std::fs::read_to_string(to.join("config.toml")).unwrap(), "x = 2");
        assert_eq!(runlog::read_info(&to).unwrap().state, RunState::Interrupted);
        assert_eq!(Branch::of(&to), Some(Branch { parent: "a".into(), step: 20 }));
        assert_eq!(Branch::of(&from), None);
        assert!(Branch::create(&from, 20, "", &to).unwrap_err().to_string().contains("exists"));
        assert!(runlog::RunFolder::resume(&to).is_ok());
    }
}
