//! # Point-JEPA
//!
//! **Paper**: Saito et al., "Point-JEPA: A Joint Embedding Predictive Architecture for Self-Supervised Learning on Point
//! Cloud", WACV 2025, arXiv 2404.16432.
//!
//! **Idea**: cut a cloud into groups, put them into an order in which neighbours in the sequence are neighbours in
//! space, and predict the features of a few runs of that sequence from another run. The order makes "a block" mean
//! something where there is no grid.
//!
//! **x** a run of groups outside the targets; **y** runs of groups, of the target transformer's last block; **z** the
//! centres of these groups; **D** smooth L1 with β = 2 on layer-normalised targets; **against collapse** the EMA, of
//! the transformer alone, and the stopped gradient.
//!
//! **What differs from I-JEPA**: positions are learned codes of centres, added before every block; the tokeniser is
//! trained by the context path and shared with the target; blocks are drawn once for the whole batch; everything
//! decays, biases too; rates change once an epoch.
//!
//! **Defaults and their source**: `official` is `configs/Point-JEPA/pretraining/shapenet.yaml`; `small` is ours, with
//! Barlow Twins' term between the pooled context and the whole of the target.

use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::jepa::TargetSource;
use jepa_core::masked::transformer_flops;
use jepa_core::nn::{EncoderConfig, Init, InitScheme, NoiseConfig, PredictorConfig};
use jepa_core::objective::{DistanceConfig, ObjectiveConfig, WeightedRegulariser};
use jepa_core::plugin::{
    Description, Draws, Elements, Exported, Format, Imported, Kind, Preset, Preview, Scene, Variant,
};
use jepa_core::probe::{Network, Pool, ProbeConfig, SvmConfig, SvmLoss};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::train::config::{DataConfig, RunConfig, RunSection};
use jepa_core::train::{AdamWConfig, DecayRule, MomentumLaw, RateLaw, ScheduleConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::augment::{AugmentConfig, Turn};
use crate::data::{self, Cloud};
use crate::masks::{BlockConfig, Blocks};
use crate::network::{GroupBatch, PointNetworks, TokenizerConfig};
use crate::tokens::GroupConfig;
use crate::{preview, tokens, weights};

jepa_core::register!(PointJepa);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointJepaConfig {
    /// What happens to a cloud before it is cut.
    pub augment: AugmentConfig,
    /// How it is cut into groups, one token each.
    pub groups: GroupConfig,
    /// Which groups are seen, which predicted.
    pub blocks: BlockConfig,
    /// From a group to a token.
    #[serde(default)]
    pub tokenizer: TokenizerConfig,
    /// Context and target encoder.
    pub encoder: EncoderConfig,
    /// What the context encoder drops in training.
    #[serde(default)]
    pub encoder_noise: NoiseConfig,
    /// Predictor.
    pub predictor: PredictorConfig,
    /// What the predictor drops in training.
    #[serde(default)]
    pub predictor_noise: NoiseConfig,
    /// Law of the initial weights.
    pub init: InitScheme,
}

/// Point-JEPA with a checked configuration.
#[derive(Debug, Clone)]
pub struct PointJepa {
    config: PointJepaConfig,
    blocks: Blocks,
}

impl Variant for PointJepa {
    const DESCRIPTION: Description = Description {
        id: "point-jepa",
        title: "Point-JEPA",
        summary: "Predicts the features of runs of point groups from the features of another run.",
        paper: "Saito et al. 2025, arXiv 2404.16432",
        modality: "point clouds",
        kind: Kind::Jepa,
        context: "a run of point groups",
        target: "runs of groups of the EMA transformer's last block",
        condition: "centres of the groups",
        distance: "smooth L1, β = 2",
        against_collapse: "EMA (transformer only), stopped gradient",
    };
    const FORMATS: &'static [&'static str] = data::FORMATS;

    type Config = PointJepaConfig;
    type Sample = Cloud;
    type Model = PointNetworks;

    fn presets() -> Vec<Preset<PointJepaConfig>> {
        presets::all()
    }

    fn new(config: &PointJepaConfig) -> Result<Self> {
        config.augment.check("model.augment")?;
        config.groups.check("model.groups", config.augment.points)?;
        config.tokenizer.check("model.tokenizer")?;
        config.encoder.check("model.encoder")?;
        config.encoder_noise.check("model.encoder_noise")?;
        config.predictor_noise.check("model.predictor_noise")?;
        let PredictorConfig { width, depth, heads } = config.predictor;
        EncoderConfig { width, depth, heads, ..config.encoder }.check("model.predictor")?;
        let blocks = Blocks::new(&config.blocks, "model.blocks", config.groups.groups)?;
        Ok(Self { config: config.clone(), blocks })
    }

    fn model(&self, seed: u64, device: &Device) -> PointNetworks {
        let mut init = Init::new(seed, self.config.init, device);
        PointNetworks {
            encoder_noise: self.config.encoder_noise,
            predictor_noise: self.config.predictor_noise,
            ..PointNetworks::new(&mut init, self.config.tokenizer, &self.config.encoder, &self.config.predictor)
        }
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Cloud>>> {
        data::open(spec, split)
    }

    fn batch(&self, samples: Vec<Cloud>, draws: &Draws) -> Result<GroupBatch> {
        // One pose and one choice of blocks for the whole batch, as in the official code.
        let pose = self.config.augment.pose(&mut draws.masks(1));
        let (_, selection) = self.blocks.draw(&mut draws.masks(0))?;
        let augment = &self.config.augment;
        let masks = selection.masks(samples.len(), self.blocks.tokens())?;
        let clouds = samples.iter().enumerate().map(|(i, cloud)| {
            let mut draw = draws.augment(i);
            let (start, first) = (augment.start(cloud.len(), &mut draw), draw.below(augment.points));
            let mut points = augment.apply(cloud.points(), start, &pose)?;
            if let Some(turn) = augment.tumbled(&mut draw) {
                turn.apply(&mut points);
            }
            Ok((points, first, augment.context_turn(&mut draw)))
        });
        self.collate(clouds, Some(masks))
    }

    fn clean(&self, samples: &[Cloud], view: u64) -> Result<GroupBatch> {
        let augment = &self.config.augment;
        let clouds = samples.iter().enumerate().map(|(i, cloud)| {
            let [start, first] = self.starts(cloud, view, i);
            Ok((augment.clean(cloud.points(), start)?, first, None))
        });
        self.collate(clouds, None)
    }

    fn raw(&self, sample: &Cloud) -> Result<Vec<f32>> {
        // A cloud has no order: its points are sorted along the axes they spread on, and thinned out.
        let points = self.config.augment.clean(sample.points(), 0)?;
        Ok(sorted_coordinates(&points))
    }

    fn elements(&self, sample: &Cloud) -> Result<Option<Elements>> {
        let Some(parts) = sample.parts() else { return Ok(None) };
        let [start, first] = self.starts(sample, 0, 0);
        let kept = self.config.augment.kept(sample.points(), start)?;
        let points = self.config.augment.clean(sample.points(), start)?;
        let centres = self.config.groups.cut(&points, first)?.centres;
        Ok(Some(Elements {
            labels: kept.into_iter().map(|index| parts[index]).collect(),
            around: tokens::around(&points, &centres),
            values: points.into_flattened(),
            width: 3,
        }))
    }

    fn preview(&self, sample: &Cloud) -> Preview {
        let clean = self.config.augment.clean(sample.points(), 0).and_then(Cloud::new);
        preview::preview(clean.as_ref().unwrap_or(sample), self.config.groups.groups)
    }

    fn shown(&self, sample: &Cloud, preview: &Preview) -> Vec<Option<u32>> {
        let cut = |points: Vec<[f32; 3]>| Ok((self.config.groups.cut(&points, 0)?.centres, points));
        match self.config.augment.clean(sample.points(), 0).and_then(cut) {
            Ok((centres, points)) => preview::shown(&points, &centres),
            // A cloud that cannot be cut is shown without tokens.
            Err(_) => vec![None; preview.width * preview.height],
        }
    }

    fn scene(&self, sample: &Cloud) -> Result<Scene> {
        let points = self.config.augment.clean(sample.points(), 0)?;
        Ok(preview::scene(&points, &self.config.groups.cut(&points, 0)?.centres))
    }

    fn import(foreign: &Foreign) -> Result<Imported<PointJepaConfig>> {
        weights::import(foreign)
    }

    fn export(&self, target: &Named, _student: Option<&Named>, format: Format) -> Result<Vec<Exported>> {
        weights::export(target, format)
    }

    fn flops(&self, _batch: usize) -> f64 {
        let PointJepaConfig { encoder, predictor, groups, .. } = &self.config;
        let lengths: Vec<[f64; 2]> = (0..16)
            .filter_map(|i| self.blocks.draw(&mut Stream::new(0, Purpose::Probe, i, 1)).ok())
            .map(|(_, s)| [s.context.len() as f64, s.targets.first().map_or(0, Vec::len) as f64])
            .collect();
        let mean = |i: usize| lengths.iter().map(|l| l[i]).sum::<f64>() / lengths.len().max(1) as f64;
        let (context, block, tokens) = (mean(0), mean(1), groups.groups as f64);
        let width = encoder.width as f64;
        let TokenizerConfig { first, local, second } = self.config.tokenizer;
        let [first, local, second] = [first, local, second].map(|width| width as f64);
        let maps = 3.0 * first + first * local + local * second + second * width;
        let tokenise = 2.0 * tokens * (groups.size as f64 * maps + local * second);
        let encode = |tokens| transformer_flops(tokens, encoder.width, encoder.depth, encoder.mlp_ratio);
        let predict = self.config.blocks.targets as f64
            * transformer_flops(context + block, predictor.width, predictor.depth, 4.0);
        encode(tokens) + 3.0 * (tokenise + encode(context) + predict)
    }
}

/// The coordinates of a cloud in an order that does not depend on that of its points: each axis sorted by itself.
fn sorted_coordinates(points: &[[f32; 3]]) -> Vec<f32> {
    const KEPT: usize = 64;
    let mut values = Vec::with_capacity(3 * KEPT);
    for axis in 0..3 {
        let mut along: Vec<f32> = points.iter().map(|p| p[axis]).collect();
        along.sort_by(f32::total_cmp);
        values.extend((0..KEPT).map(|i| along[i * (along.len() - 1) / (KEPT - 1)]));
    }
    values
}

impl PointJepa {
    /// Where the two samplings of a clean cloud start. The official evaluation starts them anywhere; view 0 starts at
    /// the first point.
    fn starts(&self, cloud: &Cloud, view: u64, place: usize) -> [usize; 2] {
        let mut draw = Stream::new(view, Purpose::Probe, place as u64, 0);
        [cloud.len(), self.config.augment.points].map(|points| if view == 0 { 0 } else { draw.below(points) })
    }

    /// Clouds cut and put together, each with the point its centres start from and the turn to the pose in which the
    /// context encoder sees it.
    fn collate(
        &self,
        clouds: impl ExactSizeIterator<Item = Result<(Vec<[f32; 3]>, usize, Option<Turn>)>>,
        masks: Option<jepa_core::masks::MaskSet>,
    ) -> Result<GroupBatch> {
        let groups = &self.config.groups;
        let (mut values, mut centres, count) = (Vec::new(), Vec::new(), clouds.len());
        let (mut seen_values, mut seen_centres) = (Vec::new(), Vec::new());
        for cloud in clouds {
            let (points, first, turn) = cloud?;
            let mut cut = groups.cut(&points, first % points.len().max(1))?;
            values.extend_from_slice(&cut.values);
            centres.extend_from_slice(cut.centres.as_flattened());
            // A turned cloud has the same groups, turned.
            if let Some(turn) = turn {
                turn.apply(cut.values.as_chunks_mut().0);
                turn.apply(&mut cut.centres);
                seen_values.append(&mut cut.values);
                seen_centres.extend_from_slice(cut.centres.as_flattened());
            }
        }
        let batch = GroupBatch::new(values, centres, [count, groups.groups, groups.size], masks);
        let batch = match seen_centres.is_empty() {
            true => batch,
            false => batch.and_then(|batch| batch.seen_as(seen_values, seen_centres)),
        };
        batch.map_err(|e| Error::config("model", e.to_string()))
    }
}

/// Configurations.
pub mod presets {
    use super::*;

    /// Steps of an official epoch: 41,952 clouds in batches of 512, the last one dropped.
    const EPOCH: u64 = 81;

    /// The released pre-training on ShapeNet55.
    pub(crate) fn official() -> RunConfig<PointJepaConfig> {
        RunConfig {
            data: DataConfig { source: "shapenet55".into(), threads: 8 },
            run: RunSection { seed: 1, ..RunSection::new(500 * EPOCH, 512, 5 * EPOCH) },
            schedule: ScheduleConfig {
                lr_start: 1e-5,
                lr: 1e-3,
                lr_final: 1e-6,
                warmup: 30.0 / 500.0,
                decay: 0.05,
                decay_final: 0.05,
                momentum: 0.9995,
                momentum_final: 0.99999,
                stretch: 1.0,
                lr_law: RateLaw::Epoch { steps: EPOCH },
                momentum_law: MomentumLaw::LinearAfterTwoCopies,
            },
            optimizer: AdamWConfig { decays: DecayRule::All, ..Default::default() },
            target: TargetSource::Ema,
            objective: ObjectiveConfig {
                distance: DistanceConfig::SmoothL1 { beta: 2.0 },
                normalise_targets: Some(1e-5),
                regularisers: Vec::new(),
            },
            guard: Default::default(),
            probe: ProbeConfig {
                pool: Pool::MaxMean,
                network: Network::Student,
                svm: SvmConfig { c: 0.012, standardise: false, loss: SvmLoss::Hinge, ..Default::default() },
                ..Default::default()
            },
            model: PointJepaConfig {
                augment: AugmentConfig::default(),
                groups: GroupConfig::default(),
                blocks: BlockConfig::default(),
                tokenizer: TokenizerConfig::default(),
                encoder: EncoderConfig { width: 384, depth: 12, heads: 6, mlp_ratio: 4.0, eps: 1e-5 },
                encoder_noise: NoiseConfig { dropout: 0.1, attention: 0.05, path: 0.25, path_grows: true },
                predictor: PredictorConfig { width: 192, depth: 6, heads: 6 },
                predictor_noise: NoiseConfig { dropout: 0.1, attention: 0.05, path: 0.25, path_grows: false },
                init: InitScheme::PyTorch,
            },
        }
    }

    /// The recipe on a scale of two cores.
    fn scaled(
        steps: u64,
        batch: usize,
        encoder: EncoderConfig,
        predictor: PredictorConfig,
        points: usize,
        groups: usize,
    ) -> RunConfig<PointJepaConfig> {
        let mut config = official();
        config.data = DataConfig { source: "builtin".into(), threads: 2 };
        config.run = RunSection { diagnose_every: 250, ..RunSection::new(steps, batch, 500) };
        config.schedule = ScheduleConfig {
            warmup: 0.1,
            momentum: 0.99,
            momentum_final: 0.9999,
            lr_law: RateLaw::Step,
            ..config.schedule
        };
        config.model.augment.points = points;
        config.model.groups.groups = groups;
        config.model.groups.size = 16;
        config.model.encoder = encoder;
        config.model.predictor = predictor;
        config.model.encoder_noise = NoiseConfig::default();
        config.model.predictor_noise = NoiseConfig::default();
        config
    }

    pub(super) fn all() -> Vec<Preset<PointJepaConfig>> {
        let preset = |name, about, config| Preset { name, about, config };
        let encoder = |width, depth, heads| EncoderConfig { width, depth, heads, mlp_ratio: 4.0, eps: 1e-5 };
        let predictor = |width, depth, heads| PredictorConfig { width, depth, heads };
        let mut tiny = scaled(40, 6, encoder(48, 2, 2), predictor(48, 1, 2), 128, 16);
        tiny.run.checkpoint_every = 20;
        tiny.run.diagnose_every = 20;
        tiny.model.groups.size = 8;
        let mut small = scaled(3000, 64, encoder(96, 4, 4), predictor(48, 2, 2), 512, 32);
        small.schedule.lr = 3e-3;
        // Point-BERT's tokeniser takes most of a step at this width.
        small.model.tokenizer = TokenizerConfig { first: 32, local: 64, second: 128 };
        // The shapes come in any pose, each in one: here in another one every time.
        small.model.augment.tumble = true;
        // The pooled context is to say what the pooled whole says: it needs most of what is left.
        small.model.blocks.context_ratio = [0.75, 1.0];
        // The EMA alone keeps features of a few steps from one point, not from one direction: benches/learning.md.
        small.objective.regularisers = vec![WeightedRegulariser::twins(1.0)];
        vec![
            preset(
                "small",
                "minutes on two cores: built-in synthetic CAD shapes, 0.6 M parameters, with Barlow Twins' term",
                small,
            ),
            preset("tiny", "seconds: for tests", tiny),
            preset(
                "official",
                "ShapeNet55, 500 epochs (configs/Point-JEPA/pretraining/shapenet.yaml); give --data shapenet55:PATH",
                official(),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_encoder_sees_the_groups_of_every_cloud_in_a_pose_of_its_own() {
        let tiny = presets::all().into_iter().find(|preset| preset.name == "tiny");
        let mut config = tiny.unwrap().config.model;
        let batch = |config: &PointJepaConfig| {
            let source = data::Builtin::open(Split::Train);
            let clouds = (0..2).map(|index| source.read(index).unwrap()).collect();
            PointJepa::new(config).unwrap().batch(clouds, &Draws::new(1, 1, vec![0, 1])).unwrap()
        };
        config.augment.turn_context = false;
        let plain = batch(&config);
        assert!(plain.upload_seen(&Device::flex()).is_none());
        config.augment.turn_context = true;
        let turned = batch(&config);
        let lengths = |(values, centres): (Tensor<4>, Tensor<3>)| -> [Vec<f32>; 2] {
            [values.powi_scalar(2).sum_dim(3).into_data(), centres.powi_scalar(2).sum_dim(2).into_data()]
                .map(|data| data.try_into_vec().unwrap())
        };
        let (target, seen) = (turned.upload(&Device::flex()), turned.upload_seen(&Device::flex()).unwrap());
        assert_eq!(target.1.to_data(), plain.upload(&Device::flex()).1.to_data(), "the target's pose is as it was");
        // The turn of each cloud by its first centre: no two are the same, and none is no turn.
        let first =
            |centres: &Tensor<3>| centres.clone().slice(s![.., 0..1, ..]).into_data().try_into_vec::<f32>().unwrap();
        let moved: Vec<f32> = first(&target.1).iter().zip(first(&seen.1)).map(|(a, b)| (a - b).abs()).collect();
        assert!(moved.chunks(3).all(|cloud| cloud.iter().sum::<f32>() > 0.05), "{moved:?}");
        for (before, after) in lengths(target).into_iter().zip(lengths(seen)) {
            assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4), "a turn keeps lengths");
        }
    }
}
