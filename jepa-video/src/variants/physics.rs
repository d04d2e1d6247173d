//! How surprised a variant is: what it expects of the frames to come, against what they are.

use jepa_core::error::{Error, Result};
use jepa_core::host;
use jepa_core::plugin::{Evaluated, Evaluation, Networks, Rival, Variant};
use jepa_core::train::{Replicas, default_replicas};

use crate::data::{Clip, ClipOptions};
use crate::masks::Masks;
use crate::network::{VideoEncoder, VideoJepa};
use crate::surprise::{self, Observer, Shape};
use crate::view::{ViewConfig, Views};

/// Windows a forward pass.
const CHUNK: usize = 8;

/// A variant that predicts clips.
pub(super) trait Forecast: Variant<Model = VideoJepa> {
    /// What of a clip is read and how it is cut.
    fn view(&self) -> &ViewConfig;

    /// Its mask generators.
    fn masks(&self) -> &Masks;
}

/// `probe --kind surprise`.
pub(super) fn surprise<V: Forecast>() -> Evaluation<V> {
    Evaluation {
        name: "surprise",
        about: "how much more an impossible event surprises than a possible one, by concept (scenes, rehearsal, intphys:PATH, \
                grasp:PATH, inflevel:PATH; flickering:.. in unforeseeable light)",
        run,
    }
}

fn run<V: Forecast>(networks: &Networks<V>, beside: &[Rival<V>], data: Option<&str>) -> Result<Evaluated> {
    let trained = Eyes::of(networks, &networks.student, &networks.target)?;
    let untrained = Eyes::of(networks, &networks.untrained, &networks.untrained.encoder)?;
    let others = beside.iter().map(|(_, other)| Eyes::of(other, &other.student, &other.target));
    let others = others.collect::<Result<Vec<_>>>()?;
    let mut observers: Vec<(&str, &dyn Observer)> = vec![("trained", &trained), ("untrained", &untrained)];
    observers.extend(beside.iter().zip(&others).map(|((name, _), eyes)| (name.as_str(), eyes as &dyn Observer)));
    let view = networks.variant.view();
    let shape = Shape { frames: view.clip.frames, tubelet: view.tubelet };
    surprise::evaluate(data, shape, &observers, &Replicas::new(default_replicas(&networks.engine))?)
}

/// One pair of networks that looks at windows.
struct Eyes<'a, V: Forecast> {
    networks: &'a Networks<V>,
    student: &'a VideoJepa,
    target: &'a VideoEncoder,
    views: Views,
    tubelet: usize,
}

impl<'a, V: Forecast> Eyes<'a, V> {
    fn of(networks: &'a Networks<V>, student: &'a VideoJepa, target: &'a VideoEncoder) -> Result<Self> {
        let view = networks.variant.view();
        let clip = ClipOptions { segments: 1, ..view.clip.clone() };
        let views = Views::new(&ViewConfig { clip, ..view.clone() })?;
        Ok(Self { networks, student, target, views, tubelet: view.tubelet })
    }
}

impl<V: Forecast> Observer for Eyes<'_, V> {
    fn surprise(&self, windows: &[Clip], context: usize) -> Result<Vec<Vec<f32>>> {
        let frames = self.views.clip().frames;
        if let Some(window) = windows.iter().find(|window| window.frames != frames) {
            let problem = format!("windows have {} frames, the networks read clips of {frames}", window.frames);
            return Err(Error::config("model.view.clip.frames", problem));
        }
        let (generator, device) = (self.networks.variant.masks().forecaster(), &self.networks.engine.device);
        let mut all = Vec::with_capacity(windows.len());
        for windows in windows.chunks(CHUNK) {
            let batch = self.views.whole(windows)?;
            let found = self.student.surprise(self.target, &batch, context / self.tubelet, generator, device)?;
            let [rows, later] = found.dims();
            let found = host::read(found.reshape([rows * later]))?;
            all.extend(found.chunks_exact(later).map(<[f32]>::to_vec));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SamplingRule;
    use crate::network::Predicts;
    use crate::surprise::Protocol;
    use crate::variants::v_jepa::VJepa;

    #[test]
    fn presets_for_surprise_train_on_the_frames_that_it_looks_at() {
        let preset = |name| VJepa::presets().into_iter().find(|preset| preset.name == name).unwrap().config;
        let (features, mut pixels) = (preset("scenes"), preset("scenes-pixels"));
        let ViewConfig { clip, crop, tubelet, .. } = &features.model.view;
        let shape = Shape { frames: clip.frames, tubelet: *tubelet };
        let protocol = Protocol::scenes(shape);
        protocol.check(shape).unwrap();
        assert_eq!(clip.rule, SamplingRule::Step(protocol.step), "as far apart");
        assert_eq!((crop.scale, crop.aspect, crop.flip), ([1.0; 2], [1.0; 2], false), "the whole frame");
        // The baseline is the same run but for what it predicts.
        assert_eq!(pixels.model.predicts, Predicts::Pixels);
        assert_eq!(pixels.objective.normalise_targets, None);
        pixels.model.predicts = Predicts::Features;
        pixels.objective = features.objective.clone();
        assert_eq!(pixels, features);
    }
}
