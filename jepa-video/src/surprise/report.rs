//! All concepts in one table, beside the baselines.

use std::collections::BTreeMap;

use jepa_core::error::{Error, Result};
use jepa_core::train::Replicas;
use serde::Serialize;

use super::pairs::MoviePair;
use super::scores::{
    Interval, Reduction, Surprises, auprc, auroc, bootstrap, quantile, relative_accuracy, single_accuracy,
};
use super::windows::{Observer, Protocol};

/// Share of the calibration videos whose scores lie below the threshold of single videos.
const THRESHOLD: f64 = 0.9;

/// Figures of one observer on one concept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConceptFigures {
    /// The concept.
    pub concept: String,
    /// Number of pairs.
    pub pairs: usize,
    /// Share of pairs whose impossible video surprises more in the mean.
    pub relative: Interval,
    /// Share of quadruples whose two impossible videos surprise more in sum than the two possible ones, the relative
    /// classification of IntPhys: what one content surprises more than another cancels. Absent where pairs stand alone.
    pub quadruples: Option<Interval>,
    /// Area under the ROC curve of the largest surprise of single videos.
    pub auroc: Interval,
    /// Area under the precision-recall curve of the same.
    pub auprc: f64,
    /// Share of single videos on the right side of a threshold from calibration videos, where there were any.
    pub single: Option<f64>,
}

/// One observer on all concepts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Whose surprise: "trained", "untrained", "pixels".
    pub observer: String,
    /// The context length its figures are for, in frames.
    pub context: usize,
    /// By concept.
    pub concepts: Vec<ConceptFigures>,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How videos were cut; each row takes one of the context lengths.
    pub protocol: Protocol,
    /// Observers, the trained one first.
    pub rows: Vec<Row>,
}

impl Report {
    /// An empty table.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, rows: Vec::new() }
    }

    /// The context length with which `observer` is right about most of `pairs`, which no figure may be of; of equally
    /// good ones the shortest. Without pairs the middle one: nothing is chosen on the videos that figures are of.
    pub fn context(&self, observer: &dyn Observer, pairs: &[MoviePair], workers: &Replicas) -> Result<usize> {
        let lengths = &self.protocol.contexts;
        let measured = measure(&self.protocol, observer, pairs, workers)?;
        let mut counts = vec![0usize; lengths.len()];
        for [possible, impossible] in &measured {
            for (at, count) in counts.iter_mut().enumerate() {
                let right = score(possible, at, Reduction::Mean)? < score(impossible, at, Reduction::Mean)?;
                *count += usize::from(right);
            }
        }
        let best = match pairs {
            [] => lengths.len() / 2,
            _ => (0..lengths.len()).rev().max_by_key(|at| counts.get(*at)).unwrap_or(0),
        };
        let none = || Error::config("surprise", "there is no context length to choose from");
        lengths.get(best).copied().ok_or_else(none)
    }

    /// Measures one observer that sees `context` frames on `pairs` and appends its row. The threshold of single videos
    /// comes from `calibration`, possible videos that are in no pair. Returns every pair's surprises (possible,
    /// impossible), for curves.
    pub fn add(
        &mut self,
        name: &str,
        observer: &dyn Observer,
        context: usize,
        (pairs, calibration): (&[MoviePair], &[super::Movie]),
        workers: &Replicas,
    ) -> Result<Vec<[Surprises; 2]>> {
        let protocol = Protocol { contexts: vec![context], ..self.protocol.clone() };
        let known = |movie: &super::Movie| protocol.measure(&movie.read(&protocol)?, observer);
        let known = workers.map(calibration.iter().collect(), known)?;
        let known = known.iter().map(|s| score(s, 0, Reduction::Max)).collect::<Result<Vec<_>>>()?;
        let threshold = quantile(&known, THRESHOLD);
        let measured = measure(&protocol, observer, pairs, workers)?;
        let mut names: Vec<&str> = Vec::new();
        for pair in pairs {
            if !names.contains(&pair.concept.as_str()) {
                names.push(&pair.concept);
            }
        }
        let mut concepts = Vec::new();
        for concept in names {
            let of_concept = || pairs.iter().zip(&measured).filter(|(pair, _)| pair.concept == concept);
            let scores = |reduction| -> Result<Vec<(f64, f64)>> {
                let score = |s: &Surprises| score(s, 0, reduction);
                of_concept().map(|(_, [p, i])| Ok((score(p)?, score(i)?))).collect()
            };
            let (mean, max) = (scores(Reduction::Mean)?, scores(Reduction::Max)?);
            let area = |pairs: &[(f64, f64)]| {
                let (possible, impossible): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
                auroc(&possible, &impossible)
            };
            let (possible, impossible): (Vec<f64>, Vec<f64>) = max.iter().copied().unzip();
            concepts.push(ConceptFigures {
                concept: concept.to_owned(),
                pairs: mean.len(),
                relative: bootstrap(&mean, relative_accuracy),
                quadruples: quadruples(of_concept().map(|(pair, _)| pair.quadruple), &mean),
                auroc: bootstrap(&max, area),
                auprc: auprc(&possible, &impossible),
                single: threshold.map(|threshold| single_accuracy(&possible, &impossible, threshold)),
            });
        }
        self.rows.push(Row { observer: name.to_owned(), context, concepts });
        Ok(measured)
    }
}

/// The share of right quadruples, from the mean scores (possible, impossible) of the pairs that are their halves.
fn quadruples(halves: impl Iterator<Item = Option<usize>>, scores: &[(f64, f64)]) -> Option<Interval> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (quadruple, (possible, impossible)) in halves.zip(scores) {
        let sum = sums.entry(quadruple?).or_default();
        *sum = (sum.0 + possible, sum.1 + impossible);
    }
    let sums: Vec<(f64, f64)> = sums.into_values().collect();
    (!sums.is_empty()).then(|| bootstrap(&sums, relative_accuracy))
}

/// Both surprises of every pair.
fn measure(
    protocol: &Protocol,
    observer: &dyn Observer,
    pairs: &[MoviePair],
    workers: &Replicas,
) -> Result<Vec<[Surprises; 2]>> {
    let measure = |movie: &super::Movie| protocol.measure(&movie.read(protocol)?, observer);
    workers.map(pairs.iter().collect(), |pair: &MoviePair| Ok([measure(&pair.possible)?, measure(&pair.impossible)?]))
}

fn score(surprises: &Surprises, context: usize, reduction: Reduction) -> Result<f64> {
    let score = surprises.score(Some(context), reduction);
    score.ok_or_else(|| Error::Engine("surprises without the context length asked for".into()))
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Protocol { frames, step, .. } = &self.protocol;
        writeln!(f, "windows of {frames} frames, one in {step}; the context length is not chosen on these videos")?;
        write!(
            f,
            "{:<12} {:<12} {:>7} {:>5} {:>22} {:>22} {:>22} {:>7} {:>8}",
            "concept",
            "observer",
            "context",
            "pairs",
            "pairs right %",
            "fours right %",
            "AUROC %",
            "AUPRC %",
            "single %"
        )?;
        let range = |i: Interval| format!("{:.1} ({:.1} to {:.1})", 100.0 * i.value, 100.0 * i.low, 100.0 * i.high);
        for (at, first) in self.rows.first().iter().flat_map(|row| row.concepts.iter().enumerate()) {
            for row in &self.rows {
                let Some(figures) = row.concepts.get(at) else { continue };
                let fours = figures.quadruples.map_or("-".to_owned(), range);
                let single = figures.single.map_or("-".to_owned(), |single| format!("{:.1}", 100.0 * single));
                write!(
                    f,
                    "\n{:<12} {:<12} {:>7} {:>5} {:>22} {fours:>22} {:>22} {:>7.1} {single:>8}",
                    first.concept,
                    row.observer,
                    row.context,
                    figures.pairs,
                    range(figures.relative),
                    range(figures.auroc),
                    100.0 * figures.auprc
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Clip;
    use crate::scenes::Concept;
    use crate::surprise::pairs;

    /// Surprised by pixels that changed from frame to frame: knows nothing of physics.
    fn change(windows: &[Clip], _context: usize) -> Result<Vec<Vec<f32>>> {
        let of = |window: &Clip| {
            let size = window.height * window.width * 3;
            let changed = window.rgb.iter().zip(&window.rgb[size..]).map(|(a, b)| f32::from(a.abs_diff(*b)));
            vec![changed.sum::<f32>() / window.rgb.len() as f32]
        };
        Ok(windows.iter().map(of).collect())
    }

    #[test]
    fn an_observer_that_knows_the_answer_is_right_and_one_that_sees_change_alone_is_not() {
        let movies = pairs::scenes(&[Concept::Permanence, Concept::Gravity], pairs::Part::Test, 12);
        let protocol = Protocol { contexts: vec![4], ..Protocol::intphys() };
        let mut report = Report::new(protocol.clone());
        let calibration = pairs::calibration(&[Concept::Permanence], 5);
        let workers = Replicas::new(2).unwrap();
        report.add("change", &change, 4, (&movies, &calibration), &workers).unwrap();
        // An oracle: knows the windows that are in impossible scenes alone. Single frames would not do: what is
        // impossible in one pair of a quadruple is possible in the other.
        let windows = |movie: &pairs::Movie| {
            let clip = movie.read(&protocol).unwrap();
            let starts = protocol.starts(clip.frames).unwrap();
            starts.into_iter().map(|start| clip.cut(start..start + protocol.frames).unwrap()).collect::<Vec<_>>()
        };
        let possible: Vec<Clip> = movies.iter().flat_map(|pair| windows(&pair.possible)).collect();
        let impossible = movies.iter().flat_map(|pair| windows(&pair.impossible));
        let impossible: Vec<Clip> = impossible.filter(|window| !possible.contains(window)).collect();
        let oracle = |windows: &[Clip], _: usize| -> Result<Vec<Vec<f32>>> {
            Ok(windows.iter().map(|window| vec![f32::from(u8::from(impossible.contains(window)))]).collect())
        };
        report.add("oracle", &oracle, 4, (&movies, &[]), &workers).unwrap();
        let [blind, knowing] = [&report.rows[0], &report.rows[1]];
        assert!(knowing.concepts.iter().all(|c| c.relative.value == 1.0 && c.auroc.value == 1.0 && c.single.is_none()));
        assert!(blind.concepts.iter().all(|c| c.relative.value < 0.95 && c.single.is_some()), "{report}");
        let text = report.to_string();
        assert!(text.contains("permanence") && text.contains("gravity") && text.contains("100.0 (100.0 to 100.0)"));
    }

    #[test]
    fn who_looks_at_single_frames_is_right_about_half_of_the_pairs_and_no_quadruple() {
        // Bright pixels, counted: how much of a body there is to see.
        let amount = |windows: &[Clip], _: usize| -> Result<Vec<Vec<f32>>> {
            let bright = |pixel: &[u8]| pixel.iter().max().unwrap() - pixel.iter().min().unwrap() > 100;
            let of = |window: &Clip| vec![window.rgb.chunks_exact(3).filter(|pixel| bright(pixel)).count() as f32];
            Ok(windows.iter().map(of).collect())
        };
        let concepts: Vec<Concept> = Concept::ALL.into_iter().filter(|concept| *concept != Concept::Gravity).collect();
        let movies = pairs::scenes(&concepts, pairs::Part::Test, 12);
        let protocol = Protocol { contexts: vec![12], frames: 24, stride: 24, ..Protocol::intphys() };
        let mut report = Report::new(protocol);
        report.add("amount", &amount, 12, (&movies, &[]), &Replicas::new(2).unwrap()).unwrap();
        for concept in &report.rows[0].concepts {
            assert!(concept.relative.value <= 0.5, "{} {:?}", concept.concept, concept.relative);
            assert_eq!(concept.quadruples.unwrap().value, 0.0, "{}", concept.concept);
        }
    }

    #[test]
    fn a_quadruple_is_right_when_its_impossible_half_surprises_more_in_sum() {
        // Finds the body easier to see than not: wrong about one pair by as much as it is right about the other, until
        // the event adds something.
        let scores = [(0.2, 0.8), (0.8, 0.3), (0.2, 0.8), (0.8, 0.1), (0.5, 0.4), (0.5, 0.7)];
        let right = quadruples([0, 0, 1, 1, 2, 2].map(Some).into_iter(), &scores).unwrap();
        assert_eq!((relative_accuracy(&scores), right.value), (0.5, 2.0 / 3.0));
        assert_eq!(quadruples([Some(0), None].into_iter(), &scores[..2]), None);
    }

    #[test]
    fn the_context_is_the_one_that_is_right_on_the_videos_it_is_chosen_on() {
        let protocol = Protocol { contexts: vec![4, 8, 12], ..Protocol::intphys() };
        let report = Report::new(protocol);
        let workers = Replicas::new(2).unwrap();
        // An odd number: three bodies vanish, two appear.
        let movies = pairs::scenes(&[Concept::Permanence], pairs::Part::Validation, 5);
        // Sees change, and with 8 frames of context its opposite.
        let observer = |windows: &[Clip], context: usize| -> Result<Vec<Vec<f32>>> {
            let sign = if context == 8 { -1.0 } else { 1.0 };
            Ok(change(windows, context)?.into_iter().map(|v| vec![sign * v[0]]).collect())
        };
        let opposite = |windows: &[Clip], context: usize| -> Result<Vec<Vec<f32>>> {
            Ok(observer(windows, context)?.into_iter().map(|v| vec![-v[0]]).collect())
        };
        let found = [&observer as &dyn Observer, &opposite].map(|o| report.context(o, &movies, &workers).unwrap());
        assert_eq!(found, [8, 4]);
        assert_eq!(report.context(&observer, &[], &workers).unwrap(), 8, "without videos the middle one");
    }
}
