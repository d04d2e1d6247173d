//! Terms on embeddings of all replicas: their number changes the speed, never the value.

use burn::prelude::*;
use jepa_core::collapse::{
    BarlowTwins, Covariance, InfoNce, InfoNceForm, Invariance, RegulariserConfig, SigReg, SigRegForm, Variance,
    Whitening, WhiteningForm,
};
use jepa_core::jepa::{Batch as _, Role, Step, TargetSource};
use jepa_core::masked::{MaskedJepa, PatchBatch};
use jepa_core::masks::{Mask, MaskSet};
use jepa_core::nn::{Encoder, EncoderConfig, Init, InitScheme, Predictor, PredictorConfig, positions};
use jepa_core::objective::{DistanceConfig, Keys, Objective, ObjectiveConfig, WeightedRegulariser};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::train::{AdamWConfig, Learner, Rates, Replicas, Terms, Work};

const SAMPLES: usize = 40;
const GRID: [usize; 2] = [3, 4];
const WIDTH: usize = 24;

fn model() -> MaskedJepa {
    let mut init = Init::new(3, InitScheme::FanIn, &Device::flex());
    let encoder = EncoderConfig { width: WIDTH, depth: 1, heads: 1, mlp_ratio: 2.0, eps: 1e-6 };
    let table = || positions::sincos_2d(GRID[0], GRID[1], WIDTH);
    let narrow = PredictorConfig { width: WIDTH, depth: 1, heads: 1 };
    MaskedJepa::new(
        Encoder::new(&mut init, &encoder, 6, table()),
        Predictor::new(&mut init, &narrow, WIDTH, 1e-6, table()),
    )
}

fn batch(seed: u64) -> PatchBatch {
    let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
    let values = (0..SAMPLES * 12 * 6).map(|_| stream.normal()).collect();
    let mask = |tokens: [u32; 4]| Mask::new(&vec![tokens.to_vec(); SAMPLES], 12).unwrap();
    let masks = MaskSet { context: vec![mask([0, 1, 4, 5])], target: vec![mask([2, 3, 6, 7]), mask([8, 9, 10, 11])] };
    PatchBatch::new(values, [SAMPLES, 12, 6], [masks]).unwrap()
}

fn objective(term: RegulariserConfig, on: Role, against: Option<Role>) -> Objective {
    let regularisers = vec![WeightedRegulariser { term, weight: 1.0, on, against, level: 1 }];
    Objective::new(&ObjectiveConfig { distance: DistanceConfig::L2, normalise_targets: Some(1e-5), regularisers })
        .unwrap()
}

/// What is compared of a step.
struct Seen {
    loss: f64,
    norm: f64,
    terms: Terms,
    keys: usize,
}

impl Seen {
    fn of(work: &Work) -> Self {
        let keys = work.observed.keys.values().map(Keys::len).sum();
        Self { loss: work.loss, norm: work.norm, terms: work.terms.clone(), keys }
    }

    fn term(&self, name: &str) -> f64 {
        self.terms.iter().find(|(found, _)| *found == name).unwrap().1
    }
}

fn learner() -> Learner<MaskedJepa> {
    Learner::new(model(), TargetSource::Ema, &AdamWConfig::default()).unwrap()
}

fn work(
    learner: &Learner<MaskedJepa>,
    batch: &PatchBatch,
    objective: &Objective,
    replicas: usize,
    number: u64,
) -> Work {
    let target = learner.target_network(TargetSource::Ema);
    let step = Step::new(number, 10, 7, &Device::flex());
    Replicas::new(replicas).unwrap().forward_backward(learner, target.as_ref(), batch, objective, &step).unwrap()
}

/// Two steps with an update between them.
fn steps(objective: &Objective, replicas: usize) -> [Seen; 2] {
    let first = work(&learner(), &batch(1), objective, replicas, 1);
    let seen = Seen::of(&first);
    let rates = Rates { lr: 1e-3, decay: 0.0, momentum: 0.9 };
    let moved = learner().update(first, rates, TargetSource::Ema, objective).unwrap();
    [seen, Seen::of(&work(&moved, &batch(2), objective, replicas, 2))]
}

#[test]
fn one_and_two_replicas_give_every_term_the_same_value_and_gradient() {
    let info_nce = |form, queue| RegulariserConfig::InfoNce(InfoNce { form, temperature: 0.2, queue });
    let sigreg = |form| RegulariserConfig::SigReg(SigReg { form, slices: 32 });
    let whitening = |form, epsilon| RegulariserConfig::Whitening(Whitening { form, epsilon });
    let (one, pairs) = ((Role::Context, None), (Role::Predicted, None));
    let beside = (Role::Predicted, Some(Role::Target));
    for (term, (on, against)) in [
        (RegulariserConfig::Variance(Variance::default()), one),
        (RegulariserConfig::Covariance(Covariance::default()), one),
        (RegulariserConfig::Invariance(Invariance::default()), pairs),
        (RegulariserConfig::Invariance(Invariance::default()), beside),
        (RegulariserConfig::BarlowTwins(BarlowTwins::default()), pairs),
        (RegulariserConfig::BarlowTwins(BarlowTwins::default()), beside),
        (sigreg(SigRegForm::Paper), one),
        (sigreg(SigRegForm::StablePretraining), pairs),
        (whitening(WhiteningForm::Official, Some(0.01)), pairs),
        (whitening(WhiteningForm::StablePretraining, None), beside),
        (info_nce(InfoNceForm::NtXent, 0), pairs),
        (info_nce(InfoNceForm::MocoV3, 0), beside),
        (info_nce(InfoNceForm::MocoV2, 120), beside),
    ] {
        let objective = objective(term, on, against);
        for (number, (a, b)) in steps(&objective, 1).into_iter().zip(steps(&objective, 2)).enumerate() {
            let step = number + 1;
            assert!((a.loss - b.loss).abs() < 2e-5 * a.loss.abs(), "{term:?}, step {step}: {} and {}", a.loss, b.loss);
            for ((name, a), (_, b)) in a.terms.iter().zip(&b.terms) {
                assert!((a - b).abs() < 2e-5 * a.abs().max(0.1), "{term:?}, step {step}, {name}: {a} and {b}");
            }
            assert!((a.norm / b.norm - 1.0).abs() < 1e-3, "{term:?}, step {step}: {} and {}", a.norm, b.norm);
            assert_eq!(a.keys, b.keys);
        }
    }
}

#[test]
fn a_term_of_half_a_batch_is_another_value() {
    // What would come out if every replica computed its own.
    let objective = objective(RegulariserConfig::Covariance(Covariance::default()), Role::Context, None);
    let of = |range| Seen::of(&work(&learner(), &batch(1).shard(range), &objective, 1, 1)).term("covariance");
    let (whole, halves) = (of(0..SAMPLES), (of(0..SAMPLES / 2) + of(SAMPLES / 2..SAMPLES)) / 2.0);
    assert!((whole - halves).abs() > 0.02 * whole, "{whole} and {halves}");
}

#[test]
fn the_queue_of_one_step_is_read_by_the_next() {
    let term = RegulariserConfig::InfoNce(InfoNce { form: InfoNceForm::MocoV2, temperature: 0.2, queue: 120 });
    let [first, second] = steps(&objective(term, Role::Predicted, Some(Role::Target)), 2);
    assert_eq!(first.keys, 2 * SAMPLES);
    assert!(first.term("info_nce").abs() < 1e-6, "nothing to contrast with yet: {}", first.term("info_nce"));
    assert!(second.term("info_nce") > 0.5, "{}", second.term("info_nce"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let term = |term, against| WeightedRegulariser { term, weight: 1.0, on: Role::Context, against, level: 1 };
    for (regulariser, place) in [
        (term(RegulariserConfig::SigReg(SigReg { form: SigRegForm::Paper, slices: 0 }), None), "[0].term"),
        (term(RegulariserConfig::Variance(Variance::default()), Some(Role::Target)), "[0].against"),
        (
            term(
                RegulariserConfig::InfoNce(InfoNce { form: InfoNceForm::MocoV2, temperature: 0.2, queue: 0 }),
                Some(Role::Target),
            ),
            "[0].term",
        ),
    ] {
        let config =
            ObjectiveConfig { distance: DistanceConfig::L2, normalise_targets: None, regularisers: vec![regulariser] };
        let error = Objective::new(&config).err().unwrap().to_string();
        assert!(error.contains(place), "{error}");
    }
}
