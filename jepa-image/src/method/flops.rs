//! Floating-point operations of a training step a sample.

use jepa_core::masked::transformer_flops;

use super::{Architecture, MethodConfig, TaskConfig};
use crate::network::{HeadConfig, Pairing};

/// Forward once for every view; twice more for the backward pass of what is trained; once more for a target of its own.
pub(super) fn of(config: &MethodConfig, channels: usize) -> f64 {
    let values = (channels * config.patch * config.patch) as f64;
    let head = |head: Option<&HeadConfig>, inputs: usize| head.map_or(0.0, |head| head.flops(inputs));
    let width = config.width();
    let tokens = |side: usize| ((side / config.patch.max(1)) as f64).powi(2);
    // `kept` of the patches go through the blocks.
    let encode = |side: usize, kept: f64| match config.encoder {
        Architecture::ResNet18 => config.resnet.flops(channels, side),
        Architecture::Vit => {
            let vit = &config.vit;
            let kept = (tokens(side) * kept).floor();
            2.0 * kept * values * vit.width as f64 + transformer_flops(kept, vit.width, vit.depth, vit.mlp_ratio)
        }
    };
    let projector = head(config.projector.as_ref(), width);
    let embedding = config.projector.as_ref().map_or(width, HeadConfig::outputs);
    let size = config.size();
    let decode = |inputs: f64, from: f64, queries: f64, width: usize, depth: usize| {
        transformer_flops(from + queries, width, depth, 4.0) + 2.0 * width as f64 * (from * inputs + queries * values)
    };
    match &config.task {
        TaskConfig::Embeddings { pairing, predictor } => {
            let branch = |side: usize| encode(side, 1.0) + projector;
            let predict = head(predictor.as_ref(), embedding);
            let student: f64 = config.views.all().map(|view| branch(view.crop.size) + predict).sum();
            let target =
                if *pairing == Pairing::Others { config.views.global.len() as f64 * branch(size) } else { 0.0 };
            3.0 * student + target
        }
        TaskConfig::HiddenPixels { hidden, decoder, .. } => {
            let seen = (tokens(size) * (1.0 - hidden)).floor();
            let decoded = decode(width as f64, seen, tokens(size) - seen, decoder.width, decoder.depth);
            3.0 * (encode(size, 1.0 - hidden) + decoded)
        }
        TaskConfig::AllPixels { decoder, .. } => {
            let decoded = decode(embedding as f64, 1.0, tokens(size), decoder.width, decoder.depth);
            3.0 * (encode(size, 1.0) + projector + decoded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::ResNetConfig;
    use crate::variants::{mae, vicreg};
    use jepa_core::plugin::Member as _;

    #[test]
    fn the_cost_of_known_networks_is_the_published_one() {
        // ResNet-18 with CIFAR's stem on 32 x 32: 0.556 GMAC, as torchvision's definition has it (without its last layer).
        let resnet = ResNetConfig::default().flops(3, 32) / 2e9;
        assert!((resnet - 0.555).abs() < 0.005, "{resnet}");
        // ViT-B/16 at 224 with MAE's decoder of 512 x 8: 59 GFLOP an image and step.
        let presets = mae::Mae::presets();
        let base = presets.iter().find(|preset| preset.name == "vit-b16").unwrap();
        let found = of(&base.config.model, 3) / 1e9;
        assert!((found - 59.0).abs() < 3.0, "{found}");
    }

    #[test]
    fn two_views_cost_twice_one_and_a_target_adds_a_third() {
        let tiny = vicreg::VicReg::presets().remove(0).config.model;
        let TaskConfig::Embeddings { predictor, .. } = tiny.task.clone() else { unreachable!() };
        let task = TaskConfig::Embeddings { pairing: Pairing::Others, predictor };
        let ratio = of(&MethodConfig { task, ..tiny.clone() }, 1) / of(&tiny, 1);
        assert!((ratio - 4.0 / 3.0).abs() < 1e-9, "{ratio}");
    }
}
