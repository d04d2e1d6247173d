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
use crate::data::Clip;
use crate::scenes::Concept;

/// What [`evaluate`] can be asked to look at.
pub const FORMATS: &[&str] = &["builtin", "scenes", "rehearsal", "intphys", "grasp", "inflevel", "inflevel-priming"];

/// Pairs of each concept of the rendered scenes.
const PAIRS: u64 = 100;
/// Pairs of each concept that every observer's context length is chosen on.
const VALIDATION: u64 = 30;
/// Videos of each concept that the threshold of single videos is chosen on.
const CALIBRATION: u64 = 20;

/// The table of `observers`, the trained one first; every video's scores and what they are
/// of ([`Tables`]); and a picture of the first pair of every concept as the trained one sees it. `data` is `scenes` (the default), `rehearsal` (other rendered pairs, for
/// comparing settings) or `intphys:PATH`, `grasp:PATH`, `inflevel:PATH`. Every observer's context length is chosen on other
/// rendered pairs; of recorded videos there are no others, and the middle one is taken.
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
            let alone = possible.windows() == 1;
            let curve = |found: &Surprises, clip: &Clip| match alone {
                true => protocol.course(clip, *observer, context),
                false => Ok::<_, Error>((
                    found.curve(0).unwrap_or_default().to_vec(),
                    protocol.hidden(found.windows(), context),
                )),
            };
            let curves = [curve(possible, &clips[0])?, curve(impossible, &clips[1])?];
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
}

fn open(data: &str, shape: Shape) -> Result<Videos> {
    let spec = DataSpec::parse(data, FORMATS);
    let path = spec.path.as_deref().filter(|path| !path.as_os_str().is_empty());
    let format = match (spec.format.as_deref(), path) {
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
    fn unusable_data_says_what_would_be_usable() {
        let workers = Replicas::new(1).unwrap();
        let blind = |windows: &[Clip], context: usize| -> Result<Vec<Vec<f32>>> {
            Ok(vec![vec![1.0; (windows[0].frames - context) / 2]; windows.len()])
        };
        for (data, expected) in [("intphys:", "intphys:PATH"), ("cats", "grasp"), ("grasp:/nowhere", "/nowhere")] {
            let error = evaluate(Some(data), SHAPE, &[("blind", &blind)], &workers).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let long = Shape { frames: 64, ..SHAPE };
        let error = evaluate(None, long, &[("blind", &blind)], &workers).unwrap_err().to_string();
        assert!(error.contains("no window of 64"), "{error}");
    }
}
