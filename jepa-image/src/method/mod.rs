//! The methods that learn from views of a picture, or from its pixels: one family whose members differ in their
//! configuration alone. A member is a file of [`variants`](crate::variants) with words and presets; networks, data and
//! training are compiled once for all of them.
//!
//! Two views (or more) of a picture go through an encoder and a projector; D and the terms against collapse compare what
//! comes out. Or a part of a picture, or all of it squeezed into one vector, goes through an encoder and a decoder, and D
//! compares pixels.

mod config;
mod flops;
pub mod recipe;

pub use config::{Architecture, MethodConfig, TaskConfig, ViewsConfig};

use burn::prelude::*;
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::Result;
use jepa_core::masks::{Mask, MaskSet, RandomMask};
use jepa_core::nn::{Encoder, Init, positions};
use jepa_core::plugin::{Description, Draws, Kind, Preset, Preview, Variant};

use crate::augment::ViewConfig;
use crate::data::{self, Picture};
use crate::network::{Backbone, Branch, Head, Planes, ResNet, Task, ViewBatch, ViewNetworks, pixel_decoder};
use crate::preview;
use crate::tokens::Patches;

/// Ids of the members.
pub const MEMBERS: [&str; 9] =
    ["autoencoder", "barlow-twins", "byol", "dino", "lejepa", "mae", "moco", "simclr", "vicreg"];

/// Pixels along a side of what a probe on raw pictures sees, when the networks see more than 64.
const THUMBNAIL: usize = 32;

/// A method with a checked configuration.
#[derive(Debug, Clone)]
pub struct Method {
    config: MethodConfig,
    patches: Patches,
}

impl Variant for Method {
    const DESCRIPTION: Description = Description {
        id: "image-method",
        title: "Methods on views and pixels",
        summary: "The family behind the two-view variants and the comparisons on images.",
        paper: "see its members",
        modality: "images",
        kind: Kind::Comparison,
        context: "a view",
        target: "another view, or pixels",
        condition: "none, or places",
        distance: "of the member",
        against_collapse: "of the member",
    };
    const FORMATS: &'static [&'static str] = data::FORMATS;

    type Config = MethodConfig;
    type Sample = Picture;
    type Model = ViewNetworks;

    fn presets() -> Vec<Preset<MethodConfig>> {
        Vec::new()
    }

    fn reads(id: &str) -> bool {
        MEMBERS.contains(&id)
    }

    fn new(config: &MethodConfig) -> Result<Self> {
        config.check()?;
        let size = config.size();
        Ok(Self { config: config.clone(), patches: Patches::new(size, size, config.patch, &config.normalise)? })
    }

    fn model(&self, seed: u64, device: &Device) -> ViewNetworks {
        let config = &self.config;
        let mut init = Init::new(seed, config.init, device);
        let table = |width| positions::sincos_2d(self.patches.rows, self.patches.columns, width);
        let encoder = match config.encoder {
            Architecture::Vit => {
                Backbone::Vit(Encoder::new(&mut init, &config.vit, self.patches.values(), table(config.vit.width)))
            }
            Architecture::ResNet18 => Backbone::ResNet(ResNet::new(&mut init, &config.resnet, self.patches.channels())),
        };
        let width = config.width();
        let projector = config.projector.as_ref().map(|head| Head::new(&mut init, head, width));
        let embedding = config.projector.as_ref().map_or(width, |head| head.outputs());
        let (mut predictor, mut decoder) = (None, None);
        let task = match &config.task {
            TaskConfig::Embeddings { pairing, predictor: head } => {
                predictor = head.as_ref().map(|head| Head::new(&mut init, head, embedding));
                Task::Embeddings(*pairing)
            }
            TaskConfig::HiddenPixels { decoder: size, normalise_patches, .. }
            | TaskConfig::AllPixels { decoder: size, normalise_patches } => {
                let shape = [embedding, self.patches.values()];
                decoder = Some(pixel_decoder(&mut init, size, shape, config.vit.eps, table(size.width)));
                Task::Pixels { normalised: *normalise_patches }
            }
        };
        ViewNetworks { branch: Branch { encoder, projector }, predictor, decoder, task }
    }

    fn open(&self, spec: &DataSpec, split: Split) -> Result<Box<dyn Source<Sample = Picture>>> {
        data::open_for(spec, split, self.patches.channels(), self.config.size())
    }

    fn batch(&self, samples: Vec<Picture>, draws: &Draws) -> Result<ViewBatch> {
        let views: Vec<&ViewConfig> = self.config.views.all().collect();
        let mut planes: Vec<Planes> =
            views.iter().map(|view| Planes { values: Vec::new(), side: view.crop.size }).collect();
        for (i, picture) in samples.iter().enumerate() {
            let mut draw = draws.augment(i);
            for (view, planes) in views.iter().zip(&mut planes) {
                planes.values.extend(self.patches.planes(&view.apply(picture, &mut draw)?)?);
            }
        }
        let masks = self.masks(samples.len(), draws)?.map(|masks| (self.config.patch, masks));
        ViewBatch::new(planes, [samples.len(), self.patches.channels()], self.config.views.global.len(), masks)
    }

    fn clean(&self, samples: &[Picture], _view: u64) -> Result<ViewBatch> {
        let side = self.config.size();
        let mut values = Vec::new();
        for picture in samples {
            values.extend(self.patches.planes(&data::centre(picture, side)?)?);
        }
        ViewBatch::new(vec![Planes { values, side }], [samples.len(), self.patches.channels()], 1, None)
    }

    fn raw(&self, sample: &Picture) -> Result<Vec<f32>> {
        let size = if self.config.size() > 64 { THUMBNAIL } else { self.config.size() };
        self.patches.planes(&data::centre(sample, size)?)
    }

    fn preview(&self, sample: &Picture) -> Preview {
        let [rows, columns] = self.grid();
        let picture = data::centre(sample, self.config.size());
        preview::preview(picture.as_ref().unwrap_or(sample), rows, columns)
    }

    fn picture(&self, batch: &ViewBatch) -> Option<(Preview, Vec<Option<u32>>)> {
        let [rows, columns] = self.grid();
        let mut values = Vec::new();
        self.patches.cut_planes(batch.first(0), &mut values);
        let picture = preview::preview(&self.patches.joined(&values), rows, columns);
        let tokens = picture.evenly();
        Some((picture, tokens))
    }

    fn flops(&self, _batch: usize) -> f64 {
        flops::of(&self.config, self.patches.channels())
    }
}

impl Method {
    /// Tokens down and across: places of the last map of a ResNet, patches otherwise.
    fn grid(&self) -> [usize; 2] {
        match (self.config.encoder, &self.config.task) {
            (Architecture::ResNet18, TaskConfig::Embeddings { .. }) => [self.config.size().div_ceil(8); 2],
            _ => [self.patches.rows, self.patches.columns],
        }
    }

    /// Which patches are hidden, where pixels are predicted.
    fn masks(&self, samples: usize, draws: &Draws) -> Result<Option<MaskSet>> {
        let tokens = self.patches.tokens();
        match self.config.task {
            TaskConfig::Embeddings { .. } => Ok(None),
            TaskConfig::HiddenPixels { hidden, .. } => {
                let random = RandomMask { ratio: [hidden; 2] };
                random.sample(samples, tokens, &mut draws.masks(0), &mut draws.masks(1)).map(Some)
            }
            TaskConfig::AllPixels { .. } => {
                let all = Mask::new(&vec![(0..tokens as u32).collect::<Vec<u32>>(); samples], tokens)?;
                Ok(Some(MaskSet { context: vec![all.clone()], target: vec![all] }))
            }
        }
    }
}
