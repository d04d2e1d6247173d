//! Frames with the states at them: walks through two rooms as films, and recordings with a table of states beside them.
//!
//! ```text
//! PATH/<trajectory>/frames/*.png      or one film: PATH/<trajectory>/*.mp4
//! PATH/<trajectory>/states.csv        a line a frame: the numbers of the state, separated by commas
//! ```
//!
//! A recording that is too short for a sample is a damaged one: training goes on without it and lists it.

use std::path::{Path, PathBuf};

use jepa_core::data::{DataSpec, Source, Split, part};
use jepa_core::error::{Error, Result};
use jepa_core::random::Stream;

use super::{Kinematics, sampling};
use crate::data::{Clip, ClipOptions, Programs, Recording, is_recording};
use crate::rooms::{self, Place, SIDE, TwoRooms, Walk};

/// Names of the formats.
pub const FORMATS: &[&str] = &["builtin", "builtin-fixed-wall", "trajectories"];

/// Steps of a walk from one frame to the next: at one step, a picture hardly changes.
const STRIDE: usize = 4;
/// Largest table of states, in bytes.
const TABLE: u64 = 1 << 26;

/// Consecutive frames with the state at each and the action between.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// The frames.
    pub clip: Clip,
    /// A state for every frame.
    pub states: Vec<Vec<f32>>,
    /// The action that leads from each frame to the next.
    pub actions: Vec<Vec<f32>>,
}

impl Trajectory {
    fn new(clip: Clip, states: Vec<Vec<f32>>, kinematics: Kinematics) -> Self {
        let actions = states.windows(2).map(|pair| kinematics.between(&pair[0], &pair[1])).collect();
        Self { clip, states, actions }
    }
}

/// Opens one part of the data that `spec` names. Built-in walks have states of places, whatever was configured: that is
/// an error.
pub fn open(
    spec: &DataSpec,
    split: Split,
    options: &ClipOptions,
    kinematics: Kinematics,
) -> Result<Box<dyn Source<Sample = Trajectory>>> {
    let path = spec.path.as_deref().filter(|path| !path.as_os_str().is_empty());
    match (spec.format.as_deref(), path) {
        (Some("builtin" | "builtin-fixed-wall"), None) if kinematics != Kinematics::Place => {
            let problem = "the built-in walks have places for states: set model.kinematics to \"place\"";
            Err(Error::data(&spec.text, problem))
        }
        (Some("builtin" | "builtin-fixed-wall"), None) => {
            let times = (options.frames - 1) * STRIDE + 1;
            Ok(Box::new(Films { walks: TwoRooms::open(spec, split, times)?, frames: options.frames }))
        }
        (Some("trajectories") | None, Some(path)) => Ok(Box::new(Folder::open(path, split, options, kinematics)?)),
        _ => Err(Error::data(&spec.text, format!("expected {}:PATH or a folder", FORMATS.join(", ")))),
    }
}

/// Walks through two rooms, filmed.
struct Films {
    walks: TwoRooms,
    frames: usize,
}

impl Films {
    fn film(&self, walk: &Walk) -> Result<Trajectory> {
        let places: Vec<Place> = walk.places.iter().step_by(STRIDE).take(self.frames).copied().collect();
        let rgb = places.iter().flat_map(|at| rooms::frame(&walk.rooms, *at)).flatten().collect();
        let clip = Clip::new(places.len(), SIDE, SIDE, rgb)?;
        // From the middle of the rooms, their half size as the unit.
        let half = (rooms::HIGH - rooms::LOW) / 2.0;
        let states = places.iter().map(|at| at.iter().map(|v| (v - rooms::LOW) / half - 1.0).collect()).collect();
        Ok(Trajectory::new(clip, states, Kinematics::Place))
    }
}

impl Source for Films {
    type Sample = Trajectory;

    fn len(&self) -> usize {
        self.walks.len()
    }

    fn read(&self, index: usize) -> Result<Trajectory> {
        self.film(&self.walks.read(index)?)
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Trajectory> {
        self.film(&self.walks.draw(index, draw)?)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.walks.label(index)
    }

    fn classes(&self) -> &[String] {
        self.walks.classes()
    }

    fn name(&self, index: usize) -> String {
        self.walks.name(index)
    }

    fn describe(&self) -> String {
        format!("{}, filmed every {STRIDE} steps", self.walks.describe())
    }
}

/// Recordings on disk, each in a folder with its states.
struct Folder {
    text: String,
    /// Folder, recording.
    items: Vec<(PathBuf, PathBuf)>,
    options: ClipOptions,
    kinematics: Kinematics,
    programs: Programs,
}

impl Folder {
    fn open(path: &Path, split: Split, options: &ClipOptions, kinematics: Kinematics) -> Result<Self> {
        let mut folders: Vec<PathBuf> = entries(path)?.into_iter().filter(|p| p.join("states.csv").is_file()).collect();
        folders.sort();
        let indices = part::nonempty(&path.display().to_string(), folders.len(), split)?;
        let programs = Programs::default();
        let mut items = Vec::with_capacity(indices.len());
        for folder in indices.into_iter().filter_map(|i| folders.get(i as usize)) {
            let frames = folder.join("frames");
            let recording = if frames.is_dir() {
                frames
            } else {
                let mut films: Vec<PathBuf> = entries(folder)?.into_iter().filter(|p| is_recording(p)).collect();
                films.sort();
                let problem = || Error::format(folder, "holds states.csv, but neither a folder `frames` nor a film");
                films.into_iter().next().ok_or_else(problem)?
            };
            items.push((folder.clone(), recording));
        }
        let text = format!("{} trajectories of {}, {}", items.len(), path.display(), part::RULE);
        Ok(Self { text, items, options: options.clone(), kinematics, programs })
    }

    fn trajectory(&self, index: usize, draw: Option<&mut Stream>) -> Result<Trajectory> {
        let Some((folder, film)) = self.items.get(index) else {
            let problem = format!("there is no trajectory with index {index}, only {}", self.items.len());
            return Err(Error::data(&self.text, problem));
        };
        let recording = Recording::open(film, &self.programs)?;
        let table = states(&folder.join("states.csv"), self.kinematics.width())?;
        if table.len() != recording.count() {
            let problem = format!("has {} lines for {} frames", table.len(), recording.count());
            return Err(Error::format(folder.join("states.csv"), problem));
        }
        let indices = sampling::indices(&self.options, recording.count(), recording.rate(), draw)
            .map_err(|problem| Error::format(film, problem))?;
        let clip = recording.read(&indices, self.options.shorter)?;
        let states = indices.iter().map(|i| table[*i].clone()).collect();
        Ok(Trajectory::new(clip, states, self.kinematics))
    }
}

impl Source for Folder {
    type Sample = Trajectory;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn read(&self, index: usize) -> Result<Trajectory> {
        self.trajectory(index, None)
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Trajectory> {
        self.trajectory(index, Some(draw))
    }

    fn label(&self, _index: usize) -> Option<u32> {
        None
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        self.items.get(index).map_or_else(String::new, |(folder, _)| folder.display().to_string())
    }

    fn describe(&self) -> String {
        self.text.clone()
    }
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let found = std::fs::read_dir(path).map_err(Error::io("read", path))?;
    found.map(|entry| Ok(entry.map_err(Error::io("read", path))?.path())).collect()
}

/// A table of so many numbers a line.
fn states(path: &Path, width: usize) -> Result<Vec<Vec<f32>>> {
    let size = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    if size > TABLE {
        return Err(Error::format(path, format!("has {size} bytes, more than the {TABLE} that a table may have")));
    }
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let line = |(number, line): (usize, &str)| {
        let numbers: Vec<f32> = line.split(',').filter_map(|cell| cell.trim().parse().ok()).collect();
        let sound = numbers.len() == width && line.split(',').count() == width && numbers.iter().all(|v| v.is_finite());
        let problem = || format!("line {}: expected {width} finite numbers separated by commas", number + 1);
        if sound { Ok(numbers) } else { Err(Error::format(path, problem())) }
    };
    text.lines().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ClipOptions {
        ClipOptions { frames: 4, rule: crate::data::SamplingRule::Step(1), ..ClipOptions::default() }
    }

    fn open(text: &str, kinematics: Kinematics) -> Result<Box<dyn Source<Sample = Trajectory>>> {
        super::open(&DataSpec::parse(text, FORMATS), Split::Train, &options(), kinematics)
    }

    /// `root/t0` with six frames, whose shades are ten times their numbers, and a state of an end effector at each. Returns
    /// the table.
    fn save(root: &Path) -> PathBuf {
        let path = root.join("t0");
        std::fs::create_dir_all(path.join("frames")).unwrap();
        let mut table = String::new();
        for i in 0..6u8 {
            let frame = image::RgbImage::from_pixel(9, 7, image::Rgb([i * 10; 3]));
            frame.save(path.join(format!("frames/{i}.png"))).unwrap();
            table += &format!("0.{i}, 0, 0, 0.1, 0, 0.{i}, {}\n", i % 2);
        }
        std::fs::write(path.join("states.csv"), table).unwrap();
        path.join("states.csv")
    }

    #[test]
    fn films_have_a_state_a_frame_and_actions_that_lead_from_one_to_the_next() {
        let source = open("builtin", Kinematics::Place).unwrap();
        let film = source.read(3).unwrap();
        assert_eq!((film.clip.frames, film.states.len(), film.actions.len()), (4, 4, 3));
        for (pair, action) in film.states.windows(2).zip(&film.actions) {
            let moved = Kinematics::Place.moved(&pair[0], action);
            assert!(moved.iter().zip(&pair[1]).all(|(a, b)| (a - b).abs() < 1e-6 && b.abs() <= 1.0));
        }
        // Some are stopped by a wall all the time; most move.
        let moves = |index| source.read(index).is_ok_and(|film| film.clip.frame(0) != film.clip.frame(3));
        assert!((0..20).filter(|index| moves(*index)).count() > 12);
        assert!(open("builtin", Kinematics::EndEffector).err().unwrap().to_string().contains("model.kinematics"));
    }

    #[test]
    fn recordings_are_read_with_the_states_of_their_frames() {
        let scratch = tempfile::tempdir().unwrap();
        let table = save(scratch.path());
        let spec = format!("trajectories:{}", scratch.path().display());
        let found = open(&spec, Kinematics::EndEffector).unwrap().read(0).unwrap();
        assert_eq!(found.states.len(), 4);
        for (frame, state) in found.states.iter().enumerate() {
            let shade = f32::from(found.clip.frame(frame).unwrap()[0]) / 100.0;
            assert!((state[0] - shade).abs() < 1e-6, "frame {frame}: {state:?}");
        }
        for (broken, expected) in [("1,2,3", "line 1"), ("", "0 lines for 6 frames"), ("a,b,c,d,e,f,g", "7 finite")] {
            std::fs::write(&table, broken).unwrap();
            let error = open(&spec, Kinematics::EndEffector).unwrap().read(0).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn recordings_that_are_too_short_or_have_no_rate_are_errors_and_no_still_frames() {
        use crate::data::SamplingRule::{Fps, Step};
        let scratch = tempfile::tempdir().unwrap();
        save(scratch.path());
        let read = |options: ClipOptions| {
            let spec = DataSpec::parse(&format!("trajectories:{}", scratch.path().display()), FORMATS);
            super::open(&spec, Split::Train, &options, Kinematics::EndEffector).unwrap().read(0)
        };
        let shades = |options: ClipOptions| -> Vec<u8> {
            let clip = read(options).unwrap().clip;
            (0..clip.frames).map(|at| clip.frame(at).unwrap()[0]).collect()
        };
        let of = |frames, rule| ClipOptions { frames, rule, ..options() };
        assert_eq!(shades(of(3, Step(2))), [0, 20, 40]);
        let by_rate = ClipOptions { rate: Some(7.0), ..of(3, Fps(4.0)) };
        assert_eq!(shades(by_rate), [0, 20, 40], "7 frames a second, 4 wanted: one in two");
        for (refused, expected) in [(of(4, Step(2)), "has 6 frames"), (of(3, Fps(4.0)), "clip.rate")] {
            let error = read(refused).unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{error:?}");
            let error = error.to_string();
            assert!(error.contains("t0") && error.contains(expected), "{error}");
        }
    }
}
