//! What a person made here: one versioned file that forgives what it does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is remembered between sessions. Unknown keys of a newer version are kept as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    /// Version of this layout.
    pub version: u32,
    /// "light", "dark", or "system".
    pub theme: String,
    /// The screen that was shown last.
    pub screen: Option<crate::screens::ScreenId>,
    /// Size of the window in points.
    pub window: Option<[f32; 2]>,
    /// Colour of every run that was seen, by its name.
    pub colors: BTreeMap<String, usize>,
    /// Tags of runs.
    pub tags: BTreeMap<String, Vec<String>>,
    /// Notes on runs.
    pub notes: BTreeMap<String, String>,
    /// Settings of screens, by screen.
    pub screens: BTreeMap<String, serde_json::Value>,
    /// Whatever a newer version wrote.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// The workspace file in memory.
#[derive(Debug, Default)]
pub struct Workspace {
    /// What it holds.
    pub content: Content,
    path: Option<PathBuf>,
    saved: Content,
}

/// Version of the layout that this program writes.
const VERSION: u32 = 1;

/// Name of the file inside the folder of runs.
pub const FILE: &str = "workspace.json";

impl Workspace {
    /// Reads the workspace of a folder of runs. A broken file is set aside under another name; the sentence says so.
    pub fn open(runs: &Path) -> (Self, Option<String>) {
        let path = runs.join(FILE);
        let fresh = || Content { version: VERSION, theme: "system".into(), ..Content::default() };
        let (content, problem) = match std::fs::read(&path) {
            Err(_) => (fresh(), None),
            Ok(bytes) => match serde_json::from_slice::<Content>(&bytes) {
                Ok(content) => (content, None),
                Err(error) => (fresh(), Some(set_aside(&path, &error.to_string()))),
            },
        };
        (Self { saved: content.clone(), content, path: Some(path) }, problem)
    }

    /// Writes it when it has changed, by way of a scratch file.
    pub fn save(&mut self) -> jepa_core::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if self.content == self.saved {
            return Ok(());
        }
        let text =
            serde_json::to_vec_pretty(&self.content).map_err(|e| jepa_core::Error::format(path, e.to_string()))?;
        // Once a change, whether it could be written or not: an unwritable folder is not worth a notice a frame.
        self.saved = self.content.clone();
        jepa_core::runlog::write(path, &text)
    }

    /// The colour of a run: the first that is least used when it is seen for the first time, the same ever after.
    pub fn color_of(&mut self, run: &str) -> usize {
        if let Some(at) = self.content.colors.get(run) {
            return *at;
        }
        let used = |at: usize| self.content.colors.values().filter(|c| **c == at).count();
        let at = (0..crate::theme::Theme::CATEGORIES).min_by_key(|at| (used(*at), *at)).unwrap_or(0);
        self.content.colors.insert(run.to_owned(), at);
        at
    }
}

fn set_aside(path: &Path, problem: &str) -> String {
    let aside = (1..1000).map(|n| path.with_extension(format!("broken-{n}.json"))).find(|p| !p.exists());
    let moved = aside.filter(|aside| std::fs::rename(path, aside).is_ok());
    match moved {
        Some(aside) => format!(
            "the workspace file could not be read ({problem}); it was set aside as `{}` and a new one begun",
            aside.display()
        ),
        None => format!("the workspace file `{}` cannot be read ({problem}); it will be replaced", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_comes_back_and_a_newer_versions_keys_survive() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"version": 9, "notes": {"a": "good"}, "from_the_future": [1, 2]}"#;
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let (mut workspace, problem) = Workspace::open(folder.path());
        assert_eq!(problem, None);
        assert_eq!(workspace.content.notes["a"], "good");
        workspace.content.tags.insert("a".into(), vec!["keep".into()]);
        workspace.save().unwrap();
        let (again, _) = Workspace::open(folder.path());
        assert_eq!(again.content.tags["a"], ["keep"]);
        assert_eq!(again.content.unknown["from_the_future"], serde_json::json!([1, 2]));
    }

    #[test]
    fn a_broken_file_is_set_aside_and_nothing_of_it_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["{\"version\": 1, \"not", "[]", "\u{0}\u{0}"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let (mut workspace, problem) = Workspace::open(folder.path());
            assert!(problem.unwrap().contains("set aside"));
            workspace.color_of("run");
            workspace.save().unwrap();
        }
        let kept = std::fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
        let kept = kept.filter(|e| e.file_name().to_string_lossy().contains("broken")).count();
        assert_eq!(kept, 3);
    }

    #[test]
    fn runs_keep_their_colour_and_the_first_ones_never_share_one() {
        let mut workspace = Workspace::default();
        let first: Vec<usize> = (0..12).map(|i| workspace.color_of(&format!("run-{i}"))).collect();
        let mut distinct = first.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 12);
        assert_eq!(workspace.color_of("run-3"), first[3]);
    }
}
