//! PKU-MMD: long videos of many actions, cut into sequences by their labels, without translation (MAMP `data/pku_v1`).
//!
//! A folder holds one folder of skeletons (a text file a video, 150 numbers a line: two persons, 25 joints), one of labels
//! (rows `class,start,end,confidence`) and text files that list the videos of a protocol: a line of words, then names
//! parted by commas, first for training, then for validation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::file;
use super::joints::JointSet;
use super::sequence::Sequence;

/// Numbers of a frame.
const WIDTH: usize = 150;
/// Classes of both phases; the second uses 41 of them.
const CLASSES: u32 = 51;
/// Longest sequence, in frames; the rest is cut.
const MAX_FRAMES: usize = 300;
/// Most actions of one video.
const MAX_ACTIONS: usize = 10_000;

/// How the videos are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PkuProtocol {
    /// By performer.
    CrossSubject,
    /// By camera.
    CrossView,
}

impl PkuProtocol {
    fn word(self) -> &'static str {
        match self {
            Self::CrossSubject => "subject",
            Self::CrossView => "view",
        }
    }
}

/// Actions of PKU-MMD, one protocol and part.
#[derive(Debug)]
pub struct PkuFolder {
    root: PathBuf,
    protocol: PkuProtocol,
    videos: Vec<PathBuf>,
    /// (video, label, first frame, frame after the last).
    actions: Vec<(u32, u32, usize, usize)>,
    classes: Vec<String>,
    missing: usize,
}

impl PkuFolder {
    /// Reads the labels and the list of `protocol` below `root`; skeletons are read when asked for.
    pub fn open(root: &Path, protocol: PkuProtocol, split: Split) -> Result<Self> {
        let spec = root.display().to_string();
        let layout = Layout::find(root)?;
        let Some(layout) = layout else {
            let problem = "is not PKU-MMD: expected a folder with `skeleton` and one with `label` in its name and text \
                           files with `cross-subject` or `cross-view` in theirs";
            return Err(Error::data(spec, problem));
        };
        let list = layout.list(protocol).ok_or_else(|| {
            Error::data(
                &spec,
                format!("holds no list of videos: a text file with `cross` and `{}` in its name", protocol.word()),
            )
        })?;
        let wanted = parse_list(list, &file::read(list, 16 << 20)?, split)?;
        let index = |folder: &Path| -> Result<BTreeMap<String, PathBuf>> {
            let files = file::list(folder)?.files.into_iter().filter(|path| file::extension(path) == "txt");
            Ok(files.map(|path| (file::stem(&path), path)).collect())
        };
        let (skeletons, labels) = (index(&layout.skeletons)?, index(&layout.labels)?);
        let (mut videos, mut actions, mut missing) = (Vec::new(), Vec::new(), 0);
        for name in &wanted {
            let (Some(skeleton), Some(label)) = (skeletons.get(name), labels.get(name)) else {
                missing += 1;
                continue;
            };
            let video = videos.len() as u32;
            videos.push(skeleton.clone());
            let found = parse_labels(label, &file::read(label, 16 << 20)?)?;
            actions.extend(found.into_iter().map(|(class, start, end)| (video, class, start, end)));
        }
        if actions.is_empty() {
            let problem = format!("none of the {} videos listed in `{}` has labels", wanted.len(), list.display());
            return Err(Error::data(spec, problem));
        }
        let classes = (1..=CLASSES).map(|class| format!("A{class:03}")).collect();
        Ok(Self { root: root.to_path_buf(), protocol, videos, actions, classes, missing })
    }
}

impl Source for PkuFolder {
    type Sample = Sequence;

    fn len(&self) -> usize {
        self.actions.len()
    }

    fn read(&self, index: usize) -> Result<Sequence> {
        let action = self.actions.get(index).and_then(|&(video, _, start, end)| {
            let path = self.videos.get(video as usize)?;
            Some((path, start, end))
        });
        let Some((path, start, end)) = action else {
            return Err(Error::data(self.root.display().to_string(), no_sample(index, self.len())));
        };
        parse_frames(path, &file::read(path, super::MAX_BYTES)?, start, end)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.actions.get(index).map(|&(_, class, ..)| class)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let action = self.actions.get(index);
        let named = action.and_then(|&(video, _, start, end)| {
            let path = self.videos.get(video as usize)?;
            Some(format!("frames {start} to {end} of {}", path.display()))
        });
        named.unwrap_or_else(|| no_sample(index, self.len()))
    }

    fn describe(&self) -> String {
        let (root, word) = (self.root.display(), self.protocol.word());
        let (count, videos) = (self.len(), self.videos.len());
        let mut text = format!("PKU-MMD, cross-{word}, `{root}`: {count} actions of {videos} videos");
        if self.missing > 0 {
            text += &format!("; {} listed videos without skeletons or labels", self.missing);
        }
        text
    }
}

/// What a folder of PKU-MMD holds.
#[derive(Debug)]
pub(super) struct Layout {
    skeletons: PathBuf,
    labels: PathBuf,
    lists: Vec<PathBuf>,
}

impl Layout {
    /// Looks for the parts by their names; none when one of them is missing.
    pub(super) fn find(root: &Path) -> Result<Option<Self>> {
        let listing = file::list(root)?;
        let folder = |word: &str| {
            listing.folders.iter().find(|folder| file::name(folder).to_lowercase().contains(word)).cloned()
        };
        let (Some(skeletons), Some(labels)) = (folder("skeleton"), folder("label")) else { return Ok(None) };
        let mut lists = listing.files;
        if let Some(split) = folder("split") {
            lists.extend(file::list(&split)?.files);
        }
        lists.retain(|path| file::name(path).to_lowercase().contains("cross") && file::extension(path) == "txt");
        Ok((!lists.is_empty()).then_some(Self { skeletons, labels, lists }))
    }

    fn list(&self, protocol: PkuProtocol) -> Option<&Path> {
        let found = self.lists.iter().find(|path| file::name(path).to_lowercase().contains(protocol.word()));
        found.map(PathBuf::as_path)
    }
}

/// The videos of one part: the names on the second line for training, on the fourth for testing.
pub(super) fn parse_list(path: &Path, bytes: &[u8], split: Split) -> Result<BTreeSet<String>> {
    let mut lines = file::text(path, bytes)?.lines().filter(|line| !line.trim().is_empty());
    let line = match split {
        Split::Train => lines.nth(1),
        Split::Test => lines.nth(3),
    };
    let names = line.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    if names.is_empty() {
        let problem = "expected a line of words and a line of names parted by commas, for training and for validation";
        return Err(Error::format(path, problem));
    }
    Ok(names)
}

/// The actions of a video: label from 0, first frame, frame after the last.
pub(super) fn parse_labels(path: &Path, bytes: &[u8]) -> Result<Vec<(u32, usize, usize)>> {
    let mut actions = Vec::new();
    for (at, line) in file::text(path, bytes)?.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = at + 1;
        let mut words = line.split(',').map(str::trim);
        let mut next = |what: &str| file::count(path, number, words.next().unwrap_or_default(), what);
        let (class, start, end) = (next("a class")?, next("a first frame")?, next("a last frame")?);
        if !(1..=CLASSES as usize).contains(&class) || start >= end {
            let problem =
                format!("class {class}, frames {start} to {end}; expected class 1 to {CLASSES} and start < end");
            return Err(file::bad_line(path, number, problem));
        }
        if actions.len() == MAX_ACTIONS {
            return Err(file::bad_line(path, number, format!("more than {MAX_ACTIONS} actions")));
        }
        actions.push((class as u32 - 1, start, end));
    }
    Ok(actions)
}

/// Frames `start..end` of a video, at most 300.
pub(super) fn parse_frames(path: &Path, bytes: &[u8], start: usize, end: usize) -> Result<Sequence> {
    let text = file::text(path, bytes)?;
    let (mut values, mut frames) = (Vec::new(), 0);
    let wanted = end.saturating_sub(start).min(MAX_FRAMES);
    for (at, line) in text.lines().enumerate().skip(start).take(wanted) {
        let before = values.len();
        for word in line.split_ascii_whitespace().take(WIDTH + 1) {
            values.push(file::number(path, at + 1, word)?);
        }
        let found = values.len() - before;
        if found != WIDTH {
            let found = if found > WIDTH { "more".to_owned() } else { found.to_string() };
            return Err(file::bad_line(path, at + 1, format!("expected {WIDTH} numbers, found {found}")));
        }
        frames += 1;
    }
    if frames == 0 {
        return Err(Error::format(path, format!("ends before frame {start}, where an action begins")));
    }
    if values.iter().all(|&value| value == 0.0) {
        return Err(Error::format(path, format!("frames {start} to {end} show nobody")));
    }
    Sequence::new(JointSet::kinect25(), frames, 2, values).map_err(|error| Error::format(path, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: usize) -> String {
        let line =
            |frame: usize| (0..WIDTH).map(|i| format!("{}", (frame * i) as f32 / 8.0)).collect::<Vec<_>>().join(" ");
        (0..count).map(|frame| line(frame) + "\n").collect()
    }

    #[test]
    fn actions_are_cut_out_of_the_videos_of_a_part() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["PKU_Skeleton_Renew", "Train_Label_PKU_final", "Split"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("Split/cross-subject.txt", "Training videos:\n0002-L, 0003-M, 0009-R\nValidation videos:\n0004-L,\n");
        for video in ["0002-L", "0003-M", "0004-L"] {
            write(&format!("PKU_Skeleton_Renew/{video}.txt"), &frames(40));
            write(&format!("Train_Label_PKU_final/{video}.txt"), "3,2,12,1\n51,12,99,2\n1,0,1,2\n7,60,70,1\n");
        }
        let train = PkuFolder::open(dir.path(), PkuProtocol::CrossSubject, Split::Train).unwrap();
        let test = PkuFolder::open(dir.path(), PkuProtocol::CrossSubject, Split::Test).unwrap();
        assert_eq!((train.len(), test.len(), train.label(0), train.label(1)), (8, 4, Some(2), Some(50)));
        let action = train.read(0).unwrap();
        assert_eq!((action.frames, action.persons, action.values[1]), (10, 2, 0.25));
        assert_eq!(train.read(1).unwrap().frames, 28, "an action ends with its video");
        assert!(train.read(2).unwrap_err().to_string().contains("show nobody"));
        assert!(train.read(3).unwrap_err().to_string().contains("ends before frame 60"));
        assert!(train.describe().contains("8 actions of 2 videos; 1 listed videos without"), "{}", train.describe());
        let error = PkuFolder::open(dir.path(), PkuProtocol::CrossView, Split::Train).unwrap_err().to_string();
        assert!(error.contains("`view`"), "{error}");
    }

    #[test]
    fn labels_lists_and_frames_that_make_no_sense_are_refused() {
        let path = Path::new("a.txt");
        for text in ["52,1,2,1", "0,1,2,1", "1,5,5,1", "1,2", "1;2;3", "x,1,2", "1,-1,2", "1,1,99999999999999999999999"]
        {
            assert!(parse_labels(path, text.as_bytes()).unwrap_err().to_string().contains("line 1"), "{text}");
        }
        assert!(parse_list(path, b"Training videos:\n", Split::Train).is_err());
        assert!(parse_list(path, b"Training videos:\na\n", Split::Test).is_err());
        for (text, expected) in
            [("1 2 3\n", "found 3"), (&"1 ".repeat(151), "found more"), ("x", "`x`"), ("", "ends before")]
        {
            let error = parse_frames(path, text.as_bytes(), 0, 5).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(parse_frames(path, frames(3).as_bytes(), usize::MAX, 0).is_err());
    }
}
