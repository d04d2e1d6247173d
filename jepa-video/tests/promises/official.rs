//! Training steps of small models of both versions, recorded from the official code (`reference/v_jepa.py`,
//! `reference/v_jepa_2.py`): both masks, every gradient, one update, one step of the target; masks index by index;
//! schedules.

use crate::formula::{
    PAIRED, TABLE, TILED, clips, encoder_parts, filled, l2, masks, networks, predictor_parts, recorded, tensor,
};
use burn::prelude::*;
use jepa_core::checkpoint::named;
use jepa_core::host;
use jepa_core::jepa::{Jepa as _, Role, Step, TargetSource};
use jepa_core::masks::{MaskRule, MultiBlock3d, MultiBlock3dConfig};
use jepa_core::nn::params;
use jepa_core::objective::{DistanceConfig, Memory, Objective, ObjectiveConfig};
use jepa_core::random::TorchStream;
use jepa_core::recorded::{Recorded, largest_difference};
use jepa_core::train::{AdamWConfig, Learner, RateLaw, Rates, Replicas, Schedule, ScheduleConfig};
use jepa_video::network::{ContextPath, Layout, PlaceConfig, VideoBatch, VideoEncoder, VideoJepa};

/// Both sides compute in f32; values reach 5.
const TOLERANCE: f64 = 1e-4;
const GRID: [usize; 3] = [4, 3, 4];

/// A recorded step and the networks that made it.
struct Small {
    recorded: Recorded,
    student: VideoJepa,
    teacher: VideoEncoder,
}

impl Small {
    /// The first version's.
    fn first() -> Self {
        Self::new("v_jepa.safetensors", 2, TABLE, 2, None)
    }

    /// The second version's, with places of a form.
    fn second(places: PlaceConfig) -> Self {
        Self::new("v_jepa_2.safetensors", 4, places, 3, Some(0))
    }

    fn new(file: &str, heads: usize, places: PlaceConfig, mask_tokens: usize, mask_token: Option<usize>) -> Self {
        let predictor =
            jepa_video::network::PredictorParts { mask_token, ..predictor_parts(places, GRID, mask_tokens) };
        let student = networks(heads, &encoder_parts(places, GRID), &predictor);
        let teacher = filled(student.encoder.clone(), "target.");
        Self { recorded: recorded(file), student, teacher }
    }

    fn batch(&self) -> VideoBatch {
        let values = clips("video", 3, [8, 48, 64]);
        VideoBatch::new(values, 3, 1, GRID, 3 * 2 * 256, masks(&self.recorded, 48)).unwrap()
    }

    fn loss(&self) -> f64 {
        let forward = self.student.forward(&self.teacher, &self.batch(), &step());
        host::scalar(objective().energy(forward, &Memory::default()).unwrap().total).unwrap()
    }

    fn expected(&self, name: &str) -> f64 {
        self.recorded.values(name).unwrap()[0]
    }

    fn rates(&self) -> Rates {
        let [lr, decay, momentum]: [f64; 3] = self.recorded.metadata("rates").unwrap();
        Rates { lr, decay, momentum }
    }

    fn within<const D: usize>(&self, name: &str, found: Tensor<D>) {
        let difference = self.recorded.difference(name, found).unwrap();
        println!("{name}: {difference:.1e}");
        assert!(difference < TOLERANCE, "{name} differs by {difference}");
    }

    fn forward_is_recorded(&self) {
        let forward = self.student.forward(&self.teacher, &self.batch(), &step());
        self.within("whole", forward.embedding(Role::Whole).unwrap().clone());
        let input = self.batch().upload(&Device::flex());
        for (g, set) in masks(&self.recorded, 48).iter().enumerate() {
            let (s_x, predicted, _) =
                self.student.predict(input.clone(), Layout::video(GRID), set, g, ContextPath::Alone);
            self.within(&format!("s_x.{g}"), s_x);
            self.within(&format!("prediction.{g}"), predicted.clone());
            self.within(&format!("prediction.{g}"), forward.pairs[g].predicted.clone());
        }
        let (loss, expected) = (self.loss(), self.expected("loss"));
        println!("loss {loss}, expected {expected}");
        assert!((loss - expected).abs() < 1e-5, "{loss}, expected {expected}");
    }

    fn step_is_recorded(&self) {
        let rows: Vec<(String, Vec<usize>, bool)> = self.recorded.metadata("parameters").unwrap();
        let targets: Vec<String> = self.recorded.metadata("target").unwrap();
        for replicas in [1, 2] {
            let mut learner = Learner::new(self.student.clone(), TargetSource::Ema, &AdamWConfig::default()).unwrap();
            learner.target = Some(self.teacher.clone());
            let work = Replicas::new(replicas)
                .unwrap()
                .forward_backward(&learner, Some(&self.teacher), &self.batch(), &objective(), &step())
                .unwrap();
            let leaves = params::leaves(&self.student);
            let trained = work.gradients.iter().filter(|g| g.is_some()).count();
            assert_eq!(trained, rows.len(), "parameters with a gradient");
            for ((name, _, decayed), expected) in rows.iter().zip(self.recorded.values("grad.l2").unwrap()) {
                let at = leaves.iter().position(|leaf| leaf.path == *name).unwrap();
                let norm = l2(&host::read(work.gradients[at].clone().unwrap()).unwrap());
                assert!((norm - expected).abs() < 1e-4 * expected.max(0.01), "{name}: {norm}, expected {expected}");
                assert_eq!(leaves[at].role() == params::Role::Decayed, *decayed, "{name}");
            }
            let before = named(&self.student).unwrap();
            let learner = learner.update(work, self.rates(), TargetSource::Ema, &objective()).unwrap();
            let after = named(&learner.student).unwrap();
            let norms = self.recorded.values("after.l2").unwrap();
            for ((name, _, _), (norm, moved)) in
                rows.iter().zip(norms.iter().zip(self.recorded.values("after.delta").unwrap()))
            {
                // The keys' biases have no gradient but rounding, which the first step of AdamW makes as long as any.
                let (close, tolerance) = if name.ends_with("qkv.bias") { (1e-4, 0.5) } else { (1e-5, 2e-3) };
                let found = l2(&after[name].1);
                assert!((found - norm).abs() < close * norm, "{name}: {found}, expected {norm}");
                let delta: Vec<f32> = after[name].1.iter().zip(&before[name].1).map(|(a, b)| a - b).collect();
                assert!((l2(&delta) / moved - 1.0).abs() < tolerance, "{name} moved {}, expected {moved}", l2(&delta));
            }
            let teacher = named(learner.target.as_ref().unwrap()).unwrap();
            for (name, expected) in targets.iter().zip(self.recorded.values("target.l2").unwrap()) {
                let found = l2(&teacher[name].1);
                assert!((found / expected - 1.0).abs() < 1e-5, "target {name}: {found}, expected {expected}");
            }
            let after = Self {
                recorded: recorded_again(&self.recorded),
                student: learner.student,
                teacher: learner.target.unwrap(),
            };
            let (loss, expected) = (after.loss(), self.expected("after.loss"));
            println!("loss after the step {loss}, expected {expected}");
            assert!((loss - expected).abs() < 3e-4, "{loss}, expected {expected}");
        }
    }
}

fn recorded_again(recorded: &Recorded) -> Recorded {
    let first = recorded.shape("rect").is_ok();
    crate::formula::recorded(if first { "v_jepa.safetensors" } else { "v_jepa_2.safetensors" })
}

fn objective() -> Objective {
    Objective::new(&ObjectiveConfig {
        distance: DistanceConfig::L1,
        normalise_targets: Some(1e-5),
        regularisers: Vec::new(),
    })
    .unwrap()
}

fn step() -> Step {
    Step::new(1, 100, 0, &Device::flex())
}

#[test]
fn every_tensor_between_clip_and_loss_of_the_first_version_is_the_recorded_one() {
    Small::first().forward_is_recorded();
}

#[test]
fn gradients_one_update_and_the_target_of_the_first_version_are_the_recorded_ones() {
    Small::first().step_is_recorded();
}

#[test]
fn every_tensor_between_clip_and_loss_of_the_second_version_is_the_recorded_one() {
    Small::second(TILED).forward_is_recorded();
}

#[test]
fn gradients_one_update_and_the_target_of_the_second_version_are_the_recorded_ones() {
    Small::second(TILED).step_is_recorded();
}

#[test]
fn another_form_of_places_a_lost_table_a_transposed_weight_and_another_mask_token_are_seen() {
    let off = |what: &str, small: &Small| {
        let forward = small.student.forward(&small.teacher, &small.batch(), &step());
        for (g, pair) in forward.pairs.into_iter().enumerate() {
            let difference = small.recorded.difference(&format!("prediction.{g}"), pair.predicted).unwrap();
            assert!(difference > 100.0 * TOLERANCE, "{what}: {difference} with generator {g}");
        }
    };
    off("paired angles", &Small::second(PAIRED));
    let mut small = Small::second(TILED);
    small.student.predictor.mask_tokens.swap(0, 1);
    off("another mask token", &small);
    let mut small = Small::first();
    small.student.predictor.mask_tokens.swap(0, 1);
    off("exchanged mask tokens", &small);
    let mut small = Small::first();
    small.student.encoder.pos_embed = small.student.encoder.pos_embed.map(|table| table.map(|t| t * 0.0));
    off("a lost table", &small);
    for mut small in [Small::first(), Small::second(TILED)] {
        let weight = &mut small.student.encoder.blocks[1].attn.proj.weight;
        *weight = weight.clone().map(|w| w.transpose());
        off("a transposed weight", &small);
    }
}

#[test]
fn a_clip_of_another_size_is_read_with_the_table_the_official_code_interpolates() {
    let recorded = recorded("v_jepa.safetensors");
    let model = networks(2, &encoder_parts(TABLE, [2, 4, 4]), &predictor_parts(TABLE, [2, 4, 4], 2));
    let input = tensor(clips("video_rect", 1, [4, 48, 64]), 1, 24);
    let difference =
        recorded.difference("rect", model.encoder.forward(input.clone(), Layout::video([2, 3, 4]))).unwrap();
    assert!(difference < TOLERANCE, "{difference}");
    let cut = networks(2, &encoder_parts(TABLE, [2, 3, 4]), &predictor_parts(TABLE, [2, 3, 4], 2));
    let other = recorded.difference("rect", cut.encoder.forward(input, Layout::video([2, 3, 4]))).unwrap();
    assert!(other > 1e-2, "a table that is not interpolated is near: {other}");
}

#[test]
fn the_second_versions_predictor_on_a_square_grid_needs_no_help_from_us() {
    let recorded = recorded("v_jepa_2.safetensors");
    let [context, target]: [Vec<u32>; 2] = recorded.metadata("square").unwrap();
    let mask = |row: &Vec<u32>| vec![jepa_core::masks::Mask::new(&[row.clone(), row.clone()], 32).unwrap()];
    let set = jepa_core::masks::MaskSet { context: mask(&context), target: mask(&target) };
    let predict = |grid: [usize; 3]| {
        let model = networks(4, &encoder_parts(TILED, [2, 4, 4]), &predictor_parts(TILED, [2, 4, 4], 3));
        let input = tensor(clips("video_square", 2, [4, 64, 64]), 2, 32);
        let (_, predicted, _) = model.predict(input, Layout::video(grid), &set, 1, ContextPath::Alone);
        recorded.difference("square", predicted).unwrap()
    };
    let (right, wrong) = (predict([2, 4, 4]), predict([2, 2, 8]));
    assert!(right < TOLERANCE && wrong > 1e-2, "{right}, on another grid {wrong}");
}

#[test]
fn masks_of_every_configuration_equal_the_official_ones_index_by_index() {
    let recorded = recorded("v_jepa.safetensors");
    type Change = fn(MultiBlock3dConfig) -> MultiBlock3dConfig;
    let cases: [(&str, [usize; 3], Change); 4] = [
        ("8x14x14", [8, 14, 14], |config| config),
        ("4x6x9", [4, 6, 9], |config| config),
        ("4x6x9.late", [4, 6, 9], |config| MultiBlock3dConfig { max_temporal_keep: 0.5, max_keep: Some(9), ..config }),
        ("6x9x6.short", [6, 9, 6], |config| MultiBlock3dConfig {
            temporal_scale: [0.3, 0.8],
            spatial_scale: [0.2, 0.5],
            aspect: [0.3, 3.0],
            ..config
        }),
    ];
    let mut compared = 0;
    for (name, grid, change) in cases {
        let samplers = [MultiBlock3dConfig::short_range(), MultiBlock3dConfig::long_range()]
            .map(|config| MultiBlock3d::new(&change(config), grid, "masks").unwrap());
        assert!(change(MultiBlock3dConfig::short_range()).rule == MaskRule::Official);
        let mut places = TorchStream::new(5);
        for call in 0..3 {
            for (g, sampler) in samplers.iter().enumerate() {
                let set = sampler.sample(4, &mut TorchStream::new(call), &mut places).unwrap();
                for (mask, part) in [(&set.context[0], "context"), (&set.target[0], "target")] {
                    let expected = recorded.rows(&format!("masks.{name}.{g}.{call}.{part}")).unwrap();
                    for (row, expected) in expected.iter().enumerate() {
                        assert_eq!(mask.row(row), expected, "{name}, generator {g}, call {call}, {part} of {row}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert_eq!(compared, 4 * 3 * 2 * 2 * 4);
}

#[test]
fn schedules_of_both_versions_equal_the_official_ones_at_every_step() {
    let (first, second) = (recorded("v_jepa.safetensors"), recorded("v_jepa_2.safetensors"));
    let config = ScheduleConfig {
        lr_start: 2e-4,
        lr: 6.25e-4,
        warmup: 0.2,
        momentum: 0.998,
        stretch: 1.25,
        ..ScheduleConfig::default()
    };
    let constant = ScheduleConfig { lr_start: 1e-4, lr: 5.25e-4, lr_final: 5.25e-4, ..config };
    let cooldown = ScheduleConfig { lr_final: 1e-6, warmup: 0.0, lr_law: RateLaw::Line, ..constant };
    let of = |config: &ScheduleConfig, part: fn(Rates) -> f64| -> Vec<f32> {
        let schedule = Schedule::new(config, 40).unwrap();
        (1..=40).map(|step| part(schedule.at(step)) as f32).collect()
    };
    for (found, expected) in [
        (of(&config, |r| r.lr), first.values("schedule.lr").unwrap()),
        (of(&config, |r| r.decay), first.values("schedule.decay").unwrap()),
        (of(&config, |r| r.momentum), first.values("schedule.momentum").unwrap()),
        (of(&constant, |r| r.lr), second.values("schedule.constant").unwrap()),
        (of(&cooldown, |r| r.lr), second.values("schedule.cooldown").unwrap()),
    ] {
        let difference = largest_difference(&found, expected);
        assert!(difference < 1e-7, "{difference}");
    }
}
