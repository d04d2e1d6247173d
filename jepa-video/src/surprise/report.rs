//! All concepts in one table, beside the baselines.

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
    /// By concept.
    pub concepts: Vec<ConceptFigures>,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How videos were cut.
    pub protocol: Protocol,
    /// The context length all figures are for, in frames; absent: filtered.
    pub context: Option<usize>,
    /// Observers, the trained one first.
    pub rows: Vec<Row>,
}

impl Report {
    /// An empty table. `context` is fixed before anything is measured: nothing is selected on the test videos.
    pub fn new(protocol: Protocol, context: Option<usize>) -> Result<Self> {
        if context.is_some_and(|context| !protocol.contexts.contains(&context)) {
            let problem = format!("context {context:?} is not among the lengths {:?}", protocol.contexts);
            return Err(Error::config("surprise", problem));
        }
        Ok(Self { protocol, context, rows: Vec::new() })
    }

    /// Measures one observer on `pairs` and appends its row. The threshold of single videos comes from `calibration`,
    /// possible videos that are in no pair. Returns every pair's surprises (possible, impossible), for curves.
    pub fn add(
        &mut self,
        name: &str,
        observer: &dyn Observer,
        pairs: &[MoviePair],
        calibration: &[super::Movie],
        workers: &Replicas,
    ) -> Result<Vec<[Surprises; 2]>> {
        let measure = |movie: &super::Movie| self.protocol.measure(&movie.read(&self.protocol)?, observer);
        let known = workers.map(calibration.iter().collect(), measure)?;
        let known = known.iter().map(|s| self.score(s, Reduction::Max)).collect::<Result<Vec<_>>>()?;
        let threshold = quantile(&known, THRESHOLD);
        let measured = workers.map(pairs.iter().collect(), |pair: &MoviePair| {
            Ok([measure(&pair.possible)?, measure(&pair.impossible)?])
        })?;
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
                of_concept().map(|(_, [p, i])| Ok((self.score(p, reduction)?, self.score(i, reduction)?))).collect()
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
                auroc: bootstrap(&max, area),
                auprc: auprc(&possible, &impossible),
                single: threshold.map(|threshold| single_accuracy(&possible, &impossible, threshold)),
            });
        }
        self.rows.push(Row { observer: name.to_owned(), concepts });
        Ok(measured)
    }

    fn score(&self, surprises: &Surprises, reduction: Reduction) -> Result<f64> {
        let context = self.context.and_then(|context| self.protocol.contexts.iter().position(|c| *c == context));
        let score = surprises.score(context, reduction);
        score.ok_or_else(|| Error::Engine("surprises without the context length asked for".into()))
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let context = self.context.map_or("the least surprise over context lengths".to_owned(), |context| {
            format!("{context} frames of context")
        });
        writeln!(f, "surprise: windows of {} frames, one in {}, {context}", self.protocol.frames, self.protocol.step)?;
        write!(
            f,
            "{:<12} {:<12} {:>5} {:>22} {:>22} {:>7} {:>8}",
            "concept", "observer", "pairs", "pairs right %", "AUROC %", "AUPRC %", "single %"
        )?;
        let range = |i: Interval| format!("{:.1} ({:.1} to {:.1})", 100.0 * i.value, 100.0 * i.low, 100.0 * i.high);
        for (at, first) in self.rows.first().iter().flat_map(|row| row.concepts.iter().enumerate()) {
            for row in &self.rows {
                let Some(figures) = row.concepts.get(at) else { continue };
                let single = figures.single.map_or("-".to_owned(), |single| format!("{:.1}", 100.0 * single));
                write!(
                    f,
                    "\n{:<12} {:<12} {:>5} {:>22} {:>22} {:>7.1} {single:>8}",
                    first.concept,
                    row.observer,
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
    fn change(windows: &[Clip], _context: usize) -> Result<Vec<f32>> {
        let of = |window: &Clip| {
            let size = window.height * window.width * 3;
            let changed = window.rgb.iter().zip(&window.rgb[size..]).map(|(a, b)| f32::from(a.abs_diff(*b)));
            changed.sum::<f32>() / window.rgb.len() as f32
        };
        Ok(windows.iter().map(of).collect())
    }

    #[test]
    fn an_observer_that_knows_the_answer_is_right_and_one_that_sees_change_alone_is_not() {
        let movies = pairs::scenes(&[Concept::Permanence, Concept::Gravity], 12);
        let protocol = Protocol { contexts: vec![4], ..Protocol::scenes() };
        let mut report = Report::new(protocol.clone(), Some(4)).unwrap();
        let calibration = pairs::calibration(&[Concept::Permanence], 5);
        let workers = Replicas::new(2).unwrap();
        report.add("change", &change, &movies, &calibration, &workers).unwrap();
        // An oracle: reads off which frames are those of impossible scenes.
        let impossible: Vec<Vec<u8>> = movies
            .iter()
            .flat_map(|pair| {
                let (p, i) = (pair.possible.read(&protocol).unwrap(), pair.impossible.read(&protocol).unwrap());
                (0..p.frames)
                    .filter(|t| p.frame(*t) != i.frame(*t))
                    .map(|t| i.frame(t).unwrap().to_vec())
                    .collect::<Vec<_>>()
            })
            .collect();
        let oracle = |windows: &[Clip], _: usize| -> Result<Vec<f32>> {
            let seen = |w: &Clip| (0..w.frames).filter(|t| impossible.iter().any(|f| w.frame(*t) == Some(f))).count();
            Ok(windows.iter().map(|w| seen(w) as f32).collect())
        };
        report.add("oracle", &oracle, &movies, &[], &workers).unwrap();
        let [blind, knowing] = [&report.rows[0], &report.rows[1]];
        assert!(knowing.concepts.iter().all(|c| c.relative.value == 1.0 && c.auroc.value == 1.0 && c.single.is_none()));
        assert!(blind.concepts.iter().all(|c| c.relative.value < 0.95 && c.single.is_some()), "{report}");
        let text = report.to_string();
        assert!(text.contains("permanence") && text.contains("gravity") && text.contains("100.0 (100.0 to 100.0)"));
        assert!(Report::new(protocol, Some(6)).is_err());
    }
}
