//! V-JEPA 2-AC against the official code, whose weights and inputs follow a formula: printed numbers of a predictor, and a
//! whole training step (`reference/v_jepa_2_ac.py`).

use crate::formula::{filled, l2, recorded, tubelets, values};
use burn::module::Module as _;
use burn::prelude::*;
use jepa_core::checkpoint::{Foreign, Named, named};
use jepa_core::host;
use jepa_core::nn::{EncoderConfig, Init, InitScheme, PredictorConfig, RotaryForm, normalise, params};
use jepa_core::planning::WorldModel as _;
use jepa_core::plugin::Variant as _;
use jepa_video::action::{Foresight, Kinematics, Seen};
use jepa_video::network::{ActionBatch, ActionJepa, ActionParts, ActionPredictor, VideoBatch, VideoEncoder};
use jepa_video::variants::v_jepa_2_ac::VJepa2Ac;

const WIDTH: usize = 96;
const FRAME: usize = 16;
const TOLERANCE: f64 = 1e-5;

fn init() -> Init {
    Init::new(0, InitScheme::Official { depth_rescale: false }, &Device::flex())
}

/// 4 x 4 tokens a frame, features and predictor 96 wide, 2 deep with 2 heads.
fn predictor(form: RotaryForm) -> ActionPredictor {
    let parts = ActionParts { side: 4, encoder_width: WIDTH, action: 7, eps: 1e-6, form };
    let config = PredictorConfig { width: WIDTH, depth: 2, heads: 2 };
    filled(ActionPredictor::new(&mut init(), &config, &parts), "")
}

fn tensor(name: &str, shape: [usize; 3], amplitude: f64) -> Tensor<3> {
    let data = TensorData::new(values(name, shape.iter().product(), amplitude), shape);
    Tensor::from_data(data, &Device::flex())
}

/// Four frames.
fn features() -> Tensor<3> {
    normalise(tensor("ac_h", [1, 4 * FRAME, WIDTH], 3f64.sqrt()), 1e-5)
}

fn actions() -> Tensor<3> {
    tensor("ac_act", [1, 3, 7], 0.1)
}

fn states() -> Tensor<3> {
    tensor("ac_state", [1, 4, 7], 0.5)
}

/// Teacher forcing on three frames: [1, 48, 96].
fn forced(predictor: &ActionPredictor, features: Tensor<3>) -> Tensor<3> {
    predictor.forward(features.narrow(1, 0, 3 * FRAME), actions(), states().narrow(1, 0, 3))
}

/// 96 wide, 2 deep with 4 heads, one frame at a time.
fn encoder() -> VideoEncoder {
    let config = EncoderConfig { width: WIDTH, depth: 2, heads: 4, mlp_ratio: 4.0, eps: 1e-6 };
    let parts = crate::formula::encoder_parts(crate::formula::TILED, [1, 4, 4]);
    filled(VideoEncoder::new(&mut init(), &config, &parts), "target.")
}

fn far(a: Tensor<3>, b: Tensor<3>) -> f64 {
    host::scalar((a - b).abs().max()).unwrap()
}

fn batch() -> ActionBatch {
    let video = VideoBatch::new(vec![0.0; 4 * FRAME], 1, 1, [4, 4, 4], 1, Vec::new()).unwrap();
    ActionBatch::new(video, host::read(actions()).unwrap(), host::read(states()).unwrap(), 7).unwrap()
}

#[test]
fn the_predictor_has_the_printed_outputs_and_no_other_places_have() {
    let difference = |form| {
        let found = forced(&predictor(form), features());
        let mean = |x: Tensor<3>| host::scalar(x.mean()).unwrap();
        let mut worst = (mean(found.clone()) + 0.094_241).abs();
        worst = worst.max((mean(found.clone().abs()) - 1.179_089).abs());
        let found = host::read(found).unwrap();
        for (row, expected) in [
            (0, [-0.419_213, -1.943_947, -1.316_303, 1.396_45]),
            (1, [1.966_672, -1.427_712, 0.546_144, 0.091_402]),
            (32, [-0.903_357, -0.620_745, 0.525_442, 0.127_673]),
        ] {
            for (value, expected) in found[row * WIDTH..].iter().zip(expected) {
                worst = worst.max((f64::from(*value) - expected).abs());
            }
        }
        worst
    };
    assert!(difference(RotaryForm::Tiled) < TOLERANCE, "{}", difference(RotaryForm::Tiled));
    assert!(difference(RotaryForm::Paired) > 1e-2);
}

#[test]
fn both_losses_are_the_printed_ones() {
    let predictor = predictor(RotaryForm::Tiled);
    let jepa = ActionJepa { frozen: encoder(), predictor, rollout: 2 };
    let [forced, rolled] = jepa.predict(&features(), &batch(), &Device::flex());
    assert_eq!((forced.dims()[1], rolled.dims()[1]), (3 * FRAME, 2 * FRAME));
    let loss = |predicted: Tensor<3>| {
        let target = features().narrow(1, FRAME, predicted.dims()[1]);
        host::scalar((predicted - target).abs().mean()).unwrap()
    };
    let (teacher, rollout) = (loss(forced.clone()), loss(rolled.clone()));
    assert!((teacher - 1.139_738).abs() < TOLERANCE, "{teacher}");
    assert!((rollout - 1.157_949).abs() < TOLERANCE, "{rollout}");
    // The first frame of the rollout is that of teacher forcing.
    assert_eq!(far(rolled.narrow(1, 0, FRAME), forced.narrow(1, 0, FRAME)), 0.0);
}

#[test]
fn a_later_frame_action_or_state_changes_nothing_before_it() {
    let predictor = predictor(RotaryForm::Tiled);
    let plain = forced(&predictor, features());
    let bump = |x: Tensor<3>, from: usize, len: usize| {
        let [_, tokens, width] = x.dims();
        let part = x.clone().narrow(1, from, len) + 1.0;
        x.slice_assign([0..1, from..from + len, 0..width], part).narrow(1, 0, tokens)
    };
    let (h, a, s) = (features().narrow(1, 0, 3 * FRAME), actions(), states().narrow(1, 0, 3));
    for changed in [
        predictor.forward(bump(h.clone(), 2 * FRAME, FRAME), a.clone(), s.clone()),
        predictor.forward(h.clone(), bump(a.clone(), 2, 1), s.clone()),
        predictor.forward(h, a, bump(s, 2, 1)),
    ] {
        let before = |x: &Tensor<3>| x.clone().narrow(1, 0, 2 * FRAME);
        assert_eq!(far(before(&changed), before(&plain)), 0.0);
        assert!(far(changed, plain.clone()) > 1e-3);
    }
}

#[test]
fn imagined_frames_are_those_of_a_rollout_with_states_that_follow_the_actions() {
    let (predictor, device) = (predictor(RotaryForm::Tiled), Device::flex());
    let world = Foresight { predictor: &predictor, kinematics: Kinematics::EndEffector, device: &device };
    let start = Seen { features: features().narrow(1, 0, FRAME), actions: None, states: states().narrow(1, 0, 1) };
    let action = |time: usize| -> Tensor<2> { actions().narrow(1, time, 1).reshape([1, 7]) };
    let twice = |x: Tensor<2>| Tensor::cat(vec![x.clone(), x], 0);
    let one = world.step(world.repeat(&start, 2), twice(action(0))).unwrap();
    let two = world.step(one.clone(), twice(action(1))).unwrap();
    assert_eq!(two.features.dims(), [2, 3 * FRAME, WIDTH]);
    let first = predictor.next(start.features.clone(), actions().narrow(1, 0, 1), start.states.clone());
    assert!(far(one.features.clone().narrow(0, 1, 1).narrow(1, FRAME, FRAME), first) < 1e-5);
    let state = host::read(start.states.clone()).unwrap();
    let moved = Kinematics::EndEffector.moved(&state, &host::read(action(0)).unwrap());
    let found = host::read(one.states.clone().narrow(0, 0, 1).narrow(1, 1, 1)).unwrap();
    assert_eq!(found, moved);
    let energy = world.energy(&two, &two.features.clone().narrow(0, 0, 1).narrow(1, 2 * FRAME, FRAME)).unwrap();
    assert!(host::read(energy).unwrap().iter().all(|e| *e < 1e-6));
}

#[test]
fn a_training_step_is_the_recorded_one_from_frames_and_poses_to_every_gradient() {
    let recorded = recorded("v_jepa_2_ac.safetensors");
    let (times, pixels) = (4, 64 * 64);
    // Every frame twice: [2, 3, 4, 64, 64] to [2, 3, 8, 64, 64].
    let planes = values("frames", 2 * 3 * times * pixels, 3f64.sqrt());
    let held: Vec<f32> = planes.chunks(pixels).flat_map(|frame| [frame, frame].concat()).collect();
    let video = tubelets(&held, [8, 64, 64], 2);
    let mut poses = values("poses", 2 * times * 7, 1.0);
    poses.chunks_mut(7).for_each(|pose| pose[6] = pose[6] / 2.0 + 0.5);

    let kinematics = Kinematics::EndEffector;
    let pose = |sample: usize, time: usize| &poses[(sample * times + time) * 7..][..7];
    let actions: Vec<f32> = (0..2)
        .flat_map(|sample| (0..3).map(move |time| (sample, time)))
        .flat_map(|(sample, time)| kinematics.between(pose(sample, time), pose(sample, time + 1)))
        .collect();
    let close = |name: &str, found: &[f32]| {
        let expected = recorded.values(name).unwrap();
        let worst = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(found.len() == expected.len() && worst < 1e-5, "{name}: {worst}");
    };
    close("actions", &actions);
    let moved: Vec<f32> =
        (0..2).flat_map(|sample| kinematics.moved(pose(sample, 0), &actions[sample * 21..sample * 21 + 7])).collect();
    close("moved", &moved);

    let video = VideoBatch::new(video, 2, 1, [times, 4, 4], 3 * 2 * 256, Vec::new()).unwrap();
    let batch = ActionBatch::new(video, actions, poses, 7).unwrap();
    let parts = ActionParts { side: 4, encoder_width: WIDTH, action: 7, eps: 1e-6, form: RotaryForm::Tiled };
    let config = PredictorConfig { width: 72, depth: 2, heads: 3 };
    let predictor = filled(ActionPredictor::new(&mut init(), &config, &parts), "");
    let jepa = ActionJepa { frozen: encoder(), predictor, rollout: 3 };
    let device = Device::flex();
    let features = batch.features(&jepa.frozen, &device);
    assert!(recorded.difference("features", features.clone()).unwrap() < 1e-4);

    let student = jepa.clone().train();
    let [forced, rolled] = student.predict(&features, &batch, &device);
    assert!(recorded.difference("forced", forced.clone().inner()).unwrap() < 1e-4);
    assert!(recorded.difference("rolled", rolled.clone().inner()).unwrap() < 1e-4);
    let loss = |x: Tensor<3>| {
        let target = features.clone().narrow(1, FRAME, x.dims()[1]);
        (x - target).abs().mean()
    };
    let total = loss(forced) + loss(rolled);
    let expected = recorded.values("loss").unwrap();
    assert!((host::scalar(total.clone().inner()).unwrap() - expected[2]).abs() < 1e-5);
    let gradients = params::gradients(&student, &mut total.backward());
    let names: Vec<String> = recorded.metadata("parameters").unwrap();
    let norms = recorded.values("grad.l2").unwrap();
    let mut compared = 0;
    for (leaf, gradient) in params::leaves(&student).into_iter().zip(gradients) {
        let Some(name) = leaf.path.strip_prefix("predictor.") else {
            assert!(gradient.is_none(), "{} is frozen", leaf.path);
            continue;
        };
        let at = names.iter().position(|known| known == name).unwrap();
        let found = l2(&host::read(gradient.unwrap()).unwrap());
        assert!((found - norms[at]).abs() < 1e-4 * norms[at].max(1e-2), "{name}: {found}, expected {}", norms[at]);
        compared += 1;
    }
    assert_eq!(compared, names.len());
}

/// The weights of a tiny model under the names of an official file.
fn official_file() -> (Named, ActionJepa) {
    let variant = VJepa2Ac::presets().into_iter().find(|p| p.name == "tiny").unwrap().config.model;
    let model = VJepa2Ac::new(&variant).unwrap().model(3, &Device::flex());
    let mut tensors = Named::new();
    for (name, (mut shape, values)) in named(&model).unwrap() {
        let name = match name.strip_prefix("frozen.") {
            Some(rest) => format!("encoder.{rest}"),
            None => name,
        };
        if name == "encoder.patch_embed.proj.weight" {
            shape = vec![shape[0], 3, 2, 8, 8];
        }
        tensors.insert(name, (shape, values));
    }
    tensors.insert("predictor.extrinsics_encoder.weight".into(), (vec![48, 1], vec![0.0; 48]));
    tensors.insert("predictor.extrinsics_encoder.bias".into(), (vec![48], vec![0.0; 48]));
    (tensors, model)
}

#[test]
fn an_official_file_is_read_strictly() {
    let (tensors, model) = official_file();
    let foreign = |tensors: Named| Foreign {
        origin: "ac.pt".into(),
        tensors,
        config: None,
        processor: None,
        network: None,
        heads: Some(2),
    };
    let imported = VJepa2Ac::import(&foreign(tensors.clone())).unwrap();
    assert_eq!(imported.config.model.kinematics, Kinematics::Place);
    assert_eq!(imported.config.model.predictor.depth, 1);
    let fresh = VJepa2Ac::new(&imported.config.model).unwrap().model(0, &Device::flex());
    let read = jepa_core::checkpoint::apply(fresh, &imported.student.clone().unwrap(), "ac.pt").unwrap();
    assert_eq!(named(&read).unwrap(), named(&model).unwrap());
    // A missing and an unknown tensor are named.
    let mut broken = tensors.clone();
    broken.remove("predictor.state_encoder.bias");
    broken.insert("predictor.stranger".into(), (vec![1], vec![0.0]));
    let student = VJepa2Ac::import(&foreign(broken)).unwrap().student.unwrap();
    let fresh = VJepa2Ac::new(&imported.config.model).unwrap().model(0, &Device::flex());
    let error = jepa_core::checkpoint::apply(fresh, &student, "ac.pt").unwrap_err().to_string();
    assert!(error.contains("predictor.state_encoder.bias") && error.contains("predictor.stranger"), "{error}");
    let encoder = tensors.into_iter().filter(|(name, _)| name.starts_with("encoder.")).collect();
    assert!(VJepa2Ac::import(&foreign(encoder)).err().unwrap().to_string().contains("v-jepa-2"));
}
