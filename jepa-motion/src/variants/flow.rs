//! `probe --kind flow`: end-point errors of a run, of its untrained networks, and without any network.

use burn::prelude::*;
use jepa_core::data::{DataSpec, Source, Split, part};
use jepa_core::error::{Error, Result};
use jepa_core::host;
use jepa_core::plugin::{Evaluated, Evaluation, Networks, Rival};
use jepa_core::train::{Replicas, default_replicas};

use super::mc_jepa::McJepa;
use crate::data::{self, FORMATS, Flow, FramePair, Whole};
use crate::evaluate::{self, Estimates, MeanMotion, Measured, NoMotion};
use crate::frames;
use crate::network::{MotionBatch, MotionNetworks, Pictures};

/// The evaluation.
pub(super) fn evaluation() -> Evaluation<McJepa> {
    Evaluation {
        name: "flow",
        about: "end-point errors of the flow where the truth is known, beside those of no motion and of the untrained \
                networks; pictures of the first pairs",
        run,
    }
}

fn run(networks: &Networks<McJepa>, beside: &[Rival<McJepa>], data: Option<&str>) -> Result<Evaluated> {
    let spec = DataSpec::parse(data.unwrap_or(&networks.config.data.source), FORMATS);
    let runs = std::iter::once(networks).chain(beside.iter().map(|(_, other)| other));
    let trained: Vec<DataSpec> = runs.map(|run| DataSpec::parse(&run.config.data.source, FORMATS)).collect();
    let source = open(&spec, &trained)?;
    let eyes = |of: &'_ Networks<McJepa>, student| Eyes {
        networks: student,
        stride: of.variant.stride(),
        device: of.engine.device.clone(),
    };
    let (trained, untrained) = (eyes(networks, &networks.student), eyes(networks, &networks.untrained));
    let others: Vec<Eyes<'_>> = beside.iter().map(|(_, other)| eyes(other, &other.student)).collect();
    let mut all: Vec<(String, &dyn Estimates)> =
        vec![("trained".to_owned(), &trained), ("untrained".to_owned(), &untrained)];
    all.extend(beside.iter().zip(&others).map(|((name, _), eyes)| (name.clone(), eyes as &dyn Estimates)));
    all.push(("no motion".to_owned(), &NoMotion));
    all.push(("mean true motion".to_owned(), &MeanMotion));
    let workers = Replicas::new(default_replicas(&networks.engine))?;
    let Measured { report, pictures } = evaluate::evaluate(source.as_ref(), &all, &workers)?;
    Ok(Evaluated { text: report.to_string(), figures: report.figures(), files: pictures })
}

/// The test part of what `spec` names. Where that part would be a tenth held out of the whole, which no run here was
/// `trained` on, both parts.
fn open(spec: &DataSpec, trained: &[DataSpec]) -> Result<Box<dyn Source<Sample = FramePair>>> {
    let test = data::open(spec, Split::Test);
    if trained.iter().any(|other| overlap(spec, other)) {
        return test;
    }
    match test {
        Ok(test) if !test.describe().contains(part::RULE) => Ok(test),
        Ok(test) => Ok(Box::new(Whole::new(data::open(spec, Split::Train)?, test))),
        // Too few for a tenth of them.
        Err(error) => data::open(spec, Split::Train).map_err(|_| error),
    }
}

/// Whether two specifications name the same files, one the other's folder, or both what is built in, whatever the format.
fn overlap(a: &DataSpec, b: &DataSpec) -> bool {
    let (Some(a), Some(b)) = (&a.path, &b.path) else { return a.path == b.path };
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a.starts_with(&b) || b.starts_with(&a),
        // A run that was trained elsewhere: its folder is known by its name alone.
        _ => a.file_name() == b.file_name(),
    }
}

/// Networks that look at pairs of frames of any size.
struct Eyes<'a> {
    networks: &'a MotionNetworks,
    stride: usize,
    device: Device,
}

impl Estimates for Eyes<'_> {
    fn flows(&self, pairs: &[FramePair]) -> Result<Vec<Flow>> {
        let Some(first) = pairs.first().map(FramePair::first) else { return Ok(Vec::new()) };
        // The next size that the encoder can halve all the way down.
        let size = [first.height, first.width].map(|side| side.next_multiple_of(self.stride));
        let frames = pairs.iter().flat_map(|pair| [pair.first(), pair.second()]);
        let values = frames.flat_map(|frame| frames::whole(frame, size)).collect();
        let batch = MotionBatch::clean(pairs.len(), Pictures::new(values, size, 2))?;
        let found = host::read(self.networks.predict(&batch, &self.device).values)?;
        let [rows, columns] = size;
        let flows = found.chunks_exact(2 * rows * columns).zip(pairs).map(|(values, pair)| {
            let vectors = values.as_chunks::<2>().0.to_vec();
            Flow::whole(columns, rows, vectors)?.resized(pair.first().width, pair.first().height)
        });
        flows.collect::<Result<_>>().map_err(|error| Error::Engine(format!("the networks gave no flow: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_known_again_under_other_formats_and_spellings() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        for name in ["sintel/training", "kitti"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        for (a, b, expected) in [
            (format!("sintel:{root}/sintel"), format!("sintel-clean:{root}/kitti/../sintel/"), true),
            (format!("{root}/sintel"), format!("frames:{root}/sintel/training"), true),
            (format!("{root}/sintel"), format!("{root}/kitti"), false),
            (format!("{root}/sintel"), "data/sintel".to_owned(), true),
            (format!("{root}/sintel"), "data/chairs".to_owned(), false),
            (format!("{root}/sintel"), "builtin".to_owned(), false),
            ("builtin".to_owned(), "builtin-shapes".to_owned(), true),
        ] {
            let [first, second] = [&a, &b].map(|text| DataSpec::parse(text, FORMATS));
            assert_eq!((overlap(&first, &second), overlap(&second, &first)), (expected, expected), "{a}, {b}");
        }
    }
}
