//! Videos to compare: the folder formats of IntPhys, GRASP and InfLevel, and the rendered scenes.
//!
//! Layouts as jepa-intuitive-physics reads them (`evals/intuitive_physics/*_dataset.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jepa_core::data::file;
use jepa_core::error::{Error, Result};
use jepa_core::random::{Purpose, Stream};

use super::windows::Protocol;
use crate::data::{Change, Clip, Programs, Recording};
use crate::scenes::{self, Concept, Pair, World, draw};

/// Most bytes of a list or a status file.
const MAX_BYTES: u64 = 64 << 20;
/// Shorter side that large videos are reduced to when they are read: more than any model looks at.
const SHORTER: usize = 512;

/// One video.
#[derive(Debug, Clone)]
pub struct Movie {
    /// What a person calls it.
    pub name: String,
    origin: Origin,
    /// Number of the flickering light it is looked at in; absent: as it is.
    light: Option<u64>,
}

#[derive(Debug, Clone)]
enum Origin {
    /// A recording; with `beside` what it has more than that is left out at its beginning, so that both end together.
    File {
        film: Film,
        beside: Option<Film>,
    },
    Scene(Concept, u64, Kind),
}

/// A recording from a frame on.
#[derive(Debug, Clone)]
struct Film {
    path: PathBuf,
    start: usize,
}

impl Film {
    /// The recording, and how many frames it has from there on: one or more.
    fn open(&self) -> Result<(Recording, usize)> {
        let recording = Recording::open(&self.path, &Programs::default())?;
        let count = recording.count();
        match count.checked_sub(self.start).filter(|rest| *rest > 0) {
            Some(rest) => Ok((recording, rest)),
            None => {
                let problem = format!("has {count} frames; the list starts at frame {}", self.start);
                Err(Error::format(&self.path, problem))
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Possible(Part),
    Impossible(Part),
    Calibration,
}

/// Which rendered pairs: those that figures are of, or one of two kinds that something is chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// For figures.
    Test,
    /// For choices that belong to a figure.
    Validation,
    /// For comparing settings before there is a figure.
    Rehearsal,
}

/// A possible video beside the impossible one it is compared with.
#[derive(Debug, Clone)]
pub struct MoviePair {
    /// What physics is asked about.
    pub concept: String,
    /// The possible video.
    pub possible: Movie,
    /// The impossible video.
    pub impossible: Movie,
    /// Of which four videos this pair is one half: at every moment the possible ones show what the impossible ones show,
    /// taken together. Absent where pairs stand alone.
    pub quadruple: Option<usize>,
}

impl Movie {
    fn file(path: &Path) -> Self {
        Self::film(Film { path: path.to_path_buf(), start: 0 }, None)
    }

    fn film(film: Film, beside: Option<Film>) -> Self {
        Self { name: film.path.display().to_string(), origin: Origin::File { film, beside }, light: None }
    }

    fn scene(concept: Concept, number: u64, kind: Kind) -> Self {
        let name = match kind {
            Kind::Possible(_) => format!("{} {number}, possible", concept.name()),
            Kind::Impossible(_) => format!("{} {number}, impossible", concept.name()),
            Kind::Calibration => format!("{} {number}, for the threshold", concept.name()),
        };
        Self { name: format!("synthetic {name}"), origin: Origin::Scene(concept, number, kind), light: None }
    }

    /// Puts it into a flickering light ([`Change::Flickering`]), another one for every `number`.
    pub fn flicker(&mut self, number: u64) {
        self.light = Some(number);
    }

    /// The frames that `protocol` looks at.
    pub fn read(&self, protocol: &Protocol) -> Result<Clip> {
        let clip = self.frames(protocol)?;
        match self.light {
            None => Ok(clip),
            Some(number) => Change::Flickering.of(clip, &mut Stream::new(0, Purpose::Synthesis, 0, number)),
        }
    }

    fn frames(&self, protocol: &Protocol) -> Result<Clip> {
        match &self.origin {
            Origin::File { film, beside } => {
                let (recording, rest) = film.open()?;
                let kept = match beside {
                    Some(beside) => rest.min(beside.open()?.1),
                    None => rest,
                };
                let first = recording.count() - kept;
                let indices: Vec<usize> = protocol.indices(kept).into_iter().map(|index| first + index).collect();
                recording.read(&indices, Some(SHORTER))
            }
            Origin::Scene(concept, number, kind) => {
                let worlds: Vec<World> = match kind {
                    Kind::Possible(part) => part.pair(*concept, *number).possible,
                    Kind::Impossible(part) => part.pair(*concept, *number).impossible,
                    // Of the test part: neither trained on nor in a pair.
                    Kind::Calibration => scenes::calibration(*concept, *number),
                };
                draw::clip(&worlds, &protocol.indices(scenes::FRAMES))
            }
        }
    }
}

impl Part {
    fn pair(self, concept: Concept, number: u64) -> Pair {
        match self {
            Self::Test => scenes::pair(concept, number),
            Self::Validation => scenes::validation_pair(concept, number),
            Self::Rehearsal => scenes::rehearsal_pair(concept, number),
        }
    }
}

/// Pairs 0 to `count` of each concept of the rendered scenes.
pub fn scenes(concepts: &[Concept], part: Part, count: u64) -> Vec<MoviePair> {
    let pair = |concept: Concept, number| MoviePair {
        concept: concept.name().to_owned(),
        possible: Movie::scene(concept, number, Kind::Possible(part)),
        impossible: Movie::scene(concept, number, Kind::Impossible(part)),
        quadruple: scenes::quadruple(concept, number),
    };
    concepts.iter().flat_map(|concept| (0..count).map(move |number| pair(*concept, number))).collect()
}

/// Possible scenes that are in no pair and in no training set: what a threshold is chosen on.
pub fn calibration(concepts: &[Concept], count: u64) -> Vec<Movie> {
    let of = |concept: Concept| (0..count).map(move |number| Movie::scene(concept, number, Kind::Calibration));
    concepts.iter().flat_map(|concept| of(*concept)).collect()
}

/// IntPhys: `root/O1/<scene>/<1..4>/scene/*.png` and `status.json`, for the blocks that are there. The four movies of a
/// scene make two pairs: movie 1 belongs to the one that leaves it latest.
pub fn intphys(root: &Path) -> Result<Vec<MoviePair>> {
    let mut pairs = Vec::new();
    for (block, concept) in [("O1", "permanence"), ("O2", "shape"), ("O3", "continuity")] {
        let folder = root.join(block);
        if !folder.is_dir() {
            continue;
        }
        for (number, scene) in file::list(&folder)?.folders.iter().enumerate() {
            pairs.extend(quadruplet(scene, number, concept)?);
        }
    }
    nonempty(root, pairs, "O1, O2 or O3 with <scene>/<1 to 4>/scene/*.png")
}

fn quadruplet(scene: &Path, number: usize, concept: &str) -> Result<[MoviePair; 2]> {
    let movies: [PathBuf; 4] = ["1", "2", "3", "4"].map(|number| scene.join(number));
    let frames = movies.each_ref().map(|movie| frame_files(&movie.join("scene")));
    let mut latest = (0, 1);
    for other in 1..4 {
        let leaves = first_difference(frames[0].as_ref(), frames[other].as_ref())?;
        if leaves > latest.0 {
            latest = (leaves, other);
        }
    }
    let partner = latest.1;
    let mut others = (1..4).filter(|other| *other != partner);
    let second = [others.next().unwrap_or(1), others.next().unwrap_or(2)];
    let pair = |places: [usize; 2]| {
        let possible = [is_possible(&movies[places[0]])?, is_possible(&movies[places[1]])?];
        let [p, i] = match possible {
            [true, false] => places,
            [false, true] => [places[1], places[0]],
            _ => {
                let (a, b) = (places[0] + 1, places[1] + 1);
                let problem =
                    format!("movies {a} and {b} look alike longest, but are both possible or both impossible");
                return Err(Error::format(scene, problem));
            }
        };
        let movie = |place: usize| Movie::file(&movies[place].join("scene"));
        Ok(MoviePair { concept: concept.to_owned(), possible: movie(p), impossible: movie(i), quadruple: Some(number) })
    };
    Ok([pair([0, partner])?, pair(second)?])
}

fn frame_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = file::list(folder)?.files;
    if files.is_empty() { Err(Error::format(folder, "holds no frames")) } else { Ok(files) }
}

/// The first frame in which two movies differ; their length when none does.
fn first_difference(a: Result<&Vec<PathBuf>, &Error>, b: Result<&Vec<PathBuf>, &Error>) -> Result<usize> {
    let (Ok(a), Ok(b)) = (a, b) else {
        let error = a.err().or(b.err()).map_or_else(String::new, ToString::to_string);
        return Err(Error::data("intphys", error));
    };
    let pixels = |path: &Path| jepa_core::picture::Picture::open(path);
    for (at, (left, right)) in a.iter().zip(b).enumerate() {
        if pixels(left)? != pixels(right)? {
            return Ok(at);
        }
    }
    Ok(a.len().min(b.len()))
}

fn is_possible(movie: &Path) -> Result<bool> {
    let path = movie.join("status.json");
    let bytes = file::read(&path, MAX_BYTES)?;
    let status: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::format(&path, format!("is not JSON: {error}")))?;
    let found = status.pointer("/header/is_possible").and_then(serde_json::Value::as_bool);
    found.ok_or_else(|| Error::format(&path, "lacks `header.is_possible`, true or false"))
}

/// GRASP: `root/P_<property>/*` beside `root/IP_<property>/*`, the same file names in both. `root` is `level2`.
pub fn grasp(root: &Path) -> Result<Vec<MoviePair>> {
    let mut pairs = Vec::new();
    for folder in file::list(root)?.folders {
        let name = file::name(&folder);
        let Some(property) = name.strip_prefix("P_") else { continue };
        let others = root.join(format!("IP_{property}"));
        for possible in file::list(&folder)?.files {
            let impossible = others.join(file::name(&possible));
            if !impossible.is_file() {
                let problem = format!("has no impossible partner `{}`", impossible.display());
                return Err(Error::format(&possible, problem));
            }
            pairs.push(MoviePair {
                concept: property.to_owned(),
                possible: Movie::file(&possible),
                impossible: Movie::file(&impossible),
                quadruple: None,
            });
        }
    }
    nonempty(root, pairs, "P_<property>/* beside IP_<property>/*")
}

/// InfLevel-lab: `root/<property>.csv` of jepa-intuitive-physics beside the videos they name. Videos are read from the
/// end of their second priming on, unless `priming` keeps it; what one of a pair then has more than the other is left out
/// at its beginning.
pub fn inflevel(root: &Path, priming: bool) -> Result<Vec<MoviePair>> {
    let mut pairs = Vec::new();
    for property in ["continuity", "solidity", "gravity"] {
        let list = root.join(format!("{property}.csv"));
        if !list.is_file() {
            continue;
        }
        let bytes = file::read(&list, MAX_BYTES)?;
        let mut lines = file::text(&list, &bytes)?.lines().enumerate();
        let header = lines.next().map_or("", |(_, line)| line);
        let places: BTreeMap<&str, usize> = header.split(',').map(str::trim).enumerate().map(|(i, n)| (n, i)).collect();
        for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let cell = |name: &str| {
                let cell = places.get(name).and_then(|place| cells.get(*place)).copied();
                cell.ok_or_else(|| file::bad_line(&list, at + 1, format!("lacks the column `{name}`")))
            };
            let video = |which: &str| -> Result<(Film, bool)> {
                let end = cell(&format!("{which}_end_priming_2"))?;
                let end = file::count(&list, at + 1, end, "the last frame of the priming")?;
                let path = root.join(cell(&format!("{which}_path"))?);
                let film = Film { path, start: if priming { 0 } else { end + 1 } };
                match cell(&format!("{which}_label"))? {
                    "possible" => Ok((film, true)),
                    "impossible" => Ok((film, false)),
                    other => {
                        let found = file::shortened(other);
                        Err(file::bad_line(&list, at + 1, format!("expected possible or impossible, found `{found}`")))
                    }
                }
            };
            let (possible, impossible) = match (video("vid1")?, video("vid2")?) {
                ((p, true), (i, false)) | ((i, false), (p, true)) => (p, i),
                _ => return Err(file::bad_line(&list, at + 1, "expected one possible and one impossible video")),
            };
            pairs.push(MoviePair {
                concept: property.to_owned(),
                possible: Movie::film(possible.clone(), Some(impossible.clone())),
                impossible: Movie::film(impossible, Some(possible)),
                quadruple: None,
            });
        }
    }
    nonempty(root, pairs, "continuity.csv, solidity.csv or gravity.csv with the videos they name")
}

fn nonempty(root: &Path, pairs: Vec<MoviePair>, expected: &str) -> Result<Vec<MoviePair>> {
    if pairs.is_empty() {
        return Err(Error::data(root.display().to_string(), format!("holds no pairs; expected {expected}")));
    }
    Ok(pairs)
}
