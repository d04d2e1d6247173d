//! What `probe --kind surprise` does, for any variant that can say how surprised it is.

use std::path::Path;

use jepa_core::data::DataSpec;
use jepa_core::error::{Error, Result};
use jepa_core::plugin::Evaluated;
use jepa_core::train::Replicas;

use super::curve::{self, Track};
use super::pairs::{self, Movie, MoviePair, Part};
use super::report::Report;
use super::scores::Surprises;
use super::tables::Tables;
use super::windows::{Observer, Protocol, Shape};
use crate::scenes::Concept;

/// What [`evaluate`] can be asked to look at.
pub const FORMATS: &[&str] =
    &["builtin", "scenes", "rehearsal", "intphys", "grasp", "inflevel", "inflevel-priming", "flickering"];

/// Pairs of each concept of the rendered scenes.
const PAIRS: u64 = 100;
/// Pairs of each concept that every observer's context length is chosen on.
const VALIDATION: u64 = 30;
/// Videos of each concept that the threshold of single videos is chosen on.
const CALIBRATION: u64 = 20;

/// The table of `observers`, the trained one first; every video's scores and what they are of ([`Tables`]); and a picture
/// of the first pair of every concept as the trained one sees it.
///
/// `data` is `scenes` (the default), `rehearsal` (other rendered pairs, for comparing settings) or `intphys:PATH`,
/// `grasp:PATH`, `inflevel:PATH`; `flickering:` before any of them puts every video into a light that nobody can foresee
/// ([`Change::Flickering`](crate::data::Change)). Every observer's context length is chosen on other rendered pairs; of
/// recorded videos there are no others, and the middle one is taken.
pub fn evaluate(
    data: Option<&str>,
    shape: Shape,
    observers: &[(&str, &dyn Observer)],
    workers: &Replicas,
) -> Result<Evaluated> {
    let Videos { protocol, pairs, validation, calibration } = open(data.unwrap_or("scenes"), shape)?;
    protocol.check(shape)?;
    let mut report = Report::new(protocol.clone());
    let mut files = Vec::new();
    let mut tables = Tables::default();
    for (at, (name, observer)) in observers.iter().enumerate() {
        let context = report.context(*observer, &validation, workers)?;
        let measured = report.add(name, *observer, context, (&pairs, &calibration), workers)?;
        tables.add(name, &pairs, &measured);
        let mut drawn: Vec<&str> = Vec::new();
        for (pair, [possible, impossible]) in pairs.iter().zip(&measured).filter(|_| at == 0) {
            if drawn.contains(&pair.concept.as_str()) {
                continue;
            }
            drawn.push(&pair.concept);
            let clips = [pair.possible.read(&protocol)?, pair.impossible.read(&protocol)?];
            let track = |movie: &'_ Movie| format!("{}: {}", pair.concept, movie.name);
            let names = [track(&pair.possible), track(&pair.impossible)];
            // One window makes a curve over its own times, several one from window to window.
            let curve = |found: &Surprises| match (found.windows(), found.moments().get(&context)) {
                (1, Some(moments)) => (moments.clone(), protocol.times(moments.len(), context)),
                (windows, _) => (found.curve(0).unwrap_or_default().to_vec(), protocol.hidden(windows, context)),
            };
            let curves = [curve(possible), curve(impossible)];
            let tracks = [0, 1].map(|i| Track {
                name: &names[i],
                video: &clips[i],
                surprise: &curves[i].0,
                hidden: &curves[i].1,
            });
            let png = curve::draw(&tracks, &protocol)?;
            files.push((format!("{}.png", pair.concept), png));
        }
    }
    files.extend(tables.files());
    let figures = serde_json::to_value(&report).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(Evaluated { text: report.to_string(), figures, files })
}

struct Videos {
    protocol: Protocol,
    pairs: Vec<MoviePair>,
    validation: Vec<MoviePair>,
    calibration: Vec<Movie>,
}

impl Videos {
    /// Recorded pairs, all of which figures are of.
    fn recorded(protocol: Protocol, pairs: Vec<MoviePair>) -> Self {
        Self { protocol, pairs, validation: Vec::new(), calibration: Vec::new() }
    }

    /// All of them, every one in a flickering light of its own.
    fn flickering(mut self) -> Self {
        let pairs = self.pairs.iter_mut().chain(&mut self.validation);
        let movies = pairs.flat_map(|pair| [&mut pair.possible, &mut pair.impossible]).chain(&mut self.calibration);
        movies.zip(0..).for_each(|(movie, number)| movie.flicker(number));
        self
    }
}

fn open(data: &str, shape: Shape) -> Result<Videos> {
    let spec = DataSpec::parse(data, FORMATS);
    let path = spec.path.as_deref().filter(|path| !path.as_os_str().is_empty());
    let format = match (spec.format.as_deref(), path) {
        (Some("flickering"), Some(path)) => return open(&path.to_string_lossy(), shape).map(Videos::flickering),
        (None, Some(path)) if path == Path::new("scenes") => "scenes",
        (None, Some(path)) if path == Path::new("rehearsal") => "rehearsal",
        (Some(format), _) => format,
        _ => return Err(Error::unknown("kind of pairs", data, FORMATS)),
    };
    match (format, path) {
        ("builtin" | "scenes" | "rehearsal", _) => Ok(Videos {
            protocol: Protocol::scenes(shape),
            pairs: pairs::scenes(
                &Concept::ALL,
                if format == "rehearsal" { Part::Rehearsal } else { Part::Test },
                PAIRS,
            ),
            validation: pairs::scenes(&Concept::ALL, Part::Validation, VALIDATION),
            calibration: pairs::calibration(&Concept::ALL, CALIBRATION),
        }),
        (_, None) => Err(Error::data(data, format!("a path is missing: write `{format}:PATH`"))),
        ("intphys", Some(path)) => Ok(Videos::recorded(Protocol::intphys(), pairs::intphys(path)?)),
        ("grasp", Some(path)) => Ok(Videos::recorded(Protocol::grasp(), pairs::grasp(path)?)),
        (name, Some(path)) => {
            let pairs = pairs::inflevel(path, name == "inflevel-priming")?;
            Ok(Videos::recorded(Protocol::inflevel(), pairs))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Clip;

    const SHAPE: Shape = Shape { frames: 16, tubelet: 2 };

    #[test]
    fn the_rendered_scenes_give_a_table_and_a_picture_of_every_concept() {
        // Knows nothing: every window surprises alike, so that no pair is right.
        let blind = |windows: &[Clip], context: usize| -> Result<Vec<Vec<f32>>> {
            Ok(vec![vec![1.0; (windows[0].frames - context) / 2]; windows.len()])
        };
        let found = evaluate(None, SHAPE, &[("blind", &blind)], &Replicas::new(2).unwrap()).unwrap();
        let names: Vec<&str> = found.files.iter().map(|(name, _)| name.as_str()).collect();
        let expected = Concept::ALL.map(|concept| format!("{}.png", concept.name()));
        assert_eq!(names, [&expected[..], &["videos.csv".to_owned(), "moments.csv".to_owned()]].concat());
        let table = |at: usize| String::from_utf8(found.files[expected.len() + at].1.clone()).unwrap();
        let (videos, moments) = (table(0), table(1));
        // Of two videos a pair, as many times as are left.
        let times: usize = moments.lines().skip(1).filter(|line| line.contains("gravity")).count();
        assert!(times > 2 * 100 && times.is_multiple_of(2 * 100), "{times}");
        assert_eq!(videos.lines().count(), 1 + 100 * Concept::ALL.len());
        assert!(videos.lines().nth(1).unwrap().ends_with(",1,1,1,1"), "{videos}");
        let concepts = found.figures["rows"][0]["concepts"].as_array().unwrap();
        assert_eq!(concepts.len(), Concept::ALL.len());
        for concept in concepts {
            assert_eq!(concept["quadruples"].is_null(), concept["concept"] == "gravity");
            assert_eq!((&concept["pairs"], &concept["relative"]["value"]), (&100.into(), &0.0.into()));
            assert_eq!(concept["auroc"]["value"], 0.5);
        }
    }

    #[test]
    fn every_video_has_a_flickering_light_of_its_own() {
        let [plain, lit] = ["rehearsal", "flickering:rehearsal"].map(|data| open(data, SHAPE).unwrap());
        assert_eq!((lit.pairs.len(), lit.validation.len()), (plain.pairs.len(), plain.validation.len()));
        let read = |movie: &Movie| movie.read(&lit.protocol).unwrap();
        let (pair, in_light) = (&plain.pairs[0], &lit.pairs[0]);
        assert_eq!(in_light.possible.name, pair.possible.name);
        let [possible, impossible] = [&pair.possible, &pair.impossible].map(read);
        assert_eq!(possible.frame(0), impossible.frame(0), "before the event");
        let [a, b] = [&in_light.possible, &in_light.impossible].map(read);
        assert!(a.frame(0) != b.frame(0) && a.frame(0) != possible.frame(0) && a.frame(0) != a.frame(1));
        assert_eq!(read(&in_light.possible), a, "the same each time");
        assert_ne!(read(&lit.calibration[0]), read(&plain.calibration[0]));
    }

    #[test]
    fn a_flickering_light_hides_what_happens_from_distances_of_pixels_and_leaves_it_to_be_seen() {
        let [plain, lit] = ["rehearsal", "flickering:rehearsal"].map(|data| open(data, SHAPE).unwrap());
        let hidden = |clip: &Clip| {
            let seen = 4 * clip.rgb.len() / clip.frames;
            clip.rgb[seen..].iter().map(|value| f32::from(*value)).collect::<Vec<f32>>()
        };
        // What the light leaves alone: the share of every colour in a pixel.
        let hues = |rgb: &[f32]| -> Vec<f32> {
            let share = |rgb: &[f32]| [0, 1, 2].map(|at| rgb[at] / rgb.iter().sum::<f32>().max(1.0));
            rgb.chunks_exact(3).flat_map(share).collect()
        };
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>();
        // Right is who foresees all but the light and finds the possible video nearer to that: by pixels, by hues.
        let right = |at: usize| {
            let expected = hidden(&plain.pairs[at].possible.read(&plain.protocol)?);
            let pair = &lit.pairs[at];
            let [possible, impossible] = [&pair.possible, &pair.impossible].map(|movie| movie.read(&lit.protocol));
            let (possible, impossible) = (hidden(&possible?), hidden(&impossible?));
            let by_hues = [&expected, &possible, &impossible].map(|rgb| hues(rgb));
            Ok([
                apart(&expected, &possible) < apart(&expected, &impossible),
                apart(&by_hues[0], &by_hues[1]) < apart(&by_hues[0], &by_hues[2]),
            ])
        };
        let right = Replicas::new(2).unwrap().map((0..lit.pairs.len()).collect(), right).unwrap();
        for (concept, right) in Concept::ALL.into_iter().zip(right.chunks(PAIRS as usize)) {
            let [pixels, hues] = [0, 1].map(|by| right.iter().filter(|right| right[by]).count());
            println!("{}: {pixels} of {PAIRS} by pixels, {hues} by hues", concept.name());
            assert!((35..80).contains(&pixels) && hues > pixels + 20, "{concept:?}: {pixels}, {hues}");
        }
    }

    #[test]
    fn unusable_data_says_what_would_be_usable() {
        let workers = Replicas::new(1).unwrap();
        let blind = |windows: &[Clip], context: usize| -> Result<Vec<Vec<f32>>> {
            Ok(vec![vec![1.0; (windows[0].frames - context) / 2]; windows.len()])
        };
        for (data, expected) in [
            ("intphys:", "intphys:PATH"),
            ("cats", "grasp"),
            ("flickering:", "flickering:PATH"),
            ("flickering:grasp:/nowhere", "/nowhere"),
        ] {
            let error = evaluate(Some(data), SHAPE, &[("blind", &blind)], &workers).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let long = Shape { frames: 64, ..SHAPE };
        let error = evaluate(None, long, &[("blind", &blind)], &workers).unwrap_err().to_string();
        assert!(error.contains("no window of 64"), "{error}");
    }
}
