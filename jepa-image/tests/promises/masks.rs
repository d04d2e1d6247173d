//! Index sets of the official collators, index by index.

use crate::fixtures::Fixture;
use jepa_core::masks::{Mask, MaskRule, MaskSet, MultiBlock, MultiBlockConfig, RandomMask};
use jepa_core::random::{Draw as _, TorchStream};
use serde_json::Value;

fn number(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

fn range(case: &Value, key: &str) -> [f64; 2] {
    serde_json::from_value(case[key].clone()).unwrap()
}

fn config(case: &Value) -> MultiBlockConfig {
    MultiBlockConfig {
        contexts: number(case, "nenc"),
        targets: number(case, "npred"),
        context_scale: range(case, "enc_mask_scale"),
        target_scale: range(case, "pred_mask_scale"),
        target_aspect: range(case, "aspect_ratio"),
        min_keep: number(case, "min_keep"),
        allow_overlap: case["allow_overlap"].as_bool().unwrap(),
        rule: MaskRule::Official,
    }
}

fn cases(fixture: &Fixture) -> Vec<Value> {
    fixture.meta("cases").as_array().unwrap().clone()
}

/// The batches of a case, with the places drawn from `seed`.
fn sample(case: &Value, config: &MultiBlockConfig, seed: u64) -> Vec<MaskSet> {
    let sampler = MultiBlock::new(config, number(case, "h"), number(case, "w"))
        .unwrap_or_else(|e| panic!("{} is refused: {e}", case["name"]));
    let mut places = TorchStream::new(seed);
    let batches = 0..number(case, "batches") as u64;
    batches
        .map(|counter| sampler.sample(number(case, "B"), &mut TorchStream::new(counter), &mut places).unwrap())
        .collect()
}

fn rows(mask: &Mask) -> Vec<Vec<u32>> {
    (0..mask.batch()).map(|i| mask.row(i).to_vec()).collect()
}

/// Number of index sets of a case, and of those that differ from the recorded ones.
fn compare(fixture: &Fixture, number: usize, found: &[MaskSet]) -> (usize, usize) {
    let (mut sets, mut wrong) = (0, 0);
    for (batch, masks) in found.iter().enumerate() {
        for (kind, masks) in [("enc", &masks.context), ("pred", &masks.target)] {
            for (i, mask) in masks.iter().enumerate() {
                let expected = fixture.rows(&format!("case{number}.batch{batch}.{kind}{i}"));
                let found = rows(mask);
                sets += expected.len();
                let equal = |i: usize| found.get(i) == expected.get(i);
                wrong += (0..expected.len().max(found.len())).filter(|i| !equal(*i)).count();
            }
        }
    }
    (sets, wrong)
}

#[test]
fn every_index_set_of_every_recorded_case_is_equal() {
    let fixture = Fixture::open("masks.safetensors");
    let mut seen = 0;
    for (i, case) in cases(&fixture).iter().enumerate() {
        let found = sample(case, &config(case), number(case, "seed") as u64);
        let (sets, wrong) = compare(&fixture, i, &found);
        assert_eq!(wrong, 0, "{}: {wrong} of {sets} index sets differ", case["name"]);
        seen += found.iter().map(|m| m.context.len() + m.target.len()).sum::<usize>();
    }
    let recorded = fixture.names().filter(|n| n.starts_with("case")).count();
    assert_eq!((seen, cases(&fixture).len()), (recorded, 11), "nothing recorded is left out");
}

#[test]
fn another_seed_another_counter_or_another_rule_gives_other_sets() {
    let fixture = Fixture::open("masks.safetensors");
    for (i, case) in cases(&fixture).iter().enumerate() {
        let (seed, config) = (number(case, "seed") as u64, config(case));
        let (sets, wrong) = compare(&fixture, i, &sample(case, &config, seed + 1));
        assert!(2 * wrong > sets, "{}: another seed changes {wrong} of {sets} sets", case["name"]);
        let corrected = MultiBlockConfig { rule: MaskRule::Corrected, ..config.clone() };
        if let Ok(sampler) = MultiBlock::new(&corrected, number(case, "h"), number(case, "w"))
            && let Ok(masks) = sampler.sample(number(case, "B"), &mut TorchStream::new(0), &mut TorchStream::new(seed))
        {
            let (sets, wrong) = compare(&fixture, i, &[masks]);
            assert!(2 * wrong > sets, "{}: the corrected rule changes {wrong} of {sets} sets", case["name"]);
        }
    }
    // Places as recorded, sizes of the next batch.
    let case = &cases(&fixture)[0];
    let sampler = MultiBlock::new(&config(case), 14, 14).unwrap();
    let masks = sampler.sample(2, &mut TorchStream::new(1), &mut TorchStream::new(0)).unwrap();
    assert!(compare(&fixture, 0, &[masks]).1 > 0);
}

#[test]
fn overlap_and_relaxation_leave_target_tokens_in_the_context_and_nothing_else_does() {
    let fixture = Fixture::open("masks.safetensors");
    for case in cases(&fixture) {
        let shared = |masks: &MaskSet| {
            (0..number(&case, "B")).any(|image| {
                let hidden = |token: &u32| masks.target.iter().any(|t| t.row(image).contains(token));
                masks.context.iter().any(|c| c.row(image).iter().any(hidden))
            })
        };
        let found: Vec<bool> = sample(&case, &config(&case), number(&case, "seed") as u64).iter().map(shared).collect();
        let relaxed = case["relaxed"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() > 0);
        let overlap = case["allow_overlap"].as_bool().unwrap();
        assert_eq!(found, relaxed.map(|r| r || overlap).collect::<Vec<_>>(), "{}", case["name"]);
    }
}

#[test]
fn mask_lengths_of_fifty_batches_are_equal_on_both_released_grids_and_every_batch_size() {
    let fixture = Fixture::open("masks.safetensors");
    let mut compared = 0;
    for stat in fixture.meta("stats").as_array().unwrap() {
        let (grid, batch) = (number(stat, "grid"), number(stat, "B"));
        let sampler = MultiBlock::new(&MultiBlockConfig::official(), grid, grid).unwrap();
        let mut places = TorchStream::new(0);
        let lengths: Vec<[usize; 2]> = (0..50)
            .map(|counter| sampler.sample(batch, &mut TorchStream::new(counter), &mut places).unwrap())
            .map(|masks| [masks.context[0].len(), masks.target[0].len()])
            .collect();
        for (i, kind) in ["enc", "pred"].iter().enumerate() {
            let expected = fixture.values(&format!("stats.{grid}x{grid}.{batch}.{kind}"));
            let found: Vec<f64> = lengths.iter().map(|l| l[i] as f64).collect();
            assert_eq!(found, expected, "{kind} on {grid} x {grid}, batch {batch}");
            compared += found.len();
        }
    }
    assert_eq!(compared, 2 * 4 * 2 * 50);
}

#[test]
fn the_random_collator_gives_the_recorded_permutations_in_their_order() {
    let fixture = Fixture::open("masks.safetensors");
    let about = fixture.meta("random");
    let tokens = number(&about, "h") * number(&about, "w");
    let random = RandomMask { ratio: range(&about, "ratio") };
    let draw = |seed: u64| -> Vec<MaskSet> {
        let mut places = TorchStream::new(seed);
        let batches = 0..number(&about, "batches") as u64;
        batches
            .map(|counter| {
                random.sample(number(&about, "B"), tokens, &mut TorchStream::new(counter), &mut places).unwrap()
            })
            .collect()
    };
    let seed = number(&about, "seed") as u64;
    for (batch, masks) in draw(seed).iter().enumerate() {
        assert_eq!(rows(&masks.context[0]), fixture.rows(&format!("random.batch{batch}.enc0")));
        assert_eq!(rows(&masks.target[0]), fixture.rows(&format!("random.batch{batch}.pred0")));
    }
    for (batch, masks) in draw(seed + 1).iter().enumerate() {
        assert_ne!(rows(&masks.context[0]), fixture.rows(&format!("random.batch{batch}.enc0")));
    }
}

#[test]
fn the_generator_draws_the_floats_integers_and_permutations_of_pytorch() {
    let fixture = Fixture::open("masks.safetensors");
    let stream = || TorchStream::new(0);
    let draws = |mut stream: TorchStream, n: usize, mut f: Box<dyn FnMut(&mut TorchStream) -> f64>| -> Vec<f64> {
        (0..n).map(|_| f(&mut stream)).collect()
    };
    assert_eq!(draws(stream(), 8, Box::new(|s| f64::from(s.uniform()))), fixture.values("mt19937.rand8"));
    assert_eq!(draws(stream(), 8, Box::new(|s| s.below(13) as f64)), fixture.values("mt19937.randint13"));
    // 1400 draws run through two twists of the state of 624 words.
    assert_eq!(draws(stream(), 1400, Box::new(|s| s.below(1000) as f64)), fixture.values("mt19937.randint1000"));
    let order: Vec<f64> = stream().permutation(64).into_iter().map(f64::from).collect();
    assert_eq!(order, fixture.values("mt19937.randperm64"));
    assert_ne!(draws(TorchStream::new(1), 8, Box::new(|s| s.below(13) as f64)), fixture.values("mt19937.randint13"));
}
