//! `probe --kind flow`: end-point errors of a run, of its untrained networks, and without any network.

use burn::prelude::*;
use jepa_core::data::{DataSpec, Split};
use jepa_core::error::{Error, Result};
use jepa_core::host;
use jepa_core::plugin::{Evaluated, Evaluation, Networks, Rival};
use jepa_core::train::{Replicas, default_replicas};

use super::mc_jepa::McJepa;
use crate::data::{self, FORMATS, Flow, FramePair};
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
    let source = data::open(&spec, Split::Test)?;
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
