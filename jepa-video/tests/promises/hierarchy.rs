//! H-JEPA on two rooms: what is seen, what adds up, what is refused, and how it is measured.

use burn::prelude::*;
use jepa_core::host;
use jepa_core::jepa::{Jepa as _, Role, Step};
use jepa_core::objective::{Memory, Objective};
use jepa_core::plugin::Variant as _;
use jepa_core::random::{Purpose, Stream};
use jepa_core::train::RunConfig;
use jepa_video::rooms::{Episodes, MOMENTS, Rooms, Walk};
use jepa_video::variants::h_jepa::{HJepaConfig, HierarchicalJepa};
use jepa_video::world::HJepa;

fn tiny() -> RunConfig<HJepaConfig> {
    HierarchicalJepa::presets().into_iter().find(|preset| preset.name == "tiny").unwrap().config
}

fn walks(count: u64) -> Vec<Walk> {
    let walk = |n| Walk::draw(Some(Rooms::FIXED), MOMENTS, &mut Stream::new(3, Purpose::Test, 0, n));
    (0..count).map(walk).collect()
}

fn step() -> Step {
    // No noise on macro actions.
    Step { batch_statistics: false, ..Step::new(1, 9, 0, &Device::flex()) }
}

fn model(config: &HJepaConfig) -> HJepa {
    HierarchicalJepa::new(config).unwrap().model(1, &Device::flex())
}

#[test]
fn pictures_that_no_level_reads_are_left_out_and_change_nothing() {
    let config = tiny();
    let model = model(&config.model);
    let of = |moments: &[usize]| {
        let batch = Episodes::seen_at(&walks(3), moments).unwrap();
        let forward = model.forward(&model, &batch, &step());
        let loss = Objective::new(&config.objective).unwrap().energy(forward, &Memory::default()).unwrap();
        loss.terms.into_iter().map(|(name, value)| (name.to_string(), host::scalar(value).unwrap())).collect::<Vec<_>>()
    };
    let (sparse, all) = (of(&[0, 1, 2, 3, 6]), of(&[0, 1, 2, 3, 4, 5, 6]));
    let names: Vec<&str> = sparse.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["energy", "inverse_dynamics", "energy_level_2", "inverse_dynamics_level_2"]);
    for ((name, a), (_, b)) in sparse.iter().zip(&all) {
        // Level 1's inverse dynamics reads every pair of pictures that is there.
        assert_eq!((a - b).abs() < 1e-5, name != "inverse_dynamics", "{name}: {a} and {b}");
    }
    // The control: another far picture is another energy of level 2 alone.
    let other = of(&[0, 1, 2, 3, 9]);
    assert!(sparse[0] == other[0] && sparse[2] != other[2], "{sparse:?} and {other:?}");
}

#[test]
fn a_level_that_is_cut_off_leaves_level_one_to_train_as_pldm() {
    use jepa_core::nn::params;
    let of = |gradient_below: bool, above: bool| {
        let mut config = tiny();
        config.model.levels[0].gradient_below = gradient_below;
        let model = burn::module::Module::train(model(&config.model));
        let batch = Episodes::seen_at(&walks(3), &[0, 1, 2, 3, 6]).unwrap();
        let mut forward = model.forward(&model, &batch, &step());
        if !above {
            forward.above.clear();
        }
        let loss = Objective::new(&config.objective).unwrap().energy(forward, &Memory::default()).unwrap();
        let gradients = params::gradients(&model, &mut loss.total.backward());
        let leaves = params::leaves(&model).into_iter().zip(gradients);
        let world = leaves.filter(|(leaf, _)| leaf.path.starts_with("world."));
        world.filter_map(|(_, gradient)| Some(host::read(gradient?).unwrap())).collect::<Vec<_>>()
    };
    let alone = of(true, false);
    assert_eq!(of(false, true), alone);
    assert_ne!(of(true, true), alone);
}

#[test]
fn levels_have_as_many_rows_of_states_as_they_read() {
    let model = model(&tiny().model);
    let batch = Episodes::seen_at(&walks(4), &[0, 1, 2, 3, 6]).unwrap();
    let forward = model.forward(&model, &batch, &step());
    let rows = |level, role| forward.embedding_at(level, role).unwrap().dims();
    assert_eq!((rows(1, Role::States), rows(1, Role::Whole)), ([20, 1, 24], [16, 1, 24]));
    assert_eq!((rows(2, Role::States), rows(2, Role::Predicted)), ([12, 1, 12], [4, 2, 12]));
}

#[test]
fn hierarchies_that_make_no_sense_are_refused_by_their_key() {
    let refused = |change: fn(&mut HJepaConfig), expected: &str| {
        let mut config = tiny().model;
        change(&mut config);
        let error = HierarchicalJepa::new(&config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(|c| c.levels.clear(), "pldm");
    refused(|c| c.levels[0].stride = 45, "90 moments");
    refused(|c| c.levels[0].latent = 0, "model.levels[0]");
    refused(|c| c.levels[0].latent = 3, "model.planning[1]");
    refused(|c| c.planning.truncate(1), "1 searches for 2 levels");
    // Three levels are as good as two.
    let mut three = tiny().model;
    three.levels.push(jepa_core::hierarchy::LevelConfig { stride: 2, horizon: 1, ..three.levels[0].clone() });
    three.planning.push(three.planning[1].clone());
    let model = model(&three);
    let moments = jepa_core::hierarchy::moments(4, &three.levels);
    assert_eq!(moments, [0, 1, 2, 3, 6]);
    let forward = model.forward(&model, &Episodes::seen_at(&walks(2), &moments).unwrap(), &step());
    assert_eq!(forward.above.len(), 2);
    assert_eq!(forward.embedding_at(3, Role::Predicted).unwrap().dims(), [2, 1, 12]);
}
