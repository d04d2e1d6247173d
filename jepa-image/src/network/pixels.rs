//! Pixels as targets, and the decoder that predicts them.

use burn::prelude::*;
use jepa_core::nn::{Init, Linear, Predictor, PredictorConfig};

/// A decoder for patches of `values` pixels on a grid whose positions are `table`, from features of `inputs` values.
pub fn pixel_decoder(
    init: &mut Init,
    config: &PredictorConfig,
    [inputs, values]: [usize; 2],
    eps: f64,
    table: Vec<f32>,
) -> Predictor {
    let body = Predictor::new(init, config, inputs, eps, table);
    Predictor { predictor_proj: Linear::new(init, config.width, values), ..body }
}

/// What is to be predicted of patches [pictures, tokens, values]: themselves, or brought to mean 0 and variance 1 by
/// (x − mean) / sqrt(var + 1e-6), the variance unbiased (MAE).
pub fn pixel_targets(patches: Tensor<3>, normalised: bool) -> Tensor<3> {
    if !normalised {
        return patches;
    }
    let values = patches.dims()[2];
    let centred = patches.clone() - patches.mean_dim(2);
    let variance = centred.clone().powi_scalar(2).sum_dim(2) / (values.max(2) - 1) as f64;
    centred / (variance + 1e-6).sqrt()
}

/// All patches from one vector a picture: [pictures, inputs] to [pictures, tokens, values]. The vector is a token beside
/// one query a patch, which knows its place alone.
pub fn all_pixels(decoder: &Predictor, code: Tensor<2>) -> Tensor<3> {
    let pictures = code.dims()[0];
    let queries = decoder.predictor_pos_embed.val() + decoder.mask_token.val();
    let [_, tokens, width] = queries.dims();
    let code = decoder.predictor_embed.forward(code.unsqueeze_dim::<3>(1));
    let x = Tensor::cat(vec![code, queries.expand([pictures, tokens, width])], 1);
    let x = decoder.predictor_blocks.iter().fold(x, |x, block| block.forward(x)).narrow(1, 1, tokens);
    decoder.predictor_proj.forward(decoder.predictor_norm.forward(x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::host;

    #[test]
    fn a_normalised_patch_has_the_recorded_values() {
        // Row n = 0 of sin(0.7 (n + 1) + 1.9 (d + 1) + 0.31 (n + 1)(d + 1)), normalised by the formula of MAE's code.
        let row: Vec<f32> = (1..=8).map(|d| (0.7 + 2.21 * f64::from(d)).sin() as f32).collect();
        let patch = Tensor::<3>::from_data(TensorData::new(row.clone(), [1, 1, 8]), &Device::flex());
        let expected = [
            0.425_980_56,
            -1.192_421_81,
            1.323_331_99,
            -0.059_844_31,
            -0.925_312_43,
            1.490_465_17,
            -0.526_362_48,
            -0.535_836_70,
        ];
        let found = host::read(pixel_targets(patch.clone(), true)).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(host::read(pixel_targets(patch.clone(), false)).unwrap(), row);
        // The biased variance of layer normalisation gives other numbers.
        let biased = host::read(jepa_core::nn::normalise(patch, 1e-6)).unwrap();
        assert!((f64::from(biased[0]) - expected[0]).abs() > 0.01);
    }
}
