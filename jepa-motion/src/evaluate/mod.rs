//! How good a flow is: end-point errors where the truth is known, with their floors, and pictures of it.
//!
//! | file | noun |
//! |---|---|
//! | [`scores`](Scores) | end-point errors and shares of outliers |
//! | [`report`](Report) | a table of networks and floors |
//! | [`colours`] | flow as colour |

pub mod colours;
mod report;
mod scores;

pub use report::{Report, Row};
pub use scores::{Errors, Scores};

use jepa_core::data::Source;
use jepa_core::error::{Error, Result};
use jepa_core::train::Replicas;

use crate::data::{Flow, FramePair};

/// Most pairs that are looked at; of more they are spread evenly, as scenes and renderings follow each other.
const MOST: usize = 1000;
/// Pairs that pictures are made of.
const PICTURES: usize = 8;
/// Most pairs of one call.
const CHUNK: usize = 8;
/// Most pixels of the first frames of one call, where that is more than one pair. A convolution lays nine copies of its
/// input side by side: a call of the estimator holds about 1 kB for each of these pixels.
const CALL_PIXELS: usize = 1 << 19;

/// Whatever gives a flow to a pair of frames.
pub trait Estimates: Sync {
    /// The flows of the first frames, each of its pair's size.
    fn flows(&self, pairs: &[FramePair]) -> Result<Vec<Flow>>;
}

/// No motion at all: what every network has to beat.
pub struct NoMotion;

impl Estimates for NoMotion {
    fn flows(&self, pairs: &[FramePair]) -> Result<Vec<Flow>> {
        let of = |pair: &FramePair| {
            let (width, height) = (pair.first().width, pair.first().height);
            Flow::whole(width, height, vec![[0.0; 2]; width * height])
        };
        pairs.iter().map(of).collect()
    }
}

/// The mean of the true flow of each pair everywhere: what knowing the camera's motion alone would be worth.
pub struct MeanMotion;

impl Estimates for MeanMotion {
    fn flows(&self, pairs: &[FramePair]) -> Result<Vec<Flow>> {
        let of = |pair: &FramePair| {
            let vectors: Vec<[f32; 2]> = pair.truth().iter().flat_map(|truth| truth.flow.vectors()).collect();
            let mean = |i: usize| vectors.iter().map(|v| v[i]).sum::<f32>() / vectors.len().max(1) as f32;
            let (width, height) = (pair.first().width, pair.first().height);
            Flow::whole(width, height, vec![[mean(0), mean(1)]; width * height])
        };
        pairs.iter().map(of).collect()
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Errors.
    pub report: Report,
    /// The first few pairs drawn: names and PNG files.
    pub pictures: Vec<(String, Vec<u8>)>,
}

/// Measures `estimators`, by name, on the pairs of `source` whose flow is known, and draws the first few.
pub fn evaluate(
    source: &dyn Source<Sample = FramePair>,
    estimators: &[(String, &dyn Estimates)],
    workers: &Replicas,
) -> Result<Measured> {
    let mut scores: Vec<Scores> = vec![Scores::default(); estimators.len()];
    let (mut pictures, mut left_out, mut count) = (Vec::new(), 0, 0);
    let indices = spread(source.len());
    for round in indices.chunks(CHUNK * workers.count()) {
        // Each worker reads and measures its own; scores are added up in order.
        let measured = workers.map(round.chunks(CHUNK).collect(), |indices: &[usize]| {
            let read = indices.iter().filter_map(|index| match source.read(*index) {
                Ok(pair) => Some((*index, pair)),
                Err(_) => None,
            });
            let (places, pairs): (Vec<usize>, Vec<FramePair>) = read.filter(|(_, pair)| pair.truth().is_some()).unzip();
            let flows =
                estimators.iter().map(|(_, estimator)| by_size(*estimator, &pairs)).collect::<Result<Vec<_>>>()?;
            Ok((places, pairs, flows, indices.len()))
        })?;
        for (places, pairs, flows, tried) in measured {
            left_out += tried - pairs.len();
            for (at, (place, pair)) in places.iter().zip(&pairs).enumerate() {
                let Some(truth) = pair.truth() else { continue };
                for (scores, flows) in scores.iter_mut().zip(&flows) {
                    scores.add(truth, &flows[at]);
                }
                if count < PICTURES {
                    let drawn: Vec<&Flow> = flows.iter().map(|flows| &flows[at]).collect();
                    pictures.push((format!("pair-{place:04}.png"), colours::sheet(pair, &truth.flow, &drawn)?));
                }
                count += 1;
            }
        }
    }
    if count == 0 {
        let problem =
            "no pair of it has a true flow to compare with; `builtin` has, and so have layouts with flow files";
        return Err(Error::data(source.describe(), problem));
    }
    let rows = estimators.iter().zip(scores).map(|((name, _), scores)| Row { name: name.clone(), scores }).collect();
    Ok(Measured {
        report: Report { data: source.describe(), total: source.len(), pairs: count, left_out, rows },
        pictures,
    })
}

/// The pairs of `count` that are looked at.
fn spread(count: usize) -> Vec<usize> {
    let looked_at = count.min(MOST);
    (0..looked_at).map(|at| at * count / looked_at).collect()
}

/// Flows of pairs of any sizes, one call for each run of one size, or as many as its pixels want ([`CALL_PIXELS`]).
fn by_size(estimator: &dyn Estimates, pairs: &[FramePair]) -> Result<Vec<Flow>> {
    let size = |pair: &FramePair| (pair.first().width, pair.first().height);
    let mut flows = Vec::with_capacity(pairs.len());
    let calls = pairs.chunk_by(|a, b| size(a) == size(b)).flat_map(|run| {
        let pixels = run.first().map_or(1, |pair| size(pair).0 * size(pair).1);
        run.chunks((CALL_PIXELS / pixels.max(1)).max(1))
    });
    for run in calls {
        let found = estimator.flows(run)?;
        let fits = found.len() == run.len()
            && found.iter().zip(run).all(|(flow, pair)| (flow.width(), flow.height()) == size(pair));
        if !fits {
            return Err(Error::Engine("an estimator gave flows of other sizes than its frames".into()));
        }
        flows.extend(found);
    }
    Ok(flows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Scenes;
    use crate::data::scenes::Label;
    use jepa_core::data::Split;
    use jepa_core::picture::Picture;
    use std::sync::Mutex;

    /// The truth itself.
    struct Oracle;

    impl Estimates for Oracle {
        fn flows(&self, pairs: &[FramePair]) -> Result<Vec<Flow>> {
            Ok(pairs.iter().filter_map(|pair| Some(pair.truth()?.flow.clone())).collect())
        }
    }

    /// The first few scenes.
    struct Few(Scenes);

    impl Source for Few {
        type Sample = FramePair;
        fn len(&self) -> usize {
            12
        }
        fn read(&self, index: usize) -> Result<FramePair> {
            self.0.read(index)
        }
        fn label(&self, _: usize) -> Option<u32> {
            None
        }
        fn classes(&self) -> &[String] {
            &[]
        }
        fn name(&self, index: usize) -> String {
            self.0.name(index)
        }
        fn describe(&self) -> String {
            self.0.describe()
        }
    }

    /// No motion, and what was asked for: pairs and pixels of each call.
    #[derive(Default)]
    struct Counted(Mutex<Vec<[usize; 2]>>);

    impl Estimates for Counted {
        fn flows(&self, pairs: &[FramePair]) -> Result<Vec<Flow>> {
            let pixels: usize = pairs.iter().map(|pair| pair.first().width * pair.first().height).sum();
            self.0.lock().unwrap().push([pairs.len(), pixels]);
            NoMotion.flows(pairs)
        }
    }

    #[test]
    fn a_call_holds_many_small_pairs_and_few_large_ones() {
        let pair = |width: usize, height: usize| {
            let frame = Picture::new(width, height, 1, vec![0; width * height]).unwrap();
            FramePair::new(frame.clone(), frame, None).unwrap()
        };
        // FlyingChairs, Sintel, one that is larger than a call, and the built-in scenes.
        let sizes: Vec<(usize, usize)> = [[(512, 384); 3], [(1024, 436); 3], [(1200, 800); 3], [(96, 64); 3]].concat();
        let pairs: Vec<FramePair> = sizes.iter().map(|(width, height)| pair(*width, *height)).collect();
        let counted = Counted::default();
        let flows = by_size(&counted, &pairs).unwrap();
        assert_eq!(flows.iter().map(|flow| (flow.width(), flow.height())).collect::<Vec<_>>(), sizes);
        let calls = counted.0.into_inner().unwrap();
        assert!(calls.iter().all(|[pairs, pixels]| *pairs == 1 || *pixels <= CALL_PIXELS), "{calls:?}");
        assert_eq!(calls.iter().map(|[pairs, _]| *pairs).collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1, 1, 1, 3]);
    }

    #[test]
    fn of_more_pairs_than_are_looked_at_some_are_of_every_part_of_the_data() {
        assert_eq!((spread(0), spread(3)), (vec![], vec![0, 1, 2]));
        let chosen = spread(2 * MOST + 82);
        assert_eq!((chosen.len(), chosen[0]), (MOST, 0));
        assert!(chosen.windows(2).all(|pair| [2, 3].contains(&(pair[1] - pair[0]))));
        assert!(chosen.last().is_some_and(|last| 2 * MOST + 82 - last <= 3));
    }

    #[test]
    fn the_truth_has_no_error_floors_have_some_and_workers_change_nothing() {
        let source = Few(Scenes::open(Split::Test, Label::Texture));
        let named = |name: &str, estimator: &'static dyn Estimates| (name.to_owned(), estimator);
        let estimators = [named("truth", &Oracle), named("no motion", &NoMotion), named("mean motion", &MeanMotion)];
        let run = |workers| evaluate(&source, &estimators, &Replicas::new(workers).unwrap()).unwrap();
        let Measured { report, pictures } = run(1);
        assert_eq!(report, run(2).report);
        let errors = |row: usize| report.rows[row].scores.all();
        assert_eq!((report.total, report.to_string().contains("evenly spread")), (12, false));
        let part = Report { total: 2082, ..report.clone() }.to_string();
        assert!(part.contains("of its 2082 pairs 12, evenly spread, were looked at"), "{part}");
        assert_eq!((report.pairs, pictures.len(), errors(0).epe, errors(0).f1), (12, PICTURES, 0.0, 0.0));
        assert!(errors(1).epe > 1.0 && errors(2).epe < errors(1).epe, "{report}");
        let (visible, occluded) = (report.rows[1].scores.visible().unwrap(), report.rows[1].scores.occluded().unwrap());
        assert!(occluded.epe > visible.epe, "what moves far is what is hidden: {report}");
        let text = report.to_string();
        assert!(["truth", "no motion", "synthetic", "EPE", "F1"].iter().all(|word| text.contains(word)), "{text}");
    }
}
