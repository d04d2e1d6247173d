//! Planners on a point mass, whose best plans are known.

use burn::prelude::*;
use jepa_core::host;
use jepa_core::planning::{
    Answer, Axis, Bounds, Cem, Controller, EnergyOf, Gradient, Mppi, Plan, Planner, PlanningConfig, Problems,
    WorldModel, landscape,
};

/// A point that is pushed in the plane: v' = v + a, x' = x + v'.
struct PointMass {
    device: Device,
    /// What the world model takes a push for: 1 is right, 0 believes that pushes do nothing, -1 the opposite.
    belief: f64,
}

/// Positions and speeds, [rows, 2] each.
type State = (Tensor<2>, Tensor<2>);

impl WorldModel for PointMass {
    type State = State;
    type Goal = Tensor<2>;

    fn action_width(&self) -> usize {
        2
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn repeat(&self, (x, v): &State, times: usize) -> State {
        let copies = |t: &Tensor<2>| -> Tensor<2> {
            let [rows, width] = t.dims();
            t.clone().reshape([rows, 1, width]).repeat_dim(1, times).reshape([rows * times, width])
        };
        (copies(x), copies(v))
    }

    fn step(&self, (x, v): State, actions: Tensor<2>) -> jepa_core::Result<State> {
        let v = v + actions * self.belief;
        Ok((x + v.clone(), v))
    }

    fn energy(&self, (x, _): &State, goal: &Tensor<2>) -> jepa_core::Result<Tensor<1>> {
        let [rows, width] = x.dims();
        let problems = goal.dims()[0];
        let goal = goal.clone().reshape([problems, 1, width]);
        let away = x.clone().reshape([problems, rows / problems, width]) - goal;
        Ok(away.powi_scalar(2).sum_dim(2).reshape([rows]))
    }
}

const HORIZON: usize = 6;

fn world(belief: f64) -> PointMass {
    PointMass { device: Device::flex(), belief }
}

fn rows(values: &[[f32; 2]]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.concat(), [values.len(), 2]), &Device::flex())
}

/// Starts at rest, and goals.
fn task(count: usize) -> (State, Tensor<2>) {
    let place = |i: usize, k: f32| [(i as f32 * k).sin() * 2.0, (i as f32 * k + 1.0).cos() * 2.0];
    let start: Vec<[f32; 2]> = (0..count).map(|i| place(i, 1.3)).collect();
    let goal: Vec<[f32; 2]> = (0..count).map(|i| place(i + 50, 0.7)).collect();
    ((rows(&start), rows(&start) * 0.0), rows(&goal))
}

fn cem() -> Cem {
    Cem {
        samples: 120,
        elites: 12,
        iterations: 25,
        deviation: vec![0.5],
        bounds: Bounds::Norm { limit: 1.0 },
        momentum: [0.0; 2],
        mean_is_a_sample: false,
    }
}

fn planners() -> [Planner; 3] {
    let mppi = Mppi {
        samples: 200,
        elites: 20,
        iterations: 25,
        deviation: vec![0.5],
        temperature: 1.0,
        bounds: Bounds::Norm { limit: 1.0 },
        answer: Answer::Mean,
    };
    let gradient = Gradient {
        beginnings: 4,
        iterations: 150,
        rate: 0.05,
        deviation: vec![0.2],
        bounds: Bounds::Norm { limit: 1.0 },
    };
    [Planner::Cem(cem()), Planner::Mppi(mppi), Planner::Gradient(gradient)]
}

fn plan(planner: &Planner, world: &PointMass, (start, goal): &(State, Tensor<2>), first: u64, seed: u64) -> Plan {
    let count = goal.dims()[0];
    let energy = EnergyOf::Last;
    planner
        .plan(&Problems { world, start, goal, count, first, horizon: HORIZON, energy, seed, moment: 0 }, None)
        .unwrap()
}

/// How far from its goal each problem really ends.
fn misses(plan: &Plan, (start, goal): &(State, Tensor<2>)) -> Vec<f32> {
    let (real, mut state) = (world(1.0), start.clone());
    for step in 0..HORIZON {
        let actions: Vec<[f32; 2]> = plan.actions.iter().map(|a| [a[2 * step], a[2 * step + 1]]).collect();
        state = real.step(state, rows(&actions)).unwrap();
    }
    let energy = host::read(real.energy(&state, goal).unwrap()).unwrap();
    energy.into_iter().map(f32::sqrt).collect()
}

#[test]
fn every_planner_reaches_the_goals_and_stays_within_the_bounds() {
    let task = task(5);
    for planner in planners() {
        let plan = plan(&planner, &world(1.0), &task, 0, 1);
        let misses = misses(&plan, &task);
        assert!(misses.iter().all(|miss| *miss < 0.1), "{planner:?} misses by {misses:?}");
        let norms = plan.actions.iter().flatten().collect::<Vec<_>>();
        assert!(norms.chunks(2).all(|a| a[0].hypot(*a[1]) <= 1.0 + 1e-5));
        assert!(planner.check(2, "planner").is_ok());
    }
}

#[test]
fn a_world_model_that_believes_nonsense_reaches_no_goal() {
    let task = task(5);
    for planner in planners() {
        let misses = misses(&plan(&planner, &world(-1.0), &task, 0, 1), &task);
        assert!(misses.iter().all(|miss| *miss > 0.5), "{planner:?} misses by {misses:?}");
    }
    // Where nothing depends on the actions the energy has no slope: pushes stay what they were drawn as.
    let blind = misses(&plan(&planners()[0], &world(0.0), &task, 0, 1), &task);
    assert!(blind.iter().sum::<f32>() / 5.0 > 0.5, "{blind:?}");
}

#[test]
fn elites_get_better_from_one_iteration_to_the_next() {
    let plan = plan(&planners()[0], &world(1.0), &task(48), 0, 7);
    let mean = |round: usize| plan.rounds.iter().map(|rounds| rounds[round].elites).sum::<f64>() / 48.0;
    let means: Vec<f64> = (0..25).map(mean).collect();
    // Later ones differ by what is left of the deviation, which is chance.
    assert!(means[..12].windows(2).all(|w| w[1] < w[0]), "{means:?}");
    assert!(means[24] < 0.01 * means[0], "{means:?}");
}

#[test]
fn plans_depend_on_the_seed_alone_not_on_threads_or_neighbours() {
    let all = task(6);
    let in_pool = |threads: usize, planner: &Planner| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| plan(planner, &world(1.0), &all, 0, 3))
    };
    for planner in planners() {
        let one = in_pool(1, &planner);
        assert_eq!(one, in_pool(4, &planner));
        let ((x, v), goal) = &all;
        let last = |t: &Tensor<2>| t.clone().narrow(0, 5, 1);
        let alone = plan(&planner, &world(1.0), &((last(x), last(v)), last(goal)), 5, 3);
        assert_eq!(alone.actions[0], one.actions[5]);
        // The control: other draws are another plan.
        assert_ne!(plan(&planner, &world(1.0), &all, 0, 4).actions[5], one.actions[5]);
    }
}

#[test]
fn a_warm_start_needs_less_search_than_a_cold_one() {
    let (start, goal) = task(8);
    let poor = |warm_start| PlanningConfig {
        planner: Planner::Cem(Cem { samples: 40, elites: 6, iterations: 2, mean_is_a_sample: true, ..cem() }),
        horizon: 8,
        execute: 1,
        warm_start,
        energy: EnergyOf::Last,
    };
    let pursue = |warm_start| {
        let config = poor(warm_start);
        config.check(2, "planning").unwrap();
        let (world, mut state) = (world(1.0), start.clone());
        let mut control = Controller::new(&config, 5, 0);
        for left in (1..=8).rev() {
            let plan = control.plan(&world, &state, &goal, 8, left).unwrap();
            assert!(plan.actions.iter().all(|actions| actions.len() == 2 * left));
            let actions: Vec<[f32; 2]> = plan.actions.iter().map(|a| [a[0], a[1]]).collect();
            state = world.step(state, rows(&actions)).unwrap();
        }
        let energy = host::read(world.energy(&state, &goal).unwrap()).unwrap();
        energy.into_iter().sum::<f32>() / 8.0
    };
    let (warm, cold) = (pursue(true), pursue(false));
    assert!(warm < 0.5 * cold, "warm {warm}, cold {cold}");
}

#[test]
fn the_landscape_has_its_minimum_at_the_action_that_reaches_the_goal() {
    let (world, start, goal) = (world(1.0), (rows(&[[0.0, 0.0]]), rows(&[[0.0, 0.0]])), rows(&[[0.5, -0.25]]));
    let problems = Problems {
        world: &world,
        start: &start,
        goal: &goal,
        count: 1,
        first: 0,
        horizon: 1,
        energy: EnergyOf::Last,
        seed: 0,
        moment: 0,
    };
    let axis = |value| Axis { value, low: -1.0, high: 1.0, points: 9 };
    let found = landscape(&problems, &[0.0, 0.0], 0, [axis(0), axis(1)]).unwrap();
    assert_eq!(found.minimum(), ([0.5, -0.25], 0.0));
    assert!((found.energy[0] - (1.5f64.powi(2) + 0.75f64.powi(2))).abs() < 1e-6);
    assert!(landscape(&problems, &[0.0], 0, [axis(0), axis(1)]).is_err());
    assert!(landscape(&problems, &[0.0, 0.0], 0, [axis(0), axis(2)]).is_err());
}

#[test]
fn numbers_that_make_no_sense_are_refused_by_their_key() {
    let broken = [
        (Planner::Cem(Cem { elites: 1, ..cem() }), "planner"),
        (Planner::Cem(Cem { elites: 500, ..cem() }), "elites 500"),
        (Planner::Cem(Cem { deviation: vec![1.0; 3], ..cem() }), "planner.deviation"),
        (Planner::Cem(Cem { momentum: [0.0, 1.0], ..cem() }), "planner.momentum"),
        (
            Planner::Cem(Cem { bounds: Bounds::Box { low: vec![1.0; 2], high: vec![0.0; 2] }, ..cem() }),
            "planner.bounds",
        ),
    ];
    for (planner, expected) in broken {
        let error = planner.check(2, "planner").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // A world without finite energies is an error, not a plan.
    let (start, _) = task(1);
    let goal = rows(&[[f32::NAN, 0.0]]);
    let world = world(1.0);
    let (horizon, energy) = (HORIZON, EnergyOf::All);
    let problems =
        Problems { world: &world, start: &start, goal: &goal, count: 1, first: 0, horizon, energy, seed: 0, moment: 0 };
    let error = planners()[0].plan(&problems, None).unwrap_err().to_string();
    assert!(error.contains("finite"), "{error}");
    assert!(planners()[0].plan(&problems, Some(&[vec![0.0; 3]])).unwrap_err().to_string().contains("warm start"));
}
