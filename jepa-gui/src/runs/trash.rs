//! Runs that were thrown away. Nothing is deleted: the folder is moved into `.trash` beside it, from where it comes back.

use std::path::{Path, PathBuf};

use jepa_core::{Error, Result, runlog};

use super::{TERMINAL, holder};
use crate::shared::name_of;

/// Name of the folder that holds what was thrown away, inside the folder of runs.
pub const TRASH: &str = ".trash";

/// A run in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// Where it was.
    pub from: PathBuf,
    /// Where it is now: `.trash/<time>-<number>/<name>`, so that two runs of one name do not meet.
    pub at: PathBuf,
}

impl Trashed {
    /// Moves a run folder to the trash. One in which somebody trains is refused, and so is a folder that is no run.
    pub fn throw(run: &Path) -> Result<Self> {
        let place = || run.display().to_string();
        if let Some(process) = holder(run) {
            return Err(Error::config(place(), format!("process {process} trains in this folder: stop it first")));
        }
        // What failed before it began has said so in its terminal, and that is all there is of it.
        if !run.join("run.json").is_file() && !run.join(TERMINAL).is_file() {
            return Err(Error::config(place(), "is no run folder: it has no run.json"));
        }
        let (Some(folder), Some(name)) = (run.parent(), run.file_name()) else {
            return Err(Error::config(place(), "has no folder around it to hold a trash"));
        };
        let at = fresh(&folder.join(TRASH))?.join(name);
        if let Err(error) = std::fs::rename(run, &at) {
            // An empty folder in the trash is no harm, and this one is ours.
            let _ = at.parent().map(std::fs::remove_dir);
            return Err(Error::io("move", run)(error));
        }
        Ok(Self { from: run.to_owned(), at })
    }

    /// Moves it back. Where another run has taken its name meanwhile, both stay where they are.
    pub fn restore(&self) -> Result<()> {
        if self.from.exists() {
            let what = "there is another run of this name now: rename or delete that one first";
            return Err(Error::config(self.from.display().to_string(), what));
        }
        std::fs::rename(&self.at, &self.from).map_err(Error::io("move back", &self.at))?;
        // The folder around it is empty now; one that is not holds something of somebody else's.
        let _ = self.at.parent().map(std::fs::remove_dir);
        Ok(())
    }

    /// What lies in the trash of a folder of runs, the newest first. Foreign files are passed over.
    pub fn list(runs: &Path) -> Vec<Self> {
        let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut folders: Vec<PathBuf> = entries(&runs.join(TRASH)).filter(|path| path.is_dir()).collect();
        folders.sort();
        let inside = folders.iter().rev().flat_map(|folder| entries(folder));
        let is_run = |path: &PathBuf| path.join("run.json").is_file() || path.join(TERMINAL).is_file();
        inside.filter(is_run).map(|at| Self { from: runs.join(name_of(&at)), at }).collect()
    }
}

/// A new folder inside the trash.
fn fresh(trash: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(trash).map_err(Error::io("create", trash))?;
    let now = runlog::now();
    for number in 0..1000 {
        let path = trash.join(format!("{now}-{number:03}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", &path)(error)),
        }
    }
    Err(Error::config(trash.display().to_string(), "is full of runs of this second: try again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.join("checkpoints")).unwrap();
        std::fs::write(path.join("run.json"), text).unwrap();
        path
    }

    #[test]
    fn what_is_thrown_away_comes_back_whole_even_when_its_name_was_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = Trashed::throw(&run(folder.path(), "a", "first")).unwrap();
        let second = Trashed::throw(&run(folder.path(), "a", "second")).unwrap();
        assert!(!folder.path().join("a").exists());
        let listed = Trashed::list(folder.path());
        assert_eq!((listed.len(), listed.contains(&first), listed.contains(&second)), (2, true, true));
        first.restore().unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("a/run.json")).unwrap(), "first");
        assert!(folder.path().join("a/checkpoints").is_dir());
        let problem = second.restore().unwrap_err().to_string();
        assert!(problem.contains("another run of this name"), "{problem}");
        assert_eq!(Trashed::list(folder.path()), [second]);
    }

    #[test]
    fn foreign_folders_are_neither_thrown_away_nor_listed_and_a_held_run_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("holiday")).unwrap();
        assert!(Trashed::throw(&folder.path().join("holiday")).unwrap_err().to_string().contains("no run folder"));
        assert!(Trashed::throw(&folder.path().join("nowhere")).is_err());
        std::fs::create_dir_all(folder.path().join(TRASH).join("stranger")).unwrap();
        std::fs::write(folder.path().join(TRASH).join("file"), "x").unwrap();
        assert!(Trashed::list(folder.path()).is_empty());
        let held = run(folder.path(), "held", "{}");
        let lock = runlog::RunFolder::resume(&held).unwrap();
        // Some sandboxes hide the list of locks; then nobody can tell.
        if holder(&held).is_some() {
            assert!(Trashed::throw(&held).unwrap_err().to_string().contains("stop it first"));
            assert!(held.is_dir());
        }
        drop(lock);
        assert!(Trashed::throw(&held).is_ok());
    }
}
