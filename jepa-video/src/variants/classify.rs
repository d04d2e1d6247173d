//! `probe --kind classify`: which classes a classifier that came with imported weights sees in clips.

use std::fmt::Write as _;

use jepa_core::data::{DataSpec, Source, Split, part};
use jepa_core::error::{Error, Result};
use jepa_core::host;
use jepa_core::plugin::{Evaluated, Evaluation, Networks, Rival, Variant as _};
use jepa_core::train::{Replicas, default_replicas};
use serde::Serialize;

use super::v_jepa_2::VJepa2;
use crate::data::{Clip, FORMATS};

/// Classes named for a clip.
const TOP: usize = 5;

/// What a variant offers.
pub(super) fn evaluation() -> Evaluation<VJepa2> {
    Evaluation {
        name: "classify",
        about: "the classes that an imported classifier sees in clips (--data), and how often it is right where labels are \
                the classifier's",
        run,
    }
}

#[derive(Serialize)]
struct Report {
    data: String,
    clips: Vec<Named>,
    left_out: Vec<LeftOut>,
    /// Clips whose label is one of the classes.
    labelled: usize,
    /// Percent of these whose best class is right, and one of the best five.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<[f64; 2]>,
}

#[derive(Serialize)]
struct Named {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    best: Vec<Guess>,
}

#[derive(Serialize)]
struct Guess {
    class: String,
    probability: f64,
}

#[derive(Serialize)]
struct LeftOut {
    name: String,
    cause: String,
}

/// The scores of every clip, for the file beside the table.
#[derive(Serialize)]
struct Scores<'a> {
    classes: &'a [String],
    clips: Vec<(String, Vec<f32>)>,
}

fn run(networks: &Networks<VJepa2>, beside: &[Rival<VJepa2>], data: Option<&str>) -> Result<Evaluated> {
    let Some(classifier) = &networks.config.model.classifier else {
        let problem = "there is none here: import a folder of VJEPA2ForVideoClassification, or an encoder with a probe's file \
                       (--with), to classify clips";
        return Err(Error::config("model.classifier", problem));
    };
    if !beside.is_empty() {
        return Err(Error::config("--beside", "classes are named by one classifier at a time"));
    }
    let Some(data) = data else {
        return Err(Error::config("--data", "say which clips are to be classified"));
    };
    let workers = Replicas::new(default_replicas(&networks.engine))?;
    let classes = &classifier.classes;
    let mut report =
        Report { data: String::new(), clips: Vec::new(), left_out: Vec::new(), labelled: 0, accuracy: None };
    let mut scores = Scores { classes, clips: Vec::new() };
    let mut right = [0usize; 2];
    for source in open(networks, data)? {
        report.data = source.describe();
        let targets: Vec<Option<usize>> = source.classes().iter().map(|name| class_of(name, classes)).collect();
        // As many clips at once as there are workers: they are large.
        for block in (0..source.len()).collect::<Vec<_>>().chunks(workers.count()) {
            let found = workers.map(block.to_vec(), |index| Ok((index, score(networks, &*source, index))))?;
            for (index, found) in found {
                let name = source.name(index);
                let found = match found {
                    Ok(found) => found,
                    Err(error @ Error::Engine(_)) => return Err(error),
                    Err(error) => {
                        report.left_out.push(LeftOut { name, cause: error.to_string() });
                        continue;
                    }
                };
                let best = best(&found);
                let label = source.label(index).map(|label| label as usize);
                if let Some(target) = label.and_then(|label| *targets.get(label)?) {
                    report.labelled += 1;
                    right[0] += usize::from(best.first().is_some_and(|(class, _)| *class == target));
                    right[1] += usize::from(best.iter().any(|(class, _)| *class == target));
                }
                let guess = |(class, probability): (usize, f64)| Guess { class: classes[class].clone(), probability };
                report.clips.push(Named {
                    name: name.clone(),
                    label: label.and_then(|label| source.classes().get(label).cloned()),
                    best: best.into_iter().map(guess).collect(),
                });
                scores.clips.push((name, found));
            }
        }
    }
    if report.labelled > 0 {
        report.accuracy = Some(right.map(|count| 100.0 * count as f64 / report.labelled as f64));
    }
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| Error::Engine(error.to_string()));
    let figures = serde_json::to_value(&report).map_err(|error| Error::Engine(error.to_string()))?;
    let files = vec![("scores.json".to_owned(), json(serde_json::to_vec(&scores))?)];
    Ok(Evaluated { text: report.text(), figures, files })
}

/// The test part of what `data` names. Where that part would be a tenth held out of the whole, which nothing was trained
/// on here, both.
fn open(networks: &Networks<VJepa2>, data: &str) -> Result<Vec<Box<dyn Source<Sample = Clip>>>> {
    let spec = DataSpec::parse(data, FORMATS);
    let test = networks.variant.open(&spec, Split::Test);
    match test {
        Ok(test) if !test.describe().contains(part::RULE) => Ok(vec![test]),
        Ok(test) => Ok(vec![networks.variant.open(&spec, Split::Train)?, test]),
        // Too few for a tenth of them.
        Err(error) => networks.variant.open(&spec, Split::Train).map(|all| vec![all]).map_err(|_| error),
    }
}

/// The class of the classifier that a data set means: by its name, or by its number.
fn class_of(name: &str, classes: &[String]) -> Option<usize> {
    let number = || name.parse().ok().filter(|number| *number < classes.len());
    classes.iter().position(|class| class.eq_ignore_ascii_case(name)).or_else(number)
}

/// Class scores of one clip.
fn score(networks: &Networks<VJepa2>, source: &dyn Source<Sample = Clip>, index: usize) -> Result<Vec<f32>> {
    let batch = networks.variant.clean(&[source.read(index)?], 0)?;
    let reads = networks.config.model.classifier.as_ref().map_or(&[][..], |classifier| &classifier.reads);
    let scores = networks.student.scores(&networks.target, &batch, reads, &networks.engine.device);
    host::read(scores.ok_or_else(|| Error::Engine("the classifier is not part of the student".into()))?)
}

/// The classes with the highest scores and their probabilities, the best first.
fn best(scores: &[f32]) -> Vec<(usize, f64)> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shares: Vec<f64> = scores.iter().map(|score| f64::from(score - largest).exp()).collect();
    let sum: f64 = shares.iter().sum();
    let mut all: Vec<(usize, f64)> = shares.into_iter().map(|share| share / sum).enumerate().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(TOP);
    all
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.data);
        for Named { name, label, best } in &self.clips {
            let label = label.as_ref().map_or(String::new(), |label| format!(" ({label})"));
            let named: Vec<String> =
                best.iter().map(|guess| format!("{} {:.1} %", guess.class, 100.0 * guess.probability)).collect();
            let _ = writeln!(text, "{name}{label}: {}", named.join(", "));
        }
        for LeftOut { name, cause } in &self.left_out {
            let _ = writeln!(text, "left out: {name}: {cause}");
        }
        match self.accuracy {
            Some([first, five]) => {
                let _ = write!(
                    text,
                    "of {} clips with a known class {first:.1} % right, {five:.1} % among the best five",
                    self.labelled
                );
            }
            None => text.push_str("no label is one of the classes: no accuracy"),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_name_or_number_and_the_best_come_first() {
        let classes: Vec<String> = ["Folding", "7", "dropping"].map(str::to_owned).into();
        let found = ["folding", "7", "1", "3", "else"].map(|name| class_of(name, &classes));
        assert_eq!(found, [Some(0), Some(1), Some(1), None, None]);
        let found = best(&[0.0, 3.0f32.ln(), 0.0]);
        assert_eq!((found[0].0, found.len()), (1, 3));
        assert!((found[0].1 - 0.6).abs() < 1e-6 && (found[2].1 - 0.2).abs() < 1e-6);
    }
}
