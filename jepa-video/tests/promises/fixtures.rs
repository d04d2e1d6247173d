//! Numbers printed by the official code of V-JEPA, V-JEPA 2 and 2.1 for tiny models whose weights follow a formula: the
//! first channels of the first tokens, and means over everything. Each has its negative control.

use crate::formula::{
    PAIRED, TABLE, TILED, clips, encoder_parts, filled, networks, predictor_parts, tensor, tubelets, values,
};
use burn::prelude::*;
use jepa_core::host;
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig, RotaryConfig, RotaryForm, normalise};
use jepa_video::network::{
    ContextConfig, ContextPath, EncoderParts, Layout, PlaceConfig, PredictorParts, Predicts, VideoBatch, VideoEncoder,
    VideoJepa, VideoPredictor,
};

/// Printed values have six decimals.
const TOLERANCE: f64 = 1e-4;
const GRID: [usize; 3] = [2, 4, 4];
const NONE: PlaceConfig = PlaceConfig::Rotary(RotaryConfig { form: RotaryForm::Tiled, stretch_to: Some(1) });

fn masks() -> MaskSet {
    let mask = |row: &[u32]| vec![Mask::new(&[row.to_vec()], 32).unwrap()];
    MaskSet { context: mask(&[0, 1, 4, 5, 10, 11, 20, 21, 26, 27]), target: mask(&[2, 3, 6, 7, 22, 23, 30]) }
}

fn video() -> Tensor<3> {
    tensor(clips("video", 1, [4, 64, 64]), 1, 32)
}

fn model(places: PlaceConfig) -> VideoJepa {
    networks(2, &encoder_parts(places, GRID), &predictor_parts(places, GRID, 2))
}

/// The largest difference to printed rows, and to a printed mean and mean of absolute values.
fn difference(found: Tensor<3>, [mean, absolute]: [f64; 2], rows: &[[f64; 4]]) -> f64 {
    let width = found.dims()[2];
    let found = host::read(found).unwrap();
    let count = found.len() as f64;
    let off = |sum: f64, expected: f64| (sum / count - expected).abs();
    let mut worst = off(found.iter().map(|v| f64::from(*v)).sum(), mean);
    worst = worst.max(off(found.iter().map(|v| f64::from(v.abs())).sum(), absolute));
    for (row, expected) in found.chunks_exact(width).zip(rows) {
        worst = row.iter().zip(expected).fold(worst, |worst, (a, b)| worst.max((f64::from(*a) - b).abs()));
    }
    worst
}

fn within(what: &str, difference: f64) {
    println!("{what}: {difference:.1e}");
    assert!(difference < TOLERANCE, "{what} differs by {difference}");
}

fn largest(a: Tensor<3>, b: Tensor<3>) -> f64 {
    host::scalar((a - b).abs().max()).unwrap()
}

/// L1 of a prediction to normalised targets.
fn loss(model: &VideoJepa, predicted: Tensor<3>) -> f64 {
    let whole = normalise(model.encoder.forward(video(), Layout::video(GRID)), 1e-5);
    let target = jepa_core::masks::gather(whole, &masks().target);
    host::scalar((predicted - target).abs().mean()).unwrap()
}

#[test]
fn the_formula_gives_the_printed_input() {
    let video = values("video", 3 * 4 * 64 * 64, 3f64.sqrt());
    for (found, expected) in video.iter().zip([-1.418_415, 0.398_523, -1.393_822, 1.101_309, 0.353_166]) {
        assert!((found - expected).abs() < 1e-6);
    }
    assert!((video.iter().map(|v| f64::from(*v)).sum::<f64>() - 11.392_761).abs() < 1e-3);
}

#[test]
fn v_jepa_has_the_printed_features_predictions_and_loss() {
    let (model, layout) = (model(TABLE), Layout::video(GRID));
    let whole = [
        [-0.656_512, 0.562_103, -1.876_706, -0.164_206],
        [-0.961_887, 0.076_137, 0.561_178, -0.697_927],
        [-0.235_522, -0.462_728, -0.110_185, -0.886_941],
    ];
    within("all", difference(model.encoder.forward(video(), layout), [-0.005_492, 0.789_815], &whole));
    let (s_x, first, _) = model.predict(video(), layout, &masks(), 0, ContextPath::Alone);
    let context = [
        [-0.206_178, 0.457_953, -0.377_157, -0.011_575],
        [-1.324_12, 0.091_681, 0.265_311, -0.049_905],
        [-1.665_423, 0.601_934, -0.483_19, 2.095_794],
    ];
    within("context", difference(s_x, [-0.001_153, 0.794_737], &context));
    let rows = [
        [-1.328_585, 0.726_726, -0.239_955, 0.602_906],
        [-1.171_601, 0.615_595, -0.330_007, 0.488_176],
        [-1.466_728, 0.925_589, -0.302_87, 0.613_228],
    ];
    within("mask token 0", difference(first.clone(), [0.094_771, 1.175_471], &rows));
    let (_, second, _) = model.predict(video(), layout, &masks(), 1, ContextPath::Alone);
    let rows = [
        [-0.737_541, -0.251_164, -0.063_349, 0.322_54],
        [-0.375_325, -0.333_822, -0.243_166, 0.265_382],
        [-0.722_371, -0.020_541, -0.302_998, 0.248_668],
    ];
    within("mask token 1", difference(second.clone(), [0.139_398, 1.184_033], &rows));
    within("loss", (loss(&model, first.clone()) - 1.271_688).abs());
    // The controls: rotary places instead of a table, the other mask token.
    let rotary = self::model(TILED).encoder.forward(video(), layout);
    assert!(difference(rotary, [-0.005_492, 0.789_815], &whole) > 0.1);
    assert!(largest(first, second) > 0.1);
}

#[test]
fn v_jepa_2_has_the_printed_features_predictions_and_loss() {
    let (model, layout) = (model(TILED), Layout::video(GRID));
    let all = model.encoder.forward(video(), layout);
    let rows = [
        [-1.229_453, 0.868_347, -2.546_36, 0.067_217],
        [-1.115_96, 0.300_288, -0.249_609, -0.010_993],
        [0.148_152, -0.238_674, -2.015_099, -0.074_732],
    ];
    within("all", difference(all.clone(), [-0.006_821, 0.790_723], &rows));
    let (s_x, predicted, _) = model.predict(video(), layout, &masks(), 1, ContextPath::Alone);
    let rows = [
        [-0.028_379, 0.641_25, -0.316_089, 0.145_518],
        [-0.934_743, 0.876_261, -0.110_355, 0.416_283],
        [-1.087_818, 0.713_184, 0.146_426, 2.420_722],
    ];
    within("context", difference(s_x.clone(), [-0.003_347, 0.790_971], &rows));
    let rows = [
        [-2.945_414, 0.570_844, 0.022_536, 0.938_265],
        [-2.206_016, 0.565_526, 0.466_347, 0.858_483],
        [-2.454_582, 0.813_926, 0.415_134, 1.229_914],
    ];
    within("predictor", difference(predicted.clone(), [0.058_79, 1.084_761], &rows));
    within("loss", (loss(&model, predicted.clone()) - 1.371_359).abs());
    let rect = model.encoder.forward(tensor(clips("video_rect", 1, [4, 48, 64]), 1, 24), Layout::video([2, 3, 4]));
    let rows = [
        [-0.532_14, -0.752_645, -1.797_311, 1.018_802],
        [0.715_257, -1.117_873, -0.709_597, 0.781_986],
        [1.162_692, 0.111_868, -0.837_378, 1.476_757],
    ];
    within("not square", difference(rect, [-0.012_677, 0.798_225], &rows));
    let (_, gathered, _) = model.predict(video(), layout, &masks(), 1, ContextPath::Gathered);
    let rows = [
        [-1.145_787, 0.751_546, -0.742_924, 0.534_352],
        [-1.109_866, 0.684_474, -0.761_204, 0.498_044],
        [-1.147_115, 0.603_099, -1.452_603, 0.887_032],
    ];
    within("gathered", difference(gathered.clone(), [0.124_984, 1.259_776], &rows));
    assert!((largest(gathered, predicted.clone()) - 4.32).abs() < 0.01);
    // The controls, with their printed sizes: paired angles.
    let paired = self::model(PAIRED);
    let (other_x, other, _) = paired.predict(video(), layout, &masks(), 1, ContextPath::Alone);
    for (found, expected) in [
        (largest(paired.encoder.forward(video(), layout), all.clone()), 1.64),
        (largest(other_x, s_x), 1.31),
        (largest(other.clone(), predicted), 3.27),
    ] {
        assert!((found - expected).abs() < 0.006, "{found}, expected {expected}");
    }
    within("loss with paired angles", (loss(&paired, other) - 1.353_991).abs());
    // All rows and columns in one place is another model.
    assert!(largest(self::model(NONE).encoder.forward(video(), layout), all) > 0.5);
}

/// V-JEPA 2.1: 12 blocks with four levels, a tokeniser for pictures, a context head.
fn dense(stretch: Option<usize>, form: RotaryForm) -> VideoJepa {
    let places = PlaceConfig::Rotary(RotaryConfig { form, stretch_to: stretch });
    let encoder = EncoderParts {
        picture: Some(3 * 16 * 16),
        levels: vec![2, 5, 8, 11],
        outputs: 4,
        ..encoder_parts(places, GRID)
    };
    let predictor = PredictorParts {
        levels: 4,
        out: 4 * 96,
        modes: true,
        context: Some(ContextConfig { weight: 0.5, warmup: [0, 1], by_distance: false }),
        ..predictor_parts(places, GRID, 8)
    };
    let mut init = Init::new(0, InitScheme::Official { depth_rescale: false }, &Device::flex());
    let config = EncoderConfig { width: 96, depth: 12, heads: 2, mlp_ratio: 2.0, eps: 1e-6 };
    let narrow = PredictorConfig { width: 48, depth: 4, heads: 2 };
    VideoJepa {
        encoder: filled(VideoEncoder::new(&mut init, &config, &encoder), ""),
        predictor: filled(VideoPredictor::new(&mut init, &narrow, &predictor), ""),
        classifier: None,
        predicts: Predicts::Features,
    }
}

#[test]
fn v_jepa_2_1_has_the_printed_levels_picture_and_both_heads() {
    let (model, layout) = (dense(Some(16), RotaryForm::Paired), Layout::video(GRID));
    let last = model.encoder.features(video(), layout);
    let rows = [[0.095_611, -0.257_478, -0.582_236, -0.217_985], [-0.002_615, -1.006_515, -0.102_702, 0.439_132]];
    within("last level", difference(last.clone(), [0.007_894, 0.802_934], &rows));
    let levels = model.encoder.forward(video(), layout);
    let rows = [[-0.752_015, -0.293_719, -1.579_832, -0.185_12], [-1.136_673, -0.183_074, 0.094_691, 0.367_415]];
    within("four levels", difference(levels.clone(), [-0.002_127, 0.809_592], &rows));
    let values = host::read(levels).unwrap();
    let second = [0.149_201, 0.278_479, -1.166_311, 0.686_238];
    let end = [0.296_391, 2.287_534, -0.135_062, -1.412_462];
    for (found, expected) in values[96..100].iter().chain(&values[380..384]).zip(second.iter().chain(&end)) {
        assert!((f64::from(*found) - expected).abs() < TOLERANCE, "{found}, expected {expected}");
    }
    let picture = tubelets(&crate::formula::values("image", 3 * 64 * 64, 3f64.sqrt()), [1, 64, 64], 1);
    let layout_of_picture = Layout { grid: [1, 4, 4], picture: true };
    let features = model.encoder.features(tensor(picture, 1, 16), layout_of_picture);
    let rows = [[0.688_58, 0.697_751, -0.971_364, 0.102_27], [-0.260_52, -0.568_795, -0.120_217, -0.118_329]];
    within("picture", difference(features, [-0.002_257, 0.803_947], &rows));
    let (s_x, predicted, seen) = model.predict(video(), layout, &masks(), 1, ContextPath::Alone);
    let rows = [[-0.171_889, -0.452_31, 0.012_609, 0.177_18], [-1.171_722, -1.272_943, 0.452_673, 1.197_109]];
    within("context", difference(s_x, [0.002_151, 0.789_491], &rows));
    let rows = [[0.757_271, 0.087_163, -0.982_896, 1.599_741], [0.830_474, 0.232_819, -0.641_948, 1.926_836]];
    within("prediction", difference(predicted, [-0.026_369, 1.102_171], &rows));
    let rows = [[0.360_524, -0.791_722, -1.073_596, -0.742_444], [-0.316_751, -0.939_587, -1.518_285, -0.742_402]];
    within("context head", difference(seen.unwrap(), [-0.049_94, 1.250_346], &rows));
    // The controls: places that are not stretched, tiled angles.
    for (stretch, form) in [(None, RotaryForm::Paired), (Some(16), RotaryForm::Tiled)] {
        let other = dense(stretch, form).encoder.features(video(), layout);
        assert!(largest(other, last.clone()) > 1e-2, "{stretch:?} {form:?}");
    }
}

#[test]
fn surprise_is_the_distance_at_later_times_and_does_not_see_them_in_the_context() {
    let model = model(TILED);
    let of = |values: Vec<f32>, seen| {
        let batch = VideoBatch::new(values, 2, 1, GRID, 3 * 2 * 256, Vec::new()).unwrap();
        model.surprise(&model.encoder, &batch, seen, 1, &Device::flex()).map(|s| host::read(s).unwrap())
    };
    let twice = [clips("video", 1, [4, 64, 64]), clips("other", 1, [4, 64, 64])].concat();
    let found = of(twice.clone(), 1).unwrap();
    // By hand: the first sixteen tokens are seen.
    let mask = |row: std::ops::Range<u32>| vec![Mask::new(&[row.collect()], 32).unwrap()];
    let set = MaskSet { context: mask(0..16), target: mask(16..32) };
    let (_, predicted, _) = model.predict(video(), Layout::video(GRID), &set, 1, ContextPath::Alone);
    let whole = normalise(model.encoder.forward(video(), Layout::video(GRID)), 1e-5);
    let expected = host::scalar((predicted - jepa_core::masks::gather(whole, &set.target)).abs().mean()).unwrap();
    assert!((f64::from(found[0]) - expected).abs() < 1e-5, "{found:?}, expected {expected}");
    assert!((found[0] - found[1]).abs() > 1e-4);
    assert!(of(twice.clone(), 0).is_err() && of(twice, 2).is_err());
}
