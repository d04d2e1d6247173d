//! What the presets of several members have in common: data, views, schedules, sizes.

use jepa_core::collapse::RegulariserConfig;
use jepa_core::jepa::{Role, TargetSource};
use jepa_core::nn::{EncoderConfig, InitScheme};
use jepa_core::objective::{DistanceConfig, ObjectiveConfig, WeightedRegulariser};
use jepa_core::plugin::Preset;
use jepa_core::train::config::{DataConfig, RunConfig, RunSection};
use jepa_core::train::{AdamWConfig, LarsForm, MomentumLaw, ScheduleConfig, UpdateRule};

use super::{Architecture, MethodConfig, TaskConfig, ViewsConfig};
use crate::augment::{BlurConfig, JitterConfig, SolariseConfig, ViewConfig};
use crate::data::{CropConfig, Normalise};
use crate::network::{HeadConfig, Pairing, ResNetConfig};
use crate::variants::i_jepa::presets::SIZES;

/// A member's preset.
pub type MethodPreset = Preset<MethodConfig>;

/// Training images of ImageNet-1k.
const IMAGENET: u64 = 1_281_167;
/// Training images of CIFAR-10.
const CIFAR: u64 = 50_000;

/// What a method is, apart from sizes and data.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Where targets come from.
    pub target: TargetSource,
    /// D and the terms against collapse.
    pub objective: ObjectiveConfig,
    /// What is predicted.
    pub task: TaskConfig,
    /// From the mean token to what is compared.
    pub projector: Option<HeadConfig>,
}

impl Recipe {
    /// Every two views compared by the terms of the objective, both from the network that is trained.
    pub fn twins(objective: ObjectiveConfig, projector: HeadConfig) -> Self {
        let task = TaskConfig::Embeddings { pairing: Pairing::Twins, predictor: None };
        Self { target: TargetSource::Shared, objective, task, projector: Some(projector) }
    }

    /// Every view compared with the slow copy's embedding of the others.
    pub fn teacher(objective: ObjectiveConfig, projector: HeadConfig, predictor: Option<HeadConfig>) -> Self {
        let task = TaskConfig::Embeddings { pairing: Pairing::Others, predictor };
        Self { target: TargetSource::Ema, objective, task, projector: Some(projector) }
    }

    /// Pixels. They have no network of their own, whatever the target is said to be.
    pub fn pixels(task: TaskConfig, projector: Option<HeadConfig>) -> Self {
        Self { target: TargetSource::Shared, objective: distance(DistanceConfig::L2), task, projector }
    }

    /// Seconds: for tests. 28 x 28 grey pictures in 16 patches.
    pub fn tiny(self, views: ViewsConfig) -> MethodPreset {
        let vit = EncoderConfig { width: 32, depth: 2, heads: 2, mlp_ratio: 2.0, eps: 1e-6 };
        let mut config = self.fashion(views, 7, vit);
        config.run = RunSection { steps: 60, batch: 16, checkpoint_every: 20, diagnose_every: 30, ..config.run };
        Preset { name: "tiny", about: "seconds: for tests", config }
    }

    /// Minutes on two cores: the encoder of I-JEPA's `small`, 28 x 28 grey pictures in 49 patches.
    pub fn small(self, views: ViewsConfig) -> MethodPreset {
        let vit = EncoderConfig { width: 96, depth: 4, heads: 4, mlp_ratio: 4.0, eps: 1e-6 };
        let config = self.fashion(views, 4, vit);
        Preset { name: "small", about: "minutes on two cores: the built-in Fashion-MNIST images", config }
    }

    fn fashion(self, views: ViewsConfig, patch: usize, vit: EncoderConfig) -> RunConfig<MethodConfig> {
        let model = self.model(Normalise::fashion_mnist(), views, patch, vit, InitScheme::FanIn);
        let schedule = ScheduleConfig { lr_start: 1e-4, ..schedule(1e-3, 1e-6, 0.1, 0.04) };
        let data = DataConfig { source: "builtin".into(), threads: 2 };
        let run = RunSection::new(1000, 128, 250);
        self.run(data, run, schedule, AdamWConfig::default(), model)
    }

    /// A ViT on ImageNet-1k at 224.
    pub fn imagenet(
        self,
        size: &str,
        patch: usize,
        views: ViewsConfig,
        [epochs, batch]: [u64; 2],
        schedule: ScheduleConfig,
        optimizer: AdamWConfig,
    ) -> RunConfig<MethodConfig> {
        let init = InitScheme::Xavier;
        let model = self.model(Normalise::imagenet(), views, patch, vit(size), init);
        let data = DataConfig { source: "imagenet".into(), threads: 8 };
        self.run(data, length(IMAGENET, epochs, batch), schedule, optimizer, model)
    }

    /// ResNet-18 on CIFAR-10.
    pub fn cifar(
        self,
        views: ViewsConfig,
        [epochs, batch]: [u64; 2],
        schedule: ScheduleConfig,
        optimizer: AdamWConfig,
    ) -> RunConfig<MethodConfig> {
        let normalise = Normalise { mean: vec![0.4914, 0.4822, 0.4465], std: vec![0.2023, 0.1994, 0.2010] };
        let mut model = self.model(normalise, views, 4, vit("vit-t"), InitScheme::PyTorch);
        model.encoder = Architecture::ResNet18;
        let data = DataConfig { source: "cifar10:cifar-10-batches-bin".into(), threads: 8 };
        self.run(data, length(CIFAR, epochs, batch), schedule, optimizer, model)
    }

    fn model(
        &self,
        normalise: Normalise,
        views: ViewsConfig,
        patch: usize,
        vit: EncoderConfig,
        init: InitScheme,
    ) -> MethodConfig {
        MethodConfig {
            encoder: Architecture::Vit,
            patch,
            normalise,
            vit,
            resnet: ResNetConfig::default(),
            views,
            projector: self.projector.clone(),
            task: self.task.clone(),
            init,
        }
    }

    fn run(
        self,
        data: DataConfig,
        run: RunSection,
        schedule: ScheduleConfig,
        optimizer: AdamWConfig,
        model: MethodConfig,
    ) -> RunConfig<MethodConfig> {
        RunConfig {
            data,
            run,
            schedule,
            optimizer,
            target: self.target,
            objective: self.objective,
            guard: Default::default(),
            probe: Default::default(),
            model,
        }
    }
}

/// The ViT of a name, as I-JEPA's model file sizes it.
pub fn vit(name: &str) -> EncoderConfig {
    let (_, width, depth, heads, mlp_ratio) = SIZES.into_iter().find(|size| size.0 == name).unwrap_or(SIZES[0]);
    EncoderConfig { width, depth, heads, mlp_ratio, eps: 1e-6 }
}

/// A run over so many images, with a checkpoint an epoch; the rest of an epoch that fills no batch is left out.
pub(crate) fn length(images: u64, epochs: u64, batch: u64) -> RunSection {
    let epoch = images / batch;
    RunSection::new(epochs * epoch, batch as usize, epoch)
}

/// A line to `lr` over the share `warmup`, then a cosine to `lr_final`; constant decay; EMA momentum 0.996 to 1 along a
/// cosine.
pub fn schedule(lr: f64, lr_final: f64, warmup: f64, decay: f64) -> ScheduleConfig {
    ScheduleConfig {
        lr_start: 0.0,
        lr,
        lr_final,
        warmup,
        decay,
        decay_final: decay,
        momentum: 0.996,
        momentum_final: 1.0,
        momentum_law: MomentumLaw::Cosine,
        ..ScheduleConfig::default()
    }
}

/// LARS as the official codes of VICReg and Barlow Twins have it: η 0.001.
pub fn lars() -> AdamWConfig {
    let rule = UpdateRule::Lars { momentum: 0.9, trust: 1e-3, form: LarsForm::Official };
    AdamWConfig { rule, ..AdamWConfig::default() }
}

/// LARS as solo-learn and eb_jepa have it: η 0.02, clipped.
pub fn clipped_lars() -> AdamWConfig {
    let rule = UpdateRule::Lars { momentum: 0.9, trust: 0.02, form: LarsForm::Clipped };
    AdamWConfig { rule, ..AdamWConfig::default() }
}

/// An objective of a distance alone.
pub fn distance(distance: DistanceConfig) -> ObjectiveConfig {
    ObjectiveConfig { distance, normalise_targets: None, regularisers: Vec::new() }
}

/// An objective of terms on the embeddings of all views alone.
pub fn terms(terms: impl IntoIterator<Item = (RegulariserConfig, f64)>) -> ObjectiveConfig {
    let on = Role::Predicted;
    let weighted = |(term, weight)| WeightedRegulariser { term, weight, on, against: None, level: 1 };
    ObjectiveConfig { regularisers: terms.into_iter().map(weighted).collect(), ..distance(DistanceConfig::None) }
}

fn crop(size: usize, scale: [f32; 2]) -> ViewConfig {
    let crop = CropConfig { size, scale, flip: true, ..CropConfig::default() };
    ViewConfig { grey: 0.0, crop, jitter: None, blur: None, solarise: None }
}

/// A crop and a flip (MAE).
pub fn cropped(size: usize, scale: [f32; 2]) -> ViewsConfig {
    ViewsConfig { global: vec![crop(size, scale)], local: Vec::new() }
}

/// Colours disturbed as in BYOL and after it, with the given probabilities of blur and solarising.
fn coloured(size: usize, scale: [f32; 2], blur: f32, solarise: f32) -> ViewConfig {
    ViewConfig {
        grey: 0.2,
        jitter: Some(JitterConfig { probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 }),
        blur: (blur > 0.0).then_some(BlurConfig { probability: blur, deviation: [0.1, 2.0], reach: 0.1 }),
        solarise: (solarise > 0.0).then_some(SolariseConfig { probability: solarise, threshold: 128 }),
        ..crop(size, scale)
    }
}

/// BYOL's two views at 224 (`utils/augmentations.py`), which VICReg, Barlow Twins and MoCo v3 took over: one always
/// blurred, one rarely blurred and at times solarised.
pub fn byol_views(scale: [f32; 2]) -> ViewsConfig {
    ViewsConfig { global: vec![coloured(224, scale, 1.0, 0.0), coloured(224, scale, 0.1, 0.2)], local: Vec::new() }
}

/// SimCLR's two views with colours of strength `s`, blurred half of the time where `blur` is set (`data_util.py`).
pub fn simclr_views(size: usize, s: f32, blur: bool) -> ViewsConfig {
    let strong = 0.8 * s;
    let jitter =
        JitterConfig { probability: 0.8, brightness: strong, contrast: strong, saturation: strong, hue: 0.2 * s };
    let view = ViewConfig { jitter: Some(jitter), ..coloured(size, [0.08, 1.0], if blur { 0.5 } else { 0.0 }, 0.0) };
    ViewsConfig { global: vec![view; 2], local: Vec::new() }
}

/// The four views of LeJEPA's minimal example, at 128.
pub fn minimal_views() -> ViewsConfig {
    let jitter = JitterConfig { probability: 0.8, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 };
    // A kernel of seven pixels.
    let blur = BlurConfig { probability: 0.5, deviation: [0.1, 2.0], reach: 0.055 };
    let view = coloured(128, [0.08, 1.0], 0.5, 0.2);
    ViewsConfig { global: vec![ViewConfig { jitter: Some(jitter), blur: Some(blur), ..view }; 4], local: Vec::new() }
}

/// eb_jepa's two views of CIFAR-10 (`examples/image_jepa`).
pub fn eb_jepa_views() -> ViewsConfig {
    ViewsConfig { global: vec![coloured(32, [0.2, 1.0], 0.0, 0.1); 2], local: Vec::new() }
}

/// Two large and `local` small views, alike but for their crops (LeJEPA's README, DINO).
pub fn multi_crop(sizes: [usize; 2], scales: [[f32; 2]; 2], local: usize) -> ViewsConfig {
    let view = |at: usize| coloured(sizes[at], scales[at], 0.5, 0.2);
    ViewsConfig { global: vec![view(0); 2], local: vec![view(1); local] }
}

/// `global` large and `local` small views of the built-in pictures, which are grey: brightness and contrast disturbed.
/// Local views have `side` pixels.
pub fn fashion_views(global: usize, local: usize, side: usize) -> ViewsConfig {
    let grey = |view: ViewConfig| ViewConfig {
        jitter: Some(JitterConfig { probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.0, hue: 0.0 }),
        ..view
    };
    ViewsConfig { global: vec![grey(crop(28, [0.3, 1.0])); global], local: vec![grey(crop(side, [0.1, 0.4])); local] }
}
