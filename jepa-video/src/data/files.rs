//! A list of recordings with labels, read as clips.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jepa_core::data::{Source, file, no_sample};
use jepa_core::error::{Error, Result};
use jepa_core::random::Stream;

use super::clip::Clip;
use super::recording::program::Programs;
use super::recording::{Recording, VIDEOS};
use super::sampling::{ClipOptions, SamplingRule};

/// Recordings on disk.
#[derive(Debug)]
pub struct VideoFiles {
    text: String,
    items: Vec<Item>,
    classes: Vec<String>,
    options: ClipOptions,
    programs: Programs,
}

#[derive(Debug)]
struct Item {
    path: PathBuf,
    label: Option<u32>,
    /// Lengths are asked for once: a program is started for it.
    recording: OnceLock<Recording>,
}

impl VideoFiles {
    /// `paths` with their labels among `classes`; `text` says what they are. Fails at once when they need a program
    /// that does not start.
    pub(crate) fn new(
        text: String,
        paths: Vec<(PathBuf, Option<u32>)>,
        classes: Vec<String>,
        options: &ClipOptions,
    ) -> Result<Self> {
        Self::with_programs(text, paths, classes, options, Programs::default())
    }

    pub(crate) fn with_programs(
        text: String,
        paths: Vec<(PathBuf, Option<u32>)>,
        classes: Vec<String>,
        options: &ClipOptions,
        programs: Programs,
    ) -> Result<Self> {
        if let Some((path, _)) = paths.iter().find(|(path, _)| VIDEOS.contains(&file::extension(path).as_str())) {
            programs.check(path)?;
        }
        let item = |(path, label)| Item { path, label, recording: OnceLock::new() };
        let items = paths.into_iter().map(item).collect();
        Ok(Self { text, items, classes, options: options.clone(), programs })
    }

    fn clip(&self, index: usize, draw: Option<&mut Stream>) -> Result<Clip> {
        let Some(item) = self.items.get(index) else {
            return Err(Error::data(&self.text, no_sample(index, self.items.len())));
        };
        let recording = match item.recording.get() {
            Some(recording) => recording,
            None => {
                let recording = Recording::open(&item.path, &self.programs)?;
                item.recording.get_or_init(|| recording)
            }
        };
        let rate = match self.options.rule {
            SamplingRule::Step(_) => 0.0,
            SamplingRule::Fps(_) => recording.rate().or(self.options.rate).ok_or_else(|| {
                let problem = "does not say how many frames a second it has; set `rate`, or a sampling rule by step";
                Error::format(&item.path, problem)
            })?,
        };
        let indices = self.options.indices(recording.count(), rate, draw);
        recording.read(&indices, self.options.shorter)
    }

    /// Path of recording `index`.
    pub fn path(&self, index: usize) -> Option<&Path> {
        self.items.get(index).map(|item| item.path.as_path())
    }
}

impl Source for VideoFiles {
    type Sample = Clip;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn read(&self, index: usize) -> Result<Clip> {
        self.clip(index, None)
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Clip> {
        self.clip(index, Some(draw))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.items.get(index)?.label
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.path(index).map_or_else(|| no_sample(index, self.items.len()), |path| path.display().to_string())
    }

    fn describe(&self) -> String {
        let classes = match self.classes.len() {
            0 => "without labels".to_owned(),
            n => format!("in {n} classes"),
        };
        let (before, after) = self.text.split_once(';').map_or((self.text.as_str(), None), |(a, b)| (a, Some(b)));
        let note = after.map_or_else(String::new, |note| format!(";{note}"));
        format!("{before}: {} recordings {classes}{note}", self.items.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_said_at_once_with_how_to_install_it() {
        let dir = tempfile::tempdir().unwrap();
        let [video, still] = ["a.mp4", "a.gif"].map(|name| (dir.path().join(name), None));
        let absent = Programs { ffmpeg: dir.path().join("ffmpeg"), ffprobe: dir.path().join("ffprobe") };
        let open = |paths: Vec<(PathBuf, Option<u32>)>| {
            VideoFiles::with_programs("test".into(), paths, Vec::new(), &ClipOptions::default(), absent.clone())
        };
        let error = open(vec![still.clone(), video]).unwrap_err().to_string();
        assert!(error.contains("a.mp4") && error.contains("apt-get install ffmpeg"), "{error}");
        assert!(open(vec![still]).is_ok(), "animations need no program");
    }
}
