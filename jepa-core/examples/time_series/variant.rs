//! I-JEPA on time series: the visible stretches of a window predict the features of its hidden ones.

use burn::prelude::*;
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::jepa::TargetSource;
use jepa_core::masked::{MaskedJepa, PatchBatch};
use jepa_core::masks::{MaskRule, MaskSet, MultiBlock, MultiBlockConfig};
use jepa_core::nn::{Encoder, EncoderConfig, Init, InitScheme, Predictor, PredictorConfig, positions};
use jepa_core::objective::{DistanceConfig, ObjectiveConfig};
use jepa_core::plugin::{Description, Draws, Kind, Preset, Preview, Variant};
use jepa_core::train::ScheduleConfig;
use jepa_core::train::config::{DataConfig, RunConfig, RunSection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data::{self, Window};

jepa_core::register!(SeriesJepa);

/// The model's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeriesConfig {
    /// Values of a window, a channel.
    length: usize,
    /// Channels.
    channels: usize,
    /// Values of a patch, a channel.
    patch: usize,
    /// Context and target encoder.
    encoder: EncoderConfig,
    /// Predictor.
    predictor: PredictorConfig,
    /// Mask generator, on a grid of one row.
    masks: MultiBlockConfig,
}

/// Series-JEPA with a checked configuration.
#[derive(Debug)]
pub(crate) struct SeriesJepa {
    config: SeriesConfig,
    masks: MultiBlock,
    tokens: usize,
}

impl Variant for SeriesJepa {
    const DESCRIPTION: Description = Description {
        id: "series-jepa",
        title: "Series-JEPA",
        summary: "Predicts the features of hidden stretches of a time series from the features of the rest.",
        paper: "an example; after Assran et al. 2023, arXiv 2301.08243",
        modality: "time series",
        kind: Kind::Jepa,
        context: "visible stretches of a window",
        target: "stretches of the EMA encoder's output",
        condition: "positions of the stretch",
        distance: "smooth L1",
        against_collapse: "EMA, stopped gradient",
    };
    const FORMATS: &'static [&'static str] = data::FORMATS;

    type Config = SeriesConfig;
    type Sample = Window;
    type Model = MaskedJepa;

    fn presets() -> Vec<Preset<SeriesConfig>> {
        vec![
            Preset { name: "small", about: "half a minute on two cores", config: preset(1000, 32, 256, 64) },
            Preset { name: "tiny", about: "seconds: for tests", config: preset(60, 8, 128, 32) },
        ]
    }

    fn new(config: &SeriesConfig) -> Result<Self> {
        let SeriesConfig { length, channels, patch, .. } = *config;
        if channels == 0 || patch == 0 || length % patch != 0 || length.saturating_mul(channels) > 1 << 20 {
            let problem = format!("length {length} is no multiple of patch {patch}, or channels {channels} is 0");
            return Err(Error::config("model", problem));
        }
        config.encoder.check("model.encoder")?;
        let PredictorConfig { width, depth, heads } = config.predictor;
        EncoderConfig { width, depth, heads, ..config.encoder }.check("model.predictor")?;
        let tokens = length / patch;
        Ok(Self { masks: MultiBlock::new(&config.masks, 1, tokens)?, config: config.clone(), tokens })
    }

    fn model(&self, seed: u64, device: &Device) -> MaskedJepa {
        let SeriesConfig { encoder, predictor, channels, patch, .. } = &self.config;
        let mut init = Init::new(seed, InitScheme::FanIn, device);
        let table = |width| positions::sincos_1d(self.tokens, width);
        MaskedJepa::new(
            Encoder::new(&mut init, encoder, channels * patch, table(encoder.width)),
            Predictor::new(&mut init, predictor, encoder.width, encoder.eps, table(predictor.width)),
        )
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Window>>> {
        data::open(spec, split, self.config.channels, self.config.length)
    }

    fn batch(&self, samples: Vec<Window>, draws: &Draws) -> Result<PatchBatch> {
        let masks = self.masks.sample(samples.len(), &mut draws.masks(0), &mut draws.masks(1))?;
        self.collate(&samples, Some(masks))
    }

    fn clean(&self, samples: &[Window], _view: u64) -> Result<PatchBatch> {
        self.collate(samples, None)
    }

    fn raw(&self, sample: &Window) -> Result<Vec<f32>> {
        Ok(sample.standardised().concat())
    }

    fn preview(&self, sample: &Window) -> Preview {
        sample.plot(self.tokens)
    }
}

impl SeriesJepa {
    /// Cuts windows into patches: [samples, tokens, channels * patch].
    fn collate(&self, samples: &[Window], masks: Option<MaskSet>) -> Result<PatchBatch> {
        let SeriesConfig { channels, patch, .. } = self.config;
        let values = samples.iter().flat_map(|window| window.patches(patch)).collect();
        PatchBatch::new(values, [samples.len(), self.tokens, channels * patch], masks)
    }
}

fn preset(steps: u64, batch: usize, length: usize, width: usize) -> RunConfig<SeriesConfig> {
    let [lr_start, lr, warmup, decay_final, momentum, momentum_final] = [1e-4, 4e-3, 0.1, 0.1, 0.95, 0.999];
    let official = ScheduleConfig::default();
    let schedule = ScheduleConfig { lr_start, lr, warmup, decay_final, momentum, momentum_final, ..official };
    let distance = DistanceConfig::SmoothL1 { beta: 1.0 };
    let encoder = EncoderConfig { width, depth: 2, heads: 4, mlp_ratio: 2.0, eps: 1e-6 };
    let predictor = PredictorConfig { width: 32, depth: 2, heads: 4 };
    let official = MultiBlockConfig::official();
    let masks = MultiBlockConfig { targets: 2, min_keep: 2, rule: MaskRule::Corrected, ..official };
    RunConfig {
        data: DataConfig { source: "builtin".into(), threads: 2 },
        run: RunSection { diagnose_every: 100, ..RunSection::new(steps, batch, 200) },
        schedule,
        optimizer: Default::default(),
        target: TargetSource::Ema,
        objective: ObjectiveConfig { distance, normalise_targets: Some(1e-5), regularisers: vec![] },
        guard: Default::default(),
        probe: Default::default(),
        model: SeriesConfig { length, channels: 2, patch: 8, encoder, predictor, masks },
    }
}
