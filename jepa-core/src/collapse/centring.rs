//! Centring and sharpening (DINO, Caron et al. 2021, arXiv 2104.14294; S-JEPA): a cross-entropy of two softmaxes whose
//! target is moved to the middle and made steeper.
//!
//! −Σ q log p with p = softmax(predicted / τ_p), q = softmax((target − c) / τ_t), c following the mean of the targets.
//! DINO: τ_p = 0.1, τ_t = 0.04 to 0.07, c ← 0.9 c + 0.1 mean; S-JEPA: τ_t = 0.06.
//!
//! Centring keeps one dimension from winning for every sample: without it (a centre momentum of 1) all targets become the
//! same one-hot vector. Sharpening (τ_t < τ_p) keeps the targets from spreading evenly: without it they become uniform,
//! which centring alone invites. Each prevents what the other one causes.

use burn::prelude::*;
use burn::tensor::activation;

/// The cross-entropy, summed over the width and averaged over tokens; both [rows, tokens, width], the centre `[width]`.
pub fn cross_entropy(
    predicted: Tensor<3>,
    target: Tensor<3>,
    centre: Option<&[f32]>,
    temperatures: [f64; 2],
) -> Tensor<1> {
    let width = predicted.dims()[2];
    products(predicted, target, centre, temperatures).mean() * -(width as f64)
}

/// The same for every token by itself: [rows, tokens, 1].
pub fn cross_entropies(
    predicted: Tensor<3>,
    target: Tensor<3>,
    centre: Option<&[f32]>,
    temperatures: [f64; 2],
) -> Tensor<3> {
    -products(predicted, target, centre, temperatures).sum_dim(2)
}

/// q log p, [rows, tokens, width].
fn products(
    predicted: Tensor<3>,
    target: Tensor<3>,
    centre: Option<&[f32]>,
    [predicted_temperature, target_temperature]: [f64; 2],
) -> Tensor<3> {
    let width = predicted.dims()[2];
    let target = match centre {
        Some(centre) => {
            let centre = Tensor::<3>::from_data(TensorData::new(centre.to_vec(), [1, 1, width]), &target.device());
            target.clone() - centre.cast(target.dtype())
        }
        None => target,
    };
    let q = activation::softmax(target / target_temperature, 2);
    let log_p = activation::log_softmax(predicted / predicted_temperature, 2);
    q * log_p
}

/// c ← m c + (1 − m) mean, from zero.
pub fn follow(centre: &mut Option<Vec<f32>>, mean: &[f64], momentum: f64) {
    let centre = centre.get_or_insert_with(|| vec![0.0; mean.len()]);
    for (c, mean) in centre.iter_mut().zip(mean) {
        *c = (momentum * f64::from(*c) + (1.0 - momentum) * mean) as f32;
    }
}
