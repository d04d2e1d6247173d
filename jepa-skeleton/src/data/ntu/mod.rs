//! NTU RGB+D and NTU RGB+D 120: a folder of `.skeleton` files.
//!
//! | file | noun |
//! |---|---|
//! | `text` | the text of a recording, read and written |
//! | `name` | what a file name says, protocols, lists of missing samples |
//! | `actors` | from bodies to one or two actors |

mod actors;
mod name;
mod text;

pub use actors::{Gaps, NtuOptions, SecondPerson, actors};
pub use name::{NtuName, NtuProtocol, TRAIN_PERFORMERS_60, TRAIN_PERFORMERS_120, missing_samples};
pub use text::{JOINTS as NTU_JOINTS, NtuBody, NtuRecording};

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};

use super::file;
use super::sequence::Sequence;

/// Most bytes of a recording; the largest of NTU-120 has 3 MB.
const MAX_BYTES: u64 = 64 << 20;

/// Recordings of NTU RGB+D, one protocol and part.
#[derive(Debug)]
pub struct NtuFolder {
    root: PathBuf,
    protocol: NtuProtocol,
    options: NtuOptions,
    recordings: Vec<(NtuName, PathBuf)>,
    classes: Vec<String>,
    missing: usize,
}

impl NtuFolder {
    /// Lists the recordings below `root` without reading them, with the preparation of `protocol`'s data set. Lists of
    /// missing samples are looked for beside the recordings: text files with `missing` in their name.
    pub fn open(root: &Path, protocol: NtuProtocol, split: Split) -> Result<Self> {
        let options = if protocol.is_120() { NtuOptions::ntu120() } else { NtuOptions::default() };
        Self::with(root, protocol, split, options, &[])
    }

    /// Like [`Self::open`], with another preparation and more lists of missing samples.
    pub fn with(
        root: &Path,
        protocol: NtuProtocol,
        split: Split,
        options: NtuOptions,
        lists: &[PathBuf],
    ) -> Result<Self> {
        options.check("ntu")?;
        let (mut files, mut lists) = (Vec::new(), lists.to_vec());
        let listing = file::list(root)?;
        let folders = listing.folders.iter().map(|folder| file::list(folder)).collect::<Result<Vec<_>>>()?;
        for path in listing.files.into_iter().chain(folders.into_iter().flat_map(|listing| listing.files)) {
            if is_recording(&path) {
                files.push(path);
            } else if is_missing_list(&path) {
                lists.push(path);
            }
        }
        let mut missing = HashSet::new();
        for list in &lists {
            missing.extend(name::missing_samples(list)?);
        }
        let found = files.len();
        let mut recordings: Vec<(NtuName, PathBuf)> = files
            .into_iter()
            .filter_map(|path| NtuName::parse(&file::name(&path)).map(|name| (name, path)))
            .filter(|(name, _)| protocol.split(*name) == Some(split))
            .collect();
        recordings.sort();
        recordings.dedup_by_key(|(name, _)| *name);
        let all = recordings.len();
        recordings.retain(|(name, _)| !missing.contains(name));
        if recordings.is_empty() {
            let part = if split == Split::Train { "training" } else { "test" };
            let problem = format!(
                "holds no recording for the {part} part of {}; found {found} files named like \
                 S001C002P005R002A008.skeleton, {all} of them in that part, {} in lists of missing samples",
                protocol.title(),
                missing.len()
            );
            return Err(Error::data(root.display().to_string(), problem));
        }
        let classes = (1..=protocol.classes()).map(|action| format!("A{action:03}")).collect();
        let missing = all - recordings.len();
        Ok(Self { root: root.to_path_buf(), protocol, options, recordings, classes, missing })
    }

    /// What the name of recording `index` says.
    pub fn recording(&self, index: usize) -> Option<NtuName> {
        self.recordings.get(index).map(|(name, _)| *name)
    }
}

/// Whether a file is named like a recording.
pub(super) fn is_recording(path: &Path) -> bool {
    file::extension(path) == "skeleton" && NtuName::parse(&file::name(path)).is_some()
}

/// Whether a file is named like the published lists of missing samples.
fn is_missing_list(path: &Path) -> bool {
    file::extension(path) == "txt" && file::name(path).to_lowercase().contains("missing")
}

impl Source for NtuFolder {
    type Sample = Sequence;

    fn len(&self) -> usize {
        self.recordings.len()
    }

    fn read(&self, index: usize) -> Result<Sequence> {
        let Some((_, path)) = self.recordings.get(index) else {
            return Err(Error::data(self.root.display().to_string(), no_sample(index, self.len())));
        };
        actors(path, &NtuRecording::parse(path, &file::read(path, MAX_BYTES)?)?, &self.options)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.recording(index).map(|name| u32::from(name.action) - 1)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let found = self.recordings.get(index).map(|(_, path)| path.display().to_string());
        found.unwrap_or_else(|| no_sample(index, self.len()))
    }

    fn describe(&self) -> String {
        let second = match self.options.second {
            SecondPerson::Zeros => "zeros",
            SecondPerson::Duplicate => "the first again",
        };
        let mut text = format!(
            "{}, `{}`: {} recordings of {} classes; a missing second person is {second}",
            self.protocol.title(),
            self.root.display(),
            self.len(),
            self.classes.len()
        );
        if self.missing > 0 {
            text += &format!("; {} listed as missing left out", self.missing);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that sways, `x` metres to the side; `width` is the distance between its hands.
    fn pose(x: f32, width: f32, sway: f32) -> [[f32; 3]; NTU_JOINTS] {
        std::array::from_fn(|joint| {
            let (side, height) = (joint as f32 / 24.0 - 0.5, (joint % 5) as f32 * 0.4 - 0.8);
            [x + side * width + sway, height, 3.0]
        })
    }

    /// Bodies as (id, frames, x, width, how much it sways).
    fn recording(frames: usize, bodies: &[(u64, std::ops::Range<usize>, f32, f32, f32)]) -> NtuRecording {
        let frame = |frame: usize| {
            let seen = bodies.iter().filter(|(_, range, ..)| range.contains(&frame));
            let body = seen.map(|&(id, _, x, width, sway)| NtuBody {
                id,
                joints: pose(x, width, sway * (frame as f32 * 0.3).sin()),
            });
            body.collect()
        };
        NtuRecording { frames: (0..frames).map(frame).collect() }
    }

    fn prepared(recording: &NtuRecording, options: &NtuOptions) -> Sequence {
        actors(Path::new("a"), recording, options).unwrap()
    }

    fn raw() -> NtuOptions {
        NtuOptions { translate: false, ..NtuOptions::default() }
    }

    #[test]
    fn a_single_person_is_moved_to_the_origin_and_the_second_is_padding() {
        let alone = recording(20, &[(5, 0..20, 0.7, 1.0, 0.2)]);
        let zeros = prepared(&alone, &NtuOptions::default());
        assert_eq!((zeros.frames, zeros.persons, zeros.valid()), (20, 2, 20));
        assert_eq!(zeros.pose(0, 0)[3..6], [0.0; 3], "the spine's middle is the origin");
        assert_eq!(zeros.first_frame(1), None);
        let doubled = prepared(&alone, &NtuOptions::ntu120());
        assert_eq!(doubled.person(0), zeros.person(0));
        assert_eq!(doubled.person(1), zeros.person(0));
    }

    #[test]
    fn a_ghost_that_is_seen_shortly_is_dropped() {
        let short = recording(30, &[(1, 0..30, 0.0, 1.0, 0.1), (2, 5..16, 2.0, 1.0, 9.0)]);
        let sequence = prepared(&short, &raw());
        assert_eq!((sequence.first_frame(1), sequence.pose(0, 0)[0]), (None, -0.5));
        let long = recording(30, &[(1, 0..30, 0.0, 1.0, 0.1), (2, 5..17, 2.0, 1.0, 9.0)]);
        assert!(prepared(&long, &raw()).first_frame(1).is_some(), "twelve frames are enough to stay");
    }

    #[test]
    fn a_ghost_that_is_wider_than_high_is_dropped_unless_it_is_alone() {
        let wide = recording(30, &[(1, 0..30, 0.0, 1.0, 0.1), (2, 0..30, 2.0, 3.0, 9.0)]);
        assert_eq!(prepared(&wide, &raw()).first_frame(1), None);
        let alone = recording(30, &[(2, 0..30, 2.0, 3.0, 9.0)]);
        assert_eq!(prepared(&alone, &raw()).frames, 30);
        let both = recording(30, &[(1, 0..30, 0.0, 3.0, 0.1), (2, 0..30, 2.0, 3.0, 9.0)]);
        assert_eq!(prepared(&both, &raw()).pose(0, 0)[0], 0.5, "the first is dropped, the last one left is kept");
    }

    #[test]
    fn of_two_persons_the_livelier_is_first() {
        let two = recording(30, &[(1, 0..30, -1.0, 1.0, 0.05), (2, 0..30, 1.0, 1.0, 0.4)]);
        let sequence = prepared(&two, &raw());
        assert_eq!((sequence.pose(0, 0)[0], sequence.pose(0, 1)[0]), (0.5, -1.5));
        let moved = prepared(&two, &NtuOptions::default());
        let apart = moved.pose(0, 1)[0] - moved.pose(0, 0)[0];
        assert!((apart + 2.0).abs() < 1e-6, "both move together: {apart}");
    }

    #[test]
    fn a_body_that_changes_its_id_stays_one_actor() {
        let split = recording(60, &[(1, 0..30, 0.0, 1.0, 0.4), (2, 30..60, 0.0, 1.0, 0.3)]);
        let sequence = prepared(&split, &raw());
        assert_eq!((sequence.frames, sequence.first_frame(1)), (60, None));
        assert!((0..60).all(|frame| sequence.is_present(frame, 0)));
        // Beside a second person who is there all the time.
        let three =
            recording(60, &[(1, 0..60, 1.0, 1.0, 0.5), (2, 0..30, -1.0, 1.0, 0.2), (3, 30..60, -1.0, 1.0, 0.1)]);
        let sequence = prepared(&three, &raw());
        assert!((0..60).all(|frame| sequence.is_present(frame, 0) && sequence.is_present(frame, 1)));
    }

    #[test]
    fn frames_without_bodies_are_dropped_and_gaps_are_closed_or_kept() {
        let mut gap =
            recording(60, &[(1, 0..20, 0.0, 1.0, 0.4), (2, 0..60, 1.0, 1.0, 0.1), (1, 40..60, 0.0, 1.0, 0.4)]);
        gap.frames[0].clear();
        let closed = prepared(&gap, &raw());
        assert_eq!(closed.frames, 59);
        assert!(closed.is_present(38, 0) && !closed.is_present(39, 0), "the second half is shown too early");
        let kept = prepared(&gap, &NtuOptions { gaps: Gaps::Kept, ..raw() });
        assert!(kept.is_present(18, 0) && !kept.is_present(19, 0) && kept.is_present(39, 0));
    }

    #[test]
    fn recordings_without_a_usable_body_are_errors() {
        let error =
            |recording: &NtuRecording| actors(Path::new("x.skeleton"), recording, &raw()).unwrap_err().to_string();
        assert!(error(&recording(3, &[])).contains("none of its 3 frames"));
        let short = recording(20, &[(1, 0..9, 0.0, 1.0, 0.1), (2, 9..20, 0.0, 1.0, 0.1)]);
        assert!(error(&short).contains("x.skeleton") && error(&short).contains("more than 11 frames"));
    }

    #[test]
    fn an_id_twice_in_a_frame_does_no_harm() {
        let mut twice = recording(20, &[(1, 0..20, 0.0, 1.0, 0.1)]);
        let body = twice.frames[3][0].clone();
        twice.frames[3].push(body);
        assert_eq!(prepared(&twice, &raw()).frames, 20);
        assert_eq!(prepared(&twice, &NtuOptions { gaps: Gaps::Kept, ..raw() }).frames, 20);
    }

    #[test]
    fn a_folder_is_parted_by_the_protocol_and_missing_samples_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("nturgb+d_skeletons")).unwrap();
        let text = recording(14, &[(5, 0..14, 0.7, 1.0, 0.2)]).render();
        for performer in 1..=40 {
            for camera in 1..=3 {
                let name = format!("nturgb+d_skeletons/S001C{camera:03}P{performer:03}R001A007.skeleton");
                std::fs::write(dir.path().join(name), &text).unwrap();
            }
        }
        std::fs::write(dir.path().join("nturgb+d_skeletons/S018C001P041R001A061.skeleton"), &text).unwrap();
        let open = |protocol, split| NtuFolder::open(dir.path(), protocol, split);
        let len = |protocol, split| open(protocol, split).unwrap().len();
        assert_eq!(len(NtuProtocol::CrossSubject60, Split::Train), 60);
        assert_eq!(len(NtuProtocol::CrossView60, Split::Train), 80);
        assert_eq!(len(NtuProtocol::CrossSetup120, Split::Train), 1);
        assert_eq!(len(NtuProtocol::CrossSubject120, Split::Test), 61);
        let list = "words\nwords\n\nS001C001P001R001A007\nS001C001P003R001A007\n";
        std::fs::write(dir.path().join("NTU_RGBD_samples_with_missing_skeletons.txt"), list).unwrap();
        let source = open(NtuProtocol::CrossSubject60, Split::Train).unwrap();
        assert_eq!((source.len(), source.label(0), source.classes().len()), (59, Some(6), 60));
        assert_eq!(source.recording(0).unwrap().to_string(), "S001C001P002R001A007");
        assert!(source.describe().contains("1 listed as missing left out"), "{}", source.describe());
        assert_eq!(source.read(0).unwrap().frames, 14);
        assert!(source.read(59).unwrap_err().to_string().contains("index 59"));
        std::fs::remove_dir_all(dir.path().join("nturgb+d_skeletons")).unwrap();
        let error = open(NtuProtocol::CrossSubject60, Split::Train).unwrap_err().to_string();
        assert!(error.contains("found 0 files"), "{error}");
    }
}
