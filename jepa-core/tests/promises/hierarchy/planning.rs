//! Planning from the top down on a point that is pushed over a free plane.

use burn::prelude::*;
use jepa_core::host;
use jepa_core::planning::{
    Bounds, Cem, Controller, EnergyOf, HierarchicalController, Levels, Planner, PlanningConfig, Rung,
};

/// x' = x + a on the lowest level. Above, an action is how far a stretch leads, in units of its longest way, and places are
/// known on a scale of half the size.
struct Plane {
    device: Device,
    strides: Vec<usize>,
    /// Where upper levels believe that a step leads, whatever is done.
    lie: Option<[f32; 2]>,
}

fn plane(strides: &[usize]) -> Plane {
    Plane { device: Device::flex(), strides: strides.to_vec(), lie: None }
}

impl Plane {
    /// Steps of the lowest level in one of `level`.
    fn span(&self, level: usize) -> usize {
        self.strides[..=level].iter().product()
    }
}

impl Levels for Plane {
    type State = Tensor<2>;

    fn count(&self) -> usize {
        self.strides.len()
    }

    fn stride(&self, level: usize) -> usize {
        self.strides[level]
    }

    fn action_width(&self, _: usize) -> usize {
        2
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn repeat(&self, state: &Tensor<2>, times: usize) -> Tensor<2> {
        jepa_core::hierarchy::repeated(state, times)
    }

    fn step(&self, level: usize, state: Tensor<2>, actions: Tensor<2>) -> jepa_core::Result<Tensor<2>> {
        let moves = match self.lie {
            Some(lie) if level > 0 => actions * 0.0 + rows(&[lie]),
            _ => actions,
        };
        Ok(state + moves * (self.span(level) as f64 * 0.5f64.powi(level as i32)))
    }

    fn lift(&self, _: usize, state: &Tensor<2>) -> jepa_core::Result<Tensor<2>> {
        Ok(state.clone() * 0.5)
    }

    fn energy(&self, _: usize, state: &Tensor<2>, goal: &Tensor<2>) -> jepa_core::Result<Tensor<1>> {
        Ok(jepa_core::hierarchy::squared(state, goal))
    }
}

fn search(horizon: usize, execute: usize) -> PlanningConfig {
    let cem = Cem {
        samples: 100,
        elites: 10,
        iterations: 10,
        deviation: vec![0.5],
        bounds: Bounds::Norm { limit: 1.0 },
        momentum: [0.0; 2],
        mean_is_a_sample: true,
    };
    PlanningConfig { planner: Planner::Cem(cem), horizon, execute, warm_start: true, energy: EnergyOf::All }
}

fn rows(values: &[[f32; 2]]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.concat(), [values.len(), 2]), &Device::flex())
}

/// Two episodes side by side, of so many steps; how far each ends from its goal, and the sub-goals after every look.
fn pursue(plane: &Plane, configs: &[PlanningConfig], steps: usize) -> (Vec<f32>, Vec<Vec<Vec<f32>>>) {
    let (mut at, goal) = (rows(&[[0.0, 0.0], [5.0, -5.0]]), rows(&[[20.0, 10.0], [-10.0, 8.0]]));
    let mut control = HierarchicalController::new(configs, 1, 0);
    let (mut done, mut aims) = (0, Vec::new());
    while done < steps {
        let summit = plane.summit(&goal).unwrap();
        let descent = control.plan(plane, &at, &summit, 2, steps - done).unwrap();
        assert_eq!(descent.sub_goals.len(), plane.count() - 1);
        aims.push(descent.sub_goals.into_iter().map(|goal| host::read(goal).unwrap()).collect());
        for step in 0..descent.execute {
            let actions: Vec<[f32; 2]> = descent.plan.actions.iter().map(|a| [a[2 * step], a[2 * step + 1]]).collect();
            at = plane.step(0, at, rows(&actions)).unwrap();
            done += 1;
        }
    }
    assert_eq!(done, steps);
    let away = host::read(at - goal).unwrap();
    (away.chunks_exact(2).map(|a| a[0].hypot(a[1])).collect(), aims)
}

/// Two and three levels, each lower one with the horizon of a stretch.
fn hierarchies() -> [(Plane, Vec<PlanningConfig>); 2] {
    [
        (plane(&[1, 4]), vec![search(4, 2), search(8, 1)]),
        (plane(&[1, 4, 2]), vec![search(4, 2), search(2, 2), search(4, 1)]),
    ]
}

#[test]
fn planners_on_two_and_three_levels_reach_goals_far_beyond_the_lowest_ones_horizon() {
    for (plane, configs) in hierarchies() {
        let (misses, _) = pursue(&plane, &configs, 40);
        assert!(misses.iter().all(|miss| *miss < 0.5), "{misses:?}");
    }
}

#[test]
fn an_upper_model_that_lies_leads_the_lower_one_astray() {
    // Nothing ever changes; all ways lead down.
    for lie in [[0.0, 0.0], [0.0, -1.0]] {
        for (plane, configs) in hierarchies() {
            let (misses, _) = pursue(&Plane { lie: Some(lie), ..plane }, &configs, 40);
            assert!(misses.iter().all(|miss| *miss > 15.0), "{lie:?}: {misses:?}");
        }
    }
}

#[test]
fn a_level_keeps_its_sub_goal_until_its_stretch_is_used_up() {
    // Level 1 looks every 2 actions, a stretch is 4, level 2 searches after 2 of its actions, level 3 after each.
    let (_, aims) = pursue(&plane(&[1, 4, 2]), &[search(4, 2), search(2, 2), search(4, 1)], 32);
    assert_eq!(aims.len(), 16);
    for (look, pair) in aims.windows(2).enumerate() {
        let (next, [before, after]) = (look + 1, [&pair[0], &pair[1]]);
        assert_eq!(before[0] != after[0], next % 2 == 0, "level 1's goal at look {next}");
        assert_eq!(before[1] != after[1], next % 4 == 0, "level 2's goal at look {next}");
    }
}

#[test]
fn with_one_level_it_is_the_controller_number_for_number() {
    let (flat, configs) = (plane(&[1]), [search(10, 3)]);
    let (start, goal) = (rows(&[[0.0, 0.0], [1.0, 2.0]]), rows(&[[4.0, 1.0], [-3.0, 0.0]]));
    let mut many = HierarchicalController::new(&configs, 9, 4);
    let mut one = Controller::new(&configs[0], 9, 4);
    for left in [20, 17, 14] {
        let found = many.plan(&flat, &start, &goal, 2, left).unwrap();
        let expected = one.plan(&Rung { levels: &flat, level: 0 }, &start, &goal, 2, left).unwrap();
        assert_eq!((found.plan, found.execute), (expected, 3));
    }
    let error = many.plan(&plane(&[1, 2]), &start, &goal, 2, 5).unwrap_err().to_string();
    assert!(error.contains("2 levels, 1 configurations"), "{error}");
}
